//! Scaling a workload: `spec.replicas` and the marker in one request.
//!
//! The scale subresource is not used: it cannot carry a marker. What an autoscaler owns is left to it.

use serde_json::{Value, json};

use super::{
    Back, Deed, EFFECT, Look, Observation, Sight,
    object::{Change, listed, members, name, present, refused, standing, text, unseen},
    rollout,
};
use crate::{
    model::{phase::Verdict, target::Target},
    ports::acting::Verb,
};

/// What has to be read to know whether an autoscaler owns the replicas. KEDA's autoscalers are among them: a ScaledObject
/// makes one.
pub(super) fn autoscalers(target: &Target) -> Look {
    Look::List {
        group: "autoscaling".to_owned(),
        kind: "HorizontalPodAutoscaler".to_owned(),
        namespace: target.namespace.clone(),
        selector: None,
    }
}

/// The autoscaler that owns the replicas.
fn autoscaler<'a>(target: &Target, seen: &'a [Value]) -> Option<&'a str> {
    let owns = |autoscaler: &&Value| {
        let of = |member: &str| text(autoscaler, &format!("/spec/scaleTargetRef/{member}"));
        let group =
            of("apiVersion").and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
        of("kind") == Some(target.kind.as_str())
            && of("name") == Some(target.name.as_str())
            && (group == target.group || group.is_empty())
    };
    seen.iter().find(owns).map(name)
}

/// Why a workload is not scaled to so many replicas: a StatefulSet may say that the volumes of the pods that go are deleted
/// (`persistentVolumeClaimRetentionPolicy.whenScaled`, KEP-1847), and nothing brings them back.
pub(crate) fn loses_volumes(target: &Target, workload: &Value, replicas: i64) -> Option<String> {
    let policy = text(workload, "/spec/persistentVolumeClaimRetentionPolicy/whenScaled");
    let has_claims = workload.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    let now = rollout::wanted(workload);
    if policy != Some("Delete") || has_claims.is_none_or(Vec::is_empty) || replicas >= now {
        return None;
    }
    Some(format!(
        "scaling {target} from {now} to {replicas} deletes the volumes of the pods that go \
         (persistentVolumeClaimRetentionPolicy.whenScaled is Delete), and nothing brings them back: set it to Retain \
         first, or scale it with kubectl when the data may go"
    ))
}

pub(super) fn observe(deed: &Deed<'_>, replicas: u32, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    if !matches!((target.group.as_str(), target.kind.as_str()), ("apps", "Deployment" | "StatefulSet")) {
        return refused(format!("{target} cannot be scaled; only a Deployment or StatefulSet can"));
    }
    let workload = match present(target, seen) {
        Ok(workload) => workload,
        Err(told) => return told,
    };
    if let Some(applied) = deed.applied(workload) {
        return applied;
    }
    let Some(autoscalers) = listed(seen, 1) else { return unseen(target) };
    if let Some(owner) = autoscaler(target, autoscalers) {
        return refused(format!(
            "the HorizontalPodAutoscaler {owner} owns the replicas of {target}; change its minReplicas or maxReplicas"
        ));
    }
    let now = rollout::wanted(workload);
    let wanted = i64::from(replicas);
    if now == wanted {
        return Observation::Settled { why: format!("{target} wants {wanted} replicas already") };
    }
    if let Some(why) = loses_volumes(target, workload, wanted) {
        return refused(why);
    }
    let body = json!({"metadata": {"annotations": {EFFECT: deed.key}}, "spec": {"replicas": wanted}});
    let change = Change::of(
        workload,
        members(json!({ "replicas": now })),
        json!({ "replicas": wanted }),
        vec![format!("spec.replicas: {now} -> {wanted}")],
    );
    deed.ready(Verb::MergePatch, workload, body, change)
}

pub(super) fn undo(deed: &Deed<'_>, back: &Back<'_>, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    let workload = match standing(target, back, seen) {
        Ok(workload) => workload,
        Err(told) => return told,
    };
    let now = json!(rollout::wanted(workload));
    let (before, after) = (back.before.get("replicas"), back.after.get("replicas"));
    let Some(before) = before else {
        return refused(format!("it was not recorded how many replicas {target} wanted before"));
    };
    let told = format!("{target} wants {now} replicas");
    if let Some(judged) = back.judge(workload, now == *before, Some(&now) == after, &told) {
        return judged;
    }
    if let Some(owner) = listed(seen, 1).and_then(|seen| autoscaler(target, seen)) {
        return Observation::Conflict {
            why: format!("the HorizontalPodAutoscaler {owner} owns the replicas of {target} now"),
        };
    }
    if let Some(why) = before.as_i64().and_then(|before| loses_volumes(target, workload, before)) {
        return refused(why);
    }
    let body = json!({"metadata": {"annotations": back.annotations(workload)}, "spec": {"replicas": before}});
    let change = Change::of(
        workload,
        members(json!({ "replicas": now })),
        json!({ "replicas": before }),
        vec![format!("spec.replicas: {now} -> {before}")],
    );
    deed.ready(Verb::MergePatch, workload, body, change)
}

/// The template is not its business: pods of a workload that is paused, or that only somebody's deletions replace, are as
/// good for serving as others.
pub(super) fn verify(target: &Target, replicas: u32, seen: &[Sight]) -> (Verdict, String) {
    match rollout::workload(target, seen) {
        Ok(workload) if rollout::wanted(workload) != i64::from(replicas) => {
            let now = rollout::wanted(workload);
            (Verdict::Failed, format!("{target} wants {now} replicas again: somebody set it back"))
        }
        Ok(_) => rollout::serving(target, seen),
        Err(told) => told,
    }
}
