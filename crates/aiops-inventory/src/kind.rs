//! The kinds the inventory keeps, and where the API serves them.
//!
//! Other kinds are read on demand through discovery and never appear here.

/// A kind of object that has rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// core/v1 Node.
    Node,
    /// core/v1 Namespace.
    Namespace,
    /// core/v1 Pod.
    Pod,
    /// apps/v1 Deployment.
    Deployment,
    /// apps/v1 ReplicaSet.
    ReplicaSet,
    /// apps/v1 StatefulSet.
    StatefulSet,
    /// apps/v1 DaemonSet.
    DaemonSet,
    /// batch/v1 Job.
    Job,
    /// batch/v1 CronJob.
    CronJob,
    /// core/v1 PersistentVolumeClaim.
    PersistentVolumeClaim,
    /// core/v1 Service.
    Service,
    /// discovery.k8s.io/v1 EndpointSlice.
    EndpointSlice,
    /// autoscaling/v2 HorizontalPodAutoscaler.
    HorizontalPodAutoscaler,
    /// policy/v1 PodDisruptionBudget.
    PodDisruptionBudget,
    /// core/v1 ResourceQuota.
    ResourceQuota,
    /// core/v1 LimitRange.
    LimitRange,
    /// config.openshift.io/v1 ClusterOperator.
    ClusterOperator,
    /// config.openshift.io/v1 ClusterVersion.
    ClusterVersion,
    /// machineconfiguration.openshift.io/v1 MachineConfigPool.
    MachineConfigPool,
    /// route.openshift.io/v1 Route.
    Route,
    /// core/v1 Event, kept as a ring.
    Event,
}

/// Where the API serves a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// API group, empty for core.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Plural resource name as in paths.
    pub plural: &'static str,
    /// Kind as in manifests.
    pub kind: &'static str,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

impl Kind {
    /// Every kind, in the order in which they are worth having: what health needs comes first, events last.
    pub const ALL: [Self; 21] = [
        Self::Node,
        Self::Namespace,
        Self::Pod,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::Job,
        Self::CronJob,
        Self::PersistentVolumeClaim,
        Self::Service,
        Self::EndpointSlice,
        Self::HorizontalPodAutoscaler,
        Self::PodDisruptionBudget,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::ClusterOperator,
        Self::ClusterVersion,
        Self::MachineConfigPool,
        Self::Route,
        Self::Event,
    ];

    /// Where the API serves this kind.
    pub const fn resource(self) -> Resource {
        const fn r(
            group: &'static str,
            version: &'static str,
            plural: &'static str,
            kind: &'static str,
            namespaced: bool,
        ) -> Resource {
            Resource { group, version, plural, kind, namespaced }
        }
        match self {
            Self::Node => r("", "v1", "nodes", "Node", false),
            Self::Namespace => r("", "v1", "namespaces", "Namespace", false),
            Self::Pod => r("", "v1", "pods", "Pod", true),
            Self::Deployment => r("apps", "v1", "deployments", "Deployment", true),
            Self::ReplicaSet => r("apps", "v1", "replicasets", "ReplicaSet", true),
            Self::StatefulSet => r("apps", "v1", "statefulsets", "StatefulSet", true),
            Self::DaemonSet => r("apps", "v1", "daemonsets", "DaemonSet", true),
            Self::Job => r("batch", "v1", "jobs", "Job", true),
            Self::CronJob => r("batch", "v1", "cronjobs", "CronJob", true),
            Self::PersistentVolumeClaim => {
                r("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true)
            }
            Self::Service => r("", "v1", "services", "Service", true),
            Self::EndpointSlice => r("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true),
            Self::HorizontalPodAutoscaler => {
                r("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true)
            }
            Self::PodDisruptionBudget => {
                r("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true)
            }
            Self::ResourceQuota => r("", "v1", "resourcequotas", "ResourceQuota", true),
            Self::LimitRange => r("", "v1", "limitranges", "LimitRange", true),
            Self::ClusterOperator => {
                r("config.openshift.io", "v1", "clusteroperators", "ClusterOperator", false)
            }
            Self::ClusterVersion => {
                r("config.openshift.io", "v1", "clusterversions", "ClusterVersion", false)
            }
            Self::MachineConfigPool => {
                r("machineconfiguration.openshift.io", "v1", "machineconfigpools", "MachineConfigPool", false)
            }
            Self::Route => r("route.openshift.io", "v1", "routes", "Route", true),
            Self::Event => r("", "v1", "events", "Event", true),
        }
    }

    /// The kind's name in manifests, such as `Pod`.
    pub const fn name(self) -> &'static str {
        self.resource().kind
    }

    /// Whether the kind exists only where an API group was added (OpenShift): its absence is not a fault.
    pub const fn is_optional(self) -> bool {
        matches!(self, Self::ClusterOperator | Self::ClusterVersion | Self::MachineConfigPool | Self::Route)
    }

    /// The kind of this `apiVersion` and `kind`, as written in a manifest. The version is not compared, so that a
    /// recording of an older API is still read.
    pub fn of_manifest(api_version: &str, kind: &str) -> Option<Self> {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        Self::ALL.into_iter().find(|k| {
            let r = k.resource();
            r.kind == kind && (r.group == group || (*k == Self::Event && group == "events.k8s.io"))
        })
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
