//! The newest events, up to a number; the oldest ordinary ones leave first, then the oldest warnings.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::rows::{EventRow, Seconds};

/// Where an event stands in the ring: warnings after the others, then by when it was last seen, then by uid.
type Place = (bool, Seconds, u128);

/// A bounded set of events.
#[derive(Debug)]
pub struct EventRing {
    capacity: usize,
    rows: HashMap<u128, Arc<EventRow>>,
    order: BTreeSet<Place>,
    dropped: u64,
}

/// Events kept when nothing else is configured: an hour of a busy cluster of 10,000 pods, about 3 MiB.
const DEFAULT_CAPACITY: usize = 12_000;

impl Default for EventRing {
    fn default() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }
}

impl EventRing {
    /// A ring for this many events, at least one.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), rows: HashMap::new(), order: BTreeSet::new(), dropped: 0 }
    }

    /// Takes an event in; one with the same uid is replaced.
    pub(crate) fn insert(&mut self, row: EventRow) {
        let place = (row.is_warning, row.last, row.uid);
        if let Some(old) = self.rows.insert(row.uid, Arc::new(row)) {
            self.order.remove(&(old.is_warning, old.last, old.uid));
        }
        self.order.insert(place);
        while self.order.len() > self.capacity {
            let Some((_, _, uid)) = self.order.pop_first() else { break };
            self.rows.remove(&uid);
            self.dropped += 1;
        }
    }

    /// All events, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<EventRow>> {
        self.rows.values()
    }

    /// The event that was last seen most recently.
    pub fn newest(&self) -> Option<&Arc<EventRow>> {
        let newest_of = |is_warning| {
            let bound = (is_warning, Seconds::MAX, u128::MAX);
            self.order.range((is_warning, Seconds::MIN, 0)..=bound).next_back().copied()
        };
        let (_, _, uid) =
            [newest_of(false), newest_of(true)].into_iter().flatten().max_by_key(|(_, last, _)| *last)?;
        self.rows.get(&uid)
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many had to leave for newer ones.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
