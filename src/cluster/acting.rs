//! Changes to a cluster: each one request, sent at most once, good for one state of one object, within 5 seconds; the
//! record of a Helm release alone is more than one.
//!
//! It retries nothing and decides nothing: what is to be sent is the engine's, and whether a request that was not answered
//! had an effect is for the engine to find out. Nothing of a Secret comes back.

mod announce;
mod answer;
mod record;
mod request;
mod writer;

use std::{sync::Arc, time::Duration};

use aiops_engine::{
    error::PortErrorKind,
    model::{action::Action, target::Target},
    ports::{
        ApiResource, Cluster as _,
        acting::{Accepted, Acting, Announcement, Mutation, NotDone, NotDoneKind},
    },
};
use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

pub(super) use self::writer::Writer;
use super::{Live, bucket::Bucket};

/// How many changes a second, and how many of them at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// A second.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self { per_second: 5, burst: 10 }
    }
}

/// Changes the cluster that [`Live`] reads.
#[derive(Debug)]
pub(super) struct Changes {
    live: Arc<Live>,
    bucket: Bucket,
    /// Events take no change's turn.
    events: Bucket,
    /// Longest for a change, from the call to the last byte of its answer: the lease under which it is sent outlasts it.
    within: Duration,
}

impl Changes {
    pub(super) fn new(live: Arc<Live>, rate: Rate, within: Duration) -> Self {
        let bucket = || Bucket::new(f64::from(rate.per_second), rate.burst);
        Self { live, bucket: bucket(), events: bucket(), within }
    }

    /// How much of a change's time may pass before it is sent. One that is sent late would be known to nobody when its time
    /// ends.
    fn prepare(&self) -> Duration {
        self.within * 2 / 5
    }

    /// The kind as the cluster serves it.
    async fn kind(&self, target: &Target, what: &str) -> Result<ApiResource, NotDone> {
        let kinds = self.live.resources().await.map_err(|error| {
            let kind = match error.kind {
                PortErrorKind::Denied => NotDoneKind::Denied,
                _ => NotDoneKind::NotSent,
            };
            NotDone { after: error.after, ..NotDone::new(kind, format!("{what}: {}", error.message)) }
        })?;
        let is_meant = |kind: &ApiResource| {
            kind.group == target.group && kind.kind == target.kind && !kind.plural.contains('/')
        };
        kinds.into_iter().find(is_meant).ok_or_else(|| {
            let group = if target.group.is_empty() { "the core group" } else { &target.group };
            let why = format!("{what}: the cluster serves no {} in {group}", target.kind);
            NotDone::new(NotDoneKind::NotFound, why)
        })
    }

    /// Everything that has to be had before a change can be sent.
    async fn ready(
        &self,
        target: &Target,
        what: &str,
        turns: Option<&Bucket>,
    ) -> Result<(Arc<Writer>, ApiResource), NotDone> {
        let not_sent = |why: String| NotDone::new(NotDoneKind::NotSent, why);
        let connection = self
            .live
            .connection(what)
            .map_err(|error| NotDone { after: error.after, ..not_sent(error.message) })?;
        let writer = connection.writer.clone().ok_or_else(|| {
            NotDone::new(NotDoneKind::Unsupported, format!("{what}: this aiops may only read"))
        })?;
        let kind = self.kind(target, what).await?;
        if let Some(turns) = turns {
            turns.take().await;
        }
        Ok((writer, kind))
    }
}

#[async_trait]
impl Acting for Changes {
    async fn turn(&self) {
        self.bucket.take().await;
    }

    async fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        let begun = Instant::now();
        let what = request::describe(mutation);
        // What changes something has waited for its turn before it was allowed.
        let turns = mutation.dry_run.then_some(&self.bucket);
        let prepared = timeout_at(begun + self.prepare(), self.ready(&mutation.target, &what, turns)).await;
        let (writer, kind) = prepared.unwrap_or_else(|_| {
            let prepare = self.prepare();
            let why = format!("{what}: it was not sent: its turn did not come within {prepare:?}");
            Err(NotDone { after: Some(prepare), ..NotDone::new(NotDoneKind::NotSent, why) })
        })?;
        if let Action::RecordRelease { release, .. } = &mutation.action {
            return self.record_release(mutation, release, (&writer, &kind), begun).await;
        }
        let request = request::write(mutation, &kind)
            .map_err(|why| NotDone::new(NotDoneKind::Rejected, format!("{what}: {why}")))?;
        writer.send(request, &what, begun + self.within).await
    }

    async fn announce(&self, note: &Announcement) {
        let what = format!("write an Event about {}", note.about);
        if let Err(error) = self.write_event(note, &what).await {
            // What was done is in the audit trail; an Event is a courtesy to those who look at the object.
            tracing::warn!(reason = note.reason, "{error}");
        }
    }
}
