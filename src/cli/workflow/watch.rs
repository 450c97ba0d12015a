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
                let lines: Vec<String> = view::lines(workflow).iter().map(|line| cut(line, width)).collect();
                let mut text = String::new();
                if *drawn > 0 {
                    // Back to the first line, and everything below it away.
                    text.push_str(&format!("\u{1b}[{drawn}A\u{1b}[J"));
                }
                *drawn = lines.len();
                text.push_str(&lines.join("\n"));
                text.push('\n');
                let mut out = std::io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()
            }
        }
    }
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
