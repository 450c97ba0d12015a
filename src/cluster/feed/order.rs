//! Which watches begin first, and how far apart they begin again.
//!
//! At the start what health needs comes first and events come last. After an outage the watches are spread over some
//! seconds, again with the important ones first, so that many of us do not fall upon an API server that has just come
//! back.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use aiops_inventory::Kind;
use tokio_util::sync::CancellationToken;

use crate::cluster::jitter;

/// How many groups of watches there are.
const TIERS: usize = 3;
/// Longest that one group waits for the one before.
const LONGEST_WAIT: Duration = Duration::from_millis(700);

/// The group of a kind.
pub(super) const fn tier(kind: Kind) -> usize {
    match kind {
        Kind::Node
        | Kind::Namespace
        | Kind::Pod
        | Kind::Deployment
        | Kind::StatefulSet
        | Kind::DaemonSet
        | Kind::ReplicaSet
        | Kind::Job
        | Kind::CronJob => 0,
        Kind::Event => 2,
        _ => 1,
    }
}

/// The order of one session.
#[derive(Debug)]
pub(super) struct Order {
    is_first: bool,
    left: [AtomicUsize; TIERS],
    done: [CancellationToken; TIERS],
}

impl Order {
    /// For watches of these kinds. `is_first` when nothing has been watched in this process yet.
    pub(super) fn new(is_first: bool, kinds: impl Iterator<Item = Kind>) -> Self {
        let order = Self { is_first, left: Default::default(), done: Default::default() };
        for kind in kinds {
            if let Some(left) = order.left.get(tier(kind)) {
                left.fetch_add(1, Ordering::Relaxed);
            }
        }
        for (left, done) in order.left.iter().zip(&order.done) {
            if left.load(Ordering::Relaxed) == 0 {
                done.cancel();
            }
        }
        order
    }

    /// Waits for the turn of `kind`.
    pub(super) async fn turn(&self, kind: Kind) {
        let tier = tier(kind);
        if !self.is_first {
            let (least, most) = match tier {
                // With the pause before the first question everything is asked for within 4.5 s of the return.
                0 => (0, 1_000),
                1 => (1_000, 2_300),
                _ => (2_300, 3_300),
            };
            tokio::time::sleep(jitter::between(Duration::from_millis(least), Duration::from_millis(most)))
                .await;
            return;
        }
        for done in self.done.iter().take(tier) {
            // An API server that keeps one list back does not keep the others.
            let _ = tokio::time::timeout(LONGEST_WAIT, done.cancelled()).await;
        }
    }

    /// A watch of `kind` has its list, or knows that it will not get it soon. To be called once a watch.
    pub(super) fn settled(&self, kind: Kind) {
        let tier = tier(kind);
        let (Some(left), Some(done)) = (self.left.get(tier), self.done.get(tier)) else { return };
        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
            done.cancel();
        }
    }
}
