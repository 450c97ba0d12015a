//! Questions to the store in memory: lists, counts, chains, what is due.

use std::sync::Arc;

use super::state::State;
use crate::{
    audit::Head,
    issue::Severity,
    keeping,
    model::{
        Millis,
        incident::{Incident, IncidentStatus},
        phase::Phase,
        workflow::Workflow,
    },
    ports::store::{Active, AuditLine, DueNotice, IncidentCounts, IncidentFilter, Rows, WorkflowFilter},
};

/// How many ended workflows are told.
const OUTCOMES: usize = 100;

/// How many there are.
pub(super) fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.fold(0, |sum, _| sum + 1)
}

fn page<T: Clone>(all: &[&T], limit: u32, offset: u32) -> Rows<T> {
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let rows = all.iter().skip(size(offset)).take(size(limit)).map(|row| (*row).clone()).collect();
    Rows { rows, total: count(all.iter()) }
}

impl State {
    pub(super) fn list_workflows(&self, filter: &WorkflowFilter) -> Rows<Workflow> {
        let mut all: Vec<&Workflow> = self
            .workflows
            .values()
            .map(|kept| &kept.workflow)
            .filter(|w| filter.namespace.as_ref().is_none_or(|ns| w.problem.target.namespace == *ns))
            .filter(|w| filter.phase.is_empty() || filter.phase.contains(&w.phase))
            .filter(|w| filter.incident.as_ref().is_none_or(|id| w.incident == *id))
            .collect();
        all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        page(&all, filter.limit, filter.offset)
    }

    pub(super) fn active_ones(&self, limit: u32) -> Vec<Active> {
        let all = self.workflows.values().map(|kept| &kept.workflow);
        let mut all: Vec<&Workflow> = all.filter(|w| keeping::holds_fingerprint(w)).collect();
        all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        let of = |workflow: &Workflow| Active {
            id: workflow.id.clone(),
            phase: workflow.phase,
            target: workflow.problem.target.clone(),
            issue: workflow.problem.issue.clone(),
        };
        all.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX)).map(of).collect()
    }

    fn passing(&self, filter: &IncidentFilter) -> impl Iterator<Item = &Incident> {
        self.incidents
            .values()
            .map(Arc::as_ref)
            .filter(|i| {
                filter.namespace.as_ref().is_none_or(|ns| {
                    i.target.namespace == *ns || i.body.reported_target.as_ref().is_some_and(|t| t == ns)
                })
            })
            .filter(|i| filter.severity.is_none_or(|severity| i.severity == severity))
            .filter(|i| filter.status.is_empty() || filter.status.contains(&i.status))
            .filter(|i| filter.source.is_empty() || filter.source.contains(&i.source))
    }

    pub(super) fn list_incidents(&self, filter: &IncidentFilter) -> Rows<Incident> {
        let mut all: Vec<&Incident> = self.passing(filter).collect();
        all.sort_by(|a, b| (b.first_seen, &b.id).cmp(&(a.first_seen, &a.id)));
        page(&all, filter.limit, filter.offset)
    }

    pub(super) fn closed_since(&self, since: Millis, limit: u32) -> Vec<Incident> {
        let all = self.incidents.values().filter(|incident| incident.closed_at >= Some(since));
        let mut all: Vec<_> = all.collect();
        all.sort_by(|a, b| (b.closed_at, &b.id).cmp(&(a.closed_at, &a.id)));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        all.into_iter().take(limit).map(|incident| Incident::clone(incident)).collect()
    }

    pub(super) fn count_incidents(&self, filter: &IncidentFilter) -> IncidentCounts {
        let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
        let mut by = Vec::new();
        for status in IncidentStatus::ALL {
            for severity in severities {
                let these = self.passing(filter).filter(|i| i.status == status && i.severity == severity);
                let n = count(these);
                if n > 0 {
                    by.push((status, severity, n));
                }
            }
        }
        IncidentCounts { by }
    }

    pub(super) fn outcomes_since(&self, since: Millis) -> Vec<Phase> {
        let ended = self.workflows.values().map(|kept| &kept.workflow);
        let mut ended: Vec<_> = ended
            .filter(|w| !keeping::is_active(w) && !w.dry_run)
            .filter_map(|w| Some((w.finished_at?, &w.id, w.phase)))
            .filter(|(finished_at, ..)| *finished_at >= since)
            .collect();
        ended.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)));
        ended.into_iter().take(OUTCOMES).map(|(.., phase)| phase).collect()
    }

    pub(super) fn head(&self, chain: &str) -> Option<Head> {
        Some(Head::of(self.chains.get(chain)?.last()?))
    }

    pub(super) fn heads(&self) -> impl Iterator<Item = (&String, Head)> {
        self.chains.iter().filter_map(|(chain, lines)| Some((chain, Head::of(lines.last()?))))
    }

    pub(super) fn audit(&self, chain: &str, after: i64, limit: u32) -> Vec<AuditLine> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let lines = self.chains.get(chain).into_iter().flat_map(|lines| lines.iter());
        lines.filter(|line| line.seq > after).take(limit).map(|line| AuditLine::clone(line)).collect()
    }

    pub(super) fn due_notices(&self, now: Millis, limit: u32) -> Vec<DueNotice> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let due = self.notices.values().filter(|(_, due_at)| *due_at <= now);
        due.take(limit).map(|(due, _)| due.clone()).collect()
    }
}
