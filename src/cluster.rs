//! The cluster room: one connection to an API server, the watches that fill the inventory, live reads, and changes.
//!
//! It decides nothing about what the objects mean, and changes nothing unless it was started to act. It never waits for a
//! cluster either: whoever starts it goes on at once.

mod acting;
mod api;
mod bucket;
mod connect;
mod discovery;
pub mod doctor;
mod failure;
mod feed;
mod helm;
mod jitter;
mod kubeconfig;
mod lines;
mod live;
mod path;
mod reach;

use std::sync::Arc;

use aiops_engine::{SharedInventory, ports, ports::acting::Acting};
use aiops_inventory::rows::Seconds;
use parking_lot::RwLock;

pub use acting::Rate;
pub use doctor::doctor;
pub use live::Live;

use self::{bucket::Bucket, connect::Connection, feed::Feed, kubeconfig::Settings};
use crate::{config::Loaded, shutdown::Tasks, telemetry::Metrics};

/// The connection that is in use now; `None` while there is none.
#[derive(Debug, Default)]
struct Hub(RwLock<Option<Arc<Connection>>>);

impl Hub {
    fn get(&self) -> Option<Arc<Connection>> {
        self.0.read().clone()
    }

    fn set(&self, connection: Option<Arc<Connection>>) {
        *self.0.write() = connection;
    }
}

/// Begins to connect and to watch in the background and returns at once. What is wrong with the kubeconfig or the
/// API server stands in the inventory's info, and is tried again. Nothing can be changed through it.
pub fn start(
    loaded: &Loaded,
    inventory: SharedInventory,
    metrics: Arc<Metrics>,
    tasks: &Tasks,
) -> Arc<dyn ports::Cluster> {
    begin(loaded, inventory, shared(loaded, metrics), tasks)
}

/// The same, and changes as well, over the same connection: at most so many a second.
pub fn start_acting(
    loaded: &Loaded,
    inventory: SharedInventory,
    metrics: Arc<Metrics>,
    tasks: &Tasks,
    rate: Rate,
) -> (Arc<dyn ports::Cluster>, Arc<dyn Acting>) {
    let shared = connect::Shared { acts: true, ..shared(loaded, metrics) };
    let live = begin(loaded, inventory, shared, tasks);
    let acting = acting::Changes::new(Arc::clone(&live), rate, loaded.config.acting.times.request());
    (live, Arc::new(acting))
}

fn begin(loaded: &Loaded, inventory: SharedInventory, shared: connect::Shared, tasks: &Tasks) -> Arc<Live> {
    let hub = Arc::new(Hub::default());
    let settings = Settings::new(loaded);
    let namespaces = loaded.config.cluster.namespaces.clone();
    let feed = Feed::new(settings, namespaces, shared, inventory.clone(), Arc::clone(&hub));
    let ending = tasks.ending();
    tasks.spawn("cluster feed", async move {
        tokio::select! {
            () = ending.cancelled() => {}
            () = feed.run() => {}
        }
    });
    let releases = loaded.config.acting.helm.then(helm::Releases::default);
    Arc::new(Live::new(hub, inventory, releases))
}

fn shared(loaded: &Loaded, metrics: Arc<Metrics>) -> connect::Shared {
    let cluster = &loaded.config.cluster;
    connect::Shared {
        metrics,
        bucket: Arc::new(Bucket::new(cluster.qps, cluster.burst)),
        busy: Arc::default(),
        acts: false,
    }
}

/// Now, in the inventory's measure.
fn now() -> Seconds {
    jiff::Timestamp::now().as_second()
}
