//! The outgoing webhook: each kind of message arrives, signed, also when the receiver was down while it came up, and aiops
//! died before it was back.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::{changes, deployment, receiver::Receiver};
use crate::support::{Actor, Dice, Full, Plane, Proxy, Weather, digest};

/// Approves the plan of a workflow that waits for it.
async fn approve(full: &Full, id: &str) {
    let waiting = full.workflow(id, &["awaiting_approval"]).await;
    let body = json!({"digest": digest(&waiting)});
    let approved = full.post("ann", &format!("/api/v1/workflows/{id}/approve"), &body).await;
    assert_eq!(approved.status, 200, "{}", approved.body);
}

async fn order(full: &Full, namespace: &str, name: &str, issue: &str) -> String {
    let reply = full.order("ann", namespace, name, issue).await;
    assert_eq!(reply.status, 202, "{}", reply.body);
    reply.body["workflow_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_is_told_also_when_the_receiver_was_down_and_aiops_died() {
    let plane = Plane::apart().await;
    let home = tempfile::tempdir().unwrap();
    let actor = Actor::of(&plane, home.path()).await;
    let receiver = Receiver::start();
    let network = Proxy::to(&receiver.address, Weather::Refusing).await;
    let settings = format!(
        "notify.url = \"{}/hook\"\nnotify.secretFile = {:?}\nacting.times.verify = \"12s\"",
        network.url("http"),
        Receiver::secret(home.path()),
    );
    // Three namespaces: in each of them one workflow acts at a time.
    let mut dice = Dice::new();
    let mut spaces = Vec::new();
    for (name, args) in
        [("greedy", "--memory=900Mi"), ("edited", "--memory=900Mi"), ("crashing", "--no-such-flag=1")]
    {
        let namespace = plane.namespace(&mut dice).await;
        deployment(&plane, &namespace, name, &[args], "32Mi").await;
        let waits = |pods: &Value| pods.to_string().contains("CrashLoopBackOff");
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        plane.wait(&path, "crashing", Duration::from_secs(180), waits).await;
        spaces.push(namespace);
    }
    let [greedy, edited, crashing] = spaces.as_slice() else { panic!("{spaces:?}") };
    let full = Full::start(home.path(), &actor, &settings).await;
    full.synced().await;
    let place = plane.audit_end();

    // More memory does not help: it is undone. Somebody edits what another one did: a person is needed. A restart does
    // not help and cannot be undone.
    let undone = order(&full, greedy, "greedy", "oom_kill").await;
    let parked = order(&full, edited, "edited", "oom_kill").await;
    let failed = order(&full, crashing, "crashing", "pod_crash_loop").await;
    approve(&full, &undone).await;
    approve(&full, &parked).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(180);
    while changes(&plane, place, &actor, edited).is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "{parked} did nothing");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let path = format!("/apis/apps/v1/namespaces/{edited}/deployments/edited");
    let mut object = plane.get(&path).await.unwrap();
    let container = &mut object["spec"]["template"]["spec"]["containers"][0];
    container["resources"]["limits"]["memory"] = json!("77Mi");
    plane.patch(&path, &json!({"spec": {"template": {"spec": {"containers": [container]}}}})).await;
    for mode in ["pause", "run"] {
        let body = json!({"mode": mode, "reason": "a look"});
        assert_eq!(full.ask("bob", "PUT", "/api/v1/control", Some(&body)).await.status, 200);
    }
    full.workflow(&undone, &["rolled_back"]).await;
    full.workflow(&parked, &["needs_operator"]).await;
    full.workflow(&failed, &["failed"]).await;
    assert!(receiver.messages().is_empty(), "it is down");

    full.kill();
    network.turn(Weather::Fine).await;
    let full = Full::start(home.path(), &actor, &settings).await;
    for (event, part, words) in [
        ("approval_requested", &undone, "waits for an approval"),
        ("approval_requested", &parked, "waits for an approval"),
        ("rolled_back", &undone, "was undone"),
        ("parked", &parked, "needs a person"),
        ("failed", &failed, "failed"),
        ("kill_switch", &"pause".to_owned(), "set to pause by bob"),
        ("kill_switch", &"run".to_owned(), "set to run by bob"),
    ] {
        let message = receiver.hears(event, part).await;
        assert!(message.body["text"].as_str().unwrap().contains(words), "{}", message.body);
        assert_eq!(message.body["event"], event);
    }
    // While it is up, it hears at once; and nobody hears a thing twice.
    let body = json!({"mode": "stop", "reason": "the last word"});
    assert_eq!(full.ask("bob", "PUT", "/api/v1/control", Some(&body)).await.status, 200);
    receiver.hears("kill_switch", "the last word").await;
    let mut messages = receiver.messages();
    // Other tests' trouble in the same cluster may be a storm.
    messages.retain(|message| !message.event.starts_with("breaker_"));
    let deliveries: BTreeSet<&String> = messages.iter().map(|message| &message.delivery).collect();
    assert_eq!(deliveries.len(), messages.len(), "{messages:#?}");
    assert_eq!(messages.len(), 8, "{messages:#?}");
    drop(full);
    for namespace in &spaces {
        plane.delete(&format!("/api/v1/namespaces/{namespace}")).await;
    }
}
