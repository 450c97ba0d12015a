//! The figures, beside the goals and the floor: a table for the terminal and the same as a page.
//!
//! A figure that was not measured is absent, never 0.

use std::{fmt::Write as _, path::Path};

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Only printed.
    None,
}

/// A part of the page; each run writes its own and leaves the others as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Reading a cluster of many pods: the beginning.
    Cluster,
    /// The coordination engine.
    Engine,
    /// Ten times as many pods.
    Large,
}

impl Part {
    /// The parts that have a headline, in their order.
    const HEADED: [Self; 2] = [Self::Engine, Self::Large];

    const fn headline(self) -> &'static str {
        match self {
            Self::Cluster => "",
            Self::Engine => "\n## Remediation\n\n",
            Self::Large => "\n## 100,000 pods\n\n",
        }
    }
}

/// The page with this part put in or anew.
fn page_with(old: &str, part: Part, text: &str) -> String {
    let mut rest = old;
    let mut last = Part::Cluster;
    let mut parts = Vec::new();
    for headed in Part::HEADED {
        if let Some((before, after)) = rest.split_once(headed.headline()) {
            parts.push((last, before));
            (last, rest) = (headed, after);
        }
    }
    parts.push((last, rest));
    let mut page = String::new();
    for wanted in [Part::Cluster, Part::Engine, Part::Large] {
        let kept = parts.iter().find(|(of, _)| *of == wanted).map(|(_, text)| *text);
        let Some(text) = Some(text).filter(|_| wanted == part).or(kept) else { continue };
        page.push_str(wanted.headline());
        page.push_str(text);
    }
    page
}

#[derive(Debug)]
struct Row {
    what: String,
    unit: &'static str,
    goal: Goal,
    floor: Option<f64>,
    peer: Option<f64>,
    measured: f64,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
    has_peer: bool,
    /// Of ten times as many pods, for which goals of memory alone are set.
    is_large: bool,
}

/// What aiops may weigh with 100,000 pods, MiB.
const MOST_LARGE: f64 = 64.0;

impl Report {
    pub(crate) fn of_many(is_large: bool) -> Self {
        Self { is_large, ..Self::default() }
    }

    pub(crate) fn add(&mut self, what: impl Into<String>, unit: &'static str, goal: Goal, measured: f64) {
        let goal = match goal {
            Goal::AtMost(_) if self.is_large && unit == "MiB" => Goal::AtMost(MOST_LARGE),
            _ if self.is_large => Goal::None,
            goal => goal,
        };
        let row = Row { what: what.into(), unit, goal, floor: None, peer: None, measured };
        say(&format!("  {} {} {unit}", row.what, number(measured)));
        self.rows.push(row);
    }

    /// What the minimal binary has for the same.
    pub(crate) fn floor(&mut self, what: &str, measured: f64) {
        say(&format!("  floor: {what} {}", number(measured)));
        if let Some(row) = self.rows.iter_mut().find(|row| row.what == what) {
            row.floor = Some(measured);
        }
    }

    /// What the other server has for the same.
    pub(crate) fn peer(&mut self, what: &str, measured: f64) {
        say(&format!("  peer: {what} {}", number(measured)));
        self.has_peer = true;
        if let Some(row) = self.rows.iter_mut().find(|row| row.what == what) {
            row.peer = Some(measured);
        }
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        say(&format!("  {note}"));
        self.notes.push(note);
    }

    fn table(&self) -> String {
        let mut text = String::new();
        let peer = if self.has_peer { " peer |" } else { "" };
        let _ = writeln!(text, "| | goal | floor |{peer} aiops | |");
        let _ = writeln!(text, "|---|---:|---:|{}---:|---|", if self.has_peer { "---:|" } else { "" });
        for row in &self.rows {
            let (goal, verdict) = match row.goal {
                Goal::AtMost(most) => (format!("≤ {}", number(most)), word(row.measured <= most)),
                Goal::AtLeast(least) => (format!("≥ {}", number(least)), word(row.measured >= least)),
                Goal::None => (String::new(), ""),
            };
            let floor = row.floor.map(number).unwrap_or_default();
            let peer = match (self.has_peer, row.peer) {
                (false, _) => String::new(),
                (true, peer) => format!(" {} |", peer.map(number).unwrap_or_default()),
            };
            let _ = writeln!(
                text,
                "| {}, {} | {goal} | {floor} |{peer} {} | {verdict} |",
                row.what,
                row.unit,
                number(row.measured)
            );
        }
        text
    }

    /// Prints the table and writes the page.
    pub(crate) fn finish(&self, part: Part, head: &str, page: Option<&Path>) -> anyhow::Result<()> {
        let table = self.table();
        say(&format!("\n{table}"));
        let Some(page) = page else { return Ok(()) };
        let mut text = format!("{head}\n{table}");
        if !self.notes.is_empty() {
            text.push('\n');
            for note in &self.notes {
                let _ = writeln!(text, "- {note}");
            }
        }
        let old = std::fs::read_to_string(page).unwrap_or_default();
        std::fs::write(page, page_with(&old, part, &text))?;
        say(&format!("written to {}", page.display()));
        Ok(())
    }

    pub(crate) fn missed(&self) -> usize {
        let missed = |row: &&Row| match row.goal {
            Goal::AtMost(most) => row.measured > most,
            Goal::AtLeast(least) => row.measured < least,
            Goal::None => false,
        };
        self.rows.iter().filter(missed).count()
    }
}

fn word(is_reached: bool) -> &'static str {
    if is_reached { "reached" } else { "missed" }
}

/// Three digits that matter, thousands apart.
fn number(value: f64) -> String {
    if value.abs() >= 1_000.0 {
        let whole = format!("{value:.0}");
        let mut text = String::new();
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at) % 3 == 0 {
                text.push(',');
            }
            text.push(digit);
        }
        return text;
    }
    let digits = if value.abs() >= 100.0 || value.fract() == 0.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

/// One line for whoever waits at the terminal.
#[expect(clippy::print_stdout, reason = "a benchmark is a program for a terminal")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_writes_its_part_of_the_page_alone() {
        let mut page = String::new();
        for (part, text) in [
            (Part::Large, "l1\n"),
            (Part::Cluster, "c1\n"),
            (Part::Engine, "e1\n"),
            (Part::Large, "l2\n"),
            (Part::Cluster, "c2\n"),
        ] {
            page = page_with(&page, part, text);
        }
        assert_eq!(page, "c2\n\n## Remediation\n\ne1\n\n## 100,000 pods\n\nl2\n");
    }
}
