//! Scaling out: one quarter more replicas, at least one, where all of the present ones work and no autoscaler decides.
//!
//! Only Deployments: what another replica of a StatefulSet or DaemonSet would do is not known here.

use super::{Change, Draft, Move, Remedy, allows};
use crate::{
    model::{action::Action, plan::Risk},
    planner::{Neighbourhood, value},
};

pub(super) struct ScaleOut;

impl Remedy for ScaleOut {
    fn name(&self) -> &'static str {
        "scale-out"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        let target = near.target();
        if target.kind != "Deployment" {
            return Err(if matches!(target.kind.as_str(), "StatefulSet" | "DaemonSet") {
                format!("what another replica of {target} would do is not known here")
            } else {
                String::new()
            });
        }
        allows(near, Change::Replicas)?;
        let now = near.replicas();
        let well = i64::try_from(near.pods.iter().filter(|pod| pod.is_well()).count()).unwrap_or(0);
        if now < 1 || well < now {
            return Err(format!("{well} of {now} pods of {target} are well, so more of them is no answer"));
        }
        let more = (now / 4).max(1);
        has_room(near, more)?;
        let Ok(replicas) = u32::try_from(now.saturating_add(more)) else { return Err(String::new()) };
        Ok(Draft {
            why: format!(
                "all {now} pods are well and no autoscaler owns its replicas; one quarter more shares the load"
            ),
            moves: vec![Move::new(
                format!("Scale {target} from {now} to {replicas} replicas"),
                Action::ScaleWorkload { target: target.clone(), replicas },
            )],
            expected: format!("{replicas} pods of {target} are ready"),
            risk: Risk::Low,
            seconds: 60,
        })
    }
}

/// Whether the namespace's quota has room for so many more pods: the API server takes the number of replicas all the same,
/// and the controller then makes no pods.
pub(crate) fn has_room(near: &Neighbourhood, more: i64) -> Result<(), String> {
    // Fewer pods need no room, also where there are more than the quota allows by now.
    match pods_left(near).filter(|(_, left)| more > 0 && *left < more) {
        Some((quota, left)) => {
            Err(format!("ResourceQuota {quota} leaves room for {left} more pods, and {more} would be needed"))
        }
        None => Ok(()),
    }
}

/// The quota that leaves the least room for pods, and how much. One with a scope counts some pods only, and which is not
/// reckoned here.
fn pods_left(near: &Neighbourhood) -> Option<(&str, i64)> {
    let is_of_all = |quota: &&serde_json::Value| {
        let is_set = |at: &str| quota.pointer(at).is_some_and(|scopes| !scopes.is_null());
        !is_set("/spec/scopes") && !is_set("/spec/scopeSelector")
    };
    let left = near.quotas.iter().filter(is_of_all).filter_map(|quota| {
        let amount =
            |of: &str| aiops_inventory::quantity::count(value::text(quota, &format!("/status/{of}/pods")));
        Some((value::name(quota), amount("hard")?.saturating_sub(amount("used")?)))
    });
    left.min_by_key(|(_, left)| *left)
}
