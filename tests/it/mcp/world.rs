//! A small cluster in memory, a server over it, and clients of both eras connected to it.
//!
//! Nothing here reaches a network or reads the real time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use aiops::{
    config,
    mcp::{Desk, Server, tool::AnyTool, tools::TOOLS},
    shutdown::Tasks,
    telemetry::Metrics,
};
use aiops_engine::{
    Engine, SharedInventory,
    coordination::Coordination,
    error::{PortError, PortErrorKind},
    ports::{ApiResource, Clock, Cluster, ListOptions, LogRequest, ObjectPage},
};
use aiops_inventory::{Inventory, Kind, Sync, inventory::Change};
use async_trait::async_trait;
use jiff::Timestamp;
use rmcp::{
    ClientHandler, RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult, ProtocolVersion},
    service::{ClientLifecycleMode, RunningService, serve_client_with_lifecycle},
};
use serde_json::{Value, json};

/// A clock that tests set.
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).expect("a moment")
    }
}

/// A cluster that refuses every live read.
struct NoReads;

fn refused<T>() -> Result<T, PortError> {
    Err(PortError::new(PortErrorKind::Unavailable, "the test cluster answers nothing; this is intended"))
}

#[async_trait]
impl Cluster for NoReads {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        refused()
    }
    async fn get(&self, _: &ApiResource, _: Option<&str>, _: &str) -> Result<Value, PortError> {
        refused()
    }
    async fn list(&self, _: &ApiResource, _: Option<&str>, _: &ListOptions) -> Result<ObjectPage, PortError> {
        refused()
    }
    async fn logs(
        &self,
        _: &LogRequest,
        _: &mut (dyn for<'c> FnMut(&'c [u8]) -> std::ops::ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        refused()
    }
    async fn may(&self, _: &str, _: &str, _: &str, _: Option<&str>) -> Result<bool, PortError> {
        refused()
    }
}

/// Everything a test looks at.
pub(crate) struct World {
    pub(crate) inventory: SharedInventory,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Tasks,
    pub(crate) settings: config::Mcp,
    pub(crate) http: config::Http,
    pub(crate) coordination: Option<Arc<dyn Coordination>>,
}

macro_rules! objects {
    ($($kind:ident $file:literal),+ $(,)?) => {
        &[$((
            Kind::$kind,
            include_str!(concat!("../../../crates/aiops-inventory/tests/fixtures/", $file, ".json")),
        )),+]
    };
}

/// What the small cluster holds.
const OBJECTS: &[(Kind, &str)] = objects! {
    Node "node", Namespace "namespace", Pod "pod-crash-loop", Pod "pod-unschedulable", Pod "pod-mirror", Pod "pod-kwok",
    Deployment "deployment", ReplicaSet "replicaset", StatefulSet "statefulset", DaemonSet "daemonset", Job "job",
    CronJob "cronjob", PersistentVolumeClaim "pvc", Service "service", EndpointSlice "endpointslice",
    HorizontalPodAutoscaler "hpa", PodDisruptionBudget "pdb", ResourceQuota "quota", LimitRange "limitrange",
    Event "event-core", Event "event-new",
};

impl World {
    /// The small cluster, and every kind synced.
    pub(crate) fn new() -> Self {
        let world = Self::empty();
        world.inventory.change(|inventory| {
            for kind in Kind::ALL {
                inventory.set_sync(kind, if kind.is_optional() { Sync::Absent } else { Sync::Synced });
            }
            for (kind, json) in OBJECTS {
                inventory.apply(*kind, Change::Applied(json.as_bytes())).expect("a fixture that can be read");
            }
            // The namespaces of all objects exist.
            for name in inventory.pods().iter().map(|p| p.meta.key.namespace.clone()).collect::<Vec<_>>() {
                let json =
                    json!({"metadata": {"name": name.as_str()}, "status": {"phase": "Active"}}).to_string();
                inventory.apply(Kind::Namespace, Change::Applied(json.as_bytes())).expect("a namespace");
            }
            inventory.set_info(|info| {
                info.context = "test-context".into();
                info.server = "https://api.test:6443".into();
                info.uid = "5b1a6c1e-0000-4000-8000-000000000001".into();
                info.version = "v1.36.0".into();
            });
        });
        world
    }

    /// Nothing listed yet.
    pub(crate) fn empty() -> Self {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().expect("a moment");
        Self {
            inventory: SharedInventory::new(Inventory::default()),
            clock: Arc::new(ManualClock(AtomicI64::new(now.as_second()))),
            metrics: Arc::new(Metrics::new()),
            tasks: Tasks::new(),
            settings: config::Mcp::default(),
            http: config::Http::default(),
            coordination: None,
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine::new(self.inventory.clone(), Some(Arc::new(NoReads)), self.clock.clone())
    }

    pub(crate) fn server(&self) -> Server {
        self.server_of(TOOLS)
    }

    pub(crate) fn server_of(&self, tools: &[&'static dyn AnyTool]) -> Server {
        let desk = Desk::new(self.engine(), self.coordination.clone(), "ada");
        Server::with_tools(tools, desk, &self.settings, self.metrics.clone(), self.tasks.clone())
    }

    /// A client of 2025-11-25 on a pair of streams.
    pub(crate) async fn legacy<C: ClientHandler>(
        &self,
        server: &Server,
        client: C,
    ) -> RunningService<RoleClient, C> {
        let stream = self.streams(server);
        client.serve(stream).await.expect("the handshake of 2025-11-25")
    }

    /// A client of 2026-07-28 on a pair of streams.
    pub(crate) async fn modern<C: ClientHandler>(
        &self,
        server: &Server,
        client: C,
    ) -> RunningService<RoleClient, C> {
        let mode = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        serve_client_with_lifecycle(client, self.streams(server), mode).await.expect("server/discover")
    }

    pub(crate) fn streams(&self, server: &Server) -> tokio::io::DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let server = server.clone();
        self.tasks.spawn("test.server", async move {
            let (read, write) = tokio::io::split(ours);
            server.streams(read, write).await.expect("a server that ends without error");
        });
        theirs
    }

    /// Changes the phase of a new pod in namespace `shop`.
    pub(crate) fn put_pod(&self, name: &str, phase: &str) {
        let json = json!({
            "metadata": {"name": name, "namespace": "shop", "uid": "5b1a6c1e-0000-4000-8000-0000000000ff",
                "creationTimestamp": "2026-11-24T09:00:00Z"},
            "spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": "registry.test/app:1"}]},
            "status": {"phase": phase},
        })
        .to_string();
        self.inventory.change(|inventory| {
            inventory.apply(Kind::Pod, Change::Applied(json.as_bytes())).expect("a pod");
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

/// Calls a tool.
pub(crate) fn call(tool: &str, arguments: Value) -> CallToolRequestParams {
    let arguments = arguments.as_object().expect("arguments are an object").clone();
    CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)
}

/// The text of a result.
pub(crate) fn text(result: &CallToolResult) -> String {
    let texts = result.content.iter().filter_map(|block| block.as_text());
    texts.map(|block| block.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// Waits until something is so; fails after five seconds.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while !is_so() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
