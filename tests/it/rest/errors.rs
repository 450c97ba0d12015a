//! What does not work, in one form: statuses, codes, who may not, and what is not there.

use std::time::Duration;

use aiops::{config::Http, http::TokenFile};
use aiops_engine::{
    Error,
    model::caller::{Caller, Via},
};
use serde_json::{Value, json};

use super::{Asked, examples::trigger, is_refusal, of, world};

const TRIGGER: &str = "/api/v1/remediation/trigger";

#[tokio::test]
async fn each_error_has_its_status_its_code_and_its_details() {
    let world = world().await;
    let text = str::to_owned;
    let (what, why) = (|| text("reading workflow wf-1"), || text("because"));
    for (error, status, code, details, retry_after) in [
        (Error::invalid("limit", "too much"), 400, "invalid_request", json!({ "field": "limit" }), None),
        (Error::not_found("workflow wf-1"), 404, "not_found", Value::Null, None),
        (Error::Forbidden { what: what(), why: why() }, 403, "forbidden", Value::Null, None),
        (
            Error::refused("it", "cooldown", "too soon"),
            403,
            "refused_by_guard",
            json!({ "rule": "cooldown" }),
            None,
        ),
        (
            Error::Conflict { what: what(), why: why(), workflow: Some(text("wf-2")) },
            409,
            "conflict",
            json!({ "workflow_id": "wf-2" }),
            None,
        ),
        (Error::Full { what: what(), why: why() }, 507, "store_full", Value::Null, None),
        (Error::NotInThisMode { what: what(), why: why() }, 404, "not_in_this_mode", Value::Null, None),
        (
            Error::Unavailable { what: what(), why: why(), retry_after: Some(Duration::from_millis(2_100)) },
            503,
            "dependency_unavailable",
            Value::Null,
            Some("3"),
        ),
        (
            Error::Unavailable { what: what(), why: why(), retry_after: None },
            503,
            "dependency_unavailable",
            Value::Null,
            Some("1"),
        ),
        (
            Error::Timeout { what: what(), seconds: 4, why: why() },
            503,
            "dependency_timeout",
            json!({ "seconds": 4 }),
            Some("1"),
        ),
        (Error::Cancelled { what: what() }, 503, "cancelled", Value::Null, Some("1")),
        (
            Error::Internal { what: what(), source: Some("the cause of all".into()) },
            500,
            "internal",
            Value::Null,
            None,
        ),
    ] {
        let said = error.to_string();
        *world.fake.fails.lock() = Some(error);
        let reply = world.get("/api/v1/workflows/wf-1").await;
        let body = is_refusal(&reply, status, code);
        assert_eq!(body["message"], said);
        assert_eq!(body["details"], details, "{code}");
        assert_eq!(reply.header("retry-after"), retry_after, "{code}");
        assert!(!reply.body.contains("cause of all"), "causes stay in the log");
        world.one();
    }
}

#[tokio::test]
async fn other_peoples_words_in_an_error_are_redacted() {
    let world = world().await;
    let why = "postgres://aiops:Sup3rS3cretPassw0rd@db/x does not answer\u{1b}[31m";
    *world.fake.fails.lock() =
        Some(Error::Unavailable { what: "the store".to_owned(), why: why.to_owned(), retry_after: None });
    let reply = world.get("/api/v1/policy").await;
    is_refusal(&reply, 503, "dependency_unavailable");
    assert!(!reply.body.contains("Sup3rS3cret") && !reply.body.contains('\u{1b}'), "{}", reply.body);
    world.one();
}

#[tokio::test]
async fn a_wrong_method_is_told_which_are_right() {
    let world = world().await;
    for (method, path, allow) in [
        ("GET", TRIGGER, "POST"),
        ("DELETE", "/api/v1/incidents", "GET,HEAD,POST"),
        ("POST", "/api/v1/workflows", "GET,HEAD"),
        ("PUT", "/api/v1/workflows/wf-1", "GET,HEAD"),
        ("GET", "/api/v1/workflows/wf-1/approve", "POST"),
        ("POST", "/api/v1/control", "GET,HEAD,PUT"),
        ("POST", "/api/v1/health", "GET,HEAD"),
        ("PATCH", "/api/v1/alerts", "POST"),
        ("GET", "/api/v1/api/v1/remediation/trigger", "POST"),
    ] {
        let reply = world.send(method, path, "", "").await;
        is_refusal(&reply, 405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_not_served_is_not_found() {
    let world = world().await;
    for path in [
        "/api/v1",
        "/api/v1/",
        "/api/v1/incidents/",
        "/api/v2/incidents",
        "/api/v1/api/v1/api/v1/incidents",
        "/api/v1/detect/pod/shop/web",
        "/api/v1/detect/deployment/shop",
        "/api/v1/workflows/wf-1/delete",
        "/api/v1/workflows//events",
    ] {
        is_refusal(&world.get(path).await, 404, "not_found");
    }
    world.fake.nothing();
}

#[tokio::test]
async fn forged_ids_name_nothing() {
    let world = world().await;
    let long = format!("wf-{}", "a".repeat(80));
    for id in ["67890", "wf-", "inc-1", "cwf-482913377", "wf-a%2Fb", "wf-%00", "..%2f..", "wf-%C3%A4", &long]
    {
        for path in [format!("/api/v1/workflows/{id}"), format!("/api/v1/coordination/workflows/{id}")] {
            is_refusal(&world.get(&path).await, 404, "not_found");
        }
        let reply = world.post(&format!("/api/v1/workflows/{id}/cancel"), "").await;
        is_refusal(&reply, 404, "not_found");
    }
    for id in ["wf-1", "inc-", "inc-a%20b"] {
        is_refusal(&world.get(&format!("/api/v1/incidents/{id}")).await, 404, "not_found");
    }
    is_refusal(&world.get("/api/v1/workflows/wf-%FF").await, 400, "invalid_request");
    world.fake.nothing();
}

#[tokio::test]
async fn a_mode_without_an_engine_says_so() {
    let world = of(Http::default(), None, false).await;
    for (method, path) in [
        ("POST", TRIGGER),
        ("GET", "/api/v1/incidents"),
        ("GET", "/api/v1/api/v1/incidents"),
        ("GET", "/api/v1/workflows/wf-1/events"),
        ("PUT", "/api/v1/control"),
        ("POST", "/api/v1/alerts"),
    ] {
        let reply = world.send(method, path, "", "{}").await;
        let told = is_refusal(&reply, 404, "not_in_this_mode");
        assert!(told["message"].as_str().unwrap().contains("--mode full"), "{told}");
    }
    let health = world.get("/api/v1/health").await.json();
    assert!(health["dependencies"].get("coordination_engine").is_none());
    assert_eq!(health["engine"], Value::Null);
}

#[tokio::test]
async fn a_token_says_who_asks() {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(b"the-token");
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let file = format!("[[token]]\nname = \"ana\"\nsha256 = \"{hash}\"\ngroups = [\"sre\", \"leads\"]\n");
    std::fs::write(&path, file).unwrap();
    let world = of(Http::default(), Some(TokenFile::open(path).unwrap()), true).await;
    is_refusal(&world.get("/api/v1/incidents").await, 401, "unauthorized");
    world.fake.nothing();
    let headers = "authorization: Bearer the-token\r\n";
    let reply =
        world.send("POST", "/api/v1/workflows/wf-1/cancel", headers, r#"{"reason":"a mistake"}"#).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let groups = vec!["sre".to_owned(), "leads".to_owned()];
    let wanted = Asked::Cancel("wf-1".to_owned(), Some("a mistake".to_owned()));
    assert_eq!(world.fake.took(), [(Caller::identified("ana", groups.clone(), Via::Rest), wanted)]);
    // Alertmanager has a token too, and comes through its own door.
    let reply = world.send("POST", "/api/v1/alerts", headers, r#"{"alerts":[]}"#).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let wanted = Caller::identified("ana", groups, Via::Alert);
    assert_eq!(world.fake.took(), [(wanted, Asked::Alerts(Vec::new()))]);
}

#[tokio::test]
async fn beyond_loopback_nobody_acts_without_a_token() {
    let everywhere =
        Http { listen: "0.0.0.0:8080".parse().unwrap(), insecure_anonymous: true, ..Http::default() };
    let world = of(everywhere, None, true).await;
    let order = trigger().to_string();
    let trouble = json!({
        "incident_id": "inc-9", "description": "x", "resources": [{ "kind": "Node", "name": "n" }]
    });
    for (method, path, body) in [
        ("POST", TRIGGER, &*order),
        ("POST", "/api/v1/coordination/trigger", &trouble.to_string()),
        ("POST", "/api/v1/workflows/wf-1/approve", r#"{"digest":"d"}"#),
        ("POST", "/api/v1/workflows/wf-1/deny", r#"{"digest":"d"}"#),
        ("POST", "/api/v1/workflows/wf-1/cancel", ""),
        ("POST", "/api/v1/workflows/wf-1/resolve", r#"{"outcome":"failed","note":"n"}"#),
        ("POST", "/api/v1/incidents/inc-1/resolve", ""),
        ("POST", "/api/v1/incidents", r#"{"title":"Checkout","description":"is slow","severity":"high"}"#),
        // The policy may let what an alert opens act.
        ("POST", "/api/v1/alerts", r#"{"version":"4","alerts":[]}"#),
        ("PUT", "/api/v1/control", r#"{"mode":"run"}"#),
    ] {
        let told = is_refusal(&world.send(method, path, "", body).await, 403, "refused_by_guard");
        assert_eq!(told["details"]["rule"], "http.insecureAnonymous", "{path}");
        world.fake.nothing();
    }
    // To look and to plan is no act.
    let mut dry = trigger();
    dry["dry_run"] = json!(true);
    for (path, body) in [(TRIGGER, dry.to_string()), ("/api/v1/plans", order)] {
        let reply = world.post(path, body).await;
        assert!(reply.status < 300, "{reply:?}");
        world.one();
    }
    assert_eq!(world.get("/api/v1/incidents").await.status, 200);
    world.one();
}

#[tokio::test]
async fn the_key_of_a_repetition_is_handed_on() {
    let world = world().await;
    let long = "k".repeat(255);
    for key in ["a", "8e03978e-40d5-43e8-bc93-6894a57f9324", &long] {
        let reply =
            world.send("POST", TRIGGER, &format!("Idempotency-Key: {key}\r\n"), &trigger().to_string()).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        let Asked::Trigger(asked) = world.one() else { panic!("a trigger") };
        assert_eq!(asked.idempotency_key.as_deref(), Some(key));
    }
    let longer = "k".repeat(256);
    for headers in [
        "Idempotency-Key: \r\n",
        "Idempotency-Key: two words\r\n",
        "Idempotency-Key: one\r\nIdempotency-Key: one\r\n",
        &format!("Idempotency-Key: {longer}\r\n"),
    ] {
        let reply = world.send("POST", TRIGGER, headers, &trigger().to_string()).await;
        assert_eq!(is_refusal(&reply, 400, "invalid_request")["details"]["field"], "idempotency-key");
        world.fake.nothing();
    }
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused_in_the_same_form() {
    let world = of(Http { max_body_bytes: 2_048, ..Http::default() }, None, true).await;
    let mut body = trigger();
    body["issue"]["description"] = json!("x".repeat(4_096));
    let reply = world.post(TRIGGER, body.to_string()).await;
    assert_eq!(is_refusal(&reply, 413, "body_too_large")["details"]["max_body_bytes"], 2_048);
    world.fake.nothing();
}

#[tokio::test]
async fn a_body_as_long_as_the_limit_allows_is_read() {
    // The framework's own limit of 2 MB must not stand in the way of a higher one of ours.
    let world = of(Http { max_body_bytes: 8 << 20, ..Http::default() }, None, true).await;
    let mut body = trigger();
    body["issue"]["description"] = json!("x".repeat(3 << 20));
    assert_eq!(world.post(TRIGGER, body.to_string()).await.status, 202);
    let Asked::Trigger(asked) = world.one() else { panic!("a trigger") };
    assert_eq!(asked.description.len(), 3 << 20);
}
