//! The coordination engine in this process: on the model API server, with a durable SQLite store, behind its doors.
//!
//! Nothing is sped up: the clock is the system's but while the model is set up. What the model takes to answer is kept
//! apart from what aiops takes.

use std::{
    net::SocketAddr,
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use aiops::{
    config,
    http::{About, Door, Listening, Open},
    ids::SystemIds,
    mcp::{Desk, Server},
    mode::Mode,
    rest::Rest,
    shutdown::Tasks,
    store::{self, Location, Options, SqlStore},
    telemetry::Metrics,
};
use aiops_engine::{
    Coordinator, Engine, SharedInventory,
    coordination::{Coordination, Trigger},
    coordinator::Parts,
    error::PortError,
    model::{
        Millis,
        action::Action,
        caller::{Caller, Via},
        target::Target,
    },
    ports::{
        ApiResource, Clock, Cluster, ListOptions, LogRequest, ObjectPage, Timer,
        acting::{Accepted, Acting, Announcement, Mutation, NotDone},
        store::Store,
    },
    settings::Settings,
    testing::model::{Model, build},
};
use anyhow::Context as _;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Deployments of a namespace.
const OF_EACH: usize = 10;
/// How often the model's controllers act, and a watch brings what they did; of many objects not so often, for nobody else
/// gets at the model while they do.
const STEP_EVERY: Duration = Duration::from_millis(50);
/// So many times as long as they took they let others.
const REST: u32 = 4;

/// The system's time, moved by what set-up let pass.
#[derive(Debug, Default)]
pub(crate) struct Moved(AtomicI64);

impl Moved {
    fn pass(&self, time: Millis) {
        self.0.fetch_add(time, Ordering::SeqCst);
    }
}

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        let moved = SignedDuration::from_millis(self.0.load(Ordering::SeqCst));
        Timestamp::now().checked_add(moved).unwrap_or(Timestamp::MAX)
    }
}

/// Ticks since it was made.
pub(crate) struct Ticks(Instant);

#[async_trait]
impl Timer for Ticks {
    fn ticks(&self) -> Millis {
        Millis::try_from(self.0.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    async fn sleep_until(&self, ticks: Millis) {
        let left = u64::try_from(ticks.saturating_sub(self.ticks())).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(left)).await;
    }
}

/// The model, and how long was spent in it.
#[derive(Clone)]
pub(crate) struct Timed {
    model: Model,
    nanos: Arc<AtomicU64>,
    calls: Arc<AtomicU64>,
}

impl Timed {
    /// Time spent in the model, and calls of it, since this was last asked.
    pub(crate) fn spent(&self) -> (Duration, u64) {
        (Duration::from_nanos(self.nanos.swap(0, Ordering::SeqCst)), self.calls.swap(0, Ordering::SeqCst))
    }

    async fn of<T>(&self, call: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let answer = call.await;
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(took, Ordering::SeqCst);
        self.calls.fetch_add(1, Ordering::SeqCst);
        answer
    }
}

#[async_trait]
impl Cluster for Timed {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        self.of(self.model.resources()).await
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        self.of(self.model.get(resource, namespace, name)).await
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        self.of(self.model.list(resource, namespace, options)).await
    }

    async fn logs(
        &self,
        request: &LogRequest,
        sink: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        self.of(self.model.logs(request, sink)).await
    }

    async fn may(
        &self,
        verb: &str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<bool, PortError> {
        self.of(self.model.may(verb, group, resource, namespace)).await
    }
}

#[async_trait]
impl Acting for Timed {
    async fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        self.of(self.model.perform(mutation)).await
    }

    async fn announce(&self, note: &Announcement) {
        self.of(self.model.announce(note)).await;
    }
}

/// A cluster of Deployments, and the engine over it.
pub(crate) struct World {
    pub(crate) model: Model,
    pub(crate) timed: Timed,
    pub(crate) clock: Arc<Moved>,
    pub(crate) coordinator: Coordinator,
    pub(crate) store: Arc<SqlStore>,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) tasks: Tasks,
    /// How long the store took to be examined and opened.
    pub(crate) opening: Duration,
    inventory: SharedInventory,
    engine: Engine,
    moves: Arc<AtomicBool>,
    moving: Option<std::thread::JoinHandle<()>>,
}

impl World {
    /// One of so many Deployments of one pod each, over the store in this folder.
    pub(crate) async fn new(state: &Path, deployments: usize, settings: Settings) -> anyhow::Result<Self> {
        let clock = Arc::new(Moved::default());
        let model = Model::new(Arc::<Moved>::clone(&clock));
        model.set_times(SignedDuration::from_secs(1), SignedDuration::from_secs(1));
        for namespace in ["kube-system".to_owned()].into_iter().chain(namespaces(deployments)) {
            model.put("kubectl", build::namespace(&namespace));
        }
        for node in 0..deployments.div_ceil(25).max(1) {
            model.put("kubectl", build::node(&format!("n{node}")));
        }
        for at in 0..deployments {
            let (namespace, name) = place(at);
            model.put("kubectl", build::deployment(&namespace, &name, "registry.test/app:1", 1));
        }
        let inventory = SharedInventory::default();
        let timed = Timed { model: model.clone(), nanos: Arc::default(), calls: Arc::default() };
        let engine = Engine::new(
            inventory.clone(),
            Some(Arc::new(timed.clone()) as Arc<dyn Cluster>),
            Arc::<Moved>::clone(&clock),
        );
        let options = Options {
            location: Location::Folder(state.to_owned()),
            busy_timeout: Duration::from_secs(5),
            max_bytes: None,
        };
        let began = Instant::now();
        let opened = store::open(&options, Arc::<Moved>::clone(&clock)).await?;
        let opening = began.elapsed();
        let store = Arc::clone(opened.store());
        store.writable()?;
        let coordinator = Coordinator::new(Parts {
            engine: engine.clone(),
            store: Arc::<SqlStore>::clone(&store),
            acting: Some(Arc::new(timed.clone())),
            ids: Arc::new(SystemIds),
            settings,
        });
        let world = Self {
            model,
            timed,
            clock,
            coordinator,
            store,
            timer: Arc::new(Ticks(Instant::now())),
            tasks: Tasks::new(),
            inventory,
            engine,
            moves: Arc::default(),
            moving: None,
            opening,
        };
        world.pass(30);
        world.model.relist();
        world.model.feed(&world.inventory);
        let uid = "5b1a6c1e-0000-4000-8000-000000000001";
        world.inventory.change(|rows| rows.set_info(|info| info.uid = uid.into()));
        Ok(world)
    }

    /// Lets seconds pass, and the controllers act in each.
    pub(crate) fn pass(&self, seconds: u32) {
        for _ in 0..seconds {
            self.clock.pass(1_000);
            self.model.settle(8);
        }
    }

    /// Takes over what changed, as a watch would.
    pub(crate) fn feed(&self) {
        self.model.feed(&self.inventory);
    }

    /// Lets the controllers act by themselves from now on, on a thread of their own.
    pub(crate) fn begin_to_move(&mut self) {
        let (model, inventory, ends) = (self.model.clone(), self.inventory.clone(), Arc::clone(&self.moves));
        self.moving = Some(std::thread::spawn(move || {
            while !ends.load(Ordering::SeqCst) {
                let began = Instant::now();
                model.step();
                model.feed(&inventory);
                std::thread::sleep(STEP_EVERY.max(began.elapsed().saturating_mul(REST)));
            }
        }));
    }

    /// Serves MCP and REST on loopback, as a process in full mode does.
    pub(crate) async fn serve(&self) -> anyhow::Result<(SocketAddr, Open)> {
        let coordination: Arc<dyn Coordination> = Arc::new(self.coordinator.clone());
        let metrics = Arc::new(Metrics::new());
        let desk = Desk::new(self.engine.clone(), Some(Arc::clone(&coordination)), "bench");
        let server = Server::new(desk, &config::Mcp::default(), Arc::clone(&metrics), self.tasks.clone());
        let about = About { engine: self.engine.clone(), metrics, mode: Mode::Full, missing: Vec::new() };
        let http = config::Http::default();
        let rest = Rest::new(coordination, self.tasks.ending());
        let door = Door::new(about, &http, None, Some(rest));
        let port = Listening::bind("127.0.0.1:0".parse()?, "--http").await?;
        let open = port.serve(&door, door.router(server.http(&http)), &self.tasks);
        Ok((open.address, open))
    }

    /// Ends everything in order.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.moves.store(true, Ordering::SeqCst);
        if let Some(moving) = self.moving.take() {
            moving.join().ok().context("the model's thread panicked")?;
        }
        self.tasks.end();
        self.tasks.drain(Duration::from_secs(20)).await;
        self.store.close().await;
        Ok(())
    }
}

fn namespaces(deployments: usize) -> impl Iterator<Item = String> {
    (0..deployments.div_ceil(OF_EACH)).map(|n| format!("shop-{n}"))
}

/// Where a Deployment is.
pub(crate) fn place(at: usize) -> (String, String) {
    (format!("shop-{}", at / OF_EACH), format!("web-{at}"))
}

/// Scales a Deployment: one step, and one that the default policy lets a named caller do.
pub(crate) fn scaling(at: usize, replicas: u32) -> Trigger {
    let (namespace, name) = place(at);
    let target = Target::known("Deployment", &namespace, &name);
    Trigger {
        namespace,
        kind: "Deployment".to_owned(),
        name,
        description: "a benchmark".to_owned(),
        action: Some(Action::ScaleWorkload { target, replicas }),
        ..Trigger::default()
    }
}

/// Whoever asks.
pub(crate) fn caller() -> Caller {
    Caller::identified("bench", Vec::new(), Via::Rest)
}

/// Limits as high as the configuration lets them be; every other rule is as it is by default.
pub(crate) fn raised() -> Settings {
    let mut settings = Settings::default();
    let limits = &mut settings.limits;
    (limits.workflows_per_cluster, limits.workflows_per_namespace) = (1_000, 1_000);
    (limits.budget_per_cluster, limits.budget_per_namespace) = (100_000, 100_000);
    (limits.mutations_per_second, limits.mutation_burst) = (1_000, 1_000);
    limits.breaker.incidents = 100_000;
    settings
}
