//! What people and others do during a random schedule: they approve, deny, cancel, resolve, throw switches, send alerts,
//! write and delete what we act on.
//!
//! Everything is thrown by the run's dice; nothing here judges.

use std::collections::BTreeMap;

use super::run::{Sim, tried};
use crate::{
    coordination::{Alert, Coordination as _, Decision, Resolution, Trigger},
    model::{
        action::Action,
        caller::{Caller, Via},
        phase::Phase,
    },
    testing::model::{Key, json::put},
};

/// The actions that can be asked for by name.
pub(crate) type Catalogue = [(&'static str, Action)];

/// What happens at a moment.
pub(crate) fn trouble(sim: &mut Sim, catalogue: &Catalogue) {
    match sim.dice.below(34) {
        0..=7 => decide(sim),
        8 => cancel(sim),
        9 => {
            let mode = *sim.dice.pick(&["pause", "stop"]);
            sim.switch(mode);
        }
        10..=13 => sim.switch("run"),
        14 => {
            let mode = *sim.dice.pick(&["open", "automation"]);
            sim.control("breaker", mode);
        }
        15..=17 => sim.control("breaker", "closed"),
        18..=20 => write(sim),
        21..=24 => request(sim, catalogue),
        25..=29 => alerts(sim),
        30 => resolve(sim),
        31 => node(sim),
        32 => sicken(sim),
        _ => {
            let key = sim.anything();
            if sim.dice.is(300) {
                sim.model.revert(&key, serde_json::json!({ "spec": { "replicas": 2 } }), 1);
            }
        }
    }
}

fn somebody(sim: &mut Sim) -> Caller {
    let name = *sim.dice.pick(&["ann", "ben"]);
    Caller::identified(name, Vec::new(), Via::Rest)
}

/// Somebody answers what waits for an answer: mostly yes, sometimes to another plan, sometimes too late.
fn decide(sim: &mut Sim) {
    let who = somebody(sim);
    let all = sim.everything();
    let Some(workflow) = all.iter().find(|w| w.phase == Phase::AwaitingApproval) else { return };
    let digest = if sim.dice.is(150) { "another".to_owned() } else { workflow.digest.clone().unwrap() };
    let approve = !sim.dice.is(150);
    let decision = Decision { digest, approve, reason: None, by_elicitation: false };
    // What is refused is no answer, and everything else is in the store.
    let _ = tried(sim.coordinator("door").decide(&who, &workflow.id, decision));
}

fn cancel(sim: &mut Sim) {
    let who = somebody(sim);
    let all = sim.everything();
    if !all.is_empty() {
        let workflow = sim.dice.pick(&all).id.clone();
        let _ = tried(sim.coordinator("door").cancel(&who, &workflow, Some("enough".to_owned())));
    }
}

/// Somebody looked at what was parked.
fn resolve(sim: &mut Sim) {
    let who = somebody(sim);
    let all = sim.everything();
    let Some(parked) = all.iter().find(|w| w.phase == Phase::NeedsOperator) else { return };
    let outcome = sim.dice.pick(&["completed", "rolled_back", "failed"]).to_string();
    let how = Resolution { outcome, note: "looked at".to_owned() };
    let _ = tried(sim.coordinator("door").resolve(&who, &parked.id, how));
}

/// Another writer.
fn write(sim: &mut Sim) {
    let key = sim.anything();
    let is_scaled = matches!(key.kind.as_str(), "Deployment" | "StatefulSet");
    if is_scaled && sim.dice.is(650) {
        let replicas = 1 + sim.dice.below(4);
        sim.model.edit("kubectl", &key, |object| put(object, "/spec/replicas", replicas));
    } else if (is_scaled || key.kind == "DaemonSet") && sim.dice.is(300) {
        sim.model.recreate("kubectl", &key);
    } else if key.kind == "Deployment" && sim.dice.is(500) {
        sim.model.edit("kubectl", &key, |object| {
            put(object, "/metadata/annotations/aiops.io~1ignore", "true");
        });
    }
}

/// A node goes, or comes back.
fn node(sim: &mut Sim) {
    let word = *sim.dice.pick(&["False", "True", "True"]);
    for (key, _) in sim.model.objects("Node").into_iter().take(1) {
        let ready = serde_json::json!([{ "type": "Ready", "status": word, "reason": "Told",
            "lastTransitionTime": "2026-01-01T00:00:00Z" }]);
        sim.model.edit("kubelet", &key, |node| put(node, "/status/conditions", ready));
    }
}

/// The containers of an image begin to crash, or stop doing so.
fn sicken(sim: &mut Sim) {
    let image =
        *sim.dice.pick(&["registry.example/web:2", "registry.example/db:2", "registry.example/api:2"]);
    if sim.dice.is(400) {
        sim.model.heal(image);
        return;
    }
    let trouble = crate::testing::model::Trouble::Crash { code: 1 };
    sim.model.ail(crate::testing::model::Symptom { image: image.to_owned(), command: None, trouble });
}

/// Alerts about workloads of the scene, firing and resolved mixed, some of them twice.
fn alerts(sim: &mut Sim) {
    let count = 1 + sim.dice.below(4);
    let mut alerts = Vec::new();
    for _ in 0..count {
        let (kind, namespace, name) = *sim.dice.pick(&[
            ("deployment", "shop", "web"),
            ("deployment", "shop", "api"),
            ("statefulset", "data", "db"),
            ("daemonset", "data", "agent"),
        ]);
        let alertname = *sim.dice.pick(&["KubePodCrashLooping", "KubeDeploymentReplicasMismatch"]);
        let labels =
            [("alertname", alertname), ("severity", "critical"), ("namespace", namespace), (kind, name)];
        let labels: BTreeMap<String, String> =
            labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
        alerts.push(Alert {
            is_resolved: sim.dice.is(350),
            labels,
            annotations: BTreeMap::new(),
            starts_at: "2026-11-27T11:00:00Z".to_owned(),
            fingerprint: format!("{alertname}-{name}"),
        });
    }
    if sim.dice.is(300) {
        alerts.extend(alerts.clone());
    }
    sim.alert(alerts);
}

/// A request of a door by the dice: an action by name, an issue, the same once more, or only a plan.
pub(crate) fn request(sim: &mut Sim, catalogue: &Catalogue) {
    let (_, action) = sim.dice.pick(catalogue).clone();
    let target = action.target().clone();
    let issue = *sim.dice.pick(&["pod_crash_loop", "image_pull", "oom_kill"]);
    let by_name = sim.dice.is(700);
    let number = sim.dice.below(4);
    let trigger = Trigger {
        namespace: target.namespace.clone(),
        kind: target.kind.clone(),
        name: target.name.clone(),
        issue: if by_name { String::new() } else { issue.to_owned() },
        dry_run: sim.dice.is(150),
        action: by_name.then_some(action),
        idempotency_key: sim.dice.is(500).then(|| format!("key-{number}")),
        ..Trigger::default()
    };
    let ann = Caller::identified("ann", Vec::new(), Via::Rest);
    sim.trigger(&ann, trigger.clone());
    if sim.dice.is(300) {
        sim.trigger(&ann, trigger);
    }
}

/// A Deployment's image becomes one that is bad, or only another.
pub(crate) fn upgrade(sim: &mut Sim) {
    let web = Key::new("Deployment", "shop", "web");
    let image = *sim.dice.pick(&["registry.example/web:bad", "registry.example/web:3"]);
    sim.model.edit("kubectl", &web, |web| {
        put(web.pointer_mut("/spec/template/spec/containers/0").unwrap(), "/image", image);
    });
    sim.pass(12_000);
}
