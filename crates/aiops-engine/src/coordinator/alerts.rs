//! What Alertmanager's webhook sends: alerts open incidents, are counted with open ones, and close what they opened.
//!
//! An alert is somebody else's word: it never acts unless the policy lets its incident trigger by itself, and one that
//! says "resolved" closes nothing of which another alert fires, in whichever message that came, or which the detectors
//! still see; the sweep closes that later.

mod lately;
mod reading;
mod room;

use std::collections::{BTreeMap, BTreeSet};

use aiops_inventory::{
    Kind, Sync,
    inventory::{Connection, Source},
};
use serde_json::json;

pub(super) use self::reading::{at, host};
use self::{
    lately::{Lately, Waiting},
    reading::Read,
    room::Refused,
};
use super::Inner;
use crate::{
    coordination::{Alert, AlertsTaken},
    detectors::{self, View},
    error::Error,
    fingerprint::fingerprint,
    issue::Severity,
    model::{
        Millis,
        caller::{Caller, Via},
        ids::IncidentId,
        incident::{Incident, IncidentSource},
        target::Target,
    },
    ports::store::{Entry, Report, StoreError},
    sweep,
};

/// An alert that fires again so soon after it was resolved is the same trouble: its incident is opened again. One that still
/// fires so soon after its trouble was repaired is late: it opens nothing.
const FLAP: Millis = 10 * 60_000;
/// Incidents that were closed lately and are looked through for that.
const MOST_CLOSED: u32 = 500;

/// What is remembered from one message of alerts to the next.
#[derive(Debug, Default)]
pub(crate) struct Taking {
    /// Messages that were sent back.
    refused: Refused,
    /// Alerts that are late.
    waiting: Waiting,
}

/// The alerts of one trouble within a batch.
#[derive(Debug, Default)]
struct Group {
    firing: Vec<Read>,
    resolved: Vec<Read>,
}

impl Group {
    /// The worst severity of what fires.
    fn worst(&self) -> Option<Severity> {
        self.firing.iter().map(|read| read.severity).min()
    }
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
        let mut taking = self.taking_alerts.lock().await;
        let now = self.stored_now("taking alerts").await?;
        let mut taken = AlertsTaken { received: count(alerts.len()), ..AlertsTaken::default() };
        let cluster = self.cluster_uid().unwrap_or_default();
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for alert in &alerts {
            let Some(mut read) = reading::read(alert, &|host| self.node_called(host)) else {
                taken.ignored += 1;
                continue;
            };
            read.target = self.owner_of(&read.target);
            let group = groups.entry(fingerprint(&cluster, &read.target, &read.key)).or_default();
            if read.is_resolved { group.resolved.push(read) } else { group.firing.push(read) }
        }
        let failed = |error| Error::from_store("taking alerts", error);
        let message = room::digest(&alerts);
        let is_repeat = taking.refused.knows(&message);
        let open = self.open_incidents().await.map_err(failed)?;
        let by_fingerprint: BTreeMap<&str, &Incident> =
            open.iter().map(|incident| (incident.fingerprint.as_str(), incident)).collect();
        let is_new = |(fingerprint, group): &(&String, &Group)| {
            !group.firing.is_empty() && !by_fingerprint.contains_key(fingerprint.as_str())
        };
        let mut lately = Lately::default();
        if groups.iter().any(|group| is_new(&group)) {
            let closed = self.store.closed_since(now.saturating_sub(FLAP), MOST_CLOSED).await;
            let new: BTreeMap<&String, &Group> = groups.iter().filter(is_new).collect();
            lately = self.look_back(caller, &new, closed.map_err(failed)?, now).await?;
        }
        let full = open.iter().filter(|incident| room::counts(incident)).count();
        let mut room = sweep::MOST_OPEN.saturating_sub(full + lately.reopened.len());
        // Where there is no room for all, the worst are taken.
        let mut firing: Vec<(&String, &Group)> =
            groups.iter().filter(|(_, group)| !group.firing.is_empty()).collect();
        firing.sort_by_key(|(fingerprint, group)| (group.worst(), *fingerprint));
        let over = groups.values().flat_map(|group| &group.resolved).map(|read| read.id.as_str());
        taking.waiting.quiet(&over.collect());
        let mut left = 0;
        let mut reports = Vec::new();
        for (fingerprint, group) in firing {
            let alerts = count(group.firing.len());
            if let Some(until) = lately.late.get(fingerprint) {
                taken.merged += alerts;
                if let Some(report) = self.incident_of(&cluster, fingerprint, group, now) {
                    taking.waiting.keep(*until, report);
                }
                continue;
            }
            match by_fingerprint.get(fingerprint.as_str()) {
                // This message was taken in part and is sent again.
                Some(known)
                    if is_repeat && group.firing.iter().all(|r| known.body.firing.contains(&r.id)) =>
                {
                    taken.merged += alerts;
                    continue;
                }
                Some(_) => {}
                None if lately.reopened.contains(fingerprint) => {}
                None if room == 0 => {
                    left += alerts;
                    continue;
                }
                None => room -= 1,
            }
            taking.waiting.forget(fingerprint);
            reports.extend(self.incident_of(&cluster, fingerprint, group, now));
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
        self.close((caller, now), &cluster, &groups, &open, &mut taken).await?;
        if taken.received > taken.ignored + left {
            self.touch();
        }
        self.act_alone(Via::Alert, new).await;
        if left > 0 {
            tracing::warn!(
                left,
                received = taken.received,
                "too many incidents are open; alerts opened none"
            );
            taking.refused.keep(message);
            return Err(room::full(left, taken.received));
        }
        taking.refused.forget(&message);
        Ok(taken)
    }

    /// What a group of firing alerts reports.
    fn incident_of(&self, cluster: &str, fingerprint: &str, group: &Group, now: Millis) -> Option<Report> {
        let first = group.firing.first()?;
        let id = IncidentId::of(&self.ids.unique());
        let mut incident = Incident {
            occurrences: i64::try_from(group.firing.len()).unwrap_or(i64::MAX),
            severity: group.worst()?,
            ..first.incident(cluster, fingerprint, id, now)
        };
        // First seen is when it came in, which is what storms are told by; what is delivered late began before.
        incident.body.began = group.firing.iter().filter_map(|read| read.began).min().map(|at| at.min(now));
        incident.body.firing = group.firing.iter().map(|read| read.id.clone()).collect();
        Some(Report { incident, into: None, line: None })
    }

    /// The node of this name or internal address.
    pub(super) fn node_called(&self, host: &str) -> Option<String> {
        let inventory = self.engine.look();
        let nodes = inventory.nodes();
        let named = nodes.get("", host).or_else(|| nodes.iter().find(|node| node.internal_ip == host));
        named.map(|node| node.meta.key.name.to_string())
    }

    /// Whether the cluster is being read for the first time. One that does not answer is not waited for.
    fn is_warming(&self) -> bool {
        let inventory = self.engine.look();
        let info = inventory.info();
        let is_warm = |kind| !matches!(inventory.status(kind).sync, Sync::Warming);
        match info.connection {
            Connection::Connecting => info.uid.is_empty() && !matches!(info.source, Source::Recorded { .. }),
            Connection::Up => ![Kind::Pod, Kind::ReplicaSet, Kind::Job, Kind::Node].into_iter().all(is_warm),
            Connection::Down { .. } => false,
        }
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
