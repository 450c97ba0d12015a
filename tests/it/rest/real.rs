//! The door on the coordination engine itself, as `aiops demo` runs it: what is kept, listed, planned, refused, and
//! repaired on the model of the recording.
//!
//! What acts on a real control plane is tested on one.

use std::time::{Duration, Instant};

use aiops::{
    boot::{Booted, Feed, Ports, Served, boot},
    config::{Environment, Sources, load},
    shutdown::Tasks,
};
use serde_json::{Value, json};

use super::{
    super::{process::DEADLINE, wire::Reply},
    is_refusal,
};

pub(super) struct Real {
    address: String,
    tasks: Tasks,
    served: Served,
    /// Sent with every request; each ends with CRLF.
    headers: &'static str,
    _booted: Booted,
}

/// A server in full mode, as soon as its engine says that it is there.
pub(super) async fn real() -> Real {
    with(&[], "").await
}

async fn with(more: &[(&str, &str)], headers: &'static str) -> Real {
    let mut variables = vec![("AIOPS_HTTP__LISTEN", "127.0.0.1:0"), ("AIOPS_DEPLOYMENT__MODE", "full")];
    variables.extend(more);
    let loaded = load(Sources { environment: Environment::of(variables), ..Sources::default() }).unwrap();
    let tasks = Tasks::new();
    let ports = Ports::take(&loaded).await.unwrap();
    let booted = boot(&loaded, Feed::Demo, &tasks).unwrap();
    let served = ports.serve(&booted, &loaded, &tasks).unwrap();
    let address = served.main.address.to_string();
    let real = Real { address, tasks, served, headers, _booted: booted };
    let end = Instant::now() + DEADLINE;
    while real.get("/api/v1/control").await.status != 200 {
        assert!(Instant::now() < end, "the engine did not come: {:?}", real.get("/api/v1/health").await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    real
}

impl Real {
    pub(super) async fn get(&self, path: &str) -> Reply {
        super::ask(&self.address, &format!("GET {path}"), self.headers).await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(path, self.headers, body).await
    }

    async fn send(&self, path: &str, headers: &str, body: &Value) -> Reply {
        self.call("POST", path, headers, &body.to_string()).await
    }

    /// Any request, its body as it stands.
    pub(super) async fn call(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {length}\r\n");
        super::send(&self.address, &format!("{head}connection: close\r\n\r\n{body}")).await
    }

    /// The workflow as soon as it is as wanted.
    async fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let workflow = self.get(&format!("/api/v1/workflows/{id}")).await.json();
            if wanted(&workflow) {
                return workflow;
            }
            let is_over = workflow["completed_at"].is_string() || workflow["needs_operator"] == true;
            assert!(!is_over && Instant::now() < end, "it does not come to that: {workflow:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_is_opened_found_reported_and_closed() {
    let real = real().await;
    let body = json!({
        "title": "Checkout is down", "description": "customers cannot pay", "severity": "critical", "source": "manual",
        "target": "shop", "affectedResources": ["Deployment/shop/checkout"], "createdBy": "mcp-server",
    });
    let created = real.post("/api/v1/incidents", &body).await;
    assert_eq!(created.status, 201, "{created:?}");
    let id = created.json()["incident_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("inc-") && id.len() >= 20, "{id}");
    let listed = real.get("/api/v1/incidents?severity=critical&status=active&limit=500").await.json();
    let row = listed["incidents"].as_array().unwrap().iter().find(|row| row["id"] == *id);
    let row = row.unwrap_or_else(|| panic!("{id} is not in {listed}"));
    assert_eq!((&row["title"], &row["severity"]), (&json!("Checkout is down"), &json!("critical")));
    assert!(listed["total"].as_u64().unwrap() >= 1);
    // The sweep may open another one between the list and the counts.
    assert!(listed["summary"]["total"].as_u64().unwrap() >= listed["total"].as_u64().unwrap());
    let one = real.get("/api/v1/incidents?severity=critical&limit=1&offset=0").await.json();
    assert_eq!(one["incidents"].as_array().unwrap().len(), 1, "limited");
    assert_eq!(one["incidents"][0]["status"], "pending", "in the old server's words");
    let report = real.get(&format!("/api/v1/incidents/{id}/report")).await;
    assert_eq!(report.status, 200);
    assert!(report.body.starts_with('#') && report.body.contains("Checkout is down"), "{}", report.body);
    let closed = real
        .post(&format!("/api/v1/incidents/{id}/resolve"), &json!({ "resolution": "rolled back by hand" }))
        .await;
    assert_eq!((closed.status, &closed.json()["status"]), (200, &json!("resolved")), "{closed:?}");
    assert_eq!(real.get(&format!("/api/v1/incidents/{id}")).await.json()["status"], "resolved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_names_the_member_as_the_request_has_it() {
    let real = real().await;
    let order = |change: &dyn Fn(&mut Value)| {
        let mut body = json!({
            "incident_id": "inc-1", "namespace": "shop", "resource": { "kind": "Deployment", "name": "checkout" },
            "issue": { "type": "image_pull" },
        });
        change(&mut body);
        body
    };
    let trouble = |first: Value, second: Value| json!({ "incident_id": "inc-1", "description": "x", "resources": [first, second] });
    let good = json!({ "kind": "Deployment", "name": "checkout", "namespace": "shop", "issue": "x" });
    let (trigger, plans, layers) =
        ("/api/v1/remediation/trigger", "/api/v1/plans", "/api/v1/coordination/trigger");
    for (path, body, field, message) in [
        (
            trigger,
            order(&|b| b["namespace"] = json!("")),
            "namespace",
            "namespace is required: a Deployment is in one",
        ),
        (trigger, order(&|b| b["namespace"] = json!("No")), "namespace", "cannot be a namespace"),
        (trigger, order(&|b| b["resource"]["kind"] = json!("Toaster")), "resource.kind", "is no kind"),
        (plans, order(&|b| b["resource"]["name"] = json!("..")), "resource.name", "cannot be the name"),
        (trigger, order(&|b| b["issue"]["type"] = json!("burnt")), "issue.type", "no issue that is known"),
        (
            trigger,
            order(&|b| b["incident_id"] = json!("x".repeat(129))),
            "incident_id",
            "incident_id must not exceed 128",
        ),
        (
            trigger,
            order(&|b| {
                b["incident_id"] = json!("x".repeat(900_000));
                b["dry_run"] = json!(true);
            }),
            "incident_id",
            "must not exceed 128",
        ),
        (
            layers,
            trouble(json!({"kind": "Toaster", "name": "x"}), good.clone()),
            "resources[0].kind",
            "is no kind",
        ),
        (
            layers,
            trouble(good.clone(), json!({"kind": "Pod", "name": "x"})),
            "resources[1].namespace",
            "is required",
        ),
        (
            layers,
            json!({ "incident_id": "inc-1", "description": "x", "resources": [{ "kind": "Node", "name": "n" }] }),
            "resources[0].issue",
            "is required",
        ),
    ] {
        let refused = real.post(path, &body).await;
        let said = is_refusal(&refused, 400, "invalid_request");
        assert_eq!(said["details"]["field"], field, "{said}");
        assert!(said["message"].as_str().unwrap().contains(message), "{said}");
    }
    let refused = real.get("/api/v1/workflows?incident_id=7").await;
    assert_eq!(is_refusal(&refused, 400, "invalid_request")["details"]["field"], "incident_id");
    // What is misspelt has a near name, the namespace too.
    let misspelt = real.post(trigger, &order(&|b| b["namespace"] = json!("shopp"))).await;
    let said = is_refusal(&misspelt, 404, "not_found");
    assert!(
        said["message"].as_str().unwrap().contains("namespace shopp not found; did you mean shop"),
        "{said}"
    );
    is_refusal(&real.get("/api/v1/audit/nope").await, 404, "not_found");
    assert_eq!(real.get("/api/v1/audit/control").await.status, 200);
    // A dry run is done with its answer, and knows its steps.
    let body = json!({ "incident_id": "inc-1", "description": "x", "dry_run": true,
        "resources": [{ "kind": "Deployment", "name": "checkout", "namespace": "shop", "issue": "image_pull" }] });
    let dry = real.post(layers, &body).await;
    assert_eq!(dry.status, 200, "{dry:?}");
    let dry = dry.json();
    let steps = dry["trigger"]["plan"]["steps"].as_array().map_or(0, Vec::len);
    assert_eq!(dry["estimated_steps"], json!(steps), "{dry}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_and_nothing_is_kept() {
    let real = real().await;
    let trigger = |issue: &str, name: &str| {
        json!({
            "incident_id": "inc-1", "namespace": "shop", "resource": { "kind": "Deployment", "name": name },
            "issue": { "type": issue, "severity": "high" },
        })
    };
    let unknown = real.post("/api/v1/remediation/trigger", &trigger("bad_karma", "checkout")).await;
    is_refusal(&unknown, 400, "invalid_request");
    let missing =
        real.post("/api/v1/remediation/trigger", &trigger("pod_crash_loop", "nothing-of-this-name")).await;
    is_refusal(&missing, 404, "not_found");
    for (path, status, code) in [
        ("/api/v1/workflows/wf-67890", 404, "not_found"),
        ("/api/v1/coordination/workflows/wf-67890", 404, "not_found"),
        ("/api/v1/workflows/wf-67890/events", 404, "not_found"),
        ("/api/v1/incidents/inc-67890", 404, "not_found"),
        ("/api/v1/workflows?limit=9999", 400, "invalid_request"),
        ("/api/v1/incidents?severity=terrible", 400, "invalid_request"),
    ] {
        is_refusal(&real.get(path).await, status, code);
    }
    let listed = real.get("/api/v1/workflows").await.json();
    assert_eq!((&listed["workflows"], &listed["total"]), (&json!([]), &json!(0)));
    let decided = real.post("/api/v1/workflows/wf-67890/approve", &json!({ "digest": "d" })).await;
    is_refusal(&decided, 404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_tells_a_plan_and_keeps_none() {
    let real = real().await;
    let mut body = json!({
        "namespace": "shop", "resource": { "kind": "Deployment", "name": "checkout" },
        "issue": { "type": "pod_crash_loop", "description": "CrashLoopBackOff", "severity": "high" },
    });
    let planned = real.post("/api/v1/plans", &body).await;
    assert_eq!(planned.status, 200, "{planned:?}");
    let plan = planned.json();
    assert!(plan["why"].as_str().is_some_and(|why| !why.is_empty()), "{plan}");
    body["incident_id"] = json!("inc-dry");
    body["dry_run"] = json!(true);
    let dry = real.post("/api/v1/remediation/trigger", &body).await;
    assert_eq!(dry.status, 200, "{dry:?}");
    let told = dry.json();
    assert_eq!((&told["workflow_id"], &told["dry_run"]), (&Value::Null, &json!(true)));
    for member in ["status", "deployment_method", "estimated_duration"] {
        assert!(told[member].is_string(), "{member}: {told}");
    }
    assert_eq!(told["plan"]["digest"], plan["digest"], "the same plan");
    assert_eq!(real.get("/api/v1/workflows").await.json()["total"], 0);
    is_refusal(&real.get("/api/v1/incidents/inc-dry").await, 404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_says_how_it_is_and_what_it_goes_by() {
    let real = real().await;
    let health = real.get("/api/v1/health").await.json();
    assert_eq!(health["engine"]["acts"], true, "on the model of what was recorded: {health}");
    assert!(health["dependencies"]["coordination_engine"].is_string());
    let policy = real.get("/api/v1/policy").await.json();
    assert!(!policy["rules"].as_array().unwrap().is_empty(), "{policy}");
    assert_eq!(real.get("/api/v1/control").await.json()["kill_switch"], "run");
    let method = real.get("/api/v1/detect/deployment/shop/checkout").await;
    assert_eq!(method.status, 200, "{method:?}");
    assert_eq!(
        (&method.json()["success"], &method.json()["data"]["resource_name"]),
        (&json!(true), &json!("checkout"))
    );
    is_refusal(&real.get("/api/v1/detect/daemonset/shop/checkout").await, 404, "not_found");
    let payload = json!({ "version": "4", "alerts": [{
        "status": "firing", "startsAt": "2026-11-27T11:00:00Z",
        "labels": { "alertname": "KubePodCrashLooping", "namespace": "shop", "deployment": "checkout", "severity": "warning" },
    }] });
    let taken = real.post("/api/v1/alerts", &payload).await;
    assert_eq!((taken.status, &taken.json()["received"]), (200, &json!(1)), "{taken:?}");
    let began = Instant::now();
    tokio::time::timeout(DEADLINE, real.served.drain(&real.tasks)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "the engine ends in time: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_acts_on_its_model_until_the_repair_is_verified() {
    let real = real().await;
    let body = json!({
        "incident_id": "inc-demo", "namespace": "shop", "resource": { "kind": "Deployment", "name": "checkout" },
        "issue": { "type": "pod_crash_loop", "description": "CrashLoopBackOff", "severity": "high" },
    });
    let planned = real.post("/api/v1/plans", &body).await;
    assert_eq!(planned.status, 200, "{planned:?}");
    let plan = planned.json();
    assert_eq!(plan["simulated"], true, "{plan}");
    let proof = &plan["steps"][0]["proof"];
    assert_eq!((&proof["allowed"], &proof["accepted"]), (&json!(true), &json!(true)), "proven: {plan}");
    let triggered = real.post("/api/v1/remediation/trigger", &body).await;
    assert_eq!(triggered.status, 202, "{triggered:?}");
    let triggered = triggered.json();
    assert_eq!(triggered["simulated"], true, "{triggered}");
    let id = triggered["workflow_id"].as_str().unwrap().to_owned();
    let workflow = real.until(&id, |workflow| workflow["phase"] == "completed").await;
    assert_eq!((&workflow["status"], &workflow["simulated"]), (&json!("completed"), &json!(true)));
    let steps = workflow["steps"].as_array().unwrap();
    assert!(!steps.is_empty() && steps.iter().all(|step| step["status"] == "completed"), "{workflow:#}");
    assert!(workflow["checkpoints"].as_array().unwrap().iter().all(|check| check["status"] == "passed"));
    // The sweep had opened one about the same: there is one incident, and it says who else knows it.
    let incident = triggered["incident_id"].as_str().unwrap();
    let incident = real.get(&format!("/api/v1/incidents/{incident}")).await.json();
    assert_eq!((&incident["status"], &incident["workflow_id"]), (&json!("remediated"), &json!(id)));
    assert!(incident["duration_seconds"].is_number(), "{incident}");
    let layered = real.get(&format!("/api/v1/coordination/workflows/{id}")).await.json();
    assert_eq!(layered["execution_result"]["status"], "success", "{layered}");
    let audit = real.get(&format!("/api/v1/audit/{id}")).await.json();
    assert!(audit["lines"].as_array().unwrap().len() >= 3, "{audit}");
}

fn crash_loop() -> Value {
    json!({
        "incident_id": "inc-1", "namespace": "shop", "resource": { "kind": "Deployment", "name": "checkout" },
        "issue": { "type": "pod_crash_loop", "severity": "high" },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_that_is_repeated_is_one_workflow() {
    let real = real().await;
    let key = "idempotency-key: 7f3a\r\n";
    let first = real.send("/api/v1/remediation/trigger", key, &crash_loop()).await;
    assert_eq!(first.status, 202, "{first:?}");
    let id = first.json()["workflow_id"].as_str().unwrap().to_owned();
    let again = real.send("/api/v1/remediation/trigger", key, &crash_loop()).await;
    assert_eq!((again.status, &again.json()["workflow_id"]), (202, &json!(id)), "{again:?}");
    let mut other = crash_loop();
    other["resource"]["name"] = json!("frontend");
    let contradicting = real.send("/api/v1/remediation/trigger", key, &other).await;
    is_refusal(&contradicting, 409, "conflict");
    // Without a key the same trouble is still one workflow, however many ask at once.
    let body = crash_loop();
    let all = (0..100).map(|_| real.post("/api/v1/remediation/trigger", &body));
    for reply in futures::future::join_all(all).await {
        assert_eq!((reply.status, &reply.json()["workflow_id"]), (202, &json!(id)), "{reply:?}");
    }
    assert_eq!(real.get("/api/v1/workflows").await.json()["total"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_an_approval_waits_for_the_one_who_saw_the_plan() {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(b"the-token");
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    std::fs::write(&path, format!("[[token]]\nname = \"ana\"\nsha256 = \"{hash}\"\ngroups = [\"sre\"]\n"))
        .unwrap();
    let token = "authorization: Bearer the-token\r\n";
    let real = with(&[("AIOPS_HTTP__TOKEN_FILE", path.to_str().unwrap())], token).await;
    let body = json!({
        "incident_id": "inc-2", "namespace": "payments", "resource": { "kind": "Deployment", "name": "payments-worker" },
        "issue": { "type": "oom_kill", "severity": "high" },
    });
    is_refusal(&real.send("/api/v1/remediation/trigger", "", &body).await, 401, "unauthorized");
    let triggered = real.post("/api/v1/remediation/trigger", &body).await;
    assert_eq!(triggered.status, 202, "{triggered:?}");
    let id = triggered.json()["workflow_id"].as_str().unwrap().to_owned();
    let waiting = real.until(&id, |workflow| workflow["awaiting"].is_object()).await;
    assert_eq!((&waiting["status"], &waiting["phase"]), (&json!("pending"), &json!("awaiting_approval")));
    assert_eq!(waiting["requested_by"], "ana");
    let digest = waiting["awaiting"]["digest"].as_str().unwrap().to_owned();
    let approve = format!("/api/v1/workflows/{id}/approve");
    let forged = real.post(&approve, &json!({ "digest": "0".repeat(64) })).await;
    assert!([403, 409].contains(&forged.status), "for another plan: {forged:?}");
    assert_eq!(real.get(&format!("/api/v1/workflows/{id}")).await.json()["phase"], "awaiting_approval");
    let approved = real.post(&approve, &json!({ "digest": digest, "reason": "looked at it" })).await;
    assert_eq!(approved.status, 200, "{approved:?}");
    let replayed = real.post(&approve, &json!({ "digest": digest })).await;
    is_refusal(&replayed, 409, "conflict");
    let done = real.until(&id, |workflow| workflow["started_at"].is_string()).await;
    assert_eq!(done["id"], *id);
    let given = &done["decision"];
    assert_eq!(
        (&given["approved"], &given["by"], &given["via"]),
        (&json!(true), &json!("ana"), &json!("rest"))
    );
    assert_eq!(given["reason"], "looked at it");
}
