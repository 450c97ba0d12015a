//! Rows in columns that fit the terminal: short cells side by side, long sentences behind them or below their row.
//!
//! It leaves out what does not fit and names it.

use super::{Node, Table, clean, cut, flat, width};

/// A row of an answer.
type Row<'a> = &'a [(String, Node)];

/// Longer cells are sentences.
const CELL: usize = 48;
/// A sentence stands behind the cells of its row when it has so much room there.
const SENTENCE: usize = 40;
/// How far below its row a sentence stands in.
const BELOW: &str = "    ";
/// Spaces between columns.
const GAP: usize = 2;

/// Which columns are shown, and where.
#[derive(Debug)]
pub(super) struct Grid<'a> {
    /// Side by side.
    cells: Vec<&'a str>,
    /// A sentence behind them, and its room.
    behind: Option<(&'a str, usize)>,
    /// Sentences below each row.
    below: Vec<&'a str>,
    /// What few rows have, at the end of the line below.
    seldom: Vec<&'a str>,
    /// Not shown.
    hidden: Vec<&'a str>,
    room: usize,
    sentences: usize,
    /// A sentence has several lines, as a trace in a log has.
    has_lines: bool,
}

struct Column<'a> {
    name: &'a str,
    width: usize,
    is_seldom: bool,
}

impl<'a> Grid<'a> {
    /// Lays out the columns, in the order of the first row that has them.
    pub(super) fn of(rows: &[Row<'a>], room: usize, wide: bool) -> Self {
        let mut names: Vec<&'a str> = Vec::new();
        for (name, _) in rows.iter().copied().flatten() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let mut grid = Self {
            cells: Vec::new(),
            behind: None,
            below: Vec::new(),
            seldom: Vec::new(),
            hidden: Vec::new(),
            room: if wide { usize::MAX } else { room },
            sentences: 0,
            has_lines: false,
        };
        // Sentences break the lines of what stands behind them, so they come last.
        let (mut short, mut sentences): (Vec<Column<'a>>, Vec<&'a str>) = (Vec::new(), Vec::new());
        let has_age = names.contains(&"age");
        for name in names {
            let values = || rows.iter().filter_map(|row| value(row, name));
            let filled = values().filter(|value| **value != Node::Null).count();
            let longest = values().map(|value| width(&cell(value))).max().unwrap_or(0);
            if wide {
                if longest <= CELL {
                    grid.cells.push(name)
                } else {
                    sentences.push(name)
                }
                continue;
            }
            if filled == 0 {
                // A column without any value says nothing; the JSON has it.
            } else if values().any(|value| !is_cell(value)) || (has_age && name.ends_with("_at")) {
                grid.hidden.push(name);
            } else if longest > CELL {
                sentences.push(name);
                grid.has_lines |= values().any(has_lines);
            } else {
                let is_seldom = rows.len() > 1 && filled * 2 < rows.len();
                short.push(Column { name, width: longest.max(width(name)), is_seldom });
            }
        }
        grid.sentences = sentences.len();
        if wide {
            grid.cells.extend(sentences);
        } else {
            grid.place(short, sentences);
        }
        grid
    }

    fn place(&mut self, mut short: Vec<Column<'a>>, sentences: Vec<&'a str>) {
        let needed = |short: &[Column<'_>]| short.iter().map(|column| column.width + GAP).sum::<usize>();
        let one = match sentences.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        let fits = |short: &[Column<'_>]| match one {
            Some(_) => needed(short) + SENTENCE <= self.room,
            None => needed(short) <= self.room + GAP,
        };
        if !fits(&short) {
            let (seldom, often) = short.into_iter().partition(|column| column.is_seldom);
            short = often;
            self.seldom = seldom.into_iter().map(|column: Column<'a>| column.name).collect();
        }
        match one {
            Some(sentence) if fits(&short) && !self.has_lines => {
                self.behind = Some((sentence, self.room.saturating_sub(needed(&short))));
            }
            _ => self.below = sentences,
        }
        while needed(&short) > self.room + GAP && short.len() > 2 {
            self.hidden.extend(short.pop().map(|column| column.name));
        }
        self.cells = short.into_iter().map(|column| column.name).collect();
    }

    /// Whether the few rows that there are read better one below the other.
    pub(super) fn is_wordy(&self, rows: usize) -> bool {
        self.sentences > 1 || (rows == 1 && self.sentences + self.hidden.len() > 0)
    }

    /// The lines.
    pub(super) fn lines(&self, rows: &[Row<'_>]) -> Vec<String> {
        let behind = self.behind.iter().map(|(name, _)| *name);
        let mut table = Table::new(self.cells.iter().copied().chain(behind).map(str::to_uppercase));
        for row in rows {
            let of = |name: &str| value(row, name).map_or_else(|| "-".to_owned(), cell);
            let behind = self.behind.iter().map(|(name, room)| cut(&of(name), *room));
            table.row(self.cells.iter().map(|name| of(name)).chain(behind));
        }
        let mut lines = Vec::new();
        for (place, line) in table.lines().into_iter().enumerate() {
            lines.push(line);
            if let Some(row) = place.checked_sub(1).and_then(|place| rows.get(place)) {
                lines.extend(self.below(row));
            }
        }
        if !self.hidden.is_empty() {
            lines.push(format!("(with -o wide also: {})", self.hidden.join(", ")));
        }
        lines
    }

    /// What stands below a row.
    fn below(&self, row: Row<'_>) -> Vec<String> {
        let given = |name: &&str| value(row, name).filter(|value| **value != Node::Null).map(cell);
        let pairs = self.seldom.iter().filter_map(|name| Some(format!("{name}: {}", given(name)?)));
        let mut seldom = pairs.collect::<Vec<_>>().join("; ");
        let room = self.room.saturating_sub(BELOW.len());
        let mut lines = Vec::new();
        for name in &self.below {
            if let Some(Node::Text(text)) = value(row, name).filter(|value| has_lines(value)) {
                lines.extend(text.lines().map(|line| cut(&clean(line), room)));
                continue;
            }
            let Some(text) = given(name) else { continue };
            let text = if self.below.len() > 1 { format!("{name}: {text}") } else { text };
            let tail = if seldom.is_empty() { 0 } else { width(&seldom) + 2 };
            if tail > 0 && room >= tail + SENTENCE {
                lines.push(format!("{}; {}", cut(&text, room - tail), std::mem::take(&mut seldom)));
            } else {
                lines.push(cut(&text, room));
            }
        }
        if !seldom.is_empty() {
            lines.push(cut(&seldom, room));
        }
        lines.into_iter().map(|line| format!("{BELOW}{line}")).collect()
    }
}

fn value<'n>(row: &'n [(String, Node)], column: &str) -> Option<&'n Node> {
    row.iter().find(|(name, _)| name == column).map(|(_, value)| value)
}

fn has_lines(value: &Node) -> bool {
    matches!(value, Node::Text(text) if text.trim_end().contains('\n'))
}

/// Whether a value can be a cell at all.
fn is_cell(value: &Node) -> bool {
    match value {
        Node::Object(members) => share(members).is_some(),
        Node::List(items) => items.iter().all(Node::is_scalar),
        _ => true,
    }
}

fn cell(value: &Node) -> String {
    match value {
        Node::Object(members) => share(members).unwrap_or_else(|| flat(value)),
        Node::List(items) if items.is_empty() => "-".to_owned(),
        value => flat(value),
    }
}

/// What of how much, as kubectl writes it: `3/4` of replicas that are ready, `1200/4000` of millicores that are
/// requested.
fn share(members: &[(String, Node)]) -> Option<String> {
    let of = |part: &str, whole: &str| {
        let number = |name: &str| {
            value(members, name).filter(|value| !matches!(value, Node::Object(_) | Node::List(_)))
        };
        Some(format!("{}/{}", flat(number(part)?), flat(number(whole)?)))
    };
    of("requested", "allocatable").or_else(|| of("ready", "desired"))
}
