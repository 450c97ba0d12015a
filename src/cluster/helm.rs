//! Revisions of Helm 3 releases, out of the Secrets that hold them (`sh.helm.release.v1.NAME.vN`, type
//! `helm.sh/release.v1`).
//!
//! Only with `acting.helm`. What is in such a Secret (values, chart, manifest) stays in this room; out of it go a
//! revision's state and the objects of its manifest, a Secret among them without what it holds.

mod codec;
mod manifest;

use std::hash::RandomState;

use aiops_engine::{
    error::{PortError, PortErrorKind},
    ports::ReleaseRevision,
};
use serde_json::Value;

pub(super) use self::codec::encode;
use super::{
    Live,
    api::Call,
    path::{Query, collection, push},
};

/// The type of the Secrets (Helm 3, `pkg/storage/driver/secrets.go`).
pub(super) const TYPE: &str = "helm.sh/release.v1";

/// Reads releases, where that was opted into.
#[derive(Debug, Default)]
pub(super) struct Releases {
    /// Digests of Secrets are made with it, so that nobody can guess what they are of.
    salt: RandomState,
}

/// A revision as it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    /// The Secret, without its data.
    pub(super) secret: Value,
    /// The release. Nothing of it leaves this room as it is.
    pub(super) release: Value,
}

impl Stored {
    fn read(mut secret: Value) -> Result<Self, String> {
        let is_release = secret.get("type").and_then(Value::as_str) == Some(TYPE);
        let data = secret.get_mut("data").map(Value::take).unwrap_or_default();
        let data = data.get("release").and_then(Value::as_str).filter(|_| is_release);
        let release = codec::decode(data.ok_or("it is no Secret that holds a Helm 3 release")?)?;
        super::live::withhold(&mut secret, true);
        Ok(Self { secret, release })
    }
}

/// The name of the Secret of a revision.
pub(super) fn secret(name: &str, revision: i64) -> String {
    format!("sh.helm.release.v1.{name}.v{revision}")
}

/// The Secrets of a namespace.
pub(super) fn secrets(namespace: &str) -> Result<String, PortError> {
    collection("", "v1", "secrets", Some(namespace))
}

/// One revision of a release.
pub(super) async fn stored(
    live: &Live,
    namespace: &str,
    name: &str,
    revision: i64,
) -> Result<Stored, PortError> {
    let what = format!("read revision {revision} of the Helm release {namespace}/{name}");
    let mut path = secrets(namespace)?;
    push(&mut path, "name", &secret(name, revision))?;
    let secret = live.json(Call::read("get", path), &what).await?;
    Stored::read(secret).map_err(|why| PortError::new(PortErrorKind::Invalid, format!("{what}: {why}")))
}

/// The revisions of a release that are deployed: one, or two after a rollback that was cut off.
pub(super) async fn deployed(live: &Live, namespace: &str, name: &str) -> Result<Vec<Stored>, PortError> {
    let what = format!("read the deployed revisions of the Helm release {namespace}/{name}");
    let selector = format!("owner=helm,name={name},status=deployed");
    let path = Query::default().with("labelSelector", selector).after(secrets(namespace)?);
    let mut list = live.json(Call::read("list", path), &what).await?;
    let items = list.get_mut("items").map(Value::take).unwrap_or_default();
    let Value::Array(items) = items else { return Ok(Vec::new()) };
    let read = items.into_iter().map(|mut item| {
        // Items of a typed list do not say what they are.
        if let Some(item) = item.as_object_mut() {
            item.insert("kind".to_owned(), "Secret".into());
        }
        Stored::read(item).map_err(|why| PortError::new(PortErrorKind::Invalid, format!("{what}: {why}")))
    });
    read.collect()
}

impl Releases {
    /// What the engine may know of a revision.
    pub(super) async fn read(
        &self,
        live: &Live,
        namespace: &str,
        name: &str,
        revision: i64,
    ) -> Result<ReleaseRevision, PortError> {
        let Stored { secret, release } = stored(live, namespace, name, revision).await?;
        self.shown(&secret, &release).map_err(|why| {
            let what = format!("read revision {revision} of the Helm release {namespace}/{name}");
            PortError::new(PortErrorKind::Invalid, format!("{what}: {why}"))
        })
    }

    fn shown(&self, secret: &Value, release: &Value) -> Result<ReleaseRevision, String> {
        let text = |pointer: &str| release.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        // The label is what Helm itself selects by.
        let status = secret.pointer("/metadata/labels/status").and_then(Value::as_str);
        let hooks = release.get("hooks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Ok(ReleaseRevision {
            status: status.unwrap_or_else(|| text("/info/status")).to_owned(),
            objects: manifest::objects(text("/manifest"), &self.salt)?,
            has_hooks: !hooks.iter().all(is_test),
        })
    }
}

/// A hook that runs on `helm test` alone.
fn is_test(hook: &Value) -> bool {
    let events = hook.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    !events.is_empty() && events.iter().all(|event| event == "test" || event == "test-success")
}
