//! Checks of what lies below the workloads: nodes, the pools they belong to, and what the system runs on them.
//!
//! Asked are the nodes and pools that a plan names, whatever was wrong with them before. Of what hangs on those (the nodes
//! of a pool that is waited for, the pool of a node) only what went wrong since the workflow began counts. All others are
//! nobody's business here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Judged, condition, judged, list, name_of, targets, was_so_before};
use crate::{
    deeds::{self, Look, Sight},
    model::{Millis, action::Action, phase::Verdict, plan::Plan, target::group_of},
    planner::value,
    ports::Cluster,
    remedies::pool_of_node,
};

const NODE: &str = "Node";
const POOL: &str = "MachineConfigPool";
const SET: &str = "DaemonSet";
const SYSTEM: &str = "kube-system";

/// What a plan names of nodes and pools.
struct Named<'p> {
    nodes: BTreeSet<&'p str>,
    /// A node is cordoned because something is wrong with it: it need not be ready afterwards.
    cordoned: BTreeSet<&'p str>,
    pools: BTreeSet<&'p str>,
}

/// How a node or a pool stands to a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is named.
    Named,
    /// It hangs on one that is named.
    Near,
    /// Neither.
    Elsewhere,
}

impl<'p> Named<'p> {
    fn of(plan: &'p Plan) -> Self {
        let of_kind = |kind: &str| {
            targets(plan).filter(|target| target.kind == kind).map(|target| target.name.as_str()).collect()
        };
        let cordons = plan.steps.iter().filter(|step| matches!(step.action, Action::CordonNode { .. }));
        Self {
            nodes: of_kind(NODE),
            cordoned: cordons.map(|step| step.action.target().name.as_str()).collect(),
            pools: of_kind(POOL),
        }
    }

    fn place(&self, node: &Value, pools: &[Value]) -> Place {
        let name = name_of(node);
        let pool = || pool_of_node(node, pools).is_some_and(|pool| self.pools.contains(name_of(pool)));
        if self.cordoned.contains(name) {
            Place::Elsewhere
        } else if self.nodes.contains(name) {
            Place::Named
        } else if pool() {
            Place::Near
        } else {
            Place::Elsewhere
        }
    }

    /// The pools of the cluster, where it takes them to know which nodes are asked.
    async fn pools_for_nodes(&self, cluster: &dyn Cluster) -> Result<Vec<Value>, String> {
        if self.pools.is_empty() {
            return Ok(Vec::new());
        }
        list(cluster, group_of(POOL), POOL, "").await
    }
}

/// Whether a condition that has to have this status counts: what it says, unless it has said so since before the workflow
/// began, of an object that the plan only comes near.
fn counted(
    place: Place,
    object: &Value,
    (kind, wanted): (&str, &str),
    began: Millis,
) -> Option<Result<(), String>> {
    let said = condition(object, kind, wanted);
    match place {
        Place::Named => Some(said),
        Place::Near if said.is_err() && was_so_before(object, kind, began) => None,
        Place::Near => Some(said),
        Place::Elsewhere => None,
    }
}

/// The nodes that the plan is about are there and ready.
pub(super) async fn nodes_ready(cluster: &dyn Cluster, plan: &Plan, began: Millis) -> Judged {
    let named = Named::of(plan);
    let (nodes, pools) = match (list(cluster, "", NODE, "").await, named.pools_for_nodes(cluster).await) {
        (Ok(nodes), Ok(pools)) => (nodes, pools),
        (Err(why), _) | (_, Err(why)) => return (Verdict::Unknown, why),
    };
    let is_there = |name: &&&str| nodes.iter().any(|node| name_of(node) == **name);
    if let Some(gone) = named.nodes.difference(&named.cordoned).find(|name| !is_there(name)) {
        return (Verdict::Failed, format!("{NODE} {gone} is not there"));
    }
    judged(NODE, &nodes, "nodes", |node| counted(named.place(node, &pools), node, ("Ready", "True"), began))
}

/// The pools that the plan is about, and those of its nodes, are neither updating nor degraded.
pub(super) async fn pools_stable(cluster: &dyn Cluster, plan: &Plan, began: Millis) -> Judged {
    let named = Named::of(plan);
    let pools = match list(cluster, group_of(POOL), POOL, "").await {
        Ok(pools) => pools,
        Err(why) => return (Verdict::Unknown, why),
    };
    let mut near: BTreeSet<&str> = BTreeSet::new();
    if !named.nodes.is_empty() && !pools.is_empty() {
        match list(cluster, "", NODE, "").await {
            Ok(nodes) => {
                let ours = nodes.iter().filter(|node| named.nodes.contains(name_of(node)));
                near.extend(ours.filter_map(|node| pool_of_node(node, &pools)).map(name_of));
            }
            Err(why) => return (Verdict::Unknown, why),
        }
    }
    judged(POOL, &pools, "machine config pools", |pool| {
        let place = if named.pools.contains(name_of(pool)) {
            Place::Named
        } else if near.contains(name_of(pool)) {
            Place::Near
        } else {
            Place::Elsewhere
        };
        let updating = counted(place, pool, ("Updating", "False"), began);
        let degraded = counted(place, pool, ("Degraded", "False"), began);
        match (updating, degraded) {
            (None, said) | (said, None) => said,
            (Some(updating), Some(degraded)) => Some(updating.and(degraded)),
        }
    })
}

/// The pods of the system's DaemonSets are ready on the nodes that the plan is about.
pub(super) async fn system_pods(cluster: &dyn Cluster, plan: &Plan, began: Millis) -> Judged {
    let sets = match list(cluster, group_of(SET), SET, SYSTEM).await {
        Ok(sets) => sets,
        Err(why) => return (Verdict::Unknown, why),
    };
    let count = |set: &Value, path: &str| value::int(set, path).unwrap_or_default();
    let lacking: Vec<&Value> = sets
        .iter()
        .filter(|set| count(set, "/status/numberReady") < count(set, "/status/desiredNumberScheduled"))
        .collect();
    let all = sets.len();
    if lacking.is_empty() {
        return (Verdict::Passed, format!("all {all} DaemonSets of {SYSTEM} are ready everywhere"));
    }
    // Only now it matters on which nodes.
    let named = Named::of(plan);
    let (nodes, pools) = match (list(cluster, "", NODE, "").await, named.pools_for_nodes(cluster).await) {
        (Ok(nodes), Ok(pools)) => (nodes, pools),
        (Err(why), _) | (_, Err(why)) => return (Verdict::Unknown, why),
    };
    for set in &lacking {
        let Some(selector) = value::selector(set.pointer("/spec/selector")) else {
            return (Verdict::Unknown, format!("the selector of {SET} {} cannot be read", name_of(set)));
        };
        let (group, kind, namespace) = (String::new(), "Pod".to_owned(), SYSTEM.to_owned());
        let look = Look::List { group, kind, namespace, selector: Some(selector) };
        let pods = match deeds::see(cluster, &[look]).await.map(|mut seen| seen.pop()) {
            Ok(Some(Sight::List(pods))) => pods,
            Ok(_) => return (Verdict::Unknown, format!("the pods of {SET} {} cannot be read", name_of(set))),
            Err(error) => return (Verdict::Unknown, error.message),
        };
        let of_set = pods.iter().filter(|pod| value::controller(pod).is_some_and(|by| by.uid == uid_of(set)));
        for pod in of_set {
            let on = node_of(pod);
            let node = nodes.iter().find(|node| name_of(node) == on);
            let place = node.map_or(Place::Elsewhere, |node| named.place(node, &pools));
            if let Some(Err(why)) = counted(place, pod, ("Ready", "True"), began) {
                let (set, pod) = (name_of(set), name_of(pod));
                return (Verdict::Failed, format!("pod {pod} of {SET} {set} on {NODE} {on} {why}"));
            }
        }
    }
    let lacking = lacking.len();
    (
        Verdict::Passed,
        format!("{lacking} of {all} DaemonSets of {SYSTEM} lack pods, on no node that this plan is about"),
    )
}

/// The node of a DaemonSet's pod, also of one that is not scheduled to it yet.
fn node_of(pod: &Value) -> &str {
    let wanted = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0\
                  /matchFields/0/values/0";
    let on = value::text(pod, "/spec/nodeName");
    if on.is_empty() { value::text(pod, wanted) } else { on }
}

fn uid_of(object: &Value) -> Option<String> {
    let uid = value::uid(object);
    (!uid.is_empty()).then(|| uid.to_owned())
}
