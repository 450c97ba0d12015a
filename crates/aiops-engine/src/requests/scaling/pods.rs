//! The pods of a Deployment and what one of them takes.
//!
//! What a running pod of the newest template requests is what the next one requests; without one, the template and the
//! LimitRanges tell. It judges nothing.

use std::{collections::HashSet, sync::Arc};

use aiops_inventory::{
    Inventory,
    labels::LabelSet,
    rows::{ContainerKind, ContainerSpec, DeploymentRow, PodRow, ReplicaSetRow, pod::Resources},
};

use super::{CurrentState, ProjectedState};
use crate::requests::capacity::bounds::{Demand, defaulted};

/// A Deployment's own pods.
#[derive(Debug)]
pub(super) struct Own {
    /// What the next pod takes.
    pub(super) demand: Demand,
    /// Pods that have not ended.
    pub(super) present: i64,
    /// Of these, pods that have a node.
    pub(super) placed: i64,
    /// What those present request together; `None` when none says.
    total: Resources,
    known: bool,
}

impl Own {
    pub(super) fn of(inventory: &Inventory, row: &DeploymentRow, pods_known: bool) -> Self {
        let sets = replica_sets(inventory, row);
        let uids: HashSet<u128> = sets.iter().map(|set| set.meta.uid).collect();
        let newest = sets.iter().max_by_key(|set| set.revision).map(|set| set.meta.uid);
        let owner = |pod: &PodRow| pod.meta.owner.as_ref().map(|owner| owner.uid);
        let namespace = &row.meta.key.namespace;
        let pods: Vec<&Arc<PodRow>> = inventory
            .pods()
            .in_namespace(namespace)
            .filter(|pod| !pod.is_terminal() && owner(pod).is_some_and(|uid| uids.contains(&uid)))
            .collect();
        let model = pods.iter().find(|pod| owner(pod) == newest).or_else(|| pods.first());
        let demand = model.map_or_else(
            || defaulted(inventory, namespace, template(&row.containers)),
            |pod| Demand { requests: *pod.requests, limits: *pod.limits },
        );
        let sum = |of: fn(&Resources) -> Option<i64>| {
            pods.iter().filter_map(|pod| of(&pod.requests)).reduce(i64::saturating_add)
        };
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let known = pods_known && !pods.is_empty();
        Self {
            demand,
            present: if pods_known { count(pods.len()) } else { i64::from(row.replicas) },
            placed: if pods_known {
                count(pods.iter().filter(|pod| pod.node.is_some()).count())
            } else {
                i64::from(row.replicas)
            },
            total: Resources { cpu_milli: sum(|r| r.cpu_milli), memory_bytes: sum(|r| r.memory_bytes) },
            known,
        }
    }

    /// Requests now: of the pods there are; of so many like the next one when the caller says how many or none is known.
    pub(super) fn current(&self, replicas: i32, given: bool) -> CurrentState {
        let Resources { cpu_milli, memory_bytes } = self.demand.requests;
        let (total_cpu, total_memory, count) = if self.known && !given {
            (self.total.cpu_milli, self.total.memory_bytes, self.present)
        } else {
            let all = |each: Option<i64>| each.map(|each| each.saturating_mul(i64::from(replicas)));
            (all(cpu_milli), all(memory_bytes), i64::from(replicas))
        };
        let average = |total: Option<f64>, each: Option<f64>| match total {
            Some(total) if count > 0 => Some(round(total / count as f64)),
            _ => each,
        };
        let (total_cpu, total_memory) = (total_cpu.map(|n| n as f64), total_memory.map(mebibytes));
        CurrentState {
            replicas,
            cpu_per_pod_avg: average(total_cpu, cpu_milli.map(|n| n as f64)),
            memory_per_pod_avg: average(total_memory, memory_bytes.map(mebibytes)),
            total_cpu,
            total_memory,
        }
    }

    pub(super) fn projected(&self, replicas: i32) -> ProjectedState {
        let Resources { cpu_milli, memory_bytes } = self.demand.requests;
        let all = |each: i64| each.saturating_mul(i64::from(replicas));
        ProjectedState {
            replicas,
            cpu_per_pod_est: cpu_milli.map(|n| n as f64),
            memory_per_pod_est: memory_bytes.map(mebibytes),
            total_cpu: cpu_milli.map(|n| all(n) as f64),
            total_memory: memory_bytes.map(|n| mebibytes(all(n))),
        }
    }

    /// What it means that pods request nothing, or are on their way.
    pub(super) fn warnings(&self, target: i32) -> Vec<String> {
        let mut warnings = Vec::new();
        let missing: Vec<&str> =
            [("CPU", self.demand.requests.cpu_milli), ("memory", self.demand.requests.memory_bytes)]
                .into_iter()
                .filter_map(|(what, amount)| amount.is_none().then_some(what))
                .collect();
        if !missing.is_empty() && target > 0 {
            warnings.push(format!(
                "its pods request no {}: the scheduler reserves none, so nodes may be overcommitted and these pods are evicted first",
                missing.join(" and no ")
            ));
        }
        if self.present > self.placed {
            warnings.push(format!("{} of its pods wait for a node already", self.present - self.placed));
        }
        warnings
    }
}

fn mebibytes(bytes: i64) -> f64 {
    round(bytes as f64 / 1_048_576.0)
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn replica_sets<'a>(inventory: &'a Inventory, row: &DeploymentRow) -> Vec<&'a Arc<ReplicaSetRow>> {
    let owned = |set: &&Arc<ReplicaSetRow>| {
        set.meta.owner.as_ref().is_some_and(|owner| {
            owner.kind == "Deployment" && owner.name == row.meta.key.name && owner.uid == row.meta.uid
        })
    };
    inventory.replica_sets().in_namespace(&row.meta.key.namespace).filter(owned).collect()
}

/// The labels that its pods have: those of its newest ReplicaSet.
pub(super) fn labels(inventory: &Inventory, row: &DeploymentRow) -> Option<Arc<LabelSet>> {
    let sets = replica_sets(inventory, row);
    sets.into_iter().max_by_key(|set| set.revision).map(|set| Arc::clone(&set.meta.labels))
}

/// What a pod of the template takes: containers and sidecars together, or the largest init container.
fn template(containers: &[Arc<ContainerSpec>]) -> Demand {
    let sum = |a: Option<i64>, b: Option<i64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (a, b) => a.or(b),
    };
    let each = |a: Resources, b: Resources, by: &dyn Fn(Option<i64>, Option<i64>) -> Option<i64>| Resources {
        cpu_milli: by(a.cpu_milli, b.cpu_milli),
        memory_bytes: by(a.memory_bytes, b.memory_bytes),
    };
    let of = |part: fn(&ContainerSpec) -> Resources| {
        let (mut together, mut sidecars, mut starting) =
            (Resources::default(), Resources::default(), Resources::default());
        for container in containers {
            let own = part(container);
            match container.kind {
                ContainerKind::Main => together = each(together, own, &sum),
                ContainerKind::Sidecar => {
                    sidecars = each(sidecars, own, &sum);
                    together = each(together, own, &sum);
                }
                ContainerKind::Init => starting = each(starting, each(sidecars, own, &sum), &Option::max),
            }
        }
        each(together, starting, &Option::max)
    };
    Demand { requests: of(|c| c.requests), limits: of(|c| c.limits) }
}
