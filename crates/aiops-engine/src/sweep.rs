//! From what the detectors find to incidents: which are opened, which are closed, and that nothing is written when
//! nothing changed.
//!
//! Pure: findings and open incidents in, reports and closures out. It closes only what detectors opened, or alerts of which
//! none fires any more, and only when what was found is gone for a while and the rows that would show it are fresh. It
//! never acts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    detectors::{Finding, Hidden},
    fingerprint::fingerprint,
    model::{
        Millis,
        ids::IncidentId,
        incident::{Incident, IncidentBody, IncidentSource, IncidentStatus},
        target::Target,
    },
    ports::{Ids, store::Report},
    redact::Redactor,
    text,
};

/// Most incidents that one sweep opens; the worst first, the rest with the next sweeps. A flood is then spread, and each
/// commit stays short.
pub const MOST_REPORTS: usize = 100;
/// With so many open incidents of detectors and alerts no more are opened: nobody reads them, and the breaker has long been
/// open. What people write and trigger does not count.
pub const MOST_OPEN: usize = 2_000;
/// What detectors remember for a while after it happened, and for how long (see `docs/issues.md`). A finding of these
/// that began before its incident was closed is that memory.
const REMEMBERED: [(&str, Millis); 5] = [
    ("oom_kill", 65 * MINUTE),
    ("crash_loop", 65 * MINUTE),
    ("job_failed", LONGEST_MEMORY),
    ("pod_failed", LONGEST_MEMORY),
    ("pod_evicted", LONGEST_MEMORY),
];
/// Other trouble lasts while it is found. It opens no new incident so soon after one was closed: what repaired it may
/// not be seen everywhere yet.
const REST: Millis = 5 * MINUTE;
const MINUTE: Millis = 60_000;
/// What normal life touches in passing (a limit that is reached, a container that ended once) is an incident when it lasts
/// this long.
const EARLY: Millis = 5 * MINUTE;
/// Incidents of these fill the room.
pub const COUNTED: [IncidentSource; 2] = [IncidentSource::Detector, IncidentSource::Alert];
/// What was closed longer ago keeps no finding from opening an incident: the longest of the memories above.
pub const LONGEST_MEMORY: Millis = 24 * 60 * MINUTE;

/// What a sweep remembers for the next: since when the trouble of an open incident is not seen any more. Losing it only
/// begins the grace anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    gone_since: HashMap<IncidentId, Millis>,
    /// Since when what is too early for an incident has been seen without a pause, by fingerprint.
    early_since: HashMap<String, Millis>,
    /// Some of it has not lasted yet.
    is_early: bool,
}

impl Memory {
    /// Whether time alone may open or close an incident.
    pub fn is_waiting(&self) -> bool {
        !self.gone_since.is_empty() || self.is_early
    }

    /// Of what is too early for an incident, that which has lasted.
    fn lasting<'a>(&mut self, cluster: &str, early: &'a [Finding], now: Millis) -> Vec<&'a Finding> {
        self.is_early = false;
        let mut since = HashMap::new();
        let mut lasting = Vec::new();
        for finding in early {
            let own = fingerprint(cluster, &target(finding), finding.issue.code);
            let began = self.early_since.get(&own).copied().unwrap_or(now);
            if now.saturating_sub(began) >= EARLY {
                lasting.push(finding);
            } else {
                self.is_early = true;
            }
            since.insert(own, began);
        }
        self.early_since = since;
        lasting
    }
}

/// What a sweep looks at.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// uid of the cluster.
    pub cluster: &'a str,
    /// What the detectors find, worst first.
    pub findings: &'a [Finding],
    /// Open incidents of all sources.
    pub open: &'a [Incident],
    /// Incidents that were closed within [`LONGEST_MEMORY`].
    pub closed: &'a [Incident],
    /// Codes and objects of what is too early for an incident: it keeps one open, and opens one when it lasts.
    pub early: &'a [Finding],
    /// Kinds that are not seen as they are: what detectors that read them do not find may be there.
    pub hidden: &'a Hidden,
    /// Now.
    pub now: Millis,
    /// How long trouble must be gone before its incident is closed.
    pub grace: Millis,
}

/// What a sweep wants to be kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Swept {
    /// Incidents to open, and open ones that got worse.
    pub reports: Vec<Report>,
    /// Incidents to close.
    pub closures: Vec<Closure>,
    /// Findings for which there was no room this time.
    pub left: usize,
}

/// An incident to close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closure {
    /// Which.
    pub id: IncidentId,
    /// Why.
    pub resolution: String,
}

/// Decides what has changed. `ids` is asked only for incidents that may be new.
pub fn decide(sight: Sight<'_>, ids: &dyn Ids, memory: &mut Memory) -> Swept {
    let Sight { cluster, findings, open, closed, early, hidden, now, grace } = sight;
    let by_fingerprint: HashMap<&str, &Incident> =
        open.iter().map(|incident| (incident.fingerprint.as_str(), incident)).collect();
    let mut last_closed: HashMap<&str, Millis> = HashMap::new();
    for incident in closed {
        let at = incident.closed_at.unwrap_or(incident.last_seen);
        let known = last_closed.entry(&incident.fingerprint).or_insert(at);
        *known = (*known).max(at);
    }
    let mut swept = Swept::default();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut follows: BTreeMap<String, String> = BTreeMap::new();
    let full = open.iter().filter(|incident| COUNTED.contains(&incident.source)).count();
    let mut reports = MOST_REPORTS;
    let mut room = MOST_OPEN.saturating_sub(full);
    let lasting = memory.lasting(cluster, early, now);
    for finding in early {
        seen.insert(fingerprint(cluster, &target(finding), finding.issue.code));
    }
    for finding in findings.iter().chain(lasting) {
        let target = target(finding);
        let own = fingerprint(cluster, &target, finding.issue.code);
        let mut known = by_fingerprint.get(own.as_str()).copied();
        for code in &finding.also {
            let also = fingerprint(cluster, &target, code);
            // What somebody else reported under the name of a consequence is this trouble.
            let theirs = by_fingerprint.get(also.as_str()).copied();
            known = known.or_else(|| theirs.filter(|incident| incident.source != IncidentSource::Detector));
            follows.insert(also, finding.issue.code.to_owned());
        }
        seen.insert(own.clone());
        let is_worse = known.is_some_and(|incident| finding.severity < incident.severity);
        if known.is_some() && !is_worse {
            continue;
        }
        if known.is_none() && is_remembered(finding, last_closed.get(own.as_str()).copied(), now) {
            continue;
        }
        if reports == 0 || (known.is_none() && room == 0) {
            swept.left += 1;
            continue;
        }
        reports -= 1;
        room -= usize::from(known.is_none());
        let incident = incident(cluster, finding, target, own, ids, now);
        swept.reports.push(Report { incident, into: known.map(|incident| incident.id.clone()), line: None });
    }
    for incident in open {
        // What alerts opened is closed with the last of them, unless a detector saw it or a workflow had it then.
        let is_ours = match incident.source {
            IncidentSource::Detector => true,
            IncidentSource::Alert => incident.body.firing.is_empty(),
            IncidentSource::Manual | IncidentSource::Trigger => false,
        };
        let is_ours = is_ours
            && incident.cluster == cluster
            && matches!(incident.status, IncidentStatus::Active | IncidentStatus::Failed);
        if !is_ours || seen.contains(&incident.fingerprint) {
            memory.gone_since.remove(&incident.id);
            continue;
        }
        if let Some(cause) = follows.get(&incident.fingerprint) {
            memory.gone_since.remove(&incident.id);
            // What alerts opened under the name of a consequence is the cause's incident.
            if incident.source == IncidentSource::Alert {
                continue;
            }
            let resolution =
                format!("it follows from {cause} on the same object, which has its own incident");
            swept.closures.push(Closure { id: incident.id.clone(), resolution });
            continue;
        }
        if !hidden.shows(&incident.issue, &incident.target.kind) {
            memory.gone_since.remove(&incident.id);
            continue;
        }
        let since = *memory.gone_since.entry(incident.id.clone()).or_insert(now);
        if now.saturating_sub(since) >= grace {
            memory.gone_since.remove(&incident.id);
            let seconds = now.saturating_sub(since) / 1_000;
            let alerts =
                if incident.source == IncidentSource::Alert { "its alerts are resolved, and " } else { "" };
            let resolution = format!("{alerts}{} has not been seen for {seconds} s", incident.issue);
            swept.closures.push(Closure { id: incident.id.clone(), resolution });
        }
    }
    let is_open: BTreeSet<&IncidentId> = open.iter().map(|incident| &incident.id).collect();
    memory.gone_since.retain(|id, _| is_open.contains(id));
    swept
}

/// Whether a finding is what is left to be seen of trouble whose incident was closed.
fn is_remembered(finding: &Finding, closed_at: Option<Millis>, now: Millis) -> bool {
    let Some(closed_at) = closed_at else { return false };
    let began_later = finding.issue.since.is_some_and(|since| since.saturating_mul(1_000) > closed_at);
    if began_later {
        return false;
    }
    let remembered =
        REMEMBERED.iter().find(|(code, _)| *code == finding.issue.code && finding.issue.since.is_some());
    now.saturating_sub(closed_at) < remembered.map_or(REST, |(_, long)| *long)
}

fn target(finding: &Finding) -> Target {
    let object = &finding.issue.object;
    Target::known(&object.kind, &object.namespace, &object.name)
}

fn incident(
    cluster: &str,
    finding: &Finding,
    target: Target,
    fingerprint: String,
    ids: &dyn Ids,
    now: Millis,
) -> Incident {
    let issue = &finding.issue;
    let mut affected = vec![format!("{}/{}", target.kind, target.name)];
    affected.extend(issue.example.as_ref().map(|pod| format!("Pod/{pod}")));
    let count = if issue.count > 1 { format!(" ({} affected)", issue.count) } else { String::new() };
    let also = match finding.also.as_slice() {
        [] => String::new(),
        also => format!("; also {}", also.join(", ")),
    };
    Incident {
        id: IncidentId::of(&ids.unique()),
        fingerprint,
        cluster: cluster.to_owned(),
        issue: issue.code.to_owned(),
        severity: finding.severity,
        status: IncidentStatus::Active,
        source: IncidentSource::Detector,
        occurrences: 1,
        first_seen: now,
        last_seen: now,
        closed_at: None,
        workflow: None,
        body: IncidentBody {
            title: text::clean(&format!("{} on {target}", issue.code), 180).text,
            description: text::show(&Redactor, &format!("{}{count}{also}", issue.what), 1_900).text,
            affected_resources: affected,
            ..IncidentBody::default()
        },
        target,
    }
}

#[cfg(test)]
mod tests;
