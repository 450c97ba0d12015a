//! Incidents as the old MCP server, the Go engine's clients and people ask for them.

use aiops_engine::{
    coordination::NewIncident,
    model::incident::{IncidentSource, IncidentStatus},
};
use serde_json::{Value, json};

use super::{Asked, World, holds, is_refusal, world};

const INCIDENTS: &str = "/api/v1/incidents";

async fn listed(world: &World, query: &str) -> (Value, aiops_engine::coordination::IncidentQuery) {
    let reply = world.get(&format!("{INCIDENTS}{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {reply:?}");
    let Asked::Incidents(asked) = world.one() else { panic!("incidents were to be asked for") };
    (reply.json(), asked)
}

#[tokio::test]
async fn a_list_with_offset_speaks_the_old_mcp_servers_words() {
    let world = world().await;
    for (status, contract, old) in [
        (IncidentStatus::Active, "active", "pending"),
        (IncidentStatus::Remediating, "in_progress", "running"),
        (IncidentStatus::Remediated, "remediated", "completed"),
        (IncidentStatus::Failed, "failed", "failed"),
        (IncidentStatus::Resolved, "resolved", "completed"),
        (IncidentStatus::Cancelled, "cancelled", "failed"),
    ] {
        world.fake.incident.lock().status = status;
        let (body, _) = listed(&world, "?status=all&severity=all&limit=100").await;
        assert_eq!(body["incidents"][0]["status"], contract);
        // What the old server sends, to the letter.
        let (body, asked) = listed(&world, "?status=all&severity=all&limit=100&offset=0").await;
        assert_eq!(body["incidents"][0]["status"], old);
        assert_eq!((asked.status, asked.severity), (None, None), "all is no filter");
        assert_eq!((asked.limit, asked.offset), (Some(100), Some(0)));
        let (body, _) = listed(&world, "?offset=").await;
        assert_eq!(body["incidents"][0]["status"], old, "named is enough");
        let (body, asked) = listed(&world, "?offset=50&words=contract").await;
        assert_eq!(body["incidents"][0]["status"], contract, "who pages may ask for the contract's words");
        assert_eq!(asked.offset, Some(50));
    }
}

#[tokio::test]
async fn a_row_has_every_member_of_every_old_client_in_its_type() {
    let world = world().await;
    let (body, _) = listed(&world, "").await;
    let row = &body["incidents"][0];
    holds(
        row,
        &json!({
            "id": "inc-12345", "title": "Pods in CrashLoopBackOff", "severity": "high", "target": "production",
            "description": "Deployment production/payment-service crashes", "action_type": "pod_crash_loop",
            "source": "trigger", "created_at": "2025-12-18T09:45:00Z", "priority": 2, "occurrences": 1,
            "affected_resources": ["Deployment/production/payment-service"], "labels": { "team": "payments" },
            "tags": ["team=payments"], "started_at": "2025-12-18T09:50:00Z", "completed_at": "2025-12-18T09:52:00Z",
            "duration_seconds": 120.0,
        }),
    );
    // Nothing is known of these, and nothing is invented.
    for name in ["confidence", "parameters"] {
        assert_eq!(row.get(name), Some(&Value::Null), "{name}");
    }
    // It is open again, as its workflow failed: that it ended is not that it is over.
    world.fake.incident.lock().status = IncidentStatus::Failed;
    let (open, _) = listed(&world, "").await;
    assert_eq!(
        (&open["incidents"][0]["completed_at"], &open["incidents"][0]["duration_seconds"]),
        (&Value::Null, &Value::Null)
    );
    holds(
        &body,
        &json!({ "total": 1, "summary": { "total": 1, "active": 0, "completed": 1, "failed": 0, "by_severity": { "high": 1 } } }),
    );
    for count in ["/total", "/summary/total", "/summary/by_severity/high", "/incidents/0/priority"] {
        assert!(body.pointer(count).unwrap().is_u64(), "{count} prints as an integer");
    }
}

#[tokio::test]
async fn filters_are_handed_on_and_wrong_ones_refused() {
    let world = world().await;
    let (_, asked) =
        listed(&world, "?Status=active&SEVERITY=high&name_space=a+b%26c&limit=0&unknown=1").await;
    assert_eq!(asked.status.as_deref(), Some("active"));
    assert_eq!(asked.severity.as_deref(), Some("high"));
    assert_eq!(asked.namespace.as_deref(), Some("a b&c"));
    assert_eq!((asked.limit, asked.offset), (None, None), "0 means what is usual");
    for (query, field) in [
        ("limit=ten", "limit"),
        ("limit=-1", "limit"),
        ("offset=1.0", "offset"),
        ("limit=99999999999", "limit"),
        ("offset=50&words=old", "words"),
    ] {
        let reply = world.get(&format!("{INCIDENTS}?{query}")).await;
        assert_eq!(is_refusal(&reply, 400, "invalid_request")["details"]["field"], field);
        world.fake.nothing();
    }
}

#[tokio::test]
async fn one_incident_tells_its_workflows_and_their_times() {
    let world = world().await;
    let reply = world.get("/api/v1/incidents/inc-12345").await;
    assert_eq!(reply.status, 200);
    let body = reply.json();
    holds(
        &body,
        &json!({
            "id": "inc-12345", "status": "remediated", "updated_at": "2025-12-18T09:46:00Z",
            "resolved_at": "2025-12-18T09:52:00Z", "created_by": "ana",
            "started_at": "2025-12-18T09:50:00Z", "completed_at": "2025-12-18T09:52:00Z", "duration_seconds": 120.0,
        }),
    );
    assert_eq!(body["workflows"][0]["id"], "wf-67890");
    assert_eq!(world.one(), Asked::Incident("inc-12345".to_owned()));
}

#[tokio::test]
async fn the_old_mcp_server_creates_incidents_as_it_always_did() {
    let world = world().await;
    world.fake.incident.lock().source = IncidentSource::Manual;
    world.fake.incident.lock().status = IncidentStatus::Active;
    // Exactly what its client sends (C2), without the target that it leaves out.
    let body = json!({
        "title": "High CPU", "description": "CPU >80% for 30m", "severity": "high", "source": "manual",
        "labels": { "team": "x" }, "affectedResources": ["Deployment/shop/web"], "correlationId": "inc-1",
        "externalId": "PD-7", "createdBy": "mcp-server", "confidence": 0.9,
    });
    let reply = world.post(INCIDENTS, body.to_string()).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let created = reply.json();
    holds(
        &created,
        &json!({
            "status": "success", "incident_id": "inc-12345", "created_at": "2025-12-18T09:45:00Z",
            "message": "Incident created successfully", "title": "Pods in CrashLoopBackOff", "severity": "high", "priority": 2,
            "incident": {
                "id": "inc-12345", "status": "active", "target": "production", "labels": { "team": "payments" },
                "created_at": "2025-12-18T09:45:00Z", "updated_at": "2025-12-18T09:46:00Z",
                "affected_resources": ["Deployment/production/payment-service"],
            },
        }),
    );
    assert!(created["description"].is_string() && created["priority"].is_u64());
    let wanted = NewIncident {
        title: "High CPU".to_owned(),
        description: "CPU >80% for 30m".to_owned(),
        severity: "high".to_owned(),
        target: None,
        affected_resources: vec!["Deployment/shop/web".to_owned()],
        labels: [("team".to_owned(), "x".to_owned())].into(),
        correlation_id: Some("inc-1".to_owned()),
        external_id: Some("PD-7".to_owned()),
        created_by: Some("mcp-server".to_owned()),
        confidence: Some(0.9),
    };
    assert_eq!(world.one(), Asked::CreateIncident(wanted));
}

#[tokio::test]
async fn names_of_labels_stay_as_they_are() {
    let world = world().await;
    let body = json!({
        "title": "t", "description": "d", "severity": "low", "target": " ", "affected_resources": null, "parameters": null,
        "labels": { "appName": "a", "app_name": "b", "gone": null },
    });
    assert_eq!(world.post(INCIDENTS, body.to_string()).await.status, 201);
    let Asked::CreateIncident(new) = world.one() else { panic!("an incident") };
    assert_eq!(
        new.labels,
        [("appName".to_owned(), "a".to_owned()), ("app_name".to_owned(), "b".to_owned())].into()
    );
    assert_eq!(new.target, None, "a blank target is none");
}

#[tokio::test]
async fn what_would_be_lost_is_refused() {
    let world = world().await;
    let body = |more: Value| {
        let mut body = json!({ "title": "t", "description": "d", "severity": "low" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    for (more, field) in [
        (json!({ "parameters": { "a": 1 } }), "parameters"),
        (json!({ "labels": { "a": 1 } }), "labels.a"),
        (json!({ "labels": ["a"] }), "labels"),
        (json!({ "affectedResources": "Pod/a" }), "affected_resources"),
        (json!({ "affectedResources": ["a", 2] }), "affected_resources[1]"),
        (json!({ "affected_resource": ["a"] }), "affected_resource"),
        (json!({ "confidence": "high" }), "confidence"),
        (json!({ "title": "" }), "title"),
        (json!({ "severity": null }), "severity"),
    ] {
        let reply = world.post(INCIDENTS, body(more)).await;
        assert_eq!(is_refusal(&reply, 400, "invalid_request")["details"]["field"], field);
        world.fake.nothing();
    }
}

#[tokio::test]
async fn an_incident_is_closed_and_reported() {
    let world = world().await;
    let reply =
        world.post("/api/v1/incidents/inc-12345/resolve", r#"{"resolution":"replaced the disk"}"#).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["id"], "inc-12345");
    let wanted = Asked::ResolveIncident("inc-12345".to_owned(), Some("replaced the disk".to_owned()));
    assert_eq!(world.one(), wanted);
    assert_eq!(world.post("/api/v1/incidents/inc-12345/resolve", "").await.status, 200);
    assert_eq!(world.one(), Asked::ResolveIncident("inc-12345".to_owned(), None));
    let reply = world.get("/api/v1/incidents/inc-12345/report").await;
    assert_eq!(reply.header("content-type"), Some("text/markdown; charset=utf-8"));
    assert_eq!(reply.body, "# Pods in CrashLoopBackOff\n");
    assert_eq!(world.one(), Asked::Report("inc-12345".to_owned()));
}
