//! Disruption budgets are kept: evictions and drains by workflows, while others evict beside them, pods are slow to come
//! up, workloads grow and nodes close and open.
//!
//! A watch of the test's own sees every state of every pod in the API server's order: at none of them are fewer pods healthy
//! than a budget wants. Nothing that happens beside the evictions takes a healthy pod away, so a budget that is broken is
//! broken by an eviction. What we sent is read from the audit log: evictions, and no other way to take a pod away.

mod around;
mod seen;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use aiops_engine::{
    coordination::{Coordination as _, Trigger},
    model::{action::Action, ids::WorkflowId, phase::Phase, target::Target},
};
use futures::future::join_all;
use serde_json::{Value, json};

use self::{around::App, seen::Seen};
use crate::{
    rollback,
    support::{Desk, Dice, Options, Plane, caller, is_proof},
};

/// Workflows that are ordered beside each other.
const HANDS: usize = 12;
const PATIENCE: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_budget_is_broken_by_evictions_and_drains() {
    let wanted = if is_proof() { 500 } else { 40 };
    let plane = Plane::own(&Options { nodes: 10, ..Options::default() }).await;
    let desk = rollback::desk(&plane).await;
    let mut dice = Dice::new();
    let namespace = plane.namespace(&mut dice).await;
    let apps = App::make_all(&plane, &namespace).await;
    let seen = Seen::begin(&plane, &namespace, &apps).await;
    let place = plane.audit_end();
    let is_over = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let work = async {
        let hands = (0..HANDS).map(|number| hand(&plane, &desk, &namespace, &is_over, number));
        let counting = count(&plane, place, wanted, &is_over);
        let (ends, ()) = tokio::join!(join_all(hands), counting);
        ends
    };
    let churning = around::churn(&plane, &namespace, &apps, &is_over);
    let (ends, others) = tokio::join!(work, churning);
    let figures = seen.end().await;
    let mut phases: BTreeMap<&'static str, usize> = BTreeMap::new();
    for phase in ends.into_iter().flatten() {
        *phases.entry(phase.as_str()).or_default() += 1;
    }
    let Sent { evicted, blocked, drained, otherwise } = sent(&plane, place);
    println!(
        "evictions: {evicted} accepted ({drained} of them by drains of several pods), {blocked} of them and of others' put off by budgets, {others} \
         things done by others, in {:.0} s; {} states of pods seen, fewest healthy pods over a budget's minimum: {}; \
         workflows: {phases:?}",
        begun.elapsed().as_secs_f64(),
        figures.states,
        figures.closest
    );
    assert_eq!(otherwise, Vec::<String>::new(), "pods were taken away otherwise");
    assert!(figures.broken.is_empty(), "budgets were broken: {:#?}", figures.broken);
    assert!(evicted >= wanted && blocked > 0 && others > 0, "{evicted} {blocked} {others}");
    // The budgets were as tight as they may be: a looser oracle would have seen nothing.
    assert_eq!(figures.closest, 0);
}

/// Orders one workflow after the other.
async fn hand(
    plane: &Plane,
    desk: &Desk,
    namespace: &str,
    is_over: &AtomicBool,
    number: usize,
) -> Vec<Phase> {
    let mut dice = Dice::new();
    let mut ends = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        // The first hand drains, all others evict.
        let trigger = if number == 0 {
            drain(plane, &mut dice).await
        } else {
            evict(plane, namespace, &mut dice).await
        };
        let node = (number == 0).then(|| trigger.name.clone());
        match desk.coordinator.trigger(&caller(), trigger).await {
            Ok(triggered) => {
                let id = WorkflowId::parse(&triggered.workflow_id.unwrap()).unwrap();
                ends.push(end(desk, &id, is_over).await);
            }
            // The pod is gone by now, or another hand has it.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        if let Some(node) = node {
            let path = format!("/api/v1/nodes/{node}");
            plane.patch(&path, &json!({"spec": {"unschedulable": null}})).await;
        }
    }
    ends
}

async fn end(desk: &Desk, id: &WorkflowId, is_over: &AtomicBool) -> Phase {
    let deadline = Instant::now() + PATIENCE;
    let mut is_cancelled = false;
    loop {
        let record = rollback::patient(async || desk.store.workflow(id).await).await;
        let phase = record.unwrap().workflow.phase;
        if phase.is_terminal() || phase == Phase::NeedsOperator {
            return phase;
        }
        if is_over.load(Ordering::Relaxed) && !is_cancelled {
            is_cancelled = true;
            let _ = desk.coordinator.cancel(&caller(), id, None).await;
        }
        assert!(Instant::now() < deadline, "{id} is still {phase:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn any<'a>(list: &'a Value, dice: &mut Dice) -> &'a Value {
    let all = list["items"].as_array().unwrap();
    &all[usize::try_from(dice.number(u64::try_from(all.len()).unwrap())).unwrap()]
}

async fn evict(plane: &Plane, namespace: &str, dice: &mut Dice) -> Trigger {
    let pods = plane.get(&format!("/api/v1/namespaces/{namespace}/pods")).await.unwrap();
    let name = any(&pods, dice)["metadata"]["name"].as_str().unwrap();
    let target = Target::known("Pod", namespace, name);
    Trigger {
        namespace: namespace.to_owned(),
        kind: "Pod".to_owned(),
        name: name.to_owned(),
        action: Some(Action::EvictPod { target }),
        ..Trigger::default()
    }
}

async fn drain(plane: &Plane, dice: &mut Dice) -> Trigger {
    let nodes = plane.get("/api/v1/nodes").await.unwrap();
    let name = any(&nodes, dice)["metadata"]["name"].as_str().unwrap();
    Trigger {
        kind: "Node".to_owned(),
        name: name.to_owned(),
        issue: "node_drain".to_owned(),
        ..Trigger::default()
    }
}

/// What aiops sent that takes pods away.
struct Sent {
    evicted: usize,
    blocked: usize,
    drained: usize,
    otherwise: Vec<String>,
}

fn sent(plane: &Plane, place: u64) -> Sent {
    let mut sent = Sent { evicted: 0, blocked: 0, drained: 0, otherwise: Vec::new() };
    let mut by: BTreeMap<String, usize> = BTreeMap::new();
    for request in plane.audit_since(place) {
        if request.resource != "pods" || !request.writes() {
            continue;
        }
        let path = request.uri.split('?').next().unwrap_or_default();
        let is_ours = request.agent.starts_with("aiops/");
        // Whoever was put off: the budget was used up at that moment.
        sent.blocked += usize::from(path.ends_with("/eviction") && request.status == 429);
        if !is_ours {
            continue;
        }
        match (
            request.uri.contains("dryRun=All"),
            request.verb.as_str(),
            path.ends_with("/eviction"),
            request.status,
        ) {
            (true, ..) => {}
            (false, "create", true, 200..300) => {
                sent.evicted += 1;
                *by.entry(request.agent).or_default() += 1;
            }
            (false, "create", true, _) => {}
            _ => sent.otherwise.push(format!("{} {}", request.verb, request.uri)),
        }
    }
    sent.drained = by.values().filter(|evicted| **evicted > 1).sum();
    sent
}

/// Ends the work when enough was evicted.
async fn count(plane: &Plane, place: u64, wanted: usize, is_over: &AtomicBool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let Sent { evicted, blocked, .. } = sent(plane, place);
        if evicted >= wanted && blocked > 0 {
            is_over.store(true, Ordering::Relaxed);
            return;
        }
        if Instant::now() > deadline {
            is_over.store(true, Ordering::Relaxed);
            panic!("{evicted} of {wanted} pods were evicted, {blocked} put off");
        }
    }
}
