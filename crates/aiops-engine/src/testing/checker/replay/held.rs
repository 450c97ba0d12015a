//! Who holds what after each commit: locks, places, the one workflow of a trouble, and how many act at once.
//!
//! I8 and the part of I9 that is about concurrency.

use std::collections::BTreeMap;

use super::{
    super::{Findings, History, is_over},
    Replay,
};
use crate::model::{action::Action, ids::WorkflowId, phase::Phase, workflow::Workflow};

impl Replay {
    /// I8: what is over holds nothing; what is parked holds no place.
    pub(super) fn nothing_held_by_the_dead(&self, id: &WorkflowId, findings: &mut Findings) {
        let Some(phase) = self.told.get(id).and_then(|told| told.workflow.as_ref()).map(|w| w.phase) else {
            return;
        };
        if is_over(phase) {
            let locks = self.locks.values().any(|holder| holder == id);
            let slots = self.slots.iter().any(|(_, holder)| holder == id);
            findings
                .unless(!locks && !slots, "I8", || format!("{id} is {phase} and holds a lock or a place"));
        } else if matches!(phase, Phase::Running | Phase::Verifying | Phase::RollingBack) {
            let is_dry = self.told.get(id).and_then(|t| t.workflow.as_ref()).is_some_and(|w| w.dry_run);
            let locks = self.locks.values().any(|holder| holder == id);
            let slots = self.slots.iter().any(|(_, holder)| holder == id);
            findings.unless(is_dry || (locks && slots), "I8", || {
                format!("{id} is {phase} without a lock of its target or without a place")
            });
        } else if phase == Phase::NeedsOperator {
            findings.unless(!self.slots.iter().any(|(_, holder)| holder == id), "I8", || {
                format!("{id} is parked and holds a place")
            });
        }
    }

    /// I8: one active workflow for each trouble.
    pub(super) fn one_active(&self, findings: &mut Findings, id: &WorkflowId) {
        let trouble = |w: &Workflow| (w.cluster.clone(), w.problem.target.key(), w.problem.issue.clone());
        let Some(mine) = self.told.get(id).and_then(|told| told.workflow.as_ref()) else { return };
        let is_active = |w: &Workflow| !is_over(w.phase) && !w.dry_run;
        if !is_active(mine) {
            return;
        }
        let other = self.told.iter().find(|(other, told)| {
            *other != id
                && told.workflow.as_ref().is_some_and(|w| is_active(w) && trouble(w) == trouble(mine))
        });
        if let Some((other, _)) = other {
            findings.add("I8", format!("{id} and {other} are active for the same trouble"));
        }
    }

    /// I9: no more act at once than may.
    pub(super) fn concurrency(&self, history: &History, findings: &mut Findings) {
        let acting: Vec<&Workflow> = self
            .told
            .values()
            .filter_map(|told| told.workflow.as_ref())
            .filter(|w| {
                matches!(w.phase, Phase::Running | Phase::Verifying | Phase::RollingBack) && !w.dry_run
            })
            .collect();
        findings.unless(acting.len() <= history.limits.workflows_per_cluster, "I9", || {
            format!("{} workflows act at once", acting.len())
        });
        let on_nodes = acting.iter().filter(|w| {
            let mut steps = w.plan.iter().flat_map(|plan| &plan.steps);
            steps.any(|step| matches!(step.action, Action::CordonNode { .. } | Action::UncordonNode { .. }))
        });
        let on_nodes = on_nodes.count();
        findings.unless(on_nodes <= history.limits.node_workflows, "I9", || {
            format!("{on_nodes} workflows act on nodes at once")
        });
        let mut by: BTreeMap<&str, usize> = BTreeMap::new();
        for workflow in acting.iter().filter(|w| !w.problem.target.namespace.is_empty()) {
            *by.entry(&workflow.problem.target.namespace).or_default() += 1;
        }
        for (namespace, count) in by {
            findings.unless(count <= history.limits.workflows_per_namespace, "I9", || {
                format!("{count} workflows act at once in {namespace}")
            });
        }
    }

    /// I9: a trouble rests after it was worked on. Only where clocks were right: how long is dated by them.
    pub(in crate::testing::checker) fn rests(&self, history: &History, findings: &mut Findings) {
        let trouble = |w: &Workflow| (w.cluster.clone(), w.problem.target.key(), w.problem.issue.clone());
        for (id, told) in &self.told {
            let (Some(workflow), Some(began)) = (&told.workflow, told.began_at) else { continue };
            for (other, before) in self.told.iter().filter(|(other, _)| *other != id) {
                let (Some(earlier), Some(ended)) = (&before.workflow, before.ended_at) else { continue };
                let rest = match before.end {
                    Some((Phase::Completed, _)) => history.limits.rest_after_success,
                    Some((Phase::Failed | Phase::RolledBack, _)) => history.limits.rest_after_failure,
                    _ => continue,
                };
                let is_too_soon = (0..rest).contains(&(began - ended));
                findings.unless(!is_too_soon || trouble(workflow) != trouble(earlier), "I9", || {
                    format!(
                        "{id} began {} s after {other} had ended for the same trouble",
                        (began - ended) / 1_000
                    )
                });
            }
        }
    }
}
