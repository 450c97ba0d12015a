//! Deleting the pods that hold a Job up: its controller makes others, as long as its backoff limit allows.
//!
//! Only where the Job has those failures left, for each pod that is deleted counts as one. Only pods that hang on their node; one that cannot be scheduled, or whose image is not there, would hang again.

use serde_json::Value;

use super::{Draft, Move, Remedy};
use crate::{
    model::{action::Action, plan::Risk, target::Target},
    planner::{Neighbourhood, Pod, value},
};

/// Troubles that a new pod may not have again.
const HANGS: [&str; 5] =
    ["Pending", "NotReady", "CreateContainerError", "RunContainerError", "ContainerStatusUnknown"];

/// Failures after which a Job is given up, where it does not say (Kubernetes, "Pod backoff failure policy").
const BACKOFF: i64 = 6;

/// Whether a Job has so many failures left: its controller counts a pod that is deleted before it ended as failed, and a Job
/// that has failed is never taken up again.
pub(crate) fn spares(job: &Target, object: &Value, pods: usize) -> Result<(), String> {
    let spec = |member: &str| object.pointer(&format!("/spec/{member}")).filter(|value| !value.is_null());
    let counts = "its controller counts a pod that is deleted as failed";
    if spec("podFailurePolicy").is_some() {
        return Err(format!(
            "{job} has a podFailurePolicy, and what that makes of a deleted pod is not known here ({counts})"
        ));
    }
    if spec("backoffLimitPerIndex").is_some() {
        return Err(format!(
            "{job} has a backoffLimitPerIndex, and how many failures each index has left is not known here ({counts})"
        ));
    }
    let most = value::int(object, "/spec/backoffLimit").unwrap_or(BACKOFF);
    let uncounted = value::list(object, "/status/uncountedTerminatedPods/failed").count();
    let uncounted = i64::try_from(uncounted).unwrap_or(i64::MAX);
    let failed = value::int(object, "/status/failed").unwrap_or(0).saturating_add(uncounted);
    let after = failed.saturating_add(i64::try_from(pods).unwrap_or(i64::MAX));
    if after > most {
        return Err(format!(
            "{failed} pods of {job} failed already, {pods} more would be {after}, and its backoffLimit is {most}: the Job \
             would fail for good ({counts}); find out why they hang, or make the Job again"
        ));
    }
    Ok(())
}

pub(super) struct DeleteStuckPods;

impl Remedy for DeleteStuckPods {
    fn name(&self) -> &'static str {
        "delete-stuck-job-pods"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        let target = near.target();
        if target.kind != "Job" {
            return Err(String::new());
        }
        if value::flag(&near.object, "/spec/suspend") {
            return Err(format!("{target} is suspended"));
        }
        let over = ["Complete", "Failed"].into_iter().find(|kind| {
            value::condition(&near.object, kind).is_some_and(|condition| condition.status == "True")
        });
        if let Some(over) = over {
            return Err(format!("{target} is over ({over})"));
        }
        let hangs = |pod: &&Pod| {
            !pod.node.is_empty()
                && pod.trouble.as_ref().is_some_and(|trouble| HANGS.contains(&&*trouble.reason))
        };
        let stuck: Vec<&Pod> = near.pods.iter().filter(|pod| pod.is_alive()).filter(hangs).collect();
        if stuck.is_empty() {
            return Err(format!("no pod of {target} hangs on its node"));
        }
        if stuck.len() > near.most_pods {
            return Err(format!(
                "{} pods of {target} hang, and a plan deletes at most {}",
                stuck.len(),
                near.most_pods
            ));
        }
        spares(target, &near.object, stuck.len())?;
        let moves = stuck.iter().map(|pod| {
            let description = format!("Delete pod {}/{}: it cannot be brought back", pod.namespace, pod.name);
            Move::new(description, Action::DeletePod { target: pod.target() })
        });
        Ok(Draft {
            why: format!("{} of its pods hang on their nodes; the Job makes others", stuck.len()),
            moves: moves.collect(),
            expected: format!("{target} makes other pods, and they run"),
            risk: Risk::Medium,
            seconds: 120,
        })
    }
}
