//! Whether the member is reached, asked every few seconds, told in the inventory's info.
//!
//! No rows come over the line: what rests on them says that they stay with the member.

use std::{sync::Arc, time::Duration};

use aiops_engine::{SharedInventory, member::MemberCluster, text};
use aiops_inventory::{
    Kind, Sync,
    inventory::{Connection, Source},
};

use crate::shutdown::Tasks;

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(5);
/// Longest for an answer.
pub(super) const WITHIN: Duration = Duration::from_secs(3);

/// Begins to ask.
pub(super) fn start(cluster: Arc<MemberCluster>, inventory: SharedInventory, place: String, tasks: &Tasks) {
    inventory.change(|rows| {
        rows.set_info(|info| {
            info.source = Source::Live;
            info.server = place.as_str().into();
            info.context = "member".into();
            info.connection = Connection::Connecting;
        });
        let reason = format!(
            "rows are kept by the member at {place} and not here: ask its tools for lists; orders are planned on what is \
             read live through it"
        );
        for kind in Kind::ALL {
            rows.set_sync(kind, Sync::Failing { reason: reason.as_str().into() });
        }
    });
    let ending = tasks.ending();
    tasks.spawn("watch the member", async move {
        let mut was_up = None;
        loop {
            let seen = tokio::select! {
                () = ending.cancelled() => return,
                seen = cluster.greet(WITHIN) => seen,
            };
            let now = jiff::Timestamp::now().as_second();
            let is_up = seen.is_ok();
            match seen {
                Ok(seen) => {
                    inventory.hear(now);
                    inventory.change(|rows| {
                        rows.set_info(|info| {
                            info.connection = Connection::Up;
                            info.uid = seen.cluster.as_str().into();
                            info.version = seen.version.as_str().into();
                        });
                    });
                }
                Err(error) => {
                    if was_up != Some(false) {
                        tracing::warn!(member = place, "the member cannot be used: {}", error.message);
                    }
                    let reason = text::line(&error.message, 300);
                    inventory.change(|rows| {
                        let since = match &rows.info().connection {
                            Connection::Down { since, .. } => *since,
                            Connection::Up | Connection::Connecting => now,
                        };
                        rows.set_info(|info| {
                            info.connection = Connection::Down { since, reason: reason.as_str().into() };
                        });
                    });
                }
            }
            if is_up && was_up != Some(true) {
                tracing::info!(member = place, "the member is reached");
            }
            was_up = Some(is_up);
            tokio::select! {
                () = ending.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    });
}
