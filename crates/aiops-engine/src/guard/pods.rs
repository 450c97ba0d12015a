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

/// A workload grows to so many replicas, or to twice what it has, without anybody's word.
const GROWS: u32 = 10;

/// Why a person has to agree to a number of replicas; `now` is how many there are to be, where that is known.
fn scaled(limits: &Limits, target: &Target, now: Option<u32>, replicas: u32) -> Option<String> {
    let from = now.map_or_else(|| "what it has".to_owned(), |now| now.to_string());
    if replicas == 0 && now != Some(0) {
        return Some(format!(
            "scaling {target} from {from} to 0 takes it out of service, so a person has to agree"
        ));
    }
    let most = now.map_or(GROWS, |now| now.saturating_mul(2).max(GROWS));
    if replicas > most {
        return Some(format!(
            "scaling {target} from {from} to {replicas} is more than {most} (twice what it has, or {GROWS}), so a person has \
             to agree"
        ));
    }
    let now = now?;
    let share = share(limits, now);
    (now.saturating_sub(replicas) > share).then(|| {
        format!(
            "scaling {target} from {now} to {replicas} takes away more than {share} at a time ({} % of {now}), so a \
             person has to agree",
            limits.replica_percent
        )
    })
}

/// Pods evicted or deleted by one workflow, replicas taken from a workload or added to it, and workloads whose strategy
/// keeps no pod serving.
pub(super) fn blast_radius(settings: &Settings, question: &Question<'_>) -> Finding {
    let limits = &settings.limits;
    let mut pods = 0_u32;
    let mut of_owner: BTreeMap<(&str, &str, &str), (u32, u32)> = BTreeMap::new();
    let mut raised = Vec::new();
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
                raised.extend(scaled(limits, target, now, *replicas));
            }
            other => {
                let target = other.target();
                let gone = question.figures.of(target).and_then(|facts| facts.takes_down);
                raised.extend(gone.filter(|gone| *gone > share(limits, *gone)).map(|gone| {
                    format!(
                        "the strategy of {target} takes all {gone} ready pods down at once, more than {} % of them, so a \
                         person has to agree",
                        limits.replica_percent
                    )
                }));
            }
        }
    }
    if pods > limits.pods_per_workflow {
        return Finding::Refuses(format!(
            "it would take away {pods} pods, at most {} are allowed for one workflow (acting.limits.podsPerWorkflow)",
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
        raised.push(why);
    }
    match raised.as_slice() {
        [_, ..] => Finding::Raises(Approval::Approve, raised.join("; ")),
        [] => Finding::Passes(format!("{pods} of at most {} pods", limits.pods_per_workflow)),
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
