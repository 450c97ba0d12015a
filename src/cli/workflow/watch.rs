//! `aiops workflow watch`: a view that is drawn anew at each change on a terminal, and a line a change elsewhere.
//!
//! A stream that breaks is opened again for a while: a server that is restarted goes on with the workflow.

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _},
    time::Duration,
};

use serde_json::Value;

use super::view;
use crate::cli::{
    Failure, Output,
    asking::{items, piece, text},
    print,
    remote::{Events, Remote},
    table::clean,
};

/// How often a stream that broke is opened again without news in between, and how long is waited before each time.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);
/// Lines at the top of a view that say what it is about.
const HEAD: usize = 3;
/// Phases that nothing follows.
const OVER: [&str; 7] = ["completed", "failed", "rolled_back", "cancelled", "refused", "rejected", "expired"];

/// Watches until it is over.
pub(super) async fn watch(remote: &Remote, id: &str, output: Output) -> Result<(), Failure> {
    let path = format!("/workflows/{}/events", piece(id));
    let mut screen = Screen::of(output);
    // That there is no such workflow, or no right to see it, is said at once.
    let mut stream = Some(remote.events(&path).await?);
    let mut tries = 0;
    loop {
        let ended = match &mut stream {
            Some(events) => follow(events, &mut screen, &mut tries).await,
            None => Ok(None),
        };
        if let Ok(Some(last)) = &ended {
            return concluded(last);
        }
        tries += 1;
        if tries > TRIES {
            let why = ended.err().unwrap_or_else(|| anyhow::anyhow!("the stream of events ended"));
            return Err(why
                .context(format!("{} cannot be watched any more; it goes on by itself", clean(id)))
                .into());
        }
        tokio::time::sleep(PAUSE).await;
        stream = remote.events(&path).await.ok();
    }
}

/// Shows events until one of them is the last; `None` when the stream ended before.
async fn follow(events: &mut Events, screen: &mut Screen, tries: &mut u32) -> anyhow::Result<Option<Value>> {
    while let Some(event) = events.next().await? {
        let Ok(value) = serde_json::from_str::<Value>(&event.data) else { continue };
        if event.name == "error" {
            anyhow::bail!("the server said: {}", clean(text(&value, "message")));
        }
        *tries = 0;
        screen.show(&value)?;
        if OVER.contains(&text(&value, "phase")) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn concluded(workflow: &Value) -> Result<(), Failure> {
    if text(workflow, "phase") == "completed" {
        return Ok(());
    }
    Err(anyhow::anyhow!("{} ended {}", clean(text(workflow, "id")), view::headline(workflow)).into())
}

/// Where a workflow is shown.
enum Screen {
    /// A terminal, on which so many lines were drawn.
    Live { drawn: usize },
    /// Lines of what is new, each thing under its key.
    Lines { told: BTreeMap<String, String> },
    /// Each state whole, one a line.
    Json,
}

impl Screen {
    fn of(output: Output) -> Self {
        match output {
            Output::Json | Output::Yaml => Self::Json,
            Output::Text | Output::Wide if std::io::stdout().is_terminal() => Self::Live { drawn: 0 },
            Output::Text | Output::Wide => Self::Lines { told: BTreeMap::new() },
        }
    }

    fn show(&mut self, workflow: &Value) -> std::io::Result<()> {
        match self {
            Self::Json => print::out(&workflow.to_string()),
            Self::Lines { told } => {
                for (key, line) in news(workflow) {
                    if told.get(&key) != Some(&line) {
                        print::out(&line)?;
                        told.insert(key, line);
                    }
                }
                Ok(())
            }
            Self::Live { drawn } => {
                let width = print::layout(false).width.max(20);
                let mut lines: Vec<String> =
                    view::lines(workflow).iter().map(|line| cut(line, width)).collect();
                // The last view stays, so that it may scroll; what is drawn over has to fit.
                if !OVER.contains(&text(workflow, "phase")) {
                    lines = fitting(lines, print::rows().unwrap_or(usize::MAX));
                }
                let text = redrawn(drawn, &lines);
                let mut out = std::io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()
            }
        }
    }
}

/// What draws these lines over those that were drawn before.
fn redrawn(drawn: &mut usize, lines: &[String]) -> String {
    let mut text = String::new();
    if *drawn > 0 {
        // Back to the first line, and everything below it away.
        text.push_str(&format!("\u{1b}[{drawn}A\u{1b}[J"));
    }
    *drawn = lines.len();
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Lines that a terminal of so many rows can show and draw over: what it is about, and the end.
fn fitting(lines: Vec<String>, rows: usize) -> Vec<String> {
    // The cursor stands in a row of its own.
    let most = rows.saturating_sub(1).max(HEAD + 2);
    if lines.len() <= most {
        return lines;
    }
    let left_out = lines.len() - (most - 1);
    let mut shown: Vec<String> = lines.iter().take(HEAD).cloned().collect();
    shown.push(format!("  … {left_out} lines more"));
    shown.extend(lines.into_iter().skip(HEAD + left_out));
    shown
}

/// What may be new, in the order in which it is told.
fn news(workflow: &Value) -> Vec<(String, String)> {
    let mut news = vec![("phase".to_owned(), format!("phase {}", view::headline(workflow)))];
    for step in items(workflow, "steps") {
        let state = text(step, "state");
        if state != "pending" {
            let key =
                format!("step {} {}", step.get("order").unwrap_or(&Value::Null), text(step, "direction"));
            news.push((key, format!("step {}: {}", clean(state), view::step_line(step))));
        }
    }
    for check in items(workflow, "checkpoints").filter(|check| text(check, "status") != "pending") {
        let key = format!("check {}", check.get("after_step").unwrap_or(&Value::Null));
        let seen: Vec<String> = items(check, "evidence").filter_map(Value::as_str).map(clean).collect();
        news.push((key, format!("check {}: {}", clean(text(check, "status")), seen.join("; "))));
    }
    if let Some(awaiting) = workflow.get("awaiting").filter(|awaiting| awaiting.is_object()) {
        let line = format!(
            "waits for an approval: aiops workflow approve {} --digest {}",
            clean(text(workflow, "id")),
            clean(text(awaiting, "digest"))
        );
        news.push(("awaiting".to_owned(), line));
    }
    news
}

/// A line that does not wrap, so that lines can be counted.
fn cut(line: &str, width: usize) -> String {
    if line.chars().count() < width {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(width.saturating_sub(2)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{HEAD, cut, fitting, redrawn, view};

    /// What a terminal of so many rows shows: it knows line ends, cursor-up and clearing to the end.
    struct Terminal {
        rows: usize,
        /// Everything that was ever written, the rows on the screen last.
        lines: Vec<String>,
        at: usize,
    }

    impl Terminal {
        fn of(rows: usize) -> Self {
            Self { rows, lines: vec![String::new()], at: 0 }
        }

        fn top(&self) -> usize {
            self.lines.len().saturating_sub(self.rows)
        }

        fn write(&mut self, text: &str) {
            let mut rest = text;
            while let Some(c) = rest.chars().next() {
                if let Some(sequence) = rest.strip_prefix("\u{1b}[") {
                    let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                    let (number, tail) = sequence.split_at(end);
                    match tail.chars().next() {
                        // A cursor does not leave the screen.
                        Some('A') => {
                            let up: usize = number.parse().unwrap();
                            self.at = self.at.saturating_sub(up).max(self.top());
                        }
                        Some('J') => self.lines.truncate(self.at),
                        other => panic!("{other:?} is no sequence of ours"),
                    }
                    if self.lines.len() <= self.at {
                        self.lines.push(String::new());
                    }
                    rest = tail.get(1..).unwrap();
                } else {
                    if c == '\n' {
                        self.at += 1;
                        if self.lines.len() <= self.at {
                            self.lines.push(String::new());
                        }
                    } else {
                        self.lines.get_mut(self.at).unwrap().push(c);
                    }
                    rest = rest.get(c.len_utf8()..).unwrap();
                }
            }
        }

        fn shows(&self) -> Vec<String> {
            let mut lines = self.lines.clone();
            assert_eq!(lines.pop().as_deref(), Some(""), "the cursor stands below the view");
            lines
        }
    }

    fn workflow(phase: &str, steps: usize) -> serde_json::Value {
        let step = |number: usize| {
            json!({"description": format!("Evict Pod shop/web-{number}: it cannot be brought back"),
                "state": "applied", "direction": "do"})
        };
        json!({"id": "wf-1", "phase": phase, "resource_kind": "Node", "resource_name": "n1", "issue_type": "node_drain",
            "severity": "high", "incident_id": "inc-1", "remedy": "drain-node", "requested_by": "ann",
            "steps": (0..steps).map(step).collect::<Vec<_>>()})
    }

    #[test]
    fn each_view_is_drawn_over_the_one_before_and_leaves_nothing_of_it() {
        let mut terminal = Terminal::of(24);
        terminal.write("$ aiops workflow watch wf-1\n");
        let mut drawn = 0;
        // It grows, shrinks, and says less in a line than before.
        for (phase, steps) in
            [("planning", 0), ("awaiting_approval", 3), ("running", 12), ("verifying", 2), ("completed", 2)]
        {
            let lines: Vec<String> =
                view::lines(&workflow(phase, steps)).iter().map(|line| cut(line, 60)).collect();
            assert!(lines.iter().all(|line| line.chars().count() < 60), "no line wraps");
            terminal.write(&redrawn(&mut drawn, &lines));
            let shown = terminal.shows();
            assert_eq!(shown.first().map(String::as_str), Some("$ aiops workflow watch wf-1"));
            assert_eq!(shown.get(1..), Some(&*lines), "{phase}");
        }
    }

    #[test]
    fn a_view_that_is_longer_than_the_screen_is_shortened_so_that_it_can_be_drawn_over() {
        let mut terminal = Terminal::of(10);
        let mut drawn = 0;
        for steps in [4, 40, 41, 8] {
            let all = view::lines(&workflow("running", steps));
            let lines = fitting(all.clone(), 10);
            assert!(lines.len() <= 9, "{}", lines.len());
            assert_eq!(lines.get(..HEAD), all.get(..HEAD));
            assert_eq!(lines.last(), all.last());
            let told = all.len() - lines.len() + 1;
            assert_eq!(all.len() > 9, lines.iter().any(|line| line.contains(&format!("{told} lines more"))));
            terminal.write(&redrawn(&mut drawn, &lines));
            assert_eq!(terminal.shows(), lines, "nothing of the view before is left above");
        }
    }
}
