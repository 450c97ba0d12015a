//! The record of a Helm rollback, as Helm 3 makes it (`pkg/action/rollback.go`): a new revision that is deployed and holds
//! what the earlier one held, and every revision that was deployed before superseded.
//!
//! It is the one change that is more than one request, because what a release holds must not leave this room. The new
//! revision comes first, and only once: the API server refuses a second one of its name. What is cut off after it is
//! finished by the same change again; nothing is overwritten that somebody else wrote meanwhile.

use aiops_engine::{
    error::{PortError, PortErrorKind},
    model::action::Release,
    ports::{
        ApiResource,
        acting::{Accepted, Mutation, NotDone, NotDoneKind, Verb},
    },
};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use super::{Changes, Writer, request};
use crate::cluster::helm::{self, Stored};

/// Labels that Helm sets itself; all others are a user's and go with the revision.
const OWN: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];

impl Changes {
    pub(super) async fn record_release(
        &self,
        mutation: &Mutation,
        release: &Release,
        (writer, kind): (&Writer, &ApiResource),
        begun: Instant,
    ) -> Result<Accepted, NotDone> {
        let what = request::describe(mutation);
        if !self.live.reads_releases() {
            let why = format!("{what}: acting.helm is off, so Helm releases are not written");
            return Err(NotDone::new(NotDoneKind::Unsupported, why));
        }
        let end = begun + self.within;
        let within = |error: PortError| not_sent(&what, error);
        let read = async {
            let (namespace, name) = (&release.namespace, &release.name);
            let (from, to, deployed) = tokio::try_join!(
                helm::stored(&self.live, namespace, name, release.from),
                helm::stored(&self.live, namespace, name, release.to),
                helm::deployed(&self.live, namespace, name),
            )?;
            Ok((from, to, deployed))
        };
        let (from, to, deployed) = timeout_at(end, read)
            .await
            .map_err(|_| NotDone::new(NotDoneKind::NotSent, format!("{what}: it was not read in time")))?
            .map_err(within)?;
        let next = release.from.saturating_add(1);
        let made = revision(&from, &to, (release, next), mutation, jiff::Timestamp::now());
        let made = made.map_err(|why| NotDone::new(NotDoneKind::Rejected, format!("{what}: {why}")))?;
        let create = Mutation { body: made, ..mutation.clone() };
        let answer = match self.one(&create, (writer, kind), end).await {
            Err(refused) if refused.kind == NotDoneKind::Conflict && !mutation.dry_run => {
                // Ours, from the time before, or somebody else's.
                // One that cannot be read in time is taken for somebody else's: the next look tells.
                let ours = self.is_ours(release, next, &mutation.effect_key);
                if !timeout_at(end, ours).await.unwrap_or(false) {
                    return Err(refused);
                }
                Accepted { status: 200, ..Accepted::default() }
            }
            answer => answer?,
        };
        for old in deployed.iter().filter(|old| version(old) < next) {
            let superseded = supersede(old, release, mutation, jiff::Timestamp::now());
            let superseded =
                superseded.map_err(|why| NotDone::new(NotDoneKind::Rejected, format!("{what}: {why}")))?;
            // Without a turn before `end` nothing is sent any more: `send` looks at the time itself.
            let _ = timeout_at(end, self.bucket.take()).await;
            if let Err(refused) = self.one(&superseded, (writer, kind), end).await {
                // The new revision stands: what is missing is seen by looking, and done by the same change again.
                let kind = if mutation.dry_run { refused.kind } else { NotDoneKind::Unknown };
                return Err(NotDone { kind, ..refused });
            }
        }
        Ok(answer)
    }

    async fn one(
        &self,
        mutation: &Mutation,
        (writer, kind): (&Writer, &ApiResource),
        end: Instant,
    ) -> Result<Accepted, NotDone> {
        let what = request::describe(mutation);
        let request = request::write(mutation, kind)
            .map_err(|why| NotDone::new(NotDoneKind::Rejected, format!("{what}: {why}")))?;
        writer.send(request, &what, end).await
    }

    /// Whether the revision that stands there is this step's.
    async fn is_ours(&self, release: &Release, revision: i64, key: &str) -> bool {
        let stored = helm::stored(&self.live, &release.namespace, &release.name, revision).await;
        let marker = stored.as_ref().ok().and_then(|stored| {
            stored.secret.pointer("/metadata/annotations")?.get(aiops_engine::deeds::EFFECT)?.as_str()
        });
        marker == Some(key)
    }
}

fn not_sent(what: &str, error: PortError) -> NotDone {
    let kind = match error.kind {
        PortErrorKind::Denied => NotDoneKind::Denied,
        PortErrorKind::NotFound => NotDoneKind::NotFound,
        PortErrorKind::Invalid => NotDoneKind::Rejected,
        _ => NotDoneKind::NotSent,
    };
    NotDone { after: error.after, ..NotDone::new(kind, format!("{what}: {}", error.message)) }
}

fn version(stored: &Stored) -> i64 {
    stored.release.get("version").and_then(Value::as_i64).unwrap_or(i64::MAX)
}

/// The Secret of the new revision.
fn revision(
    from: &Stored,
    to: &Stored,
    (release, next): (&Release, i64),
    mutation: &Mutation,
    at: jiff::Timestamp,
) -> Result<Value, String> {
    let mut made = to.release.clone();
    let first = from.release.pointer("/info/first_deployed").cloned();
    let members = made.as_object_mut().ok_or("the revision to go back to is no object")?;
    members.insert("version".to_owned(), json!(next));
    let info = members.entry("info").or_insert_with(|| json!({}));
    let info = info.as_object_mut().ok_or("the revision to go back to has no info")?;
    info.insert("status".to_owned(), json!("deployed"));
    info.insert("description".to_owned(), json!(format!("Rollback to {}", release.to)));
    info.insert("last_deployed".to_owned(), json!(at.to_string()));
    info.insert("deleted".to_owned(), json!(""));
    info.extend(first.map(|first| ("first_deployed".to_owned(), first)));
    let mut labels = Map::new();
    for (name, value) in
        to.secret.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten()
    {
        if !OWN.contains(&name.as_str()) {
            labels.insert(name.clone(), value.clone());
        }
    }
    let own = [
        ("name", release.name.clone()),
        ("owner", "helm".to_owned()),
        ("status", "deployed".to_owned()),
        ("version", next.to_string()),
        ("createdAt", at.as_second().to_string()),
    ];
    labels.extend(own.map(|(name, value)| (name.to_owned(), json!(value))));
    let mut secret = mutation.body.clone();
    let metadata = secret.get_mut("metadata").and_then(Value::as_object_mut);
    metadata.ok_or("the Secret has no metadata")?.insert("labels".to_owned(), Value::Object(labels));
    let members = secret.as_object_mut().ok_or("the Secret is no object")?;
    members.insert("type".to_owned(), json!(helm::TYPE));
    members.insert("data".to_owned(), json!({"release": helm::encode(&made)?}));
    Ok(secret)
}

/// The patch that marks a revision superseded, good for the state of it that was read.
fn supersede(
    old: &Stored,
    release: &Release,
    mutation: &Mutation,
    at: jiff::Timestamp,
) -> Result<Mutation, String> {
    let mut superseded = old.release.clone();
    let info = superseded.get_mut("info").and_then(Value::as_object_mut);
    info.ok_or("the revision that is deployed has no info")?.insert("status".to_owned(), json!("superseded"));
    let of = |pointer: &str| old.secret.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let body = json!({
        "metadata": {"labels": {"status": "superseded", "modifiedAt": at.as_second().to_string()}},
        "data": {"release": helm::encode(&superseded)?},
    });
    let mut target = mutation.target.clone();
    target.name = helm::secret(&release.name, version(old));
    Ok(Mutation {
        verb: Verb::MergePatch,
        target,
        body,
        uid: of("/metadata/uid"),
        resource_version: of("/metadata/resourceVersion"),
        ..mutation.clone()
    })
}
