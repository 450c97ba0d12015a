//! Who may read what, what the audit log says of it, logs, exports.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::support::{Dice, Plane, Scenario};

const PODS: &str = "/api/v1/pods?limit=1";

#[tokio::test]
async fn each_user_has_its_own_rights() {
    let plane = Plane::shared().await;
    let seen = |user: &'static str, path: &'static str| plane.status_as(user, path);
    assert_eq!(seen("admin", PODS).await, StatusCode::OK);
    assert_eq!(seen("viewer", PODS).await, StatusCode::OK);
    assert_eq!(seen("viewer", "/api/v1/nodes").await, StatusCode::OK);
    assert_eq!(seen("viewer", "/api/v1/secrets").await, StatusCode::FORBIDDEN);
    assert_eq!(seen("namespaced", PODS).await, StatusCode::FORBIDDEN);
    assert_eq!(seen("namespaced", "/api/v1/namespaces/team-a/pods").await, StatusCode::OK);
    assert_eq!(seen("namespaced", "/api/v1/namespaces/team-b/pods").await, StatusCode::OK);
    assert_eq!(seen("namespaced", "/api/v1/namespaces/default/pods").await, StatusCode::FORBIDDEN);
    assert_eq!(seen("half", PODS).await, StatusCode::OK);
    assert_eq!(seen("half", "/apis/apps/v1/statefulsets").await, StatusCode::FORBIDDEN);
    assert_eq!(seen("nobody", PODS).await, StatusCode::FORBIDDEN);
    assert_eq!(seen("expired", PODS).await, StatusCode::UNAUTHORIZED);
    assert_eq!(seen("invalid", PODS).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_user_of_some_namespaces_sees_only_these() {
    let plane = Plane::shared().await;
    let mut dice = Dice::new();
    let (mine, other) = (plane.namespace(&mut dice).await, plane.namespace(&mut dice).await);
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = plane.user_of(&[&mine], folder.path()).await;
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    assert!(text.contains(plane.server()));
    let review = serde_json::json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": format!("system:serviceaccount:{mine}:viewer-of-some"),
            "resourceAttributes": {"verb": "list", "resource": "pods", "namespace": mine},
        },
    });
    let reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    assert_eq!(plane.post(reviews, &review).await["status"]["allowed"], true);
    let mut denied = review;
    denied["spec"]["resourceAttributes"]["namespace"] = other.into();
    assert_eq!(plane.post(reviews, &denied).await["status"]["allowed"], false);
}

#[tokio::test]
async fn the_audit_log_tells_who_read_and_what_was_written() {
    let plane = Plane::shared().await;
    let place = plane.audit_end();
    let namespace = plane.namespace(&mut Dice::new()).await;
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    assert_eq!(plane.status_as("viewer", &path).await, StatusCode::OK);
    let log = plane.audit_since(place);
    let mine: Vec<_> = log.iter().filter(|request| request.uri.contains(&namespace)).collect();
    let reads: Vec<_> = mine.iter().filter(|request| !request.writes() && request.user == "viewer").collect();
    assert_eq!(reads.len(), 1, "{mine:?}");
    assert_eq!(
        (reads[0].resource.as_str(), reads[0].namespace.as_str(), reads[0].status),
        ("pods", &*namespace, 200)
    );
    let writes: Vec<_> = mine.iter().filter(|request| request.writes() && request.user == "admin").collect();
    assert_eq!(writes.len(), 1, "{mine:?}");
    assert_eq!((writes[0].verb.as_str(), writes[0].name.as_str()), ("patch", &*namespace));
    assert_eq!(writes[0].body["metadata"]["name"], *namespace);
}

async fn first_pod(plane: &Plane, scenario: &Scenario) -> String {
    let path = format!("/api/v1/namespaces/{}/pods", scenario.value("namespace"));
    let name = plane.get(&path).await.unwrap()["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    format!("{path}/{name}")
}

#[tokio::test]
async fn logs_are_those_of_the_program_and_refused_where_it_never_ran() {
    let plane = Plane::shared().await;
    let mut dice = Dice::new();
    let (exits, never, healthy) = (
        Scenario::load("crash-loop-exit", &mut dice),
        Scenario::load("image-pull", &mut dice),
        Scenario::load("healthy", &mut dice),
    );
    tokio::join!(exits.play(&plane), never.play(&plane), healthy.play(&plane));
    let pod = first_pod(&plane, &exits).await;
    let said = format!("flag provided but not defined: -{}", exits.value("flag"));
    let previous = plane.text(&format!("{pod}/log?previous=true&timestamps=true")).await.unwrap();
    assert!(previous.contains(&said), "{previous}");
    let first = previous.split_whitespace().next().unwrap();
    assert!(first.parse::<jiff::Timestamp>().is_ok(), "{previous}");
    let tail = plane.text(&format!("{pod}/log?previous=true&tailLines=1")).await.unwrap();
    assert_eq!(tail.lines().count(), 1, "{tail}");

    let refused =
        plane.text(&format!("{}/log", first_pod(&plane, &never).await)).await.unwrap_err().to_string();
    assert!(
        refused.contains("is waiting to start: trying and failing to pull image")
            || refused.contains("image can't be pulled"),
        "{refused}"
    );
    let refused = plane.text(&format!("{}/log?previous=true", first_pod(&plane, &healthy).await)).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("previous terminated container"), "{refused}");
}

#[tokio::test]
async fn an_export_reads_as_kubectl_prints_lists() {
    let plane = Plane::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let scenario = Scenario::load("healthy", &mut Dice::new());
    scenario.play(&plane).await;
    plane.command(&["export", "-o", folder.path().to_str().unwrap()]).await.unwrap();
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(folder.path().join(name)).unwrap()).unwrap()
    };
    let pods = read("pods.json");
    assert_eq!((&pods["kind"], &pods["apiVersion"]), (&"List".into(), &"v1".into()));
    assert_eq!(pods["metadata"], serde_json::json!({"resourceVersion": ""}));
    let items = pods["items"].as_array().unwrap();
    let mine = items.iter().filter(|pod| pod["metadata"]["namespace"] == scenario.value("namespace"));
    assert_eq!(mine.count(), 6);
    for pod in items {
        assert_eq!((&pod["kind"], &pod["apiVersion"]), (&"Pod".into(), &"v1".into()));
        assert!(pod["metadata"].get("managedFields").is_none());
    }
    assert!(!read("deployments.json")["items"].as_array().unwrap().is_empty());
    assert!(!folder.path().join("secrets.json").exists());
}

#[tokio::test]
async fn pods_are_admitted_with_their_service_account() {
    let plane = Plane::shared().await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: alone, namespace: {namespace}}}\nspec:\n  containers: [{{name: app, image: registry.example.com/app:1}}]\n"
    );
    plane.apply(&pod).await;
    let path = format!("/api/v1/namespaces/{namespace}/pods/alone");
    let runs = |found: &Value| found["status"]["phase"] == "Running";
    let found = plane.wait(&path, "running", Duration::from_secs(30), runs).await;
    assert_eq!(found["spec"]["serviceAccountName"], "default");
    assert!(found["spec"]["volumes"][0]["name"].as_str().unwrap().starts_with("kube-api-access-"));
}
