//! `aiops incident`: see, record and close incidents of a running server.
//!
//! It writes nothing into them that the person did not say.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Map, Value, json};

use super::{
    Failure, Global,
    asking::{Asking, issue, items, object, piece, query, text},
    print,
    table::Table,
    workflow::counted,
};
use crate::config::Environment;

/// What to do with incidents.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aiops incident list -n shop --status open
  aiops incident create 'Checkout is slow' --description 'p99 over 4 s since 10:00' --severity high --about Deployment/shop/web
  aiops incident report inc-01k3x9f2m4q7tz8b > post-mortem.md")]
pub struct IncidentArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List incidents, newest first
    List(ListArgs),
    /// Show an incident with its workflows
    Show(OneArgs),
    /// Record an incident by hand
    Create(CreateArgs),
    /// Close an incident
    Resolve(ResolveArgs),
    /// Print the whole story of an incident as Markdown
    Report(OneArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// open (active, in_progress, failed), closed (remediated, resolved, cancelled), or one of these; active is also in_progress
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// low, medium, high or critical
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<String>,
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
    /// The incident
    #[arg(value_name = "INCIDENT")]
    id: String,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// What is wrong, in a few words
    title: String,
    /// What was seen
    #[arg(long, value_name = "TEXT")]
    description: String,
    /// How bad it is
    #[arg(long, value_enum)]
    severity: Severity,
    /// An object that is affected, such as Deployment/shop/web; the first is what the incident is about
    #[arg(long = "about", value_name = "KIND/NAMESPACE/NAME")]
    affected: Vec<String>,
    /// A label
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// The incident it belongs to
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// The id by which somebody else knows it
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
struct ResolveArgs {
    /// The incident
    #[arg(value_name = "INCIDENT")]
    id: String,
    /// What was found and done
    #[arg(long, value_name = "TEXT")]
    resolution: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

pub(super) fn run(args: &IncidentArgs, global: &Global, environment: Environment) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => args.asking.with(global, environment, async |remote| {
            // With an offset the server answers in the words of its predecessor, unless it is asked for its own.
            let offset = args.offset.filter(|offset| *offset > 0);
            let path = query(&[
                ("namespace", global.namespace.clone()),
                ("severity", args.severity.clone()),
                ("status", args.status.clone()),
                ("limit", args.limit.map(|limit| limit.to_string())),
                ("offset", offset.map(|offset| offset.to_string())),
                ("words", offset.map(|_| "contract".to_owned())),
            ]);
            args.asking.show(&remote, Method::GET, &format!("/incidents{path}"), None, list).await
        }),
        Command::Show(args) => args.asking.with(global, environment, async |remote| {
            args.asking.show(&remote, Method::GET, &path(&args.id, ""), None, |_| None).await
        }),
        Command::Create(args) => {
            let body = args.body(global).map_err(Failure::usage)?;
            args.asking.with(global, environment, async |remote| {
                let made = |answer: &Value| Some(format!("{} was recorded", text(answer, "incident_id")));
                args.asking.show(&remote, Method::POST, "/incidents", Some(&body), made).await
            })
        }
        Command::Resolve(args) => args.asking.with(global, environment, async |remote| {
            let body = json!({ "resolution": args.resolution });
            let closed =
                |answer: &Value| Some(format!("{} is {}", text(answer, "id"), text(answer, "status")));
            args.asking.show(&remote, Method::POST, &path(&args.id, "/resolve"), Some(&body), closed).await
        }),
        Command::Report(args) => args.asking.with(global, environment, async |remote| {
            Ok(print::out(&remote.rest(Method::GET, &path(&args.id, "/report"), None).await?)?)
        }),
    }
}

impl CreateArgs {
    fn body(&self, global: &Global) -> anyhow::Result<Value> {
        let mut labels = Map::new();
        for label in &self.labels {
            let (name, value) = label
                .split_once('=')
                .ok_or_else(|| anyhow::anyhow!("--label {label:?} is none; write NAME=VALUE"))?;
            labels.insert(name.to_owned(), value.into());
        }
        let mut body = json!({
            "title": self.title,
            "description": self.description,
            "severity": self.severity.as_str(),
            "affected_resources": self.affected,
            "labels": labels,
        });
        let optional = [
            ("target", &global.namespace),
            ("correlation_id", &self.correlation_id),
            ("external_id", &self.external_id),
        ];
        if let Value::Object(members) = &mut body {
            for (name, value) in
                optional.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)))
            {
                members.insert(name.to_owned(), value.clone().into());
            }
        }
        Ok(body)
    }
}

fn path(id: &str, below: &str) -> String {
    format!("/incidents/{}{below}", piece(id))
}

fn list(answer: &Value) -> Option<String> {
    let mut table =
        Table::new(["INCIDENT", "SEVERITY", "STATUS", "TARGET", "ISSUE", "SEEN", "CREATED", "TITLE"]);
    for incident in items(answer, "incidents") {
        let member = |name| text(incident, name).to_owned();
        let (kind, name) =
            text(incident, "resource").split_once('/').unwrap_or_else(|| ("", text(incident, "target")));
        let target =
            if kind.is_empty() { name.to_owned() } else { object(kind, text(incident, "namespace"), name) };
        table.row([
            member("id"),
            member("severity"),
            member("status"),
            target,
            issue(incident),
            incident.get("occurrences").map(ToString::to_string).unwrap_or_default(),
            member("created_at"),
            member("title"),
        ]);
    }
    Some(counted(table, answer, "incidents"))
}
