//! Credentials inside URLs: `scheme://user:password@host`, MySQL's `user:password@tcp(host)`, and the paths of
//! webhooks, which are credentials by themselves.
//!
//! Keeps scheme, user and host. Parameters such as `?sig=` are pairs and found there.

use super::values;
use super::view::{Span, View};

/// The longest user information looked for, in bytes.
const CAP: usize = 512;

/// The password between `://` (which ends at `start`) and `@`.
pub(super) fn userinfo(view: View<'_>, mark: usize, start: usize) -> Option<Span> {
    let encoded = view.at(mark) == b'%';
    let mut start = start;
    if view.at(mark + 1) == b'\\' {
        // Slashes behind backslashes, as some printers of JSON write them.
        start = mark + 1;
        for _ in 0..2 {
            let slash = view.skip_slashes(start);
            if view.at(slash) != b'/' {
                return None;
            }
            start = slash + 1;
        }
    }
    let ends = |byte: u8| byte <= b' ' || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b'|' | b'\\');
    let limit = view.skip(start, CAP, |byte| !ends(byte));
    let (host_mark, colon, slash) = if encoded { ("%40", "%3a", "%2f") } else { ("@", ":", "/") };
    let find = |word: &str, from: usize, to: usize| (from..to).find(|at| view.starts_nocase(*at, word));
    let authority = find(slash, start, limit)
        .into_iter()
        .chain((start..limit).find(|at| matches!(view.at(*at), b'?' | b'#')))
        .min()
        .unwrap_or(limit);
    let split = find(colon, start, authority);
    // The last `@` of the authority: passwords hold that character too.
    let mut at = (start..authority).rev().find(|at| view.starts_nocase(*at, host_mark));
    if let (None, Some(split)) = (at, split) {
        // A slash or question mark in the password; but `host:8080/path@digest` is no password.
        let port = split + colon.len();
        let digits = view.skip(port, 8, |byte| byte.is_ascii_digit());
        if digits < authority && view.at(start) != b'[' {
            at = find(host_mark, authority, limit);
        }
    }
    let at = at?;
    let (from, password) = match split.filter(|split| *split < at) {
        Some(split) => (split + colon.len(), true),
        None => (start, false),
    };
    let text = view.text(from, at);
    let done = view.tag_end(from) == Some(at) || values::is_placeholder(text);
    let wanted = !text.is_empty() && !done && (password || values::looks_random(text, 16));
    wanted.then(|| Span::new(from, at, "url-password"))
}

/// The password before `@tcp(` or `@unix(`, which begins at `at`.
pub(super) fn mysql_dsn(view: View<'_>, at: usize) -> Option<Span> {
    let head = view.skip_back(at, 256, |byte| byte > b' ' && !matches!(byte, b'"' | b'\'' | b'`' | b'\\'));
    let colon = (head..at).find(|position| view.at(*position) == b':')?;
    let from = colon + 1;
    let text = view.text(from, at);
    (!text.is_empty() && view.tag_end(from) != Some(at)).then(|| Span::new(from, at, "url-password"))
}

/// The path of a webhook behind its host, which ended at `end`.
pub(super) fn webhook(view: View<'_>, end: usize) -> Option<Span> {
    let stop = view.skip(end, usize::MAX, |byte| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'/' | b'-' | b'_' | b'.' | b':' | b'@' | b'=' | b'%' | b'&' | b'?')
    });
    let path = view.text(end, stop);
    (path.len() >= 16 && path.bytes().any(|byte| byte.is_ascii_digit()))
        .then(|| Span::new(end, stop, "webhook"))
}
