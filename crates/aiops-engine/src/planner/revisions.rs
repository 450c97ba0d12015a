//! The revisions of a workload's template, as their holders tell them: ReplicaSets of a Deployment, ControllerRevisions
//! of a StatefulSet or DaemonSet.

use serde_json::Value;

use super::value::{annotation, controller, int, label, name, text, time};

/// A revision.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Its number.
    pub number: i64,
    /// Name of the ReplicaSet or ControllerRevision that holds it.
    pub source: String,
    /// The hash that its pods carry.
    pub hash: String,
    /// When the holder was made, seconds since the epoch.
    pub created: i64,
    /// The template, without what controllers put there.
    pub template: Value,
    /// The template without what a restart puts there: two that differ by a restart are one.
    pub settled: Value,
    /// It is the template of now.
    pub is_current: bool,
}

/// The revisions that a workload controls, newest first.
pub(super) fn of(workload: &Value, holders: &[Value]) -> Vec<Revision> {
    let own = super::value::uid(workload);
    let controls = |holder: &&Value| {
        controller(holder).is_some_and(|owner| !own.is_empty() && owner.uid.as_deref() == Some(own))
    };
    let mut revisions: Vec<Revision> = holders.iter().filter(controls).filter_map(read).collect();
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    let current = current(workload, &revisions);
    for revision in &mut revisions {
        revision.is_current = Some(&revision.source) == current.as_ref();
    }
    revisions
}

fn read(holder: &Value) -> Option<Revision> {
    let (number, template) = match holder.pointer("/data/spec/template") {
        Some(template) => (int(holder, "/revision")?, template),
        None => {
            let number = annotation(holder, "deployment.kubernetes.io/revision")?.parse().ok()?;
            (number, holder.pointer("/spec/template")?)
        }
    };
    let hash = ["pod-template-hash", "controller-revision-hash", "controller.kubernetes.io/hash"]
        .into_iter()
        .find_map(|key| label(holder, key))
        .unwrap_or_default();
    Some(Revision {
        number,
        source: name(holder).to_owned(),
        hash: hash.to_owned(),
        created: time(holder, "/metadata/creationTimestamp").unwrap_or(0),
        settled: settled(template),
        template: plain(template),
        is_current: false,
    })
}

/// A template without what controllers put there and what no API server distinguishes from absent.
pub(super) fn plain(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(members) = template.as_object_mut() {
        members.remove("$patch");
    }
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, value| key != "creationTimestamp" && !value.is_null());
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.retain(|key, _| key != "pod-template-hash" && key != "controller-revision-hash");
        }
    }
    template
}

/// Annotations of a pod template that only make its pods new: ours, kubectl's, the Go engine's.
const RESTARTS: [&str; 3] =
    [crate::deeds::RESTART, "kubectl.kubernetes.io/restartedAt", "remediation.aiops/restarted-at"];

fn settled(template: &Value) -> Value {
    let mut template = plain(template);
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
    {
        annotations.retain(|key, _| !RESTARTS.contains(&key.as_str()));
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    template
}

/// The holder of the current template: the one that holds exactly it; for a StatefulSet the one that its status names.
fn current(workload: &Value, revisions: &[Revision]) -> Option<String> {
    let update = text(workload, "/status/updateRevision");
    if let Some(named) = revisions.iter().find(|revision| revision.source == update) {
        return Some(named.source.clone());
    }
    let now = plain(workload.pointer("/spec/template")?);
    revisions.iter().find(|revision| revision.template == now).map(|revision| revision.source.clone())
}

impl Revision {
    /// The hash of its pods: a StatefulSet's and a DaemonSet's pods carry the holder's name or its hash.
    pub(crate) fn is_of(&self, pod: &super::pods::Pod) -> bool {
        !pod.revision.is_empty() && (pod.revision == self.hash || pod.revision == self.source)
    }

    /// What its containers run, for a sentence.
    pub(crate) fn images(&self) -> String {
        let images: Vec<&str> = super::value::list(&self.template, "/spec/containers")
            .map(|container| text(container, "/image"))
            .take(3)
            .collect();
        crate::text::line(&images.join(", "), 160)
    }
}
