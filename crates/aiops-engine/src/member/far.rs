//! The end at the engine: the ports [`Cluster`] and [`Acting`] over a line to a member.
//!
//! It calls `observe-object` and `perform-action` and nothing else, keeps no object, and never sends a change again. That an
//! object is not there it believes only where the member says so; every other failure is a failure.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    change::{Note, PERFORM, Perform, Performed},
    line::{Line, change_kind, lost_kind, members, read, read_kind},
    sight::{OBSERVE, Observe, Observed, What},
};
use crate::{
    error::{PortError, PortErrorKind},
    ports::{
        ApiResource, Cluster, Ids, ListOptions, LogRequest, ObjectPage, ReleaseRevision,
        acting::{Accepted, Acting, Announcement, Mutation, NotDone, NotDoneKind},
    },
};

/// Longest for a read.
const READ: Duration = Duration::from_secs(8);
/// Longest for a change, from the call to its answer: the lease under which it is sent outlasts it.
const CHANGE: Duration = Duration::from_secs(5);
/// How much of that may pass until it is known which moment it names.
const PREPARE: Duration = Duration::from_millis(1_500);
/// A moment that came in so long ago is not named any more: the member takes it for three times as long.
const FRESH: Duration = Duration::from_secs(5);
/// How long the kinds are believed.
const KINDS: Duration = Duration::from_secs(60);
/// When it makes sense to ask a member again that was not reached.
const AGAIN: Duration = Duration::from_secs(2);

/// The last observation that a change may name.
#[derive(Debug, Clone)]
struct Moment {
    came: Instant,
    moment: String,
    cluster: String,
}

/// A cluster that is reached through a member.
pub struct MemberCluster {
    line: Arc<dyn Line>,
    ids: Arc<dyn Ids>,
    moment: Mutex<Option<Moment>>,
    kinds: Mutex<Option<(Instant, Vec<ApiResource>)>>,
}

impl std::fmt::Debug for MemberCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemberCluster").field("place", &self.line.place()).finish_non_exhaustive()
    }
}

impl MemberCluster {
    /// The cluster at the end of a line; requests are named by `ids`.
    pub fn new(line: Arc<dyn Line>, ids: Arc<dyn Ids>) -> Self {
        Self { line, ids, moment: Mutex::default(), kinds: Mutex::default() }
    }

    /// Which cluster it is, its version, and that the member is there.
    ///
    /// # Errors
    /// The member is not reached or does not let us observe.
    pub async fn greet(&self, within: Duration) -> Result<Observed, PortError> {
        let asked = Observe { what: What::Moment, ..Observe::default() };
        self.observe(asked, "reach the member", within).await
    }

    async fn observe(&self, asked: Observe, what: &str, within: Duration) -> Result<Observed, PortError> {
        let place = self.line.place();
        let internal = |why: String| {
            let why = format!("{what}: the answer of the member at {place} cannot be read ({why})");
            PortError::new(PortErrorKind::Internal, why)
        };
        let arguments = members(&asked).map_err(internal)?;
        let called = timeout(within, self.line.call(OBSERVE, arguments, within, false)).await;
        let came = Instant::now();
        let reply = match called {
            Ok(Ok(reply)) => reply,
            Ok(Err(lost)) => {
                return Err(PortError {
                    kind: lost_kind(lost.kind),
                    message: format!("{what}: {lost}"),
                    after: Some(lost.after.unwrap_or(AGAIN)),
                });
            }
            Err(_) => {
                let why =
                    format!("{what}: the member at {place} did not answer within {} s", within.as_secs_f32());
                return Err(PortError { after: Some(within), ..PortError::new(PortErrorKind::Timeout, why) });
            }
        };
        if reply.is_error {
            let kind = read_kind(reply.code.as_deref());
            return Err(PortError {
                after: (kind == PortErrorKind::Unavailable).then_some(AGAIN),
                ..PortError::new(kind, format!("{what}: the member at {place} says: {}", reply.text))
            });
        }
        let seen: Observed = read(reply).map_err(internal)?;
        // Its age counts from when it came in at the earliest: on the way it only grew older, and the member knows by how much.
        *self.moment.lock() =
            Some(Moment { came, moment: seen.moment.clone(), cluster: seen.cluster.clone() });
        Ok(seen)
    }

    /// A moment that the next change may name.
    async fn recent(&self, what: &str) -> Result<Moment, NotDone> {
        let known = self.moment.lock().clone();
        if let Some(known) = known.filter(|known| known.came.elapsed() < FRESH && !known.cluster.is_empty()) {
            return Ok(known);
        }
        self.greet(PREPARE).await.map_err(|error| {
            let kind = match error.kind {
                PortErrorKind::Denied => NotDoneKind::Denied,
                PortErrorKind::Unsupported => NotDoneKind::Unsupported,
                _ => NotDoneKind::NotSent,
            };
            let why = format!("{what}: it was not sent: {}", error.message);
            NotDone { after: error.after, ..NotDone::new(kind, why) }
        })?;
        self.moment.lock().clone().filter(|known| !known.cluster.is_empty()).ok_or_else(|| {
            let why = format!("{what}: it was not sent: the member has not read yet which cluster it is at");
            NotDone { after: Some(AGAIN), ..NotDone::new(NotDoneKind::NotSent, why) }
        })
    }

    async fn request(
        &self,
        what: &str,
        make: impl FnOnce(String, Moment) -> Option<Perform> + Send,
    ) -> Result<Accepted, NotDone> {
        let end = Instant::now() + CHANGE;
        let rejected = |why: &str| NotDone::new(NotDoneKind::Rejected, format!("{what}: {why}"));
        let moment = self.recent(what).await?;
        let asked =
            make(self.ids.unique(), moment).ok_or_else(|| rejected("its body is none of its verb"))?;
        let arguments = members(&asked).map_err(|why| rejected(&why))?;
        let place = self.line.place();
        let unknown = |why: String| {
            let why = format!("{what}: the member at {place} {why}; whether it had an effect is not known");
            NotDone::new(NotDoneKind::Unknown, why)
        };
        let left = end.saturating_duration_since(Instant::now());
        // A timeout lets what it times go first: whoever was stopped until now must not send what is over.
        if left.is_zero() {
            let why = format!("{what}: it was not sent: its time was over before");
            return Err(NotDone::new(NotDoneKind::NotSent, why));
        }
        let called = timeout_at(end, self.line.call(PERFORM, arguments, left, true)).await;
        let reply = match called {
            Ok(Ok(reply)) => reply,
            Ok(Err(lost)) => return Err(NotDone { why: format!("{what}: {}", lost.why), ..lost }),
            Err(_) => return Err(unknown(format!("did not answer within {} s", CHANGE.as_secs()))),
        };
        if reply.is_error {
            let kind = change_kind(reply.code.as_deref());
            if kind == NotDoneKind::Unknown {
                return Err(unknown(format!("says: {}", reply.text)));
            }
            return Err(NotDone::new(kind, format!("{what}: the member at {place} says: {}", reply.text)));
        }
        let performed: Performed =
            read(reply).map_err(|why| unknown(format!("gave an answer that cannot be read ({why})")))?;
        let done = Result::from(performed);
        if matches!(&done, Err(NotDone { kind: NotDoneKind::NotSent, .. })) {
            // It may be the moment that was not taken.
            *self.moment.lock() = None;
        }
        done.map_err(|refused: NotDone| NotDone { why: format!("{what}: {}", refused.why), ..refused })
    }
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[async_trait]
impl Cluster for MemberCluster {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        if let Some((read, kinds)) = &*self.kinds.lock()
            && read.elapsed() < KINDS
        {
            return Ok(kinds.clone());
        }
        let what = "discover the kinds of the cluster";
        let seen = self.observe(Observe { what: What::Kinds, ..Observe::default() }, what, READ).await?;
        let kinds: Vec<ApiResource> =
            seen.kinds.ok_or_else(|| without(what, "kinds"))?.into_iter().map(Into::into).collect();
        *self.kinds.lock() = Some((Instant::now(), kinds.clone()));
        Ok(kinds)
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        let what = format!("get {} {}/{name}", resource.kind, namespace.unwrap_or_default());
        let asked = Observe {
            group: text(&resource.group),
            kind: text(&resource.kind),
            namespace: namespace.map(str::to_owned),
            name: text(name),
            ..Observe::default()
        };
        let seen = self.observe(asked, &what, READ).await?;
        match seen.object {
            Some(object) if !seen.absent => Ok(Value::Object(object)),
            None if seen.absent => {
                Err(PortError::new(PortErrorKind::NotFound, format!("{what}: there is none")))
            }
            _ => Err(without(&what, "object")),
        }
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        let what = format!("list {}", resource.plural);
        let asked = Observe {
            what: What::List,
            group: text(&resource.group),
            kind: text(&resource.kind),
            namespace: namespace.map(str::to_owned),
            label_selector: options.label_selector.clone(),
            field_selector: options.field_selector.clone(),
            limit: (options.limit > 0).then(|| options.limit.min(1_000)),
            continue_token: options.continue_token.clone(),
            ..Observe::default()
        };
        let seen = self.observe(asked, &what, READ).await?;
        let items = seen.items.ok_or_else(|| without(&what, "items"))?;
        Ok(ObjectPage {
            items: items.into_iter().map(Value::Object).collect(),
            continue_token: seen.continue_token,
            remaining: seen.remaining,
        })
    }

    async fn logs(
        &self,
        request: &LogRequest,
        _: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        let why = format!(
            "read the log of {}/{}: logs stay with the member at {}; ask its get-pod-logs",
            request.namespace,
            request.pod,
            self.line.place()
        );
        Err(PortError::new(PortErrorKind::Unsupported, why))
    }

    async fn may(
        &self,
        verb: &str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<bool, PortError> {
        let what = format!("ask whether {verb} {resource} is allowed");
        let asked = Observe {
            what: What::Rights,
            verb: text(verb),
            group: text(group),
            resource: text(resource),
            namespace: namespace.map(str::to_owned),
            ..Observe::default()
        };
        self.observe(asked, &what, READ).await?.allowed.ok_or_else(|| without(&what, "allowed"))
    }

    async fn release(
        &self,
        namespace: &str,
        name: &str,
        revision: i64,
    ) -> Result<ReleaseRevision, PortError> {
        let what = format!("read revision {revision} of the Helm release {namespace}/{name}");
        let asked = Observe {
            what: What::Release,
            namespace: text(namespace),
            name: text(name),
            revision: Some(revision),
            ..Observe::default()
        };
        let seen = self.observe(asked, &what, READ).await?;
        seen.release.map(Into::into).ok_or_else(|| without(&what, "release"))
    }
}

fn without(what: &str, member: &str) -> PortError {
    PortError::new(PortErrorKind::Internal, format!("{what}: the member answered without {member}"))
}

#[async_trait]
impl Acting for MemberCluster {
    async fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        let dry = if mutation.dry_run { " (dry run)" } else { "" };
        let what = format!("{} of {}{dry}", mutation.action.name(), mutation.target);
        self.request(&what, |request, Moment { moment, cluster, .. }| {
            Perform::of(mutation, request, moment, cluster)
        })
        .await
    }

    async fn announce(&self, note: &Announcement) {
        let what = format!("write an Event about {}", note.about);
        let asked = |request, Moment { moment, cluster, .. }| {
            Some(Perform {
                moment,
                request,
                cluster,
                action: None,
                change: None,
                uid: None,
                resource_version: None,
                dry_run: false,
                effect_key: String::new(),
                workflow: String::new(),
                note: Some(Note::from(note)),
            })
        };
        if let Err(error) = self.request(&what, asked).await {
            tracing::warn!(reason = note.reason, "{error}");
        }
    }
}
