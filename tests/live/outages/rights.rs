//! Rights to half of the kinds, and rights in two namespaces: what may be seen is answered, the rest is named.
//!
//! Nothing here breaks; the API server refuses as it should.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Dice, Plane, Served, Told, document};

const SOON: Duration = Duration::from_secs(20);

fn is_settled(told: &Told) -> bool {
    told.facts["warming"].is_null() && told.missing().iter().all(|(_, state, _)| state == "forbidden")
}

fn forbidden(told: &Told) -> Vec<String> {
    told.missing().into_iter().filter(|(_, state, _)| state == "forbidden").map(|(kind, ..)| kind).collect()
}

#[tokio::test]
async fn half_of_the_kinds() {
    let plane = Plane::shared().await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    plane.apply(&workloads(&namespace)).await;
    let served = Served::start(&["--kubeconfig", plane.kubeconfig("half").to_str().unwrap()], &[]);
    let mut open = served.open().await;
    let everything = json!({"include_details": true});
    let (health, _) = open.until("get-cluster-health", &everything, "settled", SOON, is_settled).await;
    let refused = forbidden(&health);
    assert_eq!(refused[..3], ["StatefulSet", "DaemonSet", "PersistentVolumeClaim"], "{}", health.facts);
    // What else may be wrong is told in one line.
    assert_eq!(
        refused[3..],
        ["ReplicaSet, HorizontalPodAutoscaler, PodDisruptionBudget, Event"],
        "{}",
        health.facts
    );
    for (_, _, reason) in health.missing() {
        assert!(reason.contains("User \"half\" cannot "), "{reason}");
    }
    assert!(health.facts["nodes"]["total"].as_i64().unwrap() > 0, "{}", health.facts);
    assert!(health.facts["pods"].is_object(), "{}", health.facts);

    let mine = json!({"namespace": namespace});
    let is_there = |told: &Told| told.facts["workloads"].as_array().is_some_and(|rows| rows.len() == 1);
    let (listed, _) = open.until("list-workloads", &mine, "seen", SOON, is_there).await;
    assert_eq!(listed.facts["workloads"][0]["kind"], "Deployment");
    assert_eq!(forbidden(&listed), ["StatefulSet", "DaemonSet", "CronJob"], "{}", listed.facts);
    assert_eq!(listed.facts["total"], 1, "of the kinds that are known: {}", listed.facts);
    let only = open.call("list-workloads", &json!({"namespace": namespace, "kind": "Deployment"})).await;
    assert_eq!((&only.facts["total"], only.missing().len()), (&json!(1), 0), "{}", only.facts);
    let none = open.call("list-workloads", &json!({"namespace": namespace, "kind": "StatefulSet"})).await;
    assert_eq!((&none.facts["total"], forbidden(&none).len()), (&Value::Null, 1), "{}", none.facts);
    let events = open.call("list-events", &json!({})).await;
    assert_eq!((&events.facts["total"], &events.facts["events_total"]), (&Value::Null, &Value::Null));
    assert_eq!(forbidden(&events), ["Event"]);
    for (tool, total) in [("list-nodes", "total"), ("list-namespaces", "total"), ("list-pods", "total")] {
        let told = open.call(tool, &json!({})).await;
        assert!(told.facts[total].as_i64().is_some_and(|total| total > 0), "{tool}: {}", told.facts);
    }
    for row in open.call("list-namespaces", &json!({})).await.facts["namespaces"].as_array().unwrap() {
        assert_eq!(row["workloads"], Value::Null, "three of the five kinds are not known: {row}");
    }
    let workload = json!({"namespace": namespace, "kind": "Deployment", "name": "web"});
    let told = open.call("get-workload", &workload).await;
    assert_eq!(told.facts["pods"], Value::Null, "which pods are its own is not known: {}", told.facts);
    assert_eq!(forbidden(&told), ["Event", "ReplicaSet"], "{}", told.facts);
    let told = open.call("calculate-pod-capacity", &json!({"namespace": namespace})).await;
    assert_eq!(forbidden(&told), ["LimitRange"], "{}", told.facts);
    assert!(
        told.facts["pod_estimates"]["small"]["max_pods"].as_i64().is_some_and(|fit| fit > 0),
        "{}",
        told.facts
    );
    let is_one = |told: &Told| told.facts["total"] == 1;
    let (pods, _) = open.until("list-pods", &mine, "seen", SOON, is_one).await;
    let pod = json!({"namespace": namespace, "pod": pods.facts["pods"][0]["name"]});
    let told = open.call("diagnose-pod", &pod).await;
    assert!(
        !told.is_error && told.facts["unchecked"].to_string().contains("events is forbidden"),
        "{}",
        told.facts
    );
    let refused = open
        .call("get-resource", &json!({"kind": "StatefulSet", "namespace": namespace, "name": "db"}))
        .await;
    assert!(refused.is_error && refused.text.contains("statefulsets"), "{}", refused.text);
}

pub(super) fn workloads(namespace: &str) -> String {
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "registry.example.com/web:1"}]}});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    });
    let database = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": namespace},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "serviceName": "db", "template": template},
    });
    format!("{deployment}\n---\n{database}\n")
}

/// Asks a server that may see some namespaces only; `seen` are those that it must find by itself or was told.
async fn sees_only(plane: &Plane, served: &Served, seen: &[String], hidden: &str) {
    let mut open = served.open().await;
    let settled = |told: &Told| told.facts["only_namespaces"].is_array() && is_settled(told);
    let everything = json!({"include_details": true});
    let (health, _) = open.until("get-cluster-health", &everything, "settled", SOON, settled).await;
    assert_eq!(health.facts["only_namespaces"], json!(seen), "{}", health.facts);
    assert_eq!(health.facts["nodes"], Value::Null, "{}", health.facts);
    assert!(health.text.contains(&seen[0]), "the scope stands in the text: {}", health.text);
    for tool in ["list-pods", "list-workloads", "list-events", "list-namespaces", "list-nodes"] {
        let told = open.call(tool, &json!({})).await;
        assert_eq!(told.facts["only_namespaces"], json!(seen), "{tool}: {}", told.facts);
    }
    let all = |told: &Told| {
        let rows = told.facts["workloads"].as_array().cloned().unwrap_or_default();
        seen.iter().all(|namespace| rows.iter().any(|row| row["namespace"] == *namespace))
    };
    let (listed, _) = open.until("list-workloads", &json!({"limit": 500}), "all", SOON, all).await;
    assert!(listed.missing().is_empty(), "{}", listed.facts);
    assert_eq!(listed.facts["total"], json!(2 * seen.len()), "{}", listed.facts);
    let pods = |told: &Told| told.facts["total"] == json!(seen.len());
    open.until("list-pods", &json!({}), "one pod a namespace", SOON, pods).await;

    let nodes = open.call("list-nodes", &json!({})).await;
    assert_eq!(
        (&nodes.facts["total"], &nodes.facts["ready"]),
        (&Value::Null, &Value::Null),
        "{}",
        nodes.facts
    );
    assert_eq!(forbidden(&nodes), ["Node"], "{}", nodes.facts);
    let namespaces = open.call("list-namespaces", &json!({})).await;
    let rows: Vec<&Value> =
        namespaces.facts["namespaces"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    for namespace in seen {
        assert!(rows.contains(&&json!(namespace)), "{}", namespaces.facts);
    }
    let mine = json!({"namespace": seen[0], "kind": "Deployment", "name": "web"});
    // Events come in last.
    let (told, _) = open.until("get-workload", &mine, "fresh", SOON, Told::is_fresh).await;
    assert_eq!((&told.facts["pods"]["total"], told.missing().len()), (&json!(1), 0), "{}", told.facts);
    let told = open.call("calculate-pod-capacity", &json!({"namespace": seen[0]})).await;
    assert_eq!(told.facts["pod_estimates"]["small"]["max_pods"], Value::Null, "{}", told.facts);
    for tool in ["list-workloads", "list-events", "calculate-pod-capacity"] {
        let told = open.call(tool, &json!({"namespace": hidden})).await;
        assert!(told.is_error && told.text.contains(&seen[0]), "{tool}: {}", told.text);
    }
    let told =
        open.call("get-workload", &json!({"namespace": hidden, "kind": "Deployment", "name": "web"})).await;
    assert!(told.is_error && told.text.contains("not allowed"), "{}", told.text);
    let all = open.call("list-resources", &json!({"kind": "ConfigMap"})).await;
    assert!(all.is_error && all.text.contains(&seen[0]), "it says where it may: {}", all.text);
    let one = open.call("list-resources", &json!({"kind": "ConfigMap", "namespace": seen[0]})).await;
    assert!(!one.is_error, "{}", one.text);
    let other = open.call("list-pods", &json!({"namespace": hidden})).await;
    let said = format!("{} {}", other.text, other.facts);
    assert!(
        other.facts["total"].is_null(),
        "pods of a namespace that may not be seen are not counted: {said}"
    );
    assert!(said.contains("only") && said.contains(&seen[0]), "{said}");
    let other = open.call("get-cluster-health", &json!({"namespace": hidden, "include_details": true})).await;
    assert!(other.facts["pods"].is_null(), "{} {}", other.text, other.facts);
    assert_ne!(other.facts["status"], "healthy", "{}", other.facts);
    assert_eq!(plane.broken_stages(), Vec::<String>::new());
}

/// Three namespaces with a workload each, and a user of the first two.
async fn some(
    plane: &Plane,
    dice: &mut Dice,
    folder: &std::path::Path,
) -> (Vec<String>, String, std::path::PathBuf) {
    let mut mine = vec![plane.namespace(dice).await, plane.namespace(dice).await];
    let hidden = plane.namespace(dice).await;
    for namespace in mine.iter().chain([&hidden]) {
        plane.apply(&workloads(namespace)).await;
    }
    let kubeconfig = plane.user_of(&[&mine[0], &mine[1]], folder).await;
    mine.sort_unstable();
    (mine, hidden, kubeconfig)
}

#[tokio::test]
async fn two_namespaces_that_the_configuration_names() {
    let plane = Plane::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let (mine, hidden, kubeconfig) = some(&plane, &mut Dice::new(), folder.path()).await;
    let names = mine.join(",");
    let served = Served::start(
        &["--kubeconfig", kubeconfig.to_str().unwrap()],
        &[("AIOPS_CLUSTER__NAMESPACES", names.as_str())],
    );
    sees_only(&plane, &served, &mine, &hidden).await;
}

/// Namespaces may not be listed; those that the contexts of the kubeconfig name are tried.
#[tokio::test]
async fn two_namespaces_that_contexts_name() {
    let plane = Plane::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let (mine, hidden, kubeconfig) = some(&plane, &mut Dice::new(), folder.path()).await;
    let mut config = document(&kubeconfig);
    let context = config["contexts"][0].clone();
    config["contexts"][0]["context"]["namespace"] = mine[0].clone().into();
    for (name, namespace) in [("second", &mine[1]), ("third", &hidden)] {
        let mut other = context.clone();
        other["name"] = name.into();
        other["context"]["namespace"] = namespace.clone().into();
        config["contexts"].as_array_mut().unwrap().push(other);
    }
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let served = Served::start(&["--kubeconfig", kubeconfig.to_str().unwrap()], &[]);
    sees_only(&plane, &served, &mine, &hidden).await;
}

/// Neither namespaces may be listed nor does anything name one that may be seen: it is said what to do.
#[tokio::test]
async fn namespaces_that_nobody_names() {
    let plane = Plane::shared().await;
    let served = Served::start(&["--kubeconfig", plane.kubeconfig("namespaced").to_str().unwrap()], &[]);
    let mut open = served.open().await;
    let (told, _) = open
        .until("list-pods", &json!({}), "settled", SOON, |told| {
            !told.missing().is_empty() && is_settled(told)
        })
        .await;
    assert_eq!(
        (&told.facts["total"], &told.facts["summary"]),
        (&Value::Null, &Value::Null),
        "{}",
        told.facts
    );
    let reason = &told.missing()[0].2;
    assert!(
        reason.contains("User \"namespaced\" cannot ") && reason.contains("cluster.namespaces"),
        "{reason}"
    );
    let live = open.call("list-resources", &json!({"kind": "ConfigMap", "namespace": "team-a"})).await;
    assert!(!live.is_error, "a namespace that may be read live is: {}", live.text);
}
