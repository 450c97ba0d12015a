//! What the rows tell the guard.

use aiops_inventory::Kind;
use serde_json::{Value, json};

use super::*;
use crate::{
    coordinator::world::{World, crashing},
    issue::Severity,
    ports::store::{Control, Entry},
};

fn labelled(mut object: Value, key: &str) -> Value {
    object["metadata"]["labels"][key] = json!("true");
    object
}

fn of(world: &World, kind: &str, namespace: &str, name: &str) -> Facts {
    facts(&world.rows.look(), &Target::known(kind, namespace, name))
}

const POD: &str = "web-7d9c8f6b5-00000";

#[test]
fn a_pod_is_told_by_its_owner_and_its_budget() {
    let world = World::new();
    world.put(&crashing("web", 100, 3));
    let pod = of(&world, "Pod", "shop", POD);
    assert_eq!((pod.owner_kind.as_deref(), pod.owner_name.as_deref()), (Some("Deployment"), Some("web")));
    assert_eq!((pod.replicas, pod.has_budget, pod.budget_allows), (Some(3), Some(false), None));
    world.put(&[json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"disruptionsAllowed": 1}})]);
    let pod = of(&world, "Pod", "shop", POD);
    assert_eq!((pod.has_budget, pod.budget_allows), (Some(true), Some(1)));
    // Budgets that may not be listed are not known, which is not none.
    world.rows.change(|rows| {
        rows.set_sync(Kind::PodDisruptionBudget, aiops_inventory::Sync::Forbidden { reason: "no".into() });
    });
    assert_eq!(of(&world, "Pod", "shop", POD).has_budget, None);
    assert_eq!(of(&world, "Pod", "shop", "nobody"), Facts::default());
}

#[test]
fn who_asks_to_be_left_alone_is_seen_on_object_owner_and_namespace() {
    let plain = crashing("web", 100, 1);
    for at in [0, 2] {
        let world = World::new();
        world.put(&plain);
        assert_eq!(of(&world, "Pod", "shop", POD).opted_out_by, None);
        world.put(&[labelled(plain[at].clone(), OPT_OUT)]);
        assert!(of(&world, "Pod", "shop", POD).opted_out_by.is_some(), "{}", plain[at]["kind"]);
    }
    let world = World::new();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    world.put(&[labelled(namespace, OPT_OUT)]);
    let by = of(&world, "Deployment", "shop", "web").opted_out_by.unwrap();
    assert!(by.contains("namespace"), "{by}");
}

#[test]
fn an_autoscaler_and_the_control_plane_are_seen() {
    let world = World::new();
    world.put(&crashing("web", 100, 3));
    assert_eq!(of(&world, "Deployment", "shop", "web").autoscaler, None);
    world.put(&[json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "scale", "namespace": "shop"},
        "spec": {"minReplicas": 1, "maxReplicas": 9, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}})]);
    let facts = of(&world, "Deployment", "shop", "web");
    assert_eq!(facts.autoscaler.as_deref(), Some("HorizontalPodAutoscaler shop/scale"));
    assert_eq!(facts.replicas, Some(3));
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "cp",
        "labels": {"node-role.kubernetes.io/control-plane": ""}}});
    world.put(&[node, crate::coordinator::world::node(1, true)]);
    assert_eq!(of(&world, "Node", "", "cp").is_control_plane, Some(true));
    assert_eq!(of(&world, "Node", "", "n1").is_control_plane, Some(false));
}

#[test]
fn an_upgrade_is_seen_where_it_shows() {
    let with = |objects: &[Value]| {
        let world = World::new();
        world.put(objects);
        let rows = world.rows.look();
        upgrading(&rows)
    };
    let master = |name: &str, version: &str| {
        json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"node-role.kubernetes.io/master": ""}},
            "status": {"nodeInfo": {"kubeletVersion": version}}})
    };
    let progressing = |status: &str| {
        json!({"apiVersion": "config.openshift.io/v1", "kind": "ClusterVersion", "metadata": {"name": "version"},
            "status": {"desired": {"version": "4.19.1"}, "conditions": [{"type": "Progressing", "status": status}]}})
    };
    let pool = json!({"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
        "metadata": {"name": "worker"}, "status": {"machineCount": 3, "updatedMachineCount": 1,
            "conditions": [{"type": "Updating", "status": "True"}]}});
    assert_eq!(with(&[progressing("False"), master("a", "v1.33.1"), master("b", "v1.33.4")]), None);
    assert!(with(&[progressing("True")]).unwrap().contains("4.19.1"));
    assert!(with(&[pool]).unwrap().contains("1 of 3"));
    assert!(with(&[master("a", "v1.33.1"), master("b", "v1.34.0")]).unwrap().contains("v1.34"));
}

#[tokio::test]
async fn the_store_tells_the_rest() {
    let world = World::new();
    let target = Target::known("Deployment", "shop", "web");
    let problem = Problem {
        issue: "crash_loop".to_owned(),
        severity: Severity::High,
        description: String::new(),
        target: target.clone(),
        named: target.clone(),
    };
    let entry = Entry {
        at: 0,
        actor: "ann".to_owned(),
        via: crate::model::caller::Via::Cli,
        action: "control".to_owned(),
        object: String::new(),
        body: json!({}),
    };
    let control = Control {
        name: "kill_switch".to_owned(),
        mode: "pause".to_owned(),
        reason: Some("freeze".to_owned()),
        set_by: "ann".to_owned(),
        at: 0,
    };
    world.inner().store.set_control(&control, &entry, None).await.unwrap();
    let restart = Action::RestartWorkload { target };
    let figures = world.inner().figures(&problem, &[&restart], None).await.unwrap();
    assert_eq!(figures.kill_switch, crate::guard::KillSwitch::Pause);
    assert!(figures.kill_switch_why.contains("ann") && figures.kill_switch_why.contains("freeze"));
    assert_eq!((figures.cluster.as_deref(), figures.plan_cluster), (Some("cluster-1"), None));
    assert_eq!((figures.cooldown, figures.outcomes.len(), figures.active.len()), (None, 0, 0));
    assert_eq!(world.inner().active().await.unwrap(), []);
    assert!(figures.facts.contains_key(&problem.target.key()));
}
