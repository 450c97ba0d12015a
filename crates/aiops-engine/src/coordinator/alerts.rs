//! What Alertmanager's webhook sends: alerts open incidents, are counted with open ones, and close what they opened.
//!
//! An alert is somebody else's word: it never acts unless the policy lets its incident trigger by itself, and one that
//! says "resolved" closes nothing of which another alert fires, in whichever message that came, or which the detectors
//! still see; the sweep closes that later.

mod reading;

use std::collections::{BTreeMap, BTreeSet};

use aiops_inventory::{
    Kind, Sync,
    inventory::{Connection, Source},
};
use serde_json::json;

pub(super) use self::reading::Read;
use super::Inner;
use crate::{
    coordination::{Alert, AlertsTaken},
    detectors::{self, View},
    error::Error,
    fingerprint::fingerprint,
    model::{
        Millis,
        caller::{Caller, Via},
        ids::IncidentId,
        incident::{Incident, IncidentSource, IncidentStatus},
        target::Target,
    },
    ports::store::{Entry, IncidentFilter, Report, StoreError},
    sweep,
};

/// An alert that fires again so soon after it was resolved is the same trouble: its incident is opened again.
const FLAP: Millis = 10 * 60_000;
/// Incidents that were closed lately and are looked through for that.
const MOST_CLOSED: u32 = 500;

/// The alerts of one trouble within a batch.
#[derive(Debug, Default)]
struct Group {
    firing: Vec<Read>,
    resolved: Vec<Read>,
}

impl Inner {
    pub(super) async fn alerts(&self, caller: &Caller, alerts: Vec<Alert>) -> Result<AlertsTaken, Error> {
        if self.is_warming() {
            // A pod's owner is not known yet, so that alerts about one workload would be several incidents. Whoever sends
            // alerts sends them again.
            return Err(Error::Unavailable {
                what: "taking alerts".to_owned(),
                why: "this aiops has just started and is reading the cluster; send them again".to_owned(),
                retry_after: Some(std::time::Duration::from_secs(1)),
            });
        }
        let _one_by_one = self.taking_alerts.lock().await;
        let now = self.stored_now("taking alerts").await?;
        let mut taken = AlertsTaken { received: count(alerts.len()), ..AlertsTaken::default() };
        let cluster = self.cluster_uid().unwrap_or_default();
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for alert in &alerts {
            let Some(mut read) = reading::read(alert) else {
                taken.ignored += 1;
                continue;
            };
            read.target = self.owner_of(&read.target);
            let group = groups.entry(fingerprint(&cluster, &read.target, &read.key)).or_default();
            if read.is_resolved { group.resolved.push(read) } else { group.firing.push(read) }
        }
        let failed = |error| Error::from_store("taking alerts", error);
        let open_ones = IncidentFilter {
            status: IncidentStatus::ALL.into_iter().filter(|s| !s.is_closed()).collect(),
            limit: u32::try_from(sweep::MOST_OPEN).unwrap_or(u32::MAX),
            ..IncidentFilter::default()
        };
        let open = self.store.incidents(&open_ones).await.map_err(failed)?;
        let is_open: BTreeSet<String> = open.rows.iter().map(|i| i.fingerprint.clone()).collect();
        let is_new =
            |fingerprint: &String, group: &Group| !group.firing.is_empty() && !is_open.contains(fingerprint);
        if groups.iter().any(|(fingerprint, group)| is_new(fingerprint, group)) {
            let closed = self.store.closed_since(now.saturating_sub(FLAP), MOST_CLOSED).await;
            self.open_again(caller, &groups, &is_open, closed.map_err(failed)?, now).await?;
        }
        let mut room = sweep::MOST_OPEN.saturating_sub(open.rows.len());
        let mut reports = Vec::new();
        for (fingerprint, group) in &groups {
            let Some(first) = group.firing.first() else { continue };
            if is_new(fingerprint, group) {
                if room == 0 {
                    tracing::warn!(open = open.total, "too many incidents are open; an alert opened none");
                    taken.ignored += count(group.firing.len());
                    continue;
                }
                room -= 1;
            }
            let mut incident = Incident {
                occurrences: i64::try_from(group.firing.len()).unwrap_or(i64::MAX),
                ..first.incident(&cluster, fingerprint, IncidentId::of(&self.ids.unique()), now)
            };
            incident.body.firing = group.firing.iter().map(|read| read.id.clone()).collect();
            reports.push(Report { incident, into: None });
        }
        let reported = if reports.is_empty() {
            Vec::new()
        } else {
            self.store.report(&reports).await.map_err(failed)?
        };
        let mut new = Vec::new();
        for (report, reported) in reports.into_iter().zip(reported) {
            let alerts = u64::try_from(report.incident.occurrences).unwrap_or(0);
            taken.opened += u64::from(reported.is_new);
            taken.merged += alerts - u64::from(reported.is_new);
            if reported.is_new {
                new.push(Incident { id: reported.id, ..report.incident });
            }
        }
        self.close((caller, now), &cluster, &groups, &open.rows, &mut taken).await?;
        if taken.received > taken.ignored {
            self.touch();
        }
        self.act_alone(Via::Alert, new).await;
        Ok(taken)
    }

    /// Whether the cluster is being read for the first time. One that does not answer is not waited for.
    fn is_warming(&self) -> bool {
        let inventory = self.engine.look();
        let info = inventory.info();
        let is_warm = |kind| !matches!(inventory.status(kind).sync, Sync::Warming);
        match info.connection {
            Connection::Connecting => info.uid.is_empty() && !matches!(info.source, Source::Recorded { .. }),
            Connection::Up => ![Kind::Pod, Kind::ReplicaSet, Kind::Job].into_iter().all(is_warm),
            Connection::Down { .. } => false,
        }
    }

    /// Opens the incidents again that alerts closed a moment ago.
    async fn open_again(
        &self,
        caller: &Caller,
        groups: &BTreeMap<String, Group>,
        is_open: &BTreeSet<String>,
        closed: Vec<Incident>,
        now: Millis,
    ) -> Result<(), Error> {
        let mut done: BTreeSet<String> = BTreeSet::new();
        for incident in closed {
            let fires = groups.get(&incident.fingerprint).is_some_and(|group| !group.firing.is_empty());
            let is_recent = incident.closed_at.is_some_and(|at| now.saturating_sub(at) <= FLAP);
            let is_ours =
                incident.source == IncidentSource::Alert && incident.status == IncidentStatus::Resolved;
            if !fires || !is_recent || !is_ours || is_open.contains(&incident.fingerprint) {
                continue;
            }
            if !done.insert(incident.fingerprint.clone()) {
                continue;
            }
            let entry = entry(caller, now, "incident_reopened", &incident.id, "its alert fires again");
            let from = [IncidentStatus::Resolved];
            let kept =
                self.store.set_incident(&incident.id, &from, IncidentStatus::Active, None, &entry).await;
            match kept {
                Ok(()) | Err(StoreError::Changed(_)) => {}
                Err(error) => return Err(Error::from_store("opening an incident again", error)),
            }
        }
        Ok(())
    }

    /// Closes what these alerts opened, where none of it fires and no detector sees it.
    async fn close(
        &self,
        (caller, now): (&Caller, Millis),
        cluster: &str,
        groups: &BTreeMap<String, Group>,
        open: &[Incident],
        taken: &mut AlertsTaken,
    ) -> Result<(), Error> {
        let mut over: BTreeMap<&IncidentId, (&Incident, Vec<&Read>)> = BTreeMap::new();
        for (own, group) in groups {
            for read in &group.resolved {
                match open.iter().find(|i| i.fingerprint == *own).or_else(|| gone(open, read)) {
                    Some(incident) => {
                        over.entry(&incident.id).or_insert_with(|| (incident, Vec::new())).1.push(read);
                    }
                    None => taken.ignored += 1,
                }
            }
        }
        if over.is_empty() {
            return Ok(());
        }
        let still = self.seen_now(cluster);
        for (incident, resolved) in over.into_values() {
            let alerts: Vec<String> = resolved.iter().map(|read| read.id.clone()).collect();
            let name = resolved.first().map(|read| read.name.as_str()).unwrap_or_default();
            let resolution = format!("Alertmanager resolved {name}");
            let entry = entry(caller, now, "incident_closed", &incident.id, &resolution);
            let close =
                Some((resolution.as_str(), &entry)).filter(|_| !still.contains(&incident.fingerprint));
            let is_closed = match self.store.quiet(&incident.id, &alerts, close).await {
                Ok(is_closed) => is_closed,
                // Retention was faster.
                Err(StoreError::Changed(_)) => false,
                Err(error) => return Err(Error::from_store("closing an incident", error)),
            };
            taken.resolved += u64::from(is_closed);
            taken.ignored += count(resolved.len()) - u64::from(is_closed);
        }
        Ok(())
    }

    /// Fingerprints of what detectors find now.
    fn seen_now(&self, cluster: &str) -> BTreeSet<String> {
        let inventory = self.engine.look();
        let view = View { inventory: &inventory, now: self.now() / 1_000, namespace: None };
        let of = |issue: &crate::issue::Issue| {
            let target = Target::known(&issue.object.kind, &issue.object.namespace, &issue.object.name);
            fingerprint(cluster, &target, issue.code)
        };
        detectors::issues(view).iter().map(of).collect()
    }
}

/// A line about an incident.
fn entry(caller: &Caller, at: Millis, action: &str, id: &IncidentId, why: &str) -> Entry {
    Entry {
        at,
        actor: caller.name.clone(),
        via: Via::Alert,
        action: action.to_owned(),
        object: id.to_string(),
        body: json!({"resolution": why}),
    }
}

/// The open incident of an alert whose object is gone, so that its owner cannot be told any more: by Alertmanager's
/// fingerprint, else by the alert's name and the owner whose name the pod's begins with.
fn gone<'a>(open: &'a [Incident], read: &Read) -> Option<&'a Incident> {
    let theirs = || open.iter().filter(|incident| incident.source == IncidentSource::Alert);
    let by_id = theirs().find(|incident| {
        !read.fingerprint.is_empty()
            && incident.body.external_id.as_deref() == Some(read.fingerprint.as_str())
    });
    by_id.or_else(|| {
        theirs().find(|incident| {
            read.target.kind == "Pod"
                && incident.target.namespace == read.target.namespace
                && incident.body.labels.get("alertname") == Some(&read.name)
                && read
                    .target
                    .name
                    .strip_prefix(&incident.target.name)
                    .is_some_and(|rest| rest.starts_with('-'))
        })
    })
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
