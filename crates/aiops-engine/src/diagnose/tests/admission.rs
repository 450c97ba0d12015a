//! Workloads that lack pods, and workloads asked for by kind and name.

use serde_json::json;

use super::*;

const REFUSED: &str = r#"pods "web-5d-x" is forbidden: exceeded quota: compute, requested: requests.cpu=500m, used: requests.cpu=2, limited: requests.cpu=2"#;

fn deployment(replicas: i64, conditions: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "33333333-3333-3333-3333-333333333333", "generation": 1, "creationTimestamp": ago(900)},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": []}}},
        "status": {"observedGeneration": 1, "conditions": conditions}})
}

fn replica_set() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "web-5d", "namespace": "shop", "uid": "44444444-4444-4444-4444-444444444444", "creationTimestamp": ago(890),
            "annotations": {"deployment.kubernetes.io/revision": "1"},
            "ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "33333333-3333-3333-3333-333333333333", "controller": true}]},
        "spec": {"replicas": 2}, "status": {"replicas": 0, "conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": REFUSED, "lastTransitionTime": ago(880)}]}})
}

fn quota() -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "compute", "namespace": "shop"},
        "spec": {"hard": {"requests.cpu": "2"}}, "status": {"hard": {"requests.cpu": "2"}, "used": {"requests.cpu": "2"}}})
}

#[tokio::test]
async fn a_full_quota_leaves_no_pod_to_blame() {
    let held =
        Held { objects: standard([deployment(2, json!([])), replica_set(), quota()]), ..Held::default() };
    let found = check_of(held, "deployment/web", &["quota_exceeded"]).await;
    assert_eq!((found.verdict, found.pod.as_deref()), ("no_pods", None));
    let cited: Vec<&str> = found.causes[0].evidence.iter().map(|e| e.path.as_str()).collect();
    assert!(cited.contains(&"status.used[\"requests.cpu\"]"), "{cited:?}");
    // A StatefulSet has no such condition; its events tell.
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop",
        "uid": "55555555-5555-5555-5555-555555555555", "creationTimestamp": ago(900)}, "spec": {"replicas": 1}, "status": {}});
    let mut told = event(
        "db.a",
        "FailedCreate",
        r#"create Pod db-0 in StatefulSet db failed error: pods "db-0" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true"#,
    );
    told["involvedObject"] = json!({"kind": "StatefulSet", "namespace": "shop", "name": "db"});
    let held = Held { objects: standard([set, told]), ..Held::default() };
    check_of(held, "sts/db", &["pod_security_refused"]).await;
}

#[tokio::test]
async fn workloads_that_want_no_pods_say_so() {
    let held = Held { objects: standard([deployment(0, json!([]))]), ..Held::default() };
    check_of(held, "deploy/web", &["scaled_to_zero"]).await;
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "shop", "creationTimestamp": ago(900)},
        "spec": {"suspend": true, "parallelism": 1}, "status": {}});
    check_of(Held { objects: standard([job]), ..Held::default() }, "job/j", &["suspended"]).await;
}

#[tokio::test]
async fn a_workload_stands_for_its_worst_pod() {
    let own = |name: &str, status: Value| {
        let mut it = pod(
            json!({"metadata": {"name": name, "uid": format!("66666666-6666-6666-6666-{:012x}", name.len()), "ownerReferences": [
            {"kind": "ReplicaSet", "name": "web-5d", "uid": "44444444-4444-4444-4444-444444444444", "controller": true}]}, "status": status}),
        );
        it["metadata"]["creationTimestamp"] = json!(ago(600));
        it
    };
    let well = json!({"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [{"name": "app", "ready": true, "state": {"running": {"startedAt": ago(500)}}}]});
    let bad = json!({"containerStatuses": app(back_off(), terminated("Error", 3, 1), 4)});
    let mut set = replica_set();
    set["status"]["conditions"] = json!([]);
    let objects = standard([deployment(2, json!([])), set, own("web-5d-a", well), own("web-5d-bb", bad)]);
    let found =
        check_of(Held { objects: objects.clone(), ..Held::default() }, "deployment/web", &["app_exit"]).await;
    assert_eq!(
        (found.pod.as_deref(), found.workload.as_deref()),
        (Some("web-5d-bb"), Some("Deployment web"))
    );
    assert_eq!(found.pods.map(|p| (p.wanted, p.total, p.ready)), Some((Some(2), 2, 1)));
    // A refusal from before the newest pod is over.
    let mut told = event("web-5d.a", "FailedCreate", REFUSED);
    told["involvedObject"] = json!({"kind": "ReplicaSet", "namespace": "shop", "name": "web-5d"});
    told["firstTimestamp"] = json!(ago(700));
    told["lastTimestamp"] = json!(ago(700));
    let mut more = objects;
    more.push(told);
    more[3] = deployment(3, json!([]));
    check_of(Held { objects: more, ..Held::default() }, "deployment/web", &["app_exit"]).await;
}

#[tokio::test]
async fn what_does_not_exist_is_said_with_what_does() {
    let held = || Held { objects: standard([deployment(1, json!([])), pod(json!({}))]), ..Held::default() };
    for (pod, want) in [
        ("web", "Deployment web exists: ask for deployment/web"),
        ("deployment/we", "did you mean web?"),
        ("zzzz", "list-pods names those that exist"),
        ("../p", "the kind must be"),
        ("secret/p", "the kind must be"),
        ("p;rm", "is not a name"),
        ("", "is not a name"),
        ("p\u{0}", "is not a name"),
    ] {
        let error = ask(held(), pod).await.unwrap_err().to_string();
        assert!(error.contains(want), "{pod:?}: {error}");
    }
}
