//! The inventory as feeds and requests share it, and the signal that it changed.
//!
//! The lock is held for one change or one look, never over an await. The signal carries no data: whoever is woken
//! looks again.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use aiops_inventory::{Inventory, rows::Seconds};
use parking_lot::{RwLock, RwLockReadGuard};
use tokio::sync::watch;

/// A handle on the one inventory of this process; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SharedInventory(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rows: RwLock<Inventory>,
    changed: watch::Sender<u64>,
    /// When its source was heard last; 0 for one that needs not be heard, such as a recording.
    heard: AtomicI64,
}

impl SharedInventory {
    /// Shares an inventory.
    pub fn new(inventory: Inventory) -> Self {
        Self(Arc::new(Inner {
            rows: RwLock::new(inventory),
            changed: watch::Sender::default(),
            heard: AtomicI64::new(0),
        }))
    }

    /// A look at the rows. Do not keep it over an await.
    pub fn look(&self) -> RwLockReadGuard<'_, Inventory> {
        self.0.rows.read()
    }

    /// Changes the rows, then wakes whoever watches. Keep it short: readers wait meanwhile.
    pub fn change<R>(&self, change: impl FnOnce(&mut Inventory) -> R) -> R {
        let (done, generation) = {
            let mut rows = self.0.rows.write();
            let done = change(&mut rows);
            (done, rows.generation())
        };
        self.0.changed.send_if_modified(|known| {
            let news = *known != generation;
            *known = generation;
            news
        });
        done
    }

    /// Notes that the source of the rows was heard: up to this moment they are what it said. Wakes nobody.
    pub fn hear(&self, at: Seconds) {
        self.0.heard.fetch_max(at, Ordering::Relaxed);
    }

    /// When the source of the rows was heard last; `None` for one that needs not be heard.
    pub fn heard(&self) -> Option<Seconds> {
        let at = self.0.heard.load(Ordering::Relaxed);
        (at != 0).then_some(at)
    }

    /// Wakes after each change; holds the newest generation.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_signalled_and_a_look_is_not() {
        let shared = SharedInventory::default();
        let mut changed = shared.changed();
        assert!(!changed.has_changed().unwrap());
        shared.change(|_| ());
        assert!(!changed.has_changed().unwrap());
        shared.change(|inventory| inventory.set_info(|info| info.server = "https://a".into()));
        assert!(changed.has_changed().unwrap());
        assert_eq!(*changed.borrow_and_update(), shared.look().generation());
    }
}
