//! Commits to the store in memory that put an incident right: alerts that fire no more, and where it belongs.

use std::sync::Arc;

use super::state::State;
use crate::{
    audit, keeping,
    model::{
        ids::IncidentId,
        incident::{Incident, IncidentStatus},
    },
    ports::store::{Entry, Filing, StoreError},
};

impl State {
    pub(super) fn quiet(
        &mut self,
        id: &IncidentId,
        alerts: &[String],
        close: Option<(&str, &Entry)>,
    ) -> Result<bool, StoreError> {
        let kept = self.incidents.get(id).ok_or_else(|| keeping::no_incident(id))?;
        let mut quieted = keeping::quieted(kept, alerts);
        let close = close.filter(|_| keeping::rests(&quieted));
        if let Some((resolution, entry)) = close {
            keeping::set(&mut quieted, IncidentStatus::Resolved, Some(resolution), entry.at);
            self.append(audit::CONTROL, entry);
        }
        self.incidents.insert(id.clone(), Arc::new(quieted));
        Ok(close.is_some())
    }

    pub(super) fn file_incident(
        &mut self,
        id: &IncidentId,
        filing: &Filing,
        entry: &Entry,
    ) -> Option<IncidentId> {
        let kept = Incident::clone(self.incidents.get(id).filter(|kept| keeping::may_move(kept))?);
        let there = self.open_incident(&filing.fingerprint).filter(|there| *there != id).cloned();
        let (now, changed) = match there.and_then(|there| self.incidents.get(&there).cloned()) {
            Some(there) => {
                let over = keeping::taken_over(&kept, &there.id, entry.at);
                self.incidents.insert(id.clone(), Arc::new(over));
                (there.id.clone(), keeping::merged(&there, &kept))
            }
            None => (id.clone(), keeping::filed(&kept, filing)),
        };
        self.incidents.insert(now.clone(), Arc::new(changed));
        self.append(audit::CONTROL, entry);
        Some(now)
    }
}
