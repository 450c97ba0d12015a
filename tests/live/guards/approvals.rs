//! Answers to a request for approval that do not count: forged, for another plan, of one who may not, of one's own,
//! replayed, expired, denied. Over REST and over MCP, with tokens.

use std::time::Duration;

use serde_json::{Value, json};

use super::{act, changes, deployment};
use crate::support::{Actor, Dice, Full, Plane, digest};

const POLICY: &str = r#"
[[rule]]
name = "both"
actions = ["restart-workload"]
then = "two_person"

[[rule]]
name = "one"
then = "approve"
"#;

/// A workflow that waits for an approval: its id and the digest of its plan.
async fn waiting(full: &Full, namespace: &str, name: &str) -> (String, String) {
    let id = act(full, "ann", namespace, name, json!({"action": "restart-workload"})).await;
    let workflow = full.workflow(&id, &["awaiting_approval"]).await;
    assert_eq!(workflow["awaiting"]["approval"], "two_person", "{workflow:#}");
    (id, digest(&workflow))
}

/// An approval over REST: status, rule, and what was said.
async fn over_rest(full: &Full, who: &str, id: &str, digest: &str) -> (u16, String, String) {
    let reply = full.post(who, &format!("/api/v1/workflows/{id}/approve"), &json!({"digest": digest})).await;
    let rule = reply.body["details"]["rule"].as_str().unwrap_or_default().to_owned();
    (reply.status, rule, reply.body.to_string())
}

/// An approval over MCP: whether it was refused, and what was said.
async fn over_mcp(full: &Full, who: &str, id: &str, digest: &str) -> (bool, String) {
    let (is_error, text, _) =
        full.call(who, "approve-workflow", &json!({"workflow_id": id, "digest": digest})).await;
    (is_error, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approvals_that_do_not_count_change_nothing() {
    let plane = Plane::apart().await;
    let home = tempfile::tempdir().unwrap();
    let actor = Actor::of(&plane, home.path()).await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    std::fs::write(home.path().join("policy.toml"), POLICY).unwrap();
    let settings =
        format!("policy.file = {:?}\nacting.grantedTo = [\"ann\", \"bob\"]", home.path().join("policy.toml"));
    for name in ["one", "two", "three", "four"] {
        deployment(&plane, &namespace, name, &[], "64Mi").await;
    }
    let full = Full::start(home.path(), &actor, &settings).await;
    full.synced().await;
    let place = plane.audit_end();
    let (id, own) = waiting(&full, &namespace, "one").await;
    let (other_id, other) = waiting(&full, &namespace, "two").await;
    assert_ne!(own, other);

    let forged = "0".repeat(64);
    for (what, who, id, digest, status, part) in [
        ("by whoever asked for it", "ann", &id, &own, 403, "somebody else"),
        ("for another plan", "bob", &id, &other, 403, "look at it again"),
        ("with a digest that was made up", "bob", &id, &forged, 403, "look at it again"),
        ("by one who may not", "carl", &id, &own, 403, "acting.grantedTo"),
        (
            "for a workflow that was made up",
            "bob",
            &"wf-01k3x9f2m4q7tz8b".to_owned(),
            &own,
            404,
            "wf-01k3x9f2m4q7tz8b",
        ),
    ] {
        let (found, rule, said) = over_rest(&full, who, id, digest).await;
        assert_eq!(found, status, "{what}: {said}");
        assert!(said.contains(part), "{what}: {said}");
        assert!(status != 403 || rule == "approval", "{what}: {said}");
        let (is_refused, said) = over_mcp(&full, who, id, digest).await;
        assert!(is_refused && said.contains(part), "{what} over MCP: {said}");
    }
    for who in ["", "eve"] {
        assert_eq!(over_rest(&full, who, &id, &own).await.0, 401, "{who:?}");
    }
    let still = full.workflow(&id, &["awaiting_approval"]).await;
    assert_eq!(digest(&still), own);
    assert_eq!(changes(&plane, place, &actor, &namespace).len(), 0);

    // The second person agrees, over each door; the same answer again is none.
    let (status, _, said) = over_rest(&full, "bob", &id, &own).await;
    assert_eq!(status, 200, "{said}");
    let (is_refused, said) = over_mcp(&full, "bob", &other_id, &other).await;
    assert!(!is_refused, "{said}");
    for (id, digest) in [(&id, &own), (&other_id, &other)] {
        assert_eq!(over_rest(&full, "bob", id, digest).await.0, 409);
        assert!(over_mcp(&full, "bob", id, digest).await.0);
    }
    for id in [&id, &other_id] {
        full.workflow(id, &["completed"]).await;
        assert_eq!(over_rest(&full, "bob", id, &own).await.0, 409, "when it is over");
    }
    let restarted = |name: &str| {
        let sent = changes(&plane, place, &actor, &namespace);
        sent.iter().filter(|request| request.resource == "deployments" && request.name == name).count()
    };
    assert_eq!((restarted("one"), restarted("two")), (1, 1));

    // What was denied is over: nobody approves it afterwards.
    let (id, own) = waiting(&full, &namespace, "three").await;
    let denied = full.post("bob", &format!("/api/v1/workflows/{id}/deny"), &json!({"digest": own})).await;
    assert_eq!(denied.status, 200, "{}", denied.body);
    full.workflow(&id, &["rejected"]).await;
    assert_eq!(over_rest(&full, "bob", &id, &own).await.0, 409);
    // So is what nobody answered in time, and a restart gives it no new time.
    full.kill();
    let short = format!("{settings}\nacting.times.approval = \"3s\"");
    let full = Full::start(home.path(), &actor, &short).await;
    full.synced().await;
    let id = act(&full, "ann", &namespace, "four", json!({"action": "restart-workload"})).await;
    let expired: Value = full.workflow(&id, &["expired"]).await;
    let own = expired["digest"].as_str().unwrap().to_owned();
    assert_eq!(over_rest(&full, "bob", &id, &own).await.0, 409);
    assert!(over_mcp(&full, "bob", &id, &own).await.0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((restarted("three"), restarted("four")), (0, 0));
    drop(full);
    plane.delete(&format!("/api/v1/namespaces/{namespace}")).await;
}
