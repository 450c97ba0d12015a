//! Proving: rights, dry runs and differences, with nothing meant.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::super::{
    fixtures::{World, made, problem},
    *,
};
use crate::{
    ports::acting::{Accepted, Announcement, Mutation, NotDone, NotDoneKind},
    testing::{self, FakeCluster},
};

/// Takes everything down and answers what it was told to.
struct Judge {
    answer: Result<Accepted, NotDone>,
    asked: Mutex<Vec<Mutation>>,
}

#[async_trait]
impl Acting for Judge {
    async fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        self.asked.lock().push(mutation.clone());
        self.answer.clone()
    }

    async fn announce(&self, note: &Announcement) {
        panic!("proving announces nothing: {note:?}");
    }
}

fn engine(cluster: FakeCluster) -> Engine {
    testing::engine(&[], Some(Arc::new(cluster)), super::super::fixtures::NOW)
}

async fn asked(world: World, answer: Result<Accepted, NotDone>) -> (Result<(), Error>, Plan, Vec<Mutation>) {
    let engine = engine(world.0);
    let problem = problem("Deployment", "web", "crash_loop");
    let mut plan = made(super::planned(&engine, &problem, &Order::default()).await.unwrap());
    let judge = Judge { answer, asked: Mutex::default() };
    let proven = prove(&engine, Some(&judge), &mut plan).await;
    (proven, plan, judge.asked.into_inner())
}

async fn proven(world: World, answer: Result<Accepted, NotDone>) -> (Plan, Vec<Mutation>) {
    let (proven, plan, asked) = asked(world, answer).await;
    proven.unwrap();
    (plan, asked)
}

#[tokio::test]
async fn every_request_is_a_dry_run_and_shows_its_difference() {
    let accepted = Accepted { status: 200, warnings: vec!["a warning".to_owned()], ..Accepted::default() };
    let (plan, asked) = proven(World::crashing(), Ok(accepted)).await;
    let [mutation] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(mutation.dry_run);
    let proof = plan.steps[0].proof.as_ref().unwrap();
    assert_eq!((proof.allowed, proof.accepted), (Some(true), Some(true)));
    assert!(
        proof.diff.iter().any(|line| line.contains("shop/web:2") && line.contains("shop/web:1")),
        "{proof:?}"
    );
    assert!(!proof.diff.iter().any(|line| line.contains("aiops.io/effect")), "{proof:?}");
    assert_eq!(proof.notes, ["a warning"]);
    assert_eq!(refusal(&plan), None);
}

#[tokio::test]
async fn what_the_api_server_refuses_is_refused_and_what_it_does_not_answer_is_not() {
    for (kind, accepted) in [
        (NotDoneKind::Rejected, Some(false)),
        (NotDoneKind::Denied, Some(false)),
        (NotDoneKind::Blocked, Some(false)),
        (NotDoneKind::Conflict, None),
        (NotDoneKind::Unknown, None),
        (NotDoneKind::Unsupported, None),
    ] {
        let (plan, _) = proven(World::crashing(), Err(NotDone::new(kind, "because"))).await;
        let proof = plan.steps[0].proof.as_ref().unwrap();
        assert_eq!(proof.accepted, accepted, "{kind:?}");
        assert_eq!(proof.notes, ["because"], "{kind:?}");
        assert_eq!(refusal(&plan).is_some(), accepted == Some(false), "{kind:?}");
    }
}

#[tokio::test]
async fn a_dry_run_that_could_not_be_asked_for_now_is_to_be_asked_for_again() {
    for kind in [NotDoneKind::Throttled, NotDoneKind::NotSent] {
        let (proven, ..) = asked(World::crashing(), Err(NotDone::new(kind, "because"))).await;
        let error = proven.unwrap_err();
        assert!(matches!(&error, Error::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains("proving rollback-workload on Deployment shop/web"), "{error}");
    }
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let mut world = World::crashing();
    world.0.allowed = false;
    let (plan, _) = proven(world, Ok(Accepted::default())).await;
    let why = refusal(&plan).unwrap();
    assert!(why.contains("lacks the right to patch deployments.apps in shop"), "{why}");
}

#[tokio::test]
async fn without_a_port_that_acts_the_difference_is_shown_all_the_same() {
    let engine = engine(World::crashing().0);
    let problem = problem("Deployment", "web", "crash_loop");
    let mut plan = made(super::planned(&engine, &problem, &Order::default()).await.unwrap());
    prove(&engine, None, &mut plan).await.unwrap();
    let proof = plan.steps[0].proof.as_ref().unwrap();
    assert!(!proof.diff.is_empty() && proof.accepted.is_none(), "{proof:?}");
    assert!(proof.notes[0].contains("acting is not enabled"), "{proof:?}");
}

#[tokio::test]
async fn a_digest_does_not_depend_on_the_proof() {
    let (one, _) = proven(World::crashing(), Ok(Accepted::default())).await;
    let (other, _) = proven(World::crashing(), Err(NotDone::new(NotDoneKind::Blocked, "x"))).await;
    assert_eq!(crate::fingerprint::digest(&one).unwrap(), crate::fingerprint::digest(&other).unwrap());
}

#[tokio::test]
async fn a_step_keeps_what_it_overwrites_and_an_earlier_step_of_the_plan_is_no_surprise() {
    let engine = engine(World::crashing().0);
    let first = problem("Deployment", "web", "crash_loop");
    let mut plan = made(super::planned(&engine, &first, &Order::default()).await.unwrap());
    let mut again = plan.steps[0].clone();
    again.order = 1;
    plan.steps.push(again);
    prove(&engine, None, &mut plan).await.unwrap();
    assert_eq!(plan.steps[0].planned_on.keys().collect::<Vec<_>>(), ["spec.template"]);
    assert!(plan.steps[1].planned_on.is_empty());
    assert!(plan.steps[0].deploys_to.is_empty());
    // What was there is a part of what is agreed to.
    let mut other = plan.clone();
    other.steps[0].planned_on.clear();
    assert_ne!(crate::fingerprint::digest(&plan).unwrap(), crate::fingerprint::digest(&other).unwrap());
}

#[tokio::test]
async fn a_sync_says_where_its_application_deploys_to() {
    let world = World::empty();
    world.put(
        "applications",
        serde_json::json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "pay", "namespace": "shop", "uid": "u-app", "resourceVersion": "3"},
            "spec": {"destination": {"namespace": "payments"}},
            "status": {"resources": [{"kind": "Deployment", "name": "a", "namespace": "payments"},
                {"kind": "Secret", "name": "b", "namespace": "vault"}, {"kind": "Namespace", "name": "c"}]}}),
    );
    let target = problem("Application", "pay", "").target;
    let order = Order { action: Some(Action::SyncApplication { target }), ..Order::default() };
    let engine = engine(world.0);
    let problem = problem("Application", "pay", "unspecified");
    let mut plan = made(super::planned(&engine, &problem, &order).await.unwrap());
    prove(&engine, None, &mut plan).await.unwrap();
    assert_eq!(plan.steps[0].deploys_to, ["payments", "vault"]);
    // Who approves it approves it for these.
    assert_eq!(plan.steps[0].planned_on["the namespaces it deploys to"], "payments, vault");
}

#[tokio::test]
async fn a_plan_says_when_nobody_is_served_meanwhile() {
    let restart = |strategy: &str| {
        let world = World::healthy();
        world.edit("deployments", "web", |web| {
            web["spec"]["strategy"] = serde_json::json!({"type": strategy});
            web["status"]["readyReplicas"] = serde_json::json!(2);
        });
        world
    };
    let target = problem("Deployment", "web", "").target;
    let order = Order { action: Some(Action::RestartWorkload { target }), ..Order::default() };
    let about = problem("Deployment", "web", "unspecified");
    for (strategy, want) in [("Recreate", Some(2)), ("RollingUpdate", None)] {
        let engine = engine(restart(strategy).0);
        let mut plan = made(super::planned(&engine, &about, &order).await.unwrap());
        prove(&engine, None, &mut plan).await.unwrap();
        assert_eq!(plan.steps[0].takes_down, want, "{strategy}");
        assert_eq!(plan.steps[0].description.contains("takes all 2 ready pods down at once"), want.is_some());
        assert_eq!(plan.risk == crate::model::plan::Risk::High, want.is_some(), "{strategy}");
    }
}
