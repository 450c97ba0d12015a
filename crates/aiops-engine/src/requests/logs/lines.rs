//! A container's log as lines: split, decoded, with the kubelet's timestamp apart from the text.
//!
//! Any bytes are read: what is not UTF-8 becomes replacement characters, colours go, and no more than so many lines are
//! kept, the newest. It judges nothing about the text; see `signs`.

use std::{borrow::Cow, collections::VecDeque, sync::LazyLock};

use regex::Regex;

use crate::redact::{LineRedactor, LineState};

/// Most lines kept.
pub(super) const MOST_LINES: usize = 50_000;

/// A line.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// When the kubelet read it (or what stands first in the line), as RFC 3339 in whole seconds.
    pub(super) at: Option<String>,
    /// The text without timestamp, colours and line end.
    pub(super) text: Cow<'a, str>,
    /// Its bytes in the log, the line end included.
    pub(super) bytes: usize,
    /// What the lines before say about it.
    pub(super) state: LineState,
}

/// The lines of a log, and what was dropped before them because there are too many.
#[derive(Debug, Default)]
pub(super) struct Lines<'a> {
    pub(super) lines: Vec<Line<'a>>,
    pub(super) dropped_lines: usize,
    pub(super) dropped_bytes: usize,
}

/// Splits a log.
pub(super) fn split(log: &[u8]) -> Lines<'_> {
    let mut kept: VecDeque<&[u8]> = VecDeque::new();
    let mut dropped = (0, 0);
    for raw in log.split_inclusive(|byte| *byte == b'\n') {
        if kept.len() == MOST_LINES
            && let Some(old) = kept.pop_front()
        {
            dropped = (dropped.0 + 1, dropped.1 + old.len());
        }
        kept.push_back(raw);
    }
    let mut redactor = LineRedactor::new();
    let lines = kept.into_iter().map(|raw| line(raw, &mut redactor)).collect();
    Lines { lines, dropped_lines: dropped.0, dropped_bytes: dropped.1 }
}

fn line<'a>(raw: &'a [u8], redactor: &mut LineRedactor) -> Line<'a> {
    let end = raw.strip_suffix(b"\n").unwrap_or(raw);
    let end = end.strip_suffix(b"\r").unwrap_or(end);
    let (at, rest) = timestamp(end);
    let text = plain(String::from_utf8_lossy(rest));
    // A tab would be shown as an escape; what it indents matters more than how far.
    let text = if text.contains('\t') { Cow::Owned(text.replace('\t', "  ")) } else { text };
    let state = redactor.observe(&text);
    Line { at, text, bytes: raw.len(), state }
}

/// The RFC 3339 timestamp at the beginning of a line, in whole seconds, and what follows it.
fn timestamp(line: &[u8]) -> (Option<String>, &[u8]) {
    let end = line.iter().take(40).position(|byte| *byte == b' ').unwrap_or_else(|| line.len().min(40));
    let stamp = line.get(..end).and_then(|stamp| std::str::from_utf8(stamp).ok());
    // Only what is long enough to hold date, time and zone is worth parsing.
    let at = stamp.filter(|s| s.len() >= 20 && s.as_bytes().get(10) == Some(&b'T'));
    match at.and_then(|s| s.parse::<jiff::Timestamp>().ok()) {
        Some(at) => (Some(crate::answer::time(at)), line.get(end + 1..).unwrap_or_default()),
        None => (None, line),
    }
}

/// The text without the terminal's colours.
fn plain(text: Cow<'_, str>) -> Cow<'_, str> {
    static COLOUR: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("\u{1b}\\[[0-9;]*[mK]").ok());
    if !text.contains('\u{1b}') {
        return text;
    }
    match COLOUR.as_ref() {
        Some(colour) => Cow::Owned(colour.replace_all(&text, "").into_owned()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_become_lines() {
        let log = b"2026-07-01T12:00:01.123456789Z \x1b[31mred\x1b[0m\r\nno stamp\n\xff\xfe bin\n\n2026-07-01T12:00:02Z\nlast";
        let lines = split(log).lines;
        let seen: Vec<(Option<&str>, &str)> = lines.iter().map(|l| (l.at.as_deref(), &*l.text)).collect();
        assert_eq!(
            seen,
            [
                (Some("2026-07-01T12:00:01Z"), "red"),
                (None, "no stamp"),
                (None, "\u{fffd}\u{fffd} bin"),
                (None, ""),
                (Some("2026-07-01T12:00:02Z"), ""),
                (None, "last"),
            ]
        );
        assert_eq!(lines.iter().map(|l| l.bytes).sum::<usize>(), log.len());
        assert!(split(b"").lines.is_empty());
    }

    #[test]
    fn too_many_lines_keep_the_newest() {
        let log = "\n".repeat(MOST_LINES + 9) + "last";
        let split = split(log.as_bytes());
        assert_eq!((split.lines.len(), split.dropped_lines, split.dropped_bytes), (MOST_LINES, 10, 10));
        assert_eq!(&*split.lines.last().unwrap().text, "last");
    }
}
