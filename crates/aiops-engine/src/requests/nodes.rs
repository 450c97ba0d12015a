//! Nodes: readiness, what they have, what is asked of them.

use aiops_inventory::{
    Inventory, Key, Kind,
    page::digest,
    rows::{NodeRow, Truth},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Engine, Error,
    answer::{Standing, age, near, sees_all_pods},
    budget,
    page::{Listing, Page},
    requests::pools::{self, PoolItem},
};

/// Which nodes.
#[derive(Debug, Clone, Default)]
pub struct ListNodes {
    /// Only nodes with these labels.
    pub label_selector: Option<String>,
    /// At most this many rows.
    pub limit: Option<u32>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Nodes, those in trouble first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NodeList {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// How many there are and what was left out.
    #[serde(flatten)]
    pub page: Page,
    /// Of all matching nodes, those that are ready; null when nodes are not known.
    pub ready: Option<usize>,
    /// The rows.
    pub nodes: Vec<NodeItem>,
    /// OpenShift's machine config pools, which update the nodes; absent elsewhere and on later pages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub machine_config_pools: Vec<PoolItem>,
}

/// One node in a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct NodeItem {
    /// Name.
    pub name: String,
    /// Ready, NotReady or Unknown.
    pub status: &'static str,
    /// Roles from its labels.
    pub roles: Vec<String>,
    /// Pods may not be placed on it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cordoned: bool,
    /// What is wrong: conditions that should not be as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// Taints as key=value:effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<String>,
    /// Kubelet version.
    pub version: String,
    /// Age.
    pub age: String,
    /// CPU: what pods may use and what they request, millicores.
    pub cpu_millicores: Usage,
    /// Memory: what pods may use and what they request, MiB.
    pub memory_mib: Usage,
    /// Pods: how many may run and how many are bound.
    pub pods: Usage,
}

/// What there is and what is asked of it.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Usage {
    /// Allocatable; null when the node does not say.
    pub allocatable: Option<i64>,
    /// Requested (or bound) by pods that have not ended; null when not all pods may be seen.
    pub requested: Option<i64>,
}

/// One node in full.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NodeDetail {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// The node.
    #[serde(flatten)]
    pub node: NodeItem,
    /// All conditions.
    pub conditions: Vec<ConditionItem>,
    /// Operating system image.
    pub os_image: String,
    /// Container runtime.
    pub container_runtime: String,
    /// Architecture.
    pub architecture: String,
    /// Internal address.
    pub internal_ip: String,
    /// Labels.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Names of bound pods that are not plainly well, as namespace/name, at most 20.
    pub troubled_pods: Vec<String>,
}

/// A condition on the wire.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ConditionItem {
    /// Type.
    pub r#type: String,
    /// True, False or Unknown.
    pub status: &'static str,
    /// Reason.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Message, kept only where the condition says that something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// For how long it has been so.
    pub age: String,
}

impl Engine {
    /// Lists nodes.
    pub fn list_nodes(&self, request: &ListNodes) -> Result<NodeList, Error> {
        let inventory = self.look();
        let now = self.now();
        let mut kinds = vec![Kind::Node, Kind::Pod];
        if pools::is_live_openshift(&inventory) {
            kinds.push(Kind::MachineConfigPool);
        }
        let mut standing = self.standing(&inventory, &kinds);
        standing.note_unseen_pods(&inventory);
        let selector = crate::requests::selector(request.label_selector.as_deref())?;
        let matching = inventory.nodes().iter().filter(|n| selector.matches(&n.meta.labels));
        let keys: Vec<Key> = matching.map(|n| n.meta.key.clone()).collect();
        let ready = keys
            .iter()
            .filter(|k| inventory.nodes().get("", &k.name).is_some_and(|n| n.ready() == Some(true)))
            .count();
        let question =
            digest([b"nodes".as_slice(), request.label_selector.as_deref().unwrap_or("").as_bytes()]);
        let listing = Listing::new(question, request.limit, request.cursor.as_deref(), keys)?;
        let pods_known = sees_all_pods(&inventory);
        let node = |key: &Key| inventory.nodes().get("", &key.name);
        let (nodes, page) = listing.fill(
            |key| node(key).map(|n| (n.ready() == Some(true), troubles(n).is_empty(), !n.cordoned)),
            budget::of(request.limit),
            |key| node(key).map(|row| item(&inventory, row, now, pods_known)),
        );
        let known = !standing.lacks(Kind::Node);
        let is_first = request.cursor.as_deref().is_none_or(str::is_empty);
        Ok(NodeList {
            page: page.known(known),
            ready: known.then_some(ready),
            standing,
            nodes,
            machine_config_pools: if is_first { pools::all(&inventory) } else { Vec::new() },
        })
    }

    /// One node.
    pub fn node(&self, name: &str) -> Result<NodeDetail, Error> {
        let inventory = self.look();
        let now = self.now();
        let mut standing = self.standing(&inventory, &[Kind::Node, Kind::Pod]);
        standing.note_unseen_pods(&inventory);
        let Some(row) = inventory.nodes().get("", name) else {
            if standing.lacks(Kind::Node) {
                return Err(crate::requests::unknown(&standing, Kind::Node, "reading a node"));
            }
            let hint = near(name, inventory.nodes().iter().map(|n| n.meta.key.name.as_str()));
            let shown: String = name.chars().take(80).collect();
            return Err(Error::NotFound { what: format!("node {shown:?}"), hint });
        };
        let troubled = inventory
            .suspect_pods()
            .filter_map(|key| inventory.pods().get(&key.namespace, &key.name))
            .filter(|pod| pod.node.as_deref() == Some(name))
            .take(20)
            .map(|pod| format!("{}/{}", pod.meta.key.namespace, pod.meta.key.name))
            .collect();
        Ok(NodeDetail {
            node: item(&inventory, row, now, sees_all_pods(&inventory)),
            conditions: row.conditions.iter().map(|c| condition(c, now)).collect(),
            os_image: row.os_image.to_string(),
            container_runtime: row.runtime.to_string(),
            architecture: row.architecture.to_string(),
            internal_ip: row.internal_ip.to_string(),
            labels: row.meta.labels.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            troubled_pods: troubled,
            standing,
        })
    }
}

pub(crate) fn condition(c: &aiops_inventory::rows::Condition, now: Timestamp) -> ConditionItem {
    ConditionItem {
        r#type: c.kind.to_string(),
        status: c.status.as_str(),
        reason: c.reason.to_string(),
        message: c.message.as_deref().map(str::to_owned),
        age: age(now, c.since),
    }
}

fn item(inventory: &Inventory, row: &NodeRow, now: Timestamp, pods_known: bool) -> NodeItem {
    let totals = inventory.node_totals(&row.meta.key.name).copied().unwrap_or_default().pods;
    let bound = totals.counts.pending + totals.counts.running + totals.counts.unknown;
    let usage = |allocatable, requested| Usage { allocatable, requested: pods_known.then_some(requested) };
    let taints = row.taints.iter().map(|t| match t.value.as_str() {
        "" => format!("{}:{}", t.key, t.effect),
        value => format!("{}={value}:{}", t.key, t.effect),
    });
    NodeItem {
        name: row.meta.key.name.to_string(),
        status: match row.ready_condition().map(|c| c.status) {
            Some(Truth::True) => "Ready",
            Some(Truth::False) => "NotReady",
            Some(Truth::Unknown) | None => "Unknown",
        },
        roles: row.roles.iter().map(ToString::to_string).collect(),
        cordoned: row.cordoned,
        troubles: troubles(row),
        taints: taints.collect(),
        version: row.kubelet.to_string(),
        age: age(now, row.meta.created),
        cpu_millicores: usage(row.allocatable.cpu_milli, totals.requested_cpu_milli),
        memory_mib: usage(row.allocatable.memory_bytes.map(|b| b >> 20), totals.requested_memory_bytes >> 20),
        pods: usage(row.allocatable.pods, bound),
    }
}

/// Conditions that are not as they should be: Ready not True, a pressure True.
fn troubles(row: &NodeRow) -> Vec<String> {
    let wrong = row.conditions.iter().filter(|c| {
        let should = if c.kind == "Ready" { Truth::True } else { Truth::False };
        let judged = c.kind == "Ready" || c.kind.ends_with("Pressure") || c.kind == "NetworkUnavailable";
        judged && c.status != should
    });
    wrong
        .map(|c| {
            let message = crate::text::line(c.message.as_deref().unwrap_or(&c.reason), 120);
            format!("{}={}: {message}", c.kind, c.status.as_str())
        })
        .collect()
}
