//! Alerts of trouble whose incident was closed a moment ago: what is opened again, and what is only late.
//!
//! Alerts trail what they tell of by minutes, so one that still fires after a repair, or after the detectors saw the trouble
//! gone, is not new trouble yet. Nothing is written to an incident that stays closed. Its sender says nothing more for hours
//! while it fires on, so what is late is waited for here, and opens an incident when nobody has resolved it in time. A
//! restart forgets it; then the sender's next message opens it.

use std::collections::{BTreeMap, BTreeSet};

use super::{FLAP, Group, Inner, entry};
use crate::{
    error::Error,
    keeping,
    model::{
        Millis,
        caller::{Caller, Via},
        incident::{Incident, IncidentSource, IncidentStatus},
    },
    ports::store::{Report, StoreError},
    sweep::MOST_OPEN,
};

/// Fingerprints of trouble that was closed a moment ago.
#[derive(Debug, Default)]
pub(super) struct Lately {
    /// Opened again: alerts had closed them.
    pub(super) reopened: BTreeSet<String>,
    /// Closed, and their alerts are late until this moment.
    pub(super) late: BTreeMap<String, Millis>,
}

/// What is late, by fingerprint: until when, and what it opens then.
#[derive(Debug, Default)]
pub(crate) struct Waiting(BTreeMap<String, (Millis, Report)>);

impl Waiting {
    /// Waits for a late one. Beyond the most that may be open nothing would be opened either.
    pub(super) fn keep(&mut self, until: Millis, report: Report) {
        if let Some((_, known)) = self.0.get_mut(&report.incident.fingerprint) {
            known.incident = keeping::merged(&known.incident, &report.incident);
        } else if self.0.len() < MOST_OPEN {
            self.0.insert(report.incident.fingerprint.clone(), (until, report));
        }
    }

    /// It was told otherwise.
    pub(super) fn forget(&mut self, fingerprint: &str) {
        self.0.remove(fingerprint);
    }

    /// These alerts fire no more. Whose they are may not be told any more: their pods may be gone.
    pub(super) fn quiet(&mut self, over: &BTreeSet<&str>) {
        self.0.retain(|_, (_, report)| {
            let firing = &mut report.incident.body.firing;
            firing.retain(|id| !over.contains(id.as_str()));
            !firing.is_empty()
        });
    }

    fn due(&self, now: Millis) -> Vec<Report> {
        let due = self.0.values().filter(|(until, _)| now > *until).map(|(_, report)| report.clone());
        due.map(|mut report| {
            report.incident.first_seen = now;
            report.incident.last_seen = now;
            report
        })
        .collect()
    }
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
    /// Opens incidents of alerts that were late and have fired on for too long.
    pub(in crate::coordinator) async fn open_late(&self) -> Result<(), Error> {
        let mut taking = self.taking_alerts.lock().await;
        if taking.waiting.0.is_empty() {
            return Ok(());
        }
        let failed = |error| Error::from_store("opening incidents of alerts that fire on", error);
        let due = taking.waiting.due(self.stored_now("opening incidents of alerts that fire on").await?);
        if due.is_empty() || self.is_full().await.map_err(failed)?.is_some() {
            return Ok(());
        }
        let reported = self.store.report(&due).await.map_err(failed)?;
        let mut new = Vec::new();
        for (report, reported) in due.into_iter().zip(reported) {
            taking.waiting.forget(&report.incident.fingerprint);
            if reported.is_new {
                new.push(Incident { id: reported.id, ..report.incident });
            }
        }
        drop(taking);
        self.touch();
        self.act_alone(Via::Alert, new).await;
        Ok(())
    }

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
                    let at = incident.closed_at.unwrap_or(now);
                    lately.late.insert(incident.fingerprint, at.saturating_add(FLAP));
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
