//! What is refused, and with which words.

use schemas::{
    Codec, Frame, HotlistEntry, Journey, Name, Observation, Patrol,
    Reason::{Invalid, Unreadable},
    Review, Revised, Sighting, Signal,
    wire::{Format, Record},
};

#[track_caller]
fn refused<T: Record + std::fmt::Debug>(format: Format, bytes: impl AsRef<[u8]>, reason: schemas::Reason, words: &str) {
    let refusal = format.decode::<T>(bytes.as_ref()).unwrap_err();
    assert_eq!(refusal.reason, reason, "{refusal}");
    assert!(refusal.detail.contains(words), "{:?} should say {words:?}", refusal.detail);
}

/// An observation of one object with these fields besides its class.
fn frame(object: &str) -> String {
    format!(r#"{{"camera":"c019","frame":1,"at_ms":5,"objects":[{{"class":"car",{object}}}]}}"#)
}

/// An observation of one car with this plate.
fn plate(plate: &str) -> String {
    frame(&format!(r#""confidence":900,"box":[1,2,3,4],"plate":{plate}"#))
}

#[test]
fn what_is_not_json_is_unreadable() {
    let whole = frame(r#""confidence":900,"box":[1,2,3,4]"#);
    assert!(Format::Json.decode::<Observation>(whole.as_bytes()).is_ok());
    for end in 0..whole.len() {
        refused::<Observation>(Format::Json, &whole[..end], Unreadable, "is not JSON");
    }
    refused::<Observation>(Format::Json, format!("{whole}}}"), Unreadable, "trailing characters");
    refused::<Observation>(Format::Json, format!("\u{feff}{whole}"), Unreadable, "is not JSON");
    refused::<Observation>(Format::Json, "\0\0\0\0", Unreadable, "is not JSON");
    refused::<Observation>(Format::Json, b"{\"camera\":\"\xff\"}", Unreadable, "is not JSON");
    // Wrong at the first field, but not JSON either: the larger fault is told.
    refused::<Observation>(Format::Json, r#"{"camera":19,"#, Unreadable, "is not JSON");
}

#[test]
fn json_of_another_shape_is_invalid() {
    refused::<Observation>(Format::Json, "17", Invalid, "is an object");
    refused::<Observation>(Format::Json, r#"["c019",1,5,[],null]"#, Invalid, "is an object");
    refused::<Observation>(Format::Json, r#"{"frame":1,"at_ms":5,"objects":[]}"#, Invalid, "missing field `camera`");
    refused::<Observation>(Format::Json, r#"{"camera":19,"frame":1,"at_ms":5,"objects":[]}"#, Invalid, "a name of at most 31 bytes");
    refused::<Observation>(Format::Json, r#"{"camera":"c","frame":1,"at_ms":5.5,"objects":[]}"#, Invalid, "5.5");
    refused::<Observation>(Format::Json, r#"{"camera":"c","frame":-1,"at_ms":5,"objects":[]}"#, Invalid, "-1");
    refused::<Observation>(
        Format::Json,
        r#"{"camera":"c","frame":1,"at_ms":5,"at_ms":6,"objects":[]}"#,
        Invalid,
        "duplicate field `at_ms`",
    );
    refused::<Signal>(Format::Json, r#"{"head":"209/0","state":"purple","at_ms":5}"#, Invalid, "purple");
    let long = format!(r#"{{"camera":"{}","frame":1,"at_ms":5,"objects":[]}}"#, "c".repeat(32));
    refused::<Observation>(Format::Json, long, Invalid, "is 32 bytes long; at most 31 are allowed");
}

#[test]
fn values_that_cannot_be_are_invalid() {
    let confident = r#""confidence":900"#;
    refused::<Observation>(Format::Json, frame(&format!(r#"{confident},"box":[1,2,-3,4]"#)), Invalid, "objects[0]: box is -3 × 4 pixels");
    refused::<Observation>(Format::Json, frame(&format!(r#"{confident},"box":[1,2,3,0]"#)), Invalid, "each side must be at least 1");
    refused::<Observation>(Format::Json, frame(&format!(r#"{confident},"box":[1,65536,3,4]"#)), Invalid, "beyond 65535 pixels");
    refused::<Observation>(Format::Json, frame(&format!(r#"{confident},"box":[-2147483648,2,3,4]"#)), Invalid, "beyond 65535 pixels");
    refused::<Observation>(Format::Json, frame(&format!(r#"{confident},"box":[1,2,3]"#)), Invalid, "length 3");
    refused::<Observation>(Format::Json, frame(r#""confidence":1001,"box":[1,2,3,4]"#), Invalid, "1001 permille");
    let objects = vec![r#"{"class":"car","confidence":900,"box":[1,2,3,4]}"#; 100_000].join(",");
    let crowd = format!(r#"{{"camera":"c","frame":1,"at_ms":5,"objects":[{objects}]}}"#);
    refused::<Observation>(Format::Json, crowd, Invalid, "100000 objects in one frame; at most 1000");
}

#[test]
fn plates_that_cannot_be_are_invalid() {
    let of =
        |text: &str, confidence: &str| plate(&format!(r#"{{"text":"{text}","kind":"car","colour":"white","confidence":[{confidence}]}}"#));
    assert!(Format::Json.decode::<Observation>(of("88A-1", "1,2,3,4").as_bytes()).is_ok());
    refused::<Observation>(Format::Json, of("88A1", "1,2,3"), Invalid, "objects[0]: plate has 4 symbols but 3 confidences");
    refused::<Observation>(Format::Json, of("88A1", "1,2,3,4,5"), Invalid, "plate has 4 symbols but 5 confidences");
    refused::<Observation>(Format::Json, of("88A1", "1,2,3,1001"), Invalid, "above 1000 permille");
    refused::<Observation>(Format::Json, of("88A1", "1,2,3,-4"), Invalid, "-4");
    refused::<Observation>(Format::Json, of(&"8".repeat(500), "1"), Invalid, "longer than 15 symbols");
    refused::<Observation>(Format::Json, of("88A1", &["1"; 500].join(",")), Invalid, "more than 15 confidences");
    refused::<Observation>(Format::Json, of("88€1", "1,2,3,4"), Invalid, "must not hold '€'");
}

#[test]
fn other_records_are_checked_too() {
    let entry = r#"{"list":"stolen","plate":"88A12345","kind":"car","from_ms":9,"until_ms":9}"#;
    refused::<HotlistEntry>(Format::Json, entry, Invalid, "until_ms 9 is not after from_ms 9");
    let patrol = r#"{"unit":"p7","lon_e7":1800000001,"lat_e7":0,"at_ms":1,"on_duty":true}"#;
    refused::<Patrol>(Format::Json, patrol, Invalid, "no place on earth");
    let journey = r#"{"id":"07","plate":null,"sightings":["01"],"cameras":[],"from_ms":1,"until_ms":2,"certainty":999}"#;
    refused::<Journey>(Format::Json, journey, Invalid, "1 sightings but 0 cameras");
    let row = r#""id":"07","plate":null,"sightings":[],"cameras":[],"from_ms":3,"until_ms":2,"certainty":999"#;
    refused::<Revised<Journey>>(
        Format::Json,
        format!(r#"{{"revision":1,"status":"final",{row}}}"#),
        Invalid,
        "until_ms 2 is before from_ms 3",
    );
    refused::<Revised<Journey>>(Format::Json, format!(r#"{{"revision":0,"status":"final",{row}}}"#), Invalid, "revision is 0");
}

#[test]
fn nesting_without_end_is_only_skipped() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let signal = format!(r#"{{"head":"209/0","state":"red","at_ms":5,"vendor":{deep}}}"#);
    assert!(Format::Json.decode::<Signal>(signal.as_bytes()).is_ok());
    refused::<Revised<Sighting>>(Format::Json, signal, Invalid, "recursion limit");
    refused::<Signal>(Format::Json, "[".repeat(1_000_000), Unreadable, "is not JSON");
}

#[test]
fn bincode_without_our_header_is_unreadable() {
    let whole = b"\x03\x01\x05209/0\x01\x05\x00";
    assert!(Format::Bincode.decode::<Signal>(whole).is_ok());
    refused::<Signal>(Format::Bincode, b"", Unreadable, "shorter than the two-byte header");
    refused::<Signal>(Format::Bincode, b"\x03", Unreadable, "shorter than the two-byte header");
    refused::<Patrol>(Format::Bincode, whole, Unreadable, "has schema number 3; a patrol has 5");
    refused::<Signal>(Format::Bincode, b"\x03\x02\x05209/0\x01\x05\x00", Unreadable, "is version 2 of signal; this program reads 1");
    refused::<Signal>(Format::Bincode, br#"{"head":"209/0"}"#, Unreadable, "has schema number 123");
    for end in 2..whole.len() {
        refused::<Signal>(Format::Bincode, &whole[..end], Invalid, "");
    }
    refused::<Signal>(Format::Bincode, [&whole[..], b"\x00"].concat(), Invalid, "has 1 bytes more than a signal");
    refused::<Signal>(Format::Bincode, b"\x03\x01\x05209/0\x09\x05\x00", Invalid, "");
    refused::<Signal>(Format::Bincode, b"\x03\x01\x05209/\xff\x01\x05\x00", Invalid, "");
}

/// Lengths of 4 GiB and of 16 EiB where a text, a sequence and a map begin: refused without setting that memory aside.
#[test]
fn lengths_that_lie_cost_no_memory() {
    let lies = [&b"\xfc\xff\xff\xff\xff"[..], b"\xfd\xff\xff\xff\xff\xff\xff\xff\xff"];
    let before = address_space();
    for lie in lies {
        refused::<Signal>(Format::Bincode, [b"\x03\x01", lie].concat(), Invalid, "");
        refused::<Observation>(Format::Bincode, [b"\x02\x01\x01c\x01\x01", lie].concat(), Invalid, "");
        refused::<HotlistEntry>(Format::Bincode, [b"\x04\x01\x01s\x0288\x00\x00", lie].concat(), Invalid, "");
        refused::<schemas::City>(Format::Bincode, [b"\x01\x01", lie].concat(), Invalid, "");
        let alert = [&b"\x08\x01\x0207\x01r\x01\x00\x05\x01c\x00\x00\x00"[..], lie].concat();
        refused::<schemas::Alert>(Format::Bincode, alert, Invalid, "");
    }
    let grown = address_space().saturating_sub(before);
    assert!(grown < 1 << 30, "the address space grew by {grown} bytes");
}

/// The largest address space this process ever had, in bytes; 0 where the system does not tell.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    peak.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[test]
fn frames_that_cannot_be_are_invalid() {
    let frame = |key: bool, parameters: usize, bytes: usize| {
        let (camera, codec) = (Name::of("c1"), Codec::H264);
        let frame = Frame {
            camera,
            frame: 1,
            at_ms: 5,
            error_ms: 0,
            codec,
            key,
            gap: false,
            parameters: vec![1; parameters],
            bytes: vec![2; bytes],
        };
        let mut encoded = Vec::new();
        Format::Bincode.encode(&frame, &mut encoded);
        encoded
    };
    assert!(Format::Bincode.decode::<Frame>(&frame(true, Frame::PARAMETERS_MOST, Frame::BYTES_MOST)).is_ok());
    refused::<Frame>(Format::Bincode, frame(true, 1, 0), Invalid, "there is no picture");
    refused::<Frame>(Format::Bincode, frame(true, 0, Frame::BYTES_MOST + 1), Invalid, "8388609 bytes; at most 8388608");
    refused::<Frame>(Format::Bincode, frame(true, Frame::PARAMETERS_MOST + 1, 1), Invalid, "65537 bytes; at most 65536");
    refused::<Frame>(Format::Bincode, frame(false, 1, 1), Invalid, "parameters belong to key frames");
    // A length that lies: nothing is set aside for it.
    refused::<Frame>(Format::Bincode, b"\x0e\x01\x02c1\x07\x05\x05\x01\x01\x00\x00\xfd\xff\xff\xff\xff\xff\xff\xff\xff", Invalid, "");
    let text = |bytes: &str| format!(r#"{{"camera":"c1","frame":7,"at_ms":5,"error_ms":5,"codec":"mjpeg","key":true,"bytes":{bytes}}}"#);
    assert!(Format::Json.decode::<Frame>(text("\"AAAA\"").as_bytes()).is_ok());
    refused::<Frame>(Format::Json, text("\"AAA\""), Invalid, "base64");
    refused::<Frame>(Format::Json, text("[1,2]"), Invalid, "bytes in base64");
    refused::<Frame>(Format::Json, text("\"AAAA\"").replace("mjpeg", "vp9"), Invalid, "unknown variant `vp9`");
}

#[test]
fn a_review_says_why_it_rejects() {
    for (decision, rest, detail) in [
        ("rejected", "", "needs a reason"),
        ("confirmed", r#","reason":"escort""#, "is for a rejected alert"),
        ("rejected", r#","reason":"other","note":" ""#, "needs a note"),
        ("rejected", r#","reason":"mood""#, "unknown variant"),
        ("maybe", "", "unknown variant"),
    ] {
        let review = format!(r#"{{"alert":"00000000000000a1","revision":1,"decision":"{decision}","who":"lan","at_ms":1{rest}}}"#);
        refused::<Review>(Format::Json, &review, Invalid, detail);
    }
    let long = format!(
        r#"{{"alert":"00000000000000a1","revision":1,"decision":"confirmed","who":"lan","at_ms":1,"note":"{}"}}"#,
        "n".repeat(2_001)
    );
    refused::<Review>(Format::Json, &long, Invalid, "2001 bytes long");
}
