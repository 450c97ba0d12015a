//! What a run leaves behind, for the checker.

use super::{Sim, now};
use crate::{
    ports::store::{Store as _, WorkflowFilter},
    settings::limits::millis,
    testing::checker::{Bounds, History},
};

impl Sim {
    /// Everything that is known of this run.
    pub(crate) fn history(&self) -> History {
        let all = WorkflowFilter { limit: 1_000, ..Default::default() };
        let rows = now(self.store.workflows(&all)).unwrap().rows;
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
            limits: Bounds {
                window: millis(limits.budget_window),
                mutations_per_cluster: size(limits.budget_per_cluster),
                mutations_per_namespace: size(limits.budget_per_namespace),
                workflows_per_cluster: size(limits.workflows_per_cluster),
                workflows_per_namespace: size(limits.workflows_per_namespace),
                attempts: 1_000,
            },
            calm_since: self.calm_since,
            ended_at: self.hands.millis(),
        }
    }

    /// What the journal says, as a hash: the same seed has to give the same.
    pub(crate) fn journal_hash(&self) -> String {
        let mut text = String::new();
        for entry in self.model.journal() {
            let at = entry.at.as_millisecond();
            text += &format!(
                "{} {at} {} {} {} {}\n",
                entry.order, entry.actor, entry.key, entry.effect_key, entry.status
            );
        }
        crate::fingerprint::sha256(&text)
    }
}
