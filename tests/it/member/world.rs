//! A model cluster with a broken rollout, members that stand at it, and an engine that reaches it through one of them.
//!
//! The model's time is moved by hand, faster than it passes. A member is a server of its own: ended, it takes its calls with
//! it as a killed process does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aiops::{
    config::{self, Environment, Sources, tokens::Principal},
    mcp::{Desk, Server},
    shutdown::Tasks,
    telemetry::Metrics,
};
use aiops_engine::{
    Coordinator, Engine, Error, SharedInventory,
    coordination::{Coordination as _, Decision, PolicyRule, Trigger, WorkflowView},
    coordinator::Parts,
    member::{Member, MemberCluster, Parts as MemberParts},
    model::{
        Millis,
        caller::{Caller, Via},
        ids::WorkflowId,
        phase::Phase,
        plan::Approval,
    },
    ports::{
        self, Clock, Ids, Timer,
        acting::{Accepted, Acting, Announcement, Mutation, NotDone},
    },
    settings::Settings,
    testing::{
        memory_store::MemoryStore,
        model::{Key, Model, Symptom, Trouble, build},
    },
    workflow::Executor,
};
use async_trait::async_trait;
use axum::{Extension, Router};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub(super) const GOOD: &str = "registry.test/web:1.9";
pub(super) const BAD: &str = "registry.test/web:2.0";
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that is moved by hand.
pub(super) struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

#[async_trait]
impl Timer for Hands {
    fn ticks(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }

    async fn sleep_until(&self, ticks: Millis) {
        while self.ticks() < ticks {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The member's own time is the real one.
struct Real(Instant);

#[async_trait]
impl Timer for Real {
    fn ticks(&self) -> Millis {
        Millis::try_from(self.0.elapsed().as_millis()).unwrap()
    }

    async fn sleep_until(&self, _: Millis) {}
}

#[derive(Default)]
pub(super) struct Counted(AtomicU64);

impl Ids for Counted {
    fn unique(&self) -> String {
        format!("01k3x9f2m4q7{:04}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// Where somebody dies around a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The member has it and has not sent it on.
    Before,
    /// The API server has done it, and nobody was told.
    After,
}

/// The API server behind a member: the model, and a place to die at.
pub(super) struct Brink {
    model: Model,
    /// The next changes (dry runs left out) stop here until they are dropped.
    dies: Mutex<Vec<At>>,
    /// How many have come to where they die.
    pub(super) reached: AtomicUsize,
}

#[async_trait]
impl Acting for Brink {
    async fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        let dies = if mutation.dry_run { None } else { self.dies.lock().pop() };
        if dies == Some(At::Before) {
            self.reached.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        let done = self.model.perform(mutation).await;
        if dies == Some(At::After) {
            self.reached.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        done
    }

    async fn announce(&self, note: &Announcement) {
        self.model.announce(note).await;
    }
}

/// The cluster.
pub(super) struct Cluster {
    pub(super) model: Model,
    pub(super) brink: Arc<Brink>,
    pub(super) hands: Arc<Hands>,
    pub(super) deployment: Key,
    inventory: SharedInventory,
}

impl Cluster {
    /// A Deployment of a good image whose second one cannot be pulled.
    pub(super) fn new() -> Self {
        Self::with(|model, pass| {
            model.put("kubectl", build::node("n1"));
            let mut web = build::deployment("shop", "web", GOOD, 3);
            web["spec"]["template"]["spec"]["containers"][0]["env"] =
                json!([{"name": "PASSWORD", "value": "hunter2-canary"}]);
            let deployment = model.put("kubectl", web);
            pass(60);
            ail(model, BAD);
            model.edit("kubectl", &deployment, |object| {
                object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(BAD);
            });
            pass(700);
            deployment
        })
    }

    /// What this makes of an empty cluster with a namespace `shop`; it may let seconds pass, and returns the Deployment that
    /// the test is about.
    pub(super) fn with(scene: impl FnOnce(&Model, &dyn Fn(i64)) -> Key) -> Self {
        let begin: Timestamp = "2026-11-27T11:00:00Z".parse().unwrap();
        let hands = Arc::new(Hands(AtomicI64::new(begin.as_millisecond())));
        let model = Model::new(hands.clone());
        model.set_times(SignedDuration::from_secs(2), SignedDuration::from_secs(1));
        model.put("kubectl", build::namespace("kube-system"));
        model.put("kubectl", build::namespace("shop"));
        let pass = |seconds: i64| {
            for _ in 0..seconds {
                hands.0.fetch_add(1_000, Ordering::SeqCst);
                model.settle(8);
            }
        };
        let deployment = scene(&model, &pass);
        let inventory = SharedInventory::default();
        model.relist();
        model.feed(&inventory);
        inventory
            .change(|rows| rows.set_info(|info| info.uid = "5b1a6c1e-0000-4000-8000-000000000001".into()));
        let brink =
            Arc::new(Brink { model: model.clone(), dies: Mutex::default(), reached: AtomicUsize::new(0) });
        Self { model, brink, hands, deployment, inventory }
    }

    /// What the member reads.
    pub(super) fn engine(&self) -> Engine {
        Engine::new(self.inventory.clone(), Some(Arc::new(self.model.clone())), self.hands.clone())
    }

    /// A member of this name that is granted to somebody.
    pub(super) fn member(&self, process: &str, granted_to: &str) -> Member {
        Member::new(MemberParts {
            engine: self.engine(),
            acting: Arc::<Brink>::clone(&self.brink),
            timer: Arc::new(Real(Instant::now())),
            process: process.to_owned(),
            settings: Settings { granted_to: vec![granted_to.to_owned()], ..Settings::default() },
        })
    }

    pub(super) fn dies(&self, at: &[At]) {
        *self.brink.dies.lock() = at.iter().rev().copied().collect();
    }

    pub(super) fn image(&self) -> String {
        let object = self.model.object(&self.deployment).unwrap();
        object["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
    }

    /// Changes that were made for the engine.
    pub(super) fn effects(&self) -> usize {
        let ours = |entry: &&aiops_engine::testing::model::Entry| entry.is_effect() && entry.actor == "aiops";
        self.model.journal().iter().filter(ours).count()
    }

    /// Waits until so many changes have come to where somebody dies.
    pub(super) async fn reached(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.brink.reached.load(Ordering::SeqCst) < count {
            assert!(Instant::now() < deadline, "no change came to where it should die");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

pub(super) fn ail(model: &Model, image: &str) {
    model.ail(Symptom {
        image: image.to_owned(),
        command: None,
        trouble: Trouble::Pull { message: format!("Failed to pull image \"{image}\": manifest unknown") },
    });
}

/// A member that serves HTTP, until it is killed.
pub(super) struct Serving {
    address: std::net::SocketAddr,
    task: Option<JoinHandle<()>>,
}

impl Serving {
    /// Serves at this address, or at a free port; whoever comes is `hub`.
    pub(super) async fn start(member: Member, engine: Engine, at: Option<std::net::SocketAddr>) -> Self {
        let listener = TcpListener::bind(at.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap())).await.unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Desk::new(engine, None, "nobody").with_member(member);
        let server = Server::new(desk, &config::Mcp::default(), Arc::new(Metrics::new()), Tasks::new());
        let mcp = server.http(&config::Http::default());
        let hub = Principal { name: "hub".to_owned(), groups: Vec::new() };
        let router = Router::new().route_service("/mcp", mcp).layer(Extension(hub));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                connections.spawn(async move {
                    let io = hyper_util::rt::TokioIo::new(stream);
                    // A client that goes away is its own business.
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                });
            }
        });
        Self { address, task: Some(task) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills it, with every call in it, and waits until it is gone.
    pub(super) async fn kill(&mut self) -> std::net::SocketAddr {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// The far end of a line to a member over HTTP.
pub(super) fn over_http(url: &str, tasks: &Tasks) -> (Arc<MemberCluster>, SharedInventory) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("aiops.toml");
    let state = home.path().to_str().unwrap();
    let text = format!("stateDir = {state:?}\ndeployment.mode = \"full\"\ncluster.member.url = {url:?}\n");
    std::fs::write(&file, text).unwrap();
    let environment = Environment::of([("HOME", home.path().as_os_str())]);
    let loaded = config::load(Sources { file: Some(file), environment, flags: Vec::new() }).unwrap();
    let inventory = SharedInventory::default();
    (aiops::member::start(&loaded, inventory.clone(), tasks).unwrap(), inventory)
}

/// The far end of a line to a member within the process.
pub(super) fn within(cluster: &Cluster, tasks: &Tasks) -> Arc<MemberCluster> {
    let desk = Desk::new(cluster.engine(), None, "hub").with_member(cluster.member("p1", "hub"));
    let server = Server::new(desk, &config::Mcp::default(), Arc::new(Metrics::new()), tasks.clone());
    aiops::member::at(aiops::member::duplex(tasks, |stream: tokio::io::DuplexStream| async move {
        let (read, write) = tokio::io::split(stream);
        server.streams(read, write).await
    }))
}

/// An engine that works, until it is killed.
pub(super) struct Hub {
    pub(super) coordinator: Coordinator,
    store: Arc<MemoryStore>,
    inventory: SharedInventory,
    hands: Arc<Hands>,
    far: Arc<MemberCluster>,
    ids: Arc<Counted>,
    settings: Settings,
    work: Option<JoinHandle<()>>,
    ending: CancellationToken,
}

impl Hub {
    pub(super) fn new(cluster: &Cluster, far: Arc<MemberCluster>, inventory: SharedInventory) -> Self {
        Self::with(cluster, far, inventory, Settings::default())
    }

    pub(super) fn with(
        cluster: &Cluster,
        far: Arc<MemberCluster>,
        inventory: SharedInventory,
        settings: Settings,
    ) -> Self {
        let hands = cluster.hands.clone();
        let store = Arc::new(MemoryStore::new(hands.clone()));
        let ids = Arc::new(Counted::default());
        let coordinator = coordinator(&store, &inventory, &hands, &far, &ids, &settings);
        let ending = CancellationToken::new();
        let (moving, model, stop) = (hands.clone(), cluster.model.clone(), ending.clone());
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                moving.0.fetch_add(100, Ordering::SeqCst);
                model.settle(8);
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
        });
        let mut hub = Self { coordinator, store, inventory, hands, far, ids, settings, work: None, ending };
        hub.begin("executor-0");
        hub
    }

    fn begin(&mut self, owner: &str) {
        let executor = Executor::new(&self.coordinator, owner, self.hands.clone());
        self.work = Some(tokio::spawn(async move { executor.run(4, std::future::pending::<()>()).await }));
    }

    /// Kills what works, with everything it has in memory, and begins anew under another name.
    pub(super) async fn kill(&mut self, owner: &str) {
        if let Some(work) = self.work.take() {
            work.abort();
            let _ = work.await;
        }
        self.coordinator =
            coordinator(&self.store, &self.inventory, &self.hands, &self.far, &self.ids, &self.settings);
        self.begin(owner);
    }

    /// Triggers on the broken Deployment, as soon as the member has said which cluster it is.
    pub(super) async fn trigger(&self) -> WorkflowId {
        let trigger = Trigger {
            namespace: "shop".to_owned(),
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            issue: "image_pull".to_owned(),
            ..Trigger::default()
        };
        self.order(&trigger).await
    }

    /// Triggers this, as soon as the member has said which cluster it is.
    pub(super) async fn order(&self, trigger: &Trigger) -> WorkflowId {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.coordinator.trigger(&caller(), trigger.clone()).await {
                Ok(done) => return WorkflowId::parse(&done.workflow_id.unwrap()).unwrap(),
                Err(error @ Error::Unavailable { .. }) => assert!(Instant::now() < deadline, "{error}"),
                Err(error) => panic!("{trigger:?}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Approves the plan that waits, once it does and something has happened.
    pub(super) async fn approve(&self, id: &WorkflowId, before: impl FnOnce()) {
        let waits = self.until(id, |phase| phase == Phase::AwaitingApproval).await;
        before();
        let digest = waits.awaiting.unwrap().digest;
        let decision = Decision { digest, approve: true, reason: None, by_elicitation: false };
        self.coordinator.decide(&caller(), id, decision).await.unwrap();
    }

    pub(super) async fn until_over(&self, id: &WorkflowId) -> WorkflowView {
        self.until(id, |phase| phase.is_terminal() || phase == Phase::NeedsOperator).await
    }

    async fn until(&self, id: &WorkflowId, wanted: impl Fn(Phase) -> bool) -> WorkflowView {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let view = self.coordinator.workflow(&caller(), id).await.unwrap();
            if wanted(view.phase) {
                return view;
            }
            assert!(Instant::now() < deadline, "{view:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.ending.cancel();
        if let Some(work) = &self.work {
            work.abort();
        }
    }
}

/// A policy in which everything needs an approval.
pub(super) fn careful() -> Settings {
    let mut settings = Settings::default();
    settings.policy.rules = vec![PolicyRule {
        name: "careful".to_owned(),
        namespaces: Vec::new(),
        severities: Vec::new(),
        actions: Vec::new(),
        then: Approval::Approve,
        autonomy: false,
        elicitation: false,
        annotation: false,
    }];
    settings
}

fn caller() -> Caller {
    Caller::identified("ada", Vec::new(), Via::Cli)
}

fn coordinator(
    store: &Arc<MemoryStore>,
    inventory: &SharedInventory,
    hands: &Arc<Hands>,
    far: &Arc<MemberCluster>,
    ids: &Arc<Counted>,
    settings: &Settings,
) -> Coordinator {
    let cluster: Arc<dyn ports::Cluster> = far.clone();
    Coordinator::new(Parts {
        engine: Engine::new(inventory.clone(), Some(cluster), hands.clone()),
        store: store.clone(),
        acting: Some(far.clone()),
        ids: ids.clone(),
        settings: settings.clone(),
    })
}
