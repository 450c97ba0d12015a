//! What the API server refuses, and as what it comes back.

use aiops_engine::ports::acting::{Announcement, Verb};

use super::*;

#[tokio::test]
async fn each_refusal_has_its_kind_and_no_effect() {
    let plane = Plane::shared().await;
    let hand = Hand::of(&plane, "admin").await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    let workload = Workload::make(&plane, &namespace, "Deployment", json!({})).await;
    let scale = Action::ScaleWorkload { target: workload.target.clone(), replicas: 3 };
    let merge = hand.ready(&scale, "key").await.mutation;
    let json_patch =
        |operations: Value| Mutation { verb: Verb::JsonPatch, body: operations, ..merge.clone() };
    let old = || Some("1".to_owned());
    let another = || Some("00000000-0000-0000-0000-000000000000".to_owned());
    let before = plane.get(&workload.path).await.unwrap();
    let replicas = json!([{"op": "replace", "path": "/spec/replicas", "value": 3}]);
    let place = plane.audit_end();
    let cases = [
        ("an old version", Mutation { resource_version: old(), ..merge.clone() }, NotDoneKind::Conflict),
        (
            "an old version of a JSON patch",
            Mutation { resource_version: old(), ..json_patch(replicas.clone()) },
            NotDoneKind::Conflict,
        ),
        (
            "an object that was made again",
            Mutation { uid: another(), resource_version: old(), ..merge.clone() },
            NotDoneKind::Conflict,
        ),
        (
            "a test that fails",
            json_patch(json!([{"op": "test", "path": "/spec/replicas", "value": 77}])),
            NotDoneKind::Conflict,
        ),
        (
            "a place that is not there",
            json_patch(
                json!([{"op": "replace", "path": "/spec/template/spec/containers/7/image", "value": "x"}]),
            ),
            NotDoneKind::Conflict,
        ),
        (
            "an unknown field",
            Mutation { body: json!({"spec": {"replica": 3}}), ..merge.clone() },
            NotDoneKind::Rejected,
        ),
        (
            "a value that is not valid",
            Mutation { body: json!({"spec": {"replicas": -1}}), ..merge.clone() },
            NotDoneKind::Rejected,
        ),
        (
            "a value that is not valid in a JSON patch",
            json_patch(json!([{"op": "replace", "path": "/spec/replicas", "value": -1}])),
            NotDoneKind::Rejected,
        ),
        (
            "no such object",
            Mutation { target: Target::known("Deployment", &namespace, "nothing"), ..merge.clone() },
            NotDoneKind::NotFound,
        ),
        (
            "no such kind",
            Mutation { target: Target::new("apps", "Gadget", &namespace, "web"), ..merge.clone() },
            NotDoneKind::NotFound,
        ),
    ];
    let count = cases.len();
    for (what, mutation, kind) in cases {
        let not_done = hand.send(&mutation).await.unwrap_err();
        assert_eq!(not_done.kind, kind, "{what}: {not_done}");
    }
    assert_eq!(accepted(&plane, &hand, place), BTreeMap::new());
    // One request each, but for the kind that is not served.
    assert_eq!(ours(&plane, &hand, place).len(), count - 1);
    let after = plane.get(&workload.path).await.unwrap();
    assert_eq!(after["spec"], before["spec"]);

    let viewer = Hand::of(&plane, "viewer").await;
    let not_done = viewer.send(&merge).await.unwrap_err();
    assert_eq!(not_done.kind, NotDoneKind::Denied, "{not_done}");
    assert!(not_done.why.contains("cannot patch"), "{not_done}");
}

#[tokio::test]
async fn an_event_stands_on_the_object() {
    let plane = Plane::shared().await;
    let hand = Hand::of(&plane, "admin").await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    let about =
        Target::known("Deployment", &namespace, "web").with_uid("11111111-2222-3333-4444-555555555555");
    hand.acting
        .announce(&Announcement {
            about,
            reason: "RemediationUndone",
            message: "set back to 2 replicas".to_owned(),
            is_warning: true,
            action: "scale-workload".to_owned(),
        })
        .await;
    let events = plane.get(&format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events")).await.unwrap();
    let [event] = events["items"].as_array().unwrap().as_slice() else { panic!("{events}") };
    assert_eq!((&event["reason"], &event["type"]), (&json!("RemediationUndone"), &json!("Warning")));
    assert_eq!(
        (&event["note"], &event["action"]),
        (&json!("set back to 2 replicas"), &json!("scale-workload"))
    );
    assert_eq!(event["regarding"]["apiVersion"], "apps/v1");
    assert_eq!(event["reportingController"], "aiops.io/aiops");
    // As every client of Events sees it.
    let core = plane.get(&format!("/api/v1/namespaces/{namespace}/events")).await.unwrap();
    assert_eq!(core["items"][0]["involvedObject"]["name"], "web");
}
