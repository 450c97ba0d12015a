//! Nodes, namespaces, network, storage, events and the OpenShift kinds.

use aiops_inventory::{Interner, decode, rows::Truth};

use crate::{CHANGED, CREATED, at, fixture, row};

#[test]
fn a_node_that_does_not_answer() {
    let node = row(decode::nodes, fixture!("node"));
    assert_eq!(&node.roles[..], ["control-plane", "worker"]);
    assert!(node.cordoned);
    let taints: Vec<_> = node.taints.iter().map(|t| (t.key.as_str(), t.effect.as_str(), t.since)).collect();
    assert_eq!(
        taints,
        [
            ("node-role.kubernetes.io/control-plane", "NoSchedule", None),
            ("node.kubernetes.io/unschedulable", "NoSchedule", Some(at(CHANGED))),
        ]
    );
    assert_eq!(node.conditions.first().map(|c| c.kind.as_str()), Some("Ready"));
    assert_eq!((node.ready(), node.conditions.len()), (Some(false), 4));
    let told: Vec<_> =
        node.conditions.iter().filter(|c| c.message.is_some()).map(|c| c.kind.as_str()).collect();
    assert_eq!(told, ["Ready", "DiskPressure"]);
    assert_eq!((node.capacity.cpu_milli, node.capacity.pods), (Some(4_000), Some(110)));
    assert_eq!(node.capacity.memory_bytes, Some(16_384_256 << 10));
    assert_eq!((node.allocatable.cpu_milli, node.allocatable.memory_bytes), (Some(3_920), Some(15 << 30)));
    assert_eq!(node.allocatable.ephemeral_bytes, Some(74_748_088_435));
    assert_eq!((node.kubelet.as_str(), node.runtime.as_str()), ("v1.36.1", "containerd://2.1.4"));
    assert_eq!((node.architecture.as_str(), node.internal_ip.as_str()), ("amd64", "10.0.0.10"));
    assert!(node.os_image.starts_with("Debian"));
}

#[test]
fn a_namespace_that_hangs_in_deletion() {
    let namespace = row(decode::namespaces, fixture!("namespace"));
    assert_eq!((namespace.phase.as_str(), namespace.meta.deleting), ("Terminating", Some(at(CHANGED))));
    assert!(namespace.meta.key.namespace.is_empty());
    let told: Vec<_> =
        namespace.conditions.iter().filter(|c| c.message.is_some()).map(|c| c.kind.as_str()).collect();
    assert_eq!(told, ["NamespaceContentRemaining"]);
}

#[test]
fn a_claim_that_is_bound() {
    let claim = row(decode::claims, fixture!("pvc"));
    assert_eq!((claim.phase.as_str(), claim.storage_class.as_deref()), ("Bound", Some("fast")));
    assert_eq!(claim.volume, "pvc-8d1");
    assert_eq!((claim.requested_bytes, claim.capacity_bytes), (Some(10 << 30), Some(12 << 30)));
    // An empty class asks for no provisioning, which is not the same as asking for nothing.
    let empty = br#"{"metadata":{"name":"c"},"spec":{"storageClassName":""}}"#;
    assert_eq!(row(decode::claims, empty).storage_class.as_deref(), Some(""));
}

#[test]
fn a_service_without_its_address_and_its_slice() {
    let service = row(decode::services, fixture!("service"));
    assert_eq!((service.service_type.as_str(), service.cluster_ip.as_str()), ("LoadBalancer", "10.96.4.20"));
    assert_eq!(&service.ports[..], ["80/TCP", "53/UDP"]);
    assert_eq!(service.selector.get("app").map(|value| value.as_str()), Some("checkout"));
    assert_eq!(service.has_ingress, Some(false));
    let plain = row(decode::services, br#"{"metadata":{"name":"s"},"spec":{"ports":[{"port":5432}]}}"#);
    assert_eq!((plain.service_type.as_str(), plain.has_ingress), ("ClusterIP", None));
    assert_eq!(&plain.ports[..], ["5432/TCP"]);

    let slice = row(decode::endpoint_slices, fixture!("endpointslice"));
    assert_eq!((slice.service.as_str(), slice.ready, slice.not_ready), ("checkout", 2, 1));
}

#[test]
fn events_in_both_dialects() {
    let mut interner = Interner::default();
    let event = decode::event(fixture!("event-core"), &mut interner).expect("event");
    assert_eq!((event.kind.as_str(), event.object.as_str()), ("Pod", "checkout-7d4b9c6f5-x2k9p"));
    assert_eq!((event.reason.as_str(), event.is_warning, event.count), ("BackOff", true, 212));
    assert_eq!((event.first, event.last, event.source.as_str()), (at(CREATED), at(CHANGED), "kubelet"));
    assert!(event.message.starts_with("Back-off restarting"));
    assert_eq!(event.object_uid, row(decode::pods, fixture!("pod-crash-loop")).meta.uid);

    let event = decode::event(fixture!("event-new"), &mut interner).expect("event");
    assert_eq!((event.namespace.as_str(), event.object.as_str()), ("batch", "report-0"));
    assert_eq!((event.reason.as_str(), event.count), ("FailedScheduling", 9));
    assert_eq!((event.first, event.last), (at(CREATED), at(CHANGED)));
    assert_eq!(event.source, "default-scheduler");
    assert!(event.message.contains("Insufficient cpu"));
}

#[test]
fn events_without_uid_are_told_apart_by_name() {
    let mut interner = Interner::default();
    let mut read = |json: &str| decode::event(json.as_bytes(), &mut interner).expect("event").uid;
    let one = read(r#"{"metadata":{"name":"a","namespace":"x"}}"#);
    let other = read(r#"{"metadata":{"name":"b","namespace":"x"}}"#);
    assert!(one != 0 && other != 0 && one != other);
    assert_eq!(one, read(r#"{"metadata":{"name":"a","namespace":"x"},"count":2}"#));
}

#[test]
fn an_operator_that_is_degraded() {
    let operator = row(decode::cluster_operators, fixture!("clusteroperator"));
    assert_eq!(operator.version, "4.20.1");
    let told: Vec<_> =
        operator.conditions.iter().filter(|c| c.message.is_some()).map(|c| c.kind.as_str()).collect();
    assert_eq!(told, ["Degraded", "Progressing", "Upgradeable"]);
}

#[test]
fn an_update_of_the_cluster_under_way() {
    let version = row(decode::cluster_versions, fixture!("clusterversion"));
    assert_eq!((version.desired.as_str(), version.current.as_str()), ("4.20.2", "4.20.1"));
    let progressing = version.conditions.iter().find(|c| c.kind == "Progressing").expect("condition");
    assert_eq!(progressing.status, Truth::True);
    assert!(progressing.message.as_deref().expect("message").contains("56% complete"));
}

#[test]
fn a_paused_pool_with_a_degraded_machine() {
    let pool = row(decode::machine_config_pools, fixture!("machineconfigpool"));
    assert!(pool.paused);
    assert_eq!((pool.machines, pool.updated, pool.ready, pool.unavailable, pool.degraded), (3, 1, 1, 2, 1));
    let degraded = pool.conditions.iter().find(|c| c.kind == "NodeDegraded").expect("condition");
    assert!(degraded.message.as_deref().expect("message").contains("worker-2"));
}

#[test]
fn a_route_that_was_refused() {
    let route = row(decode::routes, fixture!("route"));
    assert_eq!((route.host.as_str(), route.service.as_str()), ("checkout.apps.example.com", "checkout"));
    assert_eq!((route.admitted, route.reason.as_str()), (Some(false), "HostAlreadyClaimed"));
    assert_eq!(row(decode::routes, br#"{"metadata":{"name":"r"}}"#).admitted, None);
}
