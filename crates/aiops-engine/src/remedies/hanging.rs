//! A StatefulSet whose pods come one after another waits for one that hangs before it replaces any, also when its template
//! is a good one by now (Kubernetes, "StatefulSets: Forced rollback"; so on 1.36): that pod has to go, after the change.
//!
//! One pod is evicted with the change; where more hang, the commands are handed out.

use super::{
    Move,
    evict::{may_go, one},
};
use crate::{
    model::target::Target,
    planner::{Neighbourhood, Pod, value},
};

/// The eviction of the pod that would hold up a change of the template; `hangs` says which pods do, `command` what a
/// person runs for the change itself.
///
/// # Errors
/// More than one hangs, or it may not be evicted: the text holds the commands.
pub(crate) fn unstick(
    near: &Neighbourhood,
    hangs: impl Fn(&Pod) -> bool,
    command: &str,
) -> Result<Option<Move>, String> {
    let target = near.target();
    let is_ordered = value::text(&near.object, "/spec/podManagementPolicy") != "Parallel";
    if target.kind != "StatefulSet" || !is_ordered {
        return Ok(None);
    }
    let hanging: Vec<&Pod> = near.pods.iter().filter(|pod| pod.is_alive() && hangs(pod)).collect();
    let names = hanging.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>().join(" ");
    let by_hand = || {
        let namespace = &target.namespace;
        format!("`{command} -n {namespace}`, then `kubectl delete pod {names} -n {namespace}`")
    };
    match hanging.as_slice() {
        [] => Ok(None),
        [pod] => {
            may_go(near, pod)
                .map_err(|why| format!("{why}, and {target} would keep it: run {}", by_hand()))?;
            Ok(Some(one(pod)))
        }
        many => Err(format!(
            "{} pods of {target} hang, and it would keep them after the change: run {}",
            many.len(),
            by_hand()
        )),
    }
}

/// A workload as kubectl names it.
pub(crate) fn named(target: &Target) -> String {
    format!("{}/{}", target.kind.to_ascii_lowercase(), target.name)
}
