//! Requests about what may be done: the kill switch, the policy, the audit chain.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Inner;
use crate::{
    audit, breaker,
    coordination::{AuditLineView, AuditView, ControlChange, ControlView, PolicyRule, PolicyView},
    error::Error,
    guard::{self, Figures, KILL_SWITCH, KillSwitch},
    model::{caller::Caller, plan::Approval},
    ports::store::{AuditLine, Control, Entry, Notice},
    redact::Redactor,
    settings::{Limits, Timing},
    text,
};

/// Longest reason of a control, in bytes.
const LONGEST_REASON: usize = 500;
/// Most lines of a chain in one answer.
const MOST_LINES: u32 = 1_000;

impl Inner {
    pub(super) async fn controls(&self, _: &Caller) -> Result<ControlView, Error> {
        let rows = self.store.controls().await;
        let rows = rows.map_err(|error| Error::from_store("reading the controls", error))?;
        let mut shown = view(&rows);
        let mut figures = Figures::default();
        self.external_switch(&mut figures).await;
        if Some(figures.kill_switch) > KillSwitch::parse(&shown.kill_switch) {
            shown.kill_switch = figures.kill_switch.as_str().to_owned();
            shown.kill_switch_reason = Some(figures.kill_switch_why);
        }
        Ok(shown)
    }

    pub(super) async fn set_control(
        &self,
        caller: &Caller,
        change: ControlChange,
    ) -> Result<ControlView, Error> {
        let what = "setting the kill switch";
        let Some(mode) = KillSwitch::parse(&change.mode) else {
            let shown: String = change.mode.chars().take(80).collect();
            return Err(Error::invalid("mode", format!("{shown:?} is none of run, pause, stop")));
        };
        if !guard::is_entitled(&self.settings, caller) {
            let why = format!(
                "{} may not set it; it takes a caller with a token (or the OS user) that acting.grantedTo names",
                caller.name
            );
            return Err(Error::refused(what, guard::names::GRANTED_TO, why));
        }
        let reason = change.reason.map(|reason| text::show(&Redactor, reason.trim(), LONGEST_REASON).text);
        let reason = reason.filter(|reason| !reason.is_empty());
        let now = self.stored_now(what).await?;
        let control = Control {
            name: KILL_SWITCH.to_owned(),
            mode: mode.as_str().to_owned(),
            reason: reason.clone(),
            set_by: caller.name.clone(),
            at: now,
        };
        let entry = Entry {
            at: now,
            actor: caller.name.clone(),
            via: caller.via,
            action: "control".to_owned(),
            object: KILL_SWITCH.to_owned(),
            body: json!({"mode": mode.as_str(), "reason": reason}),
        };
        let notice = Notice {
            kind: "kill_switch".to_owned(),
            workflow: None,
            at: now,
            body: json!({"mode": mode.as_str(), "reason": reason, "by": caller.name}),
        };
        let kept = self.store.set_control(&control, &entry, Some(&notice)).await;
        kept.map_err(|error| Error::from_store(what, error))?;
        self.touch();
        self.controls(caller).await
    }

    pub(super) async fn policy(&self, _: &Caller) -> Result<PolicyView, Error> {
        let settings = &self.settings;
        let mut rules: Vec<PolicyRule> = Vec::new();
        if let Some(own) = &settings.own_namespace {
            rules.push(PolicyRule {
                name: "own-namespace".to_owned(),
                namespaces: vec![own.clone()],
                severities: Vec::new(),
                actions: Vec::new(),
                then: Approval::Deny,
                autonomy: false,
                elicitation: false,
                annotation: false,
            });
        }
        rules.extend(settings.policy.rules.iter().cloned());
        rules.push(PolicyRule {
            name: crate::settings::policy::REST.to_owned(),
            namespaces: Vec::new(),
            severities: Vec::new(),
            actions: Vec::new(),
            then: Approval::Approve,
            autonomy: false,
            elicitation: false,
            annotation: false,
        });
        let mut limits = limits(&settings.limits);
        limits.extend(times(&settings.timing));
        limits.insert("acting.enabled".to_owned(), json!(settings.is_enabled && self.acting.is_some()));
        limits.insert("acting.namespaces".to_owned(), json!(settings.namespaces));
        limits.insert("acting.grantedTo".to_owned(), json!(settings.granted_to));
        Ok(PolicyView {
            source: settings.policy.source.clone(),
            rules,
            limits,
            warnings: settings.policy.warnings(),
        })
    }

    pub(super) async fn audit(
        &self,
        _: &Caller,
        chain: &str,
        after: i64,
        limit: u32,
    ) -> Result<AuditView, Error> {
        let limit = if limit == 0 { 100 } else { limit.min(MOST_LINES) };
        let lines = self.store.audit(chain, after, limit).await;
        let lines =
            lines.map_err(|error| Error::from_store(format!("reading the audit chain {chain}"), error))?;
        if lines.is_empty() && chain != audit::CONTROL {
            let failed = |error| Error::from_store(format!("reading the audit chain {chain}"), error);
            if self.store.audit_head(chain).await.map_err(failed)?.is_none() {
                let shown: String = chain.chars().take(80).collect();
                let hint = "; chains are `control`, and each workflow's by its id".to_owned();
                return Err(Error::NotFound { what: format!("audit chain {shown:?}"), hint });
            }
        }
        Ok(AuditView { chain: chain.to_owned(), lines: lines.into_iter().map(line).collect() })
    }
}

/// The controls as doors show them; the strictest source of the kill switch speaks.
pub(super) fn view(rows: &[Control]) -> ControlView {
    let switches = rows.iter().filter(|row| {
        row.name == KILL_SWITCH
            || row.name.strip_prefix(KILL_SWITCH).is_some_and(|rest| rest.starts_with('/'))
    });
    let strictest = switches.max_by_key(|row| KillSwitch::parse(&row.mode).unwrap_or(KillSwitch::Stop));
    let mode =
        strictest.map_or(KillSwitch::Run, |row| KillSwitch::parse(&row.mode).unwrap_or(KillSwitch::Stop));
    let reason = strictest.filter(|_| mode != KillSwitch::Run).map(|row| {
        format!("{} (set by {})", row.reason.as_deref().unwrap_or("no reason was given"), row.set_by)
    });
    let row = rows.iter().find(|row| row.name == breaker::CONTROL);
    let breaker_mode = row.map_or(breaker::Mode::Closed, |row| breaker::Mode::parse(&row.mode));
    let why = |row: &Control| {
        let reason = row.reason.as_deref().unwrap_or("no reason was given");
        match breaker_mode {
            breaker::Mode::Closed => None,
            breaker::Mode::Automation => Some(format!("for what is automatic: {reason}")),
            breaker::Mode::Open => Some(reason.to_owned()),
        }
    };
    ControlView {
        kill_switch: mode.as_str().to_owned(),
        kill_switch_reason: reason,
        breaker: if breaker_mode == breaker::Mode::Closed { "closed" } else { "open" }.to_owned(),
        breaker_reason: row.and_then(why),
    }
}

fn line(line: AuditLine) -> AuditLineView {
    let AuditLine { seq, entry, hash, .. } = line;
    let at = jiff::Timestamp::from_millisecond(entry.at).map(|at| format!("{at:.3}")).unwrap_or_default();
    AuditLineView {
        seq,
        at,
        actor: entry.actor,
        via: entry.via.as_str().to_owned(),
        action: entry.action,
        object: entry.object,
        body: entry.body,
        hash,
    }
}

/// Every limit by the key under which it is configured.
fn limits(limits: &Limits) -> BTreeMap<String, Value> {
    let b = &limits.breaker;
    let numbers = [
        ("failuresToEscalate", limits.failures_to_escalate),
        ("workflowsPerNamespace", limits.workflows_per_namespace),
        ("workflowsPerCluster", limits.workflows_per_cluster),
        ("nodeWorkflows", limits.node_workflows),
        ("mutationsPerSecond", limits.mutations_per_second),
        ("mutationBurst", limits.mutation_burst),
        ("budgetPerCluster", limits.budget_per_cluster),
        ("budgetPerNamespace", limits.budget_per_namespace),
        ("podsPerWorkflow", limits.pods_per_workflow),
        ("replicaPercent", limits.replica_percent),
        ("errorMinOutcomes", limits.error_min_outcomes),
        ("errorPercent", limits.error_percent),
        ("breaker.zonePercent", b.zone_percent),
        ("breaker.zoneNodes", b.zone_nodes),
        ("breaker.nodesPercent", b.nodes_percent),
        ("breaker.nodes", b.nodes),
        ("breaker.incidents", b.incidents),
        ("breaker.workloadsPercent", b.workloads_percent),
        ("breaker.apiErrorsPercent", b.api_errors_percent),
    ];
    let durations = [
        ("cooldownSuccess", limits.cooldown_success),
        ("cooldownFirstFailure", limits.cooldown_first_failure),
        ("cooldownSecondFailure", limits.cooldown_second_failure),
        ("failureWindow", limits.failure_window),
        ("budgetWindow", limits.budget_window),
        ("errorWindow", limits.error_window),
        ("breaker.calm", b.calm),
    ];
    let numbers = numbers.into_iter().map(|(key, value)| (key, json!(value)));
    let durations = durations.into_iter().map(|(key, value)| (key, json!(duration(value))));
    let mut all: BTreeMap<String, Value> =
        numbers.chain(durations).map(|(key, value)| (format!("acting.limits.{key}"), value)).collect();
    all.insert("acting.limits.mayTouchControlPlane".to_owned(), json!(limits.may_touch_control_plane));
    all
}

fn times(timing: &Timing) -> impl Iterator<Item = (String, Value)> {
    [
        ("step", timing.step),
        ("verify", timing.verify),
        ("workflow", timing.workflow),
        ("approval", timing.approval),
        ("lease", timing.lease),
    ]
    .into_iter()
    .map(|(key, value)| (format!("acting.times.{key}"), json!(duration(value))))
}

/// A duration as the configuration writes it: `90s`, `10m`, `2h`.
pub(crate) fn duration(duration: std::time::Duration) -> String {
    match duration.as_secs() {
        seconds if seconds > 0 && seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds if seconds > 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds if duration.subsec_millis() == 0 => format!("{seconds}s"),
        _ => format!("{}ms", duration.as_millis()),
    }
}

#[cfg(test)]
mod tests;
