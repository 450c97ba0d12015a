//! The engine at work on a control plane, as in the binary: triggers, approvals, the work line; its store is in
//! memory or in SQLite.
//!
//! It decides nothing about what is triggered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aiops::{
    cluster::{self, Rate},
    config::{self, Environment, Sources},
    ids::SystemIds,
    shutdown::Tasks,
    store,
    telemetry::Metrics,
};
use aiops_engine::{
    Coordinator, Engine, Error, SharedInventory,
    coordination::{Coordination, Decision, Trigger, WorkflowView},
    coordinator::Parts,
    model::{
        Millis,
        caller::{Caller, Via},
        ids::WorkflowId,
        phase::Phase,
    },
    ports::{Clock, Timer, store::Store},
    settings::Settings,
    testing::memory_store::MemoryStore,
    workflow::Executor,
};

use super::{Audited, Plane};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(300);

struct Now;

impl Clock for Now {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// Milliseconds since it was made.
struct Ticking(Instant);

#[async_trait::async_trait]
impl Timer for Ticking {
    fn ticks(&self) -> Millis {
        Millis::try_from(self.0.elapsed().as_millis()).unwrap()
    }

    async fn sleep_until(&self, ticks: Millis) {
        let left = u64::try_from(ticks - self.ticks()).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(left)).await;
    }
}

/// The engine at work on the control plane.
pub(crate) struct Desk {
    pub(crate) coordinator: Coordinator,
    pub(crate) store: Arc<dyn Store>,
    tasks: Tasks,
    _home: tempfile::TempDir,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

/// Who asks.
pub(crate) fn caller() -> Caller {
    Caller::identified("tester", Vec::new(), Via::Cli)
}

impl Desk {
    pub(crate) async fn of(plane: &Plane, settings: &str) -> Self {
        let mut limits = Settings::default();
        limits.limits.budget_per_namespace = 100;
        limits.limits.budget_per_cluster = 100;
        limits.timing.verify = Duration::from_secs(30);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(Now)));
        Self::at_work(plane, settings, limits, store, tempfile::tempdir().unwrap())
    }

    /// The same with SQLite under it, and with these limits.
    pub(crate) async fn durable(plane: &Plane, settings: &str, limits: Settings) -> Self {
        let home = tempfile::tempdir().unwrap();
        let location = store::Location::Folder(home.path().join("state"));
        let options = store::Options { location, busy_timeout: Duration::from_secs(5), max_bytes: None };
        let opened = store::open(&options, Arc::new(Now)).await.unwrap();
        let store: Arc<dyn Store> = opened.store().clone();
        store.writable().unwrap();
        Self::at_work(plane, settings, limits, store, home)
    }

    fn at_work(
        plane: &Plane,
        settings: &str,
        limits: Settings,
        store: Arc<dyn Store>,
        home: tempfile::TempDir,
    ) -> Self {
        let file = home.path().join("aiops.toml");
        let kubeconfig = plane.kubeconfig("admin").to_str().unwrap();
        let text = format!("cluster.kubeconfig = {kubeconfig:?}\n{settings}\n");
        std::fs::write(&file, text).unwrap();
        let environment = Environment::of([("HOME", home.path().as_os_str())]);
        let loaded = config::load(Sources { file: Some(file), environment, flags: Vec::new() }).unwrap();
        let tasks = Tasks::new();
        let inventory = SharedInventory::default();
        let rate = Rate { per_second: 100, burst: 100 };
        let (cluster, acting) =
            cluster::start_acting(&loaded, inventory.clone(), Arc::new(Metrics::new()), &tasks, rate);
        let clock: Arc<dyn Clock> = Arc::new(Now);
        let at_once = usize::try_from(limits.limits.workflows_per_cluster).unwrap();
        let coordinator = Coordinator::new(Parts {
            engine: Engine::new(inventory, Some(cluster), clock),
            store: Arc::clone(&store),
            acting: Some(acting),
            ids: Arc::new(SystemIds),
            settings: limits,
        });
        let executor = Executor::new(&coordinator, "test", Arc::new(Ticking(Instant::now())));
        let ending = tasks.ending();
        tasks.spawn("work", async move { executor.run(at_once, ending.cancelled()).await });
        Self { coordinator, store, tasks, _home: home }
    }

    /// Triggers on a Deployment, as soon as it is in memory.
    pub(crate) async fn trigger(&self, namespace: &str, name: &str, issue: &str) -> WorkflowId {
        let trigger = Trigger {
            namespace: namespace.to_owned(),
            kind: "Deployment".to_owned(),
            name: name.to_owned(),
            issue: issue.to_owned(),
            ..Trigger::default()
        };
        self.order(trigger).await.unwrap_or_else(|refused| panic!("{refused}"))
    }

    /// The same with any trigger; or why it is refused at once.
    pub(crate) async fn order(&self, trigger: Trigger) -> Result<WorkflowId, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.coordinator.trigger(&caller(), trigger.clone()).await {
                Ok(triggered) => return Ok(WorkflowId::parse(&triggered.workflow_id.unwrap()).unwrap()),
                Err(refused @ Error::Refused { .. }) => return Err(refused.to_string()),
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until a workflow is in one of these phases; fails when it ends in another.
    pub(crate) async fn until(&self, id: &WorkflowId, phases: &[Phase]) -> WorkflowView {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let view = self.coordinator.workflow(&caller(), id).await.unwrap();
            if phases.contains(&view.phase) {
                return view;
            }
            let has_ended = view.phase.is_terminal() || view.phase == Phase::NeedsOperator;
            assert!(!has_ended && Instant::now() < deadline, "{view:#?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub(crate) async fn approve(&self, id: &WorkflowId) {
        let view = self.until(id, &[Phase::AwaitingApproval]).await;
        let digest = view.awaiting.unwrap().digest;
        let decision = Decision { digest, approve: true, reason: None, by_elicitation: false };
        self.coordinator.decide(&caller(), id, decision).await.unwrap();
    }
}

/// Requests of workflows that were accepted, dry runs left out.
pub(crate) fn changes(plane: &Plane, place: u64, namespace: &str) -> Vec<Audited> {
    let mut audited = tried(plane, place, namespace);
    audited.retain(|request| request.status < 300);
    audited
}

/// The same, however they were answered.
pub(crate) fn tried(plane: &Plane, place: u64, namespace: &str) -> Vec<Audited> {
    let mut audited = plane.audit_since(place);
    audited.retain(|request| {
        request.writes()
            && request.agent.starts_with("aiops/")
            && request.agent.contains(" wf/")
            && !request.uri.contains("dryRun")
            && request.namespace == namespace
    });
    audited
}
