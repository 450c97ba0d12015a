//! Where only a part of the cluster may be seen, or read: what is not known is never 0, and says so.

use std::sync::Arc;

use aiops_inventory::{Change, Inventory, Kind, Scope, Sync};
use serde_json::{Value, json};

use super::{
    capacity::{PodCapacity, Profile},
    events::ListEvents,
    health::ClusterHealth,
    namespaces::ListNamespaces,
    nodes::ListNodes,
    pods::ListPods,
};
use crate::{Engine, Error, SharedInventory, testing::FixedClock};

fn engine(prepare: impl FnOnce(&mut Inventory)) -> Engine {
    let mut inventory = Inventory::default();
    let mut put = |kind: Kind, object: Value| {
        inventory.apply(kind, Change::Applied(object.to_string().as_bytes())).unwrap();
    };
    for name in ["shop", "pay", "other"] {
        put(Kind::Namespace, json!({"metadata": {"name": name}}));
    }
    let conditions = json!([{"type": "Ready", "status": "True"}]);
    let allocatable = json!({"cpu": "4", "memory": "8Gi", "pods": "110"});
    let status = json!({"allocatable": allocatable, "conditions": conditions});
    put(Kind::Node, json!({"metadata": {"name": "n1"}, "status": status}));
    let container =
        json!({"name": "c", "image": "x", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}});
    put(
        Kind::Pod,
        json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"nodeName": "n1", "containers": [container]},
            "status": {"phase": "Running"}}),
    );
    put(
        Kind::Event,
        json!({"metadata": {"name": "e", "namespace": "shop"}, "reason": "Pulled", "type": "Normal",
            "involvedObject": {"kind": "Pod", "name": "web"}, "lastTimestamp": "2026-07-01T11:59:00Z"}),
    );
    for kind in Kind::ALL {
        inventory.set_sync(kind, if kind.is_optional() { Sync::Absent } else { Sync::Synced });
    }
    prepare(&mut inventory);
    let now = "2026-07-01T12:00:00Z".parse().unwrap();
    Engine::new(SharedInventory::new(inventory), None, Arc::new(FixedClock(now)))
}

/// `shop` and `pay` may be seen, but pods of `shop` only.
fn limited() -> Engine {
    engine(|inventory| {
        let scope = |names: &[&str]| Scope::Namespaces(names.iter().map(|name| (*name).into()).collect());
        inventory.set_info(|info| info.scope = scope(&["pay", "shop"]));
        for kind in Kind::ALL.into_iter().filter(|kind| kind.resource().namespaced) {
            inventory.set_kind_scope(kind, scope(&["pay", "shop"]));
        }
        inventory.set_kind_scope(Kind::Pod, scope(&["shop"]));
    })
}

fn pods(namespace: Option<&str>) -> ListPods {
    ListPods { namespace: namespace.map(str::to_owned), ..ListPods::default() }
}

#[test]
fn pods_that_are_refused_in_one_namespace_are_not_none() {
    let engine = limited();
    let all = engine.list_pods(&pods(None)).unwrap();
    assert!(all.summary.is_some());
    assert_eq!(all.standing.missing.len(), 1, "{:?}", all.standing);
    assert_eq!(all.standing.missing[0].state, "partial");
    assert!(all.standing.missing[0].reason.contains("may not be listed in pay"), "{:?}", all.standing);
    let refused = engine.list_pods(&pods(Some("pay"))).unwrap();
    assert!(refused.summary.is_none() && refused.standing.lacks(Kind::Pod), "{:?}", refused.standing);
    let seen = engine.list_pods(&pods(Some("shop"))).unwrap();
    assert!(seen.standing.missing.is_empty() && seen.summary.is_some(), "{:?}", seen.standing);
    let health = |namespace: &str| {
        let request = ClusterHealth { details: true, namespace: Some(namespace.to_owned()), limit: None };
        engine.cluster_health(&request).unwrap().status
    };
    assert_eq!(&*health("pay"), "unknown");
    assert_ne!(&*health("shop"), "unknown");
}

#[test]
fn a_namespace_that_may_not_be_seen_is_no_empty_one() {
    let engine = limited();
    let errors = [
        engine.list_pods(&pods(Some("other"))).err(),
        engine
            .list_events(&ListEvents { namespace: Some("other".to_owned()), ..ListEvents::default() })
            .err(),
        engine
            .cluster_health(&ClusterHealth {
                namespace: Some("other".to_owned()),
                ..ClusterHealth::default()
            })
            .err(),
    ];
    for error in errors {
        let error = error.expect("an error and no empty answer");
        assert!(matches!(error, Error::Forbidden { .. }), "{error}");
        assert!(error.to_string().contains("only pay, shop may be seen"), "{error}");
    }
    let listed = engine.list_namespaces(ListNamespaces::default()).unwrap().namespaces;
    let counts: Vec<_> = listed.iter().map(|ns| (ns.name.as_str(), ns.pods, ns.workloads)).collect();
    assert!(counts.contains(&("shop", Some(1), Some(0))), "{counts:?}");
    assert!(counts.contains(&("pay", None, Some(0))), "{counts:?}");
    assert!(counts.contains(&("other", None, None)), "{counts:?}");
}

#[test]
fn room_on_nodes_is_not_known_from_the_pods_of_some_namespaces() {
    let engine = limited();
    let nodes = engine.list_nodes(&ListNodes::default()).unwrap();
    let node = &nodes.nodes[0];
    assert_eq!((node.cpu_millicores.allocatable, node.cpu_millicores.requested), (Some(4_000), None));
    assert!(
        nodes.standing.missing.iter().any(|m| m.kind == "Pod" && m.reason.contains("what nodes have left"))
    );
    let request = PodCapacity {
        namespace: "cluster".to_owned(),
        profile: Profile::Medium,
        custom: None,
        safety_margin: 15.0,
        include_trending: false,
    };
    let capacity = engine.pod_capacity(&request).unwrap();
    assert_eq!(capacity.recommended_limit.max_pod_count, None, "{capacity:?}");
}

#[test]
fn objects_that_cannot_be_read_are_told_beside_the_counts() {
    let engine = engine(|inventory| {
        let bad = br#"{"metadata":{"name":"odd","namespace":"shop"},"status":{"phase":7}}"#;
        inventory.apply(Kind::Pod, Change::Applied(bad)).unwrap_err();
    });
    let answer = engine.list_pods(&pods(None)).unwrap();
    assert_eq!(answer.page.total, Some(1));
    assert!(answer.summary.is_some());
    let missing = &answer.standing.missing;
    assert!(
        missing.iter().any(|m| m.state == "partial" && m.reason.contains("1 of them exist")),
        "{missing:?}"
    );
}

#[test]
fn events_are_found_by_the_words_people_use() {
    let engine = engine(|_| ());
    for (kind, name) in [("pods", ""), ("Pod", "web"), ("", ""), (" ", " "), ("POD", "web")] {
        let request =
            ListEvents { kind: Some(kind.into()), name: Some(name.into()), ..ListEvents::default() };
        assert_eq!(engine.list_events(&request).unwrap().events_total, Some(1), "{kind:?} {name:?}");
    }
    let request = ListEvents { kind: Some("deploy".into()), ..ListEvents::default() };
    assert_eq!(engine.list_events(&request).unwrap().events_total, Some(0));
}

#[test]
fn kinds_that_may_not_be_seen_are_told_beside_no_issues() {
    let engine = engine(|inventory| {
        for kind in [Kind::Service, Kind::EndpointSlice, Kind::Job] {
            let reason = format!("{} may not be listed", kind.resource().plural);
            inventory.set_sync(kind, Sync::Forbidden { reason: reason.as_str().into() });
        }
        inventory.set_sync(Kind::PodDisruptionBudget, Sync::Warming);
    });
    let health = engine.cluster_health(&ClusterHealth::default()).unwrap();
    let missing: Vec<(&str, &str)> =
        health.standing.missing.iter().map(|m| (m.kind.as_str(), m.state.as_str())).collect();
    assert_eq!(missing, [("Job, Service, EndpointSlice", "forbidden"), ("PodDisruptionBudget", "warming")]);
    assert!(health.standing.missing[0].reason.contains("jobs may not be listed"), "{:?}", health.standing);
}
