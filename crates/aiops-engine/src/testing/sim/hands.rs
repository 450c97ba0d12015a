//! Time that moves only when the harness moves it, and ids that are counted.
//!
//! The store's clock and the ticks are true; the engine's wall clock may be wrong by an offset.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    model::Millis,
    ports::{Clock, Ids, Timer},
};

/// 2026-11-27T11:00:00Z.
const BEGIN: Millis = 1_795_777_200_000;

/// The hands of the clock.
#[derive(Debug)]
pub(crate) struct Hands {
    now: AtomicI64,
    skew: AtomicI64,
}

impl Hands {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { now: AtomicI64::new(BEGIN), skew: AtomicI64::new(0) })
    }

    /// True time.
    pub(crate) fn millis(&self) -> Millis {
        self.now.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, by: Millis) {
        self.now.fetch_add(by.max(0), Ordering::SeqCst);
    }

    /// How far the engine's wall clock is off.
    pub(crate) fn skew(&self, by: Millis) {
        self.skew.store(by, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.millis()).unwrap()
    }
}

#[async_trait]
impl Timer for Hands {
    fn ticks(&self) -> Millis {
        self.millis() - BEGIN
    }

    async fn sleep_until(&self, ticks: Millis) {
        std::future::poll_fn(|_| {
            if self.ticks() >= ticks { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

/// A timer that stands still: a defect.
#[derive(Debug)]
pub(crate) struct StoppedTimer;

#[async_trait]
impl Timer for StoppedTimer {
    fn ticks(&self) -> Millis {
        0
    }

    async fn sleep_until(&self, _: Millis) {}
}

/// The engine's wall clock.
#[derive(Debug, Clone)]
pub(crate) struct Wall(pub(crate) Arc<Hands>);

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.millis() + self.0.skew.load(Ordering::SeqCst)).unwrap()
    }
}

/// Ids that are counted.
#[derive(Debug, Default)]
pub(crate) struct Counted(AtomicU64);

impl Ids for Counted {
    fn unique(&self) -> String {
        format!("{:012}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}
