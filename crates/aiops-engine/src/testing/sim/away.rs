//! What was taken away has to be made again before anything is called completed: pods of Jobs, ReplicaSets and operators, and a
//! drained node has to be empty.
//!
//! Each story makes the pods that come next as bad as it says, and nothing else.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    faults::Faults,
    plans,
    run::{Base, Options, Sim},
    scene, settings,
};
use crate::{
    model::{action::Action, phase::Phase, plan::Approval},
    testing::model::{
        Key, Symptom, Trouble, build,
        json::{put, reference, text},
    },
};

pub(super) fn sim() -> Sim {
    faulty(Faults::traced([]), 1)
}

/// The same with faults, and so many processes.
pub(super) fn faulty(faults: Arc<Faults>, processes: usize) -> Sim {
    let options =
        Options { seed: 1, processes, defect: None, settings: settings(), jumps: false, sweeps: false };
    Sim::new(&Base::new(), faults, options)
}

/// New pods of this image wait for something that does not come.
fn ail(sim: &Sim, image: &str) {
    let trouble = Trouble::Config { message: "secret \"key\" not found".to_owned() };
    sim.model.ail(Symptom { image: image.to_owned(), command: None, trouble });
}

/// How it ended, and why.
pub(super) fn ending(sim: &mut Sim) -> (Phase, String) {
    sim.rush(60_000);
    super::verdict(sim, "taken away").unwrap();
    let workflow = sim.everything().remove(0);
    (workflow.phase, workflow.reason.unwrap_or_default())
}

pub(super) fn assert_failed(ended: (Phase, String), says: &str) {
    assert_eq!(ended.0, Phase::Failed, "{}", ended.1);
    assert!(ended.1.contains(says), "{}", ended.1);
}

#[test]
fn a_jobs_pod_that_is_gone_is_no_repair_before_the_next_one_runs() {
    for is_ill in [false, true] {
        let mut sim = sim();
        if is_ill {
            ail(&sim, "registry.example/job:1");
        }
        let action = scene::named(&sim.model, "delete-pod");
        sim.order(&[action], Approval::Auto);
        let ended = ending(&mut sim);
        if is_ill {
            assert_failed(ended, "of Job data/import is not ready yet");
        } else {
            assert_eq!(ended.0, Phase::Completed, "{}", ended.1);
        }
    }
}

#[test]
fn a_job_that_fails_because_of_what_was_taken_away_is_told_at_once() {
    let mut sim = sim();
    let action = scene::named(&sim.model, "delete-pod");
    sim.order(&[action], Approval::Auto);
    while !sim.has_acted() {
        sim.rush(1);
    }
    let acted = sim.hands.millis();
    sim.model.edit("kube-controller-manager", &Key::new("Job", "data", "import"), |job| {
        let failed = json!([{ "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded" }]);
        put(job, "/status/conditions", failed);
    });
    assert_failed(ending(&mut sim), "Job data/import has failed (BackoffLimitExceeded)");
    let took = sim.everything()[0].finished_at.unwrap() - acted;
    assert!(took < 30_000, "{took} ms");
}

/// A ReplicaSet that no Deployment made, and one of its pods.
fn bare_set(sim: &mut Sim) -> Action {
    let mut set = build::deployment("data", "bare", "registry.example/bare:1", 2);
    put(&mut set, "/kind", "ReplicaSet");
    sim.model.put("kubectl", set);
    sim.pass(10_000);
    let pods = sim.model.objects("Pod");
    let (key, _) = pods.iter().find(|(key, _)| key.name.starts_with("bare-")).unwrap();
    Action::EvictPod { target: scene::target(&sim.model, "Pod", "data", &key.name) }
}

#[test]
fn a_bare_replica_set_has_to_have_its_pods_again() {
    for is_ill in [false, true] {
        let mut sim = sim();
        let evict = bare_set(&mut sim);
        if is_ill {
            // What runs already goes on; it is the next pod that hangs.
            while !sim.has_acted() {
                if sim.everything().is_empty() {
                    sim.order(std::slice::from_ref(&evict), Approval::Auto);
                }
                sim.rush(1);
            }
            ail(&sim, "registry.example/bare:1");
        } else {
            sim.order(&[evict], Approval::Auto);
        }
        let ended = ending(&mut sim);
        if is_ill {
            assert_failed(ended, "ReplicaSet data/bare: ");
        } else {
            assert_eq!(ended.0, Phase::Completed, "{}", ended.1);
        }
    }
}

/// A pod that an operator made, on a node.
pub(super) fn of_operator(sim: &Sim, name: &str, node: &str) -> Value {
    let owner = sim.model.object(&Key::new("Database", "data", "main")).unwrap();
    let mut pod = build::job_pod("data", "none", name, "none", node);
    put(&mut pod, "/metadata/labels", json!({}));
    put(&mut pod, "/metadata/ownerReferences", vec![reference(&owner)]);
    put(&mut pod, "/status/conditions", json!([{ "type": "Ready", "status": "True" }]));
    pod
}

#[test]
fn a_pod_of_an_owner_that_nobody_knows_has_to_be_made_again() {
    for comes_again in [true, false] {
        let mut sim = sim();
        for name in ["main-0", "main-1"] {
            let pod = of_operator(&sim, name, "n1");
            sim.model.put("operator", pod);
        }
        sim.pass(60_000);
        let target = scene::target(&sim.model, "Pod", "data", "main-0");
        sim.order(&[Action::EvictPod { target }], Approval::Auto);
        while !sim.has_acted() {
            sim.rush(1);
        }
        if comes_again {
            sim.pass(5_000);
            let pod = of_operator(&sim, "main-0", "n1");
            sim.model.put("operator", pod);
        }
        let ended = ending(&mut sim);
        if comes_again {
            assert_eq!(ended.0, Phase::Completed, "{}", ended.1);
        } else {
            assert_failed(ended, "0 of 1 pods that Database data/main lost were made again");
        }
    }
}

/// A drain of n2, as the remedy plans it.
pub(super) fn drain(sim: &mut Sim) {
    let node = scene::target(&sim.model, "Node", "", "n2");
    let mut actions = vec![Action::CordonNode { target: node }];
    for (key, pod) in sim.model.objects("Pod") {
        let by = crate::testing::model::json::controller(&pod).map_or("", |(kind, ..)| kind);
        if text(&pod, "/spec/nodeName") == "n2" && by != "DaemonSet" {
            let target = scene::target(&sim.model, "Pod", &key.namespace, &key.name);
            actions.push(Action::EvictPod { target });
        }
    }
    assert!(actions.len() > 2, "{actions:?}");
    let mut plan = plans::plan(&sim.model, &actions, Approval::Auto, sim.hands.millis());
    plan.remedy = "drain-node".to_owned();
    sim.order_plan(plan);
}

#[test]
fn a_drained_node_is_empty_and_what_left_it_runs_elsewhere() {
    let mut sim = sim();
    drain(&mut sim);
    let ended = ending(&mut sim);
    assert_eq!(ended.0, Phase::Completed, "{}", ended.1);
    let checks = sim.history().records.remove(0).checks;
    let target = checks.iter().find(|check| check.name == "target").unwrap();
    let said = target.evidence.as_deref().unwrap_or_default();
    assert!(said.contains("nothing is left on Node n2") && said.contains("Deployment shop/web"), "{said}");
}

#[test]
fn a_drain_that_leaves_a_pod_behind_is_not_completed() {
    let mut sim = sim();
    drain(&mut sim);
    // It came after the plan was made.
    let pod = of_operator(&sim, "late", "n2");
    sim.model.put("operator", pod);
    assert_failed(ending(&mut sim), "1 pods are left on Node n2: data/late is still there");
}

#[test]
fn a_drain_whose_pods_find_no_other_node_is_not_completed() {
    let mut sim = sim();
    drain(&mut sim);
    sim.model.edit("kubectl", &Key::new("Node", "", "n1"), |node| put(node, "/spec/unschedulable", true));
    let (phase, why) = ending(&mut sim);
    assert_eq!(phase, Phase::Failed, "{why}");
    assert!(why.contains("not seen healthy in time") && why.contains("pods are"), "{why}");
}
