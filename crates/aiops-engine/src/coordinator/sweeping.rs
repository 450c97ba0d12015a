//! The duties of one process among those that share a store: the sweep of detectors, the breaker, anchoring the audit
//! chains, and retention.
//!
//! It decides nothing: [`crate::sweep`] and [`crate::breaker`] do. What fails is logged once, when it begins to.

mod filing;
mod house;
mod signals;

use std::collections::VecDeque;

use aiops_inventory::inventory::Source;
use serde_json::json;

use self::signals::{knows_owners, signals};
use super::{Coordinator, Inner};
use crate::{
    breaker::{self, Breaker, Share, Signals},
    coordination::Trigger,
    detectors::{self, Finding, Hidden, View},
    error::Error,
    issue::Issue,
    model::{
        Millis,
        caller::{Caller, Via},
        incident::{Incident, IncidentStatus},
    },
    ports::{
        Timer,
        store::{Control, Entry, Notice, StoreError},
    },
    settings::{limits::millis, matches, policy::severity_word},
    sweep::{self, Closure, Memory, Sight},
};

/// The duty that whoever sweeps holds, and for how long after its last sign of life.
const DUTY: &str = "sweep";
const DUTY_TTL: std::time::Duration = std::time::Duration::from_secs(15);
/// So often it is held anew: each time is a commit.
const DUTY_EVERY: Millis = 5_000;
/// Incidents that were closed lately and are looked through for what is left of their trouble.
const MOST_CLOSED: u32 = 500;
/// Changes of the rows are swept at most so often.
const SHORTEST: Millis = 1_000;
/// Even when no row changed and nobody touched an incident here, the store is read again: another process may have.
const LONGEST_BLIND: Millis = 60_000;
/// Failures of the API server are judged over this long.
const API_WINDOW: Millis = 60_000;
/// Most incidents that may trigger by themselves in one sweep; where policy lets them at all.
const MOST_AUTOMATIC: usize = 10;

/// What one who sweeps remembers.
#[derive(Debug, Default)]
pub(crate) struct Sweeper {
    memory: Memory,
    breaker: Breaker,
    /// What was found when the store was last read.
    last: Option<Last>,
    /// Requests to the API server and failed ones, as they were counted within the last minute.
    counts: VecDeque<(Millis, u64, u64)>,
    /// Ticks at which it was last done.
    held_at: Option<Millis>,
    anchored_at: Option<Millis>,
    printed_at: Option<Millis>,
    retained_at: Option<Millis>,
    /// Retention left some of what is over for the next time.
    has_more: bool,
    is_failing: bool,
}

/// What a sweep found, and how many changes there had been.
#[derive(Debug)]
struct Last {
    findings: Vec<Finding>,
    early: Vec<Finding>,
    hidden: Hidden,
    /// Findings for which there was no room.
    left: usize,
    changes: u64,
    at: Millis,
}

/// What one sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    pub(crate) opened: usize,
    pub(crate) worsened: usize,
    pub(crate) closed: usize,
}

impl Coordinator {
    /// Sweeps until it is dropped: when rows changed, at most every second, and else every `times.sweep`. Of several
    /// processes on one store one sweeps; another takes over when it ends.
    pub async fn sweep_loop(&self, timer: &dyn Timer) {
        let owner = self.0.ids.unique();
        let mut sweeper = Sweeper::default();
        let mut rows = self.0.engine.changed();
        loop {
            let began = timer.ticks();
            let done = self.0.duties(&owner, &mut sweeper, began).await;
            match done {
                Ok(()) if std::mem::take(&mut sweeper.is_failing) => tracing::info!("the sweep goes on"),
                Ok(()) => {}
                Err(error) if !std::mem::replace(&mut sweeper.is_failing, true) => {
                    tracing::warn!(%error, "the sweep of detectors fails; incidents are not opened or closed until it goes on");
                }
                Err(_) => {}
            }
            timer.sleep_until(began.saturating_add(SHORTEST)).await;
            let longest = began.saturating_add(millis(self.0.settings.timing.sweep));
            tokio::select! {
                () = timer.sleep_until(longest) => {}
                changed = rows.changed() => if changed.is_err() { timer.sleep_until(longest).await },
            }
        }
    }
}

impl Inner {
    /// Everything that whoever holds the duty does, once. How often, and how long the cluster has been calm, is told by
    /// ticks: a wall clock that jumps neither closes the breaker nor lets anything go.
    pub(crate) async fn duties(
        &self,
        owner: &str,
        sweeper: &mut Sweeper,
        ticks: Millis,
    ) -> Result<(), Error> {
        let failed = |error| Error::from_store("holding the duty of the sweep", error);
        if self.store.writable().is_err() {
            return Ok(());
        }
        self.open_late().await?;
        if is_due(sweeper.held_at, ticks, DUTY_EVERY) {
            if !self.store.hold_duty(DUTY, owner, DUTY_TTL).await.map_err(failed)? {
                // Whoever has it keeps its own memory.
                *sweeper = Sweeper { is_failing: sweeper.is_failing, ..Sweeper::default() };
                return Ok(());
            }
            sweeper.held_at = Some(ticks);
        }
        self.sweep_once(sweeper).await?;
        self.watch_storms(sweeper, ticks).await?;
        self.keep_house(sweeper, ticks).await
    }

    /// Looks through the rows once and keeps what changed.
    pub(crate) async fn sweep_once(&self, sweeper: &mut Sweeper) -> Result<Swept, Error> {
        let now = self.now();
        let (cluster, findings, early, hidden) = {
            let inventory = self.engine.look();
            let info = inventory.info();
            let is_known = !info.uid.is_empty() || matches!(info.source, Source::Recorded { .. });
            if !is_known || !knows_owners(&inventory) {
                return Ok(Swept::default());
            }
            let view = View { inventory: &inventory, now: now / 1_000, namespace: None };
            let (early, found): (Vec<_>, Vec<_>) =
                detectors::issues(view).into_iter().partition(|issue| issue.is_early);
            (info.uid.to_string(), detectors::fold(found), alone(early), Hidden::of(&inventory))
        };
        let changes = *self.changed.borrow();
        let is_same = sweeper.last.as_ref().is_some_and(|last| {
            last.findings == findings
                && last.early == early
                && last.hidden == hidden
                && last.left == 0
                && last.changes == changes
                && now.saturating_sub(last.at) < LONGEST_BLIND
        });
        if is_same && !sweeper.memory.is_waiting() {
            return Ok(Swept::default());
        }
        let failed = |error| Error::from_store("sweeping", error);
        let kept_at = self.stored_now("sweeping").await?;
        let mut open = self.open_incidents().await.map_err(failed)?;
        if self.file(&cluster, &open, kept_at).await? > 0 {
            open = self.open_incidents().await.map_err(failed)?;
        }
        // Only where something may have to be opened is what was closed worth reading.
        let closed = if findings.is_empty() && early.is_empty() {
            Vec::new()
        } else {
            let since = kept_at.saturating_sub(sweep::LONGEST_MEMORY);
            self.store.closed_since(since, MOST_CLOSED).await.map_err(failed)?
        };
        let sight = Sight {
            cluster: &cluster,
            findings: &findings,
            open: &open,
            closed: &closed,
            early: &early,
            hidden: &hidden,
            now: kept_at,
            grace: millis(self.settings.timing.sweep_grace),
        };
        let swept = sweep::decide(sight, &*self.ids, &mut sweeper.memory);
        // Once: it may last, and each sweep looks again.
        if swept.left > 0 && sweeper.last.as_ref().is_none_or(|last| last.left == 0) {
            tracing::warn!(
                left = swept.left,
                open = open.len(),
                "more is wrong than one sweep opens incidents for"
            );
        }
        let mut done = Swept::default();
        if !swept.reports.is_empty() {
            let reported = self.store.report(&swept.reports).await.map_err(failed)?;
            for (report, reported) in swept.reports.iter().zip(&reported) {
                if reported.is_new {
                    done.opened += 1;
                } else {
                    done.worsened += 1;
                }
                tracing::debug!(incident.id = %reported.id, issue = %report.incident.issue, target = %report.incident.target, "a detector reported");
            }
            let new: Vec<Incident> = swept
                .reports
                .into_iter()
                .zip(reported)
                .filter(|(_, reported)| reported.is_new)
                .map(|(report, reported)| Incident { id: reported.id, ..report.incident })
                .collect();
            self.act_alone(Via::Sweep, new).await;
        }
        for Closure { id, resolution } in swept.closures {
            let entry = Entry {
                at: kept_at,
                actor: "aiops".to_owned(),
                via: Via::Sweep,
                action: "incident_closed".to_owned(),
                object: id.to_string(),
                body: json!({"resolution": resolution}),
            };
            let from = [IncidentStatus::Active, IncidentStatus::Failed];
            let kept = self
                .store
                .set_incident(&id, &from, IncidentStatus::Resolved, Some(&resolution), &entry)
                .await;
            match kept {
                Ok(()) => done.closed += 1,
                // Somebody was faster.
                Err(StoreError::Changed(_)) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if done != Swept::default() {
            self.touch();
        }
        let changes = *self.changed.borrow();
        sweeper.last = Some(Last { findings, early, hidden, left: swept.left, changes, at: now });
        Ok(done)
    }

    /// Triggers, for new incidents, what the policy lets them trigger by themselves. The guard has the last word.
    pub(super) async fn act_alone(&self, via: Via, incidents: Vec<Incident>) {
        let rules = &self.settings.policy.rules;
        if !rules.iter().any(|rule| rule.autonomy) || self.acting.is_none() {
            return;
        }
        let may = |incident: &Incident| {
            let namespace = &incident.target.namespace;
            rules.iter().any(|rule| {
                rule.autonomy
                    && (rule.namespaces.is_empty() || rule.namespaces.iter().any(|p| matches(p, namespace)))
                    && (rule.severities.is_empty()
                        || rule.severities.iter().any(|s| s == severity_word(incident.severity)))
            })
        };
        for incident in incidents.into_iter().filter(may).take(MOST_AUTOMATIC) {
            let trigger = Trigger {
                incident: Some(incident.id.to_string()),
                namespace: incident.target.namespace.clone(),
                kind: incident.target.kind.clone(),
                name: incident.target.name.clone(),
                issue: incident.issue.clone(),
                severity: Some(incident.severity),
                ..Trigger::default()
            };
            // The trigger's future is large, and rare here.
            match Box::pin(self.trigger(&Caller::system(via), trigger)).await {
                Ok(triggered) => tracing::info!(
                    incident.id = %incident.id,
                    workflow.id = triggered.workflow_id.as_deref().unwrap_or_default(),
                    "an incident triggered by itself"
                ),
                Err(error) => {
                    tracing::info!(incident.id = %incident.id, %error, "an incident did not trigger by itself");
                }
            }
        }
    }

    /// Moves the breaker, when what it looks at says so.
    pub(crate) async fn watch_storms(
        &self,
        sweeper: &mut Sweeper,
        ticks: Millis,
    ) -> Result<Option<breaker::Mode>, Error> {
        let failed = |error| Error::from_store("watching for storms", error);
        let now = self.stored_now("watching for storms").await?;
        let controls = self.store.controls().await.map_err(failed)?;
        let row = controls.iter().find(|control| control.name == breaker::CONTROL);
        let stored = row.map_or(breaker::Mode::Closed, |row| breaker::Mode::parse(&row.mode));
        if stored != sweeper.breaker.mode {
            sweeper.breaker = Breaker { mode: stored, ..Breaker::default() };
        }
        let since = now.saturating_sub(5 * 60_000);
        let incidents = self.store.incidents_since(since).await.map_err(failed)?;
        let api = self.api_share(&mut sweeper.counts, ticks);
        let signals = {
            let inventory = self.engine.look();
            let findings = sweeper.last.as_ref().map(|last| last.findings.as_slice());
            Signals { api, ..signals(&inventory, findings, incidents, self.now()) }
        };
        let mut breaker = sweeper.breaker.clone();
        let change = breaker.step(&self.settings.limits.breaker, &signals, ticks);
        let Some(change) = change else {
            sweeper.breaker = breaker;
            return Ok(None);
        };
        let word = change.mode.as_str();
        let control = Control {
            name: breaker::CONTROL.to_owned(),
            mode: word.to_owned(),
            reason: Some(change.why.clone()),
            set_by: "aiops".to_owned(),
            at: now,
        };
        let entry = Entry {
            at: now,
            actor: "aiops".to_owned(),
            via: Via::System,
            action: "control".to_owned(),
            object: breaker::CONTROL.to_owned(),
            body: json!({"mode": word, "reason": change.why}),
        };
        let kind = match change.mode {
            breaker::Mode::Closed => "breaker_closed",
            // From open for everybody to open for what is automatic.
            breaker::Mode::Automation if stored == breaker::Mode::Open => "breaker_eased",
            _ => "breaker_open",
        };
        let notice = Notice {
            kind: kind.to_owned(),
            workflow: None,
            at: now,
            body: json!({"mode": word, "reason": change.why}),
        };
        self.store.set_control(&control, &entry, Some(&notice)).await.map_err(failed)?;
        tracing::warn!(mode = word, why = change.why, "the storm breaker changed");
        sweeper.breaker = breaker;
        self.touch();
        Ok(Some(change.mode))
    }

    /// Requests of the last minute, and those that failed.
    fn api_share(&self, counts: &mut VecDeque<(Millis, u64, u64)>, now: Millis) -> Option<Share> {
        let (all, bad) = self.engine.cluster("counting requests").ok()?.counts()?;
        counts.push_back((now, all, bad));
        while counts.get(1).is_some_and(|(at, ..)| now.saturating_sub(*at) >= API_WINDOW) {
            counts.pop_front();
        }
        let (_, all_before, bad_before) = counts.front()?;
        Some(Share { all: all.saturating_sub(*all_before), bad: bad.saturating_sub(*bad_before) })
    }
}

/// Issues of which nothing follows.
fn alone(issues: Vec<Issue>) -> Vec<Finding> {
    let of = |issue: Issue| Finding { severity: issue.severity, issue, also: Vec::new() };
    issues.into_iter().map(of).collect()
}

/// Whether what was last done at these ticks is to be done again.
fn is_due(last: Option<Millis>, ticks: Millis, every: Millis) -> bool {
    last.is_none_or(|last| ticks.saturating_sub(last) >= every)
}

#[cfg(test)]
mod tests;
