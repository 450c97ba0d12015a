//! Resources: the state of the cluster as documents, made from the same requests as the tools.
//!
//! `cluster://health` and `cluster://nodes` keep the members that the predecessor's had, but for `resource_usage`, which
//! was always blank. Nothing is kept here: each reading asks the engine.

mod uri;

use std::hash::{DefaultHasher, Hash, Hasher};

use aiops_engine::{
    Engine, Error,
    requests::{
        health::ClusterHealth, namespaces::ListNamespaces, nodes::ListNodes, workload::GetWorkload,
        workloads::ListWorkloads,
    },
};
use futures::FutureExt as _;
use rmcp::model::{Resource, ResourceTemplate};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uri::Address;
pub(super) use uri::{LONGEST, NAMESPACE, NODE, WORKLOAD};

use super::tool::Answer;

/// What every resource is.
pub(super) const MIME: &str = "application/json";
/// Rows of a list that is read whole; the budget in bytes ends it earlier.
const WHOLE: Option<u32> = Some(5_000);

/// The resources.
pub(super) fn list() -> Vec<Resource> {
    let resource = |uri: &str, name: &str, title: &str, description: &str| {
        Resource::new(uri, name).with_title(title).with_description(description).with_mime_type(MIME)
    };
    vec![
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
    ]
}

/// The templates.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: &str, name: &str, title: &str, description: &str| {
        ResourceTemplate::new(uri, name).with_title(title).with_description(description).with_mime_type(MIME)
    };
    vec![
        template(NAMESPACE, "namespace", "Namespace", "State of one namespace, its issues and workloads"),
        template(NODE, "node", "Node", "One node: conditions, labels, taints, capacity, troubled pods"),
        template(
            WORKLOAD,
            "workload",
            "Workload",
            "One workload: rollout, revisions, pods, events, last change",
        ),
    ]
}

/// Reads a resource.
pub(super) async fn read(engine: &Engine, uri: &str) -> Result<Answer, Error> {
    match Address::parse(uri)? {
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
    }
}

/// Whether a URI is of a form that a resource of ours may have.
pub(super) fn check(uri: &str) -> Result<(), Error> {
    Address::parse(uri).map(drop)
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

/// What a resource says, without what only time changes; 0 when it cannot be read. It reads nothing live.
pub(super) fn digest(engine: &Engine, uri: &str) -> u64 {
    let engine = engine.rows_only();
    // Without live reads nothing in it waits.
    let Some(Ok(answer)) = read(&engine, uri).now_or_never() else { return 0 };
    let mut hasher = DefaultHasher::new();
    hash_object(&answer.structured, &mut hasher);
    hasher.finish().max(1)
}

/// Members that change by themselves.
const TIME: [&str; 5] = ["as_of", "timestamp", "age", "first_seen", "last_seen"];

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
