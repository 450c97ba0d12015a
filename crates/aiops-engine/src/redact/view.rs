//! A text as bytes that may be read at any position, and the places found in it.
//!
//! Positions past the end read as NUL, so that rules need no bounds of their own. It knows no credential.

/// A place to replace: bytes `start..end` by the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) tag: &'static str,
}

impl Span {
    pub(super) const fn new(start: usize, end: usize, tag: &'static str) -> Self {
        Self { start, end, tag }
    }
}

/// The bytes of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    text: &'a str,
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes() }
    }

    pub(super) const fn len(self) -> usize {
        self.bytes.len()
    }

    /// The byte at a position; NUL past the end.
    pub(super) fn at(self, position: usize) -> u8 {
        self.bytes.get(position).copied().unwrap_or(0)
    }

    /// The byte before a position; NUL at the beginning.
    pub(super) fn before(self, position: usize) -> u8 {
        position.checked_sub(1).map_or(0, |previous| self.at(previous))
    }

    /// The bytes of a range; empty when it does not exist.
    pub(super) fn bytes(self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The text of a range; empty when it does not exist or would split a character.
    pub(super) fn text(self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn starts(self, position: usize, word: &str) -> bool {
        self.bytes(position, position + word.len()) == word.as_bytes()
    }

    pub(super) fn starts_nocase(self, position: usize, word: &str) -> bool {
        self.bytes(position, position + word.len()).eq_ignore_ascii_case(word.as_bytes())
    }

    /// The first position from `start` whose byte does not satisfy `class`, at most `cap` bytes on.
    pub(super) fn skip(self, start: usize, cap: usize, class: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(start..).unwrap_or_default();
        start + rest.iter().take(cap).take_while(|byte| class(**byte)).count()
    }

    /// The first position of the run of `class` that ends before `end`, at most `cap` bytes back.
    pub(super) fn skip_back(self, end: usize, cap: usize, class: impl Fn(u8) -> bool) -> usize {
        let head = self.bytes.get(..end).unwrap_or_default();
        end - head.iter().rev().take(cap).take_while(|byte| class(**byte)).count()
    }

    /// Whether a word may begin here: what stands before is no letter or digit, or is the end of an escape such
    /// as `\n`, `%3D` or `\u003d`.
    pub(super) fn word_begins(self, position: usize) -> bool {
        let previous = self.before(position);
        if !previous.is_ascii_alphanumeric() {
            return true;
        }
        let back = |n: usize| position.checked_sub(n).map_or(0, |at| self.at(at));
        if back(2) == b'\\' && matches!(previous, b'n' | b'r' | b't' | b'b' | b'f') {
            return true;
        }
        if back(3) == b'%' && back(2).is_ascii_hexdigit() && previous.is_ascii_hexdigit() {
            return true;
        }
        back(6) == b'\\' && back(5) == b'u' && (1..5).all(|n| back(n).is_ascii_hexdigit())
    }

    /// The end of a tag of ours that begins here.
    pub(super) fn tag_end(self, position: usize) -> Option<usize> {
        if !self.starts(position, "[redacted:") {
            return None;
        }
        let name = position + "[redacted:".len();
        let end =
            self.skip(name, 24, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (self.at(end) == b']' && super::values::is_tag(self.bytes(name, end))).then_some(end + 1)
    }

    /// Whether the position lies inside a tag of ours.
    pub(super) fn inside_tag(self, position: usize) -> bool {
        let start = self.skip_back(position, 36, |byte| byte != b'[');
        start.checked_sub(1).and_then(|open| self.tag_end(open)).is_some_and(|end| position < end)
    }

    /// Past terminal colour sequences, raw or escaped, where they stand between a key and its value.
    pub(super) fn skip_colour(self, mut position: usize) -> usize {
        loop {
            let open = match self.at(position) {
                0x1b => position + 1,
                b'\\' => {
                    let word = self.skip_slashes(position);
                    let escape = ["u001b", "u{1b}", "x1b", "033", "e"];
                    match escape.iter().find(|escape| self.starts_nocase(word, escape)) {
                        Some(escape) => word + escape.len(),
                        None => return position,
                    }
                }
                _ => return position,
            };
            if self.at(open) != b'[' {
                return position;
            }
            let end = self.skip(open + 1, 16, |byte| byte.is_ascii_digit() || byte == b';');
            if !self.at(end).is_ascii_alphabetic() {
                return position;
            }
            position = end + 1;
        }
    }

    /// Past the backslashes of an escape, which double with each nesting.
    pub(super) fn skip_slashes(self, position: usize) -> usize {
        self.skip(position, 32, |byte| byte == b'\\')
    }
}

/// Letters, digits, `-` and `_`.
pub(super) const fn url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// What base64 in either alphabet is made of, with its padding.
pub(super) const fn base64(byte: u8) -> bool {
    url_safe(byte) || matches!(byte, b'+' | b'/' | b'=')
}
