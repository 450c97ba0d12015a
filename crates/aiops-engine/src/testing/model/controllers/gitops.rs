//! A stand-in for Argo CD, written from the documented contract of `operation` and `status.operationState`, and an operator
//! that sets its objects back.
//!
//! What an Application deploys is told to the model by revision. The annotation `model.aiops.io/argo` says how it behaves:
//! `fail` ends its operations in failure, `hang` never ends them, `heal` sets drift back without being asked.

use serde_json::{Value, json};

use crate::testing::model::{
    json::{has, items, number, put, take, text},
    kinds::Key,
    requests,
    world::World,
};

const ARGO: &str = "argocd-application-controller";
const BEHAVIOUR: &str = "/metadata/annotations/model.aiops.io~1argo";

/// One turn. Nothing here waits for a time.
pub(super) fn step(world: &mut World) {
    for (key, application) in world.of_kind("Application") {
        let behaviour = text(&application, BEHAVIOUR).to_owned();
        if has(&application, "/operation") && text(&application, "/status/operationState/phase") != "Running"
        {
            begin(world, &key);
        } else if text(&application, "/status/operationState/phase") == "Running" && behaviour != "hang" {
            finish(world, &key, &application, behaviour == "fail");
        } else if behaviour == "heal" {
            let revision = text(&application, "/status/sync/revision").to_owned();
            apply(world, &key, &revision);
        }
    }
    revert(world);
}

fn begin(world: &mut World, key: &Key) {
    let stamp = world.stamp();
    world.change(ARGO, key, |application| {
        let operation = take(application, "/operation").unwrap_or(Value::Null);
        let state = json!({
            "phase": "Running", "message": "waiting for healthy state", "startedAt": stamp, "operation": operation,
        });
        put(application, "/status/operationState", state);
    });
}

fn finish(world: &mut World, key: &Key, application: &Value, fails: bool) {
    let asked = text(application, "/status/operationState/operation/sync/revision");
    let revision =
        if asked.is_empty() { text(application, "/spec/source/targetRevision") } else { asked }.to_owned();
    let is_known = world.manifests.contains_key(&(key.clone(), revision.clone()));
    let stamp = world.stamp();
    if fails || !is_known {
        let message =
            if fails { "one or more objects failed to apply" } else { "unable to resolve the revision" };
        world.change(ARGO, key, |application| {
            put(application, "/status/operationState/phase", if fails { "Failed" } else { "Error" });
            put(application, "/status/operationState/message", message);
            put(application, "/status/operationState/finishedAt", stamp);
        });
        return;
    }
    apply(world, key, &revision);
    let id =
        items(application, "/status/history").map(|h| number(h, "/id")).max().unwrap_or(-1).saturating_add(1);
    world.change(ARGO, key, |application| {
        let mut history: Vec<Value> = items(application, "/status/history").cloned().collect();
        history.push(json!({ "id": id, "revision": revision, "deployedAt": stamp }));
        put(application, "/status/history", history);
        put(application, "/status/sync", json!({ "status": "Synced", "revision": revision }));
        put(application, "/status/health/status", "Healthy");
        put(application, "/status/operationState/phase", "Succeeded");
        put(application, "/status/operationState/message", "successfully synced");
        put(application, "/status/operationState/finishedAt", stamp);
    });
}

/// Writes what the Application deploys at a revision.
fn apply(world: &mut World, key: &Key, revision: &str) {
    let manifests = world.manifests.get(&(key.clone(), revision.to_owned())).cloned().unwrap_or_default();
    for manifest in manifests {
        let target = Key::of(&manifest);
        let before = world.get(&target);
        let changed = if before.is_some() {
            world.change(ARGO, &target, |live| json_patch::merge(live, &manifest))
        } else {
            world.insert(ARGO, manifest);
            true
        };
        if changed {
            requests::note_edit(world, ARGO, &target, before);
        }
    }
}

fn revert(world: &mut World) {
    let due: Vec<(Key, Value)> = world
        .reverted
        .iter()
        .filter(|(_, (_, times))| *times > 0)
        .map(|(key, (members, _))| (key.clone(), members.clone()))
        .collect();
    for (key, members) in due {
        let before = world.get(&key);
        if world.change("operator", &key, |live| json_patch::merge(live, &members)) {
            requests::note_edit(world, "operator", &key, before);
            if let Some((_, times)) = world.reverted.get_mut(&key) {
                *times = times.saturating_sub(1);
            }
        }
    }
}
