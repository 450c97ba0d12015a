//! What the checks of a plan say of what its steps did not touch themselves.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    dying::Gate,
    world::{World, node, node_target, web},
};
use crate::{
    model::{
        Millis,
        action::Action,
        layer::Layer,
        phase::{Phase, Verdict},
        plan::{Checkpoint, Plan},
        target::Target,
        wire_time,
    },
    testing::FakeCluster,
    workflow::checks,
};

/// When the workflows of these tests began: a whole second.
const BEGAN: Millis = 1_800_000_000_000;
const BEFORE: Millis = BEGAN - 60_000;
const AFTER: Millis = BEGAN + 60_000;

/// An object's conditions, as of a moment.
fn conditions(mut object: Value, said: &[(&str, &str)], since: Millis) -> Value {
    let since = wire_time(since).unwrap();
    let all = said
        .iter()
        .map(|(kind, status)| json!({"type": kind, "status": status, "lastTransitionTime": since}));
    object["status"]["conditions"] = all.collect();
    object
}

fn node_in(name: &str, role: &str, ready: &str, since: Millis) -> Value {
    let mut node = node(name);
    node["metadata"]["labels"] = json!({format!("node-role.kubernetes.io/{role}"): ""});
    conditions(node, &[("Ready", ready)], since)
}

fn pool(name: &str, degraded: &str, since: Millis) -> Value {
    let group = "machineconfiguration.openshift.io";
    let object = json!({
        "apiVersion": format!("{group}/v1"), "kind": "MachineConfigPool",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": "3", "generation": 2},
        "spec": {"nodeSelector": {"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}}},
        "status": {"observedGeneration": 2},
    });
    conditions(object, &[("Updated", "True"), ("Updating", "False"), ("Degraded", degraded)], since)
}

fn pool_target(name: &str) -> Target {
    Target::known("MachineConfigPool", "", name).with_uid(format!("uid-{name}"))
}

fn uncordon(name: &str) -> Plan {
    World::plan(vec![Action::UncordonNode { target: node_target(name) }])
}

fn awaiting(name: &str) -> Plan {
    World::plan(vec![Action::AwaitPool { target: pool_target(name) }])
}

async fn said(cluster: &FakeCluster, name: &str, plan: &Plan) -> (Verdict, String) {
    let settled = (Verdict::Passed, "it has settled".to_owned());
    checks::check(cluster, name, plan, BEGAN, &settled).await
}

#[tokio::test]
async fn nodes_that_no_step_is_about_do_not_count() {
    let cluster = FakeCluster::new();
    cluster.put("nodes", node_in("n0", "worker", "True", BEFORE));
    for (other, since) in [("Unknown", BEFORE), ("False", AFTER)] {
        cluster.put("nodes", node_in("n1", "worker", other, since));
        let (verdict, why) = said(&cluster, "nodes_ready", &uncordon("n0")).await;
        assert_eq!(verdict, Verdict::Passed, "{why}");
        assert!(why.starts_with("1 of 2 nodes were asked"), "{why}");
    }
    // The step's own counts, also when it was not ready before: that is what the step is for.
    for since in [BEFORE, AFTER] {
        cluster.put("nodes", node_in("n0", "worker", "False", since));
        let (verdict, why) = said(&cluster, "nodes_ready", &uncordon("n0")).await;
        assert_eq!((verdict, why.as_str()), (Verdict::Failed, "Node n0 has Ready=False"));
    }
    // A cordoned one need not be ready, and one that is gone is not.
    assert_eq!(said(&cluster, "nodes_ready", &World::cordons(&["n0"])).await.0, Verdict::Passed);
    let (verdict, why) = said(&cluster, "nodes_ready", &uncordon("n7")).await;
    assert_eq!((verdict, why.as_str()), (Verdict::Failed, "Node n7 is not there"));
}

#[tokio::test]
async fn of_a_pool_that_is_waited_for_only_what_went_wrong_since_counts() {
    let cluster = FakeCluster::new();
    for name in ["worker", "infra"] {
        cluster.put("machineconfigpools", pool(name, "False", BEFORE));
    }
    cluster.put("nodes", node_in("w0", "worker", "True", BEFORE));
    cluster.put("nodes", node_in("i0", "infra", "False", AFTER));
    // Of both roles: it is the other pool's.
    let mut both = node_in("i1", "infra", "False", AFTER);
    both["metadata"]["labels"]["node-role.kubernetes.io/worker"] = json!("");
    cluster.put("nodes", both);
    for (ready, since, verdict) in [
        ("True", AFTER, Verdict::Passed),
        ("Unknown", BEFORE, Verdict::Passed),
        ("Unknown", AFTER, Verdict::Failed),
        // Within the second in which the workflow began: it may have come after.
        ("False", BEGAN, Verdict::Failed),
        ("False", BEGAN - 1_000, Verdict::Passed),
    ] {
        cluster.put("nodes", node_in("w1", "worker", ready, since));
        let (is, why) = said(&cluster, "nodes_ready", &awaiting("worker")).await;
        assert_eq!(is, verdict, "{ready} since {since}: {why}");
    }
    // One that tells no time is taken for new.
    let mut timeless = node_in("w1", "worker", "False", BEFORE);
    timeless["status"]["conditions"][0].as_object_mut().unwrap().remove("lastTransitionTime");
    cluster.put("nodes", timeless);
    assert_eq!(said(&cluster, "nodes_ready", &awaiting("worker")).await.0, Verdict::Failed);
}

#[tokio::test]
async fn pools_count_that_are_waited_for_or_hold_a_node_of_the_plan() {
    let cluster = FakeCluster::new();
    cluster.put("nodes", node_in("n0", "worker", "True", BEFORE));
    cluster.put("machineconfigpools", pool("worker", "False", BEFORE));
    cluster.put("machineconfigpools", pool("infra", "True", AFTER));
    for plan in [awaiting("worker"), uncordon("n0")] {
        let (verdict, why) = said(&cluster, "mco_stable", &plan).await;
        assert_eq!(verdict, Verdict::Passed, "{why}");
        assert!(why.starts_with("1 of 2 machine config pools were asked"), "{why}");
    }
    for (plan, since, verdict) in [
        (awaiting("worker"), BEFORE, Verdict::Failed),
        (awaiting("worker"), AFTER, Verdict::Failed),
        (uncordon("n0"), BEFORE, Verdict::Passed),
        (uncordon("n0"), AFTER, Verdict::Failed),
    ] {
        cluster.put("machineconfigpools", pool("worker", "True", since));
        let (is, why) = said(&cluster, "mco_stable", &plan).await;
        assert_eq!(is, verdict, "{} since {since}: {why}", plan.steps[0].description);
        assert_eq!(why.contains("worker has Degraded=True"), verdict == Verdict::Failed, "{why}");
    }
    // Where there are no pools, none can be unwell.
    assert_eq!(said(&FakeCluster::new(), "mco_stable", &uncordon("n0")).await.0, Verdict::Passed);
}

#[tokio::test]
async fn the_systems_pods_count_on_the_nodes_of_the_plan() {
    let cluster = FakeCluster::new();
    let set = |ready: u32| {
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "proxy", "namespace": "kube-system", "uid": "uid-proxy"},
            "spec": {"selector": {"matchLabels": {"app": "proxy"}}},
            "status": {"desiredNumberScheduled": 2, "numberReady": ready}})
    };
    let pod = |node: &str, ready: &str, since| {
        let object = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("proxy-{node}"), "namespace": "kube-system", "labels": {"app": "proxy"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "proxy",
                    "uid": "uid-proxy", "controller": true}]},
            "spec": {"nodeName": node}});
        conditions(object, &[("Ready", ready)], since)
    };
    for name in ["n0", "n1"] {
        cluster.put("nodes", node_in(name, "worker", "True", BEFORE));
        cluster.put("pods", pod(name, "True", BEFORE));
    }
    cluster.put("daemonsets", set(2));
    let plan = uncordon("n0");
    assert_eq!(said(&cluster, "system_pods_running", &plan).await.0, Verdict::Passed);
    assert!(!cluster.calls.lock().iter().any(|call| call.starts_with("list pods")));
    cluster.put("daemonsets", set(1));
    cluster.put("pods", pod("n1", "False", AFTER));
    let (verdict, why) = said(&cluster, "system_pods_running", &plan).await;
    assert_eq!(verdict, Verdict::Passed, "{why}");
    let (verdict, why) = said(&cluster, "system_pods_running", &uncordon("n1")).await;
    assert_eq!(verdict, Verdict::Failed);
    assert_eq!(why, "pod proxy-n1 of DaemonSet proxy on Node n1 has Ready=False");
    // One that is not scheduled yet says by its affinity for which node it is.
    let mut waiting = pod("n1", "False", AFTER);
    waiting["spec"] = json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]}}}});
    cluster.put("pods", waiting);
    assert_eq!(said(&cluster, "system_pods_running", &uncordon("n1")).await.0, Verdict::Failed);
    assert_eq!(said(&cluster, "system_pods_running", &plan).await.0, Verdict::Passed);
}

#[tokio::test]
async fn operators_that_were_unavailable_before_count_only_where_the_plan_is_about_them() {
    let cluster = FakeCluster::new();
    let operator = |available: &str, since| {
        let object = json!({"apiVersion": "config.openshift.io/v1", "kind": "ClusterOperator",
            "metadata": {"name": "ingress"}});
        conditions(object, &[("Available", available)], since)
    };
    let mut own = awaiting("worker");
    own.problem.target = Target::known("ClusterOperator", "", "ingress");
    for (plan, since, verdict) in [
        (&awaiting("worker"), BEFORE, Verdict::Passed),
        (&awaiting("worker"), AFTER, Verdict::Failed),
        (&own, BEFORE, Verdict::Failed),
    ] {
        cluster.put("clusteroperators", operator("False", since));
        let (is, why) = said(&cluster, "ingress_available", plan).await;
        assert_eq!(is, verdict, "{since}: {why}");
        // Which is not among those of the network.
        assert_eq!(said(&cluster, "networking_functional", plan).await.0, Verdict::Passed);
    }
}

#[tokio::test]
async fn only_the_claims_that_the_target_mounts_count() {
    let world = World::new();
    let claim = |name: &str, phase: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": "shop"}, "status": {"phase": phase}})
    };
    let put = |name: &str, phase: &str| world.cluster.put("persistentvolumeclaims", claim(name, phase));
    let plan = World::scale(3);
    put("of-others", "Lost");
    put("own", "Pending");
    world.edit(&web(), |web| {
        web["spec"]["template"]["spec"]["volumes"] =
            json!([{"name": "v", "persistentVolumeClaim": {"claimName": "own"}}]);
    });
    let (verdict, why) = said(&world.cluster, "storage_available", &plan).await;
    assert_eq!((verdict, why.as_str()), (Verdict::Passed, "1 of 2 claims were asked, and all are well"));
    put("own", "Lost");
    let (verdict, why) = said(&world.cluster, "storage_available", &plan).await;
    assert_eq!((verdict, why.as_str()), (Verdict::Failed, "PersistentVolumeClaim own is Lost"));
    put("own", "Bound");
    // A StatefulSet's are named after it and its pods.
    world.edit(&web(), |web| web["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}}]));
    for (name, verdict) in
        [("data-web-x", Verdict::Passed), ("data-web2-0", Verdict::Passed), ("data-web-0", Verdict::Failed)]
    {
        put(name, "Lost");
        let (is, why) = said(&world.cluster, "storage_available", &plan).await;
        assert_eq!(is, verdict, "{name}: {why}");
    }
}

/// From the plan to its end: what went wrong with a node of the pool before or after it began.
#[tokio::test]
async fn trouble_from_before_ends_no_repair_and_trouble_since_does() {
    for (since, ending) in [(BEFORE, Phase::Completed), (AFTER, Phase::RolledBack)] {
        let world = Arc::new(World::new());
        assert_eq!(world.clock.at(), BEGAN);
        world.cluster.put("machineconfigpools", pool("worker", "False", BEFORE));
        world.cluster.put("nodes", node_in("w1", "worker", "Unknown", since));
        // Elsewhere.
        world.cluster.put("nodes", node_in("n2", "infra", "Unknown", AFTER));
        world.cluster.put("nodes", node_in("n0", "worker", "True", BEFORE));
        let actions = vec![
            Action::AwaitPool { target: pool_target("worker") },
            Action::CordonNode { target: node_target("n0") },
        ];
        let mut plan = World::plan(actions);
        plan.checkpoints = vec![Checkpoint {
            layer: Layer::Infrastructure,
            after_step: 1,
            checks: vec!["nodes_ready".to_owned(), "mco_stable".to_owned()],
            timeout_seconds: 60,
            required: true,
        }];
        let id = world.planned(plan).await;
        let (_coordinator, executor) = world.process("one", &Gate::open());
        let record = world.drive(&executor, &id).await;
        assert_eq!(record.workflow.phase, ending, "{:?}", record.workflow.reason);
        world.check(&id).await;
    }
}

#[tokio::test]
async fn that_a_pod_is_gone_does_not_say_that_its_workload_is_well() {
    let world = World::new();
    let mut plan = World::plan(vec![Action::EvictPod { target: Target::known("Pod", "shop", "web-1") }]);
    plan.problem.target = web();
    let settled = (Verdict::Passed, "Pod shop/web-1 is gone".to_owned());
    for name in ["pods_running", "deployments_ready"] {
        let (verdict, why) = checks::check(&world.cluster, name, &plan, 0, &settled).await;
        assert_eq!(verdict, Verdict::Unknown, "{name}: {why}");
    }
    world.edit(&web(), |web| {
        web["status"] = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2,
            "availableReplicas": 2});
    });
    let (verdict, why) = checks::check(&world.cluster, "pods_running", &plan, 0, &settled).await;
    assert_eq!(verdict, Verdict::Passed, "{why}");
    // What the steps change themselves has been judged already, and what failed has.
    let own = World::scale(3);
    let said = (Verdict::Unknown, "1 of 3 pods are ready".to_owned());
    assert_eq!(checks::check(&world.cluster, "pods_running", &own, 0, &said).await, said);
    assert_eq!(checks::check(&world.cluster, "pods_running", &plan, 0, &said).await, said);
}
