//! Prints any answer for people: members as lines, lists of objects as tables, objects indented.
//!
//! It knows no tool. Text mode leaves out what does not fit a table and says so; wide mode shows everything.

use super::{
    ordered::Node,
    table::{Table, clean},
};

/// The longest cell of a table in text mode, unless it is the last one.
const CELL: usize = 48;
/// The longest last cell.
const LAST_CELL: usize = 160;

/// The answer as lines.
pub fn text(answer: &[(String, Node)], wide: bool) -> String {
    let mut out = String::new();
    members(&mut out, answer, 0, wide);
    out
}

fn members(out: &mut String, members: &[(String, Node)], depth: usize, wide: bool) {
    let (lines, blocks): (Vec<_>, Vec<_>) =
        members.iter().partition(|(_, value)| line(value, wide).is_some());
    for (name, value) in lines {
        let value = line(value, wide).unwrap_or_default();
        out.push_str(&format!("{}{}: {value}\n", indent(depth), clean(name)));
    }
    for (name, value) in blocks {
        if depth == 0 && !out.is_empty() {
            out.push('\n');
        }
        match value {
            Node::Object(inner) => {
                out.push_str(&format!("{}{}:\n", indent(depth), clean(name)));
                self::members(out, inner, depth + 1, wide);
            }
            Node::List(items) => list(out, name, items, depth, wide),
            _ => {}
        }
    }
}

/// The value on one line, when it fits there.
fn line(value: &Node, wide: bool) -> Option<String> {
    match value {
        Node::Object(members) if members.is_empty() => Some("none".to_owned()),
        Node::Object(members) => {
            // Counts by name read well on a line: `running=12, pending=1`.
            let short = members.len() <= 12
                && members.iter().all(|(_, value)| matches!(value, Node::Number(_) | Node::Truth(_)));
            short.then(|| flat(value))
        }
        Node::List(items) if items.is_empty() => Some("none".to_owned()),
        Node::List(items) => items.iter().all(Node::is_scalar).then(|| {
            let text = flat(value);
            if wide { text } else { cut(&text, LAST_CELL) }
        }),
        scalar => Some(flat(scalar)),
    }
}

fn list(out: &mut String, name: &str, items: &[Node], depth: usize, wide: bool) {
    out.push_str(&format!("{}{} ({}):\n", indent(depth), clean(name), items.len()));
    let rows: Vec<&[(String, Node)]> = items
        .iter()
        .filter_map(|item| if let Node::Object(row) = item { Some(row.as_slice()) } else { None })
        .collect();
    if rows.len() < items.len() {
        for item in items {
            out.push_str(&format!("{}- {}\n", indent(depth + 1), flat(item)));
        }
        return;
    }
    let columns = columns(&rows, wide);
    let mut table = Table::new(columns.shown.iter().map(|column| column.to_uppercase()));
    for row in &rows {
        let last = columns.shown.len().saturating_sub(1);
        table.row(columns.shown.iter().enumerate().map(|(place, column)| {
            let cell = row
                .iter()
                .find(|(name, _)| name == column)
                .map_or_else(|| "-".to_owned(), |(_, value)| flat(value));
            match (wide, place == last) {
                (true, _) => cell,
                (false, true) => cut(&cell, LAST_CELL),
                (false, false) => cut(&cell, CELL),
            }
        }));
    }
    for line in table.text().lines() {
        out.push_str(&format!("{}{line}\n", indent(depth + 1)));
    }
    if !columns.hidden.is_empty() {
        out.push_str(&format!("{}(with -o wide also: {})\n", indent(depth + 1), columns.hidden.join(", ")));
    }
}

struct Columns<'a> {
    shown: Vec<&'a str>,
    hidden: Vec<&'a str>,
}

/// The columns in the order of the first row that has them; long ones last, because they break the lines of others.
fn columns<'a>(rows: &[&'a [(String, Node)]], wide: bool) -> Columns<'a> {
    let mut all: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().copied().flatten() {
        if !all.contains(&name.as_str()) {
            all.push(name);
        }
    }
    let values = |column: &str| -> Vec<&Node> {
        let cells = rows.iter().copied().flatten();
        cells.filter(|(name, _)| name == column).map(|(_, value)| value).collect()
    };
    // A column without any value says nothing; the JSON has it.
    all.retain(|column| wide || values(column).iter().any(|value| **value != Node::Null));
    let fits = |column: &&str| {
        wide || values(column).iter().all(|value| match value {
            Node::Object(_) => false,
            Node::List(items) => items.iter().all(Node::is_scalar),
            _ => true,
        })
    };
    let (shown, hidden): (Vec<&str>, Vec<&str>) = all.into_iter().partition(fits);
    let is_short = |column: &&str| values(column).iter().all(|value| flat(value).chars().count() <= CELL);
    let (mut shown, long): (Vec<&str>, Vec<&str>) = shown.into_iter().partition(is_short);
    shown.extend(long);
    Columns { shown, hidden }
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

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}
