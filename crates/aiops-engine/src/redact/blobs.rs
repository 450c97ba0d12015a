//! Long encoded strings: random base64, gzip in base64, and base64 whose text holds a credential.
//!
//! Hexadecimal digests, UUIDs, names, paths and public fingerprints are left alone. Nothing is unpacked but base64,
//! once.

use super::values::Shape;
use super::view::{Span, View};

/// The shortest run that is looked at, and the shortest that is replaced for its randomness, in characters.
const SHORTEST: usize = 20;
const RANDOM: usize = 40;
/// The longest run whose decoded text is searched, in characters; a longer one is random enough or replaced whole.
const DECODED: usize = 1 << 20;

/// Adds the encoded strings of the text that must not pass.
pub(super) fn find(text: &str, view: View<'_>, found: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + SHORTEST <= bytes.len() {
        // A run of this length that begins here reaches over this byte.
        let probe = at + SHORTEST - 1;
        if !member(view.at(probe)) {
            at = probe + 1;
            continue;
        }
        let start = view.skip_back(probe, probe - at, member);
        let end = view.skip(probe, usize::MAX, member);
        if end - start >= SHORTEST
            && let Some(span) = judge(view, start, end)
            && !view.inside_tag(span.start)
        {
            found.push(span);
        }
        at = end + 1;
    }
}

/// What base64 is made of, also behind `%` or `\` in URLs and JSON.
const fn member(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'%' | b'\\' | b'=')
}

fn judge(view: View<'_>, start: usize, end: usize) -> Option<Span> {
    let run = view.bytes(start, end);
    // Most runs are words, paths and hexadecimal numbers: no capital next to a small letter more than a few times.
    let mut shape = Shape::default();
    for byte in run {
        shape.push(*byte);
    }
    if shape.upper < 2 || shape.lower < 2 {
        return nkey(view, start, end);
    }
    // Where the run begins with a name and `=`, the value alone is the blob.
    let mut from = start;
    for (index, byte) in run.iter().enumerate() {
        if *byte == b'=' && index + SHORTEST < run.len() && run.get(index + 1) != Some(&b'=') {
            from = start + index + 1;
        }
    }
    let mut pieces = Vec::new();
    split(view, from, end, &mut pieces);
    let mut span: Option<Span> = None;
    for (piece_start, piece_end) in pieces {
        if let Some(found) = piece(view, piece_start, piece_end) {
            match &mut span {
                Some(span) => span.end = found.end,
                None => span = Some(found),
            }
        }
    }
    span
}

/// Cuts leading words of a path or a name off a run: `/download/<blob>`, `projects/x/<blob>`.
fn split(view: View<'_>, start: usize, end: usize, pieces: &mut Vec<(usize, usize)>) {
    let mut from = start;
    loop {
        let stop = view.skip(from, end - from, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if stop < end && stop - from <= 30 && matches!(view.at(stop), b'/' | b'-' | b'_') {
            from = stop + 1;
        } else {
            break;
        }
    }
    if from < end {
        pieces.push((from, end));
    }
}

/// Judges one candidate.
fn piece(view: View<'_>, start: usize, end: usize) -> Option<Span> {
    let run = view.bytes(start, end);
    let mut shape = Shape::default();
    let mut longest = 0;
    let mut word = 0;
    for byte in run {
        shape.push(*byte);
        word = if byte.is_ascii_lowercase() { word + 1 } else { 0 };
        longest = longest.max(word);
    }
    let letters = shape.letters();
    if public(view, start) {
        return None;
    }
    if letters >= SHORTEST && (view.starts(start, "H4sI") || view.starts(start, "SDRzS")) {
        return Some(Span::new(start, end, "gzip"));
    }
    let mixed = shape.upper >= 3 && shape.lower >= 3 && (shape.digit >= 1 || letters >= 80);
    if letters >= RANDOM && mixed && shape.changes * 100 >= letters * 33 && longest <= 12 {
        return Some(Span::new(start, end, "blob"));
    }
    if run.len() <= DECODED && shape.changes * 100 >= letters * 20 {
        let decoded = decode(run)?;
        let text = String::from_utf8(decoded).ok()?;
        let printable = text.chars().filter(|c| !c.is_control() || c.is_whitespace()).count();
        if printable * 10 >= text.chars().count() * 9 && super::holds_credential(&text) {
            return Some(Span::new(start, end, "nested"));
        }
    }
    None
}

/// Fingerprints and public keys: `SHA256:…`, `sha512-…`, `ssh-rsa …`.
fn public(view: View<'_>, start: usize) -> bool {
    ["SHA256:", "sha256-", "sha384-", "sha512-", "ssh-rsa ", "ssh-ed25519 ", "h1:"]
        .iter()
        .any(|lead| view.starts(start.saturating_sub(lead.len()), lead))
        || view.starts(start, "AAAAB3NzaC1yc2E")
        || view.starts(start, "AAAAC3NzaC1lZDI1NTE5")
        || view.starts(start, "AAAAE2VjZHNh")
}

/// A seed of a NATS nkey: 58 characters of base32 that begin with `S` and the kind of its owner.
fn nkey(view: View<'_>, start: usize, end: usize) -> Option<Span> {
    let run = view.bytes(start, end);
    let base32 = run.iter().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(byte));
    (run.len() == 58 && base32 && view.at(start) == b'S').then(|| Span::new(start, end, "private-key"))
}

/// Whether the value is base64 of `user:password`.
pub(super) fn is_basic(value: &str) -> bool {
    if value.len() < 6 || value.len() > 4096 {
        return false;
    }
    decode(value.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok()).is_some_and(|text| {
        text.split_once(':')
            .is_some_and(|(user, password)| !password.is_empty() && user.chars().all(|c| !c.is_control()))
    })
}

/// Decodes base64 in either alphabet, with `%XX`, `\/` and `\uXXXX` escapes; `None` when it is something else.
fn decode(run: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(run.len() / 4 * 3 + 3);
    let mut bits: u32 = 0;
    let mut held = 0;
    let mut at = 0;
    while let Some(byte) = run.get(at).copied() {
        let (symbol, width) = match byte {
            b'%' => (escaped(run, at + 1, 2)?, 3),
            // Backslashes double with each nesting; the last one counts.
            b'\\' if run.get(at + 1) == Some(&b'\\') => {
                at += 1;
                continue;
            }
            b'\\' if run.get(at + 1) == Some(&b'/') => (b'/', 2),
            b'\\' if matches!(run.get(at + 1), Some(b'n' | b'r')) => {
                at += 2;
                continue;
            }
            b'\\' => (escaped(run, at + 2, 4)?, 6),
            other => (other, 1),
        };
        at += width;
        let six = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from((bits >> held) & 0xff).unwrap_or(0));
        }
    }
    Some(out)
}

/// The character that `digits` hexadecimal digits at `from` stand for.
fn escaped(run: &[u8], from: usize, digits: usize) -> Option<u8> {
    let text = std::str::from_utf8(run.get(from..from + digits)?).ok()?;
    u8::from_str_radix(text, 16).ok()
}
