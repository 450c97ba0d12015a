//! The engine's clock: the system's, or one that stands still at the moment of a recording; and the one that measures how
//! long a lease may be trusted.
//!
//! It decides nothing about time.

use std::time::Duration;

use aiops_engine::{
    model::Millis,
    ports::{Clock, Timer},
};
use async_trait::async_trait;
use jiff::Timestamp;

/// The time as the system tells it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Always this moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FixedClock(pub(crate) Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A clock that never jumps and counts while the machine is suspended, where the system has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemTimer;

/// A machine that wakes from suspension finds its sleepers late by no more than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[async_trait]
impl Timer for SystemTimer {
    fn ticks(&self) -> Millis {
        ticks()
    }

    async fn sleep_until(&self, until: Millis) {
        loop {
            // The runtime's own clock stands still in suspension, so it is asked for short whiles only.
            let Some(left) = u64::try_from(until.saturating_sub(ticks())).ok().filter(|left| *left > 0)
            else {
                return;
            };
            tokio::time::sleep(Duration::from_millis(left).min(LOOK_EVERY)).await;
        }
    }
}

#[cfg(target_os = "linux")]
fn ticks() -> Millis {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)
}

#[cfg(not(target_os = "linux"))]
fn ticks() -> Millis {
    use std::{sync::LazyLock, time::Instant};

    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    Millis::try_from(BEGAN.elapsed().as_millis()).unwrap_or(Millis::MAX)
}
