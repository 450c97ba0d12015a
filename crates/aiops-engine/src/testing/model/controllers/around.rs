//! What stands around workloads: autoscalers, nodes' cordon taints, disruption budgets, quotas' use, endpoints.

use serde_json::{Value, json};

use super::{MANAGER, create, deployments::replicas};
use crate::testing::model::{
    json::{flag, is_ready, items, number, put, selects_plainly, take, text},
    kinds::Key,
    requests,
    world::World,
};

/// Annotation of an autoscaler that says how many replicas its metrics ask for.
const WANTED: &str = "/metadata/annotations/model.aiops.io~1wanted";

/// Autoscalers hold their targets between minimum and maximum, at what their metrics ask for.
pub(super) fn autoscalers(world: &mut World) {
    for (key, scaler) in world.of_kind("HorizontalPodAutoscaler") {
        // One that was recorded says for itself that its metrics are not there.
        if text(&scaler, WANTED).is_empty() {
            continue;
        }
        let kind = text(&scaler, "/spec/scaleTargetRef/kind").to_owned();
        let target = Key::new(&kind, &key.namespace, text(&scaler, "/spec/scaleTargetRef/name"));
        let Some(workload) = world.get(&target) else { continue };
        let least = number(&scaler, "/spec/minReplicas").max(1);
        let most = number(&scaler, "/spec/maxReplicas").max(least);
        let current = replicas(&workload);
        let wanted = text(&scaler, WANTED).parse().unwrap_or(current).clamp(least, most);
        world.change(MANAGER, &target, |workload| put(workload, "/spec/replicas", wanted));
        world.change(MANAGER, &key, |scaler| {
            put(scaler, "/status/currentReplicas", current);
            put(scaler, "/status/desiredReplicas", wanted);
        });
    }
}

/// Cordoned nodes carry the taint of a cordon, others do not.
pub(super) fn nodes(world: &mut World) {
    const TAINT: &str = "node.kubernetes.io/unschedulable";
    for (key, node) in world.of_kind("Node") {
        let is_cordoned = flag(&node, "/spec/unschedulable");
        let has_taint = items(&node, "/spec/taints").any(|taint| text(taint, "/key") == TAINT);
        if is_cordoned == has_taint {
            continue;
        }
        let mut taints: Vec<Value> =
            items(&node, "/spec/taints").filter(|taint| text(taint, "/key") != TAINT).cloned().collect();
        if is_cordoned {
            taints.push(json!({ "key": TAINT, "effect": "NoSchedule" }));
        }
        world.change(MANAGER, &key, |node| {
            if taints.is_empty() {
                take(node, "/spec/taints");
            } else {
                put(node, "/spec/taints", taints);
            }
        });
    }
}

/// Disruption budgets and quotas say what they count.
pub(super) fn budgets(world: &mut World) {
    for (key, budget) in world.of_kind("PodDisruptionBudget") {
        let standing = requests::standing(world, &key, &budget);
        let is_known = number(&budget, "/status/currentHealthy") == standing.healthy
            && number(&budget, "/status/desiredHealthy") == standing.desired
            && number(&budget, "/status/expectedPods") == standing.expected
            && number(&budget, "/status/disruptionsAllowed") == standing.allowed();
        if !is_known {
            let status = requests::budget_status(standing, number(&budget, "/metadata/generation"));
            world.change(MANAGER, &key, |budget| put(budget, "/status", status));
        }
    }
    for (key, quota) in world.of_kind("ResourceQuota") {
        let hard = quota.pointer("/spec/hard").and_then(Value::as_object).cloned().unwrap_or_default();
        for resource in hard.keys().filter(|resource| create::is_counted(resource)) {
            let used: i64 =
                create::living(world, &key.namespace).map(|pod| create::taken(&pod, resource)).sum();
            let path = format!("/status/used/{resource}");
            let known = create::written(resource, used);
            // What is written another way (`500m`, `1Gi`) and says the same stays.
            let says = text(&quota, &path);
            let read = if resource.ends_with("cpu") {
                aiops_inventory::quantity::cpu_milli(says)
            } else {
                aiops_inventory::quantity::bytes(says)
            };
            if read != Some(used) {
                world.change(MANAGER, &key, |quota| put(quota, &path, known));
            }
        }
    }
}

/// The slices of Services that select pods name the pods that serve.
pub(super) fn endpoints(world: &mut World) {
    for (key, service) in world.of_kind("Service") {
        let selector = service.pointer("/spec/selector");
        if selector.is_none() {
            continue;
        }
        let slices = world
            .within("EndpointSlice", &key.namespace)
            .into_iter()
            .filter(|(_, object)| text(object, "/metadata/labels/kubernetes.io~1service-name") == key.name);
        let Some((slice, object)) = slices.into_iter().next() else { continue };
        let endpoints: Vec<Value> = world
            .within("Pod", &key.namespace)
            .into_iter()
            .filter(|(_, object)| {
                selects_plainly(selector, object.pointer("/metadata/labels"))
                    && !text(object, "/status/podIP").is_empty()
            })
            .map(|(pod, object)| {
                let ready = is_ready(&object);
                json!({
                    "addresses": [text(&object, "/status/podIP")],
                    "conditions": { "ready": ready, "serving": ready, "terminating": false },
                    "nodeName": text(&object, "/spec/nodeName"),
                    "targetRef": {
                        "kind": "Pod", "namespace": pod.namespace, "name": pod.name,
                        "uid": text(&object, "/metadata/uid"),
                    },
                })
            })
            .collect();
        // Only when who serves differs: the recorded order and words stay.
        let serving = |endpoints: &[Value]| {
            let mut names: Vec<(String, bool)> = endpoints
                .iter()
                .map(|e| (text(e, "/targetRef/name").to_owned(), flag(e, "/conditions/ready")))
                .collect();
            names.sort();
            names
        };
        let known: Vec<Value> = items(&object, "/endpoints").cloned().collect();
        if serving(&known) != serving(&endpoints) {
            world.change(MANAGER, &slice, |slice| put(slice, "/endpoints", endpoints));
        }
    }
}
