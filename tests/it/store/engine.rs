//! The engine over a SQLite store in a folder and the model API server, all on one clock that is moved by hand: processes
//! that are taken on turn by turn, end at any place, and begin again on what is left.
//!
//! It decides nothing and waits for nothing: time passes only where nothing is due. What is asked for and does not come
//! within so many turns fails the test.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test sets up must work")]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, atomic::AtomicU32, atomic::Ordering},
    time::Duration,
};

use aiops::{
    ids::SystemIds,
    store::{Opened, SqlStore, open},
};
use aiops_engine::{
    Coordinator, Engine, SharedInventory,
    coordination::{Coordination as _, Decision, Trigger, WorkflowView},
    coordinator::Parts,
    error::Error,
    model::{
        Millis,
        action::Action,
        caller::{Caller, Via},
        ids::WorkflowId,
        phase::Phase,
        workflow::{Record, Workflow},
    },
    ports::{
        Timer,
        acting::{Accepted, Acting, Announcement, Mutation, NotDone},
        store::{Store as _, WorkflowFilter},
    },
    settings::Settings,
    testing::{
        model::{Model, OURSELVES, build},
        store_contract::ManualClock,
    },
    workflow::{Executor, Held, Turn},
};
use async_trait::async_trait;
use jiff::SignedDuration;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::bench::options;

/// uid of the cluster, as the fixtures name it.
const CLUSTER: &str = "c1";
/// More turns than anything here takes.
const MOST: usize = 20_000;
/// The most that passes at once, so that the controllers are seen at work.
const STEP: Millis = 60_000;

/// The clock, for the executor.
struct Ticks(Arc<ManualClock>);

#[async_trait]
impl Timer for Ticks {
    fn ticks(&self) -> Millis {
        self.0.millis()
    }

    async fn sleep_until(&self, _: Millis) {
        panic!("whoever takes turns by hand does not wait");
    }
}

/// Where a process ends while it sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Its intent is kept, and nothing is sent.
    Unsent,
    /// It had its effect, and nobody heard the answer.
    Unheard,
}

/// The way to the model, which ends for requests about some objects.
struct Wire {
    model: Model,
    cuts: Mutex<BTreeMap<String, Cut>>,
    is_cut: Notify,
}

#[async_trait]
impl Acting for Wire {
    async fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        let cut = (!mutation.dry_run).then(|| self.cuts.lock().remove(&mutation.target.name)).flatten();
        if cut != Some(Cut::Unsent) {
            let done = self.model.perform(mutation).await;
            if cut.is_none() {
                return done;
            }
            done.unwrap();
        }
        self.is_cut.notify_one();
        std::future::pending().await
    }

    async fn announce(&self, _: &Announcement) {}
}

/// The cluster and the time.
pub(super) struct Ground {
    pub(super) clock: Arc<ManualClock>,
    pub(super) model: Model,
    wire: Arc<Wire>,
    processes: AtomicU32,
}

impl Ground {
    /// A cluster with a node and these objects, which keep their uids.
    pub(super) fn new(objects: Vec<Value>) -> Self {
        let clock = Arc::new(ManualClock::default());
        let model = Model::new(Arc::<ManualClock>::clone(&clock));
        model.set_times(SignedDuration::ZERO, SignedDuration::ZERO);
        model.put("admin", build::namespace("shop"));
        model.put("admin", build::node("n1"));
        for object in objects {
            model.put("admin", object);
        }
        model.settle(50);
        let wire = Wire { model: model.clone(), cuts: Mutex::default(), is_cut: Notify::new() };
        Self { clock, model, wire: Arc::new(wire), processes: AtomicU32::new(0) }
    }

    /// How often each step had its effect, by what the API server wrote down.
    pub(super) fn effects(&self) -> BTreeMap<String, usize> {
        let mut effects = BTreeMap::new();
        for entry in self.model.journal() {
            if entry.is_effect() && entry.actor == OURSELVES {
                *effects.entry(entry.effect_key).or_default() += 1;
            }
        }
        effects
    }

    fn reach(&self, at: Millis) {
        let by = at.saturating_sub(self.clock.millis()).clamp(1, STEP);
        self.clock.pass(Duration::from_millis(by.unsigned_abs()));
    }

    /// A process on what is in this folder.
    pub(super) async fn process(&self, folder: &Path) -> Process<'_> {
        let clock = Arc::<ManualClock>::clone(&self.clock);
        let opened = open(&options(folder), Arc::<ManualClock>::clone(&clock)).await.unwrap();
        let Opened::Sole(store) = opened else { panic!("another process has it: {opened:?}") };
        store.writable().unwrap();
        let inventory = SharedInventory::default();
        self.model.relist();
        self.model.feed(&inventory);
        inventory.change(|rows| rows.set_info(|info| info.uid = CLUSTER.into()));
        let coordinator = Coordinator::new(Parts {
            engine: Engine::new(
                inventory.clone(),
                Some(Arc::new(self.model.clone())),
                Arc::<ManualClock>::clone(&clock),
            ),
            store: Arc::<SqlStore>::clone(&store),
            acting: Some(Arc::<Wire>::clone(&self.wire)),
            ids: Arc::new(SystemIds),
            settings: settings(),
        });
        let number = self.processes.fetch_add(1, Ordering::Relaxed);
        let executor = Executor::new(&coordinator, format!("process-{number}"), Arc::new(Ticks(clock)));
        Process { ground: self, store, inventory, coordinator, executor, held: Mutex::default() }
    }
}

/// Nothing is held up by what else is under way: that is for other tests.
fn settings() -> Settings {
    let mut settings = Settings::default();
    let limits = &mut settings.limits;
    limits.workflows_per_namespace = 1_000;
    limits.workflows_per_cluster = 1_000;
    limits.budget_per_namespace = 1_000;
    limits.budget_per_cluster = 1_000;
    limits.cooldown_success = Duration::ZERO;
    limits.error_percent = 101;
    limits.breaker.workloads_percent = 101;
    settings
}

/// A Deployment of one replica with a uid that does not depend on what else there is.
pub(super) fn deployment(number: usize, name: &str) -> Value {
    let mut object = build::deployment("shop", name, "web:1", 1);
    object["metadata"]["uid"] = json!(format!("5b1a6c1e-0000-4000-8000-{number:012}"));
    object
}

pub(super) fn caller(name: &str) -> Caller {
    Caller::identified(name, Vec::new(), Via::Rest)
}

/// Over, or for a person.
pub(super) fn is_over(workflow: &Workflow) -> bool {
    workflow.phase.is_terminal() || workflow.phase == Phase::NeedsOperator
}

/// A process of aiops, taken on by hand.
pub(super) struct Process<'a> {
    ground: &'a Ground,
    pub(super) store: Arc<SqlStore>,
    inventory: SharedInventory,
    pub(super) coordinator: Coordinator,
    executor: Executor,
    /// What it holds, or held last.
    held: Mutex<Option<Arc<Held>>>,
}

impl Process<'_> {
    /// Orders an action, as a person does.
    pub(super) async fn order(&self, action: Action) -> WorkflowId {
        let target = action.target();
        let trigger = Trigger {
            namespace: target.namespace.clone(),
            kind: target.kind.clone(),
            name: target.name.clone(),
            action: Some(action),
            ..Trigger::default()
        };
        let triggered = self.coordinator.trigger(&caller("ann"), trigger).await.unwrap();
        WorkflowId::parse(&triggered.workflow_id.unwrap()).unwrap()
    }

    /// Bob's approval of the plan that waits.
    pub(super) async fn approve(&self, id: &WorkflowId) -> Result<WorkflowView, Error> {
        let digest = self.record(id).await.workflow.digest.unwrap();
        let decision = Decision { digest, approve: true, reason: None, by_elicitation: false };
        self.coordinator.decide(&caller("bob"), id, decision).await
    }

    pub(super) async fn record(&self, id: &WorkflowId) -> Record {
        self.store.workflow(id).await.unwrap().unwrap()
    }

    /// All workflows, the oldest first.
    pub(super) async fn all(&self) -> Vec<Workflow> {
        let filter = WorkflowFilter { limit: 500, ..WorkflowFilter::default() };
        let mut rows = self.store.workflows(&filter).await.unwrap().rows;
        rows.reverse();
        rows
    }

    /// The controllers do what they have to, and the watches tell it.
    fn settle(&self) {
        self.ground.model.settle(8);
        self.ground.model.feed(&self.inventory);
    }

    /// Takes on whatever is due, a claim at a time, until `is_there` says so between two turns, or a request is cut off. What
    /// is held then stays as a process leaves it that dies.
    async fn take_on(&self, is_there: impl AsyncFn() -> bool) {
        let mut turns = 0;
        while !is_there().await {
            turns += 1;
            assert!(turns < MOST, "it does not get there: {:#?}", self.all().await);
            self.settle();
            let Some(held) = self.executor.claim().await.unwrap() else {
                let due = self.store.next_due().await.unwrap().unwrap_or(Millis::MAX);
                self.ground.reach(due);
                continue;
            };
            let held = Arc::new(held);
            *self.held.lock() = Some(Arc::clone(&held));
            loop {
                turns += 1;
                assert!(
                    turns < MOST,
                    "it does not get there: {:#?}",
                    self.record(&held.lease().workflow).await
                );
                self.settle();
                let turn = tokio::select! {
                    biased;
                    () = self.ground.wire.is_cut.notified() => return,
                    turn = self.executor.turn(&held) => turn,
                };
                if is_there().await {
                    return;
                }
                match turn {
                    Turn::Again => {}
                    Turn::Hold(at) => {
                        self.ground.reach(at);
                        assert!(self.executor.renew(&held).await.unwrap(), "nobody else is there to take it");
                    }
                    Turn::WakeAt(_) | Turn::Done | Turn::Lost => break,
                }
            }
        }
    }

    /// Until a workflow is so.
    pub(super) async fn until(&self, id: &WorkflowId, phase: Phase) {
        self.take_on(async || {
            let workflow = self.record(id).await.workflow;
            assert!(workflow.phase == phase || !is_over(&workflow), "{workflow:#?}");
            workflow.phase == phase
        })
        .await;
    }

    /// Gives back what it holds, so that it can be taken up again at once.
    pub(super) async fn give_back(&self) {
        let held = self.held.lock().take();
        self.executor.give_back(&held.unwrap()).await;
    }

    /// Until the request of this workflow's next step is cut off.
    pub(super) async fn cut(&self, id: &WorkflowId, cut: Cut) {
        let target = self.record(id).await.workflow.problem.target.name;
        self.ground.wire.cuts.lock().insert(target.clone(), cut);
        let is_gone = || !self.ground.wire.cuts.lock().contains_key(&target);
        self.take_on(async || false).await;
        assert!(is_gone(), "another request was cut off than that about {target}");
    }

    /// Until everything is over, or for a person.
    pub(super) async fn all_over(&self) {
        self.take_on(async || self.all().await.iter().all(is_over)).await;
    }

    /// Every chain of the audit is whole and ends where the store says, and every workflow has one.
    pub(super) async fn verify_audit(&self) {
        let heads = self.store.audit_heads().await.unwrap();
        for workflow in self.all().await {
            let id = workflow.id.as_str();
            assert!(heads.iter().any(|(chain, ..)| chain.ends_with(id)), "{id} has no chain");
        }
        for (chain, seq, hash) in heads {
            let lines = self.store.audit(&chain, 0, 1_000).await.unwrap();
            let head = aiops_engine::audit::verify(&lines).unwrap();
            assert_eq!((head.seq, head.hash), (seq, hash), "{chain}");
        }
    }

    /// It is not there any more: nothing is given back, and its files are free.
    pub(super) async fn end(self) {
        self.store.close().await;
    }
}
