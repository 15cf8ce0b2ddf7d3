//! Observations in JSON, read in one pass over the bytes: they are nearly all that comes, and `serde_json` took half of the time that
//! a restart needs.
//!
//! It knows the fields of an observation, in any order, and nothing else. Whatever is out of the ordinary (a field that we do not
//! know, an escape within a text, a fraction, anything wrong) is none of its business: it gives up, and `serde_json` reads the record
//! from its beginning, or says what is wrong. So what it takes, `serde_json` takes too and as the same; a test holds it to that.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use crate::plate::Confidence;
use crate::{Object, Observation, PixelBox, Plate, PlateText};

/// The observation that the bytes are, if it is an ordinary one.
pub(super) fn observation(bytes: &[u8]) -> Option<Observation> {
    let mut json = Json(bytes);
    let (mut camera, mut frame, mut at_ms, mut objects, mut received_ms) = (None, None, None, None, None);
    json.object(|json, field| match field {
        b"camera" => once(&mut camera, json.text()?.parse().ok()?),
        b"frame" => once(&mut frame, json.unsigned()?),
        b"at_ms" => once(&mut at_ms, json.unsigned()?),
        b"objects" => once(&mut objects, json.objects()?),
        b"received_ms" => once(&mut received_ms, json.or_null(Json::unsigned)?),
        _ => None,
    })?;
    json.blank();
    if !json.0.is_empty() {
        return None;
    }
    let (objects, received_ms) = (Arc::new(objects?), received_ms.flatten());
    Some(Observation { camera: camera?, frame: frame?, at_ms: at_ms?, objects, received_ms })
}

/// A field that is there once; one that comes again is something wrong.
fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// What is still to be read.
struct Json<'a>(&'a [u8]);

impl<'a> Json<'a> {
    fn blank(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// Takes this byte, after any blanks.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.blank();
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        (*first == byte).then_some(())
    }

    /// Takes this byte, after any blanks, if it comes.
    fn takes(&mut self, byte: u8) -> bool {
        self.blank();
        let rest = self.0.strip_prefix(&[byte]);
        rest.inspect(|rest| self.0 = rest).is_some()
    }

    /// What lies between two marks, parted by commas.
    fn list(&mut self, [begin, end]: [u8; 2], mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(begin)?;
        if self.takes(end) {
            return Some(());
        }
        loop {
            one(self)?;
            if !self.takes(b',') {
                return self.take(end);
            }
        }
    }

    fn object(&mut self, mut field: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.list(*b"{}", |json| {
            let name = json.text()?.as_bytes();
            json.take(b':')?;
            field(json, name)
        })
    }

    /// A text without escapes.
    fn text(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let end = self.0.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix(b"\"")?;
        std::str::from_utf8(text).ok()
    }

    /// A word of an enumeration, as serde knows them.
    fn word<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let word: StrDeserializer<'_, Error> = self.text()?.into_deserializer();
        T::deserialize(word).ok()
    }

    fn unsigned(&mut self) -> Option<u64> {
        self.blank();
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.0.split_at(digits);
        // No number begins with a zero but zero, and all of 19 digits have room.
        if !(1..=19).contains(&digits) || (digits > 1 && number[0] == b'0') {
            return None;
        }
        self.0 = rest;
        Some(number.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
    }

    /// A number that `T` has room for.
    fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        self.unsigned()?.try_into().ok()
    }

    fn signed(&mut self) -> Option<i32> {
        if !self.takes(b'-') {
            return self.number();
        }
        // What follows the sign is a digit; and there is no `-0` among whole numbers.
        self.0.first().filter(|byte| (b'1'..=b'9').contains(byte))?;
        i32::try_from(-self.number::<i64>()?).ok()
    }

    fn or_null<T>(&mut self, value: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        self.blank();
        match self.0.strip_prefix(b"null") {
            Some(rest) => {
                self.0 = rest;
                Some(None)
            }
            None => value(self).map(Some),
        }
    }

    fn objects(&mut self) -> Option<Vec<Object>> {
        let mut objects = Vec::new();
        self.list(*b"[]", |json| {
            let object = json.detected()?;
            if objects.is_empty() {
                // Most frames have no more.
                objects.reserve(8);
            }
            objects.push(object);
            Some(())
        })?;
        Some(objects)
    }

    fn detected(&mut self) -> Option<Object> {
        let (mut class, mut confidence, mut bounds, mut plate, mut body, mut speed_cms) = (None, None, None, None, None, None);
        self.object(|json, field| match field {
            b"class" => once(&mut class, json.word()?),
            b"confidence" => once(&mut confidence, json.number()?),
            b"box" => once(&mut bounds, json.bounds()?),
            b"plate" => once(&mut plate, json.or_null(Self::plate)?),
            b"body" => once(&mut body, json.or_null(Self::word)?),
            b"speed_cms" => once(&mut speed_cms, json.or_null(Self::number)?),
            _ => None,
        })?;
        let (plate, body, speed_cms) = (plate.flatten(), body.flatten(), speed_cms.flatten());
        Some(Object { class: class?, confidence: confidence?, bounds: bounds?, plate, body, speed_cms })
    }

    fn bounds(&mut self) -> Option<PixelBox> {
        let (mut sides, mut known) = ([0; 4], 0);
        self.list(*b"[]", |json| {
            *sides.get_mut(known)? = json.signed()?;
            known += 1;
            Some(())
        })?;
        (known == 4).then(|| sides.into())
    }

    fn plate(&mut self) -> Option<Plate> {
        let (mut text, mut kind, mut colour, mut confidence) = (None, None, None, None);
        self.object(|json, field| match field {
            b"text" => once(&mut text, json.text()?.parse().ok()?),
            b"kind" => once(&mut kind, json.word()?),
            b"colour" => once(&mut colour, json.word()?),
            b"confidence" => once(&mut confidence, json.confidence()?),
            _ => None,
        })?;
        Some(Plate { text: text?, kind: kind?, colour: colour?, confidence: confidence? })
    }

    fn confidence(&mut self) -> Option<Confidence> {
        let (mut values, mut known) = ([0; PlateText::MOST], 0);
        self.list(*b"[]", |json| {
            *values.get_mut(known)? = json.number()?;
            known += 1;
            Some(())
        })?;
        Confidence::of(&values[..known])
    }
}

#[cfg(test)]
mod tests {
    use super::observation;

    const FRAME: &str = r#"{"camera":"c019","frame":1234,"at_ms":1767250800000,"objects":[{"class":"car","confidence":912,
        "box":[-3,0,40,30],"plate":{"text":"29MĐ112345","kind":"ebike","colour":"white","confidence":[990,1,2,3,4,5,6,7,8,1000]},
        "body":"white","speed_cms":1380},{"speed_cms":null,"box" : [1,2,3,4],"confidence":0,"class":"tram"}],"received_ms":null}"#;

    #[test]
    fn it_takes_what_cameras_send() {
        assert_eq!(observation(FRAME.as_bytes()).as_ref(), serde_json::from_str(FRAME).ok().as_ref());
        assert!(observation(br#"{"camera":"","frame":0,"at_ms":0,"objects":[]}"#).is_some());
    }

    #[test]
    fn it_leaves_alone_what_is_out_of_the_ordinary() {
        for (ordinary, other) in [
            ("\"frame\":1234", "\"frame\":1234,\"lens\":\"wide\""),
            ("\"frame\":1234", "\"frame\":1234,\"frame\":1234"),
            ("\"frame\":1234", "\"frame\":01234"),
            ("\"frame\":1234", "\"frame\":1234.0"),
            ("\"frame\":1234", "\"frame\":18446744073709551616"),
            ("\"frame\":1234,", ""),
            ("[-3,", "[-0,"),
            ("[-3,", "[- 3,"),
            ("[-3,0,", "[-3,"),
            ("c019", "c\\u0030"),
            ("912", "65536"),
            ("\"received_ms\":null}", "\"received_ms\":null}}"),
            ("\"received_ms\":null}", "\"received_ms\":null,}"),
        ] {
            let text = FRAME.replacen(ordinary, other, 1);
            assert!(text != FRAME && observation(text.as_bytes()).is_none(), "{other}");
        }
    }
}
