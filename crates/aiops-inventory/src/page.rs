//! Cursors: where a list goes on.
//!
//! The first page shows the most severe rows; the pages after it walk all others by namespace and name. The cursor
//! carries which rows the first page has shown, so that a walk names each object once although severities change
//! meanwhile. A cursor is a place in one question, not a right: it is bound to the question by a digest and refused
//! when it was altered or belongs to another one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::Key;

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The last key that was walked; `None` when only the first page was shown.
    pub after: Option<Key>,
    /// Marks of the rows that the first page showed, see [`mark`].
    pub shown: Vec<u64>,
}

/// Why a cursor was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It was not made here, or was altered.
    #[error(
        "cursor is not one that this server gave out; call again without cursor to start from the beginning"
    )]
    Forged,
    /// It belongs to a call with other arguments.
    #[error(
        "cursor belongs to a call with other arguments; repeat those arguments or call again without cursor"
    )]
    OtherQuestion,
}

/// Longest cursor read: 500 marks, which is the largest limit of a list, and two names fit.
const LONGEST: usize = 4_096;
/// Bytes of a mark on the wire.
const MARK: usize = 5;

impl Cursor {
    /// The cursor as text: base64url of checksum, question, key and marks.
    pub fn encode(&self, question: u64) -> String {
        let mut body = Vec::new();
        let key = self.after.clone().unwrap_or_else(|| Key::new("", ""));
        for part in [&key.namespace, &key.name] {
            // A row's key may be longer than a name: a kind, a name and a reason. Cut, it would name another place.
            let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
            body.extend_from_slice(&length.to_le_bytes());
            body.extend_from_slice(part.as_bytes().get(..usize::from(length)).unwrap_or_default());
        }
        for mark in &self.shown {
            body.extend_from_slice(mark.to_le_bytes().get(..MARK).unwrap_or_default());
        }
        seal(question, &body)
    }

    /// Reads a cursor that [`Cursor::encode`] made for the same question.
    pub fn decode(text: &str, question: u64) -> Result<Self, CursorError> {
        let rest = &*open(text, question)?;
        let (namespace, rest) = text_of(rest).ok_or(CursorError::Forged)?;
        let (name, rest) = text_of(rest).ok_or(CursorError::Forged)?;
        let after = (!name.is_empty()).then(|| Key::new(namespace, name));
        let shown = rest
            .chunks_exact(MARK)
            .map(|bytes| bytes.iter().rev().fold(0_u64, |mark, byte| (mark << 8) | u64::from(*byte)));
        Ok(Self { after, shown: shown.collect() })
    }
}

/// A place in a question as opaque text: base64url of checksum, question and `body`.
pub fn seal(question: u64, body: &[u8]) -> String {
    let mut asked = question.to_le_bytes().to_vec();
    asked.extend_from_slice(body);
    let mut whole = digest([asked.as_slice()]).to_le_bytes().to_vec();
    whole.extend_from_slice(&asked);
    URL_SAFE_NO_PAD.encode(whole)
}

/// What [`seal`] was given for the same question.
pub fn open(text: &str, question: u64) -> Result<Vec<u8>, CursorError> {
    if text.len() > LONGEST {
        return Err(CursorError::Forged);
    }
    let whole = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Forged)?;
    let (sum, body) = whole.split_first_chunk::<8>().ok_or(CursorError::Forged)?;
    if u64::from_le_bytes(*sum) != digest([body]) {
        return Err(CursorError::Forged);
    }
    let (asked, rest) = body.split_first_chunk::<8>().ok_or(CursorError::Forged)?;
    if u64::from_le_bytes(*asked) != question {
        return Err(CursorError::OtherQuestion);
    }
    Ok(rest.to_vec())
}

fn text_of(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// The mark of a row in a cursor: 40 bits of its key's digest. One of 30 rows of a first page shares its mark with one
/// of 10,000 others in one of three million walks.
pub fn mark(key: &Key) -> u64 {
    digest([key.namespace.as_bytes(), key.name.as_bytes()]) >> 24
}

/// FNV-1a over the parts, each ended by a byte that cannot stand in a name. Not a defence against anybody: a cursor
/// grants nothing.
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_an_altered_one_does_not() {
        let cursor = Cursor { after: Some(Key::new("shop", "web-1")), shown: vec![1, 2, (1 << 40) - 1] };
        let text = cursor.encode(7);
        assert_eq!(Cursor::decode(&text, 7), Ok(cursor));
        assert_eq!(Cursor::decode(&text, 8), Err(CursorError::OtherQuestion));
        let flipped = format!("{}A", text.get(..text.len() - 1).unwrap());
        let cut = text.get(4..).unwrap();
        for forged in ["", "x", "../..", cut, &flipped, &"0".repeat(7_000), "é"] {
            assert_eq!(Cursor::decode(forged, 7), Err(CursorError::Forged), "{forged}");
        }
    }

    #[test]
    fn the_longest_key_and_the_most_rows_come_back() {
        let key = Key::new("n".repeat(63), format!("Deployment/{} {}", "ü".repeat(126), "r".repeat(256)));
        let cursor = Cursor { after: Some(key), shown: (0..480).collect() };
        assert_eq!(Cursor::decode(&cursor.encode(7), 7), Ok(cursor));
        let first = Cursor { after: None, shown: (0..500).collect() };
        assert_eq!(Cursor::decode(&first.encode(7), 7), Ok(first));
    }
}
