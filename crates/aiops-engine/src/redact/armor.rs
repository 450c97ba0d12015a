//! Credentials with a frame of their own: PEM blocks, JSON web tokens, the data of Secrets printed as text.
//!
//! A certificate is public, but nobody reads one in an answer: it is replaced by its own tag. A block that was cut
//! off is replaced as far as it goes.

use super::quotes::{bare_end, closing, quote_at};
use super::view::{Span, View, url_safe};

/// The longest label between `BEGIN` and the dashes, in bytes.
const LABEL_CAP: usize = 60;

/// What a PEM block is made of, in any escaping.
const fn pem_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte.is_ascii_whitespace()
        || matches!(byte, b'+' | b'/' | b'=' | b'\\' | b'%' | b'-' | b':' | b',' | b'|')
}

/// The block whose `BEGIN` stands at `start..end`.
pub(super) fn find(view: View<'_>, start: usize, end: usize) -> Option<Span> {
    if !view.starts(start, "BEGIN") {
        return None;
    }
    let dashes = view.skip_back(start, 20, |byte| matches!(byte, b'-' | b'%' | b'2' | b'D' | b'd'));
    if start - dashes < 4 {
        return None;
    }
    let label_end = view.skip(end, LABEL_CAP, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'+' | b'%' | b'_')
    });
    let label = view.text(end, label_end);
    let tag = if label.contains("PRIVATE") || label.contains("SECRET") || label.contains("ENCRYPTED") {
        "private-key"
    } else if label.contains("CERTIFICATE") || label.contains("CRL") {
        "certificate"
    } else {
        return None;
    };
    let mut body_end = label_end;
    let mut stop = None;
    while body_end < view.len() && pem_byte(view.at(body_end)) {
        if view.at(body_end) == b'E'
            && view.starts(body_end, "END")
            && matches!(view.before(body_end), b'-' | b'D' | b'd')
        {
            let tail = view.skip(body_end + 3, LABEL_CAP, |byte| {
                byte.is_ascii_uppercase()
                    || matches!(byte, b' ' | b'+' | b'_')
                    || byte == b'%'
                    || byte == b'2'
                    || byte == b'0'
            });
            stop = Some(view.skip(tail, 20, |byte| matches!(byte, b'-' | b'%' | b'2' | b'D' | b'd')));
            break;
        }
        body_end += 1;
    }
    Some(Span::new(dashes, stop.unwrap_or(body_end), tag))
}

/// A JSON web token, or anything else in base64 that begins like an object.
pub(super) fn jwt(view: View<'_>, start: usize) -> Option<Span> {
    if !view.starts(start, "eyJ")
        || url_safe(view.before(start)) && !view.word_begins(start) && view.before(start) != b'_'
    {
        return None;
    }
    let head = view.skip(start, usize::MAX, url_safe);
    if view.at(head) != b'.' || head - start < 10 {
        return None;
    }
    let end = view.skip(head, usize::MAX, |byte| url_safe(byte) || byte == b'.');
    // A full stop that ends the sentence is not the token's.
    let end = if view.before(end) == b'.' && end > head + 1 { end - 1 } else { end };
    (end - head >= 4).then(|| Span::new(start, end, "jwt"))
}

/// The values below `data` or `stringData` of a Secret printed as JSON or YAML; the word stands at `start..end`.
pub(super) fn secret_data(view: View<'_>, start: usize, end: usize, found: &mut Vec<Span>) {
    let word = if view.at(end.saturating_sub(1)) == b':' { end - 1 } else { end };
    let name = view.skip_back(word, 10, |byte| byte.is_ascii_alphabetic());
    if !matches!(view.text(name, word), "data" | "stringData") || !near_secret(view, start, end) {
        return;
    }
    let after = quote_at(view, word).map_or(word, |(_, past)| past);
    let colon = view.skip(after, 8, |byte| byte == b' ');
    if view.at(colon) != b':' {
        return;
    }
    let open = view.skip(colon + 1, 64, |byte| byte.is_ascii_whitespace());
    if view.at(open) == b'{' {
        json_values(view, open + 1, found);
    } else if view.at(colon + 1) == b'\n' {
        yaml_values(view, name, colon + 2, found);
    }
}

/// Whether the kind Secret is named close to the member: before or after it, as printers differ.
fn near_secret(view: View<'_>, start: usize, end: usize) -> bool {
    let head = view.bytes(start.saturating_sub(2048), start);
    let tail = view.bytes(end, (end + 8192).min(view.len()));
    let named = |bytes: &[u8]| {
        bytes.windows(12).any(|part| part == b"kind: Secret")
            || bytes.windows(6).enumerate().any(|(at, part)| {
                part == b"Secret"
                    && bytes
                        .get(at.saturating_sub(12)..at)
                        .is_some_and(|before| before.windows(4).any(|key| key == b"kind"))
            })
    };
    named(head) || named(tail)
}

fn json_values(view: View<'_>, mut at: usize, found: &mut Vec<Span>) {
    loop {
        at = view.skip(at, 4096, |byte| byte.is_ascii_whitespace() || byte == b',');
        let Some((quote, past)) = quote_at(view, at) else { return };
        let (key_end, closed) = closing(view, past, quote);
        if !closed {
            return;
        }
        let Some((_, after)) = quote_at(view, key_end) else { return };
        let colon = view.skip(after, 8, |byte| byte == b' ');
        if view.at(colon) != b':' {
            return;
        }
        let value = view.skip(colon + 1, 8, |byte| byte == b' ');
        let Some((quote, past)) = quote_at(view, value) else { return };
        let (end, closed) = closing(view, past, quote);
        push(view, past, end, found);
        if !closed {
            return;
        }
        let Some((_, next)) = quote_at(view, end) else { return };
        at = next;
    }
}

fn yaml_values(view: View<'_>, name: usize, mut line: usize, found: &mut Vec<Span>) {
    let own = view.skip_back(name, 256, |byte| byte != b'\n');
    let indent = view.skip(own, 256, |byte| byte == b' ') - own;
    while line < view.len() {
        let text = view.skip(line, 256, |byte| byte == b' ');
        let stop = view.skip(text, usize::MAX, |byte| byte != b'\n');
        if text - line <= indent && text < stop {
            return;
        }
        let key = view.skip(text, 256, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'"')
        });
        if view.starts(key, ": ") {
            let value = key + 2;
            let end = quote_at(view, value).map_or_else(|| bare_end(view, value), |_| stop);
            push(view, value, end, found);
        } else {
            push(view, text, stop, found);
        }
        line = stop + 1;
    }
}

fn push(view: View<'_>, start: usize, end: usize, found: &mut Vec<Span>) {
    if end > start && view.tag_end(start) != Some(end) && view.at(start) != b'|' {
        found.push(Span::new(start, end, "secret-data"));
    }
}
