//! Everything that runs on one connection, from the moment the API server answers until it does not.
//!
//! When it ends, all watches end with it: the next session begins them where they were. It does not decide when to
//! connect again.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use aiops_engine::SharedInventory;
use aiops_inventory::{Kind, Name, Sync};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::{Mutex, MutexGuard, Notify, Semaphore};

use super::{
    board::{Board, Part},
    optional::Optional,
    order::Order,
    pulse::{Lost, Pulse},
    watch::Watch,
};
use crate::cluster::{
    api::Api,
    reach::{self, Reach},
};

/// How often rights are looked at again where they do not cover everything.
const RIGHTS: Duration = Duration::from_secs(60);
/// A watch that ran into a fault of ours begins again after this time.
const AFTER_PANIC: Duration = Duration::from_secs(10);

/// One connection at work.
pub(super) struct Session {
    pub(super) api: Arc<Api>,
    pub(super) inventory: SharedInventory,
    pub(super) board: Arc<Board>,
    pub(super) pulse: Pulse,
    pub(super) order: Order,
    /// How many pages may be held at once.
    pub(super) pages: Semaphore,
    optional: Optional,
    lists: HashMap<Kind, Mutex<()>>,
    rights: Notify,
    reach: Reach,
}

/// Why a session ended.
#[derive(Debug)]
pub(super) enum End {
    /// The API server does not answer.
    Lost(Lost),
    /// The credentials may see more or less than before.
    OtherRights,
}

impl Session {
    pub(super) fn new(
        api: Arc<Api>,
        inventory: SharedInventory,
        board: Arc<Board>,
        reach: Reach,
        is_first: bool,
        patience: Duration,
    ) -> Self {
        let parts = reach.parts();
        // Kinds that may not exist hold up nobody.
        let order =
            Order::new(is_first, parts.iter().map(|(kind, _)| *kind).filter(|kind| !kind.is_optional()));
        Self {
            api,
            pulse: Pulse::new(patience, inventory.clone()),
            inventory,
            board,
            order,
            pages: Semaphore::new(2),
            optional: Optional::new(),
            lists: Kind::ALL.into_iter().map(|kind| (kind, Mutex::default())).collect(),
            rights: Notify::new(),
            reach,
        }
    }

    /// Held while a list of `kind` comes in.
    pub(super) async fn list_lock(&self, kind: Kind) -> Option<MutexGuard<'_, ()>> {
        match self.lists.get(&kind) {
            Some(list) => Some(list.lock().await),
            None => None,
        }
    }

    /// Something was refused that the rights had promised.
    pub(super) fn ask_for_rights(&self) {
        self.rights.notify_one();
    }

    /// Runs until the API server is lost. `namespaces` and `others` are as for [`reach::reach`].
    pub(super) async fn run(&self, namespaces: &[String], others: &[String]) -> End {
        let parts = self.reach.parts();
        self.board.lay_out(&parts);
        let watches: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        for part in parts {
            watches.push(self.keep(part).boxed());
        }
        let beat = self
            .pulse
            .beat(|| self.optional.pause(), |within| self.optional.ask(&self.api, &self.inventory, within));
        tokio::select! {
            lost = beat => End::Lost(lost),
            () = watches.collect::<()>() => End::OtherRights,
            () = self.optional.watch_definitions(self) => End::OtherRights,
            () = self.other_rights(namespaces, others) => End::OtherRights,
        }
    }

    /// Keeps one watch running, whatever happens in it.
    async fn keep(&self, part: Part) {
        loop {
            let watch = AssertUnwindSafe(self.watch(&part)).catch_unwind();
            if watch.await.is_err() {
                tracing::error!(kind = %part.0, "a watch ran into a fault of aiops and is begun again");
                self.board.set_version(&part, None);
                self.board.broken(&part, crate::cluster::now(), "a fault of aiops; report it with the log");
                tokio::time::sleep(AFTER_PANIC).await;
            }
        }
    }

    async fn watch(&self, part: &(Kind, Option<Name>)) {
        let kind = part.0;
        if !kind.is_optional() {
            self.order.turn(kind).await;
            Watch::new(self, part.clone()).run().await;
            return;
        }
        let absent = async {
            self.optional.until(kind, false).await;
        };
        let present = async {
            self.optional.until(kind, true).await;
            Watch::new(self, part.clone()).run().await;
            // It was served a moment ago: a definition that goes, or comes.
            tokio::time::sleep(Duration::from_secs(2)).await;
        };
        tokio::select! {
            biased;
            () = absent => {
                self.board.set_version(part, None);
                self.board.report(part, Sync::Absent);
                self.optional.until(kind, true).await;
            }
            () = present => {}
        }
    }

    /// Returns when the credentials may see more or less of the cluster than at the beginning.
    async fn other_rights(&self, namespaces: &[String], others: &[String]) {
        loop {
            let limited = namespaces.is_empty() && matches!(self.reach, Reach::Namespaces(_));
            tokio::select! {
                () = self.rights.notified() => {}
                () = tokio::time::sleep(RIGHTS), if limited => {}
            }
            match reach::reach(&self.api, namespaces, others).await {
                Ok(reach) if reach != self.reach => return,
                _ => {}
            }
        }
    }
}
