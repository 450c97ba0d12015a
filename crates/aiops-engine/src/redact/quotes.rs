//! Where a value begins and ends: quotes in any degree of escaping, bare words, rest of a line.
//!
//! Knows the notations of JSON, YAML, shells, URLs and logs. It refuses to judge what stands between the bounds.

use super::view::View;

/// Quotes written as an escape of some notation.
const ENCODED: &[&str] =
    &["%22", "%27", "%2522", "&quot;", "&#34;", "&#39;", "\\u0022", "\\u0027", "\\x22", "\\x27"];

/// An opening or closing quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    /// A quote character behind this many backslashes.
    Char { mark: u8, slashes: usize },
    /// A quote in the notation `ENCODED[_]`.
    Encoded(&'static str),
}

/// The quote that begins at the position, and where it ends.
pub(super) fn quote_at(view: View<'_>, position: usize) -> Option<(Quote, usize)> {
    let first = view.at(position);
    if !matches!(first, b'"' | b'\'' | b'`' | b'\\' | b'%' | b'&') {
        return None;
    }
    let mark_at = view.skip(position, 64, |byte| byte == b'\\');
    let mark = view.at(mark_at);
    if matches!(mark, b'"' | b'\'' | b'`') {
        return Some((Quote::Char { mark, slashes: mark_at - position }, mark_at + 1));
    }
    ENCODED
        .iter()
        .find(|word| view.starts_nocase(position, word))
        .map(|word| (Quote::Encoded(word), position + word.len()))
}

/// Where the value that began behind `quote` ends, and whether a closing quote was found. Without one the value
/// ends with its line.
pub(super) fn closing(view: View<'_>, start: usize, quote: Quote) -> (usize, bool) {
    match quote {
        Quote::Encoded(word) => {
            let mut at = start;
            while at < view.len() {
                if view.starts_nocase(at, word) {
                    return (at, true);
                }
                if matches!(view.at(at), b'\n' | b'"' | b' ') {
                    return (at, false);
                }
                at += 1;
            }
            (at, false)
        }
        Quote::Char { mark, slashes } => {
            let mut at = start;
            let mut run = 0;
            while at < view.len() {
                let byte = view.at(at);
                if byte == b'\\' {
                    run += 1;
                } else if byte == mark {
                    // Inside, a quote carries more backslashes; one that closes carries as many as the opening
                    // one, behind escaped backslashes that come in groups twice as large.
                    let escaped = run % (2 * (slashes + 1)) != slashes;
                    if mark == b'\'' && slashes == 0 && view.at(at + 1) == b'\'' {
                        at += 1;
                    } else if run < slashes || !escaped || mark != b'"' {
                        return (at.saturating_sub(run.min(slashes)), true);
                    }
                    run = 0;
                } else if byte == b'\n' && mark != b'"' {
                    return (at, false);
                } else {
                    run = 0;
                }
                at += 1;
            }
            // Cut off: everything that is left of the line belongs to the value.
            (view.skip(start, usize::MAX, |byte| byte != b'\n'), false)
        }
    }
}

/// Where a bare value that begins at `start` ends.
pub(super) fn bare_end(view: View<'_>, start: usize) -> usize {
    let mut at = start;
    while at < view.len() {
        if let Some(past) = view.tag_end(at) {
            at = past;
            continue;
        }
        let byte = view.at(at);
        match byte {
            0..=b' ' | 0x7f | b'"' | b'\'' | b'`' | b'<' | b'>' => break,
            b'\\' if matches!(view.at(at + 1), b'"' | b'\'' | b'n' | b'r' | b't' | b'u' | b'\\') => break,
            b'%' if ends_encoded(view, at) => break,
            b'&' if view.starts_nocase(at, "&quot;") || view.starts_nocase(at, "&#") => break,
            b',' | b';' | b'&' | b')' | b']' | b'}' | b'|' if ends_element(view, at + 1) => break,
            _ => at += 1,
        }
    }
    at
}

/// `%26`, `%22` and line ends end a value of a URL; other escapes are part of it.
fn ends_encoded(view: View<'_>, at: usize) -> bool {
    ["%26", "%22", "%0a", "%0d", "%27", "%2522"].iter().any(|word| view.starts_nocase(at, word))
}

/// Whether what follows a separator shows that it ended the value: nothing, a blank, more punctuation or the next
/// pair. Passwords hold commas and brackets too.
fn ends_element(view: View<'_>, next: usize) -> bool {
    let byte = view.at(next);
    if byte <= b' '
        || matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b',' | b';' | b')' | b']' | b'}' | b'<' | b'.' | b':')
    {
        return true;
    }
    let name = view.skip(next, 48, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    name > next && (matches!(view.at(name), b'=' | b':') || view.starts_nocase(name, "%3d"))
}

/// The end of a value that takes the rest of its line, without trailing blanks. An escaped line end or a quote
/// that was open before the key ends it too.
pub(super) fn line_end(view: View<'_>, start: usize) -> usize {
    let mut at = start;
    while at < view.len() {
        match view.at(at) {
            b'\n' | b'\r' | b'"' | b'\'' | b'`' => break,
            b'\\' if matches!(view.at(at + 1), b'"' | b'\'' | b'n' | b'r') => break,
            b'%' if ends_encoded(view, at) => break,
            _ => at += 1,
        }
    }
    view.skip_back(at, 64, |byte| matches!(byte, b' ' | b'\t')).max(start)
}
