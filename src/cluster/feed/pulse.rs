//! Whether the API server answers: one small request now and then, and at once when a watch breaks.
//!
//! Watches never find out by themselves: when a server dies, all break in the same moment, and one question is enough.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use aiops_engine::SharedInventory;
use aiops_inventory::rows::Seconds;
use tokio::sync::{Notify, watch};

use crate::cluster::{
    failure::{Failure, Trouble},
    now,
};

/// The beat of one connection.
#[derive(Debug)]
pub(super) struct Pulse {
    wanted: Notify,
    beats: watch::Sender<u64>,
    /// When anything last came from the API server; answers say so through the inventory.
    heard: AtomicI64,
    inventory: SharedInventory,
    /// Longest that the small request may take.
    patience: Duration,
}

/// The API server does not answer any more.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) since: Seconds,
    pub(super) failure: Failure,
}

impl Pulse {
    pub(super) fn new(patience: Duration, inventory: SharedInventory) -> Self {
        let heard = AtomicI64::new(now());
        Self { patience, wanted: Notify::new(), beats: watch::Sender::new(0), heard, inventory }
    }

    /// Something came in.
    pub(super) fn heard(&self) {
        let now = now();
        self.heard.store(now, Ordering::Relaxed);
        self.inventory.hear(now);
    }

    /// Asks for a beat and does not wait.
    pub(super) fn ask(&self) {
        self.wanted.notify_one();
    }

    /// Waits until the API server has answered anew. When it does not, the session ends and this wait with it.
    pub(super) async fn check(&self) {
        let mut beats = self.beats.subscribe();
        beats.mark_unchanged();
        self.ask();
        // The sender lives as long as we do.
        let _ = beats.changed().await;
    }

    /// Beats until the API server is lost. `question` is the small request.
    pub(super) async fn beat<Q, F>(&self, pause: impl Fn() -> Duration, question: Q) -> Lost
    where
        Q: Fn(Duration) -> F,
        F: Future<Output = Result<(), Failure>>,
    {
        loop {
            let mut failed: Option<(Seconds, Failure)> = None;
            loop {
                let begun = now();
                match question(self.patience).await {
                    // It refuses the question, which is an answer.
                    Ok(()) => break,
                    Err(failure) if !is_lost(&failure) => break,
                    // Slow, but its watches speak.
                    Err(failure)
                        if failure.trouble == Trouble::Timeout
                            && self.heard.load(Ordering::Relaxed) > begun =>
                    {
                        break;
                    }
                    Err(failure) => {
                        let known = self.heard.load(Ordering::Relaxed);
                        // A silent server was lost when it was last heard; one that refuses, just now.
                        let since = if failure.trouble == Trouble::Timeout { known } else { begun };
                        let unauthorized = failure.trouble == Trouble::Unauthorized;
                        match failed.take() {
                            None if !unauthorized => failed = Some((since, failure)),
                            first => {
                                let since = first.map_or(since, |(since, _)| since);
                                return Lost { since, failure };
                            }
                        }
                        tokio::time::sleep(Duration::from_millis(300)).await;
                    }
                }
            }
            self.heard();
            self.beats.send_modify(|beats| *beats += 1);
            tokio::select! {
                () = tokio::time::sleep(pause()) => {}
                () = self.wanted.notified() => {}
            }
        }
    }
}

const fn is_lost(failure: &Failure) -> bool {
    matches!(
        failure.trouble,
        Trouble::Unreachable | Trouble::Timeout | Trouble::Unauthorized | Trouble::Server
    )
}
