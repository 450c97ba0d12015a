//! One workload in full: rollout, owners, revisions, pods, what bounds it, events of its whole tree, and who changed it
//! last.
//!
//! Everything but the last change comes from memory. Who changed it stands in `managedFields`, which rows do not keep:
//! that is read live, and when it cannot be, the answer says why.

mod change;

use aiops_inventory::{
    Inventory, Kind, Name,
    labels::LabelSet,
    rows::{ContainerSpec, Meta, ReplicaSetRow},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use self::change::LastChange;
use crate::{
    Engine, Error,
    answer::{Standing, age, near},
    detectors,
    diagnose::{Found, gather},
    owners::{self, Tree},
    requests::{
        events::{self, EventGroup},
        health::Problem,
        nodes::{ConditionItem, condition},
        workloads::WorkloadKind,
    },
    rollout::{self, Counts},
};

/// Tokens that a whole answer takes at most, by our own estimate.
const LONGEST: usize = 1_800;

/// Which workload.
#[derive(Debug, Clone)]
pub struct GetWorkload {
    /// Kind.
    pub kind: WorkloadKind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// A workload in full.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WorkloadAnswer {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// Kind.
    pub kind: &'static str,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// complete, progressing, stuck, degraded, paused, scaled_to_zero, running, succeeded, failed, suspended or scheduled.
    pub status: &'static str,
    /// One sentence about the rollout.
    pub message: String,
    /// Replicas; null for CronJobs.
    pub replicas: Option<Counts>,
    /// Revision of the newest template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Age.
    pub age: String,
    /// Owners, nearest first, such as CronJob nightly.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owned_by: Vec<String>,
    /// Containers of the template.
    pub containers: Vec<TemplateContainer>,
    /// Containers left out for want of room.
    #[serde(skip_serializing_if = "is_zero")]
    pub containers_omitted: usize,
    /// What the newest revision changed against the one before: images, requests, limits, probes, containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub template_change: Vec<String>,
    /// Revisions, newest first, at most five.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
    /// Its pods; null when pods are not known, or which of them are its own.
    pub pods: Option<TreePods>,
    /// Autoscalers, disruption budgets and Services that concern it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<String>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionItem>,
    /// Events of the whole tree, warnings first, at most six groups.
    pub events: Vec<EventGroup>,
    /// The tool that claims it by its marks, such as Helm release shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// Who changed the object last and what; null when it could not be read.
    pub last_change: Option<LastChange>,
    /// Why `last_change` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_change_unknown: Option<String>,
}

/// A container of the template.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct TemplateContainer {
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// CPU request, millicores.
    pub cpu_request_millicores: Option<i64>,
    /// CPU limit, millicores; null means unlimited.
    pub cpu_limit_millicores: Option<i64>,
    /// Memory request, MiB.
    pub memory_request_mib: Option<i64>,
    /// Memory limit, MiB; null means unlimited.
    pub memory_limit_mib: Option<i64>,
}

/// A revision of a Deployment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Revision {
    /// Number.
    pub revision: i64,
    /// `ReplicaSet`.
    pub replica_set: String,
    /// Replicas it holds.
    pub replicas: i32,
    /// Ready replicas.
    pub ready: i32,
    /// Images of its template.
    pub images: Vec<String>,
    /// Age.
    pub age: String,
}

/// The pods of a workload.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct TreePods {
    /// All of them.
    pub total: usize,
    /// Ready ones.
    pub ready: usize,
    /// At most eight, the unwell first: name, status, ready, restarts, node.
    pub shown: Vec<TreePod>,
}

/// A pod of a workload.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct TreePod {
    /// Name.
    pub name: String,
    /// One word as in kubectl.
    pub status: String,
    /// Ready containers of all.
    pub ready: String,
    /// Restarts.
    pub restarts: u32,
    /// Node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl Engine {
    /// One workload in full.
    pub async fn get_workload(&self, request: &GetWorkload) -> Result<WorkloadAnswer, Error> {
        let mut answer = self.workload_from_rows(request)?;
        self.read_writers(request, &mut answer).await;
        fit(&mut answer);
        Ok(answer)
    }

    fn workload_from_rows(&self, request: &GetWorkload) -> Result<WorkloadAnswer, Error> {
        let inventory = self.look();
        let now = self.now();
        let GetWorkload { kind, namespace, name } = request;
        // What stands between a workload and its pods: without it they cannot be told from others.
        let between = match kind {
            WorkloadKind::Deployment => Some(Kind::ReplicaSet),
            WorkloadKind::CronJob => Some(Kind::Job),
            _ => None,
        };
        let watched: Vec<Kind> = [kind.kind(), Kind::Pod, Kind::Event].into_iter().chain(between).collect();
        let standing = self.standing_in(&inventory, &watched, Some(namespace));
        let knows_pods = [Some(Kind::Pod), between].into_iter().flatten().all(|kind| !standing.lacks(kind));
        let Some(state) = rollout::state(&inventory, *kind, namespace, name) else {
            return Err(self.no_such_workload(&inventory, &standing, request));
        };
        let tree = Tree::of(&inventory, kind.kind(), &state.meta);
        let view =
            detectors::View { inventory: &inventory, now: now.as_second(), namespace: Some(namespace) };
        let top = owners::top(&inventory, kind.kind().name(), &state.meta);
        let problems = detectors::issues(view)
            .iter()
            .filter(|i| {
                let of_itself = i.object.kind == kind.kind().name() && i.object.name == *name;
                // Issues stand under the top of the owner chain; a Job of a CronJob is asked about by itself.
                let of_its_own = top.kind != kind.kind().name()
                    && i.object == top
                    && i.example.as_ref().is_some_and(|name| tree.objects.iter().any(|(_, own)| own == name));
                of_itself || of_its_own
            })
            .map(|issue| Problem::new(issue, now, 200))
            .collect();
        Ok(WorkloadAnswer {
            kind: kind.kind().name(),
            namespace: namespace.clone(),
            name: name.clone(),
            status: state.status,
            message: state.message,
            replicas: state.counts,
            revision: state.revision,
            age: age(now, state.meta.created),
            owned_by: owners::chain(&inventory, &state.meta)
                .iter()
                .map(|o| format!("{} {}", o.kind, o.name))
                .collect(),
            containers: state.containers.iter().map(|c| template(c)).collect(),
            revisions: revisions(&inventory, &state.meta, now),
            pods: knows_pods.then(|| tree_pods(&tree)),
            related: related(
                &inventory,
                kind.kind(),
                &state.meta,
                tree.pods.first().map(|p| &*p.meta.labels),
            ),
            problems,
            conditions: state.conditions.iter().map(|c| condition(c, now)).collect(),
            events: events::about(&inventory, namespace, &tree.objects, now, 6),
            template_change: template_change(&inventory, &state.meta),
            containers_omitted: 0,
            managed_by: None,
            last_change: None,
            last_change_unknown: None,
            standing,
        })
    }

    fn no_such_workload(&self, inventory: &Inventory, standing: &Standing, request: &GetWorkload) -> Error {
        if let Err(error) = self.known_namespace(inventory, &request.namespace) {
            return error;
        }
        let kind = request.kind.kind();
        if standing.lacks(kind) {
            return super::unknown(standing, kind, "reading a workload");
        }
        let names: Vec<String> = names(inventory, request.kind, &request.namespace);
        let shown: String = request.name.chars().take(80).collect();
        let hint = near(&request.name, names.iter().map(String::as_str));
        let what = format!("{kind} {shown:?} in namespace {}", request.namespace);
        Error::NotFound { what, hint }
    }

    /// Reads the object for what rows do not keep: who wrote it last, and which tool claims it.
    async fn read_writers(&self, request: &GetWorkload, answer: &mut WorkloadAnswer) {
        let found = match self.cluster("reading managedFields") {
            Ok(cluster) => {
                gather::document(cluster, request.kind.kind(), &request.namespace, &request.name).await
            }
            Err(error) => Found::Unknown(error.to_string()),
        };
        answer.last_change_unknown = match found {
            Found::Yes(object) => {
                answer.last_change = change::last_change(&object.value, self.now());
                answer.managed_by = change::managed_by(&object.value);
                answer
                    .last_change
                    .is_none()
                    .then(|| "the object carries no managedFields of a writer".to_owned())
            }
            Found::Missing => Some("the object was deleted while this was answered".to_owned()),
            Found::Unknown(why) => Some(why),
        };
    }
}

/// The pods of a workload, the unwell first.
fn tree_pods(tree: &Tree<'_>) -> TreePods {
    let mut pods = tree.pods.clone();
    pods.sort_by_key(|pod| (!pod.is_suspect(), pod.ready, pod.meta.key.name.clone()));
    let shown = pods.iter().take(8).map(|pod| {
        let (ready, all) = pod.ready_containers();
        TreePod {
            name: pod.meta.key.name.to_string(),
            status: pod.status().to_owned(),
            ready: format!("{ready}/{all}"),
            restarts: pod.restarts(),
            node: pod.node.as_ref().map(ToString::to_string),
        }
    });
    TreePods { total: pods.len(), ready: pods.iter().filter(|p| p.ready).count(), shown: shown.collect() }
}

const fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Shortens what is least needed until the answer is short enough.
fn fit(answer: &mut WorkloadAnswer) {
    answer.related.truncate(10);
    for step in 0..6 {
        let tokens = serde_json::to_string(answer).map_or(0, |json| crate::text::estimate_tokens(&json));
        if tokens <= LONGEST {
            return;
        }
        match step {
            0 => answer.revisions.truncate(3),
            1 => answer.events.truncate(4),
            2 => answer.pods.iter_mut().for_each(|pods| pods.shown.truncate(4)),
            3 => answer.conditions.truncate(3),
            4 => {
                answer.containers_omitted = answer.containers.len().saturating_sub(5);
                answer.containers.truncate(5);
            }
            _ => {
                answer.events.truncate(2);
                answer.problems.truncate(3);
                answer.related.truncate(4);
                answer.last_change.iter_mut().for_each(|change| change.fields.truncate(3));
            }
        }
    }
}

fn template(spec: &ContainerSpec) -> TemplateContainer {
    TemplateContainer {
        name: spec.name.to_string(),
        image: spec.image.to_string(),
        cpu_request_millicores: spec.requests.cpu_milli,
        cpu_limit_millicores: spec.limits.cpu_milli,
        memory_request_mib: spec.requests.memory_bytes.map(|b| b >> 20),
        memory_limit_mib: spec.limits.memory_bytes.map(|b| b >> 20),
    }
}

/// The ReplicaSets of a Deployment, the newest revision first.
fn replica_sets<'a>(inventory: &'a Inventory, root: &Meta) -> Vec<&'a std::sync::Arc<ReplicaSetRow>> {
    let mut sets: Vec<_> = inventory
        .replica_sets()
        .in_namespace(&root.key.namespace)
        .filter(|set| set.meta.owner.as_ref().is_some_and(|owner| owner.uid == root.uid && owner.uid != 0))
        .collect();
    sets.sort_by_key(|set| (-set.revision, -set.meta.created));
    sets
}

fn template_change(inventory: &Inventory, root: &Meta) -> Vec<String> {
    match replica_sets(inventory, root).as_slice() {
        [newer, older, ..] => change::template_change(newer, older),
        _ => Vec::new(),
    }
}

fn revisions(inventory: &Inventory, root: &Meta, now: Timestamp) -> Vec<Revision> {
    let sets = replica_sets(inventory, root);
    let revision = |set: &&std::sync::Arc<ReplicaSetRow>| Revision {
        revision: set.revision,
        replica_set: set.meta.key.name.to_string(),
        replicas: set.replicas,
        ready: set.ready,
        images: set.containers.iter().map(|c| c.image.to_string()).collect(),
        age: age(now, set.meta.created),
    };
    sets.iter().take(5).map(revision).collect()
}

/// What scales it, protects it and sends it traffic.
fn related(inventory: &Inventory, kind: Kind, root: &Meta, pod_labels: Option<&LabelSet>) -> Vec<String> {
    let namespace = &root.key.namespace;
    let mut related = Vec::new();
    for hpa in inventory.autoscalers().in_namespace(namespace) {
        if hpa.target_kind == kind.name() && hpa.target_name == root.key.name {
            let current = hpa.current.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
            let name = &hpa.meta.key.name;
            related.push(format!("HorizontalPodAutoscaler {name}: {}..{}, now {current}", hpa.min, hpa.max));
        }
    }
    let Some(labels) = pod_labels else { return related };
    for pdb in inventory.disruption_budgets().in_namespace(namespace) {
        if !pdb.selector.is_empty() && pdb.selector.matches(labels) {
            related.push(format!(
                "PodDisruptionBudget {}: {} disruptions allowed",
                pdb.meta.key.name, pdb.allowed
            ));
        }
    }
    for service in inventory.services().in_namespace(namespace) {
        let selects = !service.selector.is_empty()
            && service.selector.iter().all(|(k, v)| labels.get(k).is_some_and(|value| value == v));
        if selects {
            related.push(format!("Service {}", service.meta.key.name));
        }
    }
    related
}

fn names(inventory: &Inventory, kind: WorkloadKind, namespace: &str) -> Vec<String> {
    let strings = |names: &mut dyn Iterator<Item = &Name>| names.map(ToString::to_string).collect();
    match kind {
        WorkloadKind::Deployment => strings(&mut inventory.deployments().names(namespace)),
        WorkloadKind::StatefulSet => strings(&mut inventory.stateful_sets().names(namespace)),
        WorkloadKind::DaemonSet => strings(&mut inventory.daemon_sets().names(namespace)),
        WorkloadKind::Job => strings(&mut inventory.jobs().names(namespace)),
        WorkloadKind::CronJob => strings(&mut inventory.cron_jobs().names(namespace)),
    }
}
