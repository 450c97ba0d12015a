//! What becomes of a turn that could not go on: the store, a state that cannot be, a panic.
//!
//! Nothing is repaired here: it is read again, waited for, or shown to a person.

use super::{
    held::Held,
    machine::Illegal,
    record::Event,
    runner::{Executor, Stop, Turn, Work},
};
use crate::{
    model::{Millis, phase::Phase},
    ports::store::StoreError,
};

/// After how long a turn is tried again that the store was too busy for.
const STORE_BACKOFF: Millis = 250;
/// And one that it will not be written for until somebody does something.
const STORE_STOPPED: Millis = 5_000;

impl Executor {
    /// What to do about a turn that could not go on.
    pub(super) async fn stopped(&self, held: &Held, stop: Stop) -> Turn {
        let id = &held.lease().workflow;
        let later = |by: Millis| Turn::Hold(self.now(held).saturating_add(by));
        match stop {
            Stop::Store(StoreError::Fenced) => {
                held.lose();
                Turn::Lost
            }
            // Read again before anything else: somebody answered, cancelled, or the commit may be there.
            Stop::Store(StoreError::Changed(_) | StoreError::Unknown(_)) => {
                if held.missed() < 3 {
                    Turn::Again
                } else {
                    later(STORE_BACKOFF)
                }
            }
            Stop::Store(error @ (StoreError::Full(_) | StoreError::ReadOnly(_))) => {
                tracing::error!(workflow.id = %id, %error, "a workflow cannot go on");
                later(STORE_STOPPED)
            }
            Stop::Store(error) => {
                tracing::warn!(workflow.id = %id, %error, "a workflow waits for the store");
                later(STORE_BACKOFF)
            }
            Stop::Error(error) => {
                tracing::warn!(workflow.id = %id, error = %error, "a workflow waits");
                later(STORE_BACKOFF)
            }
            Stop::Illegal(illegal) => {
                tracing::error!(workflow.id = %id, error = %illegal, "a workflow is in a state that cannot be");
                self.park_broken(held, &illegal).await
            }
        }
    }

    /// A state that cannot be is shown to a person, not repaired.
    async fn park_broken(&self, held: &Held, illegal: &Illegal) -> Turn {
        let later = Turn::Hold(self.now(held).saturating_add(STORE_STOPPED));
        let Ok(Some(record)) = self.inner.store.workflow(&held.lease().workflow).await else { return later };
        if record.workflow.phase.is_terminal() {
            return Turn::Done;
        }
        let mut work = Work { held, record };
        let why = format!("aiops cannot go on: {illegal}; this is a fault of aiops, report it");
        self.park(&mut work, Some("internal"), why).await.unwrap_or(later)
    }

    /// Counts a turn that panicked; one that keeps doing so is parked.
    pub(super) async fn panicked(&self, held: &Held, what: &str) -> Turn {
        let later = Turn::Hold(self.now(held).saturating_add(STORE_STOPPED));
        tracing::error!(workflow.id = %held.lease().workflow, panic = what, "a turn panicked");
        let Ok(Some(record)) = self.inner.store.workflow(&held.lease().workflow).await else { return later };
        if record.workflow.phase.is_terminal() {
            return Turn::Done;
        }
        let mut work = Work { held, record };
        let most = self.inner.settings.limits.recoveries;
        if work.workflow().recoveries >= most && work.workflow().phase != Phase::NeedsOperator {
            let why =
                format!("aiops failed on it {most} times ({what}); this is a fault of aiops, report it");
            return self.park(&mut work, Some("poison"), why).await.unwrap_or(later);
        }
        match self.commit(&mut work, Event::Counted).await {
            Ok(()) | Err(_) => later,
        }
    }
}
