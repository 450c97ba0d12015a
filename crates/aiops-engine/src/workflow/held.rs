//! A workflow that this executor holds: its lease, and how long that may be trusted.
//!
//! The store's clock decides who holds a lease; ours only makes the trust in it shorter. What else is remembered here saves
//! reading again, and is dropped at the first doubt.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use parking_lot::Mutex;

use super::record::Event;
use crate::{
    model::{Millis, workflow::Record},
    ports::store::Lease,
};

/// A workflow that this executor holds.
#[derive(Debug)]
pub struct Held {
    lease: Lease,
    /// How far the store's time is ahead of our ticks, measured at the claim.
    ahead: Millis,
    /// Ticks until which the lease may be trusted.
    trusted_until: AtomicI64,
    is_lost: AtomicBool,
    /// The claim was counted, or need not be: we gave it back ourselves the last time.
    is_counted: AtomicBool,
    /// Changes in a row that the store refused because the record had moved on.
    misses: AtomicU32,
    /// The record as of our last commit.
    record: Mutex<Option<Record>>,
    /// What became of a request, while the store cannot be told.
    unsaved: Mutex<Option<Event>>,
}

impl Held {
    pub(super) fn new(lease: Lease, trusted_until: Millis, is_counted: bool, ahead: Millis) -> Self {
        Self {
            lease,
            ahead,
            trusted_until: AtomicI64::new(trusted_until),
            is_lost: AtomicBool::new(false),
            is_counted: AtomicBool::new(is_counted),
            misses: AtomicU32::new(0),
            record: Mutex::new(None),
            unsaved: Mutex::new(None),
        }
    }

    /// The lease.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Milliseconds for which the lease may still be trusted, at this tick; 0 when it was lost.
    pub fn trust_left(&self, ticks: Millis) -> Millis {
        if self.is_lost.load(Ordering::Acquire) {
            return 0;
        }
        self.trusted_until.load(Ordering::Acquire).saturating_sub(ticks).max(0)
    }

    /// The store's time at this tick. Everything about a workflow is measured by it: it is the same for all that share the
    /// store, and between two claims it neither jumps nor stands still, whatever the wall clock of this machine does.
    pub(super) fn time(&self, ticks: Millis) -> Millis {
        ticks.saturating_add(self.ahead)
    }

    pub(super) fn trust_until(&self, ticks: Millis) {
        self.trusted_until.store(ticks, Ordering::Release);
    }

    /// Another executor has it: nothing may be sent any more.
    pub(super) fn lose(&self) {
        self.is_lost.store(true, Ordering::Release);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// Whether the claim still has to be counted; says so once.
    pub(super) fn has_to_be_counted(&self) -> bool {
        !self.is_counted.load(Ordering::Acquire)
    }

    pub(super) fn counted(&self) {
        self.is_counted.store(true, Ordering::Release);
    }

    pub(super) fn missed(&self) -> u32 {
        self.misses.fetch_add(1, Ordering::AcqRel).saturating_add(1)
    }

    pub(super) fn hit(&self) {
        self.misses.store(0, Ordering::Release);
    }

    pub(super) fn remember(&self, record: Record) {
        *self.record.lock() = Some(record);
    }

    pub(super) fn recall(&self) -> Option<Record> {
        self.record.lock().take()
    }

    pub(super) fn keep_unsaved(&self, event: Event) {
        *self.unsaved.lock() = Some(event);
    }

    pub(super) fn unsaved(&self) -> Option<Event> {
        self.unsaved.lock().take()
    }
}
