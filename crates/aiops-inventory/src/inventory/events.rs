//! The newest events, up to a number; the oldest ordinary ones leave first, then the oldest warnings.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    collections::{BTreeSet, HashSet},
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::rows::{EventRow, Seconds};

/// Where an event stands in the ring: warnings after the others, then by when it was last seen, then by uid.
type Place = (bool, Seconds, u128);

/// A bounded set of events.
#[derive(Debug)]
pub struct EventRing {
    capacity: usize,
    rows: HashSet<ByUid>,
    order: BTreeSet<ByPlace>,
    /// Heard of last, by its own clock; kept though it may have left the ring.
    newest: Option<Arc<EventRow>>,
    dropped: u64,
}

/// An event under its uid. Both indexes look into the row, which is smaller than keys of their own.
#[derive(Debug)]
struct ByUid(Arc<EventRow>);

/// An event under its place.
#[derive(Debug)]
struct ByPlace(Arc<EventRow>);

fn place(row: &EventRow) -> Place {
    (row.is_warning, row.last, row.uid)
}

impl Borrow<u128> for ByUid {
    fn borrow(&self) -> &u128 {
        &self.0.uid
    }
}

impl Hash for ByUid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.uid.hash(state);
    }
}

impl PartialEq for ByUid {
    fn eq(&self, other: &Self) -> bool {
        self.0.uid == other.0.uid
    }
}

impl Eq for ByUid {}

impl Ord for ByPlace {
    fn cmp(&self, other: &Self) -> Ordering {
        place(&self.0).cmp(&place(&other.0))
    }
}

impl PartialOrd for ByPlace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByPlace {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByPlace {}

/// Events kept when nothing else is configured: an hour of a busy cluster of 10,000 pods, about 4 MiB.
const DEFAULT_CAPACITY: usize = 12_000;

impl Default for EventRing {
    fn default() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }
}

impl EventRing {
    /// A ring for this many events, at least one.
    pub fn with_capacity(capacity: usize) -> Self {
        let (rows, order) = (HashSet::new(), BTreeSet::new());
        Self { capacity: capacity.max(1), rows, order, newest: None, dropped: 0 }
    }

    /// Takes an event in; one with the same uid is replaced.
    pub(crate) fn insert(&mut self, row: EventRow) {
        let row = Arc::new(row);
        if self.newest.as_ref().is_none_or(|newest| newest.last <= row.last) {
            self.newest = Some(Arc::clone(&row));
        }
        if let Some(ByUid(old)) = self.rows.replace(ByUid(Arc::clone(&row))) {
            self.order.remove(&ByPlace(old));
        }
        self.order.insert(ByPlace(row));
        while self.order.len() > self.capacity {
            let Some(ByPlace(oldest)) = self.order.pop_first() else { break };
            self.rows.remove(&oldest.uid);
            self.dropped += 1;
        }
    }

    /// Forgets them all.
    pub(crate) fn clear(&mut self) {
        self.rows = HashSet::new();
        self.order.clear();
        self.newest = None;
    }

    /// All events, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<EventRow>> {
        self.rows.iter().map(|ByUid(row)| row)
    }

    /// The warnings, the newest first.
    pub fn warnings(&self) -> impl Iterator<Item = &Arc<EventRow>> {
        self.order.iter().rev().map(|ByPlace(row)| row).take_while(|row| row.is_warning)
    }

    /// The event that was last seen most recently, though it may have left the ring.
    pub fn newest(&self) -> Option<&Arc<EventRow>> {
        self.newest.as_ref()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Interner, decode};

    fn event(uid: u32, kind: &str, last: u32) -> EventRow {
        let json = format!(
            r#"{{"metadata":{{"name":"e{uid}","namespace":"shop","uid":"00000000-0000-0000-0000-{uid:012x}"}},
            "type":"{kind}","lastTimestamp":"2026-11-24T10:{last:02}:00Z","message":"m{last}"}}"#
        );
        decode::event(json.as_bytes(), &mut Interner::default()).expect("event")
    }

    #[test]
    fn old_ordinary_events_leave_first_and_then_old_warnings() {
        let mut ring = EventRing::with_capacity(2);
        for row in [event(1, "Warning", 1), event(2, "Normal", 9), event(3, "Normal", 5)] {
            ring.insert(row);
        }
        let held = |ring: &EventRing| {
            let mut uids: Vec<u128> = ring.iter().map(|row| row.uid).collect();
            uids.sort_unstable();
            uids
        };
        assert_eq!((held(&ring), ring.dropped()), (vec![1, 2], 1));
        ring.insert(event(4, "Warning", 3));
        assert_eq!(held(&ring), [1, 4]);
        ring.insert(event(5, "Warning", 2));
        assert_eq!(held(&ring), [4, 5]);
        assert_eq!(ring.newest().map(|row| row.uid), Some(2));
        assert_eq!(ring.warnings().map(|row| row.last % 3_600 / 60).collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn an_event_that_happens_again_replaces_itself() {
        let mut ring = EventRing::with_capacity(2);
        ring.insert(event(1, "Normal", 1));
        ring.insert(event(1, "Warning", 7));
        assert_eq!((ring.len(), ring.order.len(), ring.dropped()), (1, 1, 0));
        assert_eq!(ring.iter().next().map(|row| row.message.as_str()), Some("m7"));
    }
}
