//! What was read about one pod: the object, its events, and the objects it points at.
//!
//! It holds names of keys and never values of ConfigMaps, and of Secrets only whether they exist.

use std::collections::{BTreeMap, BTreeSet};

use aiops_inventory::rows::{
    ContainerKind, ContainerRow, ContainerState, EventRow, PodRow, Seconds, Termination,
};
use serde_json::{Map, Value, json};

use super::document::{Document, Evidence, at, time};
use crate::answer::seconds;

/// Whether something exists.
#[derive(Debug, Clone)]
pub(crate) enum Found<T> {
    /// It does.
    Yes(T),
    /// The API server says that it does not.
    Missing,
    /// It could not be read, for this reason.
    Unknown(String),
}

/// All that was read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) pod: Document,
    /// Events about the pod, newest first.
    pub(crate) events: Vec<Told>,
    /// Keys of the ConfigMaps it points at.
    pub(crate) config_maps: BTreeMap<String, Found<BTreeSet<String>>>,
    /// Secrets it points at.
    pub(crate) secrets: BTreeMap<String, Found<()>>,
    pub(crate) claims: BTreeMap<String, Found<Document>>,
    pub(crate) claim_events: Vec<Told>,
    pub(crate) account: Option<(String, Found<()>)>,
    pub(crate) node: Option<(String, Found<Document>)>,
    /// By container, the line of the log that tells most.
    pub(crate) log: BTreeMap<String, String>,
}

impl Reading {
    /// Only the pod and its events.
    pub(crate) fn of(pod: Document, events: Vec<Told>) -> Self {
        Self {
            pod,
            events,
            config_maps: BTreeMap::new(),
            secrets: BTreeMap::new(),
            claims: BTreeMap::new(),
            claim_events: Vec::new(),
            account: None,
            node: None,
            log: BTreeMap::new(),
        }
    }

    /// The newest event of one of these reasons about the pod or about this container of it.
    pub(crate) fn event(&self, container: Option<&str>, fits: impl Fn(&Told) -> bool) -> Option<&Told> {
        self.events.iter().find(|event| {
            let of_container = match (container, &event.container) {
                (Some(wanted), Some(told)) => wanted == told,
                _ => true,
            };
            of_container && fits(event)
        })
    }
}

/// An event.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The event itself.
    pub(crate) event: Document,
    /// `message`, or `note` in events.k8s.io/v1.
    pub(crate) text_path: &'static str,
    /// Name of the object it is about.
    pub(crate) object: String,
    /// Uid of that object, empty when absent.
    pub(crate) uid: String,
    /// The container it is about, from its field path.
    pub(crate) container: Option<String>,
    pub(crate) reason: String,
    pub(crate) last: Seconds,
    /// The row it comes from kept only the beginning of the message.
    pub(crate) is_cut: bool,
}

impl Told {
    /// An event as the API serves it.
    pub(crate) fn of_object(value: Value) -> Self {
        let about = if value.get("involvedObject").is_some() { "involvedObject" } else { "regarding" };
        let text = |path: &str| at(&value, path).as_str().unwrap_or_default().to_owned();
        let times = [
            "lastTimestamp",
            "series.lastObservedTime",
            "deprecatedLastTimestamp",
            "eventTime",
            "firstTimestamp",
        ];
        let last = times.into_iter().filter_map(|path| time(at(&value, path))).max();
        let created = time(at(&value, "metadata.creationTimestamp"));
        Self {
            text_path: if value.get("message").is_some() { "message" } else { "note" },
            object: text(&format!("{about}.name")),
            uid: text(&format!("{about}.uid")),
            container: container_of(&text(&format!("{about}.fieldPath"))),
            reason: text("reason"),
            last: last.or(created).unwrap_or(0),
            is_cut: false,
            event: Document::new("Event", value),
        }
    }

    /// An event as the ring keeps it.
    pub(crate) fn of_row(row: &EventRow) -> Self {
        let value = json!({
            "metadata": {"name": row.name.as_str(), "namespace": row.namespace.as_str()},
            "reason": row.reason.as_str(),
            "message": row.message.as_str(),
            "count": row.count,
        });
        Self {
            event: Document::new("Event", value),
            text_path: "message",
            object: row.object.to_string(),
            uid: String::new(),
            container: None,
            reason: row.reason.to_string(),
            last: row.last,
            // Rows keep 512 bytes; a cut may fall up to three bytes earlier.
            is_cut: row.message.len() >= 509,
        }
    }

    pub(crate) fn message(&self) -> &str {
        self.event.text(self.text_path)
    }

    pub(crate) fn cite(&self) -> Evidence {
        let mut evidence = self.event.cite(self.text_path);
        evidence.inexact |= self.is_cut;
        evidence
    }
}

/// `checkout` of `spec.containers{checkout}`.
fn container_of(field_path: &str) -> Option<String> {
    let (list, name) = field_path.split_once('{')?;
    let name = name.strip_suffix('}')?;
    list.to_ascii_lowercase().contains("containers").then(|| name.to_owned())
}

/// A pod made from its row, for when the object cannot be read. It holds what rows keep and nothing more.
pub(crate) fn pod_of_row(row: &PodRow) -> Document {
    let meta = &row.meta;
    let owners: Vec<Value> = meta
        .owner
        .iter()
        .map(|o| json!({"kind": o.kind.as_str(), "name": o.name.as_str(), "apiVersion": o.api_version.as_str()}))
        .collect();
    let labels: Map<String, Value> =
        meta.labels.iter().map(|(k, v)| (k.to_owned(), Value::from(v))).collect();
    let (mut specs, mut init_specs, mut statuses, mut init_statuses) = (vec![], vec![], vec![], vec![]);
    for container in &row.containers {
        let (specs, statuses) = if container.spec.kind == ContainerKind::Main {
            (&mut specs, &mut statuses)
        } else {
            (&mut init_specs, &mut init_statuses)
        };
        specs.push(spec(container));
        statuses.extend(status(container));
    }
    let mut conditions = vec![json!({
        "type": "Ready",
        "status": if row.ready { "True" } else { "False" },
        "lastTransitionTime": seconds(row.ready_since),
    })];
    if let Some(unscheduled) = &row.unscheduled {
        conditions.push(json!({
            "type": "PodScheduled", "status": "False", "reason": unscheduled.reason.as_str(),
            "message": &*unscheduled.message, "lastTransitionTime": seconds(unscheduled.since),
        }));
    }
    let claims: Vec<Value> = row
        .claims
        .iter()
        .map(|claim| json!({"name": claim.as_str(), "persistentVolumeClaim": {"claimName": claim.as_str()}}))
        .collect();
    let mut value = json!({
        "metadata": {
            "name": meta.key.name.as_str(), "namespace": meta.key.namespace.as_str(),
            "creationTimestamp": seconds(meta.created), "labels": labels, "ownerReferences": owners,
        },
        "spec": {"containers": specs, "initContainers": init_specs, "volumes": claims},
        "status": {
            "phase": row.phase.as_str(), "conditions": conditions,
            "containerStatuses": statuses, "initContainerStatuses": init_statuses,
        },
    });
    let mut set = |path: [&str; 2], text: Option<String>| {
        let [object, key] = path;
        if let (Some(text), Some(object)) = (text, value.get_mut(object).and_then(Value::as_object_mut)) {
            object.insert(key.to_owned(), Value::from(text));
        }
    };
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    set(["metadata", "deletionTimestamp"], meta.deleting.and_then(seconds));
    set(["spec", "nodeName"], row.node.as_deref().and_then(filled));
    set(["spec", "serviceAccountName"], filled(&row.service_account));
    set(["spec", "priorityClassName"], filled(&row.priority_class));
    set(["status", "startTime"], row.started.and_then(seconds));
    set(["status", "reason"], filled(&row.reason));
    set(["status", "message"], row.message.as_deref().and_then(filled));
    Document { from_row: true, ..Document::new("Pod", value) }
}

fn spec(container: &ContainerRow) -> Value {
    let spec = &container.spec;
    let mut value = json!({"name": spec.name.as_str(), "image": spec.image.as_str()});
    for (has, key) in [
        (spec.has_liveness, "livenessProbe"),
        (spec.has_readiness, "readinessProbe"),
        (spec.has_startup, "startupProbe"),
    ] {
        if has && let Some(object) = value.as_object_mut() {
            object.insert(key.to_owned(), json!({}));
        }
    }
    if spec.kind == ContainerKind::Sidecar
        && let Some(object) = value.as_object_mut()
    {
        object.insert("restartPolicy".to_owned(), Value::from("Always"));
    }
    value
}

fn status(container: &ContainerRow) -> Option<Value> {
    let state = match &container.state {
        ContainerState::Unreported => return None,
        ContainerState::Waiting(w) => {
            json!({"waiting": {"reason": w.reason.as_str(), "message": &*w.message}})
        }
        ContainerState::Running(since) => json!({"running": {"startedAt": seconds(*since)}}),
        ContainerState::Terminated(t) => json!({"terminated": terminated(t)}),
    };
    let last = container.last.as_ref().map_or_else(|| json!({}), |t| json!({"terminated": terminated(t)}));
    Some(json!({
        "name": container.spec.name.as_str(), "image": container.spec.image.as_str(),
        "restartCount": container.restarts, "ready": container.ready, "started": container.started,
        "state": state, "lastState": last,
    }))
}

fn terminated(t: &Termination) -> Value {
    json!({
        "reason": t.reason.as_str(), "message": &*t.message, "exitCode": t.exit_code, "signal": t.signal,
        "startedAt": seconds(t.started), "finishedAt": seconds(t.finished),
    })
}
