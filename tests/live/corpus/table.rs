//! Every tool, route and command with arguments that act, where it can act.
//!
//! A row that touches an object says which: in normal mode the test waits until the audit log shows it changed.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use serde_json::{Value, json};

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
        self.calls.push((row, Call { how, touches }));
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
    Call { how: How::Mcp("perform-action", arguments), touches: Some(touches) }
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

fn fill(to: &mut Builder, round: &Round, names: &Names, waiting: &[Waiting], stage: Stage, is_first: bool) {
    let (pod, incident) = (names.pod.as_str(), names.incident.as_str());
    let namespace = round.namespace.as_str();
    let deployment = |name: &'static str| Some(("deployments", namespace, name));
    let workload = |name: &str| json!({"namespace": namespace, "kind": "Deployment", "name": name});
    let with = |mut value: Value, more: Value| {
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        value
    };
    let [cordon, cordoned, drain] = &round.nodes;
    let [ask_mcp, ask_rest, ask_cli, deny_rest, deny_cli, cancel_mcp, cancel_rest, cancel_cli] = waiting
    else {
        unreachable!("one for each of {WAITING:?}");
    };

    if is_first {
        to.controls(stage);
        to.readers(round, pod, incident);
    }
    // What acts.
    to.mcp("restart-workload", workload("mcp-restart"), deployment("mcp-restart"));
    to.mcp(
        "rollback-workload",
        with(workload("mcp-rollback"), json!({"revision": 1})),
        deployment("mcp-rollback"),
    );
    to.mcp("scale-workload", with(workload("mcp-scale"), json!({"replicas": 2})), deployment("mcp-scale"));
    // It waits for an approval, which nobody gives.
    to.mcp("set-resources", resources(round, "mcp-resources"), None);
    to.mcp("evict-pod", json!({"namespace": namespace, "name": pod}), Some(("pods", namespace, pod)));
    to.mcp("cordon-node", json!({"name": cordon}), Some(("nodes", "", cordon)));
    to.mcp("uncordon-node", json!({"name": cordoned}), Some(("nodes", "", cordoned)));
    to.mcp("drain-node", json!({"name": drain}), Some(("nodes", "", drain)));
    to.mcp("delete-pod", json!({"namespace": namespace, "name": names.stuck}), None);
    to.mcp("rollback-application", json!({"namespace": namespace, "name": "app-old", "history": 0}), None);
    let nudge =
        json!({"namespace": namespace, "group": "argoproj.io", "kind": "Application", "name": "app-nudge"});
    to.mcp("nudge-operator", nudge, None);
    // There is no such pool, and no release: they are refused.
    to.mcp("await-pool", json!({"name": "worker"}), None);
    to.mcp("rollback-release", workload("mcp-scale"), None);
    to.mcp(
        "sync-application",
        json!({"namespace": namespace, "name": "app"}),
        Some(("applications", namespace, "app")),
    );
    let trouble = |name: &str| json!({"namespace": namespace, "resource_kind": "Deployment", "resource_name": name, "issue_type": "image_pull"});
    to.mcp("trigger-remediation", trouble("mcp-trigger"), deployment("mcp-trigger"));
    to.mcp("plan-remediation", trouble("rest-layers"), None);
    to.mcp(
        "approve-workflow",
        json!({"workflow_id": ask_mcp.id, "digest": ask_mcp.digest}),
        deployment("ask-mcp"),
    );
    to.mcp("cancel-workflow", json!({"workflow_id": cancel_mcp.id, "reason": "not needed"}), None);

    let trigger = |name: &str| {
        json!({"incident_id": "", "namespace": namespace, "resource": {"kind": "Deployment", "name": name},
            "issue": {"type": "image_pull", "description": "", "severity": "high"}})
    };
    let named = |name: &str| with(trigger(name), json!({"incident_id": format!("inc-{namespace}-{name}")}));
    to.rest("POST", "/api/v1/remediation/trigger", &[], named("rest-trigger"), deployment("rest-trigger"));
    let action = json!({"action": "restart-workload",
        "target": {"group": "apps", "kind": "Deployment", "namespace": namespace, "name": "rest-action"}});
    let ordered = with(named("rest-action"), json!({"action": action, "issue": {}}));
    to.rest("POST", "/api/v1/remediation/trigger", &[], ordered, deployment("rest-action"));
    to.rest("POST", "/api/v1/remediation/why-not", &[], named("rest-trigger"), None);
    to.rest("POST", "/api/v1/plans", &[], named("rest-trigger"), None);
    let layered = json!({"incident_id": format!("inc-{namespace}-layers"), "description": "pods cannot pull their image",
        "resources": [{"kind": "Deployment", "name": "rest-layers", "namespace": namespace, "issue": "image_pull"}]});
    to.rest("POST", "/api/v1/coordination/trigger", &[], layered, deployment("rest-layers"));
    let decided = |waiting: &Waiting| json!({"digest": waiting.digest, "reason": "seen"});
    to.rest(
        "POST",
        "/api/v1/workflows/{id}/approve",
        &[("id", ask_rest.id.as_str())],
        decided(ask_rest),
        deployment("ask-rest"),
    );
    to.rest(
        "POST",
        "/api/v1/workflows/{id}/deny",
        &[("id", deny_rest.id.as_str())],
        decided(deny_rest),
        None,
    );
    to.rest(
        "POST",
        "/api/v1/workflows/{id}/cancel",
        &[("id", cancel_rest.id.as_str())],
        json!({"reason": "not needed"}),
        None,
    );
    let found = json!({"outcome": "failed", "note": "looked at"});
    to.rest("POST", "/api/v1/workflows/{id}/resolve", &[("id", cancel_rest.id.as_str())], found, None);
    let alert = json!({"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "KubePodCrashLooping",
        "namespace": namespace, "deployment": "mcp-scale", "severity": "critical"},
        "annotations": {}, "startsAt": "2026-11-27T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "f"}]});
    to.rest("POST", "/api/v1/alerts", &[], alert, None);
    let opened = json!({"title": "Slow", "description": "seen", "severity": "low",
        "target": "Deployment", "affected_resources": [format!("Deployment/{namespace}/mcp-scale")]});
    to.rest("POST", "/api/v1/incidents", &[], opened, None);

    let namespace_is = format!("namespace={namespace}");
    let restart = ["restart-workload", namespace_is.as_str(), "kind=Deployment", "name=cli-call"];
    to.command("call", &restart, deployment("cli-call"));
    to.command("workflow approve", &[&ask_cli.id, "--digest", &ask_cli.digest], deployment("ask-cli"));
    to.command("workflow deny", &[&deny_cli.id, "--digest", &deny_cli.digest], None);
    to.command("workflow cancel", &[&cancel_cli.id], None);
    // Last: what is about an incident, which is closed.
    to.mcp("resolve-incident", json!({"incident_id": incident, "resolution": "over"}), None);
    to.rest(
        "POST",
        "/api/v1/incidents/{id}/resolve",
        &[("id", incident)],
        json!({"resolution": "over"}),
        None,
    );
    if is_first {
        to.command("incident resolve", &[incident], None);
    }
}

impl Builder {
    /// The switches; where everything is stopped it stays so.
    fn controls(&mut self, stage: Stage) {
        let mode = if stage == Stage::Stopped { "stop" } else { "run" };
        self.command("control pause", &["--reason", "a test"], None);
        self.command("control stop", &["--reason", "a test"], None);
        if stage != Stage::Stopped {
            self.command("control run", &["--reason", "a test"], None);
        }
        self.rest("PUT", "/api/v1/control", &[], json!({"mode": mode}), None);
        self.command("control show", &[], None);
    }

    /// What can do no more than read or keep, asked once.
    fn readers(&mut self, round: &Round, pod: &str, incident: &str) {
        let namespace = round.namespace.as_str();
        let web = json!({"namespace": namespace, "kind": "Deployment", "name": "mcp-scale"});
        self.mcp(
            "analyze-scaling-impact",
            json!({"namespace": namespace, "deployment": "mcp-scale", "target_replicas": 8}),
            None,
        );
        self.mcp("calculate-pod-capacity", json!({"namespace": namespace, "pod_profile": "small"}), None);
        self.mcp("detect-deployment-method", web.clone(), None);
        self.mcp("diagnose-pod", json!({"namespace": namespace, "pod": "deployment/mcp-trigger"}), None);
        self.mcp("get-cluster-health", json!({}), None);
        self.mcp("get-pod-logs", json!({"namespace": namespace, "pod": pod}), None);
        self.mcp(
            "get-resource",
            json!({"kind": "deployment", "namespace": namespace, "name": "mcp-scale"}),
            None,
        );
        self.mcp("get-workload", web, None);
        self.mcp("get-incident", json!({"incident_id": incident}), None);
        self.mcp("get-workflow", json!({"workflow_id": NO_WORKFLOW}), None);
        self.mcp("list-resources", json!({"kind": "services", "namespace": namespace, "limit": 5}), None);
        for tool in ["list-events", "list-pods", "list-workloads"] {
            self.mcp(tool, json!({"namespace": namespace}), None);
        }
        for tool in ["list-namespaces", "list-nodes", "list-incidents", "list-workflows"] {
            self.mcp(tool, json!({}), None);
        }
        // Where this is no member they are not offered; the stages of the member call them for real.
        let seen = json!({"group": "apps", "kind": "Deployment", "namespace": namespace, "name": "member"});
        self.mcp("observe-object", seen, None);
        let asked = json!({"moment": "m", "request": "r", "cluster": "c", "change": {"delete": {}}});
        self.mcp("perform-action", asked, None);
        let opened = json!({"title": "Slow too", "description": "seen", "severity": "low",
            "affected_resources": [format!("Deployment/{namespace}/mcp-trigger")]});
        self.mcp("create-incident", opened, None);
        let id = [("id", incident)];
        for path in [
            "/api/v1/health",
            "/api/v1/workflows",
            "/api/v1/incidents",
            "/api/v1/detect/cache/stats",
            "/api/v1/coordination/workflows",
            "/api/v1/control",
            "/api/v1/policy",
        ] {
            self.rest("GET", path, &[], Value::Null, None);
        }
        for path in ["/api/v1/incidents/{id}", "/api/v1/incidents/{id}/report"] {
            self.rest("GET", path, &id, Value::Null, None);
        }
        let workflow = [("id", NO_WORKFLOW)];
        for path in [
            "/api/v1/workflows/{id}",
            "/api/v1/workflows/{id}/events",
            "/api/v1/workflows/{id}/why-not",
            "/api/v1/coordination/workflows/{id}",
        ] {
            self.rest("GET", path, &workflow, Value::Null, None);
        }
        self.rest("GET", "/api/v1/audit/{chain}", &[("chain", "control")], Value::Null, None);
        for path in ["deployment", "statefulset", "daemonset"] {
            let path = format!("/api/v1/detect/{path}/{{namespace}}/{{name}}");
            self.rest("GET", &path, &[("namespace", namespace), ("name", "mcp-scale")], Value::Null, None);
        }
        self.rest("POST", "/api/v1/detect/cache/clear", &[], Value::Null, None);
        self.command("tools", &[], None);
        self.command("workflow list", &[], None);
        for leaf in ["workflow show", "workflow watch", "workflow why-not"] {
            self.command(leaf, &[NO_WORKFLOW], None);
        }
        self.command("workflow resolve", &[NO_WORKFLOW, "--outcome", "failed", "--note", "looked at"], None);
        self.command("incident list", &[], None);
        for leaf in ["incident show", "incident report"] {
            self.command(leaf, &[incident], None);
        }
        let about = format!("Deployment/{namespace}/mcp-scale");
        let create = ["Slow again", "--description", "seen", "--severity", "low", "--about", about.as_str()];
        self.command("incident create", &create, None);
        self.command("policy show", &[], None);
        let test = [
            "--namespace",
            namespace,
            "--kind",
            "Deployment",
            "--name",
            "mcp-scale",
            "--issue",
            "image_pull",
        ];
        self.command("policy test", &test, None);
    }
}
