//! Resources: the state of the cluster as documents, made from the same requests as the tools.
//!
//! What is kept of incidents and workflows is in `records`. `cluster://health` and `cluster://nodes` keep the members that the predecessor's had, but for `resource_usage`, which
//! was always blank. Nothing is kept here: each reading asks the engine.

mod records;
mod uri;

use std::hash::{DefaultHasher, Hash, Hasher};

use aiops_engine::{
    Engine, Error,
    model::caller::{Caller, Via},
    requests::{
        health::ClusterHealth, namespaces::ListNamespaces, nodes::ListNodes, workload::GetWorkload,
        workloads::ListWorkloads,
    },
};
use rmcp::model::{Resource, ResourceTemplate};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uri::Address;
pub(super) use uri::{INCIDENT, LONGEST, NAMESPACE, NODE, WORKFLOW, WORKLOAD};

use super::{desk::Desk, tool::Answer};

/// What every resource is.
pub(super) const MIME: &str = "application/json";
/// Rows of a list that is read whole; the budget in bytes ends it earlier.
const WHOLE: Option<u32> = Some(5_000);

/// The resources.
pub(super) fn list(desk: &Desk) -> Vec<Resource> {
    let resource = |uri: &str, name: &str, title: &str, description: &str| {
        Resource::new(uri, name).with_title(title).with_description(description).with_mime_type(MIME)
    };
    let mut all = vec![
        resource(
            uri::HEALTH,
            "health",
            "Cluster health",
            "State of the cluster and what is wrong, worst first",
        ),
        resource(
            uri::NODES,
            "nodes",
            "Nodes",
            "All nodes: readiness, roles, what they have and what is asked of them",
        ),
        resource(
            uri::NAMESPACES,
            "namespaces",
            "Namespaces",
            "All namespaces with pods, troubled pods and requests",
        ),
    ];
    if desk.coordination.is_some() {
        all.push(resource(
            uri::INCIDENTS,
            "incidents",
            "Incidents",
            "Open incidents: severity, object, what acts on them",
        ));
        all.push(resource(
            uri::HISTORY,
            "remediation-history",
            "Remediation history",
            "Workflows that are over: how many helped, how long they took, which actions",
        ));
    }
    all
}

/// The templates.
pub(super) fn templates(desk: &Desk) -> Vec<ResourceTemplate> {
    let template = |uri: &str, name: &str, title: &str, description: &str| {
        ResourceTemplate::new(uri, name).with_title(title).with_description(description).with_mime_type(MIME)
    };
    let mut all = vec![
        template(NAMESPACE, "namespace", "Namespace", "State of one namespace, its issues and workloads"),
        template(NODE, "node", "Node", "One node: conditions, labels, taints, capacity, troubled pods"),
        template(
            WORKLOAD,
            "workload",
            "Workload",
            "One workload: rollout, revisions, pods, events, last change",
        ),
    ];
    if desk.coordination.is_some() {
        all.push(template(INCIDENT, "incident", "Incident", "One incident with its workflows"));
        all.push(template(
            WORKFLOW,
            "workflow",
            "Workflow",
            "One workflow: phase, steps, checkpoints with evidence, what it waits for",
        ));
    }
    all
}

/// Reads a resource.
pub(super) async fn read(desk: &Desk, caller: &Caller, uri: &str) -> Result<Answer, Error> {
    let engine = &desk.engine;
    let address = Address::parse(uri, desk.coordination.is_some())?;
    match address {
        Address::Health => health(engine),
        Address::Nodes => nodes(engine),
        Address::Namespaces => {
            Answer::of(uri, &engine.list_namespaces(ListNamespaces { limit: WHOLE, cursor: None })?)
        }
        Address::Namespace(namespace) => one_namespace(engine, namespace),
        Address::Node(name) => Answer::of(uri, &engine.node(&name)?),
        Address::Workload { namespace, kind, name } => {
            Answer::of(uri, &engine.get_workload(&GetWorkload { kind, namespace, name }).await?)
        }
        Address::Incidents => {
            let at = aiops_engine::answer::time(engine.now());
            records::incidents(desk.coordination(uri)?.as_ref(), caller, at).await
        }
        Address::History => {
            let at = aiops_engine::answer::time(engine.now());
            records::history(desk.coordination(uri)?.as_ref(), caller, at).await
        }
        Address::Incident(id) => Answer::of(uri, &desk.coordination(uri)?.incident(caller, &id).await?),
        Address::Workflow(id) => Answer::of(uri, &desk.coordination(uri)?.workflow(caller, &id).await?),
    }
}

/// Whether a URI is of a form that a resource of ours may have.
pub(super) fn check(desk: &Desk, uri: &str) -> Result<(), Error> {
    Address::parse(uri, desk.coordination.is_some()).map(drop)
}

/// Whether a resource changes with the coordination's records, and not with the inventory.
pub(super) fn is_record(uri: &str) -> bool {
    Address::parse(uri, true).is_ok_and(|address| address.is_record())
}

fn health(engine: &Engine) -> Result<Answer, Error> {
    let answer = engine.cluster_health(&ClusterHealth { details: true, namespace: None, limit: None })?;
    let recorded = answer.standing.recording.is_some();
    let warnings: Vec<String> = answer
        .problems
        .iter()
        .filter_map(|p| p.what.as_ref().map(|what| format!("{}: {what}", p.object)))
        .collect();
    let mut members = object(uri::HEALTH, &answer)?;
    let as_of = members.get("as_of").cloned().unwrap_or_default();
    members.insert("timestamp".to_owned(), as_of);
    members.insert("source".to_owned(), if recorded { "recording" } else { "kubernetes-api" }.into());
    members.insert("active_issues".to_owned(), answer.issues.map(|issues| issues.total).into());
    members.insert("warnings".to_owned(), json!(warnings));
    Answer::of(uri::HEALTH, &members)
}

fn nodes(engine: &Engine) -> Result<Answer, Error> {
    let answer = engine.list_nodes(&ListNodes { limit: WHOLE, ..ListNodes::default() })?;
    let mut members = object(uri::NODES, &answer)?;
    let as_of = members.get("as_of").cloned().unwrap_or_default();
    members.insert("timestamp".to_owned(), as_of);
    members.insert("total_nodes".to_owned(), answer.page.total.into());
    members.insert("ready_nodes".to_owned(), answer.ready.into());
    Answer::of(uri::NODES, &members)
}

fn one_namespace(engine: &Engine, namespace: String) -> Result<Answer, Error> {
    let request = ClusterHealth { details: true, namespace: Some(namespace.clone()), limit: None };
    let health = engine.cluster_health(&request)?;
    let listed =
        engine.list_workloads(&ListWorkloads { namespace: Some(namespace), ..ListWorkloads::default() })?;
    let mut members = object(NAMESPACE, &health)?;
    members.insert("workloads_total".to_owned(), listed.page.total.into());
    members.insert("workloads_omitted".to_owned(), listed.page.omitted.into());
    members
        .insert("workloads".to_owned(), object(NAMESPACE, &listed)?.remove("workloads").unwrap_or_default());
    Answer::of(NAMESPACE, &members)
}

fn object(what: &str, answer: &impl Serialize) -> Result<Map<String, Value>, Error> {
    let internal = |source: Option<Box<dyn std::error::Error + Send + Sync>>| Error::Internal {
        what: format!("writing {what}"),
        source,
    };
    match serde_json::to_value(answer).map_err(|e| internal(Some(e.into())))? {
        Value::Object(members) => Ok(members),
        _ => Err(internal(None)),
    }
}

/// What a resource says, without what only time changes; 0 when it cannot be read. It reads nothing of the cluster live.
pub(super) async fn digest(desk: &Desk, uri: &str) -> u64 {
    let desk = Desk { engine: desk.engine.rows_only(), ..desk.clone() };
    let Ok(answer) = read(&desk, &Caller::system(Via::Mcp), uri).await else { return 0 };
    let mut hasher = DefaultHasher::new();
    hash_object(&answer.structured, &mut hasher);
    hasher.finish().max(1)
}

/// Members that change by themselves; that trouble which is known was seen once more is no news either.
const TIME: [&str; 6] = ["as_of", "timestamp", "age", "first_seen", "last_seen", "occurrences"];

fn hash_object(object: &Map<String, Value>, hasher: &mut DefaultHasher) {
    for (key, value) in object.iter().filter(|(key, _)| !TIME.contains(&key.as_str())) {
        key.hash(hasher);
        hash(value, hasher);
    }
}

fn hash(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Object(object) => hash_object(object, hasher),
        Value::Array(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| hash(item, hasher));
        }
        scalar => scalar.hash(hasher),
    }
}
