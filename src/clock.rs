//! The engine's clock: the system's, or one that stands still at the moment of a recording.
//!
//! It measures no durations.

use aiops_engine::ports::Clock;
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
