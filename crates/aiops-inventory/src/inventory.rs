//! The inventory itself: one table a kind, the aggregates over them, and what is known about how fresh each is.
//!
//! A feed (a watch or a recording) hands it JSON objects; readers ask for rows and counts. It never asks anybody for
//! anything, and it never answers 0 for what it has not been told: see [`Sync`].

mod aggregate;
mod events;
mod status;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

pub use aggregate::{NamespaceTotals, NodeTotals, PodCounts, PodTotals};
pub use events::EventRing;
pub use status::{ClusterInfo, Connection, KindStatus, Scope, Source, Sync};

use crate::{
    Interner, Key, Kind, Name, Table,
    decode::{self, DecodeError},
    rows::{self, Seconds},
};

/// One change of one object, as the watch or a list tells it.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// The object exists and looks like this (ADDED, MODIFIED, or an item of a list).
    Applied(&'a [u8]),
    /// The object is gone; this is its last state.
    Deleted(&'a [u8]),
}

macro_rules! tables {
    ($($field:ident: $row:ident => $kind:ident, $doc:literal;)+) => {
        /// Everything that is known of one cluster.
        #[derive(Debug, Default)]
        pub struct Inventory {
            interner: Interner,
            shared: decode::Shared,
            $($field: Table<rows::$row>,)+
            events: EventRing,
            totals: aggregate::Totals,
            statuses: HashMap<Kind, KindStatus>,
            epochs: HashMap<Kind, u32>,
            /// Objects that exist and could not be read, with the list in which they were last seen.
            unreadable: BTreeMap<(Kind, Key), u32>,
            info: ClusterInfo,
            generation: u64,
        }

        impl Inventory {
            $(
                #[doc = $doc]
                pub fn $field(&self) -> &Table<rows::$row> { &self.$field }
            )+

            fn count(&self, kind: Kind) -> usize {
                match kind {
                    $(Kind::$kind => self.$field.len(),)+
                    Kind::Event => self.events.len(),
                }
            }

            fn write(&mut self, kind: Kind, change: Change<'_>) -> Result<Key, DecodeError> {
                let epoch = self.epoch(kind);
                Ok(match kind {
                    $(Kind::$kind => match change {
                        Change::Applied(json) => {
                            let row = decode::$field(json, &mut self.interner, &mut self.shared)?;
                            let row = Arc::new(row);
                            let old = self.$field.insert(Arc::clone(&row), epoch);
                            self.totals.$field(old.as_deref(), Some(&row));
                            row.meta.key.clone()
                        }
                        Change::Deleted(json) => {
                            let (key, uid) = decode::identity(json, &mut self.interner)?;
                            // A watch that is resumed tells old deletions again: the object that has the name now stays.
                            if self.$field.get(&key.namespace, &key.name).is_none_or(|row| is_same(row.meta.uid, uid)) {
                                let old = self.$field.remove(&key);
                                self.totals.$field(old.as_deref(), None);
                            }
                            key
                        }
                    },)+
                    Kind::Event => match change {
                        Change::Applied(json) => {
                            let row = decode::event(json, &mut self.interner)?;
                            let key = Key { namespace: row.namespace.clone(), name: row.name.clone() };
                            self.events.insert(row);
                            key
                        }
                        // An event that expires in the API server is still something that happened.
                        Change::Deleted(json) => decode::key(json, &mut self.interner)?,
                    },
                })
            }

            /// Drops the rows that no list since `epoch` has named.
            fn drop_older(&mut self, kind: Kind, epoch: u32, namespace: Option<&str>) {
                self.unreadable.retain(|(of, key), seen| {
                    *of != kind || *seen >= epoch || namespace.is_some_and(|ns| key.namespace != ns)
                });
                match kind {
                    $(Kind::$kind => {
                        for old in self.$field.retain_seen(epoch, namespace) {
                            self.totals.$field(Some(&old), None);
                        }
                    })+
                    // What happened stays known when the API server has forgotten it.
                    Kind::Event => {}
                }
            }
        }
    };
}

/// Most unreadable objects remembered; beyond it the count says at least so many.
const MOST_UNREADABLE: usize = 1_000;

/// Whether two uids may be those of one object; 0 is an unknown one.
const fn is_same(held: u128, told: u128) -> bool {
    held == told || held == 0 || told == 0
}

tables! {
    nodes: NodeRow => Node, "Nodes.";
    namespaces: NamespaceRow => Namespace, "Namespaces.";
    pods: PodRow => Pod, "Pods.";
    deployments: DeploymentRow => Deployment, "Deployments.";
    replica_sets: ReplicaSetRow => ReplicaSet, "ReplicaSets.";
    stateful_sets: StatefulSetRow => StatefulSet, "StatefulSets.";
    daemon_sets: DaemonSetRow => DaemonSet, "DaemonSets.";
    jobs: JobRow => Job, "Jobs.";
    cron_jobs: CronJobRow => CronJob, "CronJobs.";
    claims: PersistentVolumeClaimRow => PersistentVolumeClaim, "PersistentVolumeClaims.";
    services: ServiceRow => Service, "Services.";
    endpoint_slices: EndpointSliceRow => EndpointSlice, "EndpointSlices.";
    autoscalers: HorizontalPodAutoscalerRow => HorizontalPodAutoscaler, "HorizontalPodAutoscalers.";
    disruption_budgets: PodDisruptionBudgetRow => PodDisruptionBudget, "PodDisruptionBudgets.";
    quotas: ResourceQuotaRow => ResourceQuota, "ResourceQuotas.";
    limit_ranges: LimitRangeRow => LimitRange, "LimitRanges.";
    cluster_operators: ClusterOperatorRow => ClusterOperator, "OpenShift ClusterOperators.";
    cluster_versions: ClusterVersionRow => ClusterVersion, "The OpenShift ClusterVersion.";
    machine_config_pools: MachineConfigPoolRow => MachineConfigPool, "OpenShift MachineConfigPools.";
    routes: RouteRow => Route, "OpenShift Routes.";
}

impl Inventory {
    /// An empty inventory whose ring keeps at most `events` events.
    pub fn with_event_capacity(events: usize) -> Self {
        Self { events: EventRing::with_capacity(events), ..Self::default() }
    }

    /// Takes one change in. An object that cannot be read changes nothing but the kind's `unreadable` count. A deletion
    /// takes the row out only when it is of the same object: one that was made again under the name survives it.
    pub fn apply(&mut self, kind: Kind, change: Change<'_>) -> Result<(), DecodeError> {
        let done = self.write(kind, change);
        self.generation += 1;
        match &done {
            Ok(key) if !self.unreadable.is_empty() => {
                self.unreadable.remove(&(kind, key.clone()));
            }
            Ok(_) => {}
            Err(_) => self.note_unreadable(kind, change),
        }
        self.recount(kind);
        done.map(|_| ())
    }

    fn epoch(&self, kind: Kind) -> u32 {
        self.epochs.get(&kind).copied().unwrap_or(0)
    }

    /// Remembers which object could not be read, so that one that changes often counts once. What has not even a name
    /// counts as one.
    fn note_unreadable(&mut self, kind: Kind, change: Change<'_>) {
        let (Change::Applied(json) | Change::Deleted(json)) = change;
        let key = decode::key(json, &mut self.interner).unwrap_or_else(|_| Key::new("", ""));
        if self.unreadable.len() < MOST_UNREADABLE {
            self.unreadable.insert((kind, key), self.epoch(kind));
        }
    }

    fn recount(&mut self, kind: Kind) {
        let rows = self.count(kind);
        let unreadable = if self.unreadable.is_empty() {
            0
        } else {
            let from = (kind, Key::new("", ""));
            self.unreadable.range(from..).take_while(|((of, _), _)| *of == kind).count()
        };
        let status = self.statuses.entry(kind).or_default();
        status.rows = rows;
        status.unreadable = u64::try_from(unreadable).unwrap_or(u64::MAX);
    }

    /// A list of `kind` begins: rows that it does not name are dropped by [`Inventory::complete`]. What was known
    /// stays readable meanwhile. Lists of the same kind (one a namespace) come one after the other, not interleaved.
    pub fn begin(&mut self, kind: Kind) {
        *self.epochs.entry(kind).or_default() += 1;
    }

    /// The list is complete (of one namespace, when the feed may see only some).
    pub fn complete(&mut self, kind: Kind, namespace: Option<&str>) {
        self.drop_older(kind, self.epoch(kind), namespace);
        if namespace.is_none() {
            self.interner.sweep();
            self.shared.sweep();
        }
        self.generation += 1;
        self.recount(kind);
    }

    /// What was known of a kind in one namespace is not known any more. A list of another namespace that is coming in
    /// meanwhile is not disturbed.
    pub fn withdraw(&mut self, kind: Kind, namespace: &str) {
        self.drop_older(kind, u32::MAX, Some(namespace));
        self.generation += 1;
        self.recount(kind);
    }

    /// Says how fresh a kind is. `Sync::Absent` and `Sync::Forbidden` drop its rows: what may not be seen any more is
    /// not known any more.
    pub fn set_sync(&mut self, kind: Kind, sync: Sync) {
        if matches!(sync, Sync::Absent | Sync::Forbidden { .. }) {
            self.drop_older(kind, u32::MAX, None);
            if kind == Kind::Event {
                self.events.clear();
            }
        }
        self.recount(kind);
        let status = self.statuses.entry(kind).or_default();
        if status.sync != sync {
            self.generation += 1;
        }
        if matches!(sync, Sync::Stale { .. }) && status.sync == Sync::Synced {
            status.restarts += 1;
        }
        status.sync = sync;
    }

    /// Notes that the feed heard of `kind`: an object or a bookmark. Answers do not change by it.
    pub fn heard(&mut self, kind: Kind, at: Seconds) {
        self.statuses.entry(kind).or_default().heard = Some(at);
    }

    /// Says in which namespaces a kind is seen.
    pub fn set_kind_scope(&mut self, kind: Kind, scope: Scope) {
        let status = self.statuses.entry(kind).or_default();
        if status.scope != scope {
            status.scope = scope;
            self.generation += 1;
        }
    }

    /// How fresh a kind is.
    pub fn status(&self, kind: Kind) -> &KindStatus {
        static UNKNOWN: KindStatus = KindStatus::new();
        self.statuses.get(&kind).unwrap_or(&UNKNOWN)
    }

    /// Which cluster this is and how it is reached.
    pub fn info(&self) -> &ClusterInfo {
        &self.info
    }

    /// Changes what is known of the cluster itself.
    pub fn set_info(&mut self, change: impl FnOnce(&mut ClusterInfo)) {
        change(&mut self.info);
        self.generation += 1;
    }

    /// The events.
    pub fn events(&self) -> &EventRing {
        &self.events
    }

    /// Grows by at least one with each change; equal numbers mean equal answers.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Counts and sums over the pods of the whole cluster.
    pub fn pod_totals(&self) -> &PodTotals {
        self.totals.cluster()
    }

    /// Counts and sums over one namespace; `None` when nothing that is counted is known there.
    pub fn namespace_totals(&self, namespace: &str) -> Option<&NamespaceTotals> {
        self.totals.namespace(namespace)
    }

    /// Counts and sums over the pods of one node.
    pub fn node_totals(&self, node: &str) -> Option<&NodeTotals> {
        self.totals.node(node)
    }

    /// Keys of the pods that are not plainly well, see [`rows::PodRow::is_suspect`]; the detectors look at these only.
    pub fn suspect_pods(&self) -> impl Iterator<Item = &Key> {
        self.totals.suspects()
    }

    /// Names of the namespaces that exist, or of those that may be looked into when namespaces may not be listed.
    pub fn namespace_names(&self) -> Vec<Name> {
        if self.namespaces.is_empty() {
            let mut seen: Vec<Name> = self.totals.by_namespace().map(|(name, _)| name.clone()).collect();
            if let Scope::Namespaces(names) = &self.info.scope {
                seen.extend(names.iter().cloned());
            }
            seen.sort();
            seen.dedup();
            return seen;
        }
        self.namespaces.iter().map(|row| row.meta.key.name.clone()).collect()
    }

    /// When the newest thing that is known happened; a recording without a date of its own is as old as this.
    pub fn newest(&self) -> Option<Seconds> {
        let event = self.events.newest().map(|event| event.last);
        event.or_else(|| self.pods.iter().map(|pod| pod.meta.created.max(pod.ready_since)).max())
    }
}
