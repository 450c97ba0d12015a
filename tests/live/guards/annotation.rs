//! An approval that somebody writes onto an object in the cluster: it counts for the very plan that it names, where the policy
//! takes it, and nowhere else.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{act, changes, deployment};
use crate::support::{Actor, Dice, Full, Plane, digest};

const POLICY: &str = r#"
[[rule]]
name = "taken"
actions = ["restart-workload"]
then = "approve"
annotation = true

[[rule]]
name = "both"
actions = ["set-resources"]
then = "two_person"
annotation = true

[[rule]]
name = "closed"
then = "approve"
"#;

const APPROVE: &str = "aiops.io/approve";

/// A workflow that waits for an approval: its id, and what approves its plan.
async fn waiting(full: &Full, namespace: &str, name: &str, action: Value) -> (String, String) {
    let id = act(full, "ann", namespace, name, action).await;
    let workflow = full.workflow(&id, &["awaiting_approval"]).await;
    let value = format!("{id}/{}", digest(&workflow));
    (id, value)
}

async fn annotate(plane: &Plane, path: &str, value: &str) {
    plane.patch(path, &json!({"metadata": {"annotations": {APPROVE: value}}})).await;
}

/// Waits until aiops read an object that was annotated at this place in the log.
async fn looked_at(plane: &Plane, place: u64, actor: &Actor, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(120);
    let is_look = |uri: &str| uri.split('?').next().is_some_and(|path| path.ends_with(&format!("/{name}")));
    while !plane
        .audit_since(place)
        .iter()
        .any(|one| one.user == actor.user && one.verb == "get" && is_look(&one.uri))
    {
        assert!(Instant::now() < deadline, "nobody looked at {name}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_annotation_approves_the_plan_that_it_names_where_the_policy_takes_it() {
    let plane = Plane::apart().await;
    let home = tempfile::tempdir().unwrap();
    let actor = Actor::of(&plane, home.path()).await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    std::fs::write(home.path().join("policy.toml"), POLICY).unwrap();
    for name in ["taken", "within", "both", "closed"] {
        deployment(&plane, &namespace, name, &[], "64Mi").await;
    }
    let settings = format!(
        "policy.file = {:?}\nacting.grantedTo = [\"ann\"]\nacting.limits.workflowsPerNamespace = 4\nacting.limits.raised = true",
        home.path().join("policy.toml")
    );
    let full = Full::start(home.path(), &actor, &settings).await;
    full.synced().await;
    let path = |name: &str| format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let restart = json!({"action": "restart-workload"});

    // Where the rule does not take it, and where a second person is asked for, the right words approve nothing.
    let scale = json!({"action": "scale-workload", "replicas": 2});
    let limits =
        json!({"action": "set-resources", "container": "app", "resources": {"memory_limit": "96Mi"}});
    let (closed, words) = waiting(&full, &namespace, "closed", scale).await;
    annotate(&plane, &path("closed"), &words).await;
    let (both, words) = waiting(&full, &namespace, "both", limits).await;
    annotate(&plane, &path("both"), &words).await;

    // Words for another plan, and for this plan of another workflow, are looked at and approve nothing.
    let (taken, words) = waiting(&full, &namespace, "taken", restart.clone()).await;
    let of_plan = words.split_once('/').unwrap().1.to_owned();
    for wrong in [format!("{taken}/{}", "0".repeat(64)), format!("{closed}/{of_plan}"), of_plan] {
        annotate(&plane, &path("taken"), &wrong).await;
        looked_at(&plane, plane.audit_end(), &actor, "taken").await;
        let still = full.workflow(&taken, &["awaiting_approval"]).await;
        assert_eq!(format!("{taken}/{}", digest(&still)), words, "{wrong}");
    }
    let place = plane.audit_end();
    annotate(&plane, &path("taken"), &words).await;
    let done = full.workflow(&taken, &["completed"]).await;
    let (by, via) = (&done["decision"]["by"], &done["decision"]["via"]);
    assert_eq!(
        (by, via),
        (&json!(format!("whoever may write Deployment {namespace}/taken")), &json!("annotation"))
    );
    assert_eq!(done["decision"]["approved"], true);

    // On the namespace it counts for what happens within that.
    let (within, words) = waiting(&full, &namespace, "within", restart).await;
    annotate(&plane, &format!("/api/v1/namespaces/{namespace}"), &words).await;
    full.workflow(&within, &["completed"]).await;

    // All that was done is what was approved, once each.
    let sent = changes(&plane, place, &actor, &namespace);
    let mut names: Vec<&str> = sent.iter().map(|request| request.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["taken", "within"], "{sent:#?}");
    for id in [&closed, &both] {
        full.workflow(id, &["awaiting_approval"]).await;
    }
    drop(full);
    plane.delete(&format!("/api/v1/namespaces/{namespace}")).await;
}
