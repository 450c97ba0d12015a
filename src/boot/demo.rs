//! The demo's cluster: the embedded recording as it was, until somebody begins to act; from then on the model of it, in
//! which time passes and controllers work.
//!
//! Until then nothing moves, so that everybody sees the same outage. Nothing of it reaches a real cluster.

use std::{
    ops::ControlFlow,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use aiops_engine::{
    SharedInventory,
    error::PortError,
    ports::{ApiResource, Clock, Cluster, ListOptions, LogRequest, ObjectPage, acting::Acting},
    testing::model::{Delta, Key, Model},
};
use aiops_inventory::{Change, Kind};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::shutdown::Tasks;

/// How often controllers get to act.
const STEP_EVERY: Duration = Duration::from_millis(200);

/// The moment of the recording, until time begins to pass.
#[derive(Debug)]
pub(super) struct StageClock {
    stands_at: Timestamp,
    runs_since: OnceLock<Instant>,
}

impl StageClock {
    fn is_running(&self) -> bool {
        self.runs_since.get().is_some()
    }

    /// Lets time pass from now on.
    pub(super) fn run(&self) {
        let _ = self.runs_since.get_or_init(Instant::now);
    }
}

impl Clock for StageClock {
    fn now(&self) -> Timestamp {
        let passed = self.runs_since.get().map(Instant::elapsed).unwrap_or_default();
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        self.stands_at.checked_add(passed).unwrap_or(Timestamp::MAX)
    }
}

/// What the demo acts on.
pub(super) struct Stage {
    /// Its time.
    pub(super) clock: Arc<StageClock>,
    model: Model,
    recorded: Arc<dyn Cluster>,
}

impl Stage {
    /// The model of these objects, whose controllers work as soon as its time passes.
    pub(super) fn new(
        objects: Vec<Value>,
        recorded: Arc<dyn Cluster>,
        at: Timestamp,
        inventory: SharedInventory,
        tasks: &Tasks,
    ) -> Arc<Self> {
        let clock = Arc::new(StageClock { stands_at: at, runs_since: OnceLock::new() });
        let model = Model::from_objects(objects, Arc::clone(&clock) as Arc<dyn Clock>);
        // The inventory has read all of it from the recording.
        drop(model.take_changes());
        let stage = Arc::new(Self { clock, model, recorded });
        let (moving, ending) = (Arc::clone(&stage), tasks.ending());
        tasks.spawn("move the demo's cluster", async move {
            loop {
                tokio::select! {
                    () = ending.cancelled() => return,
                    () = tokio::time::sleep(STEP_EVERY) => {}
                }
                if moving.clock.is_running() {
                    moving.model.step();
                    feed(&inventory, &moving.model.take_changes());
                }
            }
        });
        stage
    }

    /// What changes the model.
    pub(super) fn acting(&self) -> Arc<dyn Acting> {
        Arc::new(self.model.clone())
    }

    fn cluster(&self) -> &dyn Cluster {
        if self.clock.is_running() { &self.model } else { &*self.recorded }
    }

    /// The object with the model's version in it: what is planned on the recording is proven, and done, on the model.
    fn versioned(&self, kind: &str, mut object: Value) -> Value {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let key = Key::new(kind, text("/metadata/namespace"), text("/metadata/name"));
        let modelled = self.model.object(&key);
        let version = modelled.and_then(|object| object.pointer("/metadata/resourceVersion").cloned());
        if let (Some(version), Some(slot)) = (version, object.pointer_mut("/metadata/resourceVersion")) {
            *slot = version;
        }
        object
    }
}

/// Takes changes over as a watch would. What the recording does not tell of a kind stays untold.
fn feed(inventory: &SharedInventory, deltas: &[Delta]) {
    if deltas.is_empty() {
        return;
    }
    inventory.change(|rows| {
        for delta in deltas {
            let api = delta.object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
            let Some(kind) = Kind::of_manifest(api, &delta.key.kind) else { continue };
            let bytes = delta.object.to_string();
            let change = if delta.is_deleted {
                Change::Deleted(bytes.as_bytes())
            } else {
                Change::Applied(bytes.as_bytes())
            };
            // What the inventory cannot read it counts itself.
            let _ = rows.apply(kind, change);
        }
    });
}

#[async_trait]
impl Cluster for Stage {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        self.cluster().resources().await
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        let object = self.cluster().get(resource, namespace, name).await?;
        Ok(self.versioned(&resource.kind, object))
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        let mut page = self.cluster().list(resource, namespace, options).await?;
        page.items = page.items.into_iter().map(|object| self.versioned(&resource.kind, object)).collect();
        Ok(page)
    }

    async fn logs(
        &self,
        request: &LogRequest,
        sink: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        // Containers that the model starts say nothing; what was recorded of the others is still there.
        self.recorded.logs(request, sink).await
    }

    async fn may(
        &self,
        verb: &str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<bool, PortError> {
        // Also before it runs it is the model that is asked to change something.
        self.model.may(verb, group, resource, namespace).await
    }
}
