//! Rules about pods that are taken away: which never, and how many at a time.

use std::collections::BTreeMap;

use super::{Facts, Question, rules::Finding};
use crate::{
    model::{action::Action, plan::Approval, target::Target},
    settings::{Limits, Settings},
};

/// Priority classes of what keeps the cluster itself alive.
const CRITICAL: [&str; 2] = ["system-cluster-critical", "system-node-critical"];

/// How many pods of a workload with so many replicas may be taken away at a time.
pub(super) fn share(limits: &Limits, replicas: u32) -> u32 {
    (replicas.saturating_mul(limits.replica_percent) / 100).max(1)
}

/// Pods evicted or deleted by one workflow, and replicas taken from a workload.
pub(super) fn blast_radius(settings: &Settings, question: &Question<'_>) -> Finding {
    let limits = &settings.limits;
    let mut pods = 0_u32;
    let mut of_owner: BTreeMap<(&str, &str, &str), (u32, u32)> = BTreeMap::new();
    let mut raised = None;
    let mut losing = Vec::new();
    for action in question.actions {
        match action {
            Action::EvictPod { target } | Action::DeletePod { target } => {
                pods = pods.saturating_add(1);
                let facts = question.figures.of(target);
                if facts.is_some_and(|facts| facts.has_local_storage == Some(true)) {
                    losing.push(target.to_string());
                }
                if let Some(Facts {
                    owner_kind: Some(kind),
                    owner_name: Some(name),
                    replicas: Some(replicas),
                    ..
                }) = facts
                {
                    let taken = of_owner.entry((kind, &target.namespace, name)).or_insert((0, *replicas));
                    taken.0 = taken.0.saturating_add(1);
                }
            }
            Action::ScaleWorkload { target, replicas } => {
                let now = question.figures.of(target).and_then(|facts| facts.replicas);
                if let Some(now) = now
                    && now.saturating_sub(*replicas) > share(limits, now)
                {
                    raised = Some(format!(
                        "scaling {target} from {now} to {replicas} takes away more than {} at a time \
                         ({} % of {now}), so a person has to agree",
                        share(limits, now),
                        limits.replica_percent
                    ));
                }
            }
            _ => {}
        }
    }
    if pods > limits.pods_per_workflow {
        return Finding::Refuses(format!(
            "it would take away {pods} pods, at most {} are allowed for one workflow",
            limits.pods_per_workflow
        ));
    }
    for ((kind, namespace, name), (taken, replicas)) in of_owner {
        let most = share(limits, replicas);
        if taken > most {
            return Finding::Refuses(format!(
                "it would take away {taken} of {replicas} pods of {kind} {namespace}/{name}, at most {most} \
                 ({} %) are allowed at a time",
                limits.replica_percent
            ));
        }
    }
    // kubectl wants `--delete-emptydir-data` for it; here a person sees the pods named and agrees.
    if !losing.is_empty() {
        let why = format!(
            "what {} keep in emptyDir volumes is lost with them, so a person has to agree",
            losing.join(", ")
        );
        raised = Some(why);
    }
    match raised {
        Some(why) => Finding::Raises(Approval::Approve, why),
        None => Finding::Passes(format!("{pods} of at most {} pods", limits.pods_per_workflow)),
    }
}

/// Pods that are not evicted or deleted, whatever the policy says.
pub(super) fn eviction(question: &Question<'_>) -> Finding {
    let mut any = false;
    for action in question.actions {
        let (Action::EvictPod { target } | Action::DeletePod { target }) = action else { continue };
        any = true;
        if let Some(facts) = question.figures.of(target)
            && let Err(why) = may_go(action, target, facts)
        {
            return Finding::Refuses(why);
        }
    }
    Finding::Passes(if any { "no pod that has to stay" } else { "no pod is evicted" }.to_owned())
}

/// Whether this pod may be taken away, as far as is known.
pub(super) fn may_go(action: &Action, pod: &Target, facts: &Facts) -> Result<(), String> {
    if let Some(class) = facts.priority_class.as_deref().filter(|class| CRITICAL.contains(class)) {
        return Err(format!("{pod} has the priority class {class}"));
    }
    let owner = facts.owner_kind.as_deref();
    if owner == Some("") {
        return Err(format!("{pod} has no controller that would make it again"));
    }
    if matches!(action, Action::DeletePod { .. })
        && owner.is_some_and(|kind| !matches!(kind, "Job" | "CronJob"))
    {
        return Err(format!("{pod} is no Job's; only pods that a Job left stuck are deleted"));
    }
    if owner == Some("DaemonSet") {
        return Err(format!("{pod} is a DaemonSet's, which makes it again on the same node"));
    }
    let is_workload = matches!(owner, Some("Deployment" | "StatefulSet" | "ReplicaSet"));
    // One that is not ready serves nobody, and taking it away takes nothing away.
    if is_workload
        && facts.replicas == Some(1)
        && facts.has_budget != Some(true)
        && facts.is_ready != Some(false)
    {
        let unread = if facts.has_budget.is_none() { " (they could not be read)" } else { "" };
        return Err(format!(
            "{pod} is the only one of its workload, and no disruption budget says that it may go{unread}"
        ));
    }
    Ok(())
}
