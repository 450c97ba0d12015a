//! Recordings: the embedded one tells its story, must-gathers load from folder and archive alike, hostile ones do no harm.
//!
//! Everything goes through `recording::{open, demo}` and the engine; the modules behind them are not touched.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what a test sets up must work")]

mod demo;
mod forms;
mod hostile;

use std::{
    fs,
    io::Write as _,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use aiops::recording::{self, Limits, Opened};
use aiops_engine::{
    Engine, SharedInventory,
    error::{PortError, PortErrorKind},
    ports::{ApiResource, Clock, ListOptions, LogRequest},
    requests::health::{ClusterHealth, HealthAnswer, Omit},
};
use aiops_inventory::{Kind, Sync, inventory::Scope, inventory::Source};
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;

struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

struct Recording {
    opened: Opened,
    inventory: SharedInventory,
    engine: Engine,
}

impl Recording {
    fn of(open: impl FnOnce(&SharedInventory) -> anyhow::Result<Opened>) -> Self {
        let inventory = SharedInventory::default();
        let opened = open(&inventory).expect("a recording");
        let clock = Arc::new(Still(opened.at));
        let engine = Engine::new(inventory.clone(), Some(Arc::clone(&opened.cluster)), clock);
        Self { opened, inventory, engine }
    }

    fn demo() -> Self {
        Self::of(recording::demo)
    }

    fn at(path: &Path) -> Self {
        Self::of(|inventory| recording::open(path, inventory))
    }

    fn health(&self) -> HealthAnswer {
        self.engine.cluster_health(&ClusterHealth { details: true, ..ClusterHealth::default() }).unwrap()
    }

    async fn resource(&self, kind: &str) -> ApiResource {
        let resources = self.opened.cluster.resources().await.unwrap();
        resources.into_iter().find(|r| r.kind == kind).expect(kind)
    }

    async fn log(&self, request: LogRequest) -> Result<String, PortError> {
        let mut text = Vec::new();
        let mut sink = |chunk: &[u8]| {
            text.extend_from_slice(chunk);
            ControlFlow::Continue(())
        };
        self.opened.cluster.logs(&request, &mut sink).await?;
        Ok(String::from_utf8(text).unwrap())
    }

    fn a_pod(&self, namespace: &str, prefix: &str, hurt: bool) -> String {
        let inventory = self.inventory.look();
        let pods =
            inventory.pods().in_namespace(namespace).filter(|pod| pod.meta.key.name.starts_with(prefix));
        pods.filter(|pod| pod.ready != hurt).map(|pod| pod.meta.key.name.to_string()).next().expect(prefix)
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings").join(name)
}

fn log_of(namespace: &str, pod: &str) -> LogRequest {
    LogRequest { namespace: namespace.to_owned(), pod: pod.to_owned(), ..LogRequest::default() }
}

/// Rows as text, to compare two recordings.
fn rows(inventory: &SharedInventory) -> String {
    let inventory = inventory.look();
    let pods: Vec<_> = inventory.pods().iter().collect();
    let nodes: Vec<_> = inventory.nodes().iter().collect();
    let deployments: Vec<_> = inventory.deployments().iter().collect();
    let operators: Vec<_> = inventory.cluster_operators().iter().collect();
    let states: Vec<_> = Kind::ALL.iter().map(|kind| (kind, inventory.status(*kind))).collect();
    format!("{pods:#?}{nodes:#?}{deployments:#?}{operators:#?}{states:#?}{}", inventory.events().len())
}

/// Every folder and file below `from`, into the archive under `top`.
fn pack(from: &Path, top: &str, into: &Path) {
    let mut tar = tar::Builder::new(GzEncoder::new(fs::File::create(into).unwrap(), Compression::fast()));
    tar.append_dir_all(top, from).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
}

const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"NAME","namespace":"a","creationTimestamp":"2026-01-05T10:00:00Z"},"spec":{"containers":[{"name":"c","image":"i"}]},"status":{"phase":"Running"}}"#;

fn pod(name: &str) -> String {
    POD.replace("NAME", name)
}
