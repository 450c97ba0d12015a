//! Which kinds a detector reads, and whether they are seen as they are: only then does "not found" mean "not there".
//!
//! A kind that nobody may list hides what was never opened from it, so it keeps open only incidents of detectors that read
//! it. What no detector finds is not hidden by anything.

use aiops_inventory::{Inventory, Kind, Sync};

/// What one detector reads.
struct Reads {
    /// The codes of what it finds.
    finds: &'static [&'static str],
    /// Kinds of the objects on which it finds it; none for pods and whatever owns pods.
    of: &'static [Kind],
    /// Without these it finds nothing, besides the objects themselves.
    needs: &'static [Kind],
    /// These it looks at as well.
    beside: &'static [Kind],
}

/// Why pods are refused.
const REFUSALS: &[&str] = &[
    "quota_exceeded",
    "quota_needs_requests",
    "limit_range_violated",
    "pod_security_refused",
    "scc_refused",
    "webhook_denied",
    "webhook_unreachable",
    "service_account_missing",
    "priority_class_missing",
    "pod_creation_refused",
];

/// What the detectors read, in their order.
const READS: &[Reads] = &[
    Reads {
        finds: &[
            "crash_loop",
            "oom_kill",
            "image_pull",
            "container_config",
            "pod_unschedulable",
            "pod_start_slow",
            "pod_not_ready",
            "pod_evicted",
            "pod_failed",
            "pod_unknown",
            "terminating_stuck",
        ],
        of: &[],
        needs: &[Kind::Pod],
        beside: &[Kind::Event],
    },
    Reads { finds: &["node_not_ready", "node_pressure"], of: &[Kind::Node], needs: &[], beside: &[] },
    Reads {
        finds: &["rollout_stuck", "deployment_unavailable"],
        of: &[Kind::Deployment],
        needs: &[],
        beside: &[Kind::Pod, Kind::Event],
    },
    Reads { finds: REFUSALS, of: &[Kind::Deployment, Kind::ReplicaSet], needs: &[], beside: &[] },
    // These have no condition that says it.
    Reads {
        finds: REFUSALS,
        of: &[Kind::StatefulSet, Kind::DaemonSet, Kind::Job],
        needs: &[Kind::Event],
        beside: &[],
    },
    Reads { finds: &["job_failed"], of: &[Kind::Job], needs: &[], beside: &[] },
    Reads { finds: &["job_failed"], of: &[Kind::CronJob], needs: &[Kind::Job], beside: &[] },
    Reads {
        finds: &["service_without_endpoints"],
        of: &[Kind::Service],
        needs: &[Kind::EndpointSlice, Kind::Pod],
        beside: &[Kind::Deployment, Kind::ReplicaSet, Kind::Event],
    },
    Reads {
        finds: &["pvc_pending", "pvc_lost"],
        of: &[Kind::PersistentVolumeClaim],
        needs: &[],
        beside: &[Kind::Pod],
    },
    Reads { finds: &["quota_full"], of: &[Kind::ResourceQuota], needs: &[], beside: &[] },
    Reads {
        finds: &["pdb_deadlock", "pdb_blocked"],
        of: &[Kind::PodDisruptionBudget],
        needs: &[],
        beside: &[Kind::Pod],
    },
    Reads {
        finds: &["hpa_at_limit", "hpa_cannot_scale"],
        of: &[Kind::HorizontalPodAutoscaler],
        needs: &[],
        beside: &[],
    },
    Reads { finds: &["namespace_stuck"], of: &[Kind::Namespace], needs: &[], beside: &[] },
    Reads {
        finds: &["operator_unavailable", "operator_degraded"],
        of: &[Kind::ClusterOperator],
        needs: &[],
        beside: &[],
    },
    Reads { finds: &["cluster_version_failing"], of: &[Kind::ClusterVersion], needs: &[], beside: &[] },
    Reads {
        finds: &["machine_config_pool_degraded"],
        of: &[Kind::MachineConfigPool],
        needs: &[],
        beside: &[],
    },
];

/// What leads from a pod to the object that its trouble is told of.
const fn way(object: Option<Kind>) -> (&'static [Kind], &'static [Kind]) {
    match object {
        Some(Kind::Deployment) => (&[Kind::ReplicaSet], &[]),
        Some(Kind::CronJob) => (&[Kind::Job], &[]),
        Some(_) => (&[], &[]),
        // An owner of a kind without rows, through whichever kind.
        None => (&[], &[Kind::ReplicaSet, Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Job]),
    }
}

/// Kinds that are not seen as they are. The default sees everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Being listed for the first time, or behind a broken watch.
    blurred: Vec<Kind>,
    /// Not to be had: no rights, or the server does not have it.
    dark: Vec<Kind>,
}

impl Hidden {
    /// Nothing is hidden.
    pub const ALL: Self = Self { blurred: Vec::new(), dark: Vec::new() };

    /// What is hidden now.
    pub fn of(inventory: &Inventory) -> Self {
        let mut hidden = Self::default();
        for kind in Kind::ALL {
            match inventory.status(kind).sync {
                Sync::Synced => {}
                Sync::Absent if kind.is_optional() => {}
                Sync::Forbidden { .. } | Sync::Absent => hidden.dark.push(kind),
                _ => hidden.blurred.push(kind),
            }
        }
        hidden
    }

    /// Whether an issue of this code on an object of this kind would be found if it were there.
    pub fn shows(&self, code: &str, object: &str) -> bool {
        let is_clear = |kind: &Kind| !self.blurred.contains(kind);
        let is_seen = |kind: &Kind| is_clear(kind) && !self.dark.contains(kind);
        let object = Kind::ALL.into_iter().find(|kind| kind.resource().kind == object);
        let (on_the_way, perhaps) = way(object);
        let of_this = |reads: &&Reads| {
            reads.finds.contains(&code)
                && (reads.of.is_empty() || object.is_some_and(|object| reads.of.contains(&object)))
        };
        READS.iter().filter(of_this).all(|reads| {
            let is_led_to =
                !reads.of.is_empty() || (on_the_way.iter().all(is_seen) && perhaps.iter().all(is_clear));
            let is_itself_seen = reads.of.is_empty() || object.as_ref().is_some_and(is_seen);
            is_led_to
                && is_itself_seen
                && reads.needs.iter().all(is_seen)
                && reads.beside.iter().all(is_clear)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(dark: &[Kind], blurred: &[Kind]) -> Hidden {
        Hidden { dark: dark.to_vec(), blurred: blurred.to_vec() }
    }

    #[test]
    fn only_what_a_detector_reads_hides_its_issues() {
        let all = Hidden::default();
        let rights = without(
            &[Kind::Node, Kind::Namespace, Kind::LimitRange, Kind::PodDisruptionBudget, Kind::Event],
            &[],
        );
        for (code, object, narrow) in [
            ("crash_loop", "Deployment", true),
            ("pod_start_slow", "Pod", true),
            ("service_without_endpoints", "Service", true),
            ("quota_exceeded", "Deployment", true),
            // They are known from events alone.
            ("quota_exceeded", "StatefulSet", false),
            ("node_not_ready", "Node", false),
            ("namespace_stuck", "Namespace", false),
            ("pdb_deadlock", "PodDisruptionBudget", false),
            // No detector finds it.
            ("unspecified", "", true),
            ("cpu_throttling", "Deployment", true),
        ] {
            assert!(all.shows(code, object), "{code} {object}");
            assert_eq!(rights.shows(code, object), narrow, "{code} {object}");
        }
        // A broken watch hides more: what it told before was used.
        assert!(!without(&[], &[Kind::Event]).shows("pod_start_slow", "Pod"));
        assert!(!without(&[Kind::ReplicaSet], &[]).shows("crash_loop", "Deployment"));
        assert!(without(&[Kind::ReplicaSet], &[]).shows("crash_loop", "StatefulSet"));
        assert!(!without(&[], &[Kind::Pod]).shows("crash_loop", "Job"));
        // An owner of a kind without rows.
        assert!(!without(&[], &[Kind::StatefulSet]).shows("crash_loop", "Kafka"));
        assert!(without(&[Kind::ReplicaSet], &[]).shows("crash_loop", "Kafka"));
    }

    #[test]
    fn every_issue_that_is_documented_is_found_by_a_detector() {
        let table = include_str!("../../../../docs/issues.md").split("## Causes").next().unwrap();
        let mut codes = 0;
        for row in table.lines().filter(|line| line.starts_with("| `")) {
            let words = row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2);
            for code in words {
                codes += 1;
                assert!(READS.iter().any(|r| r.finds.contains(&code)), "{code}");
            }
        }
        assert!(codes > 30, "{codes}");
        for code in READS.iter().flat_map(|r| r.finds) {
            assert!(table.contains(&format!("`{code}`")), "{code} is not in docs/issues.md");
        }
    }
}
