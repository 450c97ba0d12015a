//! The few JSON shapes that all objects are made of, borrowed from the bytes they stand in.
//!
//! Absent and `null` mean the same here, as they do to the API server. A member of a wrong type makes the object
//! unreadable; it is never guessed at.

use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};

use crate::{Interner, Name, rows::Seconds};

/// Declares slim structs: each member optional, everything else skipped. Not derived, because a derived struct also takes
/// an array for an object, member by member. A member that is written twice counts as it stands last, as in Go.
macro_rules! slim {
    ($($name:ident $(<$a:lifetime>)? { $($field:ident $key:literal: $ty:ty),* $(,)? })+) => {$(
        #[derive(Default)]
        pub(super) struct $name $(<$a>)? { $(pub(super) $field: $ty,)* }

        impl<'de: $($a,)? $($a)?> serde::Deserialize<'de> for $name $(<$a>)? {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Members<T>(std::marker::PhantomData<T>);

                impl<'de: $($a,)? $($a)?> serde::de::Visitor<'de> for Members<$name $(<$a>)?> {
                    type Value = $name $(<$a>)?;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut read = $name::default();
                        while let Some(key) = map.next_key::<$crate::decode::json::Text<'de>>()? {
                            match &*key {
                                $($key => read.$field = map.next_value::<Option<_>>()?.unwrap_or_default(),)*
                                _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
                            }
                        }
                        Ok(read)
                    }
                }

                d.deserialize_map(Members(std::marker::PhantomData))
            }
        }
    )+};
}
pub(super) use slim;

/// A string, borrowed where it holds no escape.
#[derive(Default)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// A string, or a number as it would be written in one (`minAvailable: 1`, `cpu: 2`).
#[derive(Default)]
pub(super) struct Loose<'a>(pub(super) Cow<'a, str>);

struct TextVisitor;

impl<'de> de::Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

struct LooseVisitor;

impl<'de> de::Visitor<'de> for LooseVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(number.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(number.to_string()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(TextVisitor).map(Self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(LooseVisitor).map(Self)
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Loose<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// An object of strings, in the order in which it is written.
#[derive(Default)]
pub(super) struct Pairs<'a>(pub(super) Vec<(Text<'a>, Loose<'a>)>);

struct PairsVisitor;

impl<'de> de::Visitor<'de> for PairsVisitor {
    type Value = Vec<(Text<'de>, Loose<'de>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(8);
        while let Some(key) = map.next_key::<Text<'de>>()? {
            pairs.push((key, map.next_value::<Option<Loose<'de>>>()?.unwrap_or_default()));
        }
        Ok(pairs)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(PairsVisitor).map(Self)
    }
}

/// Whether a member is there (and not `null`), whatever it holds.
#[derive(Default, Clone, Copy)]
pub(super) struct Present(pub(super) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        de::IgnoredAny::deserialize(d).map(|_| Self(true))
    }
}

/// An integer that saturates at the bounds of the row's field.
#[derive(Default, Clone, Copy)]
pub(super) struct Int(pub(super) i64);

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        i64::deserialize(d).map(Self)
    }
}

impl Int {
    pub(super) fn i32(self) -> i32 {
        i32::try_from(self.0).unwrap_or(if self.0 < 0 { i32::MIN } else { i32::MAX })
    }

    pub(super) fn u32(self) -> u32 {
        u32::try_from(self.0).unwrap_or(if self.0 < 0 { 0 } else { u32::MAX })
    }
}

impl Text<'_> {
    /// The moment it names; `None` when it is empty or not RFC 3339.
    pub(super) fn time(&self) -> Option<Seconds> {
        if self.is_empty() { None } else { self.parse::<Timestamp>().ok().map(Timestamp::as_second) }
    }

    /// The moment it names, or 0.
    pub(super) fn time_or_zero(&self) -> Seconds {
        self.time().unwrap_or(0)
    }

    /// The UUID it holds as a number, or 0.
    pub(super) fn uid(&self) -> u128 {
        uid(self)
    }

    /// The shared copy of a word that components choose freely (reasons, sources): cut, so that nobody can fill the
    /// memory with one.
    pub(super) fn word(&self, interner: &mut Interner) -> Name {
        if self.len() <= LONGEST_WORD { interner.name(self) } else { interner.name(&cut(self, LONGEST_WORD)) }
    }

    /// The text, cut at `longest` bytes.
    pub(super) fn cut(&self, longest: usize) -> Box<str> {
        cut(self, longest).into()
    }

    /// The sentence, in at most `longest` bytes.
    pub(super) fn sentence(&self, longest: usize) -> Box<str> {
        sentence(self, longest).into()
    }
}

/// Longest reason, source or type kept, in bytes. The API's own are below 128.
const LONGEST_WORD: usize = 256;

/// The text, or its beginning and `…` in at most `longest` bytes.
pub(super) fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    const MARK: &str = "…";
    if text.len() <= longest {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(longest.saturating_sub(MARK.len()));
    let kept = text.get(..end).unwrap_or_default();
    Cow::Owned(format!("{kept}{MARK}"))
}

/// The text, or its beginning and `…`, cut between words: half a credential would no longer be known for one. A word that
/// is longer than [`LONGEST_PART`] bytes goes in whole stretches.
pub(super) fn sentence(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest {
        return Cow::Borrowed(text);
    }
    let short = cut(text, longest);
    let from = short.floor_char_boundary(short.len().saturating_sub(LONGEST_PART));
    let between = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
    let end = short.get(from..).and_then(|tail| tail.rfind(between)).map_or(from, |at| from + at);
    Cow::Owned(format!("{}…", short.get(..end).unwrap_or_default()))
}

/// How far back a cut looks for the beginning of the word that it would break.
const LONGEST_PART: usize = 256;

/// The 32 hexadecimal digits of a UUID; 0 for anything else.
pub(super) fn uid(text: &str) -> u128 {
    let (mut value, mut digits) = (0_u128, 0_u32);
    for byte in text.bytes() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'-' => continue,
            _ => return 0,
        };
        value = (value << 4) | u128::from(digit);
        digits += 1;
    }
    if digits == 32 { value } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_ends_with_a_mark_and_at_a_character() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("0123456789", 8), "01234…");
        // Each ü has two bytes: five bytes remain before the mark, of which four are whole characters.
        assert_eq!(cut("üüüüüü", 8), "üü…");
        assert!(cut(&"ü".repeat(600), 512).len() <= 512);
    }

    #[test]
    fn a_cut_sentence_ends_between_words() {
        assert_eq!(sentence("dial postgres://app:pw@db failed", 32), "dial postgres://app:pw@db failed");
        assert_eq!(sentence("dial postgres://app:pw@db failed", 24), "dial…");
        assert_eq!(sentence("say \"one two\" and more of it", 18), "say \"one two\"…");
        let long = format!("{} {}", "a".repeat(100), "b".repeat(900));
        assert_eq!(sentence(&long, 512).len(), 512 - LONGEST_PART + "…".len());
        assert!(sentence(&"ü".repeat(600), 512).len() <= 512);
    }

    #[test]
    fn only_uuids_are_numbers() {
        assert_eq!(uid("00000000-0000-0000-0000-0000000000ff"), 255);
        assert_eq!(uid("FFFFFFFF-ffff-ffff-ffff-ffffffffffff"), u128::MAX);
        for odd in ["", "ff", "mirror-0", "00000000-0000-0000-0000-0000000000f", "…"] {
            assert_eq!(uid(odd), 0, "{odd}");
        }
    }
}
