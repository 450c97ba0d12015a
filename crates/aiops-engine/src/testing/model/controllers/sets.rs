//! The ReplicaSet controller: as many pods as are wanted, and who goes first when there are too many.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{MANAGER, Said, create, deployments::replicas, each};
use crate::testing::model::{
    json::{has, is_ready, items, number, put, text},
    kinds::Key,
    world::World,
};

/// Pods of an owner that stay, in order.
pub(super) fn staying(world: &World, owner: &Value) -> Vec<(Key, Arc<Value>)> {
    let namespace = text(owner, "/metadata/namespace");
    world
        .owned("Pod", namespace, text(owner, "/metadata/uid"))
        .into_iter()
        .filter(|(_, pod)| {
            !has(pod, "/metadata/deletionTimestamp")
                && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
        })
        .collect()
}

/// One turn.
pub(super) fn replica_sets(world: &mut World) {
    each(world, "ReplicaSet", |world, key, set| {
        let wanted = replicas(set);
        let mut pods = staying(world, set);
        let there = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        let mut failure = None;
        if there < wanted {
            let template = set.pointer("/spec/template").cloned().unwrap_or(Value::Null);
            for _ in there..wanted {
                let serial = world.serial;
                let name = format!("{}-{}", key.name, world.suffix());
                if let Err(why) = create::pod(world, set, &template, &name, &[], None) {
                    // The next try is of the same name, so that what is refused for good says the same for good.
                    world.serial = serial;
                    failure = Some(why);
                    break;
                }
            }
        } else if there > wanted {
            // Those that do not serve go first, then the youngest.
            pods.sort_by_key(|(pod, object)| {
                let age = text(object, "/metadata/creationTimestamp").to_owned();
                (is_ready(object), std::cmp::Reverse(age), pod.name.clone())
            });
            let surplus = usize::try_from(there.saturating_sub(wanted)).unwrap_or_default();
            for (pod, _) in pods.into_iter().take(surplus) {
                world.end(MANAGER, &pod);
            }
        }
        report(world, key, failure);
        Said::Until(None)
    });
}

fn report(world: &mut World, key: &Key, failure: Option<String>) {
    let Some(set) = world.get(key) else { return };
    let pods = staying(world, &set);
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let ready = count(pods.iter().filter(|(_, pod)| is_ready(pod)).count());
    let stamp = world.stamp();
    world.change(MANAGER, key, |set| {
        let mut status = json!({
            "replicas": count(pods.len()), "fullyLabeledReplicas": count(pods.len()),
            "observedGeneration": number(set, "/metadata/generation"),
        });
        if ready > 0 {
            put(&mut status, "/readyReplicas", ready);
            put(&mut status, "/availableReplicas", ready);
        }
        if let Some(why) = failure {
            let known = items(set, "/status/conditions").find(|c| text(c, "/type") == "ReplicaFailure");
            let since = known.map_or(stamp, |c| text(c, "/lastTransitionTime").to_owned());
            let condition = json!({
                "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": why,
                "lastTransitionTime": since, "lastUpdateTime": since,
            });
            put(&mut status, "/conditions", vec![condition]);
        }
        put(set, "/status", status);
    });
}
