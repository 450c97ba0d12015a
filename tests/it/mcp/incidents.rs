//! Incidents over MCP: the predecessor's arguments and members, lists that are cut, what is recorded and closed.

use std::{collections::BTreeSet, sync::Arc};

use aiops_engine::{
    coordination::{IncidentQuery, IncidentView},
    issue::Severity,
    model::{incident::IncidentStatus, phase::Phase},
};
use serde_json::{Value, json};

use super::{
    fake::{Ask, Fake, incident, workflow},
    remediation::{ada, answer, client, refusal, tokens, world},
};

#[tokio::test]
async fn incidents_are_listed_with_the_old_arguments_and_members() {
    let fake = Arc::new(Fake::with_incident());
    fake.put_incident(incident("inc-2", "cart", IncidentStatus::Resolved));
    let world = world(&fake);
    let client = client(&world).await;
    let all = answer(&client, "list-incidents", json!({})).await;
    let query = |status: &str, severity: &str, limit, offset| IncidentQuery {
        namespace: None,
        severity: Some(severity.to_owned()),
        status: Some(status.to_owned()),
        limit: Some(limit),
        offset: Some(offset),
    };
    let asked = fake.one();
    assert_eq!((asked.caller, asked.what), (ada(), Ask::Incidents(query("all", "all", 1_000, 0))));
    assert_eq!(all["status"], "success");
    assert_eq!((&all["count"], &all["message"]), (&json!(2), &json!("2 of 2 incidents")));
    assert_eq!(all["summary"]["completed"], 1);
    assert_eq!(all["summary"]["by_severity"], json!({"high": 2}));
    assert_eq!(all["filters"], json!({"status": "all", "severity": "all", "limit": 100, "offset": 0}));
    assert!(all.get("omitted").is_none() && all.get("next_offset").is_none(), "{all}");
    let first = &all["incidents"][1];
    for member in
        ["id", "title", "description", "severity", "status", "target", "action_type", "source", "created_at"]
    {
        assert!(first[member].is_string(), "{member}: {first}");
    }
    assert_eq!((&first["status"], &first["target"]), (&json!("pending"), &json!("Deployment shop/web")));
    assert_eq!(all["incidents"][0]["status"], "completed");

    let page = json!({"status": "active", "severity": "high", "limit": 1, "offset": "1"});
    let none = answer(&client, "list-incidents", page).await;
    assert_eq!(fake.one().what, Ask::Incidents(query("active", "high", 1, 1)));
    assert_eq!((&none["count"], &none["incidents"]), (&json!(0), &json!([])));
    for (arguments, said) in [
        (json!({"status": "open"}), "must be one of all, active, completed, failed"),
        (json!({"limit": 1001}), "must be between 1 and 1000"),
        (json!({"offset": -1}), "\"offset\""),
    ] {
        let why = refusal(&client, "list-incidents", arguments).await;
        assert!(why.contains(said), "{why}");
    }
    assert_eq!(fake.asked(), []);
}

#[tokio::test]
async fn a_short_answer_begins_with_what_is_worst_and_a_limit_with_what_is_newest() {
    let fake = Arc::new(Fake::default());
    for (n, severity) in
        [Severity::Critical, Severity::Low, Severity::Critical, Severity::High].into_iter().enumerate()
    {
        let one = incident(&format!("inc-{n}"), "web", IncidentStatus::Active);
        fake.put_incident(IncidentView { severity, ..one });
    }
    let world = world(&fake);
    let client = client(&world).await;
    let ids = async |arguments: Value| -> Vec<String> {
        let listed = answer(&client, "list-incidents", arguments).await;
        listed["incidents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(json!({})).await, ["inc-2", "inc-0", "inc-3", "inc-1"]);
    assert_eq!(ids(json!({"offset": 2})).await, ["inc-3", "inc-1"]);
    assert_eq!(ids(json!({"offset": 9})).await, Vec::<String>::new());
    assert_eq!(ids(json!({"limit": 2})).await, ["inc-3", "inc-2"]);
}

#[tokio::test]
async fn a_long_list_is_cut_and_the_counts_add_up() {
    let fake = Arc::new(Fake::default());
    for n in 0..90 {
        fake.put_incident(incident(&format!("inc-{n}"), "web", IncidentStatus::Active));
        fake.put_workflow(workflow(&format!("wf-{n}"), Phase::Completed));
    }
    let world = world(&fake);
    let client = client(&world).await;
    for (tool, rows, id) in
        [("list-incidents", "incidents", "id"), ("list-workflows", "workflows", "workflow_id")]
    {
        let first = answer(&client, tool, json!({})).await;
        assert!(tokens(&first.to_string()) <= 2_000, "{tool}: {} tokens", tokens(&first.to_string()));
        let mut seen = BTreeSet::new();
        let mut offset = Some(0);
        while let Some(from) = offset {
            let page = answer(&client, tool, json!({"offset": from})).await;
            let shown = page[rows].as_array().unwrap();
            assert!(!shown.is_empty());
            assert_eq!(page["omitted"].as_u64().unwrap_or(0), 90 - u64::try_from(shown.len()).unwrap());
            seen.extend(shown.iter().map(|row| row[id].as_str().unwrap().to_owned()));
            offset = page["next_offset"].as_u64();
        }
        assert_eq!(seen.len(), 90, "{tool}");
        let whole = answer(&client, tool, json!({"limit": 90})).await;
        assert_eq!(whole[rows].as_array().unwrap().len(), 90);
    }
}

#[tokio::test]
async fn an_incident_is_recorded_and_closed_with_the_old_members() {
    let fake = Arc::new(Fake::default());
    let world = world(&fake);
    let client = client(&world).await;
    let arguments = json!({"title": "Checkout is slow", "description": "p99 over 4 s since 10:00", "severity": "critical",
        "target": "shop", "affected_resources": ["Deployment/shop/web"], "labels": {"team": "shop"},
        "correlation_id": "inc-root", "external_id": "PD-7", "confidence": 0.5});
    let made = answer(&client, "create-incident", arguments).await;
    let Ask::Create(new) = fake.one().what else { panic!("it was created") };
    assert_eq!((new.title.as_str(), new.severity.as_str()), ("Checkout is slow", "critical"));
    assert_eq!((new.target.as_deref(), new.created_by.as_deref()), (Some("shop"), Some("ada")));
    assert_eq!((new.correlation_id.as_deref(), new.external_id.as_deref()), (Some("inc-root"), Some("PD-7")));
    assert_eq!((new.labels["team"].as_str(), new.confidence), ("shop", Some(0.5)));
    for member in ["incident_id", "title", "description", "severity", "status", "created_at", "message"] {
        assert!(made[member].is_string(), "{member}: {made}");
    }
    assert_eq!((&made["priority"], &made["status"]), (&json!(1), &json!("pending")));
    for (wrong, said) in [
        (
            json!({"title": "Slow", "description": "p99 over 4 s", "severity": "high"}),
            "\"title\": must be at least 5",
        ),
        (
            json!({"title": "Checkout", "description": "slow", "severity": "high"}),
            "\"description\": must be at least 10",
        ),
        (json!({"title": "Checkout", "description": "p99 over 4 s"}), "argument \"severity\""),
        (
            json!({"title": "Checkout", "description": "p99 over 4 s", "severity": "bad"}),
            "must be one of critical, high",
        ),
    ] {
        let why = refusal(&client, "create-incident", wrong).await;
        assert!(why.contains(said), "{why}");
    }
    assert_eq!(fake.asked(), []);
    let closed =
        answer(&client, "resolve-incident", json!({"incident_id": "inc-new", "resolution": "a new replica"}))
            .await;
    assert_eq!(fake.one().what, Ask::Resolve("inc-new".to_owned(), Some("a new replica".to_owned())));
    assert_eq!((&closed["status"], &closed["message"]), (&json!("completed"), &json!("inc-new is resolved")));
    let one = answer(&client, "get-incident", json!({"incident_id": "inc-new"})).await;
    assert_eq!((&one["id"], &one["resolved_at"]), (&json!("inc-new"), &json!("2026-11-24T10:05:00Z")));
    let why = refusal(&client, "get-incident", json!({"incident_id": "7; drop table"})).await;
    assert!(why.contains("is no id; one looks like inc-"), "{why}");
}
