//! Sessions of the `initialize` era, so many at most, each for who began it.
//!
//! rmcp keeps them and ends the idle ones; this counts, and knows whose they are. The next one beyond the bound is refused
//! before anything is made for it, with a status that says when to come again. An id in other hands is no session (MCP,
//! security best practices: "session hijacking").

use std::{cell::Cell, collections::HashMap, future::Future, sync::Arc, time::Duration};

use futures::Stream;
use http::{HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::{
        WorkerTransport,
        common::server_side_http::ServerSseMessage,
        streamable_http_server::{
            RestoreOutcome, SessionId, SessionManager,
            session::{
                EventStore,
                local::{LocalSessionManager, LocalSessionManagerError, LocalSessionWorker},
            },
        },
    },
};

use super::{Answered, json_error};

/// When a client that was refused may try again.
const RETRY_AFTER_SECONDS: u64 = 30;

tokio::task_local! {
    static REFUSED: Cell<bool>;
    static ASKING: Option<String>;
}

/// Sessions, so many at most.
#[derive(Debug)]
pub(super) struct BoundedSessions {
    sessions: LocalSessionManager,
    most: usize,
    /// Who began each, by the name of the token.
    owners: Mutex<HashMap<SessionId, Option<String>>>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("{0} sessions are open already")]
    Full(usize),
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

impl BoundedSessions {
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        let mut sessions = LocalSessionManager::default();
        sessions.session_config.keep_alive = Some(idle);
        Self { sessions, most, owners: Mutex::default() }
    }

    /// Whether who asks now began this session.
    fn is_of_asker(&self, id: &SessionId) -> bool {
        self.owners.lock().get(id).is_some_and(|owner| *owner == asking())
    }
}

/// Who sent the request that is being handled.
fn asking() -> Option<String> {
    ASKING.try_with(Clone::clone).unwrap_or_default()
}

/// Handles a request of somebody, by the name of the token, and says whether a session was refused to it.
pub(super) async fn noting(
    asking: Option<String>,
    handled: impl Future<Output = Answered> + Send,
) -> (Answered, bool) {
    let handled = REFUSED.scope(Cell::new(false), async {
        let response = Box::pin(handled).await;
        (response, REFUSED.with(Cell::get))
    });
    ASKING.scope(asking, handled).await
}

/// The answer to a client that gets no session.
pub(super) fn full() -> Answered {
    let mut response = json_error(
        StatusCode::SERVICE_UNAVAILABLE,
        -32000,
        "no session is free: close one, try again in 30 s, raise mcp.maxSessions, or speak 2026-07-28, which needs none",
    );
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    response
}

impl SessionManager for BoundedSessions {
    type Error = SessionError;
    type Transport = WorkerTransport<LocalSessionWorker>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionError> {
        {
            let open = self.sessions.sessions.read().await;
            // Those that ended by themselves told nobody.
            self.owners.lock().retain(|id, _| open.contains_key(id));
            if open.len() >= self.most {
                // Outside of a request nobody asks why.
                let _ = REFUSED.try_with(|refused| refused.set(true));
                return Err(SessionError::Full(self.most));
            }
        }
        let (id, transport) = self.sessions.create_session().await?;
        self.owners.lock().insert(id.clone(), asking());
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionError> {
        Ok(self.sessions.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionError> {
        Ok(self.is_of_asker(id) && self.sessions.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionError> {
        // rmcp closes a session also by itself, for nobody, when its handshake failed.
        if ASKING.try_with(|_| ()).is_ok() && !self.is_of_asker(id) {
            return Ok(());
        }
        self.owners.lock().remove(id);
        Ok(self.sessions.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        Ok(self.sessions.create_stream(id, message).await?)
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), SessionError> {
        Ok(self.sessions.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        Ok(self.sessions.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        Ok(self.sessions.resume(id, last_event_id).await?)
    }

    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Self::Transport>, SessionError> {
        Ok(self.sessions.restore_session(id).await?)
    }

    fn event_store(&self) -> Option<Arc<dyn EventStore>> {
        self.sessions.event_store()
    }
}
