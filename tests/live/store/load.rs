//! The engine at work on PostgreSQL while that is stopped every few seconds: what was acknowledged is kept and comes to its
//! end, what cannot be kept is refused with a reason, and nothing is done to the cluster twice.
//!
//! The cluster is the model API server, whose journal tells what was done to it; the store is the real one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aiops::ids::SystemIds;
use aiops_engine::{
    Coordinator, Engine, Error, SharedInventory,
    coordination::{Coordination as _, Trigger},
    coordinator::Parts,
    model::{
        Millis,
        action::Action,
        caller::{Caller, Via},
        ids::WorkflowId,
        phase::Phase,
        target::Target,
    },
    ports::{
        Timer,
        store::{Store as _, WorkflowFilter},
    },
    settings::Settings,
    testing::model::{Model, build},
    workflow::Executor,
};
use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Wall, opened};
use crate::support::{Dice, Postgres, is_proof};

const NAMESPACE: &str = "shop";
/// Longest for everything to come to its end once the database stays.
const END: Duration = Duration::from_secs(300);

/// Milliseconds since the test began.
struct Ticking(Instant);

#[async_trait]
impl Timer for Ticking {
    fn ticks(&self) -> Millis {
        Millis::try_from(self.0.elapsed().as_millis()).unwrap()
    }

    async fn sleep_until(&self, ticks: Millis) {
        let left = u64::try_from(ticks - self.ticks()).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(left)).await;
    }
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    let limits = &mut settings.limits;
    limits.workflows_per_namespace = 10_000;
    limits.workflows_per_cluster = 10_000;
    limits.budget_per_namespace = 1_000_000;
    limits.budget_per_cluster = 1_000_000;
    limits.breaker.workloads_percent = 100;
    limits.breaker.incidents = 1_000_000;
    // A short lease, so that what a stop interrupted is taken up again within the test.
    let timing = &mut settings.timing;
    (timing.lease, timing.renew, timing.lease_margin) =
        (Duration::from_secs(6), Duration::from_secs(2), Duration::from_secs(1));
    timing.request = Duration::from_secs(2);
    timing.steady = Duration::from_millis(200);
    timing.settle = Duration::from_millis(200);
    settings
}

/// Triggers a workflow on each of its workloads until it is taken; what it is told meanwhile is counted.
async fn order(
    coordinator: &Coordinator,
    name: &str,
    refusals: &Mutex<BTreeMap<String, usize>>,
) -> WorkflowId {
    let caller = Caller::identified("tester", Vec::new(), Via::Rest);
    let target = Target::known("Deployment", NAMESPACE, name);
    let trigger = Trigger {
        namespace: NAMESPACE.to_owned(),
        kind: "Deployment".to_owned(),
        name: name.to_owned(),
        action: Some(Action::ScaleWorkload { target, replicas: 2 }),
        idempotency_key: Some(name.to_owned()),
        ..Trigger::default()
    };
    let deadline = Instant::now() + END;
    loop {
        match coordinator.trigger(&caller, trigger.clone()).await {
            Ok(triggered) => return WorkflowId::parse(&triggered.workflow_id.unwrap()).unwrap(),
            Err(error) => {
                // Nothing else may keep it from being taken.
                let is_of_store =
                    matches!(error, Error::Unavailable { .. }) && error.to_string().contains("store");
                assert!(is_of_store, "{error:?}");
                *refusals.lock().entry(error.to_string().chars().take(90).collect()).or_default() += 1;
                assert!(Instant::now() < deadline, "{name}: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// How often each step had its effect.
fn effects(model: &Model) -> BTreeMap<String, usize> {
    let mut effects = BTreeMap::new();
    for entry in model.journal().into_iter().filter(|entry| entry.is_effect() && !entry.workflow.is_empty()) {
        *effects.entry(entry.effect_key).or_default() += 1;
    }
    effects
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_stopped_again_and_again_loses_no_workflow_and_repeats_none() {
    let (count, rest, step): (usize, u64, usize) = if is_proof() { (2_000, 3_000, 10) } else { (60, 800, 6) };
    let mut dice = Dice::new();
    let mut server = Postgres::start().await;
    let url = server.place().await;
    let store = opened(&url).await;
    store.prepare().await.unwrap();
    let model = Model::new(Arc::new(Wall));
    model.put("admin", build::namespace("kube-system"));
    model.put("admin", build::namespace(NAMESPACE));
    for n in 0..count.div_ceil(80) {
        model.put("admin", build::node(&format!("node-{n}")));
    }
    for n in 0..count {
        model.put("admin", build::deployment(NAMESPACE, &format!("web-{n}"), "web:1", 1));
    }
    model.settle(50);
    let inventory = SharedInventory::default();
    model.feed(&inventory);
    inventory.change(|rows| rows.set_info(|info| info.uid = "model".into()));
    let coordinator = Coordinator::new(Parts {
        engine: Engine::new(inventory.clone(), Some(Arc::new(model.clone())), Arc::new(Wall)),
        store: Arc::clone(&store) as _,
        acting: Some(Arc::new(model.clone())),
        ids: Arc::new(SystemIds),
        settings: settings(),
    });
    let controllers = tokio::spawn({
        let (model, inventory) = (model.clone(), inventory.clone());
        async move {
            loop {
                model.step();
                model.feed(&inventory);
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    });
    // Two owners, as of two processes.
    let began = Instant::now();
    let (end, _) = tokio::sync::broadcast::channel::<()>(1);
    let workers: Vec<_> = ["one", "two"]
        .into_iter()
        .map(|owner| {
            let executor = Executor::new(&coordinator, owner, Arc::new(Ticking(began)));
            let mut ending = end.subscribe();
            tokio::spawn(executor.run(32, async move { drop(ending.recv().await) }))
        })
        .collect();
    let refusals = Arc::new(Mutex::new(BTreeMap::new()));
    let taken = Arc::new(AtomicUsize::new(0));
    let ordering: Vec<_> = (0..8)
        .map(|line| {
            let (coordinator, refusals) = (coordinator.clone(), Arc::clone(&refusals));
            let taken = Arc::clone(&taken);
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for n in (line..count).step_by(8) {
                    ids.push(order(&coordinator, &format!("web-{n}"), &refusals).await);
                    taken.fetch_add(1, Ordering::Relaxed);
                }
                ids
            })
        })
        .collect();
    // Every few seconds, and not before something was done since the last time, however slow the machine.
    let done = || taken.load(Ordering::Relaxed) + model.journal_len();
    let mut stops = 0;
    while taken.load(Ordering::Relaxed) < count || effects(&model).len() < count {
        let (before, began) = (done(), Instant::now());
        tokio::time::sleep(Duration::from_millis(rest / 2 + dice.number(rest))).await;
        while done() < before + 4 * step && effects(&model).len() < count {
            assert!(
                began.elapsed() < END,
                "nothing goes on: {} of {count} are taken",
                taken.load(Ordering::Relaxed)
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.crash();
        tokio::time::sleep(Duration::from_millis(200 + dice.number(600))).await;
        server.go_on().await;
        stops += 1;
        let (taken, had) = (taken.load(Ordering::Relaxed), effects(&model).len());
        println!("stop {stops}: {taken} are taken, {had} had their effect");
    }
    assert!(stops >= 3 && !refusals.lock().is_empty(), "{stops} stops are no test");
    let mut acknowledged = Vec::new();
    for line in ordering {
        acknowledged.extend(line.await.unwrap());
    }
    println!("{count} workflows, the database was stopped {stops} times; what triggers were told meanwhile:");
    for (why, times) in &*refusals.lock() {
        println!("{times:>6}  {why}");
    }
    let deadline = Instant::now() + END;
    let all = loop {
        let filter = WorkflowFilter { limit: 5_000, ..WorkflowFilter::default() };
        let all = store.workflows(&filter).await.unwrap().rows;
        let open = all.iter().filter(|one| !one.phase.is_terminal()).count();
        if open == 0 {
            break all;
        }
        assert!(Instant::now() < deadline, "{open} of {} are not over", all.len());
        tokio::time::sleep(Duration::from_millis(250)).await;
    };
    drop(end);
    for worker in workers {
        worker.await.unwrap();
    }
    controllers.abort();
    let of: BTreeMap<&str, &_> = all.iter().map(|one| (one.id.as_str(), one)).collect();
    assert_eq!(all.len(), count, "one for each trigger, whatever was repeated");
    for id in &acknowledged {
        let one = of.get(id.as_str()).unwrap_or_else(|| panic!("{id} was acknowledged and is gone"));
        assert_eq!(one.phase, Phase::Completed, "{id}: {:?}", one.reason);
    }
    let effects = effects(&model);
    let twice: Vec<_> = effects.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "done twice: {twice:?}");
    assert_eq!(effects.len(), count);
    for (chain, seq, hash) in store.audit_heads().await.unwrap() {
        let lines = store.audit(&chain, 0, 1_000).await.unwrap();
        let head = aiops_engine::audit::verify(&lines).unwrap();
        assert_eq!((head.seq, head.hash), (seq, hash), "{chain}");
    }
}
