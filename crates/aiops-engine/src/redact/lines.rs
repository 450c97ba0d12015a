//! Redacts a text that arrives line by line, where a credential spans lines: PEM blocks and environment entries.
//!
//! Remembers two facts from line to line and no text. It refuses to reorder or to drop lines.

use std::borrow::Cow;

use super::Redactor;
use super::keys::classify;

/// What the lines before say about a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LineState {
    /// Nothing.
    #[default]
    Open,
    /// The line lies inside a private key or a certificate.
    Armored,
    /// The line before named a credential whose `value:` may follow.
    Announced,
}

/// Follows a text line by line. `observe` each line in order; lines may be redacted later, by their state.
#[derive(Debug, Clone, Copy, Default)]
pub struct LineRedactor {
    armored: bool,
    announced: bool,
}

impl LineRedactor {
    /// A redactor before the first line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next line and returns what is known about it.
    pub fn observe(&mut self, line: &str) -> LineState {
        let state = if self.armored {
            LineState::Armored
        } else if self.announced {
            LineState::Announced
        } else {
            LineState::Open
        };
        let dashes = line.contains("-----");
        if dashes {
            let begins = line.rfind("-----BEGIN ");
            let ends = line.rfind("-----END ");
            match (begins, ends) {
                (Some(begin), end) if end.is_none_or(|end| end < begin) => self.armored = true,
                (_, Some(_)) => self.armored = false,
                _ => {}
            }
        } else if self.armored && !is_armor(line) {
            self.armored = false;
        }
        self.announced = names_credential(line);
        match state {
            LineState::Armored if !dashes && !self.armored => LineState::Open,
            state => state,
        }
    }

    /// The line without credentials, given what `observe` said about it.
    pub fn redact<'a>(redactor: &Redactor, line: &'a str, state: LineState) -> Cow<'a, str> {
        match state {
            LineState::Armored => Cow::Borrowed("[redacted:private-key]"),
            LineState::Announced => match line.split_once("value:") {
                Some((head, value)) if !value.trim().is_empty() => {
                    Cow::Owned(format!("{head}value: [redacted:env]"))
                }
                _ => redactor.redact(line),
            },
            LineState::Open => redactor.redact(line),
        }
    }
}

/// Whether the line can belong to a PEM block: its last word is base64, or a header of the block.
fn is_armor(line: &str) -> bool {
    let word = line.trim_end().rsplit([' ', '\t']).next().unwrap_or_default();
    word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
        && word.len() <= 80
        || line.contains("Proc-Type:")
        || line.contains("DEK-Info:")
}

/// `- name: DB_PASSWORD`, or the same in indented JSON.
fn names_credential(line: &str) -> bool {
    let Some(at) = line.find("name") else { return false };
    let rest = line.get(at + 4..).unwrap_or_default().trim_start_matches('"');
    let Some(name) = rest.strip_prefix(':') else { return false };
    classify(name.trim().trim_matches(|c| matches!(c, '"' | '\'' | ','))).is_some()
}
