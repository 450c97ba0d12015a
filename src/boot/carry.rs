//! Carries orders over the socket of a state directory to the process that executes on it.
//!
//! Each order is sent once. One that was not answered is told as not known, never as not done.

use std::{path::PathBuf, sync::Arc, time::Duration};

use aiops_engine::Error;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, header};
use tokio::sync::Notify;

use crate::{
    attach::{self, Came, Carry, ENGINE, Order},
    outbound::Outbound,
    store,
};

/// What the other process gets to answer: a commit, and what may stand before it in the queue.
const PATIENCE: Duration = Duration::from_secs(20);
const MOST_BYTES: usize = 8 << 20;

/// The way to the process that executes.
pub(super) struct Socket {
    folder: PathBuf,
    client: Outbound,
    /// Woken when it does not answer: it may have ended.
    gone: Arc<Notify>,
}

impl Socket {
    pub(super) fn new(folder: PathBuf, gone: Arc<Notify>) -> Self {
        Self { client: Outbound::at(attach::socket(&folder)), folder, gone }
    }

    fn unanswered(&self, why: &dyn std::error::Error) -> Error {
        self.gone.notify_one();
        let mut said = why.to_string();
        let mut cause = why.source();
        while let Some(source) = cause {
            said.push_str(&format!(": {source}"));
            cause = source.source();
        }
        Error::Unavailable {
            what: "handing an order to the aiops that executes".to_owned(),
            why: format!(
                "{}, does not answer ({said}); when it has ended this process takes over within seconds. Whether the order \
                 was kept, list-workflows and list-incidents tell",
                self.executor()
            ),
            retry_after: Some(Duration::from_secs(2)),
        }
    }
}

#[async_trait]
impl Carry for Socket {
    async fn carry(&self, order: &Order) -> Result<Came, Error> {
        let internal = |error: Box<dyn std::error::Error + Send + Sync>| Error::Internal {
            what: "writing an order to the process that executes".to_owned(),
            source: Some(error),
        };
        let body = serde_json::to_vec(order).map_err(|error| internal(error.into()))?;
        let request = Request::post(format!("http://localhost{ENGINE}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body))
            .map_err(|error| internal(error.into()))?;
        let answer = match self.client.send(request, PATIENCE, MOST_BYTES).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.unanswered(&error)),
        };
        // Whoever refuses before the engine is asked writes another form: overloaded, or of another version.
        let read: Result<Result<Came, Error>, _> = serde_json::from_slice(answer.body());
        read.map_err(|error| self.unanswered(&error))?
    }

    fn executor(&self) -> String {
        let process = match store::holder(&self.folder) {
            Some(id) => format!("process {id}"),
            None => "the process".to_owned(),
        };
        format!("{process}, which executes on {}", self.folder.display())
    }
}
