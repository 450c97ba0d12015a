//! What belongs to one session of the `initialize` era, or to the standard streams: the level of log messages the client
//! wants, and what it listens to.
//!
//! It ends with the session. Requests that stand alone have none.

use std::sync::Arc;

use parking_lot::Mutex;
#[expect(deprecated, reason = "clients of 2025-11-25 still set a level")]
use rmcp::model::LoggingLevel;
use rmcp::{RoleServer, service::Peer};

use super::subscriptions::{Hub, Listener, Seat};

/// One session.
#[derive(Debug, Default)]
#[expect(deprecated, reason = "clients of 2025-11-25 still set a level")]
pub(super) struct Session {
    level: Mutex<Option<LoggingLevel>>,
    seat: Mutex<Option<Arc<Seat>>>,
}

#[expect(deprecated, reason = "clients of 2025-11-25 still set a level")]
impl Session {
    /// The least important messages the client wants; none before it says so.
    pub(super) fn level(&self) -> Option<LoggingLevel> {
        *self.level.lock()
    }

    pub(super) fn set_level(&self, level: LoggingLevel) {
        *self.level.lock() = Some(level);
    }

    /// Takes a place among those who hear of changes. A full hub is no reason to refuse the session.
    pub(super) fn join(&self, hub: &Arc<Hub>, peer: &Peer<RoleServer>) {
        let mut seat = self.seat.lock();
        if seat.is_none() {
            *seat = hub.join(Listener::Peer(peer.clone())).map(Arc::new);
        }
    }

    /// Listens to a resource; false when the bounds are reached.
    pub(super) async fn subscribe(&self, hub: &Arc<Hub>, peer: &Peer<RoleServer>, uri: &str) -> bool {
        self.join(hub, peer);
        let seat = self.seat.lock().clone();
        match seat {
            Some(seat) => seat.subscribe(uri).await,
            None => false,
        }
    }

    pub(super) fn unsubscribe(&self, uri: &str) {
        if let Some(seat) = self.seat.lock().as_ref() {
            seat.unsubscribe(uri);
        }
    }
}
