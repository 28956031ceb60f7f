//! Fields whose type differs by shape: a string here, a number there, an object elsewhere.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A field that some shapes write as a string and others as a number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Scalar<'a> {
    /// Missing or null.
    #[default]
    Missing,
    Text(Cow<'a, str>),
    Unsigned(u64),
    /// An object, a list of several, a fraction or a negative number, which no known shape writes here.
    Other,
}

impl Scalar<'_> {
    /// The text, unless it is empty or the `-` that Windows writes for nothing. A number is no text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.trim()).filter(|text| !text.is_empty() && *text != "-"),
            _ => None,
        }
    }

    /// Whether it holds no value: missing, empty or `-`.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Missing => true,
            Self::Text(_) => self.text().is_none(),
            Self::Unsigned(_) | Self::Other => false,
        }
    }

    /// This field unless it is empty, else the other.
    pub(super) fn or<'f>(&'f self, other: &'f Self) -> &'f Self {
        if self.is_empty() { other } else { self }
    }

    /// The number, written as one or as decimal digits.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(*number),
            _ => self.text()?.parse().ok(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor(PhantomData))
    }
}

struct ScalarVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for ScalarVisitor<'a> {
    type Value = Scalar<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Unsigned(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(number).map_or(Scalar::Other, Scalar::Unsigned))
    }

    /// Some shippers turn every number into a double.
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        /// Doubles hold whole numbers exactly up to here.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let is_whole = number.fract() == 0.0 && (0.0..=EXACT).contains(&number);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole, positive and below the bound"
        )]
        let whole = number as u64;
        Ok(if is_whole {
            Scalar::Unsigned(whole)
        } else {
            Scalar::Other
        })
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(if flag { "true" } else { "false" })))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Missing)
    }

    /// Ingest pipelines write lists of one.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let first = items.next_element::<Scalar<'a>>()?;
        let mut others = 0_u64;
        while items.next_element::<IgnoredAny>()?.is_some() {
            others += 1;
        }
        Ok(first.filter(|_| others == 0).unwrap_or(Scalar::Other))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// An object that other shapes write as something else, or leave out: read as empty then.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Section<T>(T);

impl<T> Deref for Section<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Section<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(SectionVisitor(PhantomData))
            .map(Self)
    }
}

struct SectionVisitor<T>(PhantomData<T>);

macro_rules! read_as_empty {
    ($($visit:ident: $type:ty),+) => {
        $(fn $visit<E>(self, _: $type) -> Result<T, E> {
            Ok(T::default())
        })+
    };
}

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for SectionVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    read_as_empty!(visit_str: &str, visit_u64: u64, visit_i64: i64, visit_f64: f64, visit_bool: bool);

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries))
    }
}

/// Texts that one shape writes alone and another as a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Texts<'a>(Vec<Scalar<'a>>);

impl<'a> Deref for Texts<'a> {
    type Target = [Scalar<'a>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for TextsVisitor<'a> {
            type Value = Texts<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Texts(vec![Scalar::Text(Cow::Borrowed(text))]))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Texts(vec![Scalar::Text(Cow::Owned(text.to_owned()))]))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Texts(vec![Scalar::Unsigned(number)]))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Texts::default())
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Texts::default())
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Texts::default())
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Texts::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(item) = items.next_element::<Scalar<'a>>()? {
                    texts.push(item);
                }
                Ok(Texts(texts))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Texts::default())
            }
        }
        deserializer.deserialize_any(TextsVisitor(PhantomData))
    }
}
