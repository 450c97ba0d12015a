//! The Job controller: as many pods at once as a Job still wants, and its end.
//!
//! It keeps no finalizers: what was taken away is made again and counts as failed only if its pod had failed, where the real
//! one counts a pod that was deleted while it ran. Indexed Jobs and failure policies are left alone.

use serde_json::{Value, json};

use super::{MANAGER, Said, create, each, sets::staying};
use crate::testing::model::{
    json::{flag, has, is_ready, items, number, put, text},
    kinds::Key,
    world::World,
};

/// One turn.
pub(super) fn jobs(world: &mut World) {
    each(world, "Job", |world, key, job| {
        let is_over = items(job, "/status/conditions").any(|condition| {
            matches!(text(condition, "/type"), "Complete" | "Failed") && text(condition, "/status") == "True"
        });
        let is_plain = !has(job, "/spec/podFailurePolicy") && text(job, "/spec/completionMode") != "Indexed";
        if !is_over && is_plain && !flag(job, "/spec/suspend") && has(job, "/spec/template") {
            one(world, key, job);
        }
        Said::Until(None)
    });
}

fn or(job: &Value, path: &str, default: i64) -> i64 {
    if has(job, path) { number(job, path) } else { default }
}

fn one(world: &mut World, key: &Key, job: &Value) {
    let pods = world.owned("Pod", &key.namespace, text(job, "/metadata/uid"));
    let ended = |phase: &str| {
        i64::try_from(pods.iter().filter(|(_, pod)| text(pod, "/status/phase") == phase).count())
    };
    let (succeeded, failed) = (ended("Succeeded").unwrap_or(0), ended("Failed").unwrap_or(0));
    let wanted =
        or(job, "/spec/parallelism", 1).min(or(job, "/spec/completions", 1).saturating_sub(succeeded));
    let end = if succeeded >= or(job, "/spec/completions", 1) {
        Some("Complete")
    } else if failed > or(job, "/spec/backoffLimit", 6) {
        Some("Failed")
    } else {
        None
    };
    let template = job.pointer("/spec/template").cloned().unwrap_or(Value::Null);
    let active = i64::try_from(staying(world, job).len()).unwrap_or(i64::MAX);
    for _ in active..wanted.max(active) {
        if end.is_some() {
            break;
        }
        let name = format!("{}-{}", key.name, world.suffix());
        let labels = [("batch.kubernetes.io/job-name", key.name.as_str()), ("job-name", key.name.as_str())];
        if create::pod(world, job, &template, &name, &labels, None).is_err() {
            break;
        }
    }
    let now = staying(world, job);
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let figures = [
        ("active", count(now.len())),
        ("ready", count(now.iter().filter(|(_, pod)| is_ready(pod)).count())),
        ("succeeded", succeeded),
        ("failed", failed),
    ];
    let stamp = world.stamp();
    world.change(MANAGER, key, |job| {
        for (member, figure) in figures {
            let path = format!("/status/{member}");
            // What a recording counted of pods that are gone by now stays.
            if number(job, &path) < figure
                || matches!(member, "active" | "ready") && number(job, &path) != figure
            {
                put(job, &path, figure);
            }
        }
        if let Some(end) = end {
            let condition = json!([{ "type": end, "status": "True", "lastTransitionTime": stamp }]);
            put(job, "/status/conditions", condition);
        }
    });
}
