//! What has to stand at the end although no step's own object shows it: the target where its steps changed something else for
//! it, the workloads whose pods were taken away, and a node that was emptied.
//!
//! What cannot be looked at is unknown and never passes. It judges the plan's own target and what the plan took away, and
//! nothing else of the cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Judged, list_of, name_of,
    owners::{Lost, is_going, is_known, is_over, looks_of, maker, well},
};
use crate::{
    deeds::{self, Look, Nearing, Sight},
    model::{
        Millis,
        action::Action,
        phase::{Direction, StepState, Verdict},
        plan::Plan,
        target::Target,
        workflow::{Record, StepRecord},
    },
    planner::value,
    ports::Cluster,
};

/// The remedy that empties a node.
const DRAIN: &str = "drain-node";

/// What is asked, each object once.
#[derive(Debug, PartialEq)]
enum Asked {
    /// A workload that has to be well.
    Workload(Target),
    /// An owner that the plan is not about, the pods that it lost, and since when: as many new ones have to be ready. What
    /// else is wrong with it was so before, and undoes nothing.
    Maker { owner: Target, lost: Lost, since: Millis },
    /// A pod that went by itself, and of which nobody knows whose it was.
    Unknown(Target),
    /// A node that has to be empty.
    Empty(String),
}

/// What stands there now; `None` where a plan promises nothing that its steps do not show themselves. `told` are the keys
/// of the objects whose steps were judged already.
pub(in super::super) async fn standing(
    cluster: &dyn Cluster,
    record: &Record,
    plan: &Plan,
    told: &BTreeSet<String>,
) -> Option<(Judged, Nearing)> {
    let asked = match asked(cluster, record, plan, told).await {
        Ok(asked) => asked,
        Err(why) => return Some(((Verdict::Unknown, why), Nearing::default())),
    };
    let mut nearing = Nearing::default();
    let mut worst: Option<Judged> = None;
    let mut said = Vec::with_capacity(asked.len());
    for one in &asked {
        let ((verdict, why), near) = judge(cluster, one).await;
        nearing = nearing.and(near);
        match verdict {
            Verdict::Passed => said.push(why),
            Verdict::Failed => worst = Some((verdict, why)),
            Verdict::Unknown | Verdict::Pending if worst.is_none() => worst = Some((verdict, why)),
            Verdict::Unknown | Verdict::Pending => {}
        }
    }
    let passed = (!said.is_empty()).then(|| (Verdict::Passed, said.join("; ")));
    worst.or(passed).map(|judged| (judged, nearing))
}

/// What has to be asked.
async fn asked(
    cluster: &dyn Cluster,
    record: &Record,
    plan: &Plan,
    told: &BTreeSet<String>,
) -> Result<Vec<Asked>, String> {
    let mut asked = Vec::new();
    let mut workloads = BTreeSet::new();
    let target = &plan.problem.target;
    if is_known(target) && !told.contains(&target.key()) {
        workloads.insert(target.key());
        // No step wrote it, so its owner may have made it anew meanwhile.
        asked.push(Asked::Workload(Target { uid: None, ..target.clone() }));
    }
    // A drain promises nothing of a pod that served nobody before; that of another plan is what it repairs.
    let is_drain = plan.remedy == DRAIN && target.kind == "Node";
    let mut makers: BTreeMap<String, (Target, Lost, Millis)> = BTreeMap::new();
    for (pod, owner) in lost(record) {
        let Some(Owner { owner, uid, was_ready, since }) = owner else {
            // Whose it was is known all the same where the plan is about its owner.
            if asked.is_empty() && told.is_empty() {
                asked.push(Asked::Unknown(pod));
            }
            continue;
        };
        let owner = if owner.kind == "ReplicaSet" { above(cluster, owner).await? } else { owner };
        // What the plan is about is judged as a whole, and is asked once.
        if told.contains(&owner.key()) || workloads.contains(&owner.key()) {
            continue;
        }
        let held = makers.entry(owner.key()).or_insert_with(|| (owner, Lost::new(), since));
        held.1.insert(uid, was_ready || !is_drain);
        held.2 = held.2.min(since);
    }
    asked.extend(makers.into_values().map(|(owner, lost, since)| Asked::Maker { owner, lost, since }));
    if is_drain {
        asked.push(Asked::Empty(target.name.clone()));
    }
    Ok(asked)
}

/// The owner of a pod that was taken away, the pod's uid, whether it was ready, and when that was intended.
struct Owner {
    owner: Target,
    uid: String,
    was_ready: bool,
    since: Millis,
}

/// The pods that the workflow took away, or found gone when it was to; whose they were, where that was recorded.
fn lost(record: &Record) -> Vec<(Target, Option<Owner>)> {
    let mut lost: Vec<(Target, Option<Owner>)> = Vec::new();
    for step in record.steps.iter().filter(|step| step.direction == Direction::Do) {
        let (Action::EvictPod { target } | Action::DeletePod { target }) = &step.action else { continue };
        if !matches!(step.state, StepState::Applied | StepState::Verified | StepState::Skipped) {
            continue;
        }
        let owner = owner_of(record, step, target);
        match lost.iter_mut().find(|(pod, _)| pod == target) {
            Some((_, held)) => *held = held.take().or(owner),
            None => lost.push((target.clone(), owner)),
        }
    }
    lost
}

/// What was recorded of a pod's owner before it was taken away.
fn owner_of(record: &Record, step: &StepRecord, pod: &Target) -> Option<Owner> {
    let before = step.pre_image.as_ref()?;
    let (kind, name) = value::text(before, "/owner").split_once(' ')?;
    let uid = value::text(before, "/uid").to_owned();
    let of_step = record.attempts.iter().filter(|a| a.order == step.order && a.direction == Direction::Do);
    let since = of_step.map(|attempt| attempt.intent_at).min().or(step.started_at)?;
    // Kinds of this name are in other groups too; a record of before this was written says nothing of it.
    let owner = match before.get("ownerGroup").and_then(Value::as_str) {
        Some(group) => Target::new(group, kind, &pod.namespace, name),
        None => Target::known(kind, &pod.namespace, name),
    };
    let was_ready = before.get("ready").and_then(Value::as_bool).unwrap_or(true);
    Some(Owner { owner, uid, was_ready, since })
}

/// The Deployment of a ReplicaSet; itself where it has none.
async fn above(cluster: &dyn Cluster, set: Target) -> Result<Target, String> {
    let seen = deeds::see(cluster, &[Look::Object(set.clone())]).await.map_err(|error| error.message)?;
    match seen.first() {
        Some(Sight::Object(object)) => Ok(value::controller(object)
            .filter(|owner| owner.group == "apps" && owner.kind == "Deployment")
            .unwrap_or(set)),
        _ => Ok(set),
    }
}

async fn judge(cluster: &dyn Cluster, asked: &Asked) -> (Judged, Nearing) {
    let looks = match asked {
        Asked::Workload(target) => looks_of(target),
        Asked::Maker { owner, .. } => vec![list_of("", "Pod", &owner.namespace)],
        Asked::Unknown(pod) => {
            let why = format!("{pod} was gone already, and who would make it again is not known");
            return ((Verdict::Unknown, why), Nearing::default());
        }
        Asked::Empty(node) => vec![Look::OnNode { node: node.clone() }],
    };
    let seen = match deeds::see(cluster, &looks).await {
        Ok(seen) => seen,
        Err(error) => return ((Verdict::Unknown, error.message), Nearing::default()),
    };
    match asked {
        Asked::Workload(target) => well(target, &seen),
        Asked::Maker { owner, lost, since } => maker(cluster, owner, (lost, *since), &seen).await,
        Asked::Empty(node) => empty(node, &seen),
        Asked::Unknown(pod) => ((Verdict::Unknown, format!("{pod} was not looked at")), Nearing::default()),
    }
}

/// Nothing is left on a node but what stays there: pods of DaemonSets, those that the kubelet runs from files, and what
/// has ended.
fn empty(node: &str, seen: &[Sight]) -> (Judged, Nearing) {
    let Some(Sight::List(pods)) = seen.first() else {
        return (
            (Verdict::Unknown, format!("the pods on Node {node} were not looked at")),
            Nearing::default(),
        );
    };
    let stays = |pod: &&Value| {
        is_over(pod)
            || value::annotation(pod, "kubernetes.io/config.mirror").is_some()
            || value::controller(pod).is_some_and(|owner| owner.kind == "DaemonSet")
    };
    let left: Vec<&Value> = pods.iter().filter(|pod| !stays(pod)).collect();
    let grace = |pod: &&&Value| value::int(pod, "/metadata/deletionGracePeriodSeconds");
    let quiet = left.iter().filter_map(|pod| grace(&pod)).max().map_or(0, |grace| grace.saturating_add(60));
    let nearing = Nearing { left: i64::try_from(left.len()).ok(), quiet };
    if left.is_empty() {
        let said = format!("nothing is left on Node {node} but pods of DaemonSets and of the node itself");
        return ((Verdict::Passed, said), nearing);
    }
    let named: Vec<String> = left
        .iter()
        .take(5)
        .map(|pod| {
            let how = if is_going(pod) { "is still ending" } else { "is still there" };
            format!("{}/{} {how}", value::namespace(pod), name_of(pod))
        })
        .collect();
    let why = format!("{} pods are left on Node {node}: {}", left.len(), named.join(", "));
    ((Verdict::Unknown, why), nearing)
}
