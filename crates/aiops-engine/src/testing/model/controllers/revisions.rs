//! StatefulSets and DaemonSets: templates as ControllerRevisions, pods replaced one after another.
//!
//! A StatefulSet whose rollout hangs on a pod that never becomes ready waits until somebody takes that pod away, whatever
//! its template says by then (Kubernetes, "StatefulSets: Forced rollback"). What is below a partition is made of the new
//! template too, which the real one does not do.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{MANAGER, Said, create, deployments::replicas, each, sets::staying};
use crate::testing::model::{
    json::{flag, hash, is_ready, items, letters, number, put, reference, text},
    kinds::Key,
    world::World,
};

const HASH: &str = "controller-revision-hash";
const POD_HASH: &str = "/metadata/labels/controller-revision-hash";

/// The name of the newest revision: the one that holds the template, made when there is none.
fn newest(world: &mut World, key: &Key, workload: &Arc<Value>) -> Key {
    let template = workload.pointer("/spec/template").cloned().unwrap_or(Value::Null);
    let mut held = template.clone();
    put(&mut held, "/$patch", "replace");
    let data = json!({ "spec": { "template": held } });
    let revisions = world.owned("ControllerRevision", &key.namespace, text(workload, "/metadata/uid"));
    let last = revisions.iter().map(|(_, r)| number(r, "/revision")).max().unwrap_or_default();
    if let Some((known, revision)) = revisions.iter().find(|(_, r)| r.get("data") == Some(&data)) {
        if number(revision, "/revision") < last {
            world.change(MANAGER, known, |revision| put(revision, "/revision", last.saturating_add(1)));
        }
        return known.clone();
    }
    // What was recorded without its revisions keeps the name that its pods have.
    let recorded = match (last, key.kind.as_str()) {
        (0, "StatefulSet") => text(workload, "/status/updateRevision").to_owned(),
        (0, _) => world
            .owned("Pod", &key.namespace, text(workload, "/metadata/uid"))
            .first()
            .map(|(_, pod)| format!("{}-{}", key.name, text(pod, POD_HASH)))
            .unwrap_or_default(),
        _ => String::new(),
    };
    let name = if recorded.is_empty() {
        format!("{}-{}", key.name, letters(hash(&template.to_string()), 10))
    } else {
        recorded
    };
    world.insert(
        MANAGER,
        json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision",
            "metadata": {
                "name": name, "namespace": key.namespace, "labels": template.pointer("/metadata/labels"),
                "ownerReferences": [reference(workload)],
            },
            "revision": last.saturating_add(1), "data": data,
        }),
    )
}

fn hash_of(pod: &Value) -> &str {
    text(pod, POD_HASH)
}

/// One turn of the StatefulSet controller, as `stateful_set_control.go` of Kubernetes 1.36 has it: one whose pods come one
/// after another does nothing else while one of them is missing, on its way out, or not ready.
pub(super) fn stateful_sets(world: &mut World) {
    each(world, "StatefulSet", |world, key, set| {
        let update = newest(world, key, set).name;
        let wanted = replicas(set);
        let is_parallel = text(set, "/spec/podManagementPolicy") == "Parallel";
        let pods = world.owned("Pod", &key.namespace, text(set, "/metadata/uid"));
        let waits = fill(world, key, set, &update, &pods);
        if is_parallel || !waits {
            replace(world, key, set, &update, &pods);
        }
        report(world, key, &update, wanted);
        Said::Until(None)
    });
}

type Pods = [(Key, Arc<Value>)];

fn of_ordinal<'p>(pods: &'p Pods, set: &Key, ordinal: i64) -> Option<&'p (Key, Arc<Value>)> {
    let name = format!("{}-{ordinal}", set.name);
    pods.iter().find(|(pod, _)| pod.name == name)
}

/// Makes the pods that are missing. Returns whether one of those that are wanted does not serve.
fn fill(world: &mut World, key: &Key, set: &Value, update: &str, pods: &Pods) -> bool {
    let is_parallel = text(set, "/spec/podManagementPolicy") == "Parallel";
    let mut waits = false;
    for ordinal in 0..replicas(set) {
        match of_ordinal(pods, key, ordinal) {
            None => {
                let template = set.pointer("/spec/template").cloned().unwrap_or(Value::Null);
                let name = format!("{}-{ordinal}", key.name);
                let labels = [(HASH, update), ("statefulset.kubernetes.io/pod-name", name.as_str())];
                // A quota's refusal is tried again at the next turn.
                let _ = create::pod(world, set, &template, &name, &labels, None);
                waits = true;
            }
            Some((_, pod)) => waits |= !is_ready(pod),
        }
        if waits && !is_parallel {
            break;
        }
    }
    waits
}

/// Takes away what is too much, from the highest ordinal down, and then what is of an older template.
fn replace(world: &mut World, key: &Key, set: &Value, update: &str, pods: &Pods) {
    let wanted = replicas(set);
    let surplus = pods.iter().filter_map(|(pod, _)| {
        let ordinal: i64 = pod.name.rsplit_once('-')?.1.parse().ok()?;
        (ordinal >= wanted).then_some((ordinal, pod))
    });
    if let Some((_, pod)) = surplus.max_by_key(|(ordinal, _)| *ordinal) {
        world.end(MANAGER, pod);
        return;
    }
    if text(set, "/spec/updateStrategy/type") == "OnDelete" {
        return;
    }
    let partition = number(set, "/spec/updateStrategy/rollingUpdate/partition");
    for ordinal in (partition..wanted).rev() {
        let Some((pod, object)) = of_ordinal(pods, key, ordinal) else { break };
        if hash_of(object) != update {
            world.end(MANAGER, pod);
            break;
        }
        if !is_ready(object) {
            break;
        }
    }
}

fn report(world: &mut World, key: &Key, update: &str, wanted: i64) {
    let Some(set) = world.get(key) else { return };
    let pods = staying(world, &set);
    let count = |test: &dyn Fn(&Value) -> bool| {
        i64::try_from(pods.iter().filter(|(_, pod)| test(pod)).count()).unwrap_or(i64::MAX)
    };
    let (all, ready) = (count(&|_| true), count(&is_ready));
    let updated = count(&|pod| hash_of(pod) == update);
    world.change(MANAGER, key, |set| {
        let known = text(set, "/status/currentRevision").to_owned();
        let current = if updated == wanted || known.is_empty() { update.to_owned() } else { known };
        let of_current = count(&|pod| hash_of(pod) == current);
        let status = json!({
            "observedGeneration": number(set, "/metadata/generation"), "replicas": all, "readyReplicas": ready,
            "availableReplicas": ready, "updatedReplicas": updated, "currentReplicas": of_current,
            "currentRevision": current, "updateRevision": update, "collisionCount": 0,
        });
        put(set, "/status", status);
    });
}

/// Whether a DaemonSet's pods belong on a node.
fn belongs(set: &Value, node: &Value) -> bool {
    let wanted = set.pointer("/spec/template/spec/nodeSelector").and_then(Value::as_object);
    wanted.into_iter().flatten().all(|(key, value)| {
        node.pointer("/metadata/labels").and_then(|labels| labels.get(key)) == Some(value)
    })
}

/// One turn of the DaemonSet controller. Its pods tolerate cordons and dead nodes.
pub(super) fn daemon_sets(world: &mut World) {
    each(world, "DaemonSet", |world, key, set| {
        let revision = newest(world, key, set).name;
        let update = revision.strip_prefix(&format!("{}-", key.name)).unwrap_or(&revision).to_owned();
        let nodes: Vec<String> = world
            .of_kind("Node")
            .into_iter()
            .filter(|(_, node)| belongs(set, node))
            .map(|(node, _)| node.name)
            .collect();
        let pods = world.owned("Pod", &key.namespace, text(set, "/metadata/uid"));
        let has_one = |node: &str| pods.iter().any(|(_, pod)| text(pod, "/spec/nodeName") == node);
        for node in &nodes {
            if !has_one(node) {
                let template = set.pointer("/spec/template").cloned().unwrap_or(Value::Null);
                let name = format!("{}-{}", key.name, world.suffix());
                let generation = number(set, "/metadata/generation").to_string();
                let labels = [(HASH, update.as_str()), ("pod-template-generation", generation.as_str())];
                // A quota's refusal is tried again at the next turn.
                let _ = create::pod(world, set, &template, &name, &labels, Some(node));
            }
        }
        let all_there = pods.iter().filter(|(_, pod)| is_ready(pod)).count() >= nodes.len();
        let old = staying(world, set).into_iter().filter(|(_, pod)| hash_of(pod) != update);
        // One at a time, those that do not serve first.
        if let Some((pod, object)) = old.min_by_key(|(pod, object)| (is_ready(object), pod.name.clone()))
            && (all_there || !is_ready(&object))
        {
            world.end(MANAGER, &pod);
        }
        report_daemons(world, key, &update, nodes.len());
        Said::Until(None)
    });
}

fn report_daemons(world: &mut World, key: &Key, update: &str, nodes: usize) {
    let Some(set) = world.get(key) else { return };
    let pods = staying(world, &set);
    let to_i64 = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let ready = to_i64(pods.iter().filter(|(_, pod)| is_ready(pod)).count());
    let updated = to_i64(pods.iter().filter(|(_, pod)| hash_of(pod) == update).count());
    let wanted = to_i64(nodes);
    world.change(MANAGER, key, |set| {
        let mut status = json!({
            "observedGeneration": number(set, "/metadata/generation"), "desiredNumberScheduled": wanted,
            "currentNumberScheduled": to_i64(pods.len()).min(wanted), "numberMisscheduled": 0, "numberReady": ready,
        });
        for (name, count) in [
            ("updatedNumberScheduled", updated),
            ("numberAvailable", ready),
            ("numberUnavailable", wanted.saturating_sub(ready).max(0)),
        ] {
            if count > 0 {
                put(&mut status, &format!("/{name}"), count);
            }
        }
        put(set, "/status", status);
    });
}

/// Whether a node takes part: it is ready.
pub(super) fn is_alive(node: &Value) -> bool {
    items(node, "/status/conditions").any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True")
}

/// Whether new pods may go to a node.
pub(super) fn is_open(node: &Value) -> bool {
    is_alive(node) && !flag(node, "/spec/unschedulable")
}
