//! Pods that stay where they are for what does not stand in them.

use serde_json::json;

use super::*;
use crate::{guard::OPT_OUT, model::target::Target};

/// A node with one pod of `web` that has a claim, bound to a volume of this kind.
fn claimed(volume: Value) -> World {
    let world = node(|_| ());
    world.put("deployments", fixtures::deployment());
    world.put("replicasets", fixtures::replica_set(2, "2026-01-01T11:55:00Z"));
    let mut pod = fixtures::pod("web-2-a", "web-2");
    pod["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    world.put("pods", pod);
    let claim = json!({"metadata": {"name": "data", "namespace": "shop"}, "spec": {"volumeName": "pv-1"}});
    world.put("persistentvolumeclaims", claim);
    world.put("persistentvolumes", json!({"metadata": {"name": "pv-1"}, "spec": volume}));
    world
}

fn by_host(key: &str) -> Value {
    let expression = json!({"key": key, "operator": "In", "values": ["node-1"]});
    json!({"csi": {}, "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}})
}

#[tokio::test]
async fn a_pod_whose_volume_is_on_its_node_alone_is_not_evicted() {
    let part = "its claim data is on the local volume pv-1";
    for volume in [
        json!({"local": {"path": "/mnt"}}),
        json!({"hostPath": {"path": "/mnt"}}),
        by_host("kubernetes.io/hostname"),
    ] {
        misfits(claimed(volume.clone()), "Node", "node-1", "drain-node", part).await;
        // Nor by name.
        let evict = Action::EvictPod { target: Target::known("Pod", "shop", "web-2-a") };
        let why = fixtures::refused(claimed(volume).order("Pod", "web-2-a", evict).await.unwrap());
        assert!(why.contains(part), "{why}");
    }
    fits(claimed(json!({"csi": {"driver": "ebs"}})), "Node", "node-1", "drain-node").await;
    fits(claimed(by_host("topology.kubernetes.io/zone")), "Node", "node-1", "drain-node").await;
    let unbound = claimed(json!({"local": {}}));
    unbound.edit("persistentvolumeclaims", "data", |claim| claim["spec"] = json!({}));
    fits(unbound, "Node", "node-1", "drain-node").await;
    // A generic ephemeral volume's claim has the pod's name.
    let ephemeral = claimed(json!({"local": {}}));
    ephemeral.edit("pods", "web-2-a", |pod| {
        pod["spec"]["volumes"] = json!([{"name": "data", "ephemeral": {"volumeClaimTemplate": {}}}]);
    });
    ephemeral.put(
        "persistentvolumeclaims",
        json!({"metadata": {"name": "web-2-a-data", "namespace": "shop"}, "spec": {"volumeName": "pv-1"}}),
    );
    misfits(ephemeral, "Node", "node-1", "drain-node", "its claim web-2-a-data").await;
}

#[tokio::test]
async fn a_node_is_not_drained_where_it_is_not_known_whose_volumes_are_on_it() {
    let mut near = claimed(json!({"csi": {}})).near("Node", "node-1", "unspecified").await;
    near.pods[0].unread = Some("PersistentVolume pv-1 could not be read: forbidden".to_owned());
    let drain = REMEDIES.iter().find(|known| known.name() == "drain-node").unwrap();
    let why = drain.fits(&near).unwrap_err();
    assert!(
        why.contains("whether pod shop/web-2-a can leave it is not known") && why.contains("forbidden"),
        "{why}"
    );
}

#[tokio::test]
async fn a_pod_that_asks_to_be_left_alone_keeps_its_node_from_being_drained() {
    for (plural, name, part) in [
        ("pods", "web-2-a", "it asks to be left alone"),
        ("replicasets", "web-2", "ReplicaSet shop/web-2 asks to be left alone"),
        ("deployments", "web", "Deployment shop/web asks to be left alone"),
        ("namespaces", "shop", "Namespace shop asks to be left alone"),
    ] {
        for map in ["annotations", "labels"] {
            let world = claimed(json!({"csi": {}}));
            world.edit(plural, name, |object| object["metadata"][map][OPT_OUT] = json!("true"));
            misfits(world, "Node", "node-1", "drain-node", part).await;
            let world = claimed(json!({"csi": {}}));
            world.edit(plural, name, |object| object["metadata"][map][OPT_OUT] = json!("false"));
            fits(world, "Node", "node-1", "drain-node").await;
        }
    }
}

#[tokio::test]
async fn a_plan_says_who_asks_for_its_target_to_be_left_alone() {
    for (plural, name, who) in
        [("deployments", "web", "Deployment shop/web"), ("namespaces", "shop", "Namespace shop")]
    {
        let world = World::crashing();
        world.edit(plural, name, |object| object["metadata"]["annotations"][OPT_OUT] = json!("true"));
        let plan = fixtures::made(world.plan("Deployment", "web", "crash_loop").await);
        let said = plan.left_alone.unwrap();
        assert!(said.contains(&format!("{who} asks to be left alone")) && said.contains(OPT_OUT), "{said}");
    }
    let plan = fixtures::made(World::crashing().plan("Deployment", "web", "crash_loop").await);
    assert_eq!(plan.left_alone, None);
}

#[tokio::test]
async fn without_the_disruption_budgets_nothing_is_evicted() {
    let near = || claimed(json!({"csi": {}})).near("Node", "node-1", "unspecified");
    let drain = REMEDIES.iter().find(|known| known.name() == "drain-node").unwrap();
    let mut blind = near().await;
    blind.gaps.push("poddisruptionbudgets could not be read: forbidden".to_owned());
    let why = drain.fits(&blind).unwrap_err();
    assert!(why.contains("whether a disruption budget covers pod shop/web-2-a is not known"), "{why}");
    drain.fits(&near().await).unwrap();
}

/// The node of one pod in a cluster with so many disruption budgets, none of which covers it.
fn among_budgets(others: u32) -> World {
    let world = claimed(json!({"csi": {}}));
    for number in 0..others {
        let budget = json!({"metadata": {"name": format!("b-{number}"), "namespace": format!("n-{}", number % 90)},
            "spec": {"selector": {"matchLabels": {"app": "web"}}}, "status": {"disruptionsAllowed": 0}});
        world.put("poddisruptionbudgets", budget);
    }
    world
}

#[tokio::test]
async fn a_large_clusters_disruption_budgets_are_read_to_their_end() {
    fits(among_budgets(600), "Node", "node-1", "drain-node").await;
    // The one that counts is the last of them.
    let world = among_budgets(600);
    let last = json!({"metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}}, "status": {"disruptionsAllowed": 0}});
    world.put("poddisruptionbudgets", last);
    misfits(world, "Node", "node-1", "drain-node", "PodDisruptionBudget web allows no disruption").await;
    let part = "is not known: more than 5000 poddisruptionbudgets were not read";
    misfits(among_budgets(5_001), "Node", "node-1", "drain-node", part).await;
}
