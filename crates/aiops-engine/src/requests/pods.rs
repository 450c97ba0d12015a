//! Pods, the unwell first, with the members of the predecessor.

mod unwell;

use std::collections::BTreeMap;

use aiops_inventory::{
    Inventory, Key, Kind,
    page::digest,
    rows::{ContainerRow, ContainerState, Phase, PodRow},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use unwell::UnwellWorkload;
use unwell::Worst;

use crate::{
    Engine, Error,
    answer::{Standing, age, seconds},
    budget, fields,
    page::{Listing, Page},
    requests::health::PodPhases,
};

/// Which pods.
#[derive(Debug, Clone, Default)]
pub struct ListPods {
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only pods with these labels.
    pub label_selector: Option<String>,
    /// Only pods with these fields, such as `status.phase=Pending`.
    pub field_selector: Option<String>,
    /// Only pods that are not plainly well.
    pub troubled_only: bool,
    /// At most this many rows.
    pub limit: Option<u32>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Pods, the unwell first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PodList {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// How many there are and what was left out.
    #[serde(flatten)]
    pub page: Page,
    /// Pods in this answer, as `shown`.
    pub count: usize,
    /// The namespace asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The filters asked for.
    pub filters: Filters,
    /// All matching pods by phase; null when pods are not known.
    pub summary: Option<PodPhases>,
    /// The rows.
    pub pods: Vec<PodItem>,
    /// Other workloads with unwell pods, for whose rows there was no room.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_unwell: Vec<UnwellWorkload>,
    /// Unwell workloads that are not named either.
    #[serde(skip_serializing_if = "is_zero")]
    pub also_unwell_omitted: usize,
}

const fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// The filters asked for.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Filters {
    /// Label selector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<String>,
    /// Field selector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_selector: Option<String>,
}

/// One pod.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct PodItem {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// One word as in kubectl: CrashLoopBackOff, Running, Terminating, …
    pub status: String,
    /// Phase.
    pub phase: &'static str,
    /// Ready containers of all, such as 1/2.
    pub ready: String,
    /// Restarts of all containers.
    pub restarts: u32,
    /// Age.
    pub age: String,
    /// Node; absent while not scheduled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Address; absent while it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// When it was created.
    pub created_at: Option<String>,
    /// Labels; only of pods that are not plainly well, or when limit is given.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Containers; only of pods that are not plainly well, or when limit is given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<ContainerItem>,
    /// What the scheduler or the kubelet says is wrong, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// One container.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ContainerItem {
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// Passed its readiness probe.
    pub ready: bool,
    /// Restarts.
    pub restart_count: u32,
    /// Running, Waiting, Terminated, or empty when not reported.
    pub state: &'static str,
    /// Why it waits or how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Exit code of the last end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit_code: Option<i32>,
}

impl Engine {
    /// Lists pods.
    pub fn list_pods(&self, request: &ListPods) -> Result<PodList, Error> {
        let inventory = self.look();
        let now = self.now();
        let namespace = request.namespace.as_deref().filter(|ns| !ns.is_empty());
        let standing = self.standing_in(&inventory, &[Kind::Pod], namespace);
        if let Some(namespace) = namespace {
            self.seen_namespace(&inventory, namespace)?;
        }
        let labels = super::selector(request.label_selector.as_deref())?;
        let fields = fields::parse(request.field_selector.as_deref())?;
        let keys: Vec<Key> = inventory
            .pods()
            .scoped(namespace)
            .filter(|pod| labels.is_empty() || labels.matches(&pod.meta.labels))
            .filter(|pod| fields.iter().all(|field| field.matches(pod)))
            .filter(|pod| !request.troubled_only || pod.is_suspect())
            .map(|pod| pod.meta.key.clone())
            .collect();
        let summary = (!standing.lacks(Kind::Pod)).then(|| summary(&inventory, &keys));
        let pod = |key: &Key| inventory.pods().get(&key.namespace, &key.name);
        let in_full = request.limit.is_some();
        let row = |key: &Key| pod(key).map(|pod| item(pod, now, in_full));
        // A short answer names every unwell workload; pages and long answers reach them all anyhow.
        let is_short = !in_full && request.cursor.as_deref().is_none_or(str::is_empty);
        let worst = if is_short { Worst::of(&inventory, &keys) } else { Worst::default() };
        let bytes = budget::of(request.limit);
        let listing = Listing::new(question(request), request.limit, request.cursor.as_deref(), keys)?;
        let badness = |key: &Key| {
            let rank = pod(key).map_or(9, |pod| rank(pod));
            (rank > 3, rank <= 3 && worst.repeats(key), rank)
        };
        let (pods, page) = listing.fill(badness, worst.room(bytes, row), row);
        let (also_unwell, also_unwell_omitted) = worst.rest(&pods, bytes);
        Ok(PodList {
            count: pods.len(),
            page: page.known(summary.is_some()),
            standing,
            namespace: namespace.map(str::to_owned),
            filters: Filters {
                label_selector: request.label_selector.clone(),
                field_selector: request.field_selector.clone(),
            },
            summary,
            pods,
            also_unwell,
            also_unwell_omitted,
        })
    }
}

fn question(request: &ListPods) -> u64 {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    let flag = [u8::from(request.troubled_only)];
    let (namespace, labels, fields) =
        (text(&request.namespace), text(&request.label_selector), text(&request.field_selector));
    digest([b"pods".as_slice(), namespace.as_bytes(), labels.as_bytes(), fields.as_bytes(), flag.as_slice()])
}

fn summary(inventory: &Inventory, keys: &[Key]) -> PodPhases {
    let mut phases = PodPhases { total: 0, running: 0, pending: 0, failed: 0, succeeded: 0, unknown: 0 };
    for key in keys {
        let Some(pod) = inventory.pods().get(&key.namespace, &key.name) else { continue };
        phases.total += 1;
        *match pod.phase {
            Phase::Running => &mut phases.running,
            Phase::Pending => &mut phases.pending,
            Phase::Failed => &mut phases.failed,
            Phase::Succeeded => &mut phases.succeeded,
            Phase::Unknown => &mut phases.unknown,
        } += 1;
    }
    phases
}

/// Worst first: not placed or waiting in an error, failed, not ready, restarted lately, well.
fn rank(pod: &PodRow) -> u8 {
    let waits_in_error = pod.containers.iter().any(|c| {
        matches!(&c.state, ContainerState::Waiting(w) if w.reason.ends_with("BackOff") || w.reason.contains("Err"))
            || matches!(&c.state, ContainerState::Terminated(t) if t.exit_code != 0)
    });
    match pod.phase {
        Phase::Succeeded => 6,
        _ if waits_in_error || pod.unscheduled.is_some() => 0,
        Phase::Unknown => 1,
        Phase::Failed => 2,
        Phase::Pending => 3,
        Phase::Running if !pod.ready => 3,
        Phase::Running if pod.is_suspect() => 4,
        Phase::Running => 5,
    }
}

fn item(pod: &PodRow, now: Timestamp, in_full: bool) -> PodItem {
    let (ready, all) = pod.ready_containers();
    let unwell = pod.is_suspect() && rank(pod) < 5;
    let bulky = in_full || unwell;
    let labels = pod.meta.labels.iter().filter(|(key, _)| in_full || !is_noise(key));
    PodItem {
        name: pod.meta.key.name.to_string(),
        namespace: pod.meta.key.namespace.to_string(),
        status: pod.status().to_owned(),
        phase: pod.phase.as_str(),
        ready: format!("{ready}/{all}"),
        restarts: pod.restarts(),
        age: age(now, pod.meta.created),
        node: pod.node.as_ref().map(ToString::to_string),
        ip: pod.ip.map(|ip| ip.to_string()),
        created_at: seconds(pod.meta.created),
        labels: if in_full {
            labels.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
        } else {
            BTreeMap::new()
        },
        containers: if bulky { pod.containers.iter().map(container).collect() } else { Vec::new() },
        trouble: unwell.then(|| trouble(pod)).flatten(),
    }
}

/// Labels that controllers add for themselves.
fn is_noise(key: &str) -> bool {
    matches!(key, "pod-template-hash" | "controller-revision-hash" | "pod-template-generation")
}

fn container(c: &ContainerRow) -> ContainerItem {
    let (state, reason) = match &c.state {
        ContainerState::Unreported => ("", None),
        ContainerState::Waiting(w) => ("Waiting", Some(w.reason.to_string())),
        ContainerState::Running(_) => ("Running", None),
        ContainerState::Terminated(t) => ("Terminated", Some(t.reason.to_string())),
    };
    ContainerItem {
        name: c.spec.name.to_string(),
        image: c.spec.image.to_string(),
        ready: c.ready,
        restart_count: c.restarts,
        state,
        reason: reason.filter(|r| !r.is_empty()),
        last_exit_code: c.last.as_ref().map(|t| t.exit_code),
    }
}

fn trouble(pod: &PodRow) -> Option<String> {
    let waiting = pod.containers.iter().find_map(|c| match &c.state {
        ContainerState::Waiting(w) if !w.message.is_empty() => Some(&*w.message),
        _ => None,
    });
    let unscheduled = pod.unscheduled.as_ref().map(|u| &*u.message);
    let text = unscheduled.or(waiting).or(pod.message.as_deref())?;
    Some(crate::text::line(text, 160))
}
