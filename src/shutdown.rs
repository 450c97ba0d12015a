//! Ends everything that runs: one tree of cancellation tokens, one tracker that knows every task.
//!
//! Tasks are spawned here and nowhere else, so that a shutdown waits for each, and so that a panic in one is logged
//! instead of lost. It decides nothing about what a task does.

mod signals;

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use signals::Signals;

/// The tasks of this process; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    token: CancellationToken,
}

impl Tasks {
    /// No task yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process is to end; tasks select on it.
    pub fn ending(&self) -> CancellationToken {
        self.token.clone()
    }

    /// A token below the process's, for something that may end earlier.
    pub fn child(&self) -> CancellationToken {
        self.token.child_token()
    }

    /// Runs a task until it ends. A panic in it is logged under `name` and ends nothing else.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        #[expect(clippy::disallowed_methods, reason = "the one place where tasks begin")]
        drop(tokio::spawn(self.tracker.track_future(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a task panicked and was ended");
            }
        })));
    }

    /// Asks every task to end.
    pub fn end(&self) {
        self.token.cancel();
    }

    /// Asks every task to end and waits for them, at most `longest`. Returns whether all ended.
    pub async fn drain(&self, longest: Duration) -> bool {
        self.end();
        self.tracker.close();
        tokio::time::timeout(longest, self.tracker.wait()).await.is_ok()
    }
}
