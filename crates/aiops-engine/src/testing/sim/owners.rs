//! Owners that the plan is not about: they owe the pods that they lost and nothing else, and what was wrong with them before
//! undoes nobody's drain.
//!
//! And what a step rests on that is another by the time of the step: a Job's failures, an Application's namespaces.

use serde_json::{Value, json};

use super::{
    away::{assert_failed, drain, ending, faulty, of_operator, sim},
    faults::{Call, Fate, Faults},
    plans,
    run::{Base, Sim},
    scene,
    stories::Story,
};
use crate::{
    model::{
        action::Action,
        phase::{Phase, StepState},
        plan::Approval,
        target::Target,
    },
    testing::model::{
        Key, Symptom, Trouble,
        json::{is_ready, number, put, text},
    },
};

const MINUTE: i64 = 60_000;

fn web() -> Key {
    Key::new("Deployment", "shop", "web")
}

/// A rollout of `web` to an image that is nowhere, which stands still; its old pods serve on.
fn stuck() -> Sim {
    let mut sim = sim();
    let trouble = Trouble::Pull { message: "registry.example/web:9: not found".to_owned() };
    sim.model.ail(Symptom { image: "registry.example/web:9".to_owned(), command: None, trouble });
    sim.model.edit("kubectl", &web(), |web| {
        put(web.pointer_mut("/spec/template/spec/containers/0").unwrap(), "/image", "registry.example/web:9");
    });
    for _ in 0..12 {
        sim.pass(MINUTE);
    }
    let now = sim.model.object(&web()).unwrap();
    let figure = |member: &str| number(&now, &format!("/status/{member}"));
    assert_eq!((figure("readyReplicas"), figure("updatedReplicas")), (3, 1), "{now:#}");
    sim
}

/// The pods of `web`: those that serve, or those that do not.
fn pods(sim: &Sim, serve: bool) -> Vec<Key> {
    let all = sim.model.objects("Pod").into_iter();
    let of_web = all.filter(|(key, pod)| key.name.starts_with("web-") && is_ready(pod) == serve);
    of_web.map(|(key, _)| key).collect()
}

fn evict(sim: &Sim, key: &Key) -> Action {
    Action::EvictPod { target: scene::target(&sim.model, "Pod", &key.namespace, &key.name) }
}

/// What the look at the end said.
fn said(sim: &Sim) -> String {
    let checks = sim.history().records.remove(0).checks;
    let told = checks.into_iter().rfind(|check| check.name == "target").and_then(|check| check.evidence);
    told.unwrap_or_default()
}

#[test]
fn an_eviction_is_completed_though_its_owner_has_had_a_stuck_rollout_since_before() {
    let mut sim = stuck();
    let pod = pods(&sim, true).remove(0);
    let evict = evict(&sim, &pod);
    sim.order(&[evict], Approval::Auto);
    let ended = ending(&mut sim);
    assert_eq!(ended.0, Phase::Completed, "{}", ended.1);
    assert_eq!(said(&sim), "1 of 1 pods that Deployment shop/web lost were made again and are ready");
    assert_eq!(pods(&sim, true).len(), 3);
}

#[test]
fn an_eviction_whose_pod_is_not_made_again_is_not_completed_whatever_else_ails_its_owner() {
    let mut sim = stuck();
    let pod = pods(&sim, true).remove(0);
    let evict = evict(&sim, &pod);
    sim.order(&[evict], Approval::Auto);
    while !sim.has_acted() {
        sim.rush(1);
    }
    // What serves goes on; the next pod of the old template does not start either.
    let trouble = Trouble::Config { message: "secret \"key\" not found".to_owned() };
    sim.model.ail(Symptom { image: "registry.example/web:2".to_owned(), command: None, trouble });
    assert_failed(ending(&mut sim), "0 of 1 pods that Deployment shop/web lost were made again");
}

#[test]
fn a_drain_asks_nothing_for_the_pods_that_did_not_serve_before() {
    let mut sim = stuck();
    // The one that cannot start is on the node that is emptied.
    let bad = pods(&sim, false).remove(0);
    if text(&sim.model.object(&bad).unwrap(), "/spec/nodeName") != "n2" {
        let n1 = Key::new("Node", "", "n1");
        sim.model.edit("kubectl", &n1, |node| put(node, "/spec/unschedulable", true));
        sim.model.delete("kubectl", &bad);
        sim.pass(MINUTE);
        sim.model.edit("kubectl", &n1, |node| put(node, "/spec/unschedulable", false));
        sim.pass(MINUTE);
    }
    let bad = sim.model.object(&pods(&sim, false).remove(0)).unwrap();
    assert_eq!(text(&bad, "/spec/nodeName"), "n2");
    drain(&mut sim);
    let ended = ending(&mut sim);
    assert_eq!(ended.0, Phase::Completed, "{}", ended.1);
    assert!(said(&sim).contains("nothing is left on Node n2"), "{}", said(&sim));
}

#[test]
fn an_owner_that_is_gone_has_nothing_to_make_again() {
    let mut sim = sim();
    let (key, _) = sim.model.objects("Pod").into_iter().find(|(key, _)| key.name == "db-1").unwrap();
    let evict = evict(&sim, &key);
    sim.order(&[evict], Approval::Auto);
    while !sim.has_acted() {
        sim.rush(1);
    }
    sim.model.delete("kubectl", &Key::new("StatefulSet", "data", "db"));
    let ended = ending(&mut sim);
    assert_eq!(ended.0, Phase::Completed, "{}", ended.1);
    assert_eq!(said(&sim), "StatefulSet data/db, whose pods were taken away, is not there any more");
}

/// A pod of a StatefulSet `db` that is of another group than the one of this name in the scene.
fn of_kruise(sim: &Sim, name: &str) -> Value {
    let mut pod = of_operator(sim, name, "n1");
    let owner = json!([{ "apiVersion": "apps.kruise.io/v1beta1", "kind": "StatefulSet", "name": "db",
        "uid": "u-kruise", "controller": true }]);
    put(&mut pod, "/metadata/ownerReferences", owner);
    pod
}

#[test]
fn an_owner_of_a_known_kind_in_another_group_is_judged_by_its_own_pods() {
    for comes_again in [true, false] {
        let mut sim = sim();
        let pod = of_kruise(&sim, "own-0");
        let key = sim.model.put("kruise", pod);
        sim.pass(MINUTE);
        let evict = evict(&sim, &key);
        sim.order(&[evict], Approval::Auto);
        while !sim.has_acted() {
            sim.rush(1);
        }
        // The one that has the name in `apps` makes one of its own again, which is nobody's here.
        sim.model.delete("kubectl", &Key::new("Pod", "data", "db-1"));
        sim.pass(5_000);
        if comes_again {
            let pod = of_kruise(&sim, "own-0");
            sim.model.put("kruise", pod);
        }
        let ended = ending(&mut sim);
        if comes_again {
            assert_eq!(ended.0, Phase::Completed, "{}", ended.1);
        } else {
            assert_failed(ended, "0 of 1 pods that StatefulSet data/db lost were made again");
        }
    }
}

#[test]
fn a_pod_that_somebody_else_took_away_is_no_repair_where_nobody_knows_who_makes_it_again() {
    let mut sim = sim();
    let pod = of_operator(&sim, "main-0", "n1");
    let key = sim.model.put("operator", pod);
    sim.pass(MINUTE);
    let evict = evict(&sim, &key);
    sim.order(&[evict], Approval::Auto);
    sim.model.delete("kubectl", &key);
    sim.pass(MINUTE);
    assert_eq!(sim.model.object(&key), None);
    let says = "Pod data/main-0 was gone already, and who would make it again is not known";
    assert_failed(ending(&mut sim), says);
    assert!(!sim.has_acted());
    assert_eq!(sim.history().records[0].steps[0].state, StepState::Skipped);
}

/// A plan of this action for `web`, which its owner deletes and makes anew once something was done.
fn made_anew(action: impl Fn(&Sim) -> Action) -> (Sim, (Phase, String)) {
    let mut sim = sim();
    let action = action(&sim);
    let mut plan = plans::plan(&sim.model, &[action], Approval::Auto, sim.hands.millis());
    plan.problem.target = scene::target(&sim.model, "Deployment", "shop", "web");
    sim.order_plan(plan);
    while !sim.has_acted() {
        sim.rush(1);
    }
    sim.model.recreate("operator", &web());
    let ended = ending(&mut sim);
    (sim, ended)
}

#[test]
fn a_target_that_its_owner_made_anew_is_well_when_the_new_one_is() {
    let (sim, ended) = made_anew(|sim| scene::named(&sim.model, "nudge-operator"));
    assert_eq!(ended.0, Phase::Completed, "{}", ended.1);
    assert!(said(&sim).contains("Deployment shop/web"), "{}", said(&sim));
}

#[test]
fn a_target_that_a_step_wrote_is_not_well_when_another_has_its_name() {
    let (_, ended) = made_anew(|sim| scene::named(&sim.model, "restart-deployment"));
    assert_ne!(ended.0, Phase::Completed);
    assert!(ended.1.contains("was deleted and made again"), "{}", ended.1);
}

/// Points the Application at another namespace.
fn point_elsewhere(sim: &Sim) {
    sim.model.edit("kubectl", &Key::new("Application", "argo", "campaign"), |app| {
        put(app, "/spec/destination/namespace", "payments");
    });
}

const ELSEWHERE: &str = "the namespaces it deploys to was argo and is payments now";

#[test]
fn an_application_that_deploys_elsewhere_by_now_is_not_synced_nor_rolled_back() {
    for name in ["sync-application", "rollback-application"] {
        let mut sim = sim();
        let action = scene::named(&sim.model, name);
        sim.order(&[action], Approval::Auto);
        point_elsewhere(&sim);
        let (phase, why) = ending(&mut sim);
        assert_eq!(phase, Phase::Refused, "{name}: {why}");
        assert!(why.contains(ELSEWHERE), "{name}: {why}");
        assert!(!sim.has_acted(), "{name}");
    }
}

#[test]
fn an_application_that_deploys_elsewhere_since_the_plan_began_ends_its_step() {
    let mut sim = sim();
    let actions = [scene::named(&sim.model, "cordon-node"), scene::named(&sim.model, "sync-application")];
    sim.order(&actions, Approval::Auto);
    while !sim.has_acted() {
        sim.rush(1);
    }
    point_elsewhere(&sim);
    let (phase, why) = ending(&mut sim);
    assert_eq!(phase, Phase::RolledBack, "{why}");
    assert!(why.contains(ELSEWHERE), "{why}");
}

/// The Job of the scene, whose pods failed so often, and may fail as often as `most` says.
fn job_failed(sim: &Sim, failed: i64, most: i64) {
    sim.model.edit("kube-controller-manager", &Key::new("Job", "data", "import"), |job| {
        put(job, "/status/failed", failed);
        put(job, "/spec/backoffLimit", most);
    });
}

fn on_its_pod(sim: &Sim) -> [Action; 2] {
    let target: Target = scene::target(&sim.model, "Pod", "data", "import-x");
    [Action::EvictPod { target: target.clone() }, Action::DeletePod { target }]
}

#[test]
fn a_job_whose_failures_were_used_up_since_the_plan_was_made_keeps_its_pod() {
    for place in 0..2 {
        let mut sim = sim();
        let action = on_its_pod(&sim)[place].clone();
        sim.order(std::slice::from_ref(&action), Approval::Auto);
        job_failed(&sim, 2, 2);
        let ended = ending(&mut sim);
        assert_failed(ended, "eviction: 2 pods of Job data/import failed already, 1 more would be 3");
        assert!(!sim.has_acted(), "{action:?}");
    }
}

#[test]
fn a_job_that_has_failures_left_lets_its_pod_go() {
    for place in 0..2 {
        let mut sim = sim();
        let action = on_its_pod(&sim)[place].clone();
        sim.order(std::slice::from_ref(&action), Approval::Auto);
        job_failed(&sim, 1, 2);
        let ended = ending(&mut sim);
        assert_eq!(ended.0, Phase::Completed, "{action:?}: {}", ended.1);
    }
}

#[test]
fn only_a_step_that_takes_a_jobs_pod_away_reads_a_job() {
    let reads = |action: &Action| {
        let mut sim = sim();
        sim.order(std::slice::from_ref(action), Approval::Auto);
        while !sim.has_acted() {
            sim.rush(1);
        }
        let calls = sim.faults.calls();
        let looks = calls.iter().filter(|made| made.call == Call::Look);
        looks.filter(|made| made.place.is_some_and(|place| place.phase == "running")).count()
    };
    let sim = sim();
    let of_job = reads(&scene::named(&sim.model, "delete-pod"));
    let of_set = reads(&scene::named(&sim.model, "evict-pod"));
    assert_eq!(of_job, of_set + 1);
}

#[test]
fn a_job_that_cannot_be_read_is_waited_for_and_its_pod_stays_until_then() {
    let action = scene::named(&sim().model, "delete-pod");
    let plain = Story::Taken.run(&Base::new(), &action, Faults::traced([]));
    let calls = plain.faults.calls();
    let intends = calls.iter().position(|made| made.call == Call::Intend).unwrap();
    let asks = calls[..intends].iter().rposition(|made| made.call == Call::Look).unwrap();
    let mut sim = faulty(Faults::script([(u64::try_from(asks).unwrap(), Fate::Busy)]), 2);
    sim.order(&[action], Approval::Auto);
    let mut waited = false;
    while !sim.has_acted() {
        sim.rush(1);
        let why = sim.everything().remove(0).reason.unwrap_or_default();
        waited |= why.contains("whether Job data/import can spare the pod is not known");
    }
    assert!(waited, "call {asks} of {intends}");
    let ended = ending(&mut sim);
    assert_eq!(ended.0, Phase::Completed, "{}", ended.1);
}
