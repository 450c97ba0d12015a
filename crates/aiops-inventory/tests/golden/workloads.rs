//! Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs and what scales or limits them.

use aiops_inventory::{
    decode,
    labels::{LabelSet, Selector, Test},
    rows::{ContainerKind, Truth},
};

use crate::{CREATED, at, fixture, row};

#[test]
fn a_deployment_that_does_not_progress() {
    let deployment = row(decode::deployments, fixture!("deployment"));
    assert_eq!((deployment.desired, deployment.replicas, deployment.updated), (3, 4, 1));
    assert_eq!((deployment.ready, deployment.available, deployment.unavailable), (2, 2, 2));
    assert_eq!((deployment.meta.generation, deployment.observed_generation, deployment.revision), (9, 8, 7));
    assert_eq!((deployment.progress_deadline, deployment.strategy.as_str()), (120, "RollingUpdate"));
    assert!(!deployment.paused);
    let [labels, expression] = &deployment.selector.0[..] else { panic!("two requirements") };
    assert_eq!((labels.key.as_str(), expression.key.as_str()), ("app", "tier"));
    assert!(matches!(&expression.test, Test::NotIn(values) if values[..] == ["canary"]));
    let [available, progressing] = &deployment.conditions[..] else { panic!("two conditions") };
    assert_eq!((available.status, &available.message), (Truth::True, &None));
    assert_eq!((progressing.status, progressing.reason.as_str()), (Truth::False, "ProgressDeadlineExceeded"));
    assert!(progressing.message.as_deref().expect("message").contains("timed out"));
    let kinds: Vec<_> = deployment.containers.iter().map(|c| (c.name.as_str(), c.kind)).collect();
    let (sidecar, init, main) = (ContainerKind::Sidecar, ContainerKind::Init, ContainerKind::Main);
    assert_eq!(kinds, [("mesh", sidecar), ("migrate", init), ("checkout", main)]);
}

#[test]
fn a_replica_set_that_may_not_create() {
    let set = row(decode::replica_sets, fixture!("replicaset"));
    assert_eq!((set.desired, set.replicas, set.ready, set.available, set.revision), (2, 1, 0, 0, 7));
    let [failure] = &set.conditions[..] else { panic!("one condition") };
    assert_eq!((failure.kind.as_str(), failure.reason.as_str()), ("ReplicaFailure", "FailedCreate"));
    assert!(failure.message.as_deref().expect("message").contains("exceeded quota"));
    assert_eq!(set.meta.owner.as_deref().map(|owner| owner.name.as_str()), Some("checkout"));
}

#[test]
fn a_stateful_set_halfway_through_its_update() {
    let set = row(decode::stateful_sets, fixture!("statefulset"));
    assert_eq!((set.desired, set.replicas, set.ready, set.updated, set.available), (3, 3, 2, 1, 2));
    assert_eq!((set.current_revision.as_str(), set.update_revision.as_str()), ("db-6f8", "db-7c1"));
    assert_eq!(set.observed_generation, 2);
}

#[test]
fn a_daemon_set_with_a_stray_pod() {
    let set = row(decode::daemon_sets, fixture!("daemonset"));
    assert_eq!((set.desired, set.current, set.ready, set.updated), (6, 5, 4, 3));
    assert_eq!((set.available, set.misscheduled, set.observed_generation), (4, 1, 4));
}

#[test]
fn a_job_that_gave_up_and_its_cron_job() {
    let job = row(decode::jobs, fixture!("job"));
    assert_eq!((job.completions, job.parallelism, job.backoff_limit), (Some(1), 1, 2));
    assert_eq!((job.active, job.succeeded, job.failed), (0, 0, 3));
    assert_eq!((job.started, job.completed, job.suspended), (Some(at(CREATED)), None, false));
    let failed = job.conditions.iter().find(|c| c.kind == "Failed").expect("condition");
    assert!(failed.message.as_deref().expect("message").contains("backoff limit"));

    let cron = row(decode::cron_jobs, fixture!("cronjob"));
    assert_eq!((cron.schedule.as_str(), cron.time_zone.as_str()), ("0 2 * * *", "Europe/Berlin"));
    assert_eq!((cron.active, cron.suspended), (1, false));
    assert_eq!(
        (cron.last_scheduled, cron.last_successful),
        (Some(at(CREATED)), Some(at("2026-11-23T02:03:04Z")))
    );
}

#[test]
fn an_autoscaler_without_its_metric() {
    let hpa = row(decode::autoscalers, fixture!("hpa"));
    assert_eq!((hpa.target_kind.as_str(), hpa.target_name.as_str()), ("Deployment", "checkout"));
    assert_eq!((hpa.min, hpa.max, hpa.current, hpa.desired), (2, 10, Some(3), Some(3)));
    let told: Vec<_> =
        hpa.conditions.iter().filter(|c| c.message.is_some()).map(|c| c.kind.as_str()).collect();
    assert_eq!(told, ["ScalingActive", "ScalingLimited"]);

    // Before the controller has looked the API already writes a 0, which nobody has counted.
    let fresh = br#"{"metadata":{"name":"web"},"status":{"currentMetrics":null,"desiredReplicas":0}}"#;
    let hpa = row(decode::autoscalers, fresh);
    assert_eq!((hpa.min, hpa.max, hpa.current, hpa.desired), (1, 0, None, None));
}

#[test]
fn a_budget_that_allows_nothing() {
    let pdb = row(decode::disruption_budgets, fixture!("pdb"));
    assert_eq!((pdb.min_available.as_str(), pdb.max_unavailable.as_str()), ("50%", ""));
    assert_eq!((pdb.allowed, pdb.healthy, pdb.desired_healthy, pdb.expected), (0, 2, 2, 4));
    assert_eq!(pdb.observed_generation, 1);
    let numeric = br#"{"metadata":{"name":"web"},"spec":{"maxUnavailable":1}}"#;
    assert_eq!(row(decode::disruption_budgets, numeric).max_unavailable, "1");
}

#[test]
fn an_absent_selector_selects_nothing_and_an_empty_one_everything() {
    let selector = |spec: &str| -> Selector {
        let json = format!(r#"{{"metadata":{{"name":"web"}},"spec":{spec}}}"#);
        (*row(decode::disruption_budgets, json.as_bytes()).selector).clone()
    };
    let none = LabelSet::default();
    assert!(!selector("{}").matches(&none));
    assert!(!selector(r#"{"selector":null}"#).matches(&none));
    assert!(selector(r#"{"selector":{}}"#).matches(&none));
    let unknown = r#"{"selector":{"matchExpressions":[{"key":"a","operator":"Near","values":["b"]}]}}"#;
    assert!(!selector(unknown).matches(&none));
}

#[test]
fn a_quota_in_the_unit_of_each_resource() {
    let quota = row(decode::quotas, fixture!("quota"));
    assert!(!quota.scoped);
    let items: Vec<_> = quota.items.iter().map(|i| (i.resource.as_str(), i.hard, i.used)).collect();
    const GIB: i64 = 1 << 30;
    assert_eq!(
        items,
        [
            ("count/configmaps", 1_000, None),
            ("fast.storageclass.storage.k8s.io/persistentvolumeclaims", 5, None),
            ("fast.storageclass.storage.k8s.io/requests.storage", 1 << 40, None),
            ("hugepages-2Mi", 4 << 20, None),
            ("limits.cpu", 10_000, Some(10_000)),
            ("limits.memory", 20 * GIB, Some(10_752 << 20)),
            ("pods", 50, Some(17)),
            ("requests.cpu", 5_500, Some(2_750)),
            ("requests.ephemeral-storage", 2_000_000_000, None),
            ("requests.nvidia.com/gpu", 4, None),
        ]
    );
    let scoped = br#"{"metadata":{"name":"q"},"spec":{"hard":{"pods":"1"},"scopes":["NotTerminating"]}}"#;
    assert!(row(decode::quotas, scoped).scoped);
}

#[test]
fn a_limit_range_by_container_and_by_pod() {
    let range = row(decode::limit_ranges, fixture!("limitrange"));
    const MIB: i64 = 1 << 20;
    assert_eq!(range.container_default.cpu_milli, Some(500));
    assert_eq!(range.container_default_request.memory_bytes, Some(128 * MIB));
    assert_eq!((range.container_min.cpu_milli, range.container_min.memory_bytes), (Some(10), None));
    assert_eq!(range.container_max.cpu_milli, Some(4_000));
    assert_eq!((range.pod_max.cpu_milli, range.pod_max.memory_bytes), (None, Some(16 * 1_024 * MIB)));
    assert_eq!(range.pod_min.cpu_milli, None);
}
