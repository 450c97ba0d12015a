//! A moment before which connections were opened that are not used any more.
//!
//! A pool keeps what it has. Where an error says that connections of that time will fail again and again (a file that could
//! only be opened for reading then, a server that was made a standby, a line that is cut and does not say so), those opened
//! after the cause is gone are good: the others are closed when they are asked for. It closes nothing that is in use.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// The moment, if there was one.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubt(Arc<Mutex<Option<Instant>>>);

impl Doubt {
    /// From now on nothing is used that is open by now.
    pub(super) fn raise(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    /// Whether a connection of this age was opened before.
    pub(super) fn is_about(&self, age: Duration) -> bool {
        self.0.lock().is_some_and(|raised| raised.elapsed() <= age)
    }
}
