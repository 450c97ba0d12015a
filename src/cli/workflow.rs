//! `aiops workflow`: see, watch, approve and stop repairs of a running server.
//!
//! It decides nothing: the server does, for whoever the token says is asking.

mod view;
mod watch;

use std::io::{BufRead as _, IsTerminal as _};

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use super::{
    Failure, Global,
    asking::{Asking, issue, items, object, piece, query, text},
    print,
    remote::Remote,
    table::{Table, clean},
};
use crate::config::Environment;

/// What to do with workflows.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aiops workflow list --status awaiting_approval
  aiops workflow watch wf-01k3x9f2m4q7tz8b
  aiops workflow approve wf-01k3x9f2m4q7tz8b            shows the plan and asks
  aiops workflow why-not wf-01k3x9f2m4q7tz8b            which rule holds it up

All speak to the server of --server or AIOPS_SERVER, else to one on this machine. Approving needs a token, but not over the socket
of the state directory.")]
pub struct WorkflowArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List workflows, newest first
    List(ListArgs),
    /// Show a workflow: plan, steps, checkpoints, what it waits for
    Show(OneArgs),
    /// Watch a workflow until it is over; exit code 1 unless it completed
    Watch(OneArgs),
    /// Approve the plan that waits
    Approve(DecideArgs),
    /// Deny the plan that waits
    Deny(DecideArgs),
    /// Stop a workflow, undoing what was done
    Cancel(CancelArgs),
    /// End a workflow that waits for a person
    Resolve(ResolveArgs),
    /// Say why a workflow does not go on, rule by rule
    WhyNot(OneArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// A phase such as awaiting_approval, or pending, in_progress, completed, failed
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Those of this incident
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    /// How many at most [default: 50]
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// How many to skip
    #[arg(long, value_name = "N")]
    offset: Option<u32>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
struct OneArgs {
    /// The workflow
    #[arg(value_name = "WORKFLOW")]
    id: String,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
struct DecideArgs {
    /// The workflow
    #[arg(value_name = "WORKFLOW")]
    id: String,
    /// Digest of the plan that was seen; without it the plan is shown and the answer is asked for
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
struct CancelArgs {
    /// The workflow
    #[arg(value_name = "WORKFLOW")]
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
struct ResolveArgs {
    /// The workflow
    #[arg(value_name = "WORKFLOW")]
    id: String,
    /// How it ended
    #[arg(long, value_enum)]
    outcome: Outcome,
    /// What was found and done
    #[arg(long, value_name = "TEXT")]
    note: String,
    #[command(flatten)]
    asking: Asking,
}

/// How a person ends a workflow.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Outcome {
    /// The target is well
    Completed,
    /// Everything is as it was before
    RolledBack,
    /// Neither
    Failed,
}

pub(super) fn run(args: &WorkflowArgs, global: &Global, environment: Environment) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => args.asking.with(global, environment, async |remote| {
            let path = query(&[
                ("namespace", global.namespace.clone()),
                ("status", args.status.clone()),
                ("incident_id", args.incident.clone()),
                ("limit", args.limit.map(|limit| limit.to_string())),
                ("offset", args.offset.map(|offset| offset.to_string())),
            ]);
            args.asking.show(&remote, Method::GET, &format!("/workflows{path}"), None, list).await
        }),
        Command::Show(args) => args.asking.with(global, environment, async |remote| {
            let show = |workflow: &Value| Some(view::whole(workflow));
            args.asking.show(&remote, Method::GET, &path(&args.id, ""), None, show).await
        }),
        Command::Watch(args) => args.asking.with(global, environment, async |remote| {
            watch::watch(&remote, &args.id, args.asking.output).await
        }),
        Command::Approve(args) => decide(args, "approve", global, environment),
        Command::Deny(args) => decide(args, "deny", global, environment),
        Command::Cancel(args) => args.asking.with(global, environment, async |remote| {
            let body = json!({ "reason": args.reason });
            args.asking.show(&remote, Method::POST, &path(&args.id, "/cancel"), Some(&body), said).await
        }),
        Command::Resolve(args) => args.asking.with(global, environment, async |remote| {
            let outcome = match args.outcome {
                Outcome::Completed => "completed",
                Outcome::RolledBack => "rolled_back",
                Outcome::Failed => "failed",
            };
            let body = json!({ "outcome": outcome, "note": args.note });
            args.asking.show(&remote, Method::POST, &path(&args.id, "/resolve"), Some(&body), said).await
        }),
        Command::WhyNot(args) => args.asking.with(global, environment, async |remote| {
            args.asking.show(&remote, Method::GET, &path(&args.id, "/why-not"), None, verdicts).await
        }),
    }
}

fn path(id: &str, below: &str) -> String {
    format!("/workflows/{}{below}", piece(id))
}

fn decide(
    args: &DecideArgs,
    word: &'static str,
    global: &Global,
    environment: Environment,
) -> Result<(), Failure> {
    args.asking.with(global, environment, async |remote| {
        let path = path(&args.id, &format!("/{word}"));
        // Nobody is asked to decide what will not be sent.
        remote.may(&Method::POST, &path)?;
        let digest = match &args.digest {
            Some(digest) => digest.clone(),
            None => seen(&remote, &args.id, word).await?,
        };
        let body = json!({ "digest": digest, "reason": args.reason });
        args.asking.show(&remote, Method::POST, &path, Some(&body), said).await
    })
}

/// Shows the plan that waits and asks the person in front of the terminal; its digest.
async fn seen(remote: &Remote, id: &str, word: &str) -> Result<String, Failure> {
    let workflow: Value = serde_json::from_str(&remote.rest(Method::GET, &path(id, ""), None).await?)?;
    let digest = text(workflow.get("awaiting").unwrap_or(&Value::Null), "digest");
    if digest.is_empty() {
        let phase = clean(text(&workflow, "phase"));
        return Err(anyhow::anyhow!("{} waits for no approval: it is {phase}", clean(id)).into());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(anyhow::anyhow!(
            "there is no terminal to ask at; name the plan that was seen: aiops workflow {word} {} --digest {}",
            clean(id),
            clean(digest)
        )));
    }
    print::err(&view::whole(&workflow))?;
    print::err(&format!("Type yes to {word} this plan:"))?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if line.trim() == "yes" {
        Ok(digest.to_owned())
    } else {
        Err(anyhow::anyhow!("nothing was decided").into())
    }
}

fn list(answer: &Value) -> Option<String> {
    let mut table = Table::new(["WORKFLOW", "PHASE", "TARGET", "ISSUE", "REMEDY", "ASKED BY", "CREATED"]);
    for workflow in items(answer, "workflows") {
        let member = |name| text(workflow, name).to_owned();
        let target = object(
            text(workflow, "resource_kind"),
            text(workflow, "namespace"),
            text(workflow, "resource_name"),
        );
        table.row([
            member("id"),
            member("phase"),
            target,
            issue(workflow),
            member("remedy"),
            member("requested_by"),
            member("created_at"),
        ]);
    }
    Some(counted(table, answer, "workflows"))
}

/// The table, and how many it does not show.
pub(super) fn counted(table: Table, answer: &Value, what: &str) -> String {
    let total = answer.get("total").and_then(Value::as_u64).unwrap_or(0);
    if table.is_empty() {
        return format!("no {what}");
    }
    let shown = u64::try_from(items(answer, what).count()).unwrap_or(total);
    let mut text = table.text();
    if shown < total {
        text.push_str(&format!("{shown} of {total}; go on with --offset, or ask for more with --limit\n"));
    }
    text
}

/// One line about a workflow that was told something.
fn said(workflow: &Value) -> Option<String> {
    let reason = text(workflow, "reason");
    let reason = if reason.is_empty() { String::new() } else { format!(": {}", clean(reason)) };
    Some(format!("{} is {}{reason}", clean(text(workflow, "id")), clean(text(workflow, "phase"))))
}

/// What each rule says.
pub(super) fn verdicts(answer: &Value) -> Option<String> {
    let allowed = answer.get("allowed")?.as_bool()?;
    let mut table = Table::new(["RULE", "", "WHY"]);
    for rule in items(answer, "rules") {
        let passes = rule.get("passes").and_then(Value::as_bool) == Some(true);
        let word = if passes { "passes" } else { "refuses" };
        table.row([text(rule, "rule"), word, text(rule, "why")]);
    }
    let verdict = if allowed { "allowed" } else { "refused" };
    Some(format!("{verdict}; approval: {}\n\n{}", clean(text(answer, "approval")), table.text()))
}
