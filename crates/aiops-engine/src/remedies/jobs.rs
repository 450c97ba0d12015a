//! Deleting the pods that hold a Job up: its controller makes others, as long as its backoff limit allows.
//!
//! Only pods that hang on their node; one that cannot be scheduled, or whose image is not there, would hang again.

use super::{Draft, Move, Remedy};
use crate::{
    model::{action::Action, plan::Risk},
    planner::{Neighbourhood, Pod, value},
};

/// Troubles that a new pod may not have again.
const HANGS: [&str; 5] =
    ["Pending", "NotReady", "CreateContainerError", "RunContainerError", "ContainerStatusUnknown"];

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
