//! What helm would do besides patching objects: answered with its command, and nothing is changed.

use super::*;

/// Triggers on a broken release, which must be refused with the command; nothing may have been sent.
async fn is_answered_with_the_command(desk: &Desk, plane: &Plane, namespace: &str, why: &str) {
    let place = plane.audit_end();
    let id = desk.trigger(namespace, "web", "ImagePullBackOff").await;
    let view = desk.until(&id, &[Phase::Refused]).await;
    let told = view.reason.unwrap_or_default();
    assert!(told.contains(&format!("helm rollback web 1 -n {namespace} --wait")), "{told}");
    assert!(told.contains(why), "{why}: {told}");
    let writes = plane.audit_since(place).into_iter().filter(|request| {
        request.writes() && request.agent.starts_with("aiops/") && request.namespace == namespace
    });
    let sent: Vec<String> = writes
        .filter(|request| !request.resource.ends_with("accessreviews"))
        .map(|request| format!("{} {}", request.verb, request.uri))
        .collect();
    // An Event about the target is no change of it.
    assert!(sent.iter().all(|sent| sent.contains("/events")), "{sent:?}");
}

#[tokio::test]
async fn hooks_drift_removed_kinds_and_a_lacking_opt_in_are_answered_with_the_command() {
    let plane = Plane::shared().await;
    let mut dice = Dice::new();
    let canary = dice.canary();
    let broken = ["tag=1.29-missing", "greeting=broken"];
    let good = ["tag=1.28", "greeting=hello"];
    let cases: [(&str, Vec<&str>, Vec<&str>); 5] = [
        ("hooks", [good.as_slice(), &["hook=yes"]].concat(), [broken.as_slice(), &["hook=yes"]].concat()),
        ("drifted", good.to_vec(), broken.to_vec()),
        ("extra", [good.as_slice(), &["extra=yes"]].concat(), broken.to_vec()),
        ("would delete ConfigMap extra", good.to_vec(), [broken.as_slice(), &["extra=yes"]].concat()),
        ("acting.helm is off", good.to_vec(), broken.to_vec()),
    ];
    let desk = Desk::of(&plane, "acting.helm = true").await;
    let without = Desk::of(&plane, "").await;
    for (why, install, upgrade) in cases {
        let namespace = plane.namespace(&mut dice).await;
        let chart = Chart::of(&plane, &namespace).await;
        chart.run("install", &values(&canary, &install)).await;
        chart.is_ready(&plane).await;
        chart.run("upgrade", &values(&canary, &upgrade)).await;
        chart.is_broken(&plane).await;
        if why == "drifted" {
            let map = format!("/api/v1/namespaces/{namespace}/configmaps/web");
            plane.patch(&map, &json!({"data": {"greeting": "by hand"}})).await;
        }
        let desk = if why.contains("off") { &without } else { &desk };
        is_answered_with_the_command(desk, &plane, &namespace, why).await;
        let history = chart.history().await;
        assert_eq!(history.len(), 2, "{history:?}");
    }
    // A Secret that the upgrade changed is Helm's to write: what it holds is not read.
    let namespace = plane.namespace(&mut dice).await;
    let chart = Chart::of(&plane, &namespace).await;
    chart.run("install", &values(&canary, &good)).await;
    chart.is_ready(&plane).await;
    let another = dice.canary();
    chart.run("upgrade", &values(&another, &broken)).await;
    chart.is_broken(&plane).await;
    is_answered_with_the_command(&desk, &plane, &namespace, "it changes Secret web").await;
}
