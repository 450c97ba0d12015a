//! The coordination engine of this process: its store, its work line, the sweep of detectors, the messages it sends.
//!
//! Everything begins in the background: a store that is slow, locked or of a newer release delays no answer that needs
//! none. Of several processes on one state directory one executes; the others read, hand it what is ordered, and one of
//! them takes over when it ends.

use std::{path::Path, sync::Arc, time::Duration};

use aiops_engine::{
    Coordinator, Engine,
    coordination::Coordination,
    coordinator::Parts,
    ports::{Clock, Ids as _, acting::Acting, store::Store},
    settings::Settings,
    workflow::Executor,
};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{demo::StageClock, late::Late};
use crate::{
    clock::{SteadyClock, SystemTimer},
    config::Loaded,
    ids::SystemIds,
    notify::{Notifier, Receiver},
    shutdown::Tasks,
    store::{self, Location, Opened, Options, SqlStore},
};

/// How often a process that may not execute looks whether it may by now.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When a store is opened again that could not be opened for writing; each further wait is twice as long, up to the longest,
/// for it is examined as a whole each time.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What the engine works with.
pub(super) struct Start {
    /// Rows, live reads, and the time.
    pub(super) engine: Engine,
    /// What changes the cluster; absent where nothing may.
    pub(super) acting: Option<Arc<dyn Acting>>,
    /// The engine's own clock.
    pub(super) clock: Arc<dyn Clock>,
    /// What is kept about a recording is not kept beside what is kept about clusters.
    pub(super) is_recorded: bool,
    /// The time of the demo's model, which begins to pass with the first order; absent for everything else.
    pub(super) stage: Option<Arc<StageClock>>,
}

/// Begins to open the store, and to work once it is open.
///
/// # Errors
/// The policy, the place of the store or the receiver of messages cannot be used: nobody should believe that it works.
pub(super) fn start(loaded: &Loaded, start: Start, tasks: &Tasks) -> anyhow::Result<Late> {
    let settings = Settings { is_simulated: start.stage.is_some(), ..loaded.settings()? };
    for warning in settings.policy.warnings() {
        tracing::warn!("{warning}");
    }
    let receiver = Receiver::of(&loaded.config.notify)?;
    let own = start.is_recorded.then(|| tempfile::Builder::new().prefix("aiops-").tempdir()).transpose()?;
    let options = match &own {
        // It needs no home folder, and touches no store that was configured for clusters.
        Some(folder) => {
            let location = Location::Folder(folder.path().to_owned());
            let store = &loaded.config.store;
            Options { location, busy_timeout: store.busy_timeout, max_bytes: store.max_bytes }
        }
        None => Options::of(loaded)?,
    };
    let on_order =
        start.stage.clone().map(|stage| Box::new(move || stage.run()) as Box<dyn Fn() + Send + Sync>);
    let late = Late::new("its store is being opened; ask again in a moment", on_order, tasks);
    let keeper = Keeper {
        options,
        start,
        settings,
        receiver,
        late: late.clone(),
        tasks: tasks.clone(),
        ending: tasks.ending(),
        _own: own,
    };
    tasks.spawn("keep workflows", keeper.run());
    Ok(late)
}

#[cfg(unix)]
fn attach(
    engine: &Engine,
    (reads, acts): (Arc<dyn Coordination>, bool),
    folder: &Path,
    gone: &Arc<Notify>,
) -> Arc<dyn Coordination> {
    let to = super::carry::Socket::new(folder.to_owned(), Arc::clone(gone));
    tracing::info!("attached to {}: it gets what is ordered here", crate::attach::Carry::executor(&to));
    Arc::new(crate::attach::Attached::new(engine.clone(), reads, acts, Box::new(to)))
}

/// Without sockets this process reads, and refuses orders.
#[cfg(not(unix))]
fn attach(
    _: &Engine,
    (reads, _): (Arc<dyn Coordination>, bool),
    _: &Path,
    _: &Arc<Notify>,
) -> Arc<dyn Coordination> {
    reads
}

struct Keeper {
    options: Options,
    start: Start,
    settings: Settings,
    receiver: Option<Receiver>,
    late: Late,
    tasks: Tasks,
    ending: CancellationToken,
    /// A folder of our own is removed with this.
    _own: Option<TempDir>,
}

impl Keeper {
    async fn run(mut self) {
        let Some((mut store, mut coordinator)) = self.attach().await else { return };
        let mut wait = FIRST_WAIT;
        while store.is_to_be_opened_again() && self.sleep(wait).await {
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            if let Some(next) = store::open_again(&store, &self.options, self.store_clock()).await {
                tracing::info!("the store could be opened for writing");
                coordinator = self.coordinator(&next);
                self.late.arrived(Arc::new(coordinator.clone()));
                std::mem::replace(&mut store, next).close().await;
            }
        }
        self.work(&store, &coordinator).await;
        store.close().await;
    }

    /// `false` when the process ends before.
    async fn sleep(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.ending.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// What tells the time of a store that has none of its own: without the jumps of this machine's clock, unless the time
    /// is a recording's or the demo's.
    fn store_clock(&self) -> Arc<dyn Clock> {
        if self.start.is_recorded || self.start.stage.is_some() {
            return Arc::clone(&self.start.clock);
        }
        Arc::new(SteadyClock::new())
    }

    /// Opens the store until this process is the one that may execute; `None` when the process ends before.
    async fn attach(&self) -> Option<(Arc<SqlStore>, Coordinator)> {
        let mut reading: Option<Arc<SqlStore>> = None;
        let gone = Arc::new(Notify::new());
        let clock = self.store_clock();
        loop {
            if reading.is_some() && store::is_held(&self.options) {
                // What the other process changed wakes nobody here.
                self.late.look();
                if !self.pause(&gone).await {
                    break;
                }
                continue;
            }
            match store::open(&self.options, Arc::clone(&clock)).await {
                Ok(Opened::Sole(store)) => {
                    let coordinator = self.coordinator(&store);
                    self.late.arrived(Arc::new(coordinator.clone()));
                    self.late.executes();
                    if let Some(before) = reading {
                        tracing::info!("the process that executed has ended; this one executes now");
                        before.close().await;
                    }
                    return Some((store, coordinator));
                }
                Ok(Opened::Second(store)) if reading.is_none() && store.is_there() => {
                    self.late.arrived(self.attached(&store, &gone));
                    reading = Some(store);
                }
                // The other process is still making its store, or was faster again.
                Ok(Opened::Second(store)) => {
                    if let (None, Err(error)) = (&reading, store.writable()) {
                        self.late.waits(error.to_string(), false);
                    }
                    store.close().await;
                }
                Err(error) => {
                    tracing::error!(%error, "the store cannot be opened");
                    self.late.waits(format!("its store cannot be opened: {error}"), true);
                    return None;
                }
            }
            if !self.pause(&gone).await {
                break;
            }
        }
        if let Some(store) = reading {
            store.close().await;
        }
        None
    }

    /// Waits until it is worth looking again; `false` when the process ends.
    async fn pause(&self, gone: &Notify) -> bool {
        tokio::select! {
            () = self.ending.cancelled() => false,
            () = gone.notified() => true,
            () = tokio::time::sleep(LOOK_EVERY) => true,
        }
    }

    /// An engine that reads this store and hands orders to the process that executes on it.
    fn attached(&self, store: &Arc<SqlStore>, gone: &Arc<Notify>) -> Arc<dyn Coordination> {
        let reads = Arc::new(self.coordinator(store));
        match &self.options.location {
            Location::Folder(folder) => {
                attach(&self.start.engine, (reads, self.start.acting.is_some()), folder, gone)
            }
            Location::Postgres(_) => reads,
        }
    }

    fn coordinator(&self, store: &Arc<SqlStore>) -> Coordinator {
        Coordinator::new(Parts {
            engine: self.start.engine.clone(),
            store: Arc::clone(store) as Arc<dyn Store>,
            acting: self.start.acting.clone(),
            ids: Arc::new(SystemIds),
            settings: self.settings.clone(),
        })
    }

    /// Works until the process ends.
    async fn work(&mut self, store: &Arc<SqlStore>, coordinator: &Coordinator) {
        if !self.start.is_recorded {
            store.keep_reserve(&self.options).await;
        }
        let mut is_told = false;
        while let Err(error) = store.writable() {
            if !std::mem::replace(&mut is_told, true) {
                tracing::error!(%error, "nothing is executed: the store may not be written to");
            }
            if !self.sleep(LOOK_EVERY).await {
                return;
            }
            // Nothing writes before this process executes.
            store.look_for_room().await;
        }
        let owner = SystemIds.unique();
        let (kept, clock) = (Arc::clone(store) as _, Arc::clone(&self.start.clock));
        Notifier::new(self.receiver.take(), kept, clock, owner.clone()).start(&self.tasks);
        let at_once =
            usize::try_from(self.settings.limits.workflows_per_cluster).unwrap_or(usize::MAX).max(1);
        let executor = Executor::new(coordinator, owner, Arc::new(SystemTimer));
        tracing::info!(acts = self.start.acting.is_some(), "workflows are executed by this process");
        let sweep = async {
            tokio::select! {
                () = self.ending.cancelled() => {}
                () = coordinator.sweep_loop(&SystemTimer) => {}
            }
        };
        let room = async {
            while self.sleep(LOOK_EVERY).await {
                store.look_for_room().await;
                if matches!(self.options.location, Location::Postgres(_)) {
                    // What another replica changed wakes nobody here.
                    self.late.look();
                }
            }
        };
        tokio::join!(executor.run(at_once, self.ending.cancelled()), sweep, room);
    }
}
