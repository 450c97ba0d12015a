//! Credentials in command lines that no name announces: `mysql -pX`, `sshpass -p X`, `curl -u user:X`,
//! `redis-cli -a X`, and `-p X` anywhere when X looks like a password.
//!
//! Reads a short stretch behind the command's name. Ports, paths and flags are left alone.

use super::quotes::{bare_end, closing, quote_at};
use super::values;
use super::view::{Span, View};

/// How far behind a command its flags are looked for, in bytes.
const REACH: usize = 256;

/// The credential of the command named at `start..end`, and up to where its flags were read.
pub(super) fn find(view: View<'_>, start: usize, end: usize) -> (usize, Option<Span>) {
    let until = view.skip(end, REACH, |byte| byte != b'\n');
    let flags: &[u8] = match view.text(start, end).to_ascii_lowercase().as_str() {
        "curl" | "wget" => b"u",
        "redis-cli" => b"a",
        _ => b"p",
    };
    let mut at = end;
    while at < until {
        let flag = view.at(at + 1);
        let begins = !view.before(at).is_ascii_alphanumeric() && view.before(at) != b'-';
        if view.at(at) == b'-'
            && begins
            && flags.contains(&flag)
            && let Some(span) = value(view, at + 2, flag)
        {
            return (until, Some(span));
        }
        at += 1;
    }
    (until, None)
}

/// `-p X` or `-pX` without a known command before it.
pub(super) fn flag(view: View<'_>, start: usize) -> Option<Span> {
    let alone = matches!(view.before(start), 0 | b' ' | b'"' | b'\'' | b'\n' | b'\t');
    if !alone || !view.starts(start, "-p") || view.at(start + 2).is_ascii_alphanumeric() {
        return None;
    }
    let span = value(view, start + 2, b'p')?;
    let text = view.text(span.start, span.end);
    let capital = text.bytes().any(|byte| byte.is_ascii_uppercase());
    let mark = text
        .bytes()
        .any(|byte| byte.is_ascii_punctuation() && !matches!(byte, b'-' | b'.' | b':' | b'/' | b',' | b'_'));
    (values::looks_random(text, 6) && (capital || mark)).then_some(span)
}

/// The value behind a flag, in a shell or in an argument list.
fn value(view: View<'_>, at: usize, flag: u8) -> Option<Span> {
    let mut from = at;
    if let Some((_, past)) = quote_at(view, from) {
        let comma = view.skip(past, 8, |byte| byte == b' ');
        if view.at(comma) != b',' {
            return None;
        }
        from = comma + 1;
    }
    let glued = view.at(from).is_ascii_alphanumeric()
        || view.at(from).is_ascii_punctuation() && view.at(from) != b'\'' && view.at(from) != b'"';
    if glued && flag != b'p' {
        return None;
    }
    let from = view.skip(from, 32, |byte| byte.is_ascii_whitespace() || byte == b'=');
    let (start, end) = match quote_at(view, from) {
        Some((quote, past)) => (past, closing(view, past, quote).0),
        None => (from, bare_end(view, from)),
    };
    let text = view.text(start, end);
    let plain = values::is_placeholder(text)
        || values::is_path(text)
        || values::is_number(text)
        || text.starts_with('-')
        || text.split(':').all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
        || view.tag_end(start).is_some();
    if text.len() < 2 || plain {
        return None;
    }
    if flag == b'u' {
        let colon = text.find(':')?;
        let password = start + colon + 1;
        let done = view.tag_end(password) == Some(end);
        return (end > password && !done).then(|| Span::new(password, end, "password"));
    }
    Some(Span::new(start, end, "password"))
}
