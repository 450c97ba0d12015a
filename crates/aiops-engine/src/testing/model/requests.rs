//! What a mutation does, or why it is refused: rights, existence, preconditions, patches, validation, admission.
//!
//! The order of the checks is the API server's. Whatever comes of a request, the journal has it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Answer, Entry, Refusal,
    json::{condition, has, is_ready, number, put, selects, share, text},
    kinds::Key,
    validate,
    world::World,
};
use crate::ports::acting::{Mutation, Verb};

/// Answers a mutation and notes it.
pub(super) fn serve(world: &mut World, actor: &str, mutation: &Mutation) -> Result<Answer, Refusal> {
    let key = Key::of_target(&mutation.target);
    let before = world.get(&key);
    let done = judge(world, actor, &key, mutation);
    let (status, object) = match &done {
        Ok((status, object)) => (*status, object.clone()),
        Err(refusal) => (refusal.status, None),
    };
    let after = world.get(&key);
    let order = world.next_order();
    let budgets = before.as_ref().map(|pod| over(world, &key, pod)).unwrap_or_default();
    let member = |object: &Arc<Value>, path: &str| text(object, path).to_owned();
    world.journal.push(Entry {
        order,
        at: world.now,
        actor: actor.to_owned(),
        verb: mutation.verb,
        uid: before.as_ref().or(after.as_ref()).map(|object| member(object, "/metadata/uid")),
        version: before.as_ref().map(|object| member(object, "/metadata/resourceVersion")),
        key,
        wants_uid: mutation.uid.clone(),
        wants_version: mutation.resource_version.clone(),
        effect_key: mutation.effect_key.clone(),
        workflow: mutation.workflow.clone(),
        dry_run: mutation.dry_run,
        status,
        changed: before != after,
        before,
        after,
        budgets,
    });
    done.map(|_| Answer { status, object, order })
}

/// Notes what another writer did.
pub(super) fn note_edit(world: &mut World, actor: &str, key: &Key, before: Option<Arc<Value>>) {
    let after = world.get(key);
    let order = world.next_order();
    let member = |object: &Arc<Value>, path: &str| text(object, path).to_owned();
    world.journal.push(Entry {
        order,
        at: world.now,
        actor: actor.to_owned(),
        verb: Verb::MergePatch,
        key: key.clone(),
        uid: before.as_ref().map(|object| member(object, "/metadata/uid")),
        version: before.as_ref().map(|object| member(object, "/metadata/resourceVersion")),
        wants_uid: None,
        wants_version: None,
        effect_key: String::new(),
        workflow: String::new(),
        dry_run: false,
        status: 200,
        changed: true,
        before,
        after,
        budgets: Vec::new(),
    });
}

type Judged = Result<(u16, Option<Arc<Value>>), Refusal>;

fn judge(world: &mut World, actor: &str, key: &Key, mutation: &Mutation) -> Judged {
    let Some(resource) = world.resource(&key.kind).cloned() else {
        return Err(Refusal::new(404, "NotFound", "the server could not find the requested resource"));
    };
    let plural =
        if mutation.verb == Verb::Evict { "pods/eviction".to_owned() } else { resource.plural.clone() };
    if world.denied.contains(&(mutation.verb.as_str().to_owned(), plural.clone())) {
        let message = format!(
            "{plural} {:?} is forbidden: User {actor:?} cannot {} resource {plural:?}",
            key.name,
            mutation.verb.as_str()
        );
        return Err(Refusal::new(403, "Forbidden", message));
    }
    if world.refused_effects.iter().any(|ending| mutation.effect_key.ends_with(ending)) {
        return Err(Refusal::new(
            422,
            "Invalid",
            format!("{key} is invalid: the model takes no such change"),
        ));
    }
    if mutation.verb == Verb::Create {
        return create(world, actor, key, mutation);
    }
    let Some(current) = world.get(key) else {
        return Err(Refusal::new(404, "NotFound", format!("{} {:?} not found", resource.plural, key.name)));
    };
    match mutation.verb {
        Verb::MergePatch | Verb::JsonPatch => patch(world, actor, key, &current, mutation),
        Verb::Evict => evict(world, actor, key, &current, mutation),
        Verb::Delete | Verb::Create => {
            preconditions(key, &current, mutation)?;
            if !mutation.dry_run {
                world.end(actor, key);
            }
            Ok((200, Some(current)))
        }
    }
}

fn preconditions(key: &Key, current: &Value, mutation: &Mutation) -> Result<(), Refusal> {
    let is = [
        ("UID", mutation.uid.as_deref(), "/metadata/uid"),
        ("ResourceVersion", mutation.resource_version.as_deref(), "/metadata/resourceVersion"),
    ];
    for (name, wanted, path) in is {
        let found = text(current, path);
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            let message = format!(
                "Operation cannot be fulfilled on {key}: Precondition failed: {name} in precondition: {wanted}, \
                 {name} in object meta: {found}"
            );
            return Err(Refusal::new(409, "Conflict", message));
        }
    }
    Ok(())
}

fn create(world: &mut World, actor: &str, key: &Key, mutation: &Mutation) -> Judged {
    if world.get(key).is_some() {
        return Err(Refusal::new(409, "AlreadyExists", format!("{key} already exists")));
    }
    if !key.namespace.is_empty() && world.get(&Key::new("Namespace", "", &key.namespace)).is_none() {
        return Err(Refusal::new(404, "NotFound", format!("namespaces {:?} not found", key.namespace)));
    }
    if Key::of(&mutation.body) != *key {
        return Err(Refusal::new(
            400,
            "BadRequest",
            "the name of the object does not match the name on the URL",
        ));
    }
    validate::object(None, &mutation.body)?;
    admit(world, key)?;
    if mutation.dry_run {
        return Ok((201, Some(Arc::new(mutation.body.clone()))));
    }
    let key = world.insert(actor, mutation.body.clone());
    Ok((201, world.get(&key)))
}

fn patch(world: &mut World, actor: &str, key: &Key, current: &Arc<Value>, mutation: &Mutation) -> Judged {
    let mut new = Value::clone(current);
    if mutation.verb == Verb::MergePatch {
        json_patch::merge(&mut new, &mutation.body);
    } else {
        let patch: json_patch::Patch = serde_json::from_value(mutation.body.clone())
            .map_err(|error| Refusal::new(400, "BadRequest", error.to_string()))?;
        json_patch::patch(&mut new, &patch).map_err(|error| Refusal {
            is_test: matches!(error.kind, json_patch::PatchErrorKind::TestFailed),
            ..Refusal::new(422, "Invalid", error.to_string())
        })?;
    }
    if let Some(version) = &mutation.resource_version {
        put(&mut new, "/metadata/resourceVersion", version.as_str());
    }
    if let Some(uid) = &mutation.uid {
        put(&mut new, "/metadata/uid", uid.as_str());
    }
    if text(&new, "/metadata/resourceVersion") != text(current, "/metadata/resourceVersion") {
        let message = format!(
            "Operation cannot be fulfilled on {key}: the object has been modified; please apply your changes to the \
             latest version and try again"
        );
        return Err(Refusal::new(409, "Conflict", message));
    }
    if text(&new, "/metadata/uid") != text(current, "/metadata/uid") {
        return Err(Refusal::new(
            422,
            "Invalid",
            format!("{key} is invalid: metadata.uid: field is immutable"),
        ));
    }
    // Status is another resource: what a patch of the object says of it is dropped.
    if let Some(status) = current.get("status") {
        put(&mut new, "/status", status.clone());
    }
    validate::object(Some(current), &new)?;
    if new != **current {
        admit(world, key)?;
    }
    if mutation.dry_run {
        return Ok((200, Some(Arc::new(new))));
    }
    world.update(actor, key, new);
    Ok((200, world.get(key)))
}

fn admit(world: &World, key: &Key) -> Result<(), Refusal> {
    let refusal = world.admissions.iter().find(|a| a.kind == key.kind && a.namespace == key.namespace);
    refusal.map_or(Ok(()), |admission| {
        let message =
            format!("admission webhook \"model.aiops.io\" denied the request: {}", admission.message);
        Err(Refusal::new(403, "Forbidden", message))
    })
}

fn evict(world: &mut World, actor: &str, key: &Key, pod: &Arc<Value>, mutation: &Mutation) -> Judged {
    if key.kind != "Pod" {
        return Err(Refusal::new(404, "NotFound", "the server could not find the requested resource"));
    }
    let done = Ok((201, None));
    preconditions(key, pod, mutation)?;
    let phase = text(pod, "/status/phase");
    let is_beyond_budgets =
        matches!(phase, "Succeeded" | "Failed" | "Pending") || has(pod, "/metadata/deletionTimestamp");
    if !is_beyond_budgets {
        allow_disruption(world, key, pod)?;
    }
    if !mutation.dry_run {
        world.end(actor, key);
    }
    done
}

/// Asks the disruption budgets about a pod, as the eviction API does.
fn allow_disruption(world: &World, key: &Key, pod: &Value) -> Result<(), Refusal> {
    let labels = pod.pointer("/metadata/labels");
    let budgets: Vec<_> = world
        .of_kind("PodDisruptionBudget")
        .into_iter()
        .filter(|(budget, object)| {
            budget.namespace == key.namespace && selects(object.pointer("/spec/selector"), labels)
        })
        .collect();
    let (budget, object) = match budgets.as_slice() {
        [] => return Ok(()),
        [(budget, object)] => (budget, object),
        _ => {
            let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not \
                           support.";
            return Err(Refusal::new(500, "InternalError", message));
        }
    };
    let standing = standing(world, budget, object);
    let unhealthy_may_go = match text(object, "/spec/unhealthyPodEvictionPolicy") {
        "AlwaysAllow" => true,
        _ => standing.healthy >= standing.desired && standing.desired > 0,
    };
    if (condition(pod, "Ready") != "True" && unhealthy_may_go) || standing.allowed() > 0 {
        return Ok(());
    }
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    Err(Refusal { is_budget: true, ..Refusal::new(429, "TooManyRequests", message) })
}

/// The disruption budgets over a pod, as they stand.
fn over(world: &World, key: &Key, pod: &Value) -> Vec<(String, i64, i64)> {
    if key.kind != "Pod" {
        return Vec::new();
    }
    let labels = pod.pointer("/metadata/labels");
    world
        .of_kind("PodDisruptionBudget")
        .into_iter()
        .filter(|(budget, object)| {
            budget.namespace == key.namespace && selects(object.pointer("/spec/selector"), labels)
        })
        .map(|(budget, object)| {
            let standing = standing(world, &budget, &object);
            (budget.name, standing.healthy, standing.desired)
        })
        .collect()
}

/// What a disruption budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) expected: i64,
    pub(super) healthy: i64,
    pub(super) desired: i64,
}

impl Standing {
    /// How many more pods may go.
    pub(super) fn allowed(self) -> i64 {
        if self.expected == 0 { 0 } else { self.healthy.saturating_sub(self.desired).max(0) }
    }
}

/// Counts the pods of a disruption budget. Expected is what their controllers want, not what is there.
pub(super) fn standing(world: &World, key: &Key, budget: &Value) -> Standing {
    let selector = budget.pointer("/spec/selector");
    let pods: Vec<Arc<Value>> = world
        .of_kind("Pod")
        .into_iter()
        .filter(|(pod, object)| {
            pod.namespace == key.namespace && selects(selector, object.pointer("/metadata/labels"))
        })
        .map(|(_, object)| object)
        .collect();
    let mut wanted: Vec<(String, i64)> = Vec::new();
    for pod in &pods {
        let Some((kind, name, uid)) = super::json::controller(pod) else { continue };
        if wanted.iter().any(|(known, _)| known == uid) {
            continue;
        }
        let owner = world.get(&Key::new(kind, &key.namespace, name));
        let replicas = owner.as_ref().map_or(0, |owner| match kind {
            "DaemonSet" => number(owner, "/status/desiredNumberScheduled"),
            _ => number(owner, "/spec/replicas"),
        });
        wanted.push((uid.to_owned(), replicas));
    }
    let healthy = i64::try_from(pods.iter().filter(|pod| is_ready(pod)).count()).unwrap_or(i64::MAX);
    let expected: i64 = wanted.iter().map(|(_, replicas)| replicas).sum();
    let desired = if let Some(minimum) = budget.pointer("/spec/minAvailable") {
        share(Some(minimum), expected, 0, true)
    } else {
        expected.saturating_sub(share(budget.pointer("/spec/maxUnavailable"), expected, 0, true)).max(0)
    };
    Standing { expected, healthy, desired }
}

/// The status of a disruption budget, as its controller writes it.
pub(super) fn budget_status(standing: Standing, generation: i64) -> Value {
    json!({
        "observedGeneration": generation, "expectedPods": standing.expected, "currentHealthy": standing.healthy,
        "desiredHealthy": standing.desired, "disruptionsAllowed": standing.allowed(),
        "conditions": [{
            "type": "DisruptionAllowed",
            "status": if standing.allowed() > 0 { "True" } else { "False" },
            "reason": if standing.allowed() > 0 { "SufficientPods" } else { "InsufficientPods" },
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
    })
}
