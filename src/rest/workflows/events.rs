//! `GET /workflows/{id}/events`: a workflow as it is now and at each change, as server-sent events (HTML Living
//! Standard §9.2), until it is over.
//!
//! Each event is the whole workflow and not a difference, so that a client that missed some has missed nothing. It does not
//! let watchers take the connections of others: so many flow at once, and no more begin.

use std::{convert::Infallible, sync::Arc, time::Duration};

use aiops_engine::{
    Error,
    coordination::WorkflowView,
    model::{caller::Caller, ids::WorkflowId},
};
use axum::{
    extract::State,
    http::{HeaderName, HeaderValue},
    response::{
        IntoResponse as _, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{
    super::{
        MOST_WATCHERS, Rest,
        body::redacted,
        caller::{At, Who},
        error::Failure,
    },
    WorkflowAnswer, workflow_id,
};

/// Proxies close what is silent for a minute; a comment this often keeps them from it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Changes by another process are not announced here, so the store is looked at this often in any case.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Changes that follow one another within this time are one event.
const GATHER: Duration = Duration::from_millis(50);

/// `GET /workflows/{id}/events`.
pub(in crate::rest) async fn events(
    State(rest): State<Rest>,
    who: Who,
    At(id): At<String>,
) -> Result<Response, Failure> {
    let id = workflow_id(&id)?;
    let place = Arc::clone(&rest.watchers).try_acquire_owned().map_err(|_| {
        Failure::overloaded(format!(
            "{MOST_WATCHERS} streams of events flow, which is the most; end one, or ask for the workflow itself"
        ))
    })?;
    // Registered before the first look, so that no change falls between the two.
    let mut changed = rest.engine().changed();
    changed.mark_unchanged();
    let first = rest.engine().workflow(&who.caller, &id).await?;
    let watcher = Watcher {
        rest,
        _place: place,
        caller: who.caller,
        request_id: who.request_id,
        id,
        changed,
        next: Some(first),
        last: None,
        number: 0,
        is_over: false,
    };
    let events = stream::unfold(watcher, |mut watcher: Watcher| async move {
        let event = watcher.next().await?;
        Some((Ok::<_, Infallible>(event), watcher))
    });
    let mut response =
        Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("heartbeat")).into_response();
    // nginx holds answers back to fill its buffers unless it is told not to.
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

struct Watcher {
    rest: Rest,
    /// Given back when the client is gone or the stream has ended.
    _place: OwnedSemaphorePermit,
    caller: Caller,
    request_id: String,
    id: WorkflowId,
    changed: watch::Receiver<u64>,
    /// What is to be told at once.
    next: Option<WorkflowView>,
    /// What was told last.
    last: Option<WorkflowAnswer>,
    number: u64,
    is_over: bool,
}

impl Watcher {
    /// The next event; none when the workflow is over, or the process is about to end.
    async fn next(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        if let Some(view) = self.next.take() {
            return Some(self.tell(view));
        }
        loop {
            tokio::select! {
                () = self.rest.ending.cancelled() => return None,
                changed = self.changed.changed() => {
                    // Nobody will announce anything any more.
                    changed.ok()?;
                    tokio::time::sleep(GATHER).await;
                    self.changed.mark_unchanged();
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            match self.rest.engine().workflow(&self.caller, &self.id).await {
                Ok(view) => {
                    let answer = WorkflowAnswer::of(view.clone());
                    if self.last.as_ref() != Some(&answer) {
                        return Some(self.tell(view));
                    }
                }
                // The store has a bad moment: the next look comes by itself.
                Err(Error::Unavailable { .. } | Error::Timeout { .. }) => {}
                Err(error) => {
                    self.is_over = true;
                    let body = Failure::from(error).body(&self.request_id);
                    return Some(self.event("error").data(body.to_string()));
                }
            }
        }
    }

    fn tell(&mut self, view: WorkflowView) -> Event {
        self.is_over = view.phase.is_terminal();
        let answer = WorkflowAnswer::of(view);
        let (name, data) = match redacted(&answer) {
            Ok(data) => ("workflow", data),
            Err(failure) => ("error", failure.body(&self.request_id)),
        };
        self.last = Some(answer);
        self.event(name).data(data.to_string())
    }

    fn event(&mut self, name: &str) -> Event {
        self.number += 1;
        Event::default().id(self.number.to_string()).event(name)
    }
}
