//! The engine at work on PostgreSQL while that is stopped every few seconds: what was acknowledged is kept and comes to its
//! end, what cannot be kept is refused with a reason, and nothing is done to the cluster twice.
//!
//! The cluster is the model API server, whose journal tells what was done to it; the store is the real one.

mod namespaces;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aiops::{ids::SystemIds, store::SqlStore};
use aiops_engine::{
    Coordinator, Engine, Error, SharedInventory,
    coordination::{Coordination as _, Trigger, Triggered},
    coordinator::Parts,
    model::{
        Millis,
        action::Action,
        caller::{Caller, Via},
        ids::WorkflowId,
        phase::Phase,
        target::Target,
        workflow::{Outcome, Workflow},
    },
    ports::{
        Timer,
        store::{Store as _, WorkflowFilter},
    },
    settings::Settings,
    workflow::Executor,
};
use async_trait::async_trait;
use parking_lot::Mutex;

use self::namespaces::{Namespaces, place};
use super::{Wall, opened};
use crate::support::{Dice, Postgres, is_proof};

/// Longest for everything to come to its end once the database stays, and for anything to go on before.
const END: Duration = Duration::from_secs(300);
/// Orders that are made at a time.
const LINES: usize = 8;

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
    let timing = &mut settings.timing;
    if !is_proof() {
        // A short lease, so that what a stop interrupted is taken up again soon.
        (timing.lease, timing.renew, timing.lease_margin) =
            (Duration::from_secs(6), Duration::from_secs(2), Duration::from_secs(1));
        timing.request = Duration::from_secs(2);
    }
    timing.steady = Duration::from_millis(200);
    settings
}

/// Orders the workload of this number to be scaled to two.
async fn trigger(coordinator: &Coordinator, n: usize) -> Result<Triggered, Error> {
    let caller = Caller::identified("tester", Vec::new(), Via::Rest);
    let (namespace, name) = place(n);
    let target = Target::known("Deployment", &namespace, &name);
    let trigger = Trigger {
        namespace,
        kind: "Deployment".to_owned(),
        name: name.clone(),
        action: Some(Action::ScaleWorkload { target, replicas: 2 }),
        idempotency_key: Some(name),
        ..Trigger::default()
    };
    coordinator.trigger(&caller, trigger).await
}

/// What triggers were told instead of being taken, and how often.
#[derive(Default)]
struct Refusals(Mutex<BTreeMap<String, usize>>);

impl Refusals {
    /// Notes a refusal, which has to be the store's and to say why.
    fn note(&self, error: &Error) {
        let Error::Unavailable { why, .. } = error else {
            panic!("nothing else keeps it from being taken: {error:?}")
        };
        assert!(why.contains("the store") && why.contains(": "), "{why}");
        *self.0.lock().entry(why.chars().take(140).collect()).or_default() += 1;
    }
}

/// How far it is.
#[derive(Default)]
struct Progress {
    taken: AtomicUsize,
    stops: AtomicUsize,
}

/// Orders each workload of a line, one after the other, and each until it is taken. However fast the machine, the last
/// quarter is not ordered before the third stop.
async fn order(
    coordinator: Coordinator,
    (line, count): (usize, usize),
    refusals: Arc<Refusals>,
    progress: Arc<Progress>,
) -> Vec<WorkflowId> {
    let mut ids = Vec::new();
    for n in (line..count).step_by(LINES) {
        while 4 * n >= (progress.stops.load(Ordering::Relaxed) + 1) * count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let deadline = Instant::now() + END;
        let triggered = loop {
            match trigger(&coordinator, n).await {
                Ok(triggered) => break triggered,
                Err(error) => {
                    refusals.note(&error);
                    assert!(Instant::now() < deadline, "{n}: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        ids.push(WorkflowId::parse(&triggered.workflow_id.unwrap()).unwrap());
        progress.taken.fetch_add(1, Ordering::Relaxed);
    }
    ids
}

/// All workflows, once none of them is under way any more.
async fn ended(store: &SqlStore) -> Vec<Workflow> {
    let deadline = Instant::now() + END;
    loop {
        // Those who work want every connection too.
        let active = store.active(5_000).await;
        if active.as_ref().is_ok_and(Vec::is_empty)
            && let Ok(all) =
                store.workflows(&WorkflowFilter { limit: 5_000, ..WorkflowFilter::default() }).await
        {
            return all.rows;
        }
        assert!(Instant::now() < deadline, "not over: {active:?}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// PostgreSQL stopped every few seconds under so many workflows; `rest` is about how long it runs in between, in
/// milliseconds, and `step` how much has to be done before it is stopped again, however slow the machine.
async fn stopped_again_and_again(count: usize, rest: u64, step: usize) {
    let mut dice = Dice::new();
    let set_up = Instant::now();
    let mut server = Postgres::start().await;
    let store = opened(&server.place().await).await;
    store.prepare().await.unwrap();
    // One more than is ordered: what is asked for while there is no database is about that one.
    let cluster = Arc::new(Namespaces::with(count + 1));
    let inventory = SharedInventory::default();
    cluster.feed(&inventory);
    let coordinator = Coordinator::new(Parts {
        engine: Engine::new(inventory.clone(), Some(Arc::clone(&cluster) as _), Arc::new(Wall)),
        store: Arc::clone(&store) as _,
        acting: Some(Arc::clone(&cluster) as _),
        ids: Arc::new(SystemIds),
        settings: settings(),
    });
    let controllers = tokio::spawn(Arc::clone(&cluster).live(inventory));
    println!("everything is there after {:?}", set_up.elapsed());
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
    let (refusals, progress) = (Arc::new(Refusals::default()), Arc::new(Progress::default()));
    let ordering: Vec<_> = (0..LINES)
        .map(|line| {
            let (refusals, progress) = (Arc::clone(&refusals), Arc::clone(&progress));
            tokio::spawn(order(coordinator.clone(), (line, count), refusals, progress))
        })
        .collect();
    let taken = || progress.taken.load(Ordering::Relaxed);
    let done = || taken() + cluster.done();
    while done() < 2 * count {
        let goal = (done() + step).min(2 * count);
        tokio::time::sleep(Duration::from_millis(rest / 2 + dice.number(rest))).await;
        let (mut last, mut since) = (done(), Instant::now());
        while done() < goal {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if done() > last {
                (last, since) = (done(), Instant::now());
            }
            let (taken, had) = (taken(), cluster.done());
            if since.elapsed() > END {
                let standing = (store.time().await, store.active(9).await);
                panic!("nothing goes on: {taken} are taken, {had} had their effect, {standing:?}");
            }
        }
        server.crash();
        // While there is no database at all, nothing is taken on and nothing is done.
        let refused = trigger(&coordinator, count).await.expect_err("there is no database to keep it");
        refusals.note(&refused);
        tokio::time::sleep(Duration::from_millis(200 + dice.number(600))).await;
        server.go_on().await;
        let stops = progress.stops.fetch_add(1, Ordering::Relaxed) + 1;
        let (at, taken, had) = (began.elapsed().as_millis(), taken(), cluster.done());
        println!("{at:>6} ms: stop {stops}, {taken} are taken, {had} had their effect");
    }
    let mut acknowledged = Vec::new();
    for line in ordering {
        acknowledged.extend(line.await.unwrap());
    }
    let all = ended(&store).await;
    let took = began.elapsed();
    drop(end);
    for worker in workers {
        worker.await.unwrap();
    }
    controllers.abort();
    let stops = progress.stops.load(Ordering::Relaxed);
    println!(
        "{count} workflows in {took:?}, the database was stopped {stops} times; what triggers were told meanwhile:"
    );
    for (why, times) in &*refusals.0.lock() {
        println!("{times:>6}  {why}");
    }
    assert!(stops >= 3, "{stops} stops are no test");
    let of: BTreeMap<&str, &_> = all.iter().map(|one| (one.id.as_str(), one)).collect();
    assert_eq!(all.len(), count, "one for each trigger, whatever was repeated");
    let (mut tries, mut seen) = (0, 0);
    for id in &acknowledged {
        let one = of.get(id.as_str()).unwrap_or_else(|| panic!("{id} was acknowledged and is gone"));
        assert_eq!(one.phase, Phase::Completed, "{id}: {:?}", one.reason);
        let attempts = store.workflow(id).await.unwrap().unwrap().attempts;
        let applied: Vec<_> =
            attempts.iter().filter(|attempt| attempt.outcome == Some(Outcome::Applied)).collect();
        let [applied] = applied[..] else { panic!("{id}: one attempt had the effect, not {applied:?}") };
        // The answer's status is only kept with the answer.
        seen += usize::from(applied.http_status.is_none());
        tries += attempts.len();
    }
    println!("{tries} attempts; of {seen} the answer could not be kept, and a look at the object told");
    let effects = cluster.effects();
    let twice: Vec<_> = effects.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "done twice: {twice:?}");
    assert_eq!(effects.len(), count);
    let heads = store.audit_heads().await.unwrap();
    assert!(heads.len() >= count, "{} chains", heads.len());
    for (chain, seq, hash) in heads {
        let lines = store.audit(&chain, 0, 1_000).await.unwrap();
        let head = aiops_engine::audit::verify(&lines).unwrap();
        assert_eq!((head.seq, head.hash), (seq, hash), "{chain}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_stopped_again_and_again_loses_no_workflow_and_repeats_none() {
    if is_proof() {
        stopped_again_and_again(2_000, 3_000, 80).await;
    } else {
        stopped_again_and_again(60, 600, 20).await;
    }
}
