//! Makes other people's text safe to show: control, terminal, direction and invisible characters become visible
//! escapes, and the length is capped with a mark that says how much is missing.
//!
//! It refuses to interpret the text and to hide anything without saying so. Redact first: a cap may cut a
//! credential so that it is no longer recognised.

mod tokens;
mod values;

use std::borrow::Cow;

use crate::redact::Redactor;

pub use tokens::estimate as estimate_tokens;
pub use values::clean_json;

/// A text that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clean {
    /// The text, with its mark when it was cut.
    pub text: String,
    /// Whether something was left out.
    pub truncated: bool,
}

/// Escapes what a reader would not see, or would see wrongly, and keeps at most `max` bytes of the result. A cut
/// ends in `… (+N bytes)`, where N counts bytes of the original; the mark comes on top of `max`.
///
/// ```
/// # use aiops_engine::text::clean;
/// assert_eq!(clean("a\u{1b}[31mb", 80).text, "a\\u{1b}[31mb");
/// assert_eq!(clean("abcdef", 4).text, "abcd… (+2 bytes)");
/// ```
pub fn clean(text: &str, max: usize) -> Clean {
    let mut out = String::with_capacity(text.len().min(max.saturating_add(24)));
    for (at, character) in text.char_indices() {
        let before = out.len();
        push(&mut out, character);
        if out.len() > max {
            out.truncate(before);
            let missing = text.len() - at;
            out.push_str(&format!("… (+{missing} bytes)"));
            return Clean { text: out, truncated: true };
        }
    }
    Clean { text: out, truncated: false }
}

/// Redacts, then cleans: the order in which every text of others leaves.
pub fn show(redactor: &Redactor, text: &str, max: usize) -> Clean {
    clean(&redactor.redact(text), max)
}

/// Somebody else's words in one line of a list: redacted, then without line ends and colours, then cut at `most`
/// characters with a `…`.
pub fn line(text: &str, most: usize) -> String {
    let redacted = Redactor.redact(text);
    let mut chars = redacted.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

/// Whether `clean` would leave the text as it is.
pub fn is_clean(text: &str, max: usize) -> bool {
    // Nearly every text is plain, and seen to be so many bytes at a time.
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    text.len() <= max && (is_plain || !text.chars().any(hidden))
}

/// The text without what `clean` escapes, borrowed when there is nothing to do.
pub fn clean_cow(text: &str, max: usize) -> Cow<'_, str> {
    if is_clean(text, max) { Cow::Borrowed(text) } else { Cow::Owned(clean(text, max).text) }
}

fn push(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        hidden_one if hidden(hidden_one) => out.push_str(&format!("\\u{{{:x}}}", u32::from(hidden_one))),
        seen => out.push(seen),
    }
}

/// Characters that do not show, or change how others show.
fn hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
            | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests;
