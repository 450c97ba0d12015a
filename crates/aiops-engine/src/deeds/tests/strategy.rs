//! Which strategies keep no pod serving.

use serde_json::{Value, json};

use super::super::takes_down;
use crate::model::{action::Action, target::Target};

fn going(kind: &str, spec: Value) -> Option<u32> {
    let mut object = json!({"spec": {"replicas": 4},
        "status": {"readyReplicas": 3, "numberReady": 3, "desiredNumberScheduled": 4}});
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    takes_down(&Action::RestartWorkload { target: Target::known(kind, "shop", "web") }, &object)
}

#[test]
fn a_strategy_that_keeps_no_pod_is_seen_and_any_other_is_not() {
    let rolling = |most: Value| json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": most}});
    for (most, takes_all) in [
        (json!("100%"), true),
        (json!(4), true),
        (json!(9), true),
        (json!(3), false),
        (json!("75%"), false),
        (json!("lots"), false),
    ] {
        let want = takes_all.then_some(3);
        assert_eq!(going("Deployment", json!({"strategy": rolling(most.clone())})), want, "{most}");
        for kind in ["StatefulSet", "DaemonSet"] {
            assert_eq!(going(kind, json!({"updateStrategy": rolling(most.clone())})), want, "{kind} {most}");
        }
    }
    assert_eq!(going("Deployment", json!({"strategy": {"type": "Recreate"}})), Some(3));
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        assert_eq!(going(kind, json!({})), None, "{kind}");
    }
    // A Deployment's share is rounded down, the others' up.
    assert_eq!(going("Deployment", json!({"strategy": rolling(json!("99%"))})), None);
    assert_eq!(going("StatefulSet", json!({"updateStrategy": rolling(json!("99%"))})), Some(3));
    assert_eq!(going("Job", json!({"strategy": {"type": "Recreate"}})), None);
}

#[test]
fn what_serves_nobody_or_changes_no_template_takes_nothing_down() {
    let target = Target::known("Deployment", "shop", "web");
    let object = |ready: Value| json!({"spec": {"replicas": 2, "strategy": {"type": "Recreate"}}, "status": {"readyReplicas": ready}});
    let restart = Action::RestartWorkload { target: target.clone() };
    assert_eq!(takes_down(&restart, &object(json!(2))), Some(2));
    assert_eq!(takes_down(&restart, &object(json!(0))), None);
    assert_eq!(takes_down(&restart, &object(Value::Null)), None);
    assert_eq!(takes_down(&Action::ScaleWorkload { target, replicas: 3 }, &object(json!(2))), None);
}
