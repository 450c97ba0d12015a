//! Detectors: pure functions from the inventory to issues.
//!
//! They are quiet during normal life: a rollout, a pod that starts, a job that runs. Where only time tells a fault from
//! normal life, the grace period stands beside the detector with its reason. A kind that is not known yields nothing;
//! the answer says that it is missing.

mod nodes;
mod openshift;
mod pods;
mod policy;
#[cfg(test)]
mod tests;
mod warnings;
mod workloads;

use std::collections::BTreeMap;

use aiops_inventory::{Inventory, rows::Seconds};

use self::warnings::Warnings;
use crate::issue::{Issue, Object, Severity};

/// What a detector sees.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The rows.
    pub inventory: &'a Inventory,
    /// Now, or the moment of the recording.
    pub now: Seconds,
    /// Only this namespace; objects of the cluster are then left out.
    pub namespace: Option<&'a str>,
}

/// What detectors look at: the view, and the warnings behind it when they are needed.
struct Look<'a> {
    view: View<'a>,
    warnings: Warnings<'a>,
}

/// One detector: its name, for the documentation, and how it looks and adds what it finds.
struct Detector {
    name: &'static str,
    detect: fn(&Look<'_>, &mut Vec<Issue>),
}

/// All detectors.
const DETECTORS: &[Detector] = &[
    Detector { name: "pods", detect: pods::detect },
    Detector { name: "nodes", detect: nodes::detect },
    Detector { name: "rollouts", detect: workloads::rollouts },
    Detector { name: "refusals", detect: workloads::refusals },
    Detector { name: "jobs", detect: workloads::jobs },
    Detector { name: "services", detect: workloads::services },
    Detector { name: "claims", detect: policy::claims },
    Detector { name: "quotas", detect: policy::quotas },
    Detector { name: "disruption-budgets", detect: policy::budgets },
    Detector { name: "autoscalers", detect: policy::autoscalers },
    Detector { name: "namespaces", detect: policy::namespaces },
    Detector { name: "openshift", detect: openshift::detect },
];

/// Everything that is wrong, worst first; issues of one code on one object are one.
pub fn issues(view: View<'_>) -> Vec<Issue> {
    let mut found = Vec::new();
    let look = Look { view, warnings: Warnings::default() };
    for detector in DETECTORS {
        let before = found.len();
        (detector.detect)(&look, &mut found);
        if found.len() > before {
            tracing::trace!(detector = detector.name, issues = found.len() - before, "detector found issues");
        }
    }
    let mut merged: BTreeMap<(&'static str, Object), Issue> = BTreeMap::new();
    for issue in found {
        match merged.entry((issue.code, issue.object.clone())) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(issue);
            }
            std::collections::btree_map::Entry::Occupied(mut taken) => {
                let kept = taken.get_mut();
                kept.count += issue.count;
                kept.severity = kept.severity.min(issue.severity);
                kept.since = match (kept.since, issue.since) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
        }
    }
    fold_consequences(&mut merged);
    let mut issues: Vec<Issue> = merged.into_values().collect();
    issues.sort_by(|a, b| {
        (a.severity, std::cmp::Reverse(a.count), &a.object, a.code).cmp(&(
            b.severity,
            std::cmp::Reverse(b.count),
            &b.object,
            b.code,
        ))
    });
    issues
}

/// What only says that a workload's pods are missing, whatever keeps them.
const CONSEQUENCES: [&str; 2] = ["deployment_unavailable", "rollout_stuck"];

/// A workload of which something as severe says why its pods are missing is not reported a second time.
fn fold_consequences(issues: &mut BTreeMap<(&'static str, Object), Issue>) {
    let mut explained: BTreeMap<Object, Severity> = BTreeMap::new();
    for ((code, object), issue) in &*issues {
        if !CONSEQUENCES.contains(code) {
            let worst = explained.entry(object.clone()).or_insert(issue.severity);
            *worst = issue.severity.min(*worst);
        }
    }
    issues.retain(|(code, object), issue| {
        !CONSEQUENCES.contains(code) || explained.get(object).is_none_or(|worst| *worst > issue.severity)
    });
}

/// Whether a workload still has somebody to serve: decides between high and critical.
fn by_availability(available: Option<i32>) -> Severity {
    if available == Some(0) { Severity::Critical } else { Severity::High }
}
