//! Restart, scale, rollback and resources of each kind of workload, there and back.

use aiops_engine::{deeds::RESTART, model::action::Resources};

use super::*;

/// Every deed on a workload of this kind.
pub(super) async fn of_kind(plane: &Plane, hand: &Hand, kind: &str, place: Value) {
    let namespace = plane.namespace(&mut Dice::new()).await;
    let workload = Workload::make(plane, &namespace, kind, place).await;
    let (revision, source) = workload.roll(plane).await;
    let target = || workload.target.clone();
    let resources = Resources {
        memory_limit: Some("1024Mi".to_owned()),
        cpu_limit: Some("0.5".to_owned()),
        ..Resources::default()
    };
    let mut actions = vec![
        Action::SetResources { target: target(), container: "web".to_owned(), resources },
        Action::RollbackWorkload { target: target(), revision, source },
    ];
    if kind != "DaemonSet" {
        actions.insert(0, Action::ScaleWorkload { target: target(), replicas: 3 });
    }
    for (number, action) in actions.iter().enumerate() {
        there_and_back(plane, hand, action, &workload.path, &format!("{namespace}/{number}")).await;
        workload.settles(plane).await;
    }

    let restart = Action::RestartWorkload { target: target() };
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    let key = format!("{namespace}/restart");
    let place = plane.audit_end();
    let (_, mutation, _) = hand.take(&restart, &key).await;
    assert_eq!(hand.send(&mutation).await.unwrap_err().kind, NotDoneKind::Conflict);
    assert!(matches!(hand.judge(&restart, &key).await, Observation::Applied { .. }));
    hand.verified(&restart, &key).await;
    let all_new = |found: &Value| {
        found["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|pod| pod["metadata"]["annotations"][RESTART] == key.as_str())
    };
    plane.wait(&pods, "restarted", SOON, all_new).await;
    assert_eq!(accepted(plane, hand, place).values().sum::<usize>(), 1);
}

#[tokio::test]
async fn a_deployment_is_changed_once_and_brought_back() {
    let plane = Plane::shared().await;
    let hand = Hand::of(&plane, "admin").await;
    of_kind(&plane, &hand, "Deployment", json!({})).await;
}

#[tokio::test]
async fn a_stateful_set_is_changed_once_and_brought_back() {
    let plane = Plane::shared().await;
    let hand = Hand::of(&plane, "admin").await;
    of_kind(&plane, &hand, "StatefulSet", json!({})).await;
}

#[tokio::test]
async fn a_dry_run_of_any_deed_writes_nothing() {
    let plane = Plane::shared().await;
    let hand = Hand::of(&plane, "admin").await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    let workload = Workload::make(&plane, &namespace, "Deployment", json!({})).await;
    let (revision, source) = workload.roll(&plane).await;
    let target = || workload.target.clone();
    let resources = Resources { memory_limit: Some("1Gi".to_owned()), ..Resources::default() };
    let place = plane.audit_end();
    let before = plane.get(&workload.path).await.unwrap();
    for action in [
        Action::RestartWorkload { target: target() },
        Action::ScaleWorkload { target: target(), replicas: 0 },
        Action::RollbackWorkload { target: target(), revision, source },
        Action::SetResources { target: target(), container: "web".to_owned(), resources },
    ] {
        let ready = hand.ready(&action, "key").await;
        let dry = Mutation { dry_run: true, ..ready.mutation };
        let accepted = hand.send(&dry).await.unwrap();
        assert!(accepted.object.unwrap().to_string().contains("key"), "{action:?}");
    }
    let after = plane.get(&workload.path).await.unwrap();
    assert_eq!(after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
    let sent = ours(&plane, &hand, place);
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|request| request.uri.contains("dryRun=All")), "{sent:?}");
}

#[tokio::test]
async fn somebody_elses_writing_is_not_undone() {
    let plane = Plane::shared().await;
    let hand = Hand::of(&plane, "admin").await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    let workload = Workload::make(&plane, &namespace, "Deployment", json!({})).await;
    let scale = Action::ScaleWorkload { target: workload.target.clone(), replicas: 3 };
    let (step, ..) = hand.take(&scale, "key").await;
    plane.patch(&workload.path, &json!({"spec": {"replicas": 4}})).await;
    let seen = hand.judge_undo(&step).await;
    assert!(matches!(&seen, Observation::Conflict { why } if why.contains('4')), "{seen:?}");
    // What stands beside it is no conflict, and stays.
    plane.patch(&workload.path, &json!({"spec": {"replicas": 3, "minReadySeconds": 1}})).await;
    hand.undo(&step).await;
    let after = plane.get(&workload.path).await.unwrap();
    assert_eq!((&after["spec"]["replicas"], &after["spec"]["minReadySeconds"]), (&json!(2), &json!(1)));
}
