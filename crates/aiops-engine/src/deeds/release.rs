//! Helm releases: one object set back to what an earlier revision's manifest says, and the record of the rollback.
//!
//! It writes a field only where the object still has there what the revision of now says, as far as the manifest says it
//! (the API server fills in the rest). No manifest is kept: the record of a step holds the two revisions' numbers, and the
//! way back reads them again. What Helm would do besides (hooks, new and removed objects) is not done here.

mod compare;
mod manifest;

use serde_json::{Value, json};

pub(crate) use self::manifest::differing;
use super::{
    Back, Deed, EFFECT, Look, Observation, Ready, Sight,
    object::{Change, Found, find, label, listed, mark, marker, members, present, refused, standing, unseen},
    revision, rollout,
    scale::loses_volumes,
};
use crate::{
    model::{action::Release, phase::Verdict, target::Target},
    ports::acting::{Mutation, Verb},
};

/// The two revisions, the one of now first.
pub(super) fn manifests(release: &Release) -> [Look; 2] {
    [release.from, release.to].map(|revision| Look::Release { release: release.clone(), revision })
}

/// All revisions that are kept, by the labels of their Secrets (Helm 3, `pkg/storage/driver/secrets.go`).
pub(super) fn revisions(release: &Release) -> Look {
    Look::List {
        group: String::new(),
        kind: "Secret".to_owned(),
        namespace: release.namespace.clone(),
        selector: Some(format!("owner=helm,name={}", release.name)),
    }
}

/// The Secret that holds a revision.
pub(crate) fn secret(release: &Release, revision: i64) -> String {
    format!("sh.helm.release.v1.{}.v{revision}", release.name)
}

pub(super) fn observe_revert(deed: &Deed<'_>, release: &Release, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    let object = match present(target, seen) {
        Ok(object) => object,
        Err(told) => return told,
    };
    if let Some(applied) = deed.applied(object) {
        return applied;
    }
    let (Some(Sight::Release { status, .. }), Some(to)) = (seen.get(1), seen.get(2)) else {
        return unseen(target);
    };
    if status == "superseded" || status == "uninstalled" {
        return refused(format!(
            "revision {} of release {} is {status}: somebody changed the release since the plan was made; plan anew",
            release.from, release.name
        ));
    }
    let Some(from) = seen.get(1) else { return unseen(target) };
    let fields = match compare::fields(target, release, (from, to), object) {
        Ok(fields) => fields,
        Err(why) => return refused(why),
    };
    if fields.iter().all(compare::Field::is_reverted) {
        let why = format!("{target} is as revision {} of release {} says already", release.to, release.name);
        return Observation::Settled { why };
    }
    if let Some(field) = fields.iter().find(|field| !field.is_reverted() && !field.is_current()) {
        return refused(format!(
            "{target} drifted from revision {} of release {} at {}: somebody changed it past Helm",
            release.from, release.name, field.path
        ));
    }
    if let Some(why) =
        fields.iter().find_map(|field| loses_volumes(target, object, field.reverted_replicas()?))
    {
        return refused(why);
    }
    // The marker first: it makes the annotations that a field may be put into.
    let mut operations = mark(object, deed.key);
    operations.extend(fields.iter().filter_map(compare::Field::revert));
    let diff = fields.iter().filter(|field| !field.is_reverted()).map(compare::Field::line).collect();
    let change = Change::of(
        object,
        members(json!({ "revision": release.from })),
        json!({ "revision": release.to }),
        diff,
    );
    deed.ready(Verb::JsonPatch, object, Value::Array(operations), change)
}

pub(super) fn undo_revert(
    deed: &Deed<'_>,
    release: &Release,
    back: &Back<'_>,
    seen: &[Sight],
) -> Observation {
    let target = deed.action.target();
    let object = match standing(target, back, seen) {
        Ok(object) => object,
        Err(told) => return told,
    };
    let (Some(from), Some(to)) = (seen.get(1), seen.get(2)) else { return unseen(target) };
    let fields = match compare::fields(target, release, (from, to), object) {
        Ok(fields) => fields,
        Err(why) => return refused(why),
    };
    let is_before = fields.iter().all(compare::Field::is_current);
    let is_after = fields.iter().all(compare::Field::is_reverted);
    let now = match (is_before, is_after) {
        (true, _) => format!("{target} is as revision {} of release {} says", release.from, release.name),
        (_, true) => format!("{target} is as revision {} of release {} says", release.to, release.name),
        _ => format!("{target} is as neither revision of release {} says", release.name),
    };
    if let Some(judged) = back.judge(object, is_before, is_after, &now) {
        return judged;
    }
    if let Some(why) =
        fields.iter().find_map(|field| loses_volumes(target, object, field.restored_replicas()?))
    {
        return refused(why);
    }
    let mut operations: Vec<Value> = fields.iter().filter_map(compare::Field::restore).collect();
    let is_among_others = fields.iter().any(compare::Field::is_annotation);
    operations.push(if is_among_others { back.operation_beside_others() } else { back.operation(object) });
    let revision = if is_before { release.from } else { release.to };
    let change = Change::of(
        object,
        members(json!({ "revision": revision })),
        json!({ "revision": release.from }),
        fields.iter().map(compare::Field::line).collect(),
    );
    deed.ready(Verb::JsonPatch, object, Value::Array(operations), change)
}

pub(super) fn verify_revert(
    target: &Target,
    release: &Release,
    key: &str,
    seen: &[Sight],
) -> (Verdict, String) {
    let Some((seen, [from, to])) = seen.split_last_chunk::<2>() else {
        return (Verdict::Unknown, format!("{target} was not looked at"));
    };
    let object = match rollout::workload(target, seen) {
        Ok(object) => object,
        Err(told) => return told,
    };
    if marker(object) != Some(key) {
        let why = format!("{target} does not carry the step's marker any more: somebody wrote it since");
        return (Verdict::Failed, why);
    }
    let fields = match compare::fields(target, release, (from, to), object) {
        Ok(fields) => fields,
        Err(why) => return (Verdict::Unknown, why),
    };
    // A third value may be an autoscaler's, and undoes nothing.
    if let Some(field) = fields.iter().find(|field| field.is_current() && !field.is_reverted()) {
        let why = format!(
            "{target} is at {} as revision {} of release {} says again: somebody set it back",
            field.path, release.from, release.name
        );
        return (Verdict::Failed, why);
    }
    if revision::holder(target).is_some() {
        return rollout::well(target, seen);
    }
    (Verdict::Passed, format!("{target} is as revision {} of release {} says", release.to, release.name))
}

/// The number of the revision that a Secret holds.
fn number(secret: &Value) -> Option<i64> {
    label(secret, "version")?.parse().ok()
}

fn status(secret: &Value) -> &str {
    label(secret, "status").unwrap_or_default()
}

pub(super) fn observe_record(deed: &Deed<'_>, release: &Release, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    let next = release.from.saturating_add(1);
    let Some(kept) = listed(seen, 1) else { return unseen(target) };
    let is_left = kept
        .iter()
        .any(|secret| status(secret) == "deployed" && number(secret).is_some_and(|number| number < next));
    match find(target, seen) {
        Found::Unseen => unseen(target),
        Found::Here(secret) if marker(secret) != Some(deed.key) => refused(format!(
            "revision {next} of release {} was made by somebody else; it is left as it is",
            release.name
        )),
        // Two revisions that are deployed: the request before was cut off between them.
        Found::Here(_) if is_left => record(deed, release, next, true),
        Found::Here(_) => Observation::Applied {
            evidence: format!("{target} carries {EFFECT}={} and no other revision is deployed", deed.key),
        },
        Found::Gone | Found::Other => {
            let newest = kept.iter().filter_map(number).max();
            if newest != Some(release.from) {
                let now = newest.map_or_else(|| "none".to_owned(), |newest| newest.to_string());
                return refused(format!(
                    "the newest revision of release {} is {now} and was {} when the plan was made; plan anew",
                    release.name, release.from
                ));
            }
            if !kept.iter().any(|secret| number(secret) == Some(release.to)) {
                return refused(format!("revision {} of release {} is not kept", release.to, release.name));
            }
            record(deed, release, next, false)
        }
    }
}

/// What the Secret holds is put in by the room that reads releases; here only what marks it.
fn record(deed: &Deed<'_>, release: &Release, next: i64, completes: bool) -> Observation {
    let target = deed.action.target();
    let body = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
        "metadata": {"name": target.name, "namespace": target.namespace, "annotations": {EFFECT: deed.key}},
    });
    let mutation = Mutation {
        verb: Verb::Create,
        target: target.clone(),
        body,
        uid: None,
        resource_version: None,
        dry_run: false,
        effect_key: deed.key.to_owned(),
        workflow: deed.workflow.to_owned(),
        action: deed.action.clone(),
    };
    Observation::Ready(Box::new(Ready {
        mutation,
        pre_image: json!({ "revision": release.from }),
        post_image: json!({ "revision": next }),
        diff: vec![format!("revision: {} -> {next} (rollback to {})", release.from, release.to)],
        completes,
    }))
}

pub(super) fn verify_record(target: &Target, seen: &[Sight]) -> (Verdict, String) {
    match rollout::workload(target, seen) {
        Ok(secret) if matches!(status(secret), "deployed" | "superseded") => {
            (Verdict::Passed, format!("{target} is recorded as {}", status(secret)))
        }
        Ok(secret) => (Verdict::Unknown, format!("{target} is {:?}", status(secret))),
        Err(told) => told,
    }
}
