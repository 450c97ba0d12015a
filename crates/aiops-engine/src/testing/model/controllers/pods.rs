//! The scheduler and the kubelets: pods get a node, start, run or fail as their containers are, and end.
//!
//! What was recorded stays as it was recorded: only pods that the model made are started and looked at again. Affinity,
//! taints other than cordons, volumes and init containers are not weighed.

use std::{collections::BTreeMap, sync::Arc};

use aiops_inventory::quantity;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    KUBELET, Said, create, each,
    revisions::{is_alive, is_open},
};
use crate::testing::model::{
    Trouble,
    json::{condition, has, items, put, text},
    kinds::Key,
    world::World,
};

/// Annotation of pods that the model made and starts.
const OURS: &str = "/metadata/annotations/model.aiops.io~1started";

/// One turn. Returns the moment that is waited for, in milliseconds since 1970.
pub(super) fn step(world: &mut World) -> Option<i64> {
    let mut loads = None;
    each(world, "Pod", |world, key, pod| {
        if has(pod, "/metadata/deletionTimestamp") {
            Said::Until(end(world, key, pod))
        } else if matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") {
            Said::Until(None)
        } else if text(pod, "/spec/nodeName").is_empty() {
            // Pods of every namespace take room on a node.
            Said::Again(schedule(world, key, pod, &mut loads))
        } else {
            Said::Until(run(world, key, pod))
        }
    })
}

fn node_of(world: &World, pod: &Value) -> Option<Arc<Value>> {
    world.get(&Key::new("Node", "", text(pod, "/spec/nodeName")))
}

/// A stored time, in milliseconds since 1970.
fn moment(at: &str) -> Option<i64> {
    at.parse::<Timestamp>().ok().map(|at| at.as_millisecond())
}

/// A pod whose node answers ends after its time; one whose node is dead ends when the node comes back.
fn end(world: &mut World, key: &Key, pod: &Value) -> Option<i64> {
    let is_placed = !text(pod, "/spec/nodeName").is_empty();
    if is_placed && node_of(world, pod).is_some_and(|node| !is_alive(&node)) {
        return None;
    }
    let ending = i64::try_from(world.ending.as_millis()).unwrap_or(i64::MAX);
    let over_at = moment(text(pod, "/metadata/deletionTimestamp")).map(|at| at.saturating_add(ending));
    match over_at.filter(|at| is_placed && *at > world.now.as_millisecond()) {
        Some(at) => Some(at),
        None => {
            world.remove(key);
            None
        }
    }
}

/// What runs on a node.
#[derive(Debug, Default, Clone, Copy)]
struct Load {
    pods: usize,
    cpu: i64,
    memory: i64,
}

impl Load {
    fn add(&mut self, pod: &Value) {
        self.pods = self.pods.saturating_add(1);
        self.cpu = self.cpu.saturating_add(create::taken(pod, "cpu"));
        self.memory = self.memory.saturating_add(create::taken(pod, "memory"));
    }
}

/// The loads of all nodes, and the version of the world of which they are.
struct Loads {
    version: u64,
    of: BTreeMap<String, Load>,
}

impl Loads {
    fn of(world: &World) -> Self {
        let mut of: BTreeMap<String, Load> = BTreeMap::new();
        for (_, pod) in world.of_kind("Pod") {
            let node = text(&pod, "/spec/nodeName");
            if !node.is_empty() && !matches!(text(&pod, "/status/phase"), "Succeeded" | "Failed") {
                of.entry(node.to_owned()).or_default().add(&pod);
            }
        }
        Self { version: world.version, of }
    }

    fn on(&self, node: &str) -> Load {
        self.of.get(node).copied().unwrap_or_default()
    }
}

fn fits(pod: &Value, load: Load, node: &Value) -> bool {
    let wanted = pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
    let labels = node.pointer("/metadata/labels");
    if !wanted
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    {
        return false;
    }
    [("cpu", load.cpu), ("memory", load.memory)].into_iter().all(|(resource, used)| {
        let path = format!("/status/allocatable/{resource}");
        let room = text(node, &path);
        let room = if resource == "cpu" { quantity::cpu_milli(room) } else { quantity::bytes(room) };
        let Some(room) = room else { return true };
        used.saturating_add(create::taken(pod, resource)) <= room
    })
}

fn schedule(world: &mut World, key: &Key, pod: &Value, known: &mut Option<Loads>) -> Option<i64> {
    let nodes = world.of_kind("Node");
    // What others changed meanwhile is counted anew; what was placed here is added.
    let loads = match known {
        Some(loads) if loads.version == world.version => loads,
        stale => stale.insert(Loads::of(world)),
    };
    let open =
        nodes.iter().filter(|(node, object)| is_open(object) && fits(pod, loads.on(&node.name), object));
    let best = open.min_by_key(|(node, _)| (loads.on(&node.name).pods, node.name.clone()));
    let stamp = world.stamp();
    let Some((node, _)) = best else {
        if has(pod, "/status/conditions") {
            return None;
        }
        let message = format!("0/{} nodes are available: no node takes this pod.", nodes.len());
        let unscheduled = json!([{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
            "lastTransitionTime": stamp,
        }]);
        world.change("kube-scheduler", key, |pod| put(pod, "/status/conditions", unscheduled));
        return None;
    };
    let name = node.name.clone();
    loads.of.entry(name.clone()).or_default().add(pod);
    world.change("kube-scheduler", key, |pod| {
        put(pod, "/spec/nodeName", name);
        put(pod, OURS, stamp);
    });
    loads.version = world.version;
    None
}

/// Starts a pod of ours, and changes its standing when what ails it changes.
fn run(world: &mut World, key: &Key, pod: &Value) -> Option<i64> {
    let started = text(pod, OURS).to_owned();
    if started.is_empty() {
        if has(pod, "/status/containerStatuses") || has(pod, "/status/conditions") {
            return None;
        }
        let stamp = world.stamp();
        world.change(KUBELET, key, |pod| put(pod, OURS, stamp));
        return None;
    }
    if node_of(world, pod).is_some_and(|node| !is_alive(&node)) {
        return None;
    }
    let began = moment(&started)?;
    let passed = world.now.as_millisecond().saturating_sub(began);
    let startup = i64::try_from(world.startup.as_millis()).unwrap_or_default();
    if passed < startup {
        return Some(began.saturating_add(startup));
    }
    let containers: Vec<(Value, Option<Trouble>)> = items(pod, "/spec/containers")
        .map(|container| (container.clone(), trouble(world, container)))
        .collect();
    let standing: Vec<Value> = containers
        .iter()
        .map(|(container, trouble)| container_status(container, trouble.as_ref(), &started, passed))
        .collect();
    let ready = containers.iter().all(|(_, trouble)| trouble.is_none());
    let is_pending = containers
        .iter()
        .any(|(_, trouble)| matches!(trouble, Some(Trouble::Pull { .. } | Trouble::Config { .. })));
    let word = if ready { "True" } else { "False" };
    let turned = if condition(pod, "Ready") == word {
        items(pod, "/status/conditions")
            .find(|c| text(c, "/type") == "Ready")
            .map(|c| text(c, "/lastTransitionTime").to_owned())
    } else {
        None
    }
    .unwrap_or_else(|| world.stamp());
    let of = |kind: &str, status: &str, at: &str| json!({ "type": kind, "status": status, "lastTransitionTime": at });
    let mut conditions = vec![of("PodScheduled", "True", &started), of("Initialized", "True", &started)];
    for kind in ["ContainersReady", "Ready"] {
        let mut condition = of(kind, word, &turned);
        if !ready {
            put(&mut condition, "/reason", "ContainersNotReady");
        }
        conditions.push(condition);
    }
    world.change(KUBELET, key, |pod| {
        put(pod, "/status/phase", if is_pending { "Pending" } else { "Running" });
        put(pod, "/status/conditions", conditions);
        put(pod, "/status/containerStatuses", standing);
        put(pod, "/status/startTime", started.as_str());
        put(pod, "/status/podIP", "10.0.0.1");
    });
    // A crash is counted again and again for a while.
    let counted = passed / BETWEEN;
    let next = began.saturating_add(counted.saturating_add(1).saturating_mul(BETWEEN));
    (!ready && counted < RESTARTS).then_some(next)
}

/// How often a crash is counted, and how far apart, in milliseconds.
const RESTARTS: i64 = 5;
const BETWEEN: i64 = 20_000;

/// What ails a container: what is known of its like, or what its template says plainly: a tag that begins with `bad`, a
/// command with the word `crash`, a variable `MODEL_NEEDS_MEMORY` above its limit.
fn trouble(world: &World, container: &Value) -> Option<Trouble> {
    let image = text(container, "/image");
    let command: Vec<String> = items(container, "/command")
        .chain(items(container, "/args"))
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect();
    let limit = quantity::bytes(text(container, "/resources/limits/memory"));
    let too_little = |needs: i64| limit.is_some_and(|limit| limit <= needs);
    let known = world.symptoms.iter().find(|symptom| {
        symptom.image == image
            && symptom.command.as_ref().is_none_or(|words| *words == command)
            && !matches!(symptom.trouble, Trouble::Memory { needs } if !too_little(needs))
    });
    if let Some(symptom) = known {
        return Some(symptom.trouble.clone());
    }
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    if tag.starts_with("bad") {
        return Some(Trouble::Pull {
            message: format!("failed to pull and unpack image {image:?}: not found"),
        });
    }
    if command.iter().any(|word| word == "crash") {
        return Some(Trouble::Crash { code: 1 });
    }
    let needs = items(container, "/env").find(|variable| text(variable, "/name") == "MODEL_NEEDS_MEMORY")?;
    let needs = quantity::bytes(text(needs, "/value"))?;
    too_little(needs).then_some(Trouble::Memory { needs })
}

fn container_status(container: &Value, trouble: Option<&Trouble>, started: &str, passed: i64) -> Value {
    let restarts = (passed / BETWEEN).clamp(1, RESTARTS);
    let name = text(container, "/name");
    let ended = |code: i64, reason: &str| {
        let terminated = json!({
            "terminated": { "exitCode": code, "reason": reason, "startedAt": started, "finishedAt": started },
        });
        let wait = json!({ "waiting": {
            "reason": "CrashLoopBackOff",
            "message": format!("back-off 5m0s restarting failed container={name}"),
        } });
        (wait, terminated, restarts)
    };
    let waiting = |reason: &str, message: &str| {
        (json!({ "waiting": { "reason": reason, "message": message } }), json!({}), 0)
    };
    let (state, last, restarts) = match trouble {
        None => (json!({ "running": { "startedAt": started } }), json!({}), 0),
        Some(Trouble::Pull { message }) => waiting("ImagePullBackOff", message),
        Some(Trouble::Config { message }) => waiting("CreateContainerConfigError", message),
        Some(Trouble::Crash { code }) => ended(*code, "Error"),
        Some(Trouble::Memory { .. }) => ended(137, "OOMKilled"),
    };
    let mut status = json!({
        "name": name, "image": text(container, "/image"), "imageID": "", "ready": trouble.is_none(),
        "started": trouble.is_none(), "restartCount": restarts, "state": state, "lastState": last,
    });
    if trouble.is_none() {
        put(&mut status, "/containerID", format!("model://{name}"));
    }
    status
}
