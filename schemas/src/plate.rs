//! Vietnamese number plates: text, kind, colour, confidence, and the grammar of what can be issued.
//!
//! Source: circular 79/2024/TT-BCA and decree 168/2024 as collected in the project's rules; province codes and series
//! change, so the grammar is a prior for reading, never a reason to drop a plate.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The text of a plate: capital letters, digits and `Đ`, without separators; at most 15 symbols, kept inline.
///
/// Parsing folds case and drops spaces, `.`, `-`, `/` and line breaks. `Đ` stays a symbol of its own.
///
/// ```
/// use schemas::PlateText;
/// let plate: PlateText = "88a-123.45".parse().unwrap();
/// assert_eq!(plate.to_string(), "88A12345");
/// assert_eq!("29-MĐ1 123.45".parse::<PlateText>().unwrap().len(), 10);
/// assert!("8".repeat(500).parse::<PlateText>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PlateText {
    symbols: [u8; Self::MOST],
    len: u8,
}

impl PlateText {
    /// The most symbols a plate may have.
    pub const MOST: usize = 15;
    /// The byte that stands for `Đ` among [`symbols`](Self::symbols).
    pub const D_STROKE: u8 = 0xD0;

    /// A plate of these symbols (`0–9`, `A–Z`, [`D_STROKE`](Self::D_STROKE)); `None` if there are too many or others among them.
    #[must_use]
    pub fn of_symbols(symbols: &[u8]) -> Option<Self> {
        let known = |b: &u8| b.is_ascii_digit() || b.is_ascii_uppercase() || *b == Self::D_STROKE;
        if symbols.len() > Self::MOST || !symbols.iter().all(known) {
            return None;
        }
        let mut text = Self { len: symbols.len() as u8, ..Self::default() };
        text.symbols[..symbols.len()].copy_from_slice(symbols);
        Some(text)
    }

    /// The symbols, one byte each.
    #[must_use]
    pub fn symbols(&self) -> &[u8] {
        &self.symbols[..usize::from(self.len)]
    }

    /// How many symbols.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the grammar of this kind of plate knows the text. `88A11234` fits both a car and an old motorbike.
    ///
    /// ```
    /// use schemas::{PlateKind, PlateText};
    /// let plate: PlateText = "88A11234".parse().unwrap();
    /// assert!(plate.fits(PlateKind::Car) && plate.fits(PlateKind::Bike) && !plate.fits(PlateKind::Army));
    /// ```
    #[must_use]
    pub fn fits(&self, kind: PlateKind) -> bool {
        let s = self.symbols();
        let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
        let serial = |part: &[u8]| matches!(part.len(), 4 | 5) && digits(part);
        let civil = |b: u8| b"ABCDEFGHKLMNPSTUVXYZ".contains(&b);
        let special = |part: &[u8]| [&b"LD"[..], b"DA", b"MK", b"HC", b"CD", b"KT", b"TD", b"RM"].contains(&part);
        match kind {
            PlateKind::Army => s.len() == 6 && s[..2].iter().all(u8::is_ascii_uppercase) && digits(&s[2..]),
            _ if s.len() < 7 || !digits(&s[..2]) => false,
            PlateKind::Car => ((civil(s[2]) || s[2] == b'R') && serial(&s[3..])) || (special(&s[2..4]) && serial(&s[4..])),
            PlateKind::Bike => {
                let second = s[3].is_ascii_digit() && s[3] != b'0' || b"ABCDEFGHKLMNPRSTUVXYZ".contains(&s[3]);
                civil(s[2]) && second && serial(&s[4..])
            }
            PlateKind::Ebike => {
                let series = s[2] == b'M' && matches!(s[3], b'D' | Self::D_STROKE) && (b'1'..=b'9').contains(&s[4]);
                s.len() == 10 && series && digits(&s[5..])
            }
            PlateKind::Diplomatic => {
                let office = |part: &[u8]| [&b"NG"[..], b"NN", b"QT", b"CV"].contains(&part);
                s.len() == 9
                    && ((office(&s[2..4]) && digits(&s[4..]))
                        || (digits(&s[2..5]) && [&b"NG"[..], b"NN"].contains(&&s[5..7]) && digits(&s[7..])))
            }
            PlateKind::Other => false,
        }
    }
}

impl std::str::FromStr for PlateText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut plate = Self::default();
        for c in text.chars() {
            let symbol = match c {
                ' ' | '.' | '-' | '/' | '\n' | '\r' => continue,
                'Đ' | 'đ' => Self::D_STROKE,
                c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase() as u8,
                c => return Err(format!("must not hold {c:?}")),
            };
            if plate.len() == Self::MOST {
                return Err(format!("must not be longer than {} symbols", Self::MOST));
            }
            plate.symbols[plate.len()] = symbol;
            plate.len += 1;
        }
        Ok(plate)
    }
}

impl fmt::Display for PlateText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.symbols().iter().try_for_each(|b| fmt::Write::write_char(f, if *b == Self::D_STROKE { 'Đ' } else { char::from(*b) }))
    }
}

impl fmt::Debug for PlateText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

serde_as_text!(PlateText, "a plate of at most 15 letters and digits");

/// What kind of vehicle a plate was issued for; told by its layout (one or two lines), not by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlateKind {
    /// Cars, lorries, buses.
    Car,
    /// Motorbikes.
    Bike,
    /// Electric bikes.
    Ebike,
    /// The army.
    Army,
    /// Diplomatic and foreign.
    Diplomatic,
    /// A layout we do not know.
    #[serde(other)]
    Other,
}

/// The background of a plate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlateColour {
    /// Private.
    White,
    /// Transport business, or special economic zones.
    Yellow,
    /// State.
    Blue,
    /// Army.
    Red,
    /// A colour we do not know.
    #[serde(other)]
    Other,
}

/// A plate as read: its text with a confidence for every symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Plate {
    /// What was read.
    pub text: PlateText,
    /// By its layout.
    pub kind: PlateKind,
    /// Its background.
    pub colour: PlateColour,
    /// For each symbol, permille.
    pub confidence: Confidence,
}

impl Plate {
    /// What makes it the same plate.
    #[must_use]
    pub fn key(&self) -> PlateKey {
        PlateKey { kind: self.kind, colour: self.colour, text: self.text }
    }

    /// Whether the values can be true at all.
    ///
    /// # Errors
    /// The symbols and their confidences differ in number.
    pub fn check(&self) -> Result<(), String> {
        let (symbols, confidences) = (self.text.len(), self.confidence.values().len());
        if symbols != confidences {
            return Err(format!("plate has {symbols} symbols but {confidences} confidences"));
        }
        Ok(())
    }
}

/// What makes two plates the same. The same text on a car and on a motorbike are two plates; so are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PlateKey {
    /// By layout.
    pub kind: PlateKind,
    /// Background.
    pub colour: PlateColour,
    /// Text.
    pub text: PlateText,
}

/// A confidence for each symbol of a plate, permille; at most [`PlateText::MOST`], kept inline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Confidence {
    permille: [u16; PlateText::MOST],
    len: u8,
}

impl Confidence {
    /// Of these values; `None` if there are too many or one is above 1,000.
    #[must_use]
    pub fn of(values: &[u16]) -> Option<Self> {
        if values.len() > PlateText::MOST || values.iter().any(|v| *v > 1_000) {
            return None;
        }
        let mut confidence = Self { len: values.len() as u8, ..Self::default() };
        confidence.permille[..values.len()].copy_from_slice(values);
        Some(confidence)
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> &[u16] {
        &self.permille[..usize::from(self.len)]
    }
}

impl fmt::Debug for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.values().fmt(f)
    }
}

impl Serialize for Confidence {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.values())
    }
}

impl<'de> Deserialize<'de> for Confidence {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> serde::de::Visitor<'de> for Values {
            type Value = Confidence;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("at most 15 confidences in permille")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Confidence, A::Error> {
                let mut confidence = Confidence::default();
                while let Some(value) = seq.next_element::<u16>()? {
                    if confidence.values().len() == PlateText::MOST || value > 1_000 {
                        return Err(serde::de::Error::custom("more than 15 confidences, or one above 1000 permille"));
                    }
                    confidence.permille[usize::from(confidence.len)] = value;
                    confidence.len += 1;
                }
                Ok(confidence)
            }
        }
        d.deserialize_seq(Values)
    }
}

impl JsonSchema for Confidence {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Confidence".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "array", "maxItems": 15, "items": { "type": "integer", "minimum": 0, "maximum": 1000 } })
    }
}
