//! One workload in full: rollout, owners, revisions, pods, what bounds it, events of its whole tree, and who changed it
//! last.
//!
//! Everything but the last change comes from memory. Who changed it stands in `managedFields`, which rows do not keep:
//! that is read live, and when it cannot be, the answer says why.

mod answer;
mod change;

use std::collections::BTreeMap;

use aiops_inventory::{
    Inventory, Kind, Name,
    labels::LabelSet,
    rows::{ContainerSpec, Meta, ReplicaSetRow},
};
use jiff::Timestamp;

pub use self::{
    answer::{Revision, TemplateContainer, TreePod, TreePods, WorkloadAnswer},
    change::LastChange,
};
use crate::{
    Engine, Error,
    answer::{Standing, age, near},
    detectors,
    diagnose::{Found, gather},
    owners::{self, Tree},
    requests::{events, health::Problem, nodes::condition, workloads::WorkloadKind},
    rollout,
};

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

impl Engine {
    /// One workload in full.
    pub async fn get_workload(&self, request: &GetWorkload) -> Result<WorkloadAnswer, Error> {
        let mut answer = self.workload_from_rows(request)?;
        self.read_writers(request, &mut answer).await;
        answer.fit();
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
            events: events::about(&inventory, namespace, &tree.objects, now, usize::MAX),
            template_change: template_change(&inventory, &state.meta),
            omitted: BTreeMap::new(),
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
    sets.iter().map(revision).collect()
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
