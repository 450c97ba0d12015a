//! Alerts of trouble whose incident was closed a moment ago: what is opened again, and what is only late.
//!
//! Alerts trail what they tell of by minutes, so one that still fires after a repair, or after the detectors saw the trouble
//! gone, is not new trouble. Nothing is written to an incident that stays closed.

use std::collections::{BTreeMap, BTreeSet};

use super::{FLAP, Group, Inner, entry};
use crate::{
    error::Error,
    model::{
        Millis,
        caller::Caller,
        incident::{Incident, IncidentSource, IncidentStatus},
    },
    ports::store::StoreError,
};

/// Fingerprints of trouble that was closed a moment ago.
#[derive(Debug, Default)]
pub(super) struct Lately {
    /// Opened again: alerts had closed them.
    pub(super) reopened: BTreeSet<String>,
    /// Closed, and their alerts are late.
    pub(super) late: BTreeSet<String>,
}

/// What an alert of trouble that was closed means.
#[derive(Debug, PartialEq, Eq)]
enum Means {
    /// The trouble is back.
    Back,
    /// Nothing new.
    Late,
    /// Other trouble of the same kind.
    New,
}

fn means(closed: &Incident, group: &Group, now: Millis) -> Means {
    let Some(at) = closed.closed_at.filter(|at| now.saturating_sub(*at) <= FLAP) else { return Means::New };
    let began_later = group.firing.iter().any(|read| read.began.is_some_and(|began| began > at));
    // While it stood as firing nobody at Alertmanager said that it was over: somebody else closed the incident.
    let still_fires = group.firing.iter().all(|read| closed.body.firing.contains(&read.id));
    match (closed.source, closed.status) {
        (_, IncidentStatus::Remediated) if !began_later => Means::Late,
        (IncidentSource::Alert, IncidentStatus::Resolved) if still_fires && !began_later => Means::Late,
        (IncidentSource::Alert, IncidentStatus::Resolved) => Means::Back,
        (_, IncidentStatus::Resolved) if !began_later => Means::Late,
        _ => Means::New,
    }
}

impl Inner {
    /// Looks through what was closed a moment ago, and opens again what alerts closed.
    pub(super) async fn look_back(
        &self,
        caller: &Caller,
        new: &BTreeMap<&String, &Group>,
        closed: Vec<Incident>,
        now: Millis,
    ) -> Result<Lately, Error> {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut lately = Lately::default();
        for incident in closed {
            let Some(group) = new.get(&incident.fingerprint) else { continue };
            // The last one of a trouble comes first, and has the say.
            if !seen.insert(incident.fingerprint.clone()) {
                continue;
            }
            match means(&incident, group, now) {
                Means::New => {}
                Means::Late => {
                    lately.late.insert(incident.fingerprint);
                }
                Means::Back => {
                    let entry =
                        entry(caller, now, "incident_reopened", &incident.id, "its alert fires again");
                    let (from, to) = ([IncidentStatus::Resolved], IncidentStatus::Active);
                    match self.store.set_incident(&incident.id, &from, to, None, &entry).await {
                        Ok(()) => {
                            lately.reopened.insert(incident.fingerprint);
                        }
                        Err(StoreError::Changed(_)) => {}
                        Err(error) => return Err(Error::from_store("opening an incident again", error)),
                    }
                }
            }
        }
        Ok(lately)
    }
}
