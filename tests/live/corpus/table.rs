//! Every tool, route and command with arguments that act, where it can act.
//!
//! A row that touches an object says which: in normal mode the test waits until the audit log shows it changed.

mod rows;

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use serde_json::{Value, json};

use self::rows::fill;
use super::{
    Stage,
    server::Server,
    world::{Round, World},
};
use crate::support::Plane;

/// How a call is made.
#[derive(Debug)]
pub(super) enum How {
    Mcp(&'static str, Value),
    Rest(&'static str, String, Value),
    Command(Vec<String>),
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) how: How,
    /// Resource, namespace and name of the object that it changes in normal mode.
    pub(super) touches: Option<(String, String, String)>,
    /// What was answered.
    pub(super) said: String,
}

/// Commands that ask no server, or are one.
pub(super) const LOCAL: [(&str, &str); 15] = [
    ("serve", "it is what is asked"),
    ("demo", "acts on a model in memory"),
    ("doctor", "reads, and asks for reviews of its own rights"),
    ("openapi", "prints"),
    ("completions", "prints"),
    ("config show", "prints"),
    ("config check", "reads files"),
    ("config schema", "prints"),
    ("config defaults", "prints"),
    ("client-config", "writes a client's file"),
    ("audit verify", "reads the store"),
    ("db migrate", "writes the store"),
    ("db backup", "reads the store"),
    ("db restore", "writes the store"),
    ("db copy", "writes a store"),
];

/// The leaves of the command line.
pub(super) fn commands() -> BTreeSet<String> {
    fn walk(command: &clap::Command, before: &str, found: &mut BTreeSet<String>) {
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            let name = format!("{before}{}{}", if before.is_empty() { "" } else { " " }, inner.get_name());
            if inner.get_subcommands().next().is_none() {
                found.insert(name);
            } else {
                walk(inner, &name, found);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&aiops::cli::Cli::command(), "", &mut found);
    found
}

/// Method and path of every route, from the document that the binary prints.
pub(super) fn routes() -> Vec<(String, String)> {
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_aiops")).arg("openapi").output().unwrap();
    let document: Value = serde_json::from_slice(&printed.stdout).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        let methods = item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| ["get", "put", "post", "delete", "patch"].contains(&key.as_str()));
        methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

/// An id that nobody has: for doors that need one where none was given out.
const NO_WORKFLOW: &str = "wf-01k3x9f2m4q7tz8c";
const NO_INCIDENT: &str = "inc-01k3x9f2m4q7tz8b";
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Tools that only a member offers, and only to whom it is granted.
const OF_MEMBERS: [&str; 2] = ["observe-object", "perform-action"];

/// Builds the calls of a round.
struct Builder {
    calls: Vec<(String, Call)>,
}

impl Builder {
    fn add(&mut self, row: String, how: How, touches: Option<(&str, &str, &str)>) {
        let touches = touches
            .map(|(resource, namespace, name)| (resource.to_owned(), namespace.to_owned(), name.to_owned()));
        self.calls.push((row, Call { how, touches, said: String::new() }));
    }

    fn mcp(&mut self, tool: &'static str, arguments: Value, touches: Option<(&str, &str, &str)>) {
        self.add(format!("mcp {tool}"), How::Mcp(tool, arguments), touches);
    }

    /// `path` with what stands in its braces.
    fn rest(
        &mut self,
        method: &'static str,
        path: &str,
        given: &[(&str, &str)],
        body: Value,
        touches: Option<(&str, &str, &str)>,
    ) {
        let filled = given
            .iter()
            .fold(path.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        self.add(format!("{method} {path}"), How::Rest(method, filled, body), touches);
    }

    fn command(&mut self, leaf: &str, arguments: &[&str], touches: Option<(&str, &str, &str)>) {
        let words = leaf.split(' ').chain(arguments.iter().copied()).map(str::to_owned).collect();
        self.add(format!("aiops {leaf}"), How::Command(words), touches);
    }
}

/// A workflow that waits for an approval, and the digest of its plan.
struct Waiting {
    id: String,
    digest: String,
}

impl Waiting {
    /// Orders new limits for a Deployment, which the policy lets nobody do alone; ids of nothing where that is not taken.
    async fn order(server: &Server, round: &Round, name: &str, stage: Stage) -> Self {
        let mut waiting = Self { id: NO_WORKFLOW.to_owned(), digest: DIGEST.to_owned() };
        if matches!(stage, Stage::Dry | Stage::Stopped) {
            // A dry run keeps nothing that could be approved; what is stopped is not planned.
            return waiting;
        }
        let arguments = resources(round, name);
        let told = server.mcp("tools/call", json!({"name": "set-resources", "arguments": arguments})).await;
        let Some(id) = told["result"]["structuredContent"]["workflow_id"].as_str() else { return waiting };
        id.clone_into(&mut waiting.id);
        let deadline = std::time::Instant::now() + super::PATIENCE;
        loop {
            let view = server.rest("GET", &format!("/api/v1/workflows/{id}"), &Value::Null).await.json();
            if let Some(digest) = view["awaiting"]["digest"].as_str() {
                digest.clone_into(&mut waiting.digest);
                return waiting;
            }
            assert!(std::time::Instant::now() < deadline, "it does not wait for an approval: {view}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}

fn resources(round: &Round, name: &str) -> Value {
    json!({"namespace": round.namespace, "kind": "Deployment", "name": name, "container": "main", "memory_limit": "96Mi"})
}

/// The names of all rows.
pub(super) fn rows() -> Vec<String> {
    let round = Round { namespace: "ns".to_owned(), nodes: ["a", "b", "c"].map(str::to_owned) };
    let ids: Vec<Waiting> = (0..WAITING.len())
        .map(|_| Waiting { id: NO_WORKFLOW.to_owned(), digest: DIGEST.to_owned() })
        .collect();
    let mut builder = Builder { calls: Vec::new() };
    let names = Names { pod: "pod".to_owned(), stuck: "stuck".to_owned(), incident: NO_INCIDENT.to_owned() };
    fill(&mut builder, &round, &names, &ids, Stage::Normal, true);
    builder.calls.into_iter().map(|(row, _)| row).collect()
}

/// Deployments whose workflow waits for somebody.
const WAITING: [&str; 8] =
    ["ask-mcp", "ask-rest", "ask-cli", "deny-rest", "deny-cli", "cancel-mcp", "cancel-rest", "cancel-cli"];

/// The calls of one round. What needs a workflow that waits, or an incident, has one made where that is possible.
pub(super) async fn calls(
    plane: &Plane,
    world: &World,
    server: &Server,
    round: usize,
    stage: Stage,
) -> Vec<Call> {
    let is_first = round == 0;
    let round = &world.rounds[round];
    if matches!(stage, Stage::MemberDry | Stage::Member) {
        return vec![perform(server, round, stage).await];
    }
    let mut waiting = Vec::new();
    for name in WAITING {
        waiting.push(Waiting::order(server, round, name, stage).await);
    }
    let pod = round.pod(plane, "app%3Dmcp-evict").await;
    let stuck = round.pod(plane, "job-name%3Dstuck").await;
    let about = json!({"title": "Slow", "description": "seen", "severity": "low", "target": format!("Deployment/{}/cli-call", round.namespace)});
    let made = server.mcp("tools/call", json!({"name": "create-incident", "arguments": about})).await;
    let incident =
        made["result"]["structuredContent"]["incident_id"].as_str().unwrap_or(NO_INCIDENT).to_owned();
    let mut builder = Builder { calls: Vec::new() };
    fill(&mut builder, round, &Names { pod, stuck, incident }, &waiting, stage, is_first);
    let mut calls: Vec<Call> = builder.calls.into_iter().map(|(_, call)| call).collect();
    if stage == Stage::Dry {
        let tools = server.mcp("tools/list", json!({})).await;
        let document = server.rest("GET", "/openapi.json", &Value::Null).await.json();
        for call in &mut calls {
            dry(call, &tools["result"]["tools"], &document);
        }
    }
    calls
}

/// A change that an engine elsewhere asks a member for, pinned as engines pin it.
async fn perform(server: &Server, round: &Round, stage: Stage) -> Call {
    let (namespace, name) = (&round.namespace, "member");
    let asked = json!({"group": "apps", "kind": "Deployment", "namespace": namespace, "name": name});
    let seen = server.mcp("tools/call", json!({"name": "observe-object", "arguments": asked})).await;
    let seen = &seen["result"]["structuredContent"];
    let metadata = &seen["object"]["metadata"];
    let target = json!({"group": "apps", "kind": "Deployment", "namespace": namespace, "name": name,
        "uid": metadata["uid"]});
    let workflow = format!("wf-{namespace}");
    let key = format!("{workflow}/0/do");
    let arguments = json!({
        "moment": seen["moment"], "cluster": seen["cluster"], "request": format!("{namespace}-{stage:?}"),
        "action": {"action": "restart-workload", "target": target},
        "change": {"merge": {"spec": {"template": {"metadata": {"annotations": {"aiops.io/restart": key}}}}}},
        "uid": metadata["uid"], "resource_version": metadata["resourceVersion"],
        "effect_key": key, "workflow": workflow, "dry_run": stage == Stage::MemberDry,
    });
    let touches = ("deployments".to_owned(), namespace.clone(), name.to_owned());
    Call { how: How::Mcp("perform-action", arguments), touches: Some(touches), said: String::new() }
}

/// Says `dry_run` where the door has the word, as its own schema tells.
fn dry(call: &mut Call, tools: &Value, document: &Value) {
    let tool_has = |name: &str| {
        let tool = tools.as_array().unwrap().iter().find(|tool| tool["name"] == name);
        // What only a member offers is called in its own stages.
        assert!(tool.is_some() || OF_MEMBERS.contains(&name), "{name} is not listed: {tools}");
        tool.is_some_and(|tool| tool["inputSchema"]["properties"].get("dry_run").is_some())
    };
    match &mut call.how {
        How::Mcp(tool, arguments) if tool_has(tool) => arguments["dry_run"] = json!(true),
        How::Command(words) if words[0] == "call" && tool_has(&words[1]) => {
            words.push("dry_run=true".to_owned())
        }
        How::Rest(method, path, body) if !body.is_null() => {
            let item = &document["paths"][&*path][method.to_lowercase()];
            let schema = &item["requestBody"]["content"]["application/json"]["schema"];
            let named =
                schema["$ref"].as_str().and_then(|name| document.pointer(name.trim_start_matches('#')));
            if named.unwrap_or(schema)["properties"].get("dry_run").is_some() {
                body["dry_run"] = json!(true);
            }
        }
        _ => {}
    }
}

/// Names that are known when a round begins.
struct Names {
    /// A pod of a workload with two.
    pod: String,
    /// A pod that a Job left stuck.
    stuck: String,
    incident: String,
}
