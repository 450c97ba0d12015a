//! Credentials in HTTP headers: `Authorization: Bearer x`, `Basic x`, `Cookie: a=b; c=d`, and bearer tokens that
//! stand alone in prose or commands.
//!
//! Keeps the scheme, which helps a reader, and replaces what follows it.

use super::keys::Class;
use super::quotes::{bare_end, closing, line_end, quote_at};
use super::view::{Span, View, base64};
use super::{blobs, values};

const SCHEMES: &[&str] =
    &["bearer", "basic", "token", "negotiate", "apikey", "api-key", "ntlm", "key", "ssws", "splunk"];
/// Schemes whose credential is a list of parameters.
const LISTED: &[&str] =
    &["digest", "oauth", "signature", "aws4-hmac-sha256", "hawk", "sharedkey", "sharedaccesssignature"];

/// The value of an `Authorization` or `Cookie` header that begins at `at`.
pub(super) fn value(view: View<'_>, mut at: usize, class: Class, firm: bool) -> Option<Span> {
    let mut end = None;
    if view.at(at) == b'[' && view.tag_end(at).is_none() {
        at += 1;
    }
    if let Some((quote, past)) = quote_at(view, at) {
        at = past;
        end = Some(closing(view, past, quote).0);
    }
    if class == Class::Cookie {
        let end = end.unwrap_or_else(|| bracket(view, at, line_end(view, at)));
        let text = view.text(at, end);
        let cookie = text.contains('=') && text.len() >= 8;
        return (cookie && view.tag_end(at) != Some(end)).then(|| Span::new(at, end, "cookie"));
    }
    let word = view.skip(at, 32, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let scheme = view.text(at, word);
    let listed = |list: &[&str]| list.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let gap = blank(view, word);
    if listed(LISTED) && gap > word {
        let end = end.unwrap_or_else(|| line_end(view, gap));
        return whole(view, gap, end, "auth");
    }
    if listed(SCHEMES) && gap > word {
        let end = end.unwrap_or_else(|| bare_end(view, gap));
        if values::is_prose(view.text(gap, end.min(gap + 24))) {
            return None;
        }
        return whole(view, gap, end, "auth");
    }
    let end = end.unwrap_or_else(|| bare_end(view, at));
    let text = view.text(at, end);
    let credential =
        end - at > 64 || (text.len() >= 8 && values::looks_random(text, 8)) || blobs::is_basic(text);
    (firm && credential && !values::is_path(text)).then_some(())?;
    whole(view, at, end, "auth")
}

fn whole(view: View<'_>, start: usize, end: usize, tag: &'static str) -> Option<Span> {
    let text = view.text(start, end);
    let done = view.tag_end(start).is_some_and(|past| past == end);
    (end > start && !done && !values::is_placeholder(text)).then(|| Span::new(start, end, tag))
}

/// Headers printed as a map end with a bracket: `Cookie:[a=b; c=d]`.
fn bracket(view: View<'_>, start: usize, end: usize) -> usize {
    let inner = view.skip(start, end - start, |byte| byte != b']');
    if view.before(start) == b'[' { inner } else { end }
}

fn blank(view: View<'_>, at: usize) -> usize {
    if view.starts(at, "%20") { at + 3 } else { view.skip(at, 8, |byte| matches!(byte, b' ' | b'\t' | b'+')) }
}

/// A token behind the word `bearer` that ended at `end`.
pub(super) fn bearer(view: View<'_>, end: usize) -> Option<Span> {
    let start = match view.at(end) {
        b':' | b'=' => blank(view, end + 1),
        _ => blank(view, end),
    };
    if start == end {
        return None;
    }
    let stop = view.skip(start, usize::MAX, |byte| base64(byte) || matches!(byte, b'.' | b'~' | b'%'));
    let token = view.text(start, stop.min(start + 256));
    let mixed = values::looks_random(token, 8) || token.len() >= 24;
    (mixed && !values::is_prose(token) && !values::is_path(token)).then(|| Span::new(start, stop, "bearer"))
}

/// Base64 of user and password behind the word `basic` that ended at `end`.
pub(super) fn basic(view: View<'_>, end: usize) -> Option<Span> {
    let start = blank(view, end);
    if start == end {
        return None;
    }
    let stop = view.skip(start, usize::MAX, base64);
    (blobs::is_basic(view.text(start, stop.min(start + 4096)))).then(|| Span::new(start, stop, "basic-auth"))
}
