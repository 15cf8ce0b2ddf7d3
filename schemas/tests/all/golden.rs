//! The bytes of one record of each kind, committed: a change of layout shows as a change of these files. `REWRITE=1` accepts.

use std::fmt::Debug;

use schemas::{
    Acknowledgement, Alert, Assignment, Body, Camera, CaptureHealth, CaptureState, City, Class, Codec, Confidence, Counts, Crossing,
    Decision, Effectiveness, Evidence, Frame, Ground, HotlistEntry, Id, Journey, Lane, Line, LineKind, Link, Name, NearUnit, Object,
    Observation, Patrol, Pixel, PixelBox, Plate, PlateColour, PlateKind, Quantities, Reason, Rejected, Review, ReviewReason, Revised,
    Section, Sighting, Signal, SignalState, Status, Stay, Zone, ZoneKind,
    wire::{Format, Record},
};

use crate::hold_against;

const NOON_MS: u64 = 1_767_250_800_000;

fn hold<T: Record + PartialEq + Debug>(file: &str, record: &T) {
    let encoded = |format: Format| {
        let mut bytes = Vec::new();
        format.encode(record, &mut bytes);
        assert_eq!(format.decode::<T>(&bytes).as_ref(), Ok(record), "{file} as {format}");
        bytes
    };
    let json = String::from_utf8(encoded(Format::Json)).unwrap();
    hold_against(&format!("tests/golden/{file}.json"), &format!("{json}\n"));
    hold_against(&format!("tests/golden/{file}.hex"), &hexadecimal(&encoded(Format::Bincode)));
}

/// Sixteen bytes a line.
fn hexadecimal(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ") + "\n";
    bytes.chunks(16).map(line).collect()
}

fn plate() -> Plate {
    let confidence = Confidence::of(&[990, 985, 1_000, 1, 0, 251, 250, 912]).unwrap();
    Plate { text: "88A12345".parse().unwrap(), kind: PlateKind::Car, colour: PlateColour::White, confidence }
}

#[test]
fn what_capture_takes() {
    let (camera, at_ms) = (Name::of("c019"), NOON_MS);
    let (parameters, bytes) = (vec![0, 0, 0, 1, 0x67, 0xff], vec![0, 0, 0, 1, 0x65, 0xfb, 0xff]);
    hold("frame", &Frame { camera, frame: 1_234, at_ms, error_ms: 50, codec: Codec::H264, key: true, gap: true, parameters, bytes });
    let (state, span_ms, frames, bit_rate, gaps, dropped, reconnects) = (CaptureState::Waiting, 10_000, 249, 4_194_304, 1, 3, 2);
    let error = Some("connection refused".to_owned());
    hold(
        "capture_health",
        &CaptureHealth { camera, at_ms, state, span_ms, frames, bit_rate, gaps, dropped, reconnects, own_clock: true, error },
    );
}

#[test]
fn what_a_camera_sends() {
    let full = Object {
        class: Class::Car,
        confidence: 912,
        bounds: PixelBox { x: -3, y: 67, width: 17, height: 48 },
        plate: Some(plate()),
        body: Some(Body::Silver),
        speed_cms: Some(1_380),
    };
    let bare = Object { class: Class::Other, plate: None, body: None, speed_cms: None, ..full };
    let objects = vec![full, bare].into();
    hold("observation", &Observation { camera: Name::of("c019"), frame: 1_234, at_ms: NOON_MS, objects, received_ms: Some(NOON_MS + 85) });
}

#[test]
fn what_the_city_sends() {
    hold("signal", &Signal { head: Name::of("209/0"), state: SignalState::Yellow, at_ms: NOON_MS, error_ms: 50 });
    let entry = HotlistEntry {
        list: Name::of("stolen"),
        plate: "29MĐ112345".parse().unwrap(),
        kind: PlateKind::Ebike,
        priority: 90,
        reason: "case 0001".into(),
        from_ms: NOON_MS,
        until_ms: NOON_MS + 360_000,
        deleted: false,
    };
    hold("hotlist_entry", &entry);
    hold("patrol", &Patrol { unit: Name::of("p7"), lon_e7: 1_055_981_344, lat_e7: -213_071_417, at_ms: NOON_MS, on_duty: true });
}

#[test]
fn the_map() {
    let camera = Camera {
        id: Name::of("c001"),
        centre: Name::of("west"),
        lon_e7: 1_055_981_344,
        lat_e7: 213_071_417,
        heading_deg: 203,
        fps: 5,
        clock_error_ms: 50,
        ground: vec![Ground { pixel: Pixel { x: 540, y: 100 }, cm: [-4_000, -1_000] }],
        lanes: vec![Lane { id: 0, from_x: 600, to_x: 640, head: Some(Name::of("209/0")) }],
        lines: vec![Line { id: Name::of("stop"), kind: LineKind::StopLine, from: Pixel { x: 540, y: 500 }, to: Pixel { x: 740, y: 500 } }],
        zones: vec![Zone { id: Name::of("shoulder"), kind: ZoneKind::NoStopping, limit_ms: 60_000, polygon: vec![Pixel { x: 1, y: 2 }] }],
    };
    let link = Link { from: Name::of("c001"), to: Name::of("c002"), length_cm: 123_456, adjacent: true };
    let section = Section { id: Name::of("s1"), from: Name::of("c001"), to: Name::of("c002"), length_cm: 123_456, limit_kmh: 50 };
    let centres = vec![Name::of("west")];
    hold("city", &City { name: "acosta".into(), centres, cameras: vec![camera], links: vec![link], sections: vec![section] });
}

#[test]
fn what_comes_out() {
    let sighting = Sighting {
        id: Id(0x0123_4567_89ab_cdef),
        camera: Name::of("c019"),
        class: Class::Car,
        body: Some(Body::Silver),
        from_ms: NOON_MS,
        until_ms: NOON_MS + 7_400,
        plate: Some(plate()),
        crossings: vec![Crossing { line: Name::of("stop"), at_ms: NOON_MS + 5_133, lane: Some(1), forward: true }],
        stays: vec![Stay { zone: Name::of("shoulder"), from_ms: NOON_MS + 1_000, until_ms: NOON_MS + 4_000 }],
        speed_cms: None,
        boxes: 37,
        against_cm: None,
        against_from_ms: None,
    };
    let journey = Journey {
        id: Id(7),
        plate: Some(plate()),
        sightings: vec![sighting.id],
        cameras: vec![sighting.camera],
        from_ms: sighting.from_ms,
        until_ms: sighting.until_ms,
        certainty: 998,
    };
    let alert = Alert {
        id: Id(u64::MAX),
        rule: Name::of("section_speed"),
        certain: true,
        priority: 40,
        at_ms: NOON_MS + 5_133,
        centre: Name::of("west"),
        plate: Some(plate()),
        journey: Some(journey.id),
        evidence: vec![Evidence { sighting: Some(sighting.id), camera: sighting.camera, at_ms: NOON_MS + 5_133 }],
        measured: Quantities::of([("speed_cms", 1_530), ("lower_cms", 1_508)]),
        limit: Quantities::of([("limit_kmh", 50)]),
        text: "88A12345 drove 55 km/h where 50 are allowed".into(),
    };
    hold("sighting", &Revised { revision: 1, status: Status::Provisional, row: sighting });
    hold("journey", &Revised { revision: 2, status: Status::Final, row: journey });
    let near = NearUnit { unit: Name::of("p7"), distance_cm: 123_400, by_road: true, seen_ms: NOON_MS + 4_000 };
    let (unit, unanswered) = (Some(near.unit), vec![Name::of("p9")]);
    let assignment = Assignment { id: alert.id, unit, units: vec![near], unanswered, alert: alert.clone() };
    hold("alert", &Revised { revision: 3, status: Status::Withdrawn, row: alert });
    hold("assignment", &Revised { revision: 4, status: Status::Provisional, row: assignment });
    let (from_ms, known_from_ms) = (Effectiveness::hour_of(NOON_MS), Effectiveness::hour_of(NOON_MS + 7_200_000));
    let (centre, camera, rule) = (Name::of("west"), Name::of("c019"), Some(Name::of("red_light")));
    let id = Effectiveness::id_of(from_ms, known_from_ms, centre, camera, rule);
    let counts = Counts { confirmed: -1, rejected: 1, ..Counts::NONE };
    hold(
        "effectiveness",
        &Revised { revision: 1, status: Status::Final, row: Effectiveness { id, from_ms, known_from_ms, centre, camera, rule, counts } },
    );
    let (topic, reason, detail) = (Name::of("observations"), Reason::Invalid, "missing field `frame` at line 1 column 12".into());
    let record = Some(r#"{"camera":7}"#.into());
    hold("rejected", &Rejected { topic, partition: 3, offset: 41, reason, detail, record, record_base64: None });
}

/// Made by hand from the public format, not by our encoder.
#[test]
fn bytes_made_by_hand_are_read() {
    let signal = Signal { head: Name::of("209/0"), state: SignalState::Yellow, at_ms: 250, error_ms: 251 };
    let bytes = b"\x03\x01\x05209/0\x01\xfa\xfb\xfb\x00";
    assert_eq!(Format::Bincode.decode::<Signal>(bytes), Ok(signal));
    let text = br#" {"error_ms":251, "state":"yellow", "at_ms":250, "head":"209\/0", "vendor":{"x":[1,2]}}"#;
    assert_eq!(Format::Json.decode::<Signal>(text), Ok(signal));
}

/// A picture's bytes are base64 in text, and themselves where they may be.
#[test]
fn a_frame_made_by_hand_is_read() {
    let frame = Frame {
        camera: Name::of("c1"),
        frame: 7,
        at_ms: 250,
        error_ms: 5,
        codec: Codec::H265,
        key: true,
        gap: false,
        parameters: vec![0xff],
        bytes: b"giao".to_vec(),
    };
    let bytes = b"\x0e\x01\x02c1\x07\xfa\x05\x01\x01\x00\x01\xff\x04giao";
    assert_eq!(Format::Bincode.decode::<Frame>(bytes), Ok(frame.clone()));
    let text = br#"{"camera":"c1","frame":7,"at_ms":250,"error_ms":5,"codec":"h265","key":true,"parameters":"/w==","bytes":"Z2lhbw=="}"#;
    assert_eq!(Format::Json.decode::<Frame>(text), Ok(frame));
    assert_eq!((Format::of(bytes), Format::of(text)), (Format::Bincode, Format::Json));
}

/// A class or colour that a later version adds is `Other` to this one.
#[test]
fn unknown_words_and_numbers_are_other() {
    let text = br#"{"camera":"c","frame":1,"at_ms":1,"objects":[{"class":"tram","confidence":1,"box":[0,0,1,1],"body":"pink"}]}"#;
    let read: Observation = Format::Json.decode(text).unwrap();
    assert_eq!((read.objects[0].class, read.objects[0].body), (Class::Other, Some(Body::Other)));
    let bytes = b"\x02\x01\x01c\x01\x01\x01\x63\x01\x00\x00\x02\x02\x00\x01\x64\x00\x00";
    assert_eq!(Format::Bincode.decode::<Observation>(bytes).unwrap(), read);
}

#[test]
fn what_people_do_about_an_alert() {
    let (alert, who, at_ms) = (Id(0xfedc_ba98_7654_3210), "lan".to_owned(), NOON_MS);
    hold("acknowledgement", &Acknowledgement { alert, revision: 1, who: who.clone(), at_ms });
    let (decision, reason, note) = (Decision::Rejected, Some(ReviewReason::BrokenSignal), "Đèn hỏng".to_owned());
    hold("review", &Review { alert, revision: 2, decision, reason, note, who, at_ms });
}
