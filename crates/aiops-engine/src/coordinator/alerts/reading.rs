//! Reads one alert: which object it is about, which issue it names, how bad it is.
//!
//! Labels are conventions of kube-prometheus and kube-state-metrics, not a contract: what does not fit is an incident of
//! the namespace or of the cluster, never a guess at an object. What an exporter says of its node is never its pod's.

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
/// The job of the exporter of nodes, behind whatever prefix its release has.
const EXPORTER: &str = "node-exporter";
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
    pub(in crate::coordinator) severity: Severity,
    /// Since when it fires, when it says so.
    pub(in crate::coordinator) began: Option<Millis>,
    /// Alertmanager's.
    pub(in crate::coordinator) fingerprint: String,
    /// The same, or what its labels make where it has none.
    pub(in crate::coordinator) id: String,
    body: IncidentBody,
}

/// Reads an alert; `None` when it names nothing that is wrong. `node_called` knows nodes by their name or address.
pub(super) fn read(alert: &Alert, node_called: &dyn Fn(&str) -> Option<String>) -> Option<Read> {
    let label = |key: &str| alert.labels.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let name = kept(label("alertname")?, 128);
    if NO_TROUBLE.contains(&name.as_str()) || label("severity") == Some("none") {
        return None;
    }
    let named = label("issue_type").or_else(|| label("issue")).unwrap_or(&name);
    let is_of_node =
        issue_words::lookup_for(named, "Node").is_some_and(|issue| issue.word.starts_with("node_"));
    // What it measures is its node, and its pod and namespace say only where it runs.
    let is_of_exporter =
        label("job").is_some_and(|job| job.ends_with(EXPORTER)) && label("instance").is_some();
    let is_of_node = is_of_node || is_of_exporter;
    let (target, place) = target(&label, is_of_node, node_called);
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
        key: {
            let key = issue.map_or_else(|| format!("alert:{name}"), |issue| issue.word.to_owned());
            place.map_or_else(|| key.clone(), |instance| at(&key, instance))
        },
        began: began(&alert.starts_at),
        issue: issue.map_or(issue_words::UNSPECIFIED, |issue| issue.word),
        name,
        target,
        severity,
        id: if fingerprint.is_empty() { sha256(&format!("{:?}", alert.labels)) } else { fingerprint.clone() },
        fingerprint,
        body,
    })
}

/// A key of trouble at an instance that is no node we know: two of them are not one trouble.
pub(in crate::coordinator) fn at(key: &str, instance: &str) -> String {
    format!("{key}@{}", kept(instance, LABEL))
}

/// The host of an `instance`: `10.0.0.5:9100`, `[fd00::5]:9100`, `node-a`.
pub(in crate::coordinator) fn host(instance: &str) -> &str {
    if let Some((host, _)) = instance.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return host;
    }
    match instance.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => instance,
    }
}

/// When an alert began to fire. Go's zero time is no time.
fn began(text: &str) -> Option<Millis> {
    let at = text.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    (at > 0).then_some(at)
}

/// The object, and the instance when that is all that tells it from others.
fn target<'a>(
    label: &impl Fn(&str) -> Option<&'a str>,
    is_of_node: bool,
    node_called: &dyn Fn(&str) -> Option<String>,
) -> (Target, Option<&'a str>) {
    let name = |text: &str| kept(text, 253);
    let node = || label("node").map(|node| Target::known("Node", "", &name(node)));
    if is_of_node {
        let cluster = || Target::new("", "", "", "");
        return match (node(), label("instance")) {
            (Some(node), _) => (node, None),
            (None, Some(instance)) => match node_called(host(instance)) {
                Some(node) => (Target::known("Node", "", &node), None),
                None => (cluster(), Some(instance)),
            },
            (None, None) => (cluster(), None),
        };
    }
    let namespace = label("namespace").map(name).unwrap_or_default();
    if !namespace.is_empty() {
        let named = OBJECTS.into_iter().find_map(|(key, kind)| Some((kind, label(key)?)));
        if let Some((kind, object)) = named {
            return (Target::known(kind, &namespace, &name(object)), None);
        }
    }
    (node().unwrap_or_else(|| Target::new("", "", namespace, "")), None)
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
