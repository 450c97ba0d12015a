//! `aiops policy` and `aiops control`: what a running server may do by itself, and its kill switch.
//!
//! A test asks and changes nothing; one of a file asks nobody.

mod lookup;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::{
    Failure, Global,
    asking::{Asking, items, text},
    table::{Table, clean},
    workflow::verdicts,
};
use crate::config::Environment;

/// What to ask about the policy.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aiops policy show
  aiops policy test -n shop --kind Deployment --name web --issue image_pull
  aiops policy test -n shop --action restart-workload
  aiops policy test -n shop --action set-resources --severity critical --file policy.toml")]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Show the policy in force: its rules in order, and the limits
    Show(ShowArgs),
    /// Say who would have to approve a case and what every rule says to it, or what the policy says to one action
    Test(TestArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
struct TestArgs {
    /// Kind of the object
    #[arg(long, value_name = "KIND", required_unless_present = "action")]
    kind: Option<String>,
    /// Name of the object
    #[arg(long, value_name = "NAME", required_unless_present = "action")]
    name: Option<String>,
    /// What is wrong with it, such as crash_loop
    #[arg(long, value_name = "ISSUE", required_unless_present = "action")]
    issue: Option<String>,
    /// How bad it is: low, medium, high or critical
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<String>,
    /// Look up this action (or helm, operator, multi-layer) in the policy's table alone: no object has to be there
    #[arg(long, value_name = "ACTION", conflicts_with_all = ["kind", "name", "issue"])]
    action: Option<String>,
    /// Look it up in this policy file, in force or not, instead of what a running server acts by
    #[arg(long, value_name = "FILE", requires = "action")]
    file: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

/// What to do with the kill switch.
#[derive(Debug, Args)]
#[command(after_help = "\
`pause` begins no step: one that runs is finished, and a workflow that waits longer than acting.times.step is undone. `stop` sends nothing any more, and rolls nothing back.
Examples:
  aiops control stop --reason 'change freeze'
  aiops control run")]
pub struct ControlArgs {
    #[command(subcommand)]
    command: ControlCommand,
}

#[derive(Debug, Subcommand)]
enum ControlCommand {
    /// Show the kill switch and the breaker
    Show(ShowArgs),
    /// Let workflows run
    Run(SetArgs),
    /// Begin no new step
    Pause(SetArgs),
    /// Send nothing any more to the cluster, and roll nothing back
    Stop(SetArgs),
}

#[derive(Debug, Args)]
struct SetArgs {
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(args: &PolicyArgs, global: &Global, environment: Environment) -> Result<(), Failure> {
    match &args.command {
        PolicyCommand::Show(args) => args.asking.with(global, environment, async |remote| {
            args.asking.show(&remote, Method::GET, "/policy", None, rules).await
        }),
        PolicyCommand::Test(args) => match &args.action {
            Some(action) => lookup::run(args, action, global, environment),
            None => args.asking.with(global, environment, async |remote| {
                let mut issue = json!({ "type": args.issue });
                if let (Value::Object(issue), Some(severity)) = (&mut issue, &args.severity) {
                    issue.insert("severity".to_owned(), severity.clone().into());
                }
                let body = json!({
                    "namespace": global.namespace.as_deref().unwrap_or_default(),
                    "resource": { "kind": args.kind, "name": args.name },
                    "issue": issue,
                });
                args.asking.show(&remote, Method::POST, "/remediation/why-not", Some(&body), verdicts).await
            }),
        },
    }
}

pub(super) fn control(args: &ControlArgs, global: &Global, environment: Environment) -> Result<(), Failure> {
    let (args, mode) = match &args.command {
        ControlCommand::Show(args) => {
            return args.asking.with(global, environment, async |remote| {
                args.asking.show(&remote, Method::GET, "/control", None, switch).await
            });
        }
        ControlCommand::Run(args) => (args, "run"),
        ControlCommand::Pause(args) => (args, "pause"),
        ControlCommand::Stop(args) => (args, "stop"),
    };
    args.asking.with(global, environment, async |remote| {
        let body = json!({ "mode": mode, "reason": args.reason });
        args.asking.show(&remote, Method::PUT, "/control", Some(&body), switch).await
    })
}

fn switch(answer: &Value) -> Option<String> {
    let why = |name| match text(answer, name) {
        "" => String::new(),
        why => format!(" ({})", clean(why)),
    };
    Some(format!(
        "kill switch  {}{}\nbreaker      {}{}",
        clean(text(answer, "kill_switch")),
        why("kill_switch_reason"),
        clean(text(answer, "breaker")),
        why("breaker_reason")
    ))
}

fn rules(answer: &Value) -> Option<String> {
    let any = |rule: &Value, name| {
        let words: Vec<&str> = items(rule, name).filter_map(Value::as_str).collect();
        if words.is_empty() { "any".to_owned() } else { words.join(",") }
    };
    let mut table = Table::new(["RULE", "NAMESPACES", "SEVERITIES", "ACTIONS", "THEN"]);
    for rule in items(answer, "rules") {
        table.row([
            text(rule, "name").to_owned(),
            any(rule, "namespaces"),
            any(rule, "severities"),
            any(rule, "actions"),
            text(rule, "then").to_owned(),
        ]);
    }
    let mut limits = Table::new(["LIMIT", "VALUE"]);
    for (name, value) in answer.get("limits").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        limits.row([name.clone(), value]);
    }
    let warnings: String = items(answer, "warnings")
        .filter_map(Value::as_str)
        .map(|warning| format!("\nwarning: {}", clean(warning)))
        .collect();
    Some(format!(
        "policy of {}{warnings}\n\n{}\n{}",
        clean(text(answer, "source")),
        table.text(),
        limits.text()
    ))
}
