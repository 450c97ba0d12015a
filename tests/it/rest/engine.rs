//! The contract's examples, asked of the coordination engine itself with its own store: every answer is of its example's
//! form, member by member, and follows the OpenAPI document that is served, with no member that the document lacks.
//!
//! What the fake behind the other files cannot tell: that it is the engine who fills these members so. What is refused
//! is in `refused`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    super::wire::Reply,
    examples::{HEALTH, INCIDENTS, SEVERITY, TRIGGERED, WORKFLOW, trigger},
    is_refusal,
    real::{Real, real},
    schema,
};

pub(super) const TRIGGER: &str = "/api/v1/remediation/trigger";

/// A server with its engine, and the document that it serves.
pub(super) struct Told {
    pub(super) real: Real,
    document: Value,
}

pub(super) async fn served() -> Told {
    let real = real().await;
    let document = real.get("/openapi.json").await.json();
    Told { real, document }
}

impl Told {
    /// The answer as it came, and its body, which follows the document.
    pub(super) async fn call(&self, method: &str, path: &str, body: &str) -> (Reply, Value) {
        let reply = self.real.call(method, path, "content-type: application/json\r\n", body).await;
        let value = self.follows(method, path, &reply);
        (reply, value)
    }

    #[track_caller]
    pub(super) fn follows(&self, method: &str, path: &str, reply: &Reply) -> Value {
        schema::told(&self.document, method, path, reply)
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let (reply, value) = self.call("GET", path, "").await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        value
    }

    pub(super) async fn post(&self, path: &str, body: &Value, status: u16) -> Value {
        let (reply, value) = self.call("POST", path, &body.to_string()).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        value
    }

    /// The workflow as soon as it is as wanted; what it is on the way there follows the document too.
    pub(super) async fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let workflow = self.get(&format!("/api/v1/workflows/{id}")).await;
            if wanted(&workflow) {
                return workflow;
            }
            let is_over = workflow["completed_at"].is_string() || workflow["needs_operator"] == true;
            assert!(!is_over && Instant::now() < end, "it does not come to that: {workflow:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The one row of the list of workflows.
    async fn row(&self) -> Value {
        let list = self.get("/api/v1/workflows").await;
        assert_eq!(
            (list["workflows"].as_array().map(Vec::len), &list["total"]),
            (Some(1), &json!(1)),
            "{list}"
        );
        list["workflows"][0].clone()
    }

    /// The ids of the incidents that pass this filter.
    async fn found(&self, filter: &str) -> Vec<String> {
        let list = self.get(&format!("/api/v1/incidents?limit=500&{filter}")).await;
        let rows = list["incidents"].as_array().unwrap();
        assert_eq!(list["total"], json!(rows.len()), "all are shown: {filter}");
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// The contract's trigger, for something that the recording has and nothing is reported of.
pub(super) fn on_catalog() -> Value {
    let mut body = trigger();
    body["namespace"] = json!("shop");
    body["resource"]["name"] = json!("catalog");
    body
}

/// An id that was made here: no two are alike.
#[track_caller]
fn is_made(id: &Value, prefix: &str) {
    let unique =
        id.as_str().and_then(|id| id.strip_prefix(prefix)).unwrap_or_else(|| panic!("{id} is no {prefix}"));
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    assert!(unique.len() >= 16 && unique.chars().all(is_plain), "{id}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_health_of_a_real_engine_is_of_the_contract() {
    let told = served().await;
    let health = told.get("/api/v1/health").await;
    HEALTH.is_form_of(&health, &[]);
    let words = health["dependencies"].as_object().unwrap();
    assert_eq!(words["coordination_engine"], "ok", "{health}");
    for (name, word) in words {
        let detail = &health["dependency_details"][name];
        assert_eq!(
            (&detail["name"], &detail["status"]),
            (&json!(name), word),
            "a word has its sentence: {health}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_is_of_the_contract_from_its_dry_run_to_the_incident_it_remedied() {
    let told = served().await;
    let mut dry = on_catalog();
    dry["dry_run"] = json!(true);
    let shown = told.post(TRIGGER, &dry, 200).await;
    TRIGGERED.is_form_of(&shown, &["/workflow_id"]);
    assert!(shown.as_object().unwrap().contains_key("workflow_id"), "null, and there: {shown}");
    assert_eq!(shown["dry_run"], true, "{shown}");
    assert!(shown["plan"]["digest"].is_string() && shown["plan"]["steps"][0].is_object(), "{shown}");
    let none = told.get("/api/v1/workflows").await;
    assert_eq!((&none["workflows"], &none["total"]), (&json!([]), &json!(0)), "a dry run keeps nothing");
    let (reply, _) = told.call("GET", "/api/v1/incidents/inc-12345", "").await;
    assert_eq!(reply.status, 404, "a dry run opens no incident: {reply:?}");

    let began = told.post(TRIGGER, &on_catalog(), 202).await;
    TRIGGERED.is_form_of(&began, &[]);
    is_made(&began["workflow_id"], "wf-");
    assert_eq!(
        (&began["status"], &began["incident_id"]),
        (&json!("in_progress"), &json!("inc-12345")),
        "{began}"
    );
    assert_ne!(began["deduplicated"], true, "the first of its kind: {began}");
    let id = began["workflow_id"].as_str().unwrap().to_owned();
    // Repeated, and reported of by somebody else: it is one workflow.
    let mut other = on_catalog();
    other["incident_id"] = json!("inc-99999");
    for body in [on_catalog(), other] {
        let joined = told.post(TRIGGER, &body, 202).await;
        TRIGGERED.is_form_of(&joined, &[]);
        assert_eq!(
            (&joined["workflow_id"], &joined["incident_id"], &joined["deduplicated"]),
            (&json!(id), &json!("inc-12345"), &json!(true)),
            "{joined}"
        );
    }

    let is_acting = |workflow: &Value| workflow["steps"][0]["status"] == "in_progress";
    let running = told.until(&id, is_acting).await;
    WORKFLOW.is_form_of(&running, &["/completed_at", "/steps/completed_at"]);
    assert_eq!(running["status"], "in_progress", "{running:#}");
    assert_eq!(running["checkpoints"][0]["status"], "pending", "{running:#}");
    assert!(running["duration"].is_null() && running["error_message"].is_null(), "{running:#}");
    // A list leaves the steps out.
    let row = told.row().await;
    WORKFLOW.is_form_of(&row, &["/completed_at", "/steps", "/checkpoints"]);
    assert_eq!((&row["id"], &row["status"]), (&json!(id), &json!("in_progress")), "{row}");
    let busy = told.get("/api/v1/incidents/inc-12345").await;
    assert_eq!((&busy["status"], &busy["completed_at"]), (&json!("in_progress"), &Value::Null), "{busy}");
    let health = told.get("/api/v1/health").await;
    assert_eq!(health["engine"]["active_workflows"], 1, "{health}");

    let done = told.until(&id, |workflow| workflow["completed_at"].is_string()).await;
    is_completed(&done, &id);
    let row = told.row().await;
    WORKFLOW.is_form_of(&row, &["/steps", "/checkpoints"]);
    assert_eq!((&row["id"], &row["completed_at"]), (&json!(id), &done["completed_at"]), "{row}");
    is_remedied(&told, &id).await;
    let (late, _) = told.call("POST", &format!("/api/v1/workflows/{id}/cancel"), "{}").await;
    let said = is_refusal(&late, 409, "conflict");
    assert_eq!(said["details"]["workflow_id"], *id, "{said}");
}

/// All of the contract's workflow, when it is over and did what it was to do.
#[track_caller]
fn is_completed(done: &Value, id: &str) {
    WORKFLOW.is_form_of(done, &[]);
    assert_eq!((&done["id"], &done["incident_id"]), (&json!(id), &json!("inc-12345")), "{done:#}");
    assert_eq!((&done["status"], &done["phase"]), (&json!("completed"), &json!("completed")), "{done:#}");
    assert_eq!(done["issue_type"], "pod_crash_loop", "{done:#}");
    assert!(done["duration"].is_string() && done["error_message"].is_null(), "{done:#}");
    let steps = done["steps"].as_array().unwrap();
    for (order, step) in steps.iter().enumerate() {
        assert_eq!((&step["order"], &step["status"]), (&json!(order), &json!("completed")), "{done:#}");
        // Moments of one form are ordered as their texts.
        let times = [&done["created_at"], &step["started_at"], &step["completed_at"], &done["completed_at"]];
        assert!(times.is_sorted_by_key(|time| time.as_str()), "{done:#}");
        assert!(done["layers"].as_array().unwrap().contains(&step["layer"]), "{done:#}");
    }
    for checkpoint in done["checkpoints"].as_array().unwrap() {
        assert_eq!(checkpoint["status"], "passed", "{done:#}");
        assert!(checkpoint["after_step"].as_u64().unwrap() < steps.len() as u64, "after a step: {done:#}");
    }
}

/// The contract's incident, found by its filters and by no other.
async fn is_remedied(told: &Told, workflow: &str) {
    let list = told.get("/api/v1/incidents?namespace=shop&severity=high&status=remediated").await;
    INCIDENTS.is_form_of(&list, &[]);
    assert_eq!((list["incidents"].as_array().map(Vec::len), &list["total"]), (Some(1), &json!(1)), "{list}");
    let row = &list["incidents"][0];
    for (member, wanted) in [
        ("id", "inc-12345"),
        ("namespace", "shop"),
        ("resource", "Deployment/catalog"),
        ("severity", "high"),
        ("status", "remediated"),
        ("source", "trigger"),
        ("workflow_id", workflow),
    ] {
        assert_eq!(row[member], wanted, "{member}: {row}");
    }
    assert_eq!(row["issue_type"], "pod_crash_loop", "{row}");
    for (filter, is_in) in [
        ("", true),
        ("namespace=shop", true),
        ("severity=high", true),
        ("severity=all&status=all", true),
        ("namespace=payments", false),
        ("severity=low", false),
        ("severity=critical&namespace=shop", false),
        ("status=active", false),
    ] {
        let found = told.found(filter).await.iter().any(|id| id == "inc-12345");
        assert_eq!(found, is_in, "inc-12345 by {filter:?}");
    }
    let whole = told.get("/api/v1/incidents/inc-12345").await;
    INCIDENTS.is_form_of(&json!({ "incidents": [whole], "total": 1 }), &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_incidents_are_listed_and_all_are_counted() {
    let told = served().await;
    // Nothing else opens incidents of low severity here.
    for number in 0..56 {
        let namespace = if number % 4 == 0 { "payments" } else { "shop" };
        let body = json!({
            "title": format!("report {number}"), "description": "it was seen", "severity": "low", "target": namespace,
            "affected_resources": [format!("Deployment/{namespace}/part-{number}")],
            "labels": { "issue_type": "pod_crash_loop" },
        });
        let created = told.post("/api/v1/incidents", &body, 201).await;
        is_made(&created["incident_id"], "inc-");
        assert_eq!(created["status"], "success", "{created}");
        let row = &created["incident"];
        INCIDENTS.is_form_of(&json!({ "incidents": [row], "total": 1 }), &["/incidents/workflow_id"]);
        assert_eq!((&row["id"], &row["status"]), (&created["incident_id"], &json!("active")), "{created}");
    }
    for (asked, shown, total) in [
        ("severity=low", 50, 56),
        ("severity=low&limit=0", 50, 56),
        ("severity=low&limit=7", 7, 56),
        ("severity=low&limit=500", 56, 56),
        ("severity=low&namespace=shop&limit=500", 42, 42),
        ("severity=low&namespace=payments&limit=5", 5, 14),
        ("severity=low&status=active", 50, 56),
        ("severity=low&namespace=nowhere", 0, 0),
        ("severity=low&status=remediated", 0, 0),
    ] {
        let list = told.get(&format!("/api/v1/incidents?{asked}")).await;
        let rows = list["incidents"].as_array().unwrap();
        assert_eq!((rows.len(), &list["total"]), (shown, &json!(total)), "{asked}");
        assert_eq!(list["summary"]["total"], json!(total), "{asked}");
        if shown > 0 {
            INCIDENTS.is_form_of(&list, &["/incidents/workflow_id"]);
        }
        assert!(
            rows.is_sorted_by(|a, b| a["created_at"].as_str() >= b["created_at"].as_str()),
            "newest first"
        );
        assert!(rows.iter().all(|row| row["severity"] == "low"), "{asked}");
    }
    // Without a filter too, with those that the detectors opened.
    let list = told.get("/api/v1/incidents").await;
    assert_eq!(list["incidents"].as_array().map(Vec::len), Some(50), "the default limit");
    assert!(list["total"].as_u64().unwrap() >= 56, "before the limit: {}", list["total"]);
    for severity in SEVERITY {
        let list = told.get(&format!("/api/v1/incidents?limit=1&severity={severity}")).await;
        assert!(list["incidents"].as_array().unwrap().len() <= 1, "{severity}: {list}");
    }
}
