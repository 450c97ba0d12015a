//! How a request came in, and what follows from it: who asks, whether they may write, how long an answer may be held back.
//!
//! It proves nobody's name; the listener's gate did, or the operating system.

use std::{sync::Arc, time::Duration};

use aiops_engine::{
    Error,
    model::caller::{Caller, Via},
};
use rmcp::{RoleServer, service::RequestContext};

use super::Handler;
use crate::{
    config,
    mcp::{catalogue::Offer, request::principal, server::Server, tool::LONGEST_WAIT},
};

/// How requests come in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// Over the listener, which answers within this time or not at all, unless an answer begins to flow before.
    Http {
        /// That time.
        within: Duration,
        /// Other machines reach it.
        is_open: bool,
    },
    /// Over the standard streams of our own process.
    Streams,
}

/// What is left of the listener's time when an answer that waited is written.
const TO_WRITE: Duration = Duration::from_secs(5);

impl Way {
    fn of(http: &config::Http) -> Self {
        Self::Http { within: http.request_timeout, is_open: !http.listen.ip().is_loopback() }
    }
}

impl Handler {
    /// For a request over HTTP that stands alone.
    pub(in crate::mcp) fn alone(server: &Server, http: &config::Http) -> Self {
        Self { server: server.clone(), session: None, way: Way::of(http) }
    }

    /// For a session over HTTP.
    pub(in crate::mcp) fn of_session(server: &Server, http: &config::Http) -> Self {
        Self { server: server.clone(), session: Some(Arc::default()), way: Way::of(http) }
    }

    /// For standard streams.
    pub(in crate::mcp) fn of_streams(server: &Server) -> Self {
        Self { server: server.clone(), session: Some(Arc::default()), way: Way::Streams }
    }

    /// Who asks: over HTTP whoever the gate let in, on standard streams the user whose process this is.
    pub(super) fn caller(&self, context: &RequestContext<RoleServer>) -> Caller {
        match self.way {
            Way::Streams => self.core().desk.owner(),
            Way::Http { .. } => match principal(context) {
                Some(principal) => Caller::identified(&principal.name, principal.groups.clone(), Via::Mcp),
                None => Caller::anonymous(Via::Mcp),
            },
        }
    }

    /// Refuses a tool that writes to who may not act.
    pub(super) fn check(&self, offer: &Offer, caller: &Caller) -> Result<(), Error> {
        if offer.tool.meta().hints.read_only { Ok(()) } else { self.may_act(offer.tool.meta().name, caller) }
    }

    /// Refuses who comes from other machines and shows no token, and everybody where only reading is offered.
    pub(super) fn may_act(&self, what: &str, caller: &Caller) -> Result<(), Error> {
        if self.core().is_read_only() {
            return Err(Error::refused(what, "mcp.readOnly", "this server is started to change nothing"));
        }
        let is_open = matches!(self.way, Way::Http { is_open: true, .. });
        if caller.is_identified || !is_open {
            return Ok(());
        }
        Err(Error::refused(
            what,
            "http.insecureAnonymous",
            "without tokens nobody may act over a port that other machines reach; set http.tokenFile",
        ))
    }

    /// How long an answer may be held back. A client that is told of progress has an answer that flows.
    pub(super) fn patience(&self, is_told: bool) -> Duration {
        let longest = Duration::from_secs(u64::from(LONGEST_WAIT));
        match self.way {
            Way::Http { within, .. } if !is_told => longest.min(within.saturating_sub(TO_WRITE)),
            Way::Http { .. } | Way::Streams => longest,
        }
    }
}
