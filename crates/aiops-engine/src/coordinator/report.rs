//! The story of an incident as one Markdown document: what was seen, what was decided and by which rule, what was done
//! and proven, how it ended.
//!
//! Pure: records in, text out. Everything in it was recorded at the time; nothing is inferred. Text of others is cut,
//! cleaned and kept inside of code spans, so that it cannot become markup. The caller redacts the whole.

use std::fmt::Write as _;

use crate::{
    model::{
        Millis,
        incident::Incident,
        phase::{Direction, Phase},
        plan::{Plan, Risk, shown},
        wire_time,
        workflow::{Record, StepRecord},
    },
    ports::store::AuditLine,
    settings::policy::{approval_word, severity_word},
    text,
};

/// Lines of one audit chain that are told.
pub(super) const MOST_LINES: u32 = 300;
/// Longest text of others within a line.
const LONGEST: usize = 300;

/// A workflow with its audit chain.
#[derive(Debug)]
pub(super) struct Told {
    /// Everything that was recorded of it.
    pub(super) record: Record,
    /// Its chain, from the beginning.
    pub(super) lines: Vec<AuditLine>,
}

/// Writes the document; `beside` are lines of the chain `control` that belong to the story. Writing into a text cannot
/// fail.
pub(super) fn render(incident: &Incident, told: &[Told], beside: &[AuditLine], now: Millis) -> String {
    let mut out = String::new();
    let title = if incident.body.title.is_empty() { &incident.issue } else { &incident.body.title };
    line(&mut out, format!("# {}: {}", incident.id, plain(title)));
    line(&mut out, "");
    head(&mut out, incident, now);
    timeline(&mut out, incident, told, beside);
    for told in told.iter().rev() {
        workflow(&mut out, told);
    }
    if told.is_empty() {
        line(&mut out, "## What was done\n\nNo workflow acted on it.\n");
    }
    line(&mut out, "## How it ended\n");
    line(&mut out, outcome(incident, told));
    out
}

fn head(out: &mut String, incident: &Incident, now: Millis) {
    line(out, "| | |\n|---|---|");
    let target = if incident.target.kind.is_empty() {
        let place = incident.target.namespace.as_str();
        if place.is_empty() { "the cluster".to_owned() } else { format!("namespace {place}") }
    } else {
        incident.target.to_string()
    };
    let mut row = |name: &str, value: String| line(out, format!("| {name} | {value} |"));
    row("Object", code(&target));
    row("Issue", code(&incident.issue));
    row("Severity", severity_word(incident.severity).to_owned());
    row("Status", incident.status.as_str().to_owned());
    row("Reported by", incident.source.as_str().to_owned());
    row("Reports", incident.occurrences.to_string());
    if let Some(began) = incident.body.began {
        row("Began", format!("{}, by its alerts", when(began)));
    }
    row("First seen", when(incident.first_seen));
    row("Last seen", when(incident.last_seen));
    match incident.closed_at {
        Some(at) => row("Closed", format!("{}, after {}", when(at), span(at - incident.first_seen))),
        None => row("Closed", format!("not yet, open for {}", span(now - incident.first_seen))),
    }
    row("Cluster", code(&incident.cluster));
    line(out, "");
    if !incident.body.description.is_empty() {
        line(out, format!("What was reported: {}\n", code(&incident.body.description)));
    }
}

fn timeline(out: &mut String, incident: &Incident, told: &[Told], beside: &[AuditLine]) {
    let mut moments: Vec<(Millis, String)> =
        vec![(incident.first_seen, format!("first reported by {}", incident.source.as_str()))];
    let lines = told.iter().flat_map(|told| &told.lines).chain(beside);
    moments.extend(lines.map(|line| (line.entry.at, recorded(line))));
    if let Some(at) = incident.closed_at {
        moments.push((at, format!("closed as {}", incident.status.as_str())));
    }
    // Equal moments stay in the order in which they were recorded.
    moments.sort_by_key(|(at, _)| *at);
    line(out, "## Timeline\n");
    for (at, said) in moments {
        line(out, format!("- {} {said}", when(at)));
    }
    line(out, "");
}

/// A line of an audit chain, with its place there.
fn recorded(line: &AuditLine) -> String {
    let entry = &line.entry;
    let detail = match &entry.body {
        serde_json::Value::Null => String::new(),
        body if body.as_object().is_some_and(serde_json::Map::is_empty) => String::new(),
        body => format!(" {}", code(&body.to_string())),
    };
    format!(
        "{} #{}: {} by {} ({}) on {}{detail}",
        line.chain,
        line.seq,
        code(&entry.action),
        code(&entry.actor),
        entry.via.as_str(),
        code(&entry.object)
    )
}

fn workflow(out: &mut String, told: &Told) {
    let record = &told.record;
    let workflow = &record.workflow;
    line(out, format!("## Workflow {}\n", workflow.id));
    let ended = workflow.finished_at.map_or_else(
        || "it is not over".to_owned(),
        |at| format!("it ended {} after {}", when(at), span(at - workflow.created_at)),
    );
    line(
        out,
        format!(
            "Asked for by {} ({}) at {}; now {}; {ended}.",
            code(&workflow.requested_by.name),
            workflow.requested_by.via.as_str(),
            when(workflow.created_at),
            code(workflow.phase.as_str())
        ),
    );
    if let Some(reason) = &workflow.reason {
        let rule = workflow.rule.as_ref().map(|rule| format!(" (rule {})", code(rule))).unwrap_or_default();
        line(out, format!("Why: {}{rule}.", code(reason)));
    }
    line(out, "");
    match &workflow.plan {
        Some(plan) => planned(out, plan, workflow.digest.as_deref()),
        None => line(out, "No plan was made.\n"),
    }
    approvals(out, record);
    steps(out, record);
    checks(out, record);
}

fn planned(out: &mut String, plan: &Plan, digest: Option<&str>) {
    line(out, "### Plan\n");
    let risk = match plan.risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
    };
    line(out, format!("Remedy {}: {}", code(&plan.remedy), code(&plan.why)));
    line(
        out,
        format!(
            "Deployed by {} (seen by {}); risk {risk}; approval {} by rule {}; digest {}.",
            plan.deployed.method.as_str(),
            code(&plan.deployed.source),
            approval_word(plan.approval),
            code(&plan.rule),
            code(digest.unwrap_or("none"))
        ),
    );
    line(out, format!("Expected: {}\n", code(&plan.expected)));
    for step in &plan.steps {
        let undo = match step.undo {
            crate::model::action::UndoClass::Exact => "undone exactly",
            crate::model::action::UndoClass::Irreversible => "irreversible",
            crate::model::action::UndoClass::Nothing => "changes nothing",
        };
        let (action, target) = (step.action.name(), step.action.target());
        line(
            out,
            format!("{}. {} on {} ({undo})", shown(step.order), code(action), code(&target.to_string())),
        );
        for change in step.proof.iter().flat_map(|proof| &proof.diff) {
            line(out, format!("   - {}", code(change)));
        }
    }
    line(out, "");
}

fn approvals(out: &mut String, record: &Record) {
    for approval in &record.approvals {
        let by = approval.decided_by.as_deref().map(|by| format!(" by {}", code(by))).unwrap_or_default();
        let via = approval.channel.as_deref().map(|via| format!(" over {}", code(via))).unwrap_or_default();
        let at = approval.decided_at.map(|at| format!(" at {}", when(at))).unwrap_or_default();
        let why = approval.reason.as_deref().map(|why| format!(": {}", code(why))).unwrap_or_default();
        line(
            out,
            format!(
                "Approval asked for at {}: {}{by}{via}{at}{why}.\n",
                when(approval.requested_at),
                approval.state.as_str()
            ),
        );
    }
}

fn steps(out: &mut String, record: &Record) {
    if record.steps.is_empty() {
        return;
    }
    line(out, "### What was done\n");
    line(out, "| step | action | object | state | requests | how it ended |\n|---|---|---|---|---|---|");
    let way = |direction: Direction| record.steps.iter().filter(move |step| step.direction == direction);
    let back: Vec<&StepRecord> = way(Direction::Undo).collect();
    for step in way(Direction::Do).chain(back.into_iter().rev()) {
        let requests: Vec<String> = record
            .attempts
            .iter()
            .filter(|attempt| attempt.order == step.order && attempt.direction == step.direction)
            .map(|attempt| {
                let status = attempt.http_status.map(|status| format!(" {status}")).unwrap_or_default();
                let ended = attempt.outcome.map_or("open", crate::model::workflow::Outcome::as_str);
                format!("{ended}{status}")
            })
            .collect();
        let undo = if step.direction == Direction::Undo { "undo " } else { "" };
        line(
            out,
            format!(
                "| {undo}{} | {} | {} | {} | {} | {} |",
                step.order + 1,
                code(step.action.name()),
                code(&step.action.target().to_string()),
                step.state.as_str(),
                if requests.is_empty() { "none".to_owned() } else { requests.join(", ") },
                step.result.as_deref().map(code).unwrap_or_default()
            ),
        );
    }
    line(out, "");
}

fn checks(out: &mut String, record: &Record) {
    if record.checks.is_empty() {
        return;
    }
    line(out, "### What was seen afterwards\n");
    for check in &record.checks {
        let at = check.at.map(|at| format!("{} ", when(at))).unwrap_or_default();
        let saw = check.evidence.as_deref().map(|saw| format!(": {}", code(saw))).unwrap_or_default();
        let (after, verdict) = (shown(check.after_order), check.verdict.as_str());
        line(out, format!("- {at}after step {after}, {} {verdict}{saw}", code(&check.name)));
    }
    line(out, "");
}

fn outcome(incident: &Incident, told: &[Told]) -> String {
    let last = told.first().map(|told| &told.record.workflow);
    let mut said = match last.map(|workflow| workflow.phase) {
        None => String::new(),
        Some(Phase::Completed) => "The target was seen healthy after the last workflow.".to_owned(),
        Some(Phase::RolledBack) => {
            "The last workflow did not help; everything it did was undone, and that was seen.".to_owned()
        }
        Some(Phase::NeedsOperator) => "The last workflow stopped and waits for a person.".to_owned(),
        Some(phase) if phase.is_terminal() => format!("The last workflow ended {}.", code(phase.as_str())),
        Some(phase) => format!("The last workflow is still {}.", code(phase.as_str())),
    };
    if let Some(resolution) = &incident.body.resolution {
        let _ = write!(said, "{}Closed with: {}.", if said.is_empty() { "" } else { " " }, code(resolution));
    }
    if said.is_empty() {
        said = if incident.status.is_closed() {
            "It was closed.".to_owned()
        } else {
            "It is still open.".to_owned()
        };
    }
    said
}

fn line(out: &mut String, text: impl AsRef<str>) {
    out.push_str(text.as_ref());
    out.push('\n');
}

/// Text of others as a code span: a backtick or a line end in it ends neither the span nor the line, and a `|` no cell.
fn code(words: &str) -> String {
    let words = text::line(words, LONGEST).replace('`', "'").replace('|', "\\|");
    if words.is_empty() { String::new() } else { format!("`{words}`") }
}

/// Text of others in a heading.
fn plain(words: &str) -> String {
    let is_markup = |c: char| matches!(c, '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '\\' | '!');
    let mut out = String::new();
    for c in text::line(words, LONGEST).chars() {
        if is_markup(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn when(at: Millis) -> String {
    wire_time(at).unwrap_or_else(|| "at no known time".to_owned())
}

/// How long, as a person says it.
fn span(millis: Millis) -> String {
    match millis.max(0) / 1_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests;
