//! The contract's examples, member by member.
//!
//! Members beside the contract's may be there; none of its own may be missing, null or of another type.

use aiops_engine::{coordination::Trigger, issue::Severity, model::caller::Caller, model::caller::Via};
use serde_json::{Value, json};

use super::{Asked, examples, holds, world};

#[tokio::test]
async fn a_trigger_is_answered_as_the_contract_says() {
    let world = world().await;
    let reply = world.post("/api/v1/remediation/trigger", examples::trigger().to_string()).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(reply.header("x-request-id").is_some());
    holds(&reply.json(), &examples::TRIGGERED.value());
    let asked = world.fake.took();
    let wanted = Trigger {
        incident: Some("inc-12345".to_owned()),
        namespace: "production".to_owned(),
        kind: "Deployment".to_owned(),
        name: "payment-service".to_owned(),
        issue: "pod_crash_loop".to_owned(),
        description: "Pods in CrashLoopBackOff".to_owned(),
        severity: Some(Severity::High),
        ..Trigger::default()
    };
    assert_eq!(asked, [(Caller::anonymous(Via::Rest), Asked::Trigger(wanted))]);
}

#[tokio::test]
async fn incidents_are_listed_as_the_contract_says() {
    let world = world().await;
    let reply = world.get("/api/v1/incidents?namespace=production&severity=high&limit=10").await;
    assert_eq!(reply.status, 200);
    holds(&reply.json(), &examples::INCIDENTS.value());
    let Asked::Incidents(query) = world.one() else { panic!("incidents were to be asked for") };
    assert_eq!(query.namespace.as_deref(), Some("production"));
    assert_eq!(query.severity.as_deref(), Some("high"));
    assert_eq!((query.status, query.limit, query.offset), (None, Some(10), None));
}

#[tokio::test]
async fn a_workflow_is_told_as_the_contract_says() {
    let world = world().await;
    let reply = world.get("/api/v1/workflows/wf-67890").await;
    assert_eq!(reply.status, 200);
    let body = reply.json();
    holds(&body, &examples::WORKFLOW.value());
    // What the Go engine had beside it.
    holds(
        &body,
        &json!({
            "namespace": "production",
            "resource_name": "payment-service",
            "resource_kind": "Deployment",
            "issue_type": "pod_crash_loop",
            "remediator": "argocd-sync",
            "started_at": "2025-12-18T09:50:00Z",
            "duration": "2m0s",
        }),
    );
    assert!(body.get("error_message").is_none(), "it did not fail");
    assert_eq!(world.one(), Asked::Workflow("wf-67890".to_owned()));
}

#[tokio::test]
async fn health_is_told_as_the_contract_says() {
    let world = world().await;
    let reply = world.get("/api/v1/health").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let health = reply.json();
    assert!(["healthy", "degraded"].contains(&health["status"].as_str().unwrap()));
    assert!(health["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    let dependencies = health["dependencies"].as_object().unwrap();
    assert!(dependencies.values().all(Value::is_string), "{dependencies:?}");
    // The recording lacks kinds, so that its cluster is known in part.
    for (name, word) in
        [("kubernetes", "degraded"), ("coordination_engine", "ok"), ("ml_service", "disabled")]
    {
        assert_eq!(dependencies[name], word, "{name}");
        let detail = &health["dependency_details"][name];
        assert_eq!((&detail["name"], &detail["status"]), (&json!(name), &json!(word)));
        assert!(detail["message"].is_string() && detail["checked_at"].is_string());
    }
    assert!(dependencies.contains_key("argocd"));
    // What the Go engine had beside it.
    assert!(health["uptime_seconds"].is_u64());
    assert!(health["rbac"]["permissions_total"].is_u64());
    assert_eq!(health["rbac"]["critical_ok"], true);
    assert_eq!(health["rbac"]["permissions_failed"], 0);
    assert_eq!(health["engine"]["active_workflows"], 1);
}
