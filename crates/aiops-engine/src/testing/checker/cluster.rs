//! What the cluster shows: health where it was claimed, pre-images where it was rolled back, budgets of disruption.
//!
//! I7 and I10. Health is judged here anew, from the objects as they stood when the workflow ended.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{Findings, History, replay::Replay};
use crate::{
    model::{action::Action, phase::Phase, workflow::Workflow},
    ports::acting::Verb,
    testing::{
        model::{
            Entry, Key, OURSELVES,
            json::{condition, controller, is_ready, number, take, text},
        },
        sim::notes::Scene,
    },
};

pub(super) fn check(history: &History, replay: &Replay, findings: &mut Findings) {
    for (id, told) in &replay.told {
        let Some(workflow) = &told.workflow else { continue };
        match &told.end {
            Some((Phase::Completed, scenes)) if !is_resolved(told.phases.as_slice()) => {
                completed(history, (id.as_str(), workflow), scenes, findings);
            }
            Some((Phase::RolledBack, scenes)) if !is_resolved(told.phases.as_slice()) => {
                if let Some(scene) = scenes.last() {
                    restored(history, id.as_str(), scene, findings);
                }
            }
            _ => {}
        }
    }
    disruptions(history, findings);
}

/// I7: everything that a plan promises was well when the workflow looked, or when it ended: what breaks between the look and
/// the commit nobody could have seen.
fn completed(
    history: &History,
    (id, workflow): (&str, &Workflow),
    scenes: &[Arc<Scene>],
    findings: &mut Findings,
) {
    let mut judge = |judged: &dyn Fn(&Scene) -> Option<String>| {
        let mut last = None;
        for scene in scenes {
            match judged(scene) {
                Some(why) => last = Some(why),
                None => return,
            }
        }
        if let Some(why) = last {
            findings.add("I7", format!("{id} is completed though {why}"));
        }
    };
    for step in workflow.plan.iter().flat_map(|plan| &plan.steps) {
        judge(&|scene| ails(&step.action, scene));
    }
    let is_ours = |entry: &&Entry| {
        let is_away = matches!(entry.verb, Verb::Evict | Verb::Delete);
        entry.workflow == id && entry.is_effect() && entry.changed && is_away
    };
    let away: Vec<&Entry> = history.journal.iter().filter(is_ours).collect();
    for entry in &away {
        judge(&|scene| lacks(entry, (&away, workflow), scene));
    }
    let drained = workflow.plan.iter().filter(|plan| plan.remedy == "drain-node");
    for node in drained.map(|plan| plan.problem.target.name.as_str()) {
        judge(&|scene| {
            let left = scene.iter().find(|(key, pod)| key.kind == "Pod" && is_left(node, pod));
            left.map(|(key, _)| format!("{key} is left on {node}"))
        });
    }
}

/// A person said so: then it is the person's word.
fn is_resolved(phases: &[Phase]) -> bool {
    phases.contains(&Phase::NeedsOperator)
}

fn find<'s>(scene: &'s Scene, key: &Key) -> Option<&'s Arc<Value>> {
    scene.iter().find(|(known, _)| known == key).map(|(_, object)| object)
}

/// What is wrong with the object of an action that is said to have helped.
fn ails(action: &Action, scene: &Scene) -> Option<String> {
    let target = action.target();
    let key = Key::of_target(target);
    let object = find(scene, &key);
    let missing = || Some(format!("{key} is not there"));
    match action {
        Action::EvictPod { .. } | Action::DeletePod { .. } => {
            let same = object.filter(|object| Some(text(object, "/metadata/uid")) == target.uid.as_deref());
            same.map(|_| format!("{key} is still there"))
        }
        Action::CordonNode { .. } | Action::UncordonNode { .. } => {
            let Some(node) = object else { return missing() };
            let is_cordoned = node.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false);
            let wants = matches!(action, Action::CordonNode { .. });
            (is_cordoned != wants).then(|| format!("{key} is unschedulable={is_cordoned}"))
        }
        Action::SyncApplication { .. } | Action::RollbackApplication { .. } => {
            let Some(application) = object else { return missing() };
            let phase = text(application, "/status/operationState/phase");
            (phase != "Succeeded").then(|| format!("the operation of {key} is {phase}"))
        }
        Action::RecordRelease { release, .. } => {
            let Some(secret) = object else { return missing() };
            // A later rollback or upgrade may have superseded it: then no revision before that is deployed either.
            let status = |secret: &Value| text(secret, "/metadata/labels/status").to_owned();
            let older = scene.iter().find(|(other, secret)| {
                other.kind == "Secret"
                    && other.namespace == release.namespace
                    && text(secret, "/metadata/labels/name") == release.name
                    && text(secret, "/metadata/labels/version").parse().is_ok_and(|v: i64| v <= release.from)
                    && status(secret) == "deployed"
            });
            let is_recorded = matches!(status(secret).as_str(), "deployed" | "superseded");
            (!is_recorded || older.is_some()).then(|| {
                format!("{key} is {}, and deployed as well is {:?}", status(secret), older.map(|(k, _)| k))
            })
        }
        _ => match (key.kind.as_str(), object) {
            ("Deployment" | "StatefulSet" | "DaemonSet", Some(workload)) => unhealthy(&key, workload, scene),
            ("Deployment" | "StatefulSet" | "DaemonSet", None) => missing(),
            _ => None,
        },
    }
}

/// The owner of a pod that was taken away, the Deployment above its ReplicaSet.
fn owner_of<'s>(taken: &Entry, scene: &'s Scene) -> Option<(&'s Key, &'s Value)> {
    let by_uid = |uid: &str| {
        let found = scene.iter().find(|(_, object)| text(object, "/metadata/uid") == uid);
        found.map(|(key, object)| (key, object.as_ref()))
    };
    let (key, owner) = by_uid(controller(taken.before.as_ref()?)?.2)?;
    let above = (key.kind == "ReplicaSet").then(|| controller(owner)).flatten();
    Some(above.and_then(|(_, _, uid)| by_uid(uid)).unwrap_or((key, owner)))
}

/// What is wrong with the owner of a pod that was taken away. `away` is all that the workflow took.
fn lacks(taken: &Entry, (away, workflow): (&[&Entry], &Workflow), scene: &Scene) -> Option<String> {
    let (key, owner) = owner_of(taken, scene)?;
    match key.kind.as_str() {
        "Deployment" | "StatefulSet" | "DaemonSet" => {
            let why = unhealthy(key, owner, scene)?;
            let is_target = Key::of_target(&workflow.problem.target) == *key;
            // What else ails an owner that the plan is not about did so before.
            let owes = || owes((key, owner), (away, workflow), scene);
            if is_target { Some(why) } else { owes().map(|owed| format!("{why}, and {owed}")) }
        }
        "Job" => {
            let uid = text(owner, "/metadata/uid");
            let is_ours = |pod: &Value| controller(pod).is_some_and(|(_, _, by)| by == uid) && is_ready(pod);
            let runs = scene.iter().any(|(key, pod)| key.kind == "Pod" && is_ours(pod));
            let is_complete = condition(owner, "Complete") == "True";
            (!runs && !is_complete).then(|| format!("{key} neither runs nor is complete"))
        }
        _ => None,
    }
}

/// How many pods that an owner lost it has not made again. A drain promises nothing of those that were not ready before.
fn owes(
    (key, owner): (&Key, &Value),
    (away, workflow): (&[&Entry], &Workflow),
    scene: &Scene,
) -> Option<String> {
    let is_drain = workflow.plan.iter().any(|plan| plan.remedy == "drain-node");
    let lost = || away.iter().filter(|entry| owner_of(entry, scene).is_some_and(|(of, _)| of == key));
    let since = lost().map(|entry| entry.at).min()?;
    let counts = |entry: &&&Entry| !is_drain || entry.before.as_ref().is_some_and(|pod| is_ready(pod));
    let uids: Vec<&str> =
        lost().filter_map(|entry| Some(text(entry.before.as_ref()?, "/metadata/uid"))).collect();
    let is_new = |pod: &Value| {
        let made = text(pod, "/metadata/creationTimestamp").parse::<jiff::Timestamp>();
        // The engine reckons with clocks that differ by so much.
        let is_late = made.is_ok_and(|made| made.as_second() >= since.as_second() - 30);
        is_late && !uids.contains(&text(pod, "/metadata/uid"))
    };
    let (made, lost) = (
        pods_of(owner, scene).filter(|pod| is_ready(pod) && is_new(pod)).count(),
        lost().filter(counts).count(),
    );
    (made < lost).then(|| format!("{made} of the {lost} pods that it lost were made again"))
}

/// Whether a pod is one that a drain of this node leaves behind.
fn is_left(node: &str, pod: &Value) -> bool {
    let by = controller(pod).map_or("", |(kind, ..)| kind);
    let is_over = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
    text(pod, "/spec/nodeName") == node && by != "DaemonSet" && !is_over
}

/// The pods of a workload and of its ReplicaSets.
fn pods_of<'s>(workload: &Value, scene: &'s Scene) -> impl Iterator<Item = &'s Value> + use<'s> {
    let uid = text(workload, "/metadata/uid").to_owned();
    let owner = |object: &'s Value| controller(object).map_or("", |(_, _, uid)| uid);
    let sets = scene.iter().filter(|(set, object)| set.kind == "ReplicaSet" && owner(object) == uid);
    let mut owners: Vec<String> = sets.map(|(_, set)| text(set, "/metadata/uid").to_owned()).collect();
    owners.push(uid.clone());
    let pods = scene.iter().filter(|(key, _)| key.kind == "Pod").map(|(_, pod)| pod.as_ref());
    pods.filter(move |pod| owners.iter().any(|uid| *uid == owner(pod)))
}

/// Counted from the pods, not from the workload's own status.
fn unhealthy(key: &Key, workload: &Value, scene: &Scene) -> Option<String> {
    let wanted = if key.kind == "DaemonSet" {
        i64::try_from(scene.iter().filter(|(node, _)| node.kind == "Node").count()).unwrap()
    } else {
        workload.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
    };
    let template = workload.pointer("/spec/template/spec");
    let is_of_template =
        |pod: &&Value| pod.pointer("/spec/containers") == template.and_then(|spec| spec.get("containers"));
    let ready = pods_of(workload, scene).filter(|pod| is_ready(pod)).filter(is_of_template);
    let ready = i64::try_from(ready.count()).unwrap();
    (ready < wanted).then(|| format!("{key} has {ready} of {wanted} pods of its template ready"))
}

/// The fields that we write, as they are.
fn fields(object: &Value) -> Value {
    if let Some(data) = object.get("data") {
        return data.clone();
    }
    let mut fields = object.get("spec").cloned().unwrap_or(Value::Null);
    // A node's taints are its controller's; `false` and absent are one to a node.
    take(&mut fields, "/taints");
    if fields.get("unschedulable") == Some(&Value::Bool(false)) {
        take(&mut fields, "/unschedulable");
    }
    fields
}

/// I7: where nobody else wrote, everything that this workflow wrote is as before, and its markers are gone.
fn restored(history: &History, id: &str, scene: &Scene, findings: &mut Findings) {
    let mut written: BTreeMap<&Key, (&Entry, bool)> = BTreeMap::new();
    for entry in history.journal.iter().filter(|entry| entry.status < 300 && !entry.dry_run && entry.changed)
    {
        let is_ours = entry.actor == OURSELVES && entry.workflow == id;
        match written.get_mut(&entry.key) {
            Some((_, is_shared)) => *is_shared |= !is_ours && spec_differs(entry),
            None if is_ours => {
                written.insert(&entry.key, (entry, false));
            }
            None => {}
        }
    }
    for (key, (first, is_shared)) in written {
        if is_shared || first.verb == Verb::Evict || first.verb == Verb::Delete {
            continue;
        }
        let (Some(before), Some(now)) = (&first.before, find(scene, key)) else {
            findings.add("I7", format!("{id} is rolled back and {key} is not there"));
            continue;
        };
        findings.unless(fields(before) == fields(now), "I7", || {
            format!(
                "{id} is rolled back and {key} is not as before: {} instead of {}",
                fields(now),
                fields(before)
            )
        });
        let marker = format!("\"{id}/");
        let annotations = now.pointer("/metadata/annotations").map(Value::to_string).unwrap_or_default();
        findings.unless(!annotations.contains(&marker), "I7", || {
            format!("{id} is rolled back and {key} carries its marker")
        });
    }
}

/// Whether a write changed more than annotations.
fn spec_differs(entry: &Entry) -> bool {
    match (&entry.before, &entry.after) {
        (Some(before), Some(after)) => {
            before.get("spec") != after.get("spec") || before.get("data") != after.get("data")
        }
        _ => true,
    }
}

/// I10: no disruption of ours took a budget below its minimum. The healthy are counted in the journal's own objects.
fn disruptions(history: &History, findings: &mut Findings) {
    for entry in history.journal.iter().filter(|e| e.actor == OURSELVES && e.is_effect() && e.changed) {
        if !matches!(entry.verb, Verb::Evict | Verb::Delete) {
            continue;
        }
        let Some(pod) = &entry.before else { continue };
        let is_bare = controller(pod).is_none();
        findings.unless(!is_bare, "I11", || format!("{} has no owner and was taken away", entry.key));
        for (budget, healthy, minimum) in &entry.budgets {
            let was_ready = condition(pod, "Ready") == "True";
            findings.unless(!was_ready || healthy >= minimum, "I10", || {
                format!("{} left {healthy} of at least {minimum} of the budget {budget}", entry.key)
            });
        }
        findings.unless(number(pod, "/spec/priority") < 2_000_000_000, "I11", || {
            format!("{} is critical to the system and was taken away", entry.key)
        });
    }
}
