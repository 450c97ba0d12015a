//! Helm releases of the model: revisions in Secrets, as Helm 3 keeps them, and the record of a rollback in its parts.
//!
//! What a release holds is kept plain in its Secret's `data` and never shown by a read; hooks, values and charts are not
//! kept.

use serde_json::{Value, json};

use super::{
    Key, Model, Refusal,
    json::{put, text},
    world::World,
};
use crate::{
    deeds::{EFFECT, release::secret},
    model::action::Release,
    ports::{
        ReleaseRevision,
        acting::{Mutation, Verb},
    },
};

fn held(world: &World, release: (&str, &str), revision: i64) -> Option<Value> {
    let of = Release { name: release.1.to_owned(), namespace: String::new(), from: 0, to: 0 };
    world.get(&Key::new("Secret", release.0, &secret(&of, revision))).map(|secret| Value::clone(&secret))
}

fn version(secret: &Value) -> i64 {
    text(secret, "/metadata/labels/version").parse().unwrap_or(i64::MAX)
}

impl Model {
    /// Keeps a revision of a release, as Helm would: its state and the objects of its manifest.
    pub fn put_release(
        &self,
        (namespace, name): (&str, &str),
        revision: i64,
        status: &str,
        objects: Vec<Value>,
    ) {
        let of = Release { name: name.to_owned(), namespace: namespace.to_owned(), from: 0, to: 0 };
        self.put(
            "helm",
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
                "metadata": { "name": secret(&of, revision), "namespace": namespace, "labels": {
                    "owner": "helm", "name": name, "status": status, "version": revision.to_string() } },
                "data": { "release": objects },
            }),
        );
    }

    /// What a revision of a release holds.
    pub(super) fn revision(&self, namespace: &str, name: &str, revision: i64) -> Option<ReleaseRevision> {
        self.with(|world| held(world, (namespace, name), revision)).map(|secret| ReleaseRevision {
            status: text(&secret, "/metadata/labels/status").to_owned(),
            objects: secret.pointer("/data/release").and_then(Value::as_array).cloned().unwrap_or_default(),
            has_hooks: false,
        })
    }

    /// The requests of which the record of a rollback is made, from what stands now: the new revision first, then one for
    /// each older revision that is deployed.
    ///
    /// # Errors
    /// A revision that it needs is not kept.
    pub(crate) fn record_parts(
        &self,
        mutation: &Mutation,
        release: &Release,
    ) -> Result<Vec<Mutation>, Refusal> {
        let next = release.from.saturating_add(1);
        let place = (release.namespace.as_str(), release.name.as_str());
        self.with(|world| {
            let gone = |revision: i64| {
                Refusal::new(404, "NotFound", format!("revision {revision} of {} not found", release.name))
            };
            let to = held(world, place, release.to).ok_or_else(|| gone(release.to))?;
            held(world, place, release.from).ok_or_else(|| gone(release.from))?;
            let mut create = mutation.clone();
            put(&mut create.body, "/data", to.get("data").cloned().unwrap_or(Value::Null));
            put(
                &mut create.body,
                "/metadata/labels",
                json!({ "owner": "helm", "name": release.name, "status": "deployed", "version": next.to_string() }),
            );
            let mut parts = vec![create];
            for (key, secret) in world.of_kind("Secret") {
                let is_old = key.namespace == release.namespace
                    && text(&secret, "/metadata/labels/owner") == "helm"
                    && text(&secret, "/metadata/labels/name") == release.name
                    && text(&secret, "/metadata/labels/status") == "deployed"
                    && version(&secret) < next;
                if !is_old {
                    continue;
                }
                let mut target = mutation.target.clone();
                target.name.clone_from(&key.name);
                parts.push(Mutation {
                    verb: Verb::MergePatch,
                    target,
                    body: json!({ "metadata": { "labels": { "status": "superseded" } } }),
                    uid: Some(text(&secret, "/metadata/uid").to_owned()),
                    resource_version: Some(text(&secret, "/metadata/resourceVersion").to_owned()),
                    ..mutation.clone()
                });
            }
            Ok(parts)
        })
    }

    /// Whether the object of a mutation carries that mutation's marker.
    pub(crate) fn is_ours(&self, mutation: &Mutation) -> bool {
        let object = self.object(&Key::of_target(&mutation.target));
        let marker = object.as_ref().and_then(|object| object.pointer("/metadata/annotations")?.get(EFFECT));
        marker.and_then(Value::as_str) == Some(&mutation.effect_key)
    }
}
