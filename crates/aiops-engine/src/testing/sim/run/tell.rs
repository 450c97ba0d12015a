//! What a run leaves behind, for the checker.

use super::{Sim, now};
use crate::{
    model::{phase::Phase, workflow::Workflow},
    ports::store::{Store as _, WorkflowFilter},
    settings::limits::millis,
    testing::{
        checker::{Bounds, History},
        model::OURSELVES,
    },
};

impl Sim {
    /// Every workflow, as it is kept.
    pub(crate) fn everything(&self) -> Vec<Workflow> {
        let all = WorkflowFilter { limit: 1_000, ..WorkflowFilter::default() };
        now(self.store.workflows(&all)).unwrap().rows
    }

    /// Something of ours had an effect.
    pub(crate) fn has_acted(&self) -> bool {
        self.model.journal().iter().any(|entry| entry.actor == OURSELVES && entry.is_effect())
    }

    /// Every workflow is over, or waits for a person.
    pub(crate) fn over(&self) -> bool {
        self.store.phases().iter().all(|phase| phase.is_terminal() || *phase == Phase::NeedsOperator)
    }

    /// Everything that is known of this run.
    pub(crate) fn history(&self) -> History {
        let rows = self.everything();
        let records = rows.iter().map(|w| now(self.store.workflow(&w.id)).unwrap().unwrap()).collect();
        let heads = now(self.store.audit_heads()).unwrap();
        let lines = |chain: &String| (chain.clone(), now(self.store.audit(chain, 0, 10_000)).unwrap());
        let limits = &self.settings.limits;
        let size = |n: u32| usize::try_from(n).unwrap();
        History {
            notes: self.notes.list(),
            journal: self.model.journal(),
            records,
            chains: heads.iter().map(|(chain, ..)| lines(chain)).collect(),
            locks: self.store.locks(),
            slots: self.store.slots(),
            incidents: self.store.every_incident(),
            limits: Bounds {
                window: millis(limits.budget_window),
                mutations_per_cluster: size(limits.budget_per_cluster),
                mutations_per_namespace: size(limits.budget_per_namespace),
                workflows_per_cluster: size(limits.workflows_per_cluster),
                workflows_per_namespace: size(limits.workflows_per_namespace),
                node_workflows: size(limits.node_workflows),
                attempts: limits.attempts,
                lease_left: millis(self.settings.timing.request) + 1_000,
                lease: millis(self.settings.timing.lease),
                retention: millis(self.settings.timing.retention),
                rest_after_success: millis(limits.cooldown_success),
                rest_after_failure: millis(limits.cooldown_first_failure),
            },
            alive: self.model.uids(),
            has_jumps: self.jumps,
            calm_since: self.calm_since,
            ended_at: self.hands.millis(),
        }
    }

    /// What the journal and the audit chains say, as a hash: the same seed has to give the same.
    pub(crate) fn journal_hash(&self) -> String {
        let mut text = String::new();
        for entry in self.model.journal() {
            let at = entry.at.as_millisecond();
            text += &format!(
                "{} {at} {} {} {} {}\n",
                entry.order, entry.actor, entry.key, entry.effect_key, entry.status
            );
        }
        for (chain, seq, hash) in now(self.store.audit_heads()).unwrap() {
            text += &format!("{chain} {seq} {hash}\n");
        }
        crate::fingerprint::sha256(&text)
    }
}
