//! Reads one alert: which object it is about, which issue it names, how bad it is.
//!
//! Labels are conventions of kube-prometheus and kube-state-metrics, not a contract: what does not fit is an incident of
//! the namespace or of the cluster, never a guess at an object.

use std::collections::BTreeMap;

use crate::{
    coordination::Alert,
    coordinator::incidents::kept,
    fingerprint::sha256,
    issue::Severity,
    issue_words,
    model::{
        Millis,
        ids::IncidentId,
        incident::{Incident, IncidentBody, IncidentSource, IncidentStatus},
        target::Target,
    },
};

/// Alerts that say that alerting works, or that others are to be silent.
const NO_TROUBLE: [&str; 3] = ["Watchdog", "InfoInhibitor", "DeadMansSwitch"];
/// Labels that name an object, the workload before its pod: the `pod` label is often that of the exporter.
const OBJECTS: [(&str, &str); 12] = [
    ("deployment", "Deployment"),
    ("statefulset", "StatefulSet"),
    ("daemonset", "DaemonSet"),
    ("job_name", "Job"),
    ("cronjob", "CronJob"),
    ("persistentvolumeclaim", "PersistentVolumeClaim"),
    ("horizontalpodautoscaler", "HorizontalPodAutoscaler"),
    ("hpa", "HorizontalPodAutoscaler"),
    ("poddisruptionbudget", "PodDisruptionBudget"),
    ("resourcequota", "ResourceQuota"),
    ("replicaset", "ReplicaSet"),
    ("pod", "Pod"),
];
/// What is kept of an alert's labels.
const LABELS: usize = 32;
const LABEL: usize = 200;

/// An alert, read.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::coordinator) struct Read {
    pub(in crate::coordinator) is_resolved: bool,
    /// `alertname`.
    pub(in crate::coordinator) name: String,
    /// The object, before its owner was looked for.
    pub(in crate::coordinator) target: Target,
    /// What tells it from other trouble of the same object: our word for the issue, else the alert's name.
    pub(in crate::coordinator) key: String,
    /// Our word for the issue.
    issue: &'static str,
    severity: Severity,
    /// Alertmanager's.
    pub(in crate::coordinator) fingerprint: String,
    /// The same, or what its labels make where it has none.
    pub(in crate::coordinator) id: String,
    body: IncidentBody,
}

/// Reads an alert; `None` when it names nothing that is wrong.
pub(super) fn read(alert: &Alert) -> Option<Read> {
    let label = |key: &str| alert.labels.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let name = kept(label("alertname")?, 128);
    if NO_TROUBLE.contains(&name.as_str()) || label("severity") == Some("none") {
        return None;
    }
    let named = label("issue_type").or_else(|| label("issue")).unwrap_or(&name);
    let is_of_node =
        issue_words::lookup_for(named, "Node").is_some_and(|issue| issue.word.starts_with("node_"));
    let target = target(&label, is_of_node);
    let issue = issue_words::lookup_for(named, &target.kind);
    let severity = match label("severity").map(str::to_ascii_lowercase).as_deref() {
        Some("critical" | "page" | "emergency" | "disaster") => Severity::Critical,
        Some("high" | "error" | "major") => Severity::High,
        Some("warning" | "medium" | "minor" | "average") => Severity::Medium,
        Some("info" | "low" | "information") => Severity::Low,
        _ => issue.map_or(Severity::Medium, |issue| issue.severity),
    };
    let note =
        |key: &str| alert.annotations.get(key).map(String::as_str).filter(|text| !text.trim().is_empty());
    let title = note("summary").map_or_else(|| format!("{name} on {target}"), str::to_owned);
    let description = note("description").or_else(|| note("message")).unwrap_or(&title);
    let labels: BTreeMap<String, String> = alert
        .labels
        .iter()
        .filter(|(key, _)| key.len() <= LABEL)
        .take(LABELS)
        .map(|(key, value)| (key.clone(), kept(value, LABEL)))
        .chain([("alertname".to_owned(), name.clone())])
        .collect();
    let fingerprint = kept(&alert.fingerprint, 64);
    let pod = label("pod").filter(|_| !is_of_node).map(|pod| format!("Pod/{}", kept(pod, LABEL)));
    let body = IncidentBody {
        title: kept(title.trim(), 200),
        description: kept(description.trim(), 2_000),
        affected_resources: pod.into_iter().collect(),
        labels,
        external_id: (!fingerprint.is_empty()).then(|| fingerprint.clone()),
        created_by: Some("alertmanager".to_owned()),
        ..IncidentBody::default()
    };
    Some(Read {
        is_resolved: alert.is_resolved,
        key: issue.map_or_else(|| format!("alert:{name}"), |issue| issue.word.to_owned()),
        issue: issue.map_or(issue_words::UNSPECIFIED, |issue| issue.word),
        name,
        target,
        severity,
        id: if fingerprint.is_empty() { sha256(&format!("{:?}", alert.labels)) } else { fingerprint.clone() },
        fingerprint,
        body,
    })
}

fn target<'a>(label: &impl Fn(&str) -> Option<&'a str>, is_of_node: bool) -> Target {
    let name = |text: &str| kept(text, 253);
    let node = || label("node").map(|node| Target::known("Node", "", &name(node)));
    if is_of_node && let Some(node) = node() {
        return node;
    }
    let namespace = label("namespace").map(name).unwrap_or_default();
    if !namespace.is_empty() {
        let named = OBJECTS.into_iter().find_map(|(key, kind)| Some((kind, label(key)?)));
        if let Some((kind, object)) = named {
            return Target::known(kind, &namespace, &name(object));
        }
    }
    node().unwrap_or_else(|| Target::new("", "", namespace, ""))
}

impl Read {
    /// The incident as this alert would open it.
    pub(super) fn incident(&self, cluster: &str, fingerprint: &str, id: IncidentId, now: Millis) -> Incident {
        Incident {
            id,
            fingerprint: fingerprint.to_owned(),
            cluster: cluster.to_owned(),
            target: self.target.clone(),
            issue: self.issue.to_owned(),
            severity: self.severity,
            status: IncidentStatus::Active,
            source: IncidentSource::Alert,
            occurrences: 1,
            first_seen: now,
            last_seen: now,
            closed_at: None,
            workflow: None,
            body: self.body.clone(),
        }
    }
}
