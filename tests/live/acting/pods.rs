//! Evictions and deletions: the pod that was meant, within its budget, and no other.

use super::*;

/// The pods of a namespace, oldest name first.
async fn pods(plane: &Plane, namespace: &str) -> Vec<Value> {
    let found = plane.get(&format!("/api/v1/namespaces/{namespace}/pods")).await.unwrap();
    found["items"].as_array().unwrap().clone()
}

fn target(pod: &Value) -> Target {
    let text = |at: &str| pod.pointer(at).unwrap().as_str().unwrap();
    Target::known("Pod", text("/metadata/namespace"), text("/metadata/name")).with_uid(text("/metadata/uid"))
}

fn budget(namespace: &str, name: &str, min: u32) -> Value {
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": namespace},
        "spec": {"minAvailable": min, "selector": {"matchLabels": {"app": "web"}}}})
}

async fn make_budget(plane: &Plane, namespace: &str, name: &str, min: u32) -> String {
    plane.apply(&budget(namespace, name, min).to_string()).await;
    let path = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/{name}");
    let is_known = |found: &Value| {
        found["status"]["observedGeneration"] == found["metadata"]["generation"]
            && found["status"]["currentHealthy"] == 2
    };
    plane.wait(&path, "known", SOON, is_known).await;
    path
}

#[tokio::test]
async fn only_the_pod_that_was_meant_is_evicted() {
    let plane = Plane::shared().await;
    let hand = Hand::of(&plane, "admin").await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    let workload = Workload::make(&plane, &namespace, "Deployment", json!({})).await;
    let pod = pods(&plane, &namespace).await.remove(0);
    let path = format!("/api/v1/namespaces/{namespace}/pods/{}", target(&pod).name);
    let evict = Action::EvictPod { target: target(&pod) };
    let mutation = hand.ready(&evict, "key").await.mutation;
    let place = plane.audit_end();

    // A body whose preconditions the API server does not know would let this one through.
    let uid = Some("00000000-0000-0000-0000-000000000000".to_owned());
    let not_done = hand.send(&Mutation { uid, ..mutation.clone() }).await.unwrap_err();
    assert_eq!(not_done.kind, NotDoneKind::Conflict, "{not_done}");
    hand.send(&Mutation { dry_run: true, ..mutation.clone() }).await.unwrap();
    assert_eq!(plane.get(&path).await.unwrap()["metadata"].get("deletionTimestamp"), None);
    assert_eq!(accepted(&plane, &hand, place), BTreeMap::new());

    let accepted = hand.send(&mutation).await.unwrap();
    assert_eq!(accepted.status, 201);
    hand.verified(&evict, "key").await;
    let seen = hand.judge(&evict, "key").await;
    assert!(matches!(seen, Observation::Settled { .. }), "{seen:?}");
    let not_done = hand.send(&mutation).await.unwrap_err();
    assert_eq!(not_done.kind, NotDoneKind::NotFound, "{not_done}");
    workload.settles(&plane).await;
}

#[tokio::test]
async fn a_budget_blocks_and_two_of_them_forbid() {
    let plane = Plane::shared().await;
    let hand = Hand::of(&plane, "admin").await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    Workload::make(&plane, &namespace, "Deployment", json!({})).await;
    let tight = make_budget(&plane, &namespace, "tight", 2).await;
    let pod = pods(&plane, &namespace).await.remove(0);
    let mutation = hand.ready(&Action::EvictPod { target: target(&pod) }, "key").await.mutation;
    for dry_run in [true, false] {
        let not_done = hand.send(&Mutation { dry_run, ..mutation.clone() }).await.unwrap_err();
        assert_eq!(not_done.kind, NotDoneKind::Blocked, "{not_done}");
        assert!(not_done.is_without_effect());
    }
    plane.patch(&tight, &json!({"spec": {"minAvailable": 1}})).await;
    let allows = |found: &Value| found["status"]["disruptionsAllowed"] == 1;
    plane.wait(&tight, "loose", SOON, allows).await;
    // A dry run takes nothing out of the budget.
    hand.send(&Mutation { dry_run: true, ..mutation.clone() }).await.unwrap();
    hand.send(&Mutation { dry_run: true, ..mutation.clone() }).await.unwrap();
    make_budget(&plane, &namespace, "second", 1).await;
    let not_done = hand.send(&mutation).await.unwrap_err();
    assert_eq!(not_done.kind, NotDoneKind::Rejected, "{not_done}");
    assert_eq!(pods(&plane, &namespace).await.len(), 2);
}

#[tokio::test]
async fn the_stuck_pod_of_a_job_is_deleted_as_it_was_seen() {
    let plane = Plane::shared().await;
    let hand = Hand::of(&plane, "admin").await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": namespace},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": format!("{PROGRAM}:1.28-missing")}]}}}});
    plane.apply(&job.to_string()).await;
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let is_stuck = |found: &Value| found.to_string().contains("ImagePull");
    plane.wait(&path, "stuck", SOON, is_stuck).await;
    let pod = pods(&plane, &namespace).await.remove(0);
    let delete = Action::DeletePod { target: target(&pod) };
    let mutation = hand.ready(&delete, "key").await.mutation;
    let place = plane.audit_end();
    let old = Some("1".to_owned());
    let another = Some("00000000-0000-0000-0000-000000000000".to_owned());
    for wrong in [
        Mutation { resource_version: old, ..mutation.clone() },
        Mutation { uid: another, resource_version: None, ..mutation.clone() },
    ] {
        assert_eq!(hand.send(&wrong).await.unwrap_err().kind, NotDoneKind::Conflict);
    }
    let (_, mutation, _) = {
        let dry = Mutation { dry_run: true, ..hand.ready(&delete, "key").await.mutation };
        // Its status may have been written in between.
        let _ = hand.send(&dry).await;
        assert_eq!(accepted(&plane, &hand, place), BTreeMap::new());
        let pod_path = format!("{path}/{}", target(&pod).name);
        assert_eq!(plane.get(&pod_path).await.unwrap()["metadata"].get("deletionTimestamp"), None);
        hand.take(&delete, "key").await
    };
    hand.verified(&delete, "key").await;
    assert!(matches!(hand.judge(&delete, "key").await, Observation::Settled { .. }));
    assert_eq!(hand.send(&mutation).await.unwrap_err().kind, NotDoneKind::NotFound);
    assert_eq!(accepted(&plane, &hand, place).values().sum::<usize>(), 1);
}
