//! From the bytes of a log to what is worth reading of it, within a budget of tokens.
//!
//! The first error goes before all; then what was searched for, or else errors and the newest lines. Repetitions are
//! folded into the newest of them and every line is accounted for: shown, folded or skipped. Lines are redacted before
//! they are searched, so that a search cannot guess at what is hidden. What a caller searches for may take long over a
//! long text: others get their turn again and again, and of a line only the beginning is searched.

use std::{borrow::Cow, collections::HashMap};

use regex::Regex;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    lines::{self, Line},
    signs::{self, Grouper, Sign},
};
use crate::{
    redact::{LineRedactor, Redactor},
    text::{clean, estimate_tokens},
};

/// What is looked for.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Only entries with a line that matches.
    pub(super) grep: Option<Regex>,
    /// Lines before and after a match.
    pub(super) context: usize,
    /// The first error matters most: with its surroundings.
    pub(super) first_error: bool,
    /// Tokens of all entries together.
    pub(super) tokens: usize,
}

/// What is worth reading.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) window: Window,
    pub(super) first_error: Option<LogEntry>,
    /// Lines that match; `None` when nothing was searched for.
    pub(super) matches: Option<usize>,
    /// Lines of which only the beginning was searched.
    pub(super) unsearched: usize,
    pub(super) entries: Vec<LogEntry>,
}

/// What was read, and what became of it: `lines` = shown + folded + skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Window {
    /// Lines read.
    pub lines: usize,
    /// Bytes read.
    pub bytes: usize,
    /// Time of the first line, when lines have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Time of the last line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Lines that stand in this answer.
    pub shown: usize,
    /// Lines that only repeat a shown one.
    pub folded: usize,
    /// Lines that were left out.
    pub skipped: usize,
    /// Bytes of the lines left out.
    pub skipped_bytes: usize,
}

/// A line of the log, or a stack trace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct LogEntry {
    /// Number of its first line among those read, from 1.
    pub line: usize,
    /// When it was written; absent when unknown or when the text itself says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The text.
    pub text: String,
    /// How often it occurs, numbers and ids aside; absent for once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<usize>,
    /// Time of its first occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_at: Option<String>,
    /// Time of its last occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<String>,
    /// Lines before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Lines after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

/// Lines that belong together: a trace, or one line.
#[derive(Debug)]
struct Entry {
    start: usize,
    len: usize,
    sign: Sign,
    shape: u64,
    /// The line that was searched for, and where in it the match begins.
    hit: Option<(usize, usize)>,
}

/// Longest line shown, in bytes.
const LINE: usize = 400;
/// Longest line of the surroundings, in bytes.
const CONTEXT_LINE: usize = 200;
/// Lines of a trace shown at its beginning, and at its end.
const HEAD: usize = 6;
const TAIL: usize = 2;
/// What of a line is searched, in bytes, and how much others wait for at most. A pattern that is made for it takes half a
/// second for so much; for a whole log in one line it would take a minute.
pub(super) const SEARCHED: usize = 32 * 1024;
/// Lines around the first error, when it was asked for.
const AROUND: usize = 4;

/// Makes a report of a log.
pub(super) async fn report(log: &[u8], search: &Search) -> Report {
    let split = lines::split(log);
    let mut text = Text { lines: &split.lines, fate: vec![Fate::Skipped; split.lines.len()] };
    let mut entries = entries(&split.lines);
    let (matches, unsearched) = match &search.grep {
        Some(grep) => {
            let (matches, unsearched) = text.search(&mut entries, grep).await;
            (Some(matches), unsearched)
        }
        None => (None, 0),
    };
    let mut groups: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, entry) in entries.iter().enumerate().filter(|(_, e)| matches.is_none() || e.hit.is_some()) {
        groups.entry(entry.shape).or_default().push(at);
    }
    let mut left = search.tokens;
    let mut first_error = None;
    let strongest = entries.iter().map(|entry| entry.sign).max().filter(|sign| *sign > Sign::None);
    if let Some(first) = entries.iter().find(|entry| Some(entry.sign) == strongest)
        && (search.grep.is_none() || search.first_error)
    {
        let repeats = groups.remove(&first.shape).unwrap_or_default();
        let around = if search.first_error { AROUND.max(search.context) } else { search.context };
        let shown = text.show(&entries, first, &repeats, around);
        left = left.saturating_sub(cost(&shown));
        first_error = Some(shown);
    }
    // The newest of each group stands for it; errors may take half of what is left, the newest lines take the rest.
    let mut newest: Vec<(usize, &Vec<usize>)> =
        groups.values().filter_map(|all| all.last().map(|last| (*last, all))).collect();
    newest.sort_unstable_by_key(|(last, _)| std::cmp::Reverse(*last));
    let (errors, others): (Vec<_>, Vec<_>) = newest
        .into_iter()
        .partition(|(at, _)| matches.is_none() && entries.get(*at).is_some_and(|e| e.sign == Sign::Strong));
    let mut shown = Vec::new();
    let reserve = left / 2;
    for (candidates, floor) in [(&errors, reserve), (&others, 0), (&errors, 0)] {
        for (at, repeats) in candidates {
            let Some(entry) = entries.get(*at).filter(|e| !text.is_shown(e)) else { continue };
            let fate = text.fate.clone();
            let one = text.show(&entries, entry, repeats, search.context);
            let tokens = cost(&one);
            if left < floor + tokens {
                text.fate = fate;
                break;
            }
            left -= tokens;
            shown.push(one);
        }
    }
    shown.sort_by_key(|entry| entry.line);
    let window = text.window(log.len(), split.dropped_lines, split.dropped_bytes);
    Report { window, first_error, matches, unsearched, entries: shown }
}

fn cost(entry: &LogEntry) -> usize {
    serde_json::to_string(entry).map_or(0, |json| estimate_tokens(&json) + 1)
}

fn entries(lines: &[Line<'_>]) -> Vec<Entry> {
    let mut grouper = Grouper::new();
    let mut entries: Vec<Entry> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        match entries.last_mut() {
            Some(entry) if grouper.continues(&line.text) => {
                entry.len += 1;
                if line.text.starts_with("Caused by: ") || grouper.is_trace() {
                    entry.sign = Sign::Strong;
                }
            }
            Some(_) | None => {
                if entries.is_empty() {
                    grouper.continues(&line.text);
                }
                let sign = if grouper.is_trace() { Sign::Strong } else { signs::sign(&line.text) };
                let shape = signs::shape(&line.text);
                entries.push(Entry { start: at, len: 1, sign, shape, hit: None });
            }
        }
    }
    entries
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Skipped,
    Folded,
    Shown,
}

struct Text<'a> {
    lines: &'a [Line<'a>],
    fate: Vec<Fate>,
}

impl Text<'_> {
    fn redacted(&self, at: usize) -> Cow<'_, str> {
        self.lines
            .get(at)
            .map_or_else(Cow::default, |line| LineRedactor::redact(&Redactor::new(), &line.text, line.state))
    }

    /// Marks the entries that match, and counts the lines that do and those that were not searched to their end.
    async fn search(&self, entries: &mut [Entry], grep: &Regex) -> (usize, usize) {
        let (mut matches, mut unsearched, mut since) = (0, 0, 0_usize);
        for entry in entries {
            for at in entry.start..entry.start + entry.len {
                let text = self.redacted(at);
                let end = text.floor_char_boundary(SEARCHED);
                unsearched += usize::from(end < text.len());
                // Whoever gave up meanwhile is not searched for any longer.
                if since >= SEARCHED {
                    tokio::task::yield_now().await;
                    since = 0;
                }
                since = since.saturating_add(end);
                if let Some(found) = grep.find(text.get(..end).unwrap_or_default()) {
                    matches += 1;
                    entry.hit = entry.hit.or_else(|| Some((at, found.start())));
                }
            }
        }
        (matches, unsearched)
    }

    /// Whether every line of the entry stands in the answer already.
    fn is_shown(&self, entry: &Entry) -> bool {
        let lines = self.fate.get(entry.start..entry.start + entry.len);
        lines.is_some_and(|lines| lines.iter().all(|fate| *fate == Fate::Shown))
    }

    fn mark(&mut self, at: usize, fate: Fate) {
        if let Some(known) = self.fate.get_mut(at)
            && (*known == Fate::Skipped || fate == Fate::Shown)
        {
            *known = fate;
        }
    }

    /// The text of a line, redacted first, then cut; a line whose match lies far inside begins shortly before it.
    fn line(&self, at: usize, longest: usize, hit: usize) -> String {
        let text = self.redacted(at);
        if hit < longest / 2 {
            return clean(&text, longest).text;
        }
        let start = text.floor_char_boundary(hit.saturating_sub(80));
        format!("… {}", clean(text.get(start..).unwrap_or_default(), longest).text)
    }

    /// Renders an entry that stands for all of `repeats` and marks what becomes of their lines.
    fn show(&mut self, entries: &[Entry], entry: &Entry, repeats: &[usize], around: usize) -> LogEntry {
        for repeat in repeats.iter().filter_map(|at| entries.get(*at)) {
            for at in repeat.start..repeat.start + repeat.len {
                self.mark(at, Fate::Folded);
            }
        }
        let time = |at: &usize| {
            let start = entries.get(*at)?.start;
            self.lines.get(start)?.at.clone()
        };
        let several = repeats.len() > 1;
        let (first_at, last_at) = if several {
            (repeats.first().and_then(time), repeats.last().and_then(time))
        } else {
            (None, None)
        };
        let own_clock = self.lines.get(entry.start).is_some_and(|line| signs::has_clock(&line.text));
        let at = self.lines.get(entry.start).and_then(|line| line.at.clone());
        let text = self.body(entry);
        let end = entry.start + entry.len;
        let before = (entry.start.saturating_sub(around)..entry.start).map(|at| self.context(at)).collect();
        let after = (end..(end + around).min(self.lines.len())).map(|at| self.context(at)).collect();
        LogEntry {
            line: entry.start + 1,
            at: at.filter(|_| !own_clock && !several),
            text,
            repeats: several.then_some(repeats.len()),
            first_at,
            last_at,
            before,
            after,
        }
    }

    fn context(&mut self, at: usize) -> String {
        self.mark(at, Fate::Shown);
        self.line(at, CONTEXT_LINE, 0)
    }

    /// The lines of an entry: of a long trace its head, its causes, what was searched for and its end.
    fn body(&mut self, entry: &Entry) -> String {
        let mut shown = Vec::new();
        let mut left_out = 0;
        let mut causes = 0;
        for nth in 0..entry.len {
            let at = entry.start + nth;
            let cause = causes < 4
                && self.lines.get(at).is_some_and(|line| line.text.trim_start().starts_with("Caused by: "));
            causes += usize::from(cause);
            let hit = entry.hit.filter(|(line, _)| *line == at).map(|(_, offset)| offset);
            if nth >= HEAD && nth + TAIL < entry.len && !cause && hit.is_none() {
                left_out += 1;
                continue;
            }
            if left_out > 0 {
                shown.push(format!("… {left_out} more lines"));
                left_out = 0;
            }
            self.mark(at, Fate::Shown);
            shown.push(self.line(at, if nth == 0 { LINE } else { CONTEXT_LINE }, hit.unwrap_or(0)));
        }
        shown.join("\n")
    }

    fn window(&self, bytes: usize, dropped_lines: usize, dropped_bytes: usize) -> Window {
        let count = |fate: Fate| self.fate.iter().filter(|f| **f == fate).count();
        let skipped = self.lines.iter().zip(&self.fate).filter(|(_, fate)| **fate == Fate::Skipped);
        Window {
            lines: self.lines.len() + dropped_lines,
            bytes,
            from: self.lines.iter().find_map(|line| line.at.clone()),
            to: self.lines.iter().rev().find_map(|line| line.at.clone()),
            shown: count(Fate::Shown),
            folded: count(Fate::Folded),
            skipped: count(Fate::Skipped) + dropped_lines,
            skipped_bytes: skipped.map(|(line, _)| line.bytes).sum::<usize>() + dropped_bytes,
        }
    }
}
