//! Observations in JSON, read in one pass over the bytes: they are nearly all that comes, and `serde_json` took half of the time that
//! a restart needs.
//!
//! It knows the fields of an observation, in any order, and nothing else. Whatever is out of the ordinary (a field that we do not
//! know, a blank before a colon, an escape within a text, a fraction, anything wrong) is none of its business: it gives up, and
//! `serde_json` reads the record from its beginning, or says what is wrong. So what it takes, `serde_json` takes too and as the same;
//! a test holds it to that.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use crate::plate::Confidence;
use crate::{Object, Observation, PixelBox, Plate, PlateText};

/// The observation that the bytes are, if it is an ordinary one.
pub(super) fn observation(bytes: &[u8]) -> Option<Observation> {
    let mut json = Json { json: bytes, at: 0 };
    let (mut camera, mut frame, mut at_ms, mut objects, mut received_ms) = (None, None, None, None, None);
    json.object(|json| {
        if json.name(b"\"camera\":") {
            once(&mut camera, json.text()?.parse().ok()?)
        } else if json.name(b"\"frame\":") {
            once(&mut frame, json.unsigned()?)
        } else if json.name(b"\"at_ms\":") {
            once(&mut at_ms, json.unsigned()?)
        } else if json.name(b"\"objects\":") {
            once(&mut objects, json.objects()?)
        } else if json.name(b"\"received_ms\":") {
            once(&mut received_ms, json.or_null(Json::unsigned)?)
        } else {
            None
        }
    })?;
    json.blank();
    if json.at < bytes.len() {
        return None;
    }
    let (objects, received_ms) = (Arc::new(objects?), received_ms.flatten());
    Some(Observation { camera: camera?, frame: frame?, at_ms: at_ms?, objects, received_ms })
}

/// A field that is there once; one that comes again is something wrong.
fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// JSON, and how far it was read.
struct Json<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Json<'a> {
    /// The byte that comes next; at the end 0, which is nothing in JSON.
    #[inline]
    fn next(&self) -> u8 {
        self.json.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn blank(&mut self) {
        while matches!(self.next(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// Takes this byte, after any blanks, if it comes.
    #[inline]
    fn takes(&mut self, byte: u8) -> bool {
        self.blank();
        let comes = self.next() == byte;
        self.at += usize::from(comes);
        comes
    }

    /// Takes this byte, after any blanks.
    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        self.takes(byte).then_some(())
    }

    /// What lies between two marks, parted by commas.
    #[inline]
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

    #[inline]
    fn object(&mut self, mut field: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.list(*b"{}", |json| {
            json.blank();
            field(json)
        })
    }

    /// Takes a field's name and colon, if they come as they are mostly written.
    #[inline]
    fn name<const N: usize>(&mut self, name: &[u8; N]) -> bool {
        let comes = self.json.get(self.at..).and_then(|json| json.first_chunk()) == Some(name);
        self.at += if comes { N } else { 0 };
        comes
    }

    /// A text without escapes.
    fn text(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let begin = self.at;
        while !matches!(self.next(), b'"' | b'\\' | ..b' ') {
            self.at += 1;
        }
        let text = self.json.get(begin..self.at)?;
        (self.next() == b'"').then(|| self.at += 1)?;
        std::str::from_utf8(text).ok()
    }

    /// A word of an enumeration, as serde knows them.
    fn word<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let word: StrDeserializer<'_, Error> = self.text()?.into_deserializer();
        T::deserialize(word).ok()
    }

    #[inline]
    fn unsigned(&mut self) -> Option<u64> {
        self.blank();
        let (begin, mut number) = (self.at, 0_u64);
        while let digit @ b'0'..=b'9' = self.next() {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        // All of 19 digits have room, and no number begins with a zero but zero.
        let digits = self.at - begin;
        ((1..=19).contains(&digits) && (digits == 1 || self.json[begin] != b'0')).then_some(number)
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
        matches!(self.next(), b'1'..=b'9').then_some(())?;
        i32::try_from(-self.number::<i64>()?).ok()
    }

    fn or_null<T>(&mut self, value: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if !self.takes(b'n') {
            return value(self).map(Some);
        }
        self.json[self.at..].starts_with(b"ull").then(|| self.at += 3)?;
        Some(None)
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
        self.object(|json| {
            if json.name(b"\"class\":") {
                once(&mut class, json.word()?)
            } else if json.name(b"\"confidence\":") {
                once(&mut confidence, json.number()?)
            } else if json.name(b"\"box\":") {
                once(&mut bounds, json.bounds()?)
            } else if json.name(b"\"plate\":") {
                once(&mut plate, json.or_null(Self::plate)?)
            } else if json.name(b"\"body\":") {
                once(&mut body, json.or_null(Self::word)?)
            } else if json.name(b"\"speed_cms\":") {
                once(&mut speed_cms, json.or_null(Self::number)?)
            } else {
                None
            }
        })?;
        let (plate, body, speed_cms) = (plate.flatten(), body.flatten(), speed_cms.flatten());
        Some(Object { class: class?, confidence: confidence?, bounds: bounds?, plate, body, speed_cms })
    }

    fn bounds(&mut self) -> Option<PixelBox> {
        let (sides, known) = self.few::<i32, 4>(Self::signed)?;
        (known == 4).then(|| sides.into())
    }

    /// At most so many numbers, and how many.
    #[inline]
    fn few<T: Copy + Default, const MOST: usize>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<([T; MOST], usize)> {
        let (mut few, mut known) = ([T::default(); MOST], 0);
        self.list(*b"[]", |json| {
            *few.get_mut(known)? = one(json)?;
            known += 1;
            Some(())
        })?;
        Some((few, known))
    }

    fn plate(&mut self) -> Option<Plate> {
        let (mut text, mut kind, mut colour, mut confidence) = (None, None, None, None);
        self.object(|json| {
            if json.name(b"\"text\":") {
                once(&mut text, json.text()?.parse().ok()?)
            } else if json.name(b"\"kind\":") {
                once(&mut kind, json.word()?)
            } else if json.name(b"\"colour\":") {
                once(&mut colour, json.word()?)
            } else if json.name(b"\"confidence\":") {
                once(&mut confidence, json.confidence()?)
            } else {
                None
            }
        })?;
        Some(Plate { text: text?, kind: kind?, colour: colour?, confidence: confidence? })
    }

    fn confidence(&mut self) -> Option<Confidence> {
        let (values, known) = self.few::<u16, { PlateText::MOST }>(Self::number)?;
        Confidence::of(&values[..known])
    }
}

#[cfg(test)]
mod tests {
    use super::observation;

    const FRAME: &str = r#"{"camera":"c019","frame":1234,"at_ms":1767250800000,"objects":[{"class":"car","confidence":912,
        "box":[-3,0,40,30],"plate":{"text":"29MĐ112345","kind":"ebike","colour":"white","confidence":[990,1,2,3,4,5,6,7,8,1000]},
        "body":"white","speed_cms":1380},{"speed_cms":null,"box": [ 1 ,2, 3,4],"confidence":0,"class":"tram"}],"received_ms":null}"#;

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
            ("\"frame\":1234", "\"frame\" :1234"),
            ("\"car\"", "\"car\n\""),
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
