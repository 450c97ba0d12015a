//! What the coordination engine itself refuses, with the status, the code and the one form that the served OpenAPI
//! document has for it, and what a workflow looks like that waits for a person and ends without an effect.
//!
//! Forms of every error, the rare ones too, are in `errors`, on a fake.

use serde_json::{Value, json};

use super::{
    engine::{TRIGGER, Told, on_catalog, served},
    examples::{TRIGGERED, WORKFLOW},
    is_refusal,
};

const INCIDENTS: &str = "/api/v1/incidents";

impl Told {
    async fn refused(&self, request: (&str, &str), body: &Value, status: u16, code: &str) -> Value {
        let (method, path) = request;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (reply, _) = self.call(method, path, &body).await;
        if status == 405 {
            let allow = reply.header("allow").unwrap_or_default();
            assert!(!allow.is_empty() && !allow.contains(method), "{method} {path} allows {allow:?}");
        }
        is_refusal(&reply, status, code)
    }
}

/// The contract's trigger with another value at this place.
fn but(pointer: &str, value: Value) -> Value {
    let mut body = on_catalog();
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_cannot_be_is_400_and_names_its_member() {
    let told = served().await;
    let new = |change: Value| {
        let mut body = json!({ "title": "t", "description": "d", "severity": "low" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    let mut misspelt = on_catalog();
    misspelt["dry_rum"] = json!(true);
    let mut nameless = on_catalog();
    nameless.as_object_mut().unwrap().remove("incident_id");
    for (path, body, field) in [
        (TRIGGER, nameless, "incident_id"),
        (TRIGGER, misspelt, "dry_rum"),
        // Types are strict: nothing is made of another.
        (TRIGGER, but("/incident_id", json!(12_345)), "incident_id"),
        (TRIGGER, but("/namespace", json!(["shop"])), "namespace"),
        (TRIGGER, but("/resource", json!("Deployment/catalog")), "resource"),
        (TRIGGER, but("/resource/name", json!(7)), "resource.name"),
        (TRIGGER, but("/issue/severity", json!("terrible")), "issue.severity"),
        (TRIGGER, but("/issue/type", json!("bad_karma")), "issue.type"),
        (INCIDENTS, new(json!({ "severity": "terrible" })), "severity"),
        (INCIDENTS, new(json!({ "title": "" })), "title"),
        (INCIDENTS, new(json!({ "title": "t".repeat(201) })), "title"),
        (INCIDENTS, new(json!({ "labels": { "team": 7 } })), "labels.team"),
        (INCIDENTS, new(json!({ "confidence": 2 })), "confidence"),
    ] {
        let said = told.refused(("POST", path), &body, 400, "invalid_request").await;
        assert_eq!(said["details"]["field"], field, "{said}");
    }
    for (path, field) in [
        ("/api/v1/incidents?limit=many", "limit"),
        ("/api/v1/incidents?limit=-1", "limit"),
        ("/api/v1/incidents?severity=terrible", "severity"),
        ("/api/v1/incidents?status=terrible", "status"),
        ("/api/v1/workflows?limit=9999", "limit"),
    ] {
        let said = told.refused(("GET", path), &Value::Null, 400, "invalid_request").await;
        assert_eq!(said["details"]["field"], field, "{path}: {said}");
    }
    let (broken, _) = told.call("POST", TRIGGER, "{\"incident_id\":").await;
    is_refusal(&broken, 400, "invalid_request");
    assert_eq!(told.get("/api/v1/workflows").await["total"], 0, "nothing of it was begun");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_404_and_a_wrong_method_405() {
    let told = served().await;
    for (method, path) in [
        ("GET", "/api/v1/workflows/wf-67890"),
        ("POST", "/api/v1/workflows/wf-67890/cancel"),
        ("GET", "/api/v1/incidents/inc-67890"),
        ("POST", "/api/v1/incidents/inc-67890/resolve"),
        ("GET", "/api/v1/workflows/67890"),
        ("GET", "/api/v1/remedies"),
    ] {
        told.refused((method, path), &Value::Null, 404, "not_found").await;
    }
    let unknown = but("/resource/name", json!("payment-service"));
    told.refused(("POST", TRIGGER), &unknown, 404, "not_found").await;
    for (method, path) in [
        ("GET", TRIGGER),
        ("PUT", TRIGGER),
        ("DELETE", INCIDENTS),
        ("POST", "/api/v1/workflows"),
        ("PATCH", "/api/v1/workflows/wf-67890"),
        ("POST", "/api/v1/health"),
    ] {
        told.refused((method, path), &Value::Null, 405, "method_not_allowed").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_is_403_and_what_stands_in_the_way_409() {
    let told = served().await;
    let guarded = json!({
        "incident_id": "inc-1", "namespace": "kube-system", "resource": { "kind": "Deployment", "name": "coredns" },
        "issue": { "type": "pod_crash_loop", "description": "Pods in CrashLoopBackOff", "severity": "high" },
    });
    let said = told.refused(("POST", TRIGGER), &guarded, 403, "refused_by_guard").await;
    assert_eq!(said["details"]["rule"], "policy/system-namespaces", "{said}");

    // This one needs a person, and nobody here is one.
    let approvable = json!({
        "incident_id": "inc-2", "namespace": "payments",
        "resource": { "kind": "Deployment", "name": "payments-worker" },
        "issue": { "type": "oom_kill", "description": "Pods are killed", "severity": "high" },
    });
    let began = told.post(TRIGGER, &approvable, 202).await;
    TRIGGERED.is_form_of(&began, &[]);
    let id = began["workflow_id"].as_str().unwrap().to_owned();
    let path = |verb: &str| format!("/api/v1/workflows/{id}/{verb}");
    let waiting = told.until(&id, |workflow| workflow["awaiting"].is_object()).await;
    WORKFLOW.is_form_of(&waiting, &["/completed_at", "/steps/started_at", "/steps/completed_at"]);
    assert_eq!((&waiting["status"], &waiting["steps"][0]["status"]), (&json!("pending"), &json!("pending")));
    let digest = json!({ "digest": waiting["awaiting"]["digest"] });
    let said = told.refused(("POST", &path("approve")), &digest, 403, "refused_by_guard").await;
    assert_eq!(said["details"]["rule"], "approval", "{said}");
    let another = json!({ "digest": "0".repeat(64) });
    let (reply, _) = told.call("POST", &path("approve"), &another.to_string()).await;
    assert!([403, 409].contains(&reply.status), "for another plan: {reply:?}");

    let ended = told.post(&path("cancel"), &json!({ "reason": "not today" }), 200).await;
    assert_eq!(ended["id"], *id, "{ended}");
    let ended = told.until(&id, |workflow| workflow["completed_at"].is_string()).await;
    WORKFLOW.is_form_of(&ended, &["/steps/started_at", "/steps/completed_at"]);
    assert_eq!((&ended["status"], &ended["phase"]), (&json!("failed"), &json!("cancelled")), "{ended:#}");
    assert!(ended["error_message"].is_string(), "a failure says why: {ended:#}");
    // Asked again it is the same: it is cancelled. Anything else comes too late.
    let again = told.post(&path("cancel"), &json!({}), 200).await;
    assert_eq!((&again["phase"], &again["reason"]), (&ended["phase"], &ended["reason"]), "{again:#}");
    for verb in ["approve", "deny"] {
        told.refused(("POST", &path(verb)), &digest, 409, "conflict").await;
    }

    // A key belongs to one request.
    let key = "idempotency-key: 7f3a\r\n";
    for (body, status) in [(on_catalog(), 202), (on_catalog(), 202), (guarded, 409)] {
        let reply = told.real.call("POST", TRIGGER, key, &body.to_string()).await;
        let value = told.follows("POST", TRIGGER, &reply);
        assert_eq!(reply.status, status, "{value}");
        if status == 409 {
            is_refusal(&reply, 409, "conflict");
        }
    }
}
