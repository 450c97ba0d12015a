//! Who wants to hear of changes, and the watch that tells them.
//!
//! The signals of the inventory and of the coordination wake it; it waits half a second for more, looks again at what
//! the signal is about, and tells only what reads differently than before. It carries no content: whoever is told reads. All numbers are bounded, and a slow client costs its own
//! notification only.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rmcp::{
    RoleServer,
    model::ResourceUpdatedNotificationParam,
    service::{Peer, SubscriptionSink},
};
use tokio::sync::watch;

use super::{catalogue, desk::Desk, resources};
use crate::shutdown::Tasks;

/// Changes within this time are told as one.
const DEBOUNCE: Duration = Duration::from_millis(500);
/// A client that does not take a notification within this time misses it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Clients that listen at once.
const MOST_LISTENERS: usize = 1_024;
/// Resources that one client listens to.
pub(super) const MOST_URIS: usize = 64;
/// Different resources that are looked at after a change.
pub(super) const MOST_WATCHED: usize = 256;

/// Where notifications go.
#[derive(Debug, Clone)]
pub(super) enum Listener {
    /// A stream of `subscriptions/listen`; it filters by itself.
    Stream(SubscriptionSink),
    /// A session of the `initialize` era, or standard streams.
    Peer(Peer<RoleServer>),
}

impl Listener {
    async fn tools_changed(&self) {
        let told = async {
            match self {
                Self::Stream(sink) => sink.notify_tool_list_changed().await.is_ok(),
                Self::Peer(peer) => peer.notify_tool_list_changed().await.is_ok(),
            }
        };
        // Who is gone is removed by its own end, and who did not ask for it needs no news.
        let _ = tokio::time::timeout(PATIENCE, told).await;
    }

    /// Whether the client took it in time.
    async fn updated(&self, uri: &str) -> bool {
        let told = async {
            match self {
                Self::Stream(sink) => sink.notify_resource_updated(uri).await.is_ok(),
                Self::Peer(peer) => {
                    peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await.is_ok()
                }
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap_or(false)
    }

    /// One after the other, until the client takes no more.
    async fn all_updated(&self, uris: &[String]) {
        for uri in uris {
            if !self.updated(uri).await {
                return;
            }
        }
    }
}

/// The next change of the records; never, where there are none.
async fn next(records: &mut Option<watch::Receiver<u64>>) -> Result<(), watch::error::RecvError> {
    match records {
        Some(records) => records.changed().await,
        None => std::future::pending().await,
    }
}

struct Seated {
    listener: Listener,
    uris: BTreeSet<String>,
}

#[derive(Default)]
struct Room {
    seated: BTreeMap<u64, Seated>,
    /// What each watched resource said when it was last looked at; `None` until it was.
    digests: HashMap<String, Option<u64>>,
    live: bool,
}

/// Everybody who listens.
pub(super) struct Hub {
    desk: Desk,
    tasks: Tasks,
    room: Mutex<Room>,
    next: AtomicU64,
    watching: AtomicBool,
}

/// A place in the hub; dropped, the client is told nothing any more.
#[derive(Debug)]
pub(super) struct Seat {
    hub: Arc<Hub>,
    id: u64,
}

impl Hub {
    pub(super) fn new(desk: Desk, tasks: Tasks) -> Arc<Self> {
        Arc::new(Self {
            desk,
            tasks,
            room: Mutex::default(),
            next: AtomicU64::new(0),
            watching: AtomicBool::new(false),
        })
    }

    /// Whether one more may listen.
    pub(super) fn has_room(&self) -> bool {
        self.room.lock().seated.len() < MOST_LISTENERS
    }

    /// Takes out the resources for which there is no room, so that nobody is promised news that never come.
    pub(super) fn keep_fitting(&self, uris: &mut Vec<String>) {
        let room = self.room.lock();
        let mut free = MOST_WATCHED.saturating_sub(room.digests.len());
        uris.retain(|uri| {
            let is_watched = room.digests.contains_key(uri);
            let fits = is_watched || free > 0;
            free = free.saturating_sub(usize::from(!is_watched));
            fits
        });
    }

    /// Seats a client; `None` when the hub is full.
    pub(super) fn join(self: &Arc<Self>, listener: Listener) -> Option<Seat> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        {
            let mut room = self.room.lock();
            if room.seated.len() >= MOST_LISTENERS {
                return None;
            }
            if room.seated.is_empty() {
                room.live = catalogue::is_live(&self.desk.engine);
            }
            room.seated.insert(id, Seated { listener, uris: BTreeSet::new() });
        }
        let seat = Seat { hub: Arc::clone(self), id };
        // The watch begins before the first look, so that no change falls between the two.
        self.watch();
        Some(seat)
    }

    /// Begins to watch with the first listener: a server that nobody listens to does nothing after a change.
    fn watch(self: &Arc<Self>) {
        if self.watching.swap(true, Ordering::Relaxed) {
            return;
        }
        let hub = Arc::clone(self);
        let mut rows = self.desk.engine.changed();
        let mut records = self.desk.coordination.as_ref().map(|coordination| coordination.changed());
        let ending = self.tasks.ending();
        self.tasks.spawn("mcp.subscriptions", async move {
            loop {
                tokio::select! {
                    change = rows.changed() => {
                        if change.is_err() {
                            return;
                        }
                        rows.mark_changed();
                    }
                    change = next(&mut records) => {
                        if change.is_err() {
                            records = None;
                        } else if let Some(records) = &mut records {
                            records.mark_changed();
                        }
                    }
                    () = ending.cancelled() => return,
                }
                tokio::select! {
                    () = tokio::time::sleep(DEBOUNCE) => {}
                    () = ending.cancelled() => return,
                }
                // A signal that is gone is as one that changed: one more look is all it costs.
                let of_rows = rows.has_changed().unwrap_or(true);
                let of_records =
                    records.as_ref().is_some_and(|records| records.has_changed().unwrap_or(true));
                rows.mark_unchanged();
                if let Some(records) = &mut records {
                    records.mark_unchanged();
                }
                hub.look(of_rows, of_records).await;
            }
        });
    }

    /// Looks at what somebody listens to and what the signals are about, and tells what changed.
    async fn look(&self, of_rows: bool, of_records: bool) {
        let live = catalogue::is_live(&self.desk.engine);
        let (everybody, watched) = {
            let mut room = self.room.lock();
            let news = std::mem::replace(&mut room.live, live) != live;
            let everybody: Vec<Listener> =
                if news { room.seated.values().map(|s| s.listener.clone()).collect() } else { Vec::new() };
            let watched: Vec<String> = room.digests.keys().cloned().collect();
            (everybody, watched)
        };
        futures::future::join_all(everybody.iter().map(Listener::tools_changed)).await;
        let mut news: BTreeMap<u64, (Listener, Vec<String>)> = BTreeMap::new();
        for uri in watched {
            if !(if resources::is_record(&uri) { of_records } else { of_rows }) {
                continue;
            }
            let digest = resources::digest(&self.desk, &uri).await;
            for (id, listener) in self.digested(&uri, digest) {
                news.entry(id).or_insert_with(|| (listener, Vec::new())).1.push(uri.clone());
            }
            // Others have their turn between two resources.
            tokio::task::yield_now().await;
        }
        // Each client has its own time, so that one which takes nothing delays nobody else's news by more than that.
        let told = news.values().map(|(listener, uris)| listener.all_updated(uris));
        futures::future::join_all(told).await;
    }

    /// Keeps what a resource says now; who is to be told when that is new.
    fn digested(&self, uri: &str, digest: u64) -> Vec<(u64, Listener)> {
        let mut room = self.room.lock();
        let Some(known) = room.digests.get_mut(uri) else { return Vec::new() };
        if known.replace(digest) == Some(digest) {
            return Vec::new();
        }
        let listening = room.seated.iter().filter(|(_, seated)| seated.uris.contains(uri));
        listening.map(|(id, seated)| (*id, seated.listener.clone())).collect()
    }
}

impl Seat {
    /// Listens to one more resource; false when there are too many. One that does not exist yet may come.
    pub(super) async fn subscribe(&self, uri: &str) -> bool {
        let is_new = {
            let mut room = self.hub.room.lock();
            let Room { seated, digests, .. } = &mut *room;
            let Some(seated) = seated.get_mut(&self.id) else { return false };
            if seated.uris.contains(uri) {
                return true;
            }
            let is_new = !digests.contains_key(uri);
            if seated.uris.len() >= MOST_URIS || (digests.len() >= MOST_WATCHED && is_new) {
                return false;
            }
            seated.uris.insert(uri.to_owned());
            // From here on a change is news, also while it is read for the first time.
            digests.entry(uri.to_owned()).or_insert(None);
            is_new
        };
        if is_new {
            let digest = resources::digest(&self.hub.desk, uri).await;
            if let Some(known @ None) = self.hub.room.lock().digests.get_mut(uri) {
                *known = Some(digest);
            }
        }
        true
    }

    /// Listens to a resource no longer.
    pub(super) fn unsubscribe(&self, uri: &str) {
        let mut room = self.hub.room.lock();
        if let Some(seated) = room.seated.get_mut(&self.id) {
            seated.uris.remove(uri);
        }
        room.forget();
    }
}

impl Room {
    /// Drops what nobody listens to any more.
    fn forget(&mut self) {
        let Self { seated, digests, .. } = self;
        digests.retain(|uri, _| seated.values().any(|s| s.uris.contains(uri)));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut room = self.hub.room.lock();
        room.seated.remove(&self.id);
        room.forget();
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("listeners", &self.room.lock().seated.len()).finish_non_exhaustive()
    }
}
