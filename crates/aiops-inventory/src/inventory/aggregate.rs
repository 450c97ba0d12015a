//! Counts and sums, kept at each change so that no question scans the cluster.
//!
//! Kept per namespace from the start: a caller who may see some namespaces is answered from theirs alone.

use std::collections::{BTreeSet, HashMap};

use crate::{
    Key, Name,
    rows::{
        ClusterOperatorRow, ClusterVersionRow, CronJobRow, DaemonSetRow, DeploymentRow, EndpointSliceRow,
        HorizontalPodAutoscalerRow, JobRow, LimitRangeRow, MachineConfigPoolRow, NamespaceRow, NodeRow,
        PersistentVolumeClaimRow, Phase, PodDisruptionBudgetRow, PodRow, ReplicaSetRow, ResourceQuotaRow,
        RouteRow, ServiceRow, StatefulSetRow, pod::Resources,
    },
};

/// Pods by phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PodCounts {
    /// Phase Pending.
    pub pending: i64,
    /// Phase Running.
    pub running: i64,
    /// Phase Succeeded.
    pub succeeded: i64,
    /// Phase Failed.
    pub failed: i64,
    /// Phase Unknown.
    pub unknown: i64,
    /// Running and with the `Ready` condition.
    pub ready: i64,
}

impl PodCounts {
    /// All pods.
    pub const fn total(&self) -> i64 {
        self.pending + self.running + self.succeeded + self.failed + self.unknown
    }

    fn add(&mut self, pod: &PodRow, sign: i64) {
        let slot = match pod.phase {
            Phase::Pending => &mut self.pending,
            Phase::Running => &mut self.running,
            Phase::Succeeded => &mut self.succeeded,
            Phase::Failed => &mut self.failed,
            Phase::Unknown => &mut self.unknown,
        };
        *slot += sign;
        if pod.ready && pod.phase == Phase::Running {
            self.ready += sign;
        }
    }
}

/// Counts and sums over some pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PodTotals {
    /// By phase.
    pub counts: PodCounts,
    /// CPU requested by pods that have not ended, in millicores.
    pub requested_cpu_milli: i64,
    /// Memory requested by pods that have not ended, in bytes.
    pub requested_memory_bytes: i64,
    /// CPU limits of pods that have not ended, in millicores; pods without a limit add nothing.
    pub limited_cpu_milli: i64,
    /// Memory limits of pods that have not ended, in bytes; pods without a limit add nothing.
    pub limited_memory_bytes: i64,
    /// Container restarts.
    pub restarts: i64,
}

impl PodTotals {
    fn add(&mut self, pod: &PodRow, sign: i64) {
        self.counts.add(pod, sign);
        self.restarts += sign * i64::from(pod.restarts());
        if !pod.is_terminal() {
            let sum = |into: (&mut i64, &mut i64), r: &Resources| {
                *into.0 += sign * countable(r.cpu_milli);
                *into.1 += sign * countable(r.memory_bytes);
            };
            sum((&mut self.requested_cpu_milli, &mut self.requested_memory_bytes), &pod.requests);
            sum((&mut self.limited_cpu_milli, &mut self.limited_memory_bytes), &pod.limits);
        }
    }
}

/// What a pod adds to a sum: at most 2^46 (64 TiB, or more processors than there are), so that a pod which asks for an
/// absurd amount and waits for ever cannot overflow the sums of 100,000 others.
fn countable(amount: Option<i64>) -> i64 {
    amount.unwrap_or(0).clamp(0, 1 << 46)
}

/// Counts and sums of one namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NamespaceTotals {
    /// Pods.
    pub pods: PodTotals,
    /// Deployments.
    pub deployments: i64,
    /// StatefulSets.
    pub stateful_sets: i64,
    /// DaemonSets.
    pub daemon_sets: i64,
    /// Jobs.
    pub jobs: i64,
    /// CronJobs.
    pub cron_jobs: i64,
    /// Services.
    pub services: i64,
    /// Pods that are not plainly well.
    pub suspects: i64,
}

/// Counts and sums over the pods of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeTotals {
    /// Pods that are bound to it.
    pub pods: PodTotals,
}

/// All aggregates.
#[derive(Debug, Default)]
pub(super) struct Totals {
    cluster: PodTotals,
    by_namespace: HashMap<Name, NamespaceTotals>,
    by_node: HashMap<Name, NodeTotals>,
    suspects: BTreeSet<Key>,
}

macro_rules! counted {
    ($($method:ident: $row:ident => $field:ident;)+) => {$(
        pub(super) fn $method(&mut self, old: Option<&$row>, new: Option<&$row>) {
            for (row, sign) in [(old, -1), (new, 1)] {
                if let Some(row) = row {
                    self.by_namespace.entry(row.meta.key.namespace.clone()).or_default().$field += sign;
                }
            }
            if let (Some(gone), None) = (old, new) {
                self.forget_if_empty(&gone.meta.key.namespace);
            }
        }
    )+};
}

macro_rules! uncounted {
    ($($method:ident: $row:ident;)+) => {$(
        pub(super) fn $method(&mut self, _old: Option<&$row>, _new: Option<&$row>) {}
    )+};
}

impl Totals {
    pub(super) fn pods(&mut self, old: Option<&PodRow>, new: Option<&PodRow>) {
        for (row, sign) in [(old, -1), (new, 1)] {
            let Some(pod) = row else { continue };
            self.cluster.add(pod, sign);
            let namespace = self.by_namespace.entry(pod.meta.key.namespace.clone()).or_default();
            namespace.pods.add(pod, sign);
            let suspect = pod.is_suspect();
            namespace.suspects += if suspect { sign } else { 0 };
            if let Some(node) = &pod.node {
                self.by_node.entry(node.clone()).or_default().pods.add(pod, sign);
            }
            if suspect && sign > 0 {
                self.suspects.insert(pod.meta.key.clone());
            } else if suspect {
                self.suspects.remove(&pod.meta.key);
            }
        }
        if let Some(node) = old.and_then(|pod| pod.node.as_ref())
            && self.by_node.get(node).is_some_and(|totals| totals.pods.counts.total() == 0)
        {
            self.by_node.remove(node);
        }
        if let (Some(gone), None) = (old, new) {
            self.forget_if_empty(&gone.meta.key.namespace);
        }
    }

    /// Namespaces come and go by the thousand in some clusters: what counts nothing is not kept.
    fn forget_if_empty(&mut self, namespace: &Name) {
        if self.by_namespace.get(namespace).is_some_and(|totals| *totals == NamespaceTotals::default()) {
            self.by_namespace.remove(namespace);
        }
    }

    pub(super) fn by_namespace(&self) -> impl Iterator<Item = (&Name, &NamespaceTotals)> {
        self.by_namespace.iter()
    }

    counted! {
        deployments: DeploymentRow => deployments;
        stateful_sets: StatefulSetRow => stateful_sets;
        daemon_sets: DaemonSetRow => daemon_sets;
        jobs: JobRow => jobs;
        cron_jobs: CronJobRow => cron_jobs;
        services: ServiceRow => services;
    }

    uncounted! {
        nodes: NodeRow;
        namespaces: NamespaceRow;
        replica_sets: ReplicaSetRow;
        claims: PersistentVolumeClaimRow;
        endpoint_slices: EndpointSliceRow;
        autoscalers: HorizontalPodAutoscalerRow;
        disruption_budgets: PodDisruptionBudgetRow;
        quotas: ResourceQuotaRow;
        limit_ranges: LimitRangeRow;
        cluster_operators: ClusterOperatorRow;
        cluster_versions: ClusterVersionRow;
        machine_config_pools: MachineConfigPoolRow;
        routes: RouteRow;
    }

    pub(super) fn cluster(&self) -> &PodTotals {
        &self.cluster
    }

    pub(super) fn namespace(&self, name: &str) -> Option<&NamespaceTotals> {
        self.by_namespace.get(name)
    }

    pub(super) fn node(&self, name: &str) -> Option<&NodeTotals> {
        self.by_node.get(name)
    }

    pub(super) fn suspects(&self) -> impl Iterator<Item = &Key> {
        self.suspects.iter()
    }
}
