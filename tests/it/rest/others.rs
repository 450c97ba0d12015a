//! Deployment methods, the kill switch, the policy, the audit chain, alerts, and the prefix that charts write twice.

use aiops_engine::coordination::{Alert, ControlChange, WorkloadName};
use serde_json::json;

use super::{Asked, holds, is_refusal, world};

#[tokio::test]
async fn deployment_methods_are_told_as_the_go_engine_did() {
    let world = world().await;
    for (path, kind) in
        [("deployment", "Deployment"), ("statefulset", "StatefulSet"), ("daemonset", "DaemonSet")]
    {
        let reply = world.get(&format!("/api/v1/detect/{path}/production/payment%2Dx")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(
            reply.json(),
            json!({
                "success": true,
                "data": {
                    "method": "helm", "confidence": 0.9, "source": "annotation:meta.helm.sh/release-name",
                    "details": { "release_name": "payment" }, "detected_at": "2026-05-01T10:00:00.100Z",
                    "namespace": "production", "resource_name": "payment-x", "resource_kind": kind,
                },
                "message": format!("{kind} method detected successfully"),
            })
        );
        let workload = WorkloadName {
            kind: kind.to_owned(),
            namespace: "production".to_owned(),
            name: "payment-x".to_owned(),
        };
        assert_eq!(world.one(), Asked::Method(workload));
    }
    *world.fake.fails.lock() = Some(aiops_engine::Error::not_found("Deployment production/x"));
    let told = is_refusal(&world.get("/api/v1/detect/deployment/production/x").await, 404, "not_found");
    assert_eq!(told["success"], false);
    world.one();
}

#[tokio::test]
async fn what_is_remembered_of_methods_is_told_and_forgotten() {
    let world = world().await;
    let stats = world.get("/api/v1/detect/cache/stats").await.json();
    let wanted = json!({
        "data": { "expired_entries": 0, "total_entries": 3, "ttl_seconds": 300, "valid_entries": 3 }, "success": true,
    });
    assert_eq!(stats, wanted);
    assert_eq!(world.one(), Asked::MethodCache);
    let cleared = world.post("/api/v1/detect/cache/clear", "").await;
    assert_eq!(cleared.json(), json!({ "success": true, "message": "Cache cleared successfully" }));
    assert!(cleared.body.ends_with('\n'), "as the Go engine wrote it");
    assert_eq!(world.one(), Asked::ForgetMethods);
}

#[tokio::test]
async fn the_kill_switch_is_read_and_set() {
    let world = world().await;
    let wanted = json!({ "kill_switch": "pause", "kill_switch_reason": "ana: upgrade", "breaker": "closed" });
    assert_eq!(world.get("/api/v1/control").await.json(), wanted);
    assert_eq!(world.one(), Asked::Controls);
    for body in [r#"{"mode":"stop","reason":"fire"}"#, r#"{"killSwitch":"stop","reason":"fire"}"#] {
        let reply = world.send("PUT", "/api/v1/control", "", body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json(), wanted);
        let change = ControlChange { mode: "stop".to_owned(), reason: Some("fire".to_owned()) };
        assert_eq!(world.one(), Asked::SetControl(change));
    }
    for body in ["{}", r#"{"mode":"stop","kill_switch":"run"}"#, r#"{"mod":"stop"}"#, r#"{"mode":true}"#] {
        is_refusal(&world.send("PUT", "/api/v1/control", "", body).await, 400, "invalid_request");
        world.fake.nothing();
    }
}

#[tokio::test]
async fn policy_and_audit_are_told() {
    let world = world().await;
    let policy = world.get("/api/v1/policy").await.json();
    holds(&policy, &json!({ "source": "defaults", "rules": [{ "name": "system", "then": "deny" }] }));
    assert_eq!(world.one(), Asked::Policy);
    let audit = world.get("/api/v1/audit/wf-67890?after=3&limit=20").await.json();
    let hash = &audit["lines"][0]["hash"];
    assert_eq!(hash.as_str().map(str::len), Some(64), "a hash is no credential: {hash}");
    assert_eq!(world.one(), Asked::Audit("wf-67890".to_owned(), 3, 20));
    world.get("/api/v1/audit/control").await;
    assert_eq!(world.one(), Asked::Audit("control".to_owned(), 0, 100));
    is_refusal(&world.get("/api/v1/audit/control?after=x").await, 400, "invalid_request");
}

#[tokio::test]
async fn alertmanagers_webhook_is_taken_as_it_comes() {
    let world = world().await;
    let payload = json!({
        "version": "4", "groupKey": "{}:{alertname=\"KubePodCrashLooping\"}", "truncatedAlerts": 0, "status": "firing",
        "receiver": "aiops", "groupLabels": { "alertname": "KubePodCrashLooping" }, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "http://alertmanager:9093", "somethingNew": [1],
        "alerts": [
            {
                "status": "firing", "labels": { "alertname": "KubePodCrashLooping", "namespace": "shop", "pod": "web-1" },
                "annotations": { "summary": "it crashes" }, "startsAt": "2026-05-01T10:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus/graph", "fingerprint": "c0ffee",
                "somethingNew": {},
            },
            { "status": "resolved", "labels": {}, "annotations": null },
        ],
    });
    let reply = world.post("/api/v1/alerts", payload.to_string()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let wanted = json!({ "status": "success", "received": 2, "opened": 2, "merged": 0, "waiting": 0, "resolved": 0, "ignored": 0 });
    assert_eq!(reply.json(), wanted);
    let Asked::Alerts(alerts) = world.one() else { panic!("alerts") };
    let labels = [("alertname", "KubePodCrashLooping"), ("namespace", "shop"), ("pod", "web-1")];
    let wanted = Alert {
        is_resolved: false,
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        annotations: [("summary".to_owned(), "it crashes".to_owned())].into(),
        starts_at: "2026-05-01T10:00:00Z".to_owned(),
        fingerprint: "c0ffee".to_owned(),
    };
    assert_eq!(alerts, [wanted, Alert { is_resolved: true, ..Alert::default() }]);
    // How many Alertmanager left out of the message.
    let short = json!({ "version": "4", "truncatedAlerts": 7, "alerts": [] });
    assert_eq!(world.post("/api/v1/alerts", short.to_string()).await.json()["truncated"], 7);
    assert!(matches!(world.one(), Asked::Alerts(alerts) if alerts.is_empty()));
}

#[tokio::test]
async fn what_is_no_webhook_of_version_4_is_refused() {
    let world = world().await;
    for body in [
        r#"{"version":"5","alerts":[]}"#,
        r#"{"version":"4"}"#,
        r#"{"alerts":[{"status":"perhaps"}]}"#,
        r#"{"alerts":[{"labels":{}}]}"#,
        r#"{"alerts":[{"status":"firing","labels":{"a":1}}]}"#,
        r#"{"alerts":{}}"#,
        "[]",
    ] {
        is_refusal(&world.post("/api/v1/alerts", body).await, 400, "invalid_request");
        world.fake.nothing();
    }
}

#[tokio::test]
async fn a_prefix_that_is_written_twice_is_collapsed() {
    let world = world().await;
    assert_eq!(world.get("/api/v1/api/v1/incidents").await.status, 200);
    assert!(matches!(world.one(), Asked::Incidents(_)));
    assert_eq!(world.get("/api/v1/api/v1/detect/deployment/shop/web").await.status, 200);
    assert!(matches!(world.one(), Asked::Method(_)));
    assert_eq!(world.get("/api/v1/api/v1/health").await.status, 200);
}

#[tokio::test]
async fn requests_are_counted_by_their_route_and_not_by_their_path() {
    let world = world().await;
    for path in ["/api/v1/workflows/wf-1", "/api/v1/workflows/wf-2", "/api/v1/api/v1/workflows/wf-3"] {
        assert_eq!(world.get(path).await.status, 200);
    }
    assert_eq!(world.fake.took().len(), 3);
    world.get("/api/v1/nothing/there").await;
    let metrics = world.get("/metrics").await.body;
    let line = "aiops_http_requests_total{route=\"/api/v1/workflows/{id}\",status=\"200\"} 3";
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.contains("aiops_http_requests_total{route=\"other\",status=\"404\"} 1"), "{metrics}");
}

#[tokio::test]
async fn answers_are_redacted() {
    let world = world().await;
    world.fake.moves(|view| {
        view.reason = Some("cannot reach postgres://shop:Sup3rS3cretPassw0rd@db/x\u{1b}[31m".to_owned());
    });
    let reply = world.get("/api/v1/workflows/wf-1").await;
    assert!(!reply.body.contains("Sup3rS3cret") && !reply.body.contains("\\u001b"), "{}", reply.body);
    // What looks random and is none of a credential stays.
    assert_eq!(reply.json()["digest"], super::super::support::coordination::DIGEST);
    world.one();
}
