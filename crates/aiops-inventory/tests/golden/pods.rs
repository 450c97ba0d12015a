//! Pods.

use aiops_inventory::{
    Interner, decode,
    labels::Selector,
    rows::{ContainerKind, ContainerState, Phase, pod::Resources},
};

use crate::{CHANGED, CREATED, at, fixture, row};

const MIB: i64 = 1 << 20;

#[test]
fn a_crashing_pod_keeps_why() {
    let pod = row(decode::pods, fixture!("pod-crash-loop"));
    assert_eq!(
        (pod.meta.key.namespace.as_str(), pod.meta.key.name.as_str()),
        ("shop", "checkout-7d4b9c6f5-x2k9p")
    );
    assert_eq!((pod.meta.created, pod.meta.deleting, pod.meta.generation), (at(CREATED), None, 1));
    assert_ne!(pod.meta.uid, 0);
    assert!(Selector::parse("app=checkout,pod-template-hash").expect("selector").matches(&pod.meta.labels));
    let owner = pod.meta.owner.as_deref().expect("owner");
    assert_eq!((owner.kind.as_str(), owner.name.as_str()), ("ReplicaSet", "checkout-7d4b9c6f5"));
    assert_eq!(pod.node.as_deref(), Some("worker-2"));
    assert_eq!((pod.phase, pod.reason.as_str(), &pod.message), (Phase::Running, "", &None));
    assert_eq!(pod.ip, Some("10.244.2.17".parse().expect("address")));
    assert_eq!((pod.ready, pod.ready_since), (false, at(CHANGED)));
    assert_eq!(pod.started, Some(at(CREATED) + 1));
    assert_eq!((pod.priority_class.as_str(), pod.service_account.as_str()), ("business-high", "checkout"));
    assert_eq!(&pod.claims[..], ["checkout-data", "checkout-7d4b9c6f5-x2k9p-scratch"]);
    assert!(!pod.is_mirror && pod.unscheduled.is_none());
    // The migration needs 600m beside the sidecar's 50m, more than 250m + 50m; memory the other way round. Plus overhead.
    assert_eq!(*pod.requests, Resources { cpu_milli: Some(660), memory_bytes: Some((256 + 64 + 16) * MIB) });
    assert_eq!(*pod.limits, Resources { cpu_milli: Some(1_200), memory_bytes: Some((512 + 128) * MIB) });

    let [mesh, migrate, checkout] = &pod.containers[..] else { panic!("three containers") };
    assert_eq!((mesh.spec.kind, mesh.ready, mesh.started), (ContainerKind::Sidecar, true, Some(true)));
    assert_eq!(mesh.state, ContainerState::Running(at(CREATED) + 5));
    assert!(mesh.spec.has_startup && !mesh.spec.has_liveness);
    assert_eq!(migrate.spec.kind, ContainerKind::Init);
    let ContainerState::Terminated(ended) = &migrate.state else { panic!("the migration ended") };
    assert_eq!((ended.exit_code, ended.reason.as_str(), ended.finished), (0, "Completed", at(CREATED) + 9));
    assert_eq!((checkout.spec.kind, checkout.restarts), (ContainerKind::Main, 14));
    assert_eq!(checkout.spec.image, "registry.example.com/shop/checkout:2.3.1");
    assert!(checkout.spec.has_liveness && checkout.spec.has_readiness && !checkout.spec.has_startup);
    let ContainerState::Waiting(waiting) = &checkout.state else { panic!("it waits") };
    assert_eq!(waiting.reason, "CrashLoopBackOff");
    assert!(waiting.message.starts_with("back-off 5m0s"));
    let last = checkout.last.as_deref().expect("last end");
    assert_eq!((last.exit_code, last.reason.as_str(), last.signal), (137, "OOMKilled", 0));
    assert_eq!((pod.status(), pod.ready_containers(), pod.is_suspect()), ("CrashLoopBackOff", (1, 2), true));
}

#[test]
fn values_of_variables_and_arguments_are_not_kept() {
    let pod = row(decode::pods, fixture!("pod-crash-loop"));
    let deployment = row(decode::deployments, fixture!("deployment"));
    assert!(String::from_utf8_lossy(fixture!("pod-crash-loop")).contains("hunter2"));
    assert!(!format!("{pod:?}{deployment:?}").contains("hunter2"));
}

#[test]
fn an_unschedulable_pod_keeps_the_schedulers_verdict() {
    let pod = row(decode::pods, fixture!("pod-unschedulable"));
    let verdict = pod.unscheduled.as_deref().expect("verdict");
    assert_eq!((verdict.reason.as_str(), verdict.since), ("Unschedulable", at(CHANGED)));
    assert!(verdict.message.starts_with("0/3 nodes are available"));
    assert_eq!((pod.phase, &pod.node, pod.ip, pod.started), (Phase::Pending, &None, None, None));
    assert_eq!(*pod.requests, Resources { cpu_milli: Some(64_000), memory_bytes: Some(1 << 40) });
    assert_eq!(*pod.limits, Resources::default());
    assert_eq!(pod.containers.first().map(|c| &c.state), Some(&ContainerState::Unreported));
    assert_eq!(pod.status(), "Pending");
}

#[test]
fn a_mirror_pod_is_known_as_one() {
    let pod = row(decode::pods, fixture!("pod-mirror"));
    assert!(pod.is_mirror);
    assert_eq!((pod.phase, pod.reason.as_str()), (Phase::Failed, "Evicted"));
    assert!(pod.message.as_deref().expect("message").starts_with("The node was low"));
    assert_eq!(pod.meta.deleting, Some(at(CHANGED)));
    assert_eq!((pod.requests.cpu_milli, pod.requests.memory_bytes), (Some(250), None));
    assert_eq!(pod.meta.owner.as_deref().map(|owner| owner.kind.as_str()), Some("Node"));
}

/// Requests as the scheduler counts them, against the cases of its own documentation.
#[test]
fn requests_are_those_the_scheduler_counts() {
    let container = |cpu: &str, more: &str| {
        format!(
            r#"{{"name":"c{cpu}","resources":{{"requests":{{"cpu":"{cpu}"}},"limits":{{"cpu":"{cpu}"}}}}{more}}}"#
        )
    };
    let sidecar = |cpu: &str| container(cpu, r#","restartPolicy":"Always""#);
    let cases = [
        (vec![], vec![container("1", ""), container("2", "")], "", Some(3_000), Some(3_000)),
        (
            vec![container("5", "")],
            vec![container("1", ""), container("2", "")],
            "",
            Some(5_000),
            Some(3_000),
        ),
        (vec![sidecar("2"), container("5", "")], vec![container("1", "")], "", Some(7_000), Some(3_000)),
        (vec![container("5", ""), sidecar("2")], vec![container("1", "")], "", Some(5_000), Some(3_000)),
        (vec![], vec![container("1", "")], r#","overhead":{"cpu":"250m"}"#, Some(1_250), Some(1_000)),
        (
            vec![],
            vec![container("1", "")],
            r#","resources":{"requests":{"cpu":"4"},"limits":{"cpu":"8"}},"overhead":{"cpu":"250m"}"#,
            Some(4_250),
            Some(8_000),
        ),
        (vec![], vec![container("1", ""), r#"{"name":"free"}"#.to_owned()], "", Some(1_000), None),
        (vec![], vec![r#"{"name":"free"}"#.to_owned()], "", None, None),
        (vec![], vec![], "", None, None),
    ];
    for (init, main, more, requests, limits) in cases {
        let json = format!(
            r#"{{"metadata":{{"name":"p"}},"spec":{{"initContainers":[{}],"containers":[{}]{more}}}}}"#,
            init.join(","),
            main.join(",")
        );
        let pod = row(decode::pods, json.as_bytes());
        assert_eq!((pod.requests.cpu_milli, pod.limits.cpu_milli), (requests, limits), "{json}");
    }
}

#[test]
fn the_same_template_is_kept_once() {
    let (mut interner, mut shared) = (Interner::default(), decode::Shared::default());
    let mut read = |json| decode::pods(json, &mut interner, &mut shared).expect("pod");
    let (one, other) = (read(fixture!("pod-kwok")), read(fixture!("pod-kwok")));
    let spec =
        |pod: &aiops_inventory::rows::PodRow| pod.containers.first().map(|c| std::sync::Arc::as_ptr(&c.spec));
    assert_eq!(spec(&one), spec(&other));
    assert!(std::sync::Arc::ptr_eq(&one.meta.labels, &other.meta.labels));
    assert!(std::sync::Arc::ptr_eq(&one.requests, &other.requests));
    assert!(!one.is_suspect());
}
