//! Detectors: pure functions from the inventory to issues.
//!
//! They are quiet during normal life: a rollout, a pod that starts, a job that runs. Where only time tells a fault from
//! normal life, the grace period stands beside the detector with its reason. A kind that is not known yields nothing;
//! the answer says that it is missing.

mod nodes;
mod openshift;
mod pods;
mod policy;
mod progress;
mod sight;
#[cfg(test)]
mod tests;
mod warnings;
mod workloads;

use std::collections::BTreeMap;

use aiops_inventory::{Inventory, rows::Seconds};

pub use self::sight::Hidden;
use self::{progress::Grown, warnings::Warnings};
use crate::issue::{Issue, Severity};

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

/// What detectors look at: the view, and what events say behind it when it is needed.
struct Look<'a> {
    view: View<'a>,
    warnings: Warnings<'a>,
    grown: Grown<'a>,
}

/// One detector: its name, for the documentation, and how it looks and adds what it finds.
struct Detector {
    name: &'static str,
    detect: fn(&Look<'_>, &mut Vec<Issue>),
}

/// All detectors. What each reads stands in [`sight`].
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
    let look = Look { view, warnings: Warnings::default(), grown: Grown::default() };
    for detector in DETECTORS {
        let before = found.len();
        (detector.detect)(&look, &mut found);
        if found.len() > before {
            tracing::trace!(detector = detector.name, issues = found.len() - before, "detector found issues");
        }
    }
    let mut merged: BTreeMap<(&'static str, crate::issue::Object), Issue> = BTreeMap::new();
    for issue in found {
        match merged.entry((issue.code, issue.object.clone())) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(issue);
            }
            std::collections::btree_map::Entry::Occupied(mut taken) => {
                let kept = taken.get_mut();
                kept.count += issue.count;
                kept.severity = kept.severity.min(issue.severity);
                kept.is_early &= issue.is_early;
                kept.since = match (kept.since, issue.since) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
        }
    }
    let mut issues: Vec<Issue> = merged.into_values().collect();
    issues.sort_by(|a, b| order(a.severity, a).cmp(&order(b.severity, b)));
    issues
}

/// What follows from a fault of the pods and says nothing about its cause.
const CONSEQUENCES: [&str; 2] = ["deployment_unavailable", "rollout_stuck"];

/// An issue with what follows from it for the same object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The worst severity of them all.
    pub severity: Severity,
    /// The cause, or the only issue.
    pub issue: Issue,
    /// Codes of what follows from it.
    pub also: Vec<&'static str>,
}

/// Puts consequences beside the worst cause that the same object has, so that a fault is read once; worst first. Every
/// code stays visible.
pub fn fold(issues: Vec<Issue>) -> Vec<Finding> {
    let (consequences, causes): (Vec<Issue>, Vec<Issue>) =
        issues.into_iter().partition(|issue| CONSEQUENCES.contains(&issue.code));
    let alone = |issue: Issue| Finding { severity: issue.severity, issue, also: Vec::new() };
    let mut findings: Vec<Finding> = causes.into_iter().map(alone).collect();
    for consequence in consequences {
        match findings.iter_mut().find(|finding| finding.issue.object == consequence.object) {
            Some(cause) => {
                cause.severity = cause.severity.min(consequence.severity);
                cause.also.push(consequence.code);
            }
            None => findings.push(alone(consequence)),
        }
    }
    findings.sort_by(|a, b| order(a.severity, &a.issue).cmp(&order(b.severity, &b.issue)));
    findings
}

/// Worst first, then by how many are affected.
fn order(severity: Severity, issue: &Issue) -> impl Ord + '_ {
    (severity, std::cmp::Reverse(issue.count), &issue.object, issue.code)
}

/// Whether a workload still has somebody to serve: decides between high and critical.
fn by_availability(available: Option<i32>) -> Severity {
    if available == Some(0) { Severity::Critical } else { Severity::High }
}
