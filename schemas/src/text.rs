//! Short text held inline, so that keys are `Copy` and comparing them touches no other memory.

use std::fmt;

/// The text does not fit the space a key has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is {len} bytes long; at most {most} are allowed")]
pub struct TooLong {
    /// Bytes given.
    pub len: usize,
    /// Bytes allowed.
    pub most: usize,
}

/// An identifier given from outside (camera, lane line, signal head, centre, rule …): at most 31 bytes of UTF-8.
///
/// ```
/// let camera: schemas::Name = "c019".parse().unwrap();
/// assert_eq!(camera.as_str(), "c019");
/// assert!("x".repeat(32).parse::<schemas::Name>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    bytes: [u8; 31],
    len: u8,
}

impl Name {
    /// The most bytes a name may have.
    pub const MOST: usize = 31;

    /// A name known when the program is written; panics if it is too long, which is our own bug.
    #[must_use]
    pub const fn of(text: &str) -> Self {
        let source = text.as_bytes();
        assert!(source.len() <= Self::MOST, "a name of at most 31 bytes");
        let mut bytes = [0; 31];
        let mut i = 0;
        while i < source.len() {
            bytes[i] = source[i];
            i += 1;
        }
        Self { bytes, len: source.len() as u8 }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(&self.bytes[..usize::from(self.len)]);
        state.write_u8(self.len);
    }
}

impl std::str::FromStr for Name {
    type Err = TooLong;

    fn from_str(text: &str) -> Result<Self, TooLong> {
        if text.len() > Self::MOST {
            return Err(TooLong { len: text.len(), most: Self::MOST });
        }
        Ok(Self::of(text))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Serialises a type through its `Display` and `FromStr`, as a string, without allocating.
macro_rules! serde_as_text {
    ($type:ty, $expecting:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(|e| E::custom(format_args!("{} {e}", $expecting)))
                    }
                }
                d.deserialize_str(Text)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $expecting })
            }
        }
    };
}

serde_as_text!(Name, "a name of at most 31 bytes");
