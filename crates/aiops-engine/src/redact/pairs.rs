//! Pairs of a name and a value: `password=x`, `"token":"x"`, `api_key: x`, `--password x`, `?sig=x`, `<secret>x<`,
//! environment entries (`name: DB_PASSWORD`, `value: x`) and all of these inside escaped or URL-encoded text.
//!
//! Finds the name around an anchor, the separator and the value; `keys` and `values` judge them. It refuses values
//! that are structures: their own members are looked at instead.

use super::keys::{Class, classify};
use super::quotes::{bare_end, closing, line_end, quote_at};
use super::values;
use super::view::{Span, View};
use super::{blobs, headers};

/// How the name and the value are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    /// `=`, a member of JSON, a flag: the value is meant as one.
    Firm,
    /// `: ` outside quotes, or ` is `: may be prose.
    Loose,
}

struct Place {
    joint: Joint,
    value: usize,
}

const fn name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// The longest name looked at on either side of an anchor, in bytes.
const NAME_CAP: usize = 96;

/// The pair around the anchor `start..end`, if its value is a credential.
pub(super) fn find(view: View<'_>, start: usize, end: usize) -> Option<Span> {
    let (name_start, name_end) = name_around(view, start, end);
    let mut name = view.text(name_start, name_end);
    if name.eq_ignore_ascii_case("key") && view.before(name_start) == b' ' {
        // `API key: x`: the owner is a word of its own.
        let owner = view.skip_back(name_start - 1, 16, |byte| byte.is_ascii_alphanumeric());
        name = view.text(owner, name_end);
    }
    let class = match classify(name) {
        Some(class) => class,
        None if is_parameter(view, name_start, name) => Class::Random,
        None => return None,
    };
    let place = joint(view, name_start, name_end)?;
    if class == Class::Cookie || class == Class::Header {
        return headers::value(
            view,
            place.value,
            class,
            place.joint == Joint::Firm || line_begins(view, name_start),
        );
    }
    let (from, to) = bounds(view, name_start, &place)?;
    credential(view, class, &place, from, to, name_start).then(|| Span::new(from, to, tag(class, name)))
}

/// The name that the anchor is a part of.
fn name_around(view: View<'_>, start: usize, end: usize) -> (usize, usize) {
    let mut from = view.skip_back(start, NAME_CAP, name_byte);
    // The tail of an escape is no part of the name: `\npassword`, `%26token`, `\u0026sig`.
    if view.before(from) == b'\\' {
        let skipped = match view.at(from) {
            b'n' | b'r' | b't' => 1,
            b'u' => 5,
            _ => 0,
        };
        from = (from + skipped).min(start);
    } else if view.before(from) == b'%' && view.at(from).is_ascii_hexdigit() {
        from = (from + 2).min(start);
    }
    let mut to = view.skip(end.min(view.len()), NAME_CAP, name_byte);
    if matches!(view.before(end), b'=') {
        to = end - 1;
    } else if view.starts_nocase(end.saturating_sub(3), "%3d") {
        to = end - 3;
    }
    (from, to)
}

/// `key`, `code`, `sig` as parameters of a URL.
fn is_parameter(view: View<'_>, start: usize, name: &str) -> bool {
    let asked = matches!(view.before(start), b'?' | b'&')
        || ["%26", "%3f", "%3F"].iter().any(|word| view.starts(start.saturating_sub(3), word))
        || view.starts_nocase(start.saturating_sub(6), "\\u0026");
    asked && ["key", "code", "sig"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The separator behind the name and where the value begins.
fn joint(view: View<'_>, name_start: usize, name_end: usize) -> Option<Place> {
    let mut at = view.skip_colour(name_end);
    let quoted = quote_at(view, at);
    let mut key_quoted = false;
    if let Some((_, past)) = quoted {
        key_quoted = true;
        at = past;
    }
    if view.at(at) == b']' {
        at += 1;
    }
    if let Some(value) = environment_value(view, at) {
        return Some(Place { joint: Joint::Firm, value });
    }
    let flag = view.before(name_start) == b'-' || view.at(name_start) == b'-';
    let blank = view.skip(at, 8, |byte| matches!(byte, b' ' | b'\t'));
    let slashes = view.skip_slashes(blank);
    if slashes > blank && view.starts_nocase(slashes, "u003d") {
        return Some(Place { joint: Joint::Firm, value: slashes + 5 });
    }
    for (word, firm) in [
        ("=>", true),
        (":=", true),
        ("==", true),
        ("=", true),
        ("%3D", true),
        ("%253D", true),
        ("%3A", true),
        ("->", true),
        (":", false),
    ] {
        if !view.starts_nocase(blank, word) {
            continue;
        }
        let past = blank + word.len();
        let value = view.skip_colour(view.skip(past, 64, |byte| matches!(byte, b' ' | b'\t')));
        // `:` directly followed by its value is written by machines; `: ` may be a sentence.
        let firm = firm || key_quoted || value == past;
        return Some(Place { joint: if firm { Joint::Firm } else { Joint::Loose }, value });
    }
    if view.at(at) == b'>' && matches!(view.before(name_start), b'<' | b':') {
        return Some(Place { joint: Joint::Firm, value: at + 1 });
    }
    if view.starts_nocase(blank, "is ") || view.starts_nocase(blank, "was ") {
        let word = view.skip(blank, 4, |byte| byte != b' ');
        return Some(Place { joint: Joint::Loose, value: word + 1 });
    }
    if flag {
        return flag_value(view, at, key_quoted);
    }
    // `ALTER USER app PASSWORD 'x'`, `machine h login u password x`.
    let netrc =
        view.bytes(name_start.saturating_sub(64), name_start).windows(7).any(|part| part == b" login ");
    if blank > at && (view.at(blank) == b'\'' || netrc) {
        return Some(Place { joint: Joint::Firm, value: blank });
    }
    None
}

/// The value of a flag in a command line or in an argument list: `--password x`, `"--password","x"`, and the YAML
/// list where the next entry is the value.
fn flag_value(view: View<'_>, at: usize, key_quoted: bool) -> Option<Place> {
    let blanks = |from| view.skip(from, 64, |byte| byte.is_ascii_whitespace());
    let mut value = blanks(at);
    let mut crossed = value > at;
    if key_quoted && view.at(value) == b',' {
        value = blanks(value + 1);
        crossed = true;
    } else if view.starts(value, "- ") {
        value += 2;
    }
    if !crossed || view.at(value) == b'-' || value >= view.len() {
        return None;
    }
    Some(Place { joint: Joint::Firm, value })
}

/// The value of an environment entry whose name ended at `at`: `","value":"x"`, `\n  value: x`, `,Value:x`.
fn environment_value(view: View<'_>, at: usize) -> Option<usize> {
    let past_gap = view.skip(at, 64, |byte| byte.is_ascii_whitespace() || byte == b',');
    let slashes = view.skip_slashes(past_gap);
    let past_gap = if slashes > past_gap && view.at(slashes) == b'n' {
        view.skip(slashes + 1, 64, |byte| byte == b' ')
    } else {
        past_gap
    };
    if past_gap == at {
        return None;
    }
    let word = quote_at(view, past_gap).map_or(past_gap, |(_, past)| past);
    if !view.starts_nocase(word, "value") {
        return None;
    }
    let after = word + "value".len();
    let colon = quote_at(view, after).map_or(after, |(_, past)| past);
    let colon = view.skip(colon, 8, |byte| byte == b' ');
    matches!(view.at(colon), b':' | b'=').then(|| view.skip(colon + 1, 64, |byte| byte == b' '))
}

/// Whether only indentation, a list mark or a quote stands between the line's beginning and the name.
fn line_begins(view: View<'_>, name_start: usize) -> bool {
    let from = view.skip_back(name_start, 64, |byte| matches!(byte, b' ' | b'\t' | b'-' | b'"' | b'\''));
    matches!(view.before(from), 0 | b'\n')
        || (view.starts(from.saturating_sub(1), "n") && view.starts(from.saturating_sub(2), "\\"))
        || (view.before(from) == b'\\' && view.at(from) == b'n')
}

/// The bounds of the value; `None` when there is none or it is a structure.
fn bounds(view: View<'_>, name_start: usize, place: &Place) -> Option<(usize, usize)> {
    let mut at = place.value;
    if view.at(at) == b'[' && view.tag_end(at).is_none() {
        at = view.skip(at + 1, 8, |byte| byte == b' ');
    }
    if view.starts(at, "!!str ") || view.starts(at, "!!binary ") {
        at = view.skip(at, 16, |byte| byte != b' ') + 1;
    }
    if matches!(view.at(at), b'|' | b'>') && place.joint == Joint::Loose {
        return block_scalar(view, name_start, at);
    }
    if let Some((quote, past)) = quote_at(view, at) {
        let (end, _) = closing(view, past, quote);
        return (end > past).then_some((past, end));
    }
    if matches!(view.at(at), b'{' | b'[' | b'(') && view.tag_end(at).is_none() && view.at(at + 1) != b'{' {
        return None;
    }
    let end = match view.tag_end(at) {
        Some(past) => bare_end(view, past),
        None if place.joint == Joint::Loose && line_begins(view, name_start) => line_end(view, at),
        None => bare_end(view, at),
    };
    (end > at).then_some((at, end))
}

/// The indented lines of a YAML block scalar whose `|` or `>` stands at `at`.
fn block_scalar(view: View<'_>, name_start: usize, at: usize) -> Option<(usize, usize)> {
    let head = view.skip(at + 1, 4, |byte| matches!(byte, b'+' | b'-' | b'0'..=b'9' | b' '));
    if view.at(head) != b'\n' {
        return None;
    }
    let line = view.skip_back(name_start, 256, |byte| byte != b'\n');
    let indent = view.skip(line, 256, |byte| byte == b' ') - line;
    let start = head + 1;
    let mut end = start;
    while end < view.len() {
        let text = view.skip(end, 4096, |byte| byte == b' ');
        let stop = view.skip(text, usize::MAX, |byte| byte != b'\n');
        if text < stop && text - end <= indent {
            break;
        }
        end = (stop + 1).min(view.len());
    }
    let first = view.skip(start, 4096, |byte| byte == b' ');
    let last = view.skip_back(end, 4096, |byte| matches!(byte, b'\n' | b' '));
    (last > first).then_some((first, last))
}

/// Whether the value can be the credential that the name promises.
fn credential(
    view: View<'_>,
    class: Class,
    place: &Place,
    from: usize,
    to: usize,
    name_start: usize,
) -> bool {
    if view.tag_end(from) == Some(to) {
        return false;
    }
    let length = to - from;
    if length > 256 {
        return true;
    }
    let value = view.text(view_floor(view, from), to).trim();
    if value.is_empty() || values::is_placeholder(value) {
        return false;
    }
    let loose = place.joint == Joint::Loose;
    if loose && values::is_prose(value) {
        return false;
    }
    let number = values::is_number(value) && value.len() < 8;
    let token = value.len() >= 4 && !number && !values::is_prose(value) && !values::is_path(value);
    match class {
        Class::Password => !values::is_path(value),
        Class::Token => {
            let sentence = loose && !line_begins(view, name_start);
            token && (!sentence || value.len() >= 16 || value.bytes().any(|byte| byte.is_ascii_digit()))
        }
        Class::Secret => token && !values::is_object_name(value),
        Class::Session => {
            values::looks_random(value, 8) && !value.starts_with("0x") && !values::is_number(value)
        }
        Class::Auth => token && (blobs::is_basic(value) || values::looks_random(value, 8)),
        Class::Random => values::looks_random(value, 16) && !values::is_object_name(value),
        Class::Header | Class::Cookie => true,
    }
}

/// A position at or before `at` where the text may be cut.
fn view_floor(view: View<'_>, mut at: usize) -> usize {
    while at > 0 && view.at(at) & 0xc0 == 0x80 {
        at -= 1;
    }
    at
}

fn tag(class: Class, name: &str) -> &'static str {
    match class {
        Class::Password => "password",
        Class::Secret => "secret",
        Class::Session => "session",
        Class::Auth | Class::Header => "auth",
        Class::Cookie => "cookie",
        Class::Random => "signature",
        Class::Token if name.to_ascii_lowercase().ends_with("key") => "api-key",
        Class::Token => "token",
    }
}
