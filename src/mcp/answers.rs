//! The answers of this moment: who asks the same as another caller, with the inventory unchanged and within the same
//! second, gets the same answer, made once.
//!
//! It keeps nothing beyond the moment, so nobody sees an older answer than the inventory's own, and it is bounded in
//! number and bytes. It knows nothing of what it keeps.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::tool::Answer;

/// Different questions that are kept at once.
const MOST: usize = 128;
/// Bytes of text of all that is kept; the objects beside it take about four times as much.
const MOST_BYTES: usize = 256 << 10;
/// The longest arguments that are kept as a key, in bytes of JSON.
const LONGEST_KEY: usize = 512;

/// The moment for which an answer is true: the inventory's generation, and the second, because ages count on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) generation: u64,
    pub(super) second: i64,
}

/// One answer that is there or being made; whoever comes meanwhile waits for it.
pub(super) type Slot = Arc<OnceCell<Arc<Answer>>>;

/// The answers.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    moment: Moment,
    bytes: usize,
    slots: HashMap<(&'static str, String), Slot>,
}

impl Answers {
    /// The place of this question's answer; `None` when there is no room for it.
    pub(super) fn slot(&self, moment: Moment, tool: &'static str, arguments: String) -> Option<Slot> {
        if arguments.len() > LONGEST_KEY {
            return None;
        }
        let mut kept = self.0.lock();
        if kept.moment != moment {
            *kept = Kept { moment, ..Kept::default() };
        }
        let key = (tool, arguments);
        if let Some(slot) = kept.slots.get(&key) {
            return Some(Arc::clone(slot));
        }
        if kept.slots.len() >= MOST || kept.bytes >= MOST_BYTES {
            return None;
        }
        let slot = Slot::default();
        kept.slots.insert(key, Arc::clone(&slot));
        Some(slot)
    }

    /// Counts an answer that was made for `moment`.
    pub(super) fn filled(&self, moment: Moment, bytes: usize) {
        let mut kept = self.0.lock();
        if kept.moment == moment {
            kept.bytes += bytes;
        }
    }
}
