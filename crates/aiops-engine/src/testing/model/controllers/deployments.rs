//! The Deployment controller: one ReplicaSet a template, revisions, rolling updates, `Recreate`, status.
//!
//! Proportional scaling during a rollout is left out: while several ReplicaSets have pods, only the newest grows.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{MANAGER, Said, each};
use crate::testing::model::{
    json::{condition, flag, hash, is_ready, items, letters, number, put, reference, share, take, text},
    kinds::Key,
    world::World,
};

const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";
/// Annotations that the controller keeps itself and does not copy.
const OWN: [&str; 5] = [
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// One turn. Returns the next deadline of a progress, in milliseconds since 1970.
pub(super) fn step(world: &mut World) -> Option<i64> {
    each(world, "Deployment", |world, key, deployment| Said::Until(one(world, key, deployment)))
}

/// A template without what the controller adds to it.
fn plain(template: Option<&Value>) -> Value {
    let mut template = template.cloned().unwrap_or(Value::Null);
    take(&mut template, "/metadata/labels/pod-template-hash");
    take(&mut template, "/metadata/creationTimestamp");
    template
}

fn revision(object: &Value) -> i64 {
    text(object, REVISION).parse().unwrap_or_default()
}

fn one(world: &mut World, key: &Key, deployment: &Arc<Value>) -> Option<i64> {
    let uid = text(deployment, "/metadata/uid");
    let template = plain(deployment.pointer("/spec/template"));
    let sets = world.owned("ReplicaSet", &key.namespace, uid);
    let last = sets.iter().map(|(_, set)| revision(set)).max().unwrap_or_default();
    let same = sets.iter().find(|(_, set)| plain(set.pointer("/spec/template")) == template);
    let (newest, revision) = match same {
        Some((newest, set)) => {
            let known = revision(set);
            let number = if known == last { last } else { last.saturating_add(1) };
            mark(world, newest, deployment, number);
            (newest.clone(), number)
        }
        None => {
            let number = last.saturating_add(1);
            (make(world, key, deployment, &template, number), number)
        }
    };
    if !flag(deployment, "/spec/paused") {
        roll(world, key, deployment, &newest);
    }
    report(world, key, deployment, &newest, revision)
}

/// Makes the ReplicaSet of a template, with no pods yet.
fn make(world: &mut World, key: &Key, deployment: &Value, template: &Value, number: i64) -> Key {
    let hash = letters(hash(&template.to_string()), 10);
    let mut template = template.clone();
    put(&mut template, "/metadata/labels/pod-template-hash", hash.as_str());
    let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or(Value::Null);
    put(&mut selector, "/matchLabels/pod-template-hash", hash.as_str());
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", key.name), "namespace": key.namespace,
            "labels": template.pointer("/metadata/labels"), "annotations": {},
            "ownerReferences": [reference(deployment)],
        },
        "spec": { "replicas": 0, "selector": selector, "template": template },
        "status": { "replicas": 0, "observedGeneration": 1 },
    });
    let made = world.insert(MANAGER, set);
    mark(world, &made, deployment, number);
    made
}

/// Writes a revision and the Deployment's annotations on its newest ReplicaSet.
fn mark(world: &mut World, set: &Key, deployment: &Value, number: i64) {
    let replicas = replicas(deployment);
    let most = replicas.saturating_add(surge_and_gap(deployment).0);
    let copied = deployment.pointer("/metadata/annotations").and_then(Value::as_object).cloned();
    world.change(MANAGER, set, |set| {
        let known = text(set, REVISION).to_owned();
        for (name, value) in copied.into_iter().flatten().filter(|(name, _)| !OWN.contains(&name.as_str())) {
            put(set, &format!("/metadata/annotations/{}", super::super::json::escaped(&name)), value);
        }
        if !known.is_empty() && known != number.to_string() {
            let path = "/metadata/annotations/deployment.kubernetes.io~1revision-history";
            let history = text(set, path);
            let history = if history.is_empty() { known } else { format!("{history},{known}") };
            put(set, path, history);
        }
        put(set, REVISION, number.to_string());
        put(set, "/metadata/annotations/deployment.kubernetes.io~1desired-replicas", replicas.to_string());
        put(set, "/metadata/annotations/deployment.kubernetes.io~1max-replicas", most.to_string());
    });
}

pub(super) fn replicas(workload: &Value) -> i64 {
    workload.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

/// How many pods may be too many, and how many may be missing.
fn surge_and_gap(deployment: &Value) -> (i64, i64) {
    if text(deployment, "/spec/strategy/type") == "Recreate" {
        return (0, 0);
    }
    let replicas = replicas(deployment);
    let at = "/spec/strategy/rollingUpdate";
    let surge = share(deployment.pointer(&format!("{at}/maxSurge")), replicas, 25, true);
    let gap = share(deployment.pointer(&format!("{at}/maxUnavailable")), replicas, 25, false);
    if surge == 0 && gap == 0 { (0, 1) } else { (surge, gap) }
}

/// The pods of a ReplicaSet: those that stay, those of them that are ready, and all.
fn pods(world: &World, set: &Key) -> (i64, i64, i64) {
    let Some(object) = world.get(set) else { return (0, 0, 0) };
    let pods = world.owned("Pod", &set.namespace, text(&object, "/metadata/uid"));
    let count = |test: &dyn Fn(&Value) -> bool| {
        i64::try_from(pods.iter().filter(|(_, pod)| test(pod)).count()).unwrap_or(i64::MAX)
    };
    let stays = |pod: &Value| !super::super::json::has(pod, "/metadata/deletionTimestamp");
    (count(&stays), count(&is_ready), count(&|_| true))
}

fn scale(world: &mut World, set: &Key, to: i64) {
    world.change(MANAGER, set, |set| put(set, "/spec/replicas", to.max(0)));
}

fn roll(world: &mut World, key: &Key, deployment: &Value, newest: &Key) {
    let uid = text(deployment, "/metadata/uid");
    let wanted = replicas(deployment);
    let old: Vec<(Key, i64)> = world
        .owned("ReplicaSet", &key.namespace, uid)
        .into_iter()
        .filter(|(set, _)| set != newest)
        .map(|(set, object)| (set, number(&object, "/spec/replicas")))
        .collect();
    let new = world.get(newest).map_or(0, |set| number(&set, "/spec/replicas"));
    if text(deployment, "/spec/strategy/type") == "Recreate" {
        let mut are_gone = true;
        for (set, has) in &old {
            scale(world, set, 0);
            are_gone &= *has == 0 && pods(world, set).2 == 0;
        }
        if are_gone {
            scale(world, newest, wanted);
        }
        return;
    }
    let (surge, gap) = surge_and_gap(deployment);
    let total: i64 = new.saturating_add(old.iter().map(|(_, has)| has).sum());
    let room = wanted.saturating_add(surge).saturating_sub(total).max(0);
    let grown = if new > wanted { wanted } else { wanted.min(new.saturating_add(room)) };
    if grown != new {
        scale(world, newest, grown);
        return;
    }
    // As many old pods may go as leave enough available ones, the unhealthy first.
    let new_ready = pods(world, newest).1;
    let mut may_go =
        total.saturating_sub(wanted.saturating_sub(gap)).saturating_sub(new.saturating_sub(new_ready)).max(0);
    let mut rest = Vec::new();
    for (set, has) in old.into_iter().filter(|(_, has)| *has > 0) {
        let unhealthy = has.saturating_sub(pods(world, &set).1).clamp(0, may_go);
        may_go = may_go.saturating_sub(unhealthy);
        scale(world, &set, has.saturating_sub(unhealthy));
        rest.push((set, has.saturating_sub(unhealthy)));
    }
    let old_ready: i64 = rest.iter().map(|(set, _)| pods(world, set).1).sum();
    let spare = old_ready.saturating_add(new_ready).saturating_sub(wanted.saturating_sub(gap)).max(0);
    may_go = may_go.min(spare);
    for (set, has) in rest {
        let gone = has.clamp(0, may_go);
        may_go = may_go.saturating_sub(gone);
        scale(world, &set, has.saturating_sub(gone));
    }
}

/// Writes the status. Returns when the progress is too late, where it is waited for.
fn report(world: &mut World, key: &Key, deployment: &Value, newest: &Key, revision: i64) -> Option<i64> {
    let wanted = replicas(deployment);
    let (mut total, mut ready) = (0_i64, 0_i64);
    let uid = text(deployment, "/metadata/uid");
    let mut failure: Option<Value> = None;
    for (set, object) in world.owned("ReplicaSet", &key.namespace, uid) {
        let (stays, is_ready, _) = pods(world, &set);
        total = total.saturating_add(stays);
        ready = ready.saturating_add(is_ready);
        let failed = items(&object, "/status/conditions").find(|c| text(c, "/type") == "ReplicaFailure");
        failure = failure.or_else(|| failed.cloned());
    }
    let (updated, updated_ready, _) = pods(world, newest);
    let is_done = updated >= wanted && total == updated && updated_ready >= wanted;
    let (_, gap) = surge_and_gap(deployment);
    let is_available = ready >= wanted.saturating_sub(gap);
    let (stamp, now) = (world.stamp(), world.now);
    let before = progress(deployment);
    let has_moved = number(deployment, "/status/updatedReplicas") != updated
        || number(deployment, "/status/readyReplicas") != ready
        || number(deployment, "/status/replicas") != total
        || number(deployment, "/status/observedGeneration") != number(deployment, "/metadata/generation");
    let limit = deployment.pointer("/spec/progressDeadlineSeconds").and_then(Value::as_i64).unwrap_or(600);
    let moved_at = before.as_ref().map_or("", |(_, at)| at).parse::<Timestamp>().unwrap_or(now);
    let was_late = before.as_ref().is_some_and(|(reason, _)| reason == "ProgressDeadlineExceeded");
    let is_late =
        !is_done && !has_moved && (was_late || now.as_second().saturating_sub(moved_at.as_second()) > limit);
    let reason = match (is_done, is_late) {
        (true, _) => "NewReplicaSetAvailable",
        (_, true) => "ProgressDeadlineExceeded",
        _ => "ReplicaSetUpdated",
    };
    let same_reason = before.as_ref().is_some_and(|(known, _)| known == reason);
    let at = match &before {
        Some((_, at)) if same_reason && (!has_moved || is_done) => at.clone(),
        _ => stamp.clone(),
    };
    let was_available = condition(deployment, "Available") == "True";
    let known = |kind: &str| {
        items(deployment, "/status/conditions")
            .find(|c| text(c, "/type") == kind)
            .map(|c| text(c, "/lastTransitionTime").to_owned())
    };
    let since = known("Available").filter(|_| was_available == is_available).unwrap_or_else(|| stamp.clone());
    let mut conditions = vec![
        json!({
            "type": "Available", "status": if is_available { "True" } else { "False" },
            "reason": if is_available { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" },
            "message": if is_available { "Deployment has minimum availability." }
                else { "Deployment does not have minimum availability." },
            "lastTransitionTime": since, "lastUpdateTime": since,
        }),
        json!({
            "type": "Progressing", "status": if is_late { "False" } else { "True" }, "reason": reason,
            "message": match reason {
                "NewReplicaSetAvailable" => format!("ReplicaSet \"{}\" has successfully progressed.", newest.name),
                "ReplicaSetUpdated" => format!("ReplicaSet \"{}\" is progressing.", newest.name),
                _ => format!("ReplicaSet \"{}\" has timed out progressing.", newest.name),
            },
            "lastTransitionTime": known("Progressing").unwrap_or_else(|| at.clone()), "lastUpdateTime": at,
        }),
    ];
    conditions.extend(failure);
    world.change(MANAGER, key, |deployment| {
        put(deployment, REVISION, revision.to_string());
        let mut status = json!({
            "observedGeneration": number(deployment, "/metadata/generation"), "conditions": conditions,
        });
        let counts = [
            ("replicas", total),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", ready),
            ("unavailableReplicas", wanted.saturating_sub(ready).max(0)),
        ];
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            put(&mut status, &format!("/{name}"), count);
        }
        put(deployment, "/status", status);
    });
    let waits = !is_done && !is_late && !flag(deployment, "/spec/paused");
    let late_at = moved_at.as_second().saturating_add(limit).saturating_add(1).saturating_mul(1_000);
    waits.then_some(late_at)
}

/// Reason and time of the last progress.
fn progress(deployment: &Value) -> Option<(String, String)> {
    items(deployment, "/status/conditions")
        .find(|c| text(c, "/type") == "Progressing")
        .map(|c| (text(c, "/reason").to_owned(), text(c, "/lastUpdateTime").to_owned()))
}
