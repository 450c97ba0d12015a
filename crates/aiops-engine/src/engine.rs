//! The engine: the inventory, the ports, and how a request looks at them.
//!
//! It holds no state of its own. Whether a port is there decides what can be answered; no mode is asked anywhere.

use std::sync::Arc;

use aiops_inventory::{Inventory, Kind, Sync};
use jiff::Timestamp;
use parking_lot::RwLockReadGuard;

use crate::{
    answer::{Missing, Standing, time},
    error::Error,
    ports::{Clock, Cluster},
    shared::SharedInventory,
};

/// Answers requests.
#[derive(Clone)]
pub struct Engine {
    inventory: SharedInventory,
    cluster: Option<Arc<dyn Cluster>>,
    clock: Arc<dyn Clock>,
}

impl Engine {
    /// An engine over an inventory. Without a `cluster` only the rows can be asked.
    pub fn new(inventory: SharedInventory, cluster: Option<Arc<dyn Cluster>>, clock: Arc<dyn Clock>) -> Self {
        Self { inventory, cluster, clock }
    }

    /// The same engine without live reads: it answers from rows alone, at once.
    pub fn rows_only(&self) -> Self {
        Self { cluster: None, ..self.clone() }
    }

    /// A look at the inventory. Do not keep it over an await.
    pub fn look(&self) -> RwLockReadGuard<'_, Inventory> {
        self.inventory.look()
    }

    /// Wakes when the inventory changed; carries the newest generation and nothing else.
    pub fn changed(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inventory.changed()
    }

    /// Now; for a recording, the moment it was made.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The live cluster, or why there is none.
    pub fn cluster(&self, what: &str) -> Result<&dyn Cluster, Error> {
        self.cluster.as_deref().ok_or_else(|| {
            let why = match &self.look().info().source {
                aiops_inventory::inventory::Source::None { reason } => reason.to_string(),
                _ => {
                    "no cluster is connected; name one with --kubeconfig or --context, or run `aiops doctor`"
                        .to_owned()
                }
            };
            Error::Unavailable { what: what.to_owned(), why, retry_after: None }
        })
    }

    /// Whether live reads are possible at all.
    pub fn has_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// How far an answer that rests on these kinds may be believed.
    pub fn standing(&self, inventory: &Inventory, kinds: &[Kind]) -> Standing {
        self.standing_in(inventory, kinds, None)
    }

    /// How far an answer that rests on these kinds, in one namespace or in all that may be seen, may be believed.
    pub fn standing_in(&self, inventory: &Inventory, kinds: &[Kind], namespace: Option<&str>) -> Standing {
        let now = self.now();
        // A source that is silent may be lost: rows are true for the moment when it was last heard.
        let heard = self.inventory.heard().and_then(|at| Timestamp::from_second(at).ok());
        let as_of = heard.map_or(now, |heard| heard.min(now));
        let mut standing = Standing { as_of: Some(time(as_of)), ..Standing::default() };
        let mut stale_since: Option<i64> = None;
        for kind in kinds {
            let status = inventory.status(*kind);
            match &status.sync {
                Sync::Synced => {}
                Sync::Stale { since, reason } => {
                    stale_since = Some(stale_since.map_or(*since, |earlier| earlier.min(*since)));
                    standing.missing.push(Missing::new(*kind, "stale", reason));
                }
                Sync::Absent if kind.is_optional() => {}
                other => standing.missing.push(Missing::new(*kind, other.as_str(), Missing::reason(other))),
            }
            if status.sync.is_known() {
                standing.missing.extend(Missing::in_part(*kind, status, &inventory.info().scope, namespace));
            }
        }
        if let Some(since) = stale_since {
            let since = Timestamp::from_second(since).unwrap_or(now);
            standing.stale_since = Some(time(since));
            standing.as_of = standing.stale_since.clone();
        }
        if standing.missing.iter().any(|m| m.state == "warming") {
            standing.warming = Some(true);
        }
        standing.describe(inventory.info());
        standing
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("has_cluster", &self.cluster.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FixedClock;

    #[test]
    fn rows_of_a_silent_source_are_true_for_when_it_was_heard_last() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let shared = SharedInventory::default();
        let engine = Engine::new(shared.clone(), None, Arc::new(FixedClock(now)));
        let as_of = || engine.standing(&engine.look(), &[]).as_of.unwrap();
        shared.change(|rows| rows.set_info(|info| info.source = aiops_inventory::inventory::Source::Live));
        assert_eq!(as_of(), time(now), "a source that need not be heard");
        shared.hear(999_990);
        assert_eq!(as_of(), time(Timestamp::from_second(999_990).unwrap()));
        shared.hear(1_000_005);
        assert_eq!(as_of(), time(now), "never later than now");
    }
}
