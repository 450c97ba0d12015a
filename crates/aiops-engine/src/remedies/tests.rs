//! Each remedy where it fits and where it does not, and every owner respected.

use serde_json::{Value, json};

use super::*;
use crate::planner::fixtures::{self, World};

mod around;
mod jobs;
mod owners;
mod passed_over;
mod workloads;

/// What a remedy says about an object of a world.
pub(super) async fn judge(world: World, kind: &str, name: &str, remedy: &str) -> Result<Draft, String> {
    let near = world.near(kind, name, "unspecified").await;
    let remedy = REMEDIES.iter().find(|known| known.name() == remedy).expect(remedy);
    remedy.fits(&near)
}

pub(super) async fn fits(world: World, kind: &str, name: &str, remedy: &str) -> Draft {
    judge(world, kind, name, remedy).await.unwrap_or_else(|why| panic!("{remedy} does not fit: {why}"))
}

pub(super) async fn misfits(world: World, kind: &str, name: &str, remedy: &str, part: &str) {
    let why = judge(world, kind, name, remedy).await.expect_err(remedy);
    assert!(why.contains(part), "{remedy}: {why}");
}

fn node(edit: impl FnOnce(&mut Value)) -> World {
    let world = World::empty();
    let mut node = json!({
        "metadata": {"name": "node-1", "uid": "u-node", "labels": {"node-role.kubernetes.io/worker": ""}},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    });
    edit(&mut node);
    world.put("nodes", node);
    world
}

fn under_pressure(node: &mut Value) {
    node["status"]["conditions"] =
        json!([{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "True"}]);
}

fn pool(updating: bool) -> Value {
    let updating = if updating { "True" } else { "False" };
    json!({
        "metadata": {"name": "worker", "uid": "u-pool"},
        "spec": {"nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}}},
        "status": {
            "machineCount": 3, "updatedMachineCount": if updating == "True" { 1 } else { 3 },
            "conditions": [{"type": "Updating", "status": updating}],
        },
    })
}

#[tokio::test]
async fn a_node_under_pressure_is_cordoned_once() {
    let draft = fits(node(under_pressure), "Node", "node-1", "cordon-node").await;
    assert!(draft.why.contains("DiskPressure"), "{}", draft.why);
    assert!(matches!(draft.moves[0].action, Action::CordonNode { .. }));
    misfits(node(|_| ()), "Node", "node-1", "cordon-node", "no pressure").await;
    let cordoned = node(|node| {
        under_pressure(node);
        node["spec"]["unschedulable"] = json!(true);
    });
    misfits(cordoned, "Node", "node-1", "cordon-node", "cordoned already").await;
}

#[tokio::test]
async fn only_a_sound_node_is_uncordoned() {
    let cordoned = |node: &mut Value| node["spec"]["unschedulable"] = json!(true);
    let draft = fits(node(cordoned), "Node", "node-1", "uncordon-node").await;
    assert!(matches!(draft.moves[0].action, Action::UncordonNode { .. }));
    misfits(node(|_| ()), "Node", "node-1", "uncordon-node", "not cordoned").await;
    let down = node(|node| {
        cordoned(node);
        node["status"]["conditions"] = json!([{"type": "Ready", "status": "Unknown"}]);
    });
    misfits(down, "Node", "node-1", "uncordon-node", "not ready").await;
    let world = node(cordoned);
    world.put("machineconfigpools", pool(true));
    misfits(world, "Node", "node-1", "uncordon-node", "updating").await;
}

#[tokio::test]
async fn a_drain_cordons_first_and_evicts_what_is_made_again() {
    let world = node(|_| ());
    for name in ["web-2-a", "web-2-b"] {
        world.put("pods", fixtures::pod(name, "web-2"));
    }
    let mut daemon = fixtures::pod("agent-x", "agent-1");
    daemon["metadata"]["ownerReferences"][0]["kind"] = json!("DaemonSet");
    world.put("pods", daemon);
    let mut mirror = fixtures::pod("static-x", "web-2");
    mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("x");
    world.put("pods", mirror);
    let mut elsewhere = fixtures::pod("web-2-c", "web-2");
    elsewhere["spec"]["nodeName"] = json!("node-2");
    world.put("pods", elsewhere);
    let draft = fits(world, "Node", "node-1", "drain-node").await;
    let names: Vec<&str> = draft.moves.iter().map(|one| one.action.name()).collect();
    assert_eq!(names, ["cordon-node", "evict-pod", "evict-pod"]);
    assert!(draft.moves[1].description.contains("cannot be brought back"));
    assert_eq!(draft.risk, Risk::High);
}

#[tokio::test]
async fn a_drain_names_the_pods_whose_empty_dirs_are_lost() {
    let world = node(|_| ());
    world.put("pods", fixtures::pod("web-2-a", "web-2"));
    let mut keeping = fixtures::pod("web-2-b", "web-2");
    keeping["spec"]["volumes"] = json!([
        {"name": "cache", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory"}},
        {"name": "config", "configMap": {"name": "x"}},
    ]);
    world.put("pods", keeping);
    let draft = fits(world, "Node", "node-1", "drain-node").await;
    assert!(draft.why.contains("emptyDir volumes is lost: shop/web-2-b (cache)"), "{}", draft.why);
    let told = |name: &str| draft.moves.iter().find(|one| one.description.contains(name)).unwrap();
    assert!(told("web-2-b").description.contains("emptyDir volumes (cache)"));
    assert!(!told("web-2-a").description.contains("emptyDir"));
}

#[tokio::test]
async fn a_drain_does_not_fit_where_something_would_be_lost() {
    let bare = node(|_| ());
    let mut pod = fixtures::pod("bare", "web-2");
    pod["metadata"]["ownerReferences"] = json!([]);
    bare.put("pods", pod);
    misfits(bare, "Node", "node-1", "drain-node", "nobody would make it again").await;

    let many = node(|_| ());
    for number in 0..=crate::settings::Limits::default().pods_per_workflow {
        many.put("pods", fixtures::pod(&format!("web-2-{number}"), "web-2"));
    }
    misfits(many, "Node", "node-1", "drain-node", "kubectl drain node-1").await;

    let budget = |name: &str, allowed: i64| {
        json!({"metadata": {"name": name, "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}}, "status": {"disruptionsAllowed": allowed}})
    };
    let blocked = node(|_| ());
    blocked.put("pods", fixtures::pod("web-2-a", "web-2"));
    blocked.put("poddisruptionbudgets", budget("web", 0));
    // A pod that is not ready goes only where its budget is met without it, or says so.
    let unready = |healthy: i64, policy: Option<&str>| {
        let world = node(|_| ());
        let mut pod = fixtures::pod("web-2-a", "web-2");
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
        world.put("pods", pod);
        let mut kept = budget("web", 0);
        kept["status"]["currentHealthy"] = json!(healthy);
        kept["status"]["desiredHealthy"] = json!(2);
        if let Some(policy) = policy {
            kept["spec"]["unhealthyPodEvictionPolicy"] = json!(policy);
        }
        world.put("poddisruptionbudgets", kept);
        world
    };
    misfits(unready(1, None), "Node", "node-1", "drain-node", "allows no disruption").await;
    fits(unready(2, None), "Node", "node-1", "drain-node").await;
    fits(unready(0, Some("AlwaysAllow")), "Node", "node-1", "drain-node").await;
    misfits(blocked, "Node", "node-1", "drain-node", "PodDisruptionBudget web allows no disruption").await;

    let twice = node(|_| ());
    twice.put("pods", fixtures::pod("web-2-a", "web-2"));
    twice.put("poddisruptionbudgets", budget("one", 1));
    twice.put("poddisruptionbudgets", budget("two", 1));
    misfits(twice, "Node", "node-1", "drain-node", "2 disruption budgets").await;
}

#[tokio::test]
async fn a_pool_that_is_updating_is_waited_for() {
    let world = node(|_| ());
    world.put("machineconfigpools", pool(true));
    let draft = fits(world, "Node", "node-1", "await-pool").await;
    assert!(draft.why.contains("1 of 3"), "{}", draft.why);
    assert!(matches!(&draft.moves[0].action, Action::AwaitPool { target } if target.name == "worker"));
    let world = node(|_| ());
    world.put("machineconfigpools", pool(false));
    misfits(world, "Node", "node-1", "await-pool", "not updating").await;
    misfits(node(|_| ()), "Node", "node-1", "await-pool", "").await;
    let world = World::empty();
    let mut degraded = pool(true);
    degraded["status"]["conditions"] =
        json!([{"type": "Updating", "status": "True"}, {"type": "Degraded", "status": "True"}]);
    world.put("machineconfigpools", degraded);
    misfits(world, "MachineConfigPool", "worker", "await-pool", "degraded").await;
}

#[test]
fn a_binary_knows_its_own_remedies_and_no_newer_ones() {
    for remedy in REMEDIES {
        assert!(knows(remedy.name(), remedy.version()));
        assert!(!knows(remedy.name(), remedy.version() + 1), "{}", remedy.name());
    }
    assert!(knows(LAYERED, 1) && knows("scale-workload", 1));
    assert!(!knows("scale-workload", 2) && !knows("magic", 1) && !knows("record-release", 1));
}
