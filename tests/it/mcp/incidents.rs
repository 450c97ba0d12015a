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
    let asked = fake.asked();
    assert_eq!(asked.len(), 2, "what is open, and what is closed: {asked:?}");
    for (asked, word) in asked.into_iter().zip(["open", "closed"]) {
        assert_eq!((asked.caller, asked.what), (ada(), Ask::Incidents(query(word, "all", 1_000, 0))));
    }
    assert_eq!(all["status"], "success");
    assert_eq!((&all["count"], &all["message"]), (&json!(2), &json!("2 of 2 incidents")));
    assert_eq!(all["summary"]["completed"], 1);
    assert_eq!(all["summary"]["by_severity"], json!({"high": 2}));
    assert_eq!(all["filters"], json!({"status": "all", "severity": "all", "limit": 100, "offset": 0}));
    assert!(all.get("omitted").is_none() && all.get("next_offset").is_none(), "{all}");
    let first = &all["incidents"][0];
    for member in
        ["id", "title", "description", "severity", "status", "target", "action_type", "source", "created_at"]
    {
        assert!(first[member].is_string(), "{member}: {first}");
    }
    assert_eq!((&first["status"], &first["target"]), (&json!("pending"), &json!("Deployment shop/web")));
    assert_eq!(all["incidents"][1]["status"], "completed");

    // With a limit, as its clients ask, each row has all of the predecessor's members.
    let began = Some("2026-11-24T10:04:00Z".to_owned());
    let one = IncidentView {
        started_at: began,
        resolved_at: Some("2026-11-24T10:05:30Z".to_owned()),
        labels: [("team".to_owned(), "x".to_owned())].into(),
        ..incident("inc-3", "old", IncidentStatus::Resolved)
    };
    fake.put_incident(IncidentView { description: one.title.clone(), ..one });
    let old = answer(&client, "list-incidents", json!({"limit": 1})).await["incidents"][0].clone();
    fake.asked();
    assert_eq!((&old["priority"], &old["tags"]), (&json!(2), &json!(["team=x"])));
    assert_eq!(
        (&old["started_at"], &old["duration_seconds"]),
        (&json!("2026-11-24T10:04:00Z"), &json!(90.0))
    );
    assert_eq!((old.get("parameters"), &old["description"]), (Some(&Value::Null), &old["title"]));
    assert!(first.get("priority").is_none(), "a short answer leaves out what repeats: {first}");

    let page = json!({"status": "active", "severity": "high", "limit": 1, "offset": "1"});
    let none = answer(&client, "list-incidents", page).await;
    assert_eq!(fake.one().what, Ask::Incidents(query("active", "high", 1, 1)));
    assert_eq!((&none["count"], &none["incidents"]), (&json!(0), &json!([])));
    for (arguments, said) in [
        (json!({"status": "opened"}), "must be one of all, open, active, completed, failed"),
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
async fn what_is_open_stands_before_what_is_closed_however_bad_that_was() {
    let fake = Arc::new(Fake::default());
    let put = |id: &str, severity, status| {
        fake.put_incident(IncidentView { severity, ..incident(id, "web", status) });
    };
    put("inc-low", Severity::Low, IncidentStatus::Active);
    put("inc-unrepaired", Severity::Medium, IncidentStatus::Failed);
    put("inc-in-hand", Severity::High, IncidentStatus::Remediating);
    for n in 0..20 {
        put(&format!("inc-over-{n}"), Severity::Critical, IncidentStatus::Resolved);
    }
    let world = world(&fake);
    let client = client(&world).await;
    let all = answer(&client, "list-incidents", json!({})).await;
    let ids: Vec<&str> =
        all["incidents"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids[..4], ["inc-in-hand", "inc-unrepaired", "inc-low", "inc-over-19"]);
    assert_eq!((&all["summary"]["active"], &all["summary"]["failed"]), (&json!(2), &json!(1)));
    assert_eq!((&all["summary"]["completed"], &all["summary"]["total"]), (&json!(20), &json!(23)));
    let open = answer(&client, "list-incidents", json!({"status": "open"})).await;
    assert_eq!((&open["count"], &open["filters"]["status"]), (&json!(3), &json!("open")));
    let active = answer(&client, "list-incidents", json!({"status": "active"})).await;
    assert_eq!(active["count"], 2);
}

#[tokio::test]
async fn pages_reach_every_incident_also_behind_the_thousandth() {
    let fake = Arc::new(Fake::default());
    for n in 0..1_030 {
        fake.put_incident(incident(&format!("inc-{n}"), "web", IncidentStatus::Active));
    }
    fake.put_incident(incident("inc-over", "web", IncidentStatus::Resolved));
    let world = world(&fake);
    let client = client(&world).await;
    let mut seen = BTreeSet::new();
    let mut offset = Some(900);
    while let Some(from) = offset {
        let page = answer(&client, "list-incidents", json!({"offset": from})).await;
        let shown = page["incidents"].as_array().unwrap();
        assert!(!shown.is_empty(), "{page}");
        seen.extend(shown.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        offset = page["next_offset"].as_u64();
    }
    assert_eq!(seen.len(), 131);
    assert!(seen.contains("inc-0") && seen.contains("inc-over"), "{seen:?}");
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

#[tokio::test]
async fn one_incident_and_one_workflow_stay_within_a_short_answer_however_much_was_written() {
    let fake = Arc::new(Fake::default());
    fake.put_incident(IncidentView {
        title: "t".repeat(200),
        description: "d 0x9f3c ".repeat(222),
        affected_resources: (0..100).map(|n| format!("Deployment/shop/{}-{n}", "r".repeat(200))).collect(),
        labels: (0..64).map(|n| (format!("label-{n}"), "v ".repeat(500))).collect(),
        resolution: Some("r 7f2a ".repeat(280)),
        ..incident("inc-1", "web", IncidentStatus::Resolved)
    });
    for n in 0..20 {
        let mut one = workflow(&format!("wf-{n}"), Phase::Failed);
        "inc-1".clone_into(&mut one.incident_id);
        one.reason = Some("because ".repeat(100));
        fake.put_workflow(one);
    }
    let world = world(&fake);
    let client = client(&world).await;
    let told = answer(&client, "get-incident", json!({"incident_id": "inc-1"})).await;
    let counted = tokens(&told.to_string());
    assert!(counted <= 2_000, "{counted} tokens: {told}");
    let left = told["left_out"].as_str().unwrap();
    for part in [
        "description",
        "resolution",
        "affected resources",
        "labels",
        "workflows",
        "cluster://incidents/inc-1",
    ] {
        assert!(left.contains(part), "{part} is not in {left}");
    }
    assert!(told["affected_resources"].as_array().unwrap().len() >= 2, "{told}");
    assert!(told["workflows"].as_array().unwrap().len() >= 3, "{told}");
    // What is short is whole, and says nothing of it.
    fake.put_incident(incident("inc-2", "web", IncidentStatus::Active));
    let short = answer(&client, "get-incident", json!({"incident_id": "inc-2"})).await;
    assert!(short.get("left_out").is_none(), "{short}");

    let mut long = workflow("wf-long", Phase::AwaitingApproval);
    let step = long.steps[0].clone();
    long.steps = (0..50)
        .map(|n| {
            let mut step = step.clone();
            step.description = format!("evict pod shop/web-{n} from the node that is drained");
            let proof = step.proof.get_or_insert_default();
            proof.diff =
                (0..20).map(|line| format!("spec.template.spec.containers[{line}].image: a -> b")).collect();
            step
        })
        .collect();
    fake.put_workflow(long);
    let told = answer(&client, "get-workflow", json!({"workflow_id": "wf-long"})).await;
    let counted = tokens(&told.to_string());
    assert!(counted <= 2_000, "{counted} tokens: {told}");
    let shown = told["steps"].as_array().unwrap().len();
    let left = told["left_out"].as_str().unwrap();
    assert!(
        left.starts_with(&format!("{} steps", 50 - shown)) && left.contains("before you approve"),
        "{left}"
    );
    assert!(shown >= 5, "{told}");
}
