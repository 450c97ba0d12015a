//! Prints any answer for people: members as lines, lists of objects as tables, objects indented.
//!
//! It knows no tool. Text mode keeps to the width of the terminal: it cuts cells, leaves out columns and says so; wide
//! mode shows everything.

mod grid;

use super::table::{Table, clean};
use crate::ordered::Node;

/// How an answer is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Everything, however long the lines become.
    pub wide: bool,
    /// Columns of the terminal.
    pub width: usize,
}

/// A list of so many rows whose cells are long is told row by row instead of in a table.
const FEW: usize = 5;
/// The least width that text is laid out in.
const NARROWEST: usize = 40;

/// The answer as lines.
pub fn text(answer: &[(String, Node)], layout: Layout) -> String {
    let mut out = String::new();
    let layout = Layout { width: layout.width.max(NARROWEST), ..layout };
    match answer.iter().position(|(name, value)| name == "missing" && matches!(value, Node::List(_))) {
        None => members(&mut out, answer, 0, layout),
        Some(place) => {
            // What is not known comes first, and a list that is empty for want of it does not say that there is nothing.
            let mut answer = answer.to_vec();
            let missing = answer.remove(place);
            for (_, value) in &mut answer {
                if matches!(value, Node::List(items) if items.is_empty()) {
                    *value = Node::Null;
                }
            }
            answer.insert(0, missing);
            members(&mut out, &answer, 0, layout);
        }
    }
    out
}

fn members(out: &mut String, members: &[(String, Node)], depth: usize, layout: Layout) {
    let (lines, blocks): (Vec<_>, Vec<_>) =
        members.iter().partition(|(_, value)| line(value, layout).is_some());
    for (name, value) in lines {
        let label = format!("{}{}: ", indent(depth), clean(name));
        let text = line(value, layout).unwrap_or_default();
        push_wrapped(out, &label, &text, depth + 2, layout);
    }
    for (name, value) in blocks {
        if depth == 0 && !out.is_empty() {
            out.push('\n');
        }
        match value {
            Node::Object(inner) => {
                out.push_str(&format!("{}{}:\n", indent(depth), clean(name)));
                self::members(out, inner, depth + 1, layout);
            }
            Node::Text(text) => {
                out.push_str(&format!("{}{}:\n", indent(depth), clean(name)));
                for line in text.lines() {
                    out.push_str(&format!("{}{}\n", indent(depth + 1), clean(line)));
                }
            }
            Node::List(items) => list(out, name, items, depth, layout),
            Node::Null | Node::Truth(_) | Node::Number(_) => {}
        }
    }
}

/// The value on one line (which may be wrapped), when it fits there.
fn line(value: &Node, layout: Layout) -> Option<String> {
    match value {
        Node::Object(members) if members.is_empty() => Some("none".to_owned()),
        Node::Object(members) => {
            // Counts by name read well on a line: `running=12, pending=1`.
            let short = members.len() <= 12
                && members.iter().all(|(_, value)| matches!(value, Node::Number(_) | Node::Truth(_)));
            short.then(|| flat(value))
        }
        Node::List(items) if items.is_empty() => Some("none".to_owned()),
        Node::List(items) => {
            let text = items.iter().all(Node::is_scalar).then(|| flat(value));
            text.filter(|text| items.len() == 1 || width(text) * 3 < layout.width * 2)
        }
        Node::Text(text) if text.trim_end().contains('\n') => None,
        scalar => Some(flat(scalar)),
    }
}

fn list(out: &mut String, name: &str, items: &[Node], depth: usize, layout: Layout) {
    out.push_str(&format!("{}{} ({}):\n", indent(depth), clean(name), items.len()));
    let rows: Vec<&[(String, Node)]> = items
        .iter()
        .filter_map(|item| if let Node::Object(row) = item { Some(row.as_slice()) } else { None })
        .collect();
    if rows.len() < items.len() {
        for item in items {
            push_wrapped(out, &format!("{}- ", indent(depth + 1)), &flat(item), depth + 2, layout);
        }
        return;
    }
    let room = layout.width.saturating_sub(indent(depth + 1).len());
    let grid = grid::Grid::of(&rows, room.max(NARROWEST), layout.wide);
    if rows.len() <= FEW && grid.is_wordy(rows.len()) {
        for row in rows {
            let mut inner = String::new();
            members(&mut inner, row, depth + 2, layout);
            let begin = indent(depth + 2);
            let first = inner.strip_prefix(&begin).unwrap_or(&inner);
            out.push_str(&format!("{}- {first}", indent(depth + 1)));
        }
        return;
    }
    for line in grid.lines(&rows) {
        out.push_str(&format!("{}{line}\n", indent(depth + 1)));
    }
}

/// Any value on one line.
fn flat(value: &Node) -> String {
    match value {
        Node::Null => "-".to_owned(),
        Node::Truth(truth) => truth.to_string(),
        Node::Number(number) => number.to_string(),
        Node::Text(text) => clean(text),
        Node::List(items) => items.iter().map(flat).collect::<Vec<_>>().join(", "),
        Node::Object(members) => {
            let pair = |(name, value): &(String, Node)| match value {
                Node::Object(_) | Node::List(_) => format!("{}=({})", clean(name), flat(value)),
                _ => format!("{}={}", clean(name), flat(value)),
            };
            members.iter().map(pair).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Adds a label and a text that goes on below, further in, where the terminal ends.
fn push_wrapped(out: &mut String, label: &str, text: &str, depth: usize, layout: Layout) {
    let most = if layout.wide { usize::MAX } else { layout.width };
    let mut at = width(label);
    out.push_str(label);
    let mut first = true;
    for word in text.split(' ') {
        let long = width(word);
        if !first && at + 1 + long > most {
            out.push('\n');
            out.push_str(&indent(depth));
            at = indent(depth).len();
        } else if !first {
            out.push(' ');
            at += 1;
        }
        out.push_str(word);
        at += long;
        first = false;
    }
    out.push('\n');
}

/// A table of names and sentences, whose sentences go on below themselves where the terminal ends.
pub fn glossary(header: [&str; 2], rows: &[(String, String)], layout: Layout) -> String {
    let names = rows.iter().map(|(name, _)| width(name)).chain([width(header[0])]).max().unwrap_or(0);
    let most = if layout.wide { usize::MAX } else { layout.width.max(names + NARROWEST) };
    let mut table = Table::new(header);
    for (name, sentence) in rows {
        let mut name = name.clone();
        for line in wrapped(sentence, most.saturating_sub(names + 2)) {
            table.row([std::mem::take(&mut name), line]);
        }
    }
    table.text()
}

fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if width(line) + 1 + width(word) <= most => line.push_str(&format!(" {word}")),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}
