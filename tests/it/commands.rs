//! `aiops workflow`, `incident`, `policy` and `control` against a server that plays one story and notes what it is asked.

use std::{process::Output, sync::Arc};

use aiops::shutdown::Tasks;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::Response,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::process::{aiops, output, text};

mod reading;

/// What was asked: method, path with query, token, body.
type Asked = Vec<(String, String, String, Value)>;

/// A server that answers each request with what the test says.
struct Served {
    url: String,
    asked: Arc<Mutex<Asked>>,
    tasks: Tasks,
}

type Answer = fn(&str, &str) -> (u16, &'static str, String);

#[derive(Clone)]
struct Story {
    asked: Arc<Mutex<Asked>>,
    answer: Answer,
}

async fn played(State(story): State<Story>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let token =
        head.headers.get(header::AUTHORIZATION).map_or("", |value| value.to_str().unwrap()).to_owned();
    let path = head.uri.to_string();
    let (status, kind, said) = (story.answer)(head.method.as_str(), &path);
    story.asked.lock().push((head.method.to_string(), path, token, body));
    let answer = Response::builder().status(StatusCode::from_u16(status).unwrap());
    answer.header(header::CONTENT_TYPE, kind).body(Body::from(said)).unwrap()
}

impl Served {
    async fn of(answer: Answer) -> Self {
        let asked: Arc<Mutex<Asked>> = Arc::default();
        let router = Router::new().fallback(played).with_state(Story { asked: Arc::clone(&asked), answer });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let tasks = Tasks::new();
        let ending = tasks.ending();
        tasks.spawn("test.server", async move {
            let serving = axum::serve(listener, router);
            serving.with_graceful_shutdown(async move { ending.cancelled().await }).await.unwrap();
        });
        Self { url, asked, tasks }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = aiops(arguments);
        command.env("AIOPS_SERVER", &self.url).env("AIOPS_TOKEN", "t-1");
        output(&mut command)
    }

    /// What it prints when it succeeds, and the one request that it made.
    fn ask(&self, arguments: &[&str]) -> (String, (String, String, Value)) {
        let done = self.run(arguments);
        assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
        let mut asked = std::mem::take(&mut *self.asked.lock());
        assert_eq!(asked.len(), 1, "{asked:?}");
        let (method, path, token, body) = asked.remove(0);
        assert_eq!(token, "Bearer t-1");
        (text(&done.stdout), (method, path, body))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

fn workflow(phase: &str) -> Value {
    let state = match phase {
        "awaiting_approval" => "pending",
        "running" => "intent",
        _ => "verified",
    };
    json!({
        "id": "wf-1", "incident_id": "inc-1", "status": "in_progress", "phase": phase,
        "namespace": "shop", "resource_kind": "Deployment", "resource_name": "web", "issue_type": "image_pull",
        "severity": "high", "deployment_method": "manual", "remedy": "rollback-workload", "requested_by": "ada",
        "created_at": "2026-11-24T10:00:00Z", "rolled_back": false, "needs_operator": false,
        "awaiting": if phase == "awaiting_approval" {
            json!({"digest": "d1", "approval": "approve", "rule": "default", "expires_at": "2026-11-24T10:30:00Z"})
        } else { Value::Null },
        "steps": [{
            "order": 0, "direction": "do", "description": "Set the template of revision 6\u{1b}[31m", "state": state,
            "undo": "exact", "result": if state == "verified" { json!("3 of 3 ready") } else { Value::Null },
            "proof": {"diff": ["image: web:2.0 -> web:1.9"], "notes": []},
        }],
        "checkpoints": [{"after_step": 0, "status": if phase == "completed" { "passed" } else { "pending" },
            "checks": ["pods-ready"], "evidence": ["3 of 3 ready for 30 s"]}],
    })
}

fn json_of(value: &Value) -> (u16, &'static str, String) {
    (200, "application/json", value.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workflows_are_listed_shown_decided_and_stopped() {
    let served = Served::of(|method, path| match (method, path) {
        ("GET", path) if path.starts_with("/api/v1/workflows?") || path == "/api/v1/workflows" => {
            json_of(&json!({"workflows": [workflow("running")], "total": 3}))
        }
        ("GET", "/api/v1/workflows/wf-1/why-not") => {
            json_of(&json!({"allowed": false, "approval": "two_person", "rules": [
            {"rule": "guard.cooldown", "passes": true, "why": "the last one ended 40 min ago"},
            {"rule": "approval", "passes": false, "why": "nobody but ada approved"}]}))
        }
        ("GET", _) => json_of(&workflow("awaiting_approval")),
        (_, _) => json_of(&workflow("queued")),
    })
    .await;
    let (printed, (method, path, _)) = served.ask(&[
        "workflow",
        "list",
        "-n",
        "shop",
        "--status",
        "running",
        "--incident",
        "inc-1",
        "--limit",
        "1",
    ]);
    assert_eq!(
        (method.as_str(), path.as_str()),
        ("GET", "/api/v1/workflows?namespace=shop&status=running&incident_id=inc-1&limit=1")
    );
    assert!(printed.starts_with("WORKFLOW  PHASE    TARGET"), "{printed}");
    assert!(
        printed.contains("Deployment shop/web") && printed.contains("1 of 3; go on with --offset"),
        "{printed}"
    );

    let (printed, _) = served.ask(&["workflow", "show", "wf-1"]);
    for part in [
        "wf-1  Deployment shop/web  image_pull (high)",
        "image: web:2.0 -> web:1.9",
        "waits until 2026-11-24T10:30:00Z",
        "aiops workflow approve wf-1 --digest d1",
        "revision 6\\u{1b}[31m",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(!printed.contains('\u{1b}'), "{printed:?}");
    let (printed, _) = served.ask(&["workflow", "show", "wf-1", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), workflow("awaiting_approval"));
    assert!(served.ask(&["workflow", "show", "wf-1", "-o", "yaml"]).0.contains("phase: awaiting_approval"));

    for (word, path) in
        [("approve", "/api/v1/workflows/wf-1/approve"), ("deny", "/api/v1/workflows/wf-1/deny")]
    {
        let (printed, asked) = served.ask(&["workflow", word, "wf-1", "--digest", "d1", "--reason", "seen"]);
        assert_eq!(asked, ("POST".to_owned(), path.to_owned(), json!({"digest": "d1", "reason": "seen"})));
        assert_eq!(printed, "wf-1 is queued");
    }
    let refused = served.run(&["workflow", "approve", "wf-1"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = text(&refused.stderr);
    assert!(said.contains("aiops workflow approve wf-1 --digest d1"), "{said}");
    served.asked.lock().clear();

    let (_, asked) = served.ask(&["workflow", "cancel", "wf-1", "--reason", "no need"]);
    assert_eq!(
        asked,
        ("POST".to_owned(), "/api/v1/workflows/wf-1/cancel".to_owned(), json!({"reason": "no need"}))
    );
    let (_, asked) =
        served.ask(&["workflow", "resolve", "wf-1", "--outcome", "rolled-back", "--note", "by hand"]);
    let body = json!({"outcome": "rolled_back", "note": "by hand"});
    assert_eq!(asked, ("POST".to_owned(), "/api/v1/workflows/wf-1/resolve".to_owned(), body));
    let (printed, _) = served.ask(&["workflow", "why-not", "wf-1"]);
    assert!(printed.starts_with("refused; approval: two_person\n"), "{printed}");
    assert!(printed.contains("approval        refuses  nobody but ada approved"), "{printed}");
    // An id is one piece of the path, whatever is in it.
    let (_, (_, path, _)) = served.ask(&["workflow", "show", "../../healthz?x=1"]);
    assert_eq!(path, "/api/v1/workflows/..%2F..%2Fhealthz%3Fx%3D1");
}

fn events(phases: &[&str]) -> String {
    let event =
        |phase: &&str| format!("id: 1\nevent: workflow\ndata: {}\n\n: heartbeat\n\n", workflow(phase));
    phases.iter().map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watching_prints_what_is_new_and_says_by_its_exit_code_how_it_ended() {
    let served = Served::of(|_, path| match path {
        "/api/v1/workflows/wf-1/events" => {
            (200, "text/event-stream", events(&["awaiting_approval", "running", "running", "completed"]))
        }
        "/api/v1/workflows/wf-2/events" => (200, "text/event-stream", events(&["running", "rolled_back"])),
        _ => (
            404,
            "application/json",
            json!({"message": "workflow wf-3 not found", "code": "not_found"}).to_string(),
        ),
    })
    .await;
    let (printed, _) = served.ask(&["workflow", "watch", "wf-1"]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(
        lines,
        [
            "phase awaiting_approval",
            "waits for an approval: aiops workflow approve wf-1 --digest d1",
            "phase running",
            "step intent: Set the template of revision 6\\u{1b}[31m",
            "phase completed",
            "step verified: Set the template of revision 6\\u{1b}[31m — 3 of 3 ready",
            "check passed: 3 of 3 ready for 30 s",
        ]
    );
    let undone = served.run(&["workflow", "watch", "wf-2", "-o", "json"]);
    assert_eq!(undone.status.code(), Some(1));
    assert!(text(&undone.stderr).contains("wf-1 ended rolled_back"), "{}", text(&undone.stderr));
    assert_eq!(text(&undone.stdout).lines().count(), 2);
    let none = served.run(&["workflow", "watch", "wf-3"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("refused: workflow wf-3 not found"), "{}", text(&none.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_is_opened_again() {
    static OPENED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let served = Served::of(|_, _| {
        let first = OPENED.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        (200, "text/event-stream", events(if first { &["running"] } else { &["completed"] }))
    })
    .await;
    let watched = served.run(&["workflow", "watch", "wf-1"]);
    assert!(watched.status.success(), "{}", text(&watched.stderr));
    assert_eq!(served.asked.lock().len(), 2);
    assert!(
        text(&watched.stdout).ends_with("check passed: 3 of 3 ready for 30 s"),
        "{}",
        text(&watched.stdout)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn incidents_are_listed_recorded_closed_and_told() {
    let served = Served::of(|method, path| match (method, path) {
        ("GET", "/api/v1/incidents/inc-1/report") => (200, "text/markdown", "# Incident inc-1\n".to_owned()),
        ("GET", "/api/v1/incidents/inc-1") => {
            json_of(&json!({"id": "inc-1", "title": "Slow", "workflows": []}))
        }
        ("GET", _) => json_of(&json!({"incidents": [{"id": "inc-1", "severity": "high", "status": "active",
            "resource": "Deployment/web", "namespace": "shop", "issue_type": "image_pull", "occurrences": 4,
            "created_at": "2026-11-24T10:00:00Z", "title": "Slow"}], "total": 1})),
        ("POST", "/api/v1/incidents") => {
            (201, "application/json", json!({"incident_id": "inc-2"}).to_string())
        }
        _ => json_of(&json!({"id": "inc-1", "status": "resolved"})),
    })
    .await;
    let (printed, (_, path, _)) =
        served.ask(&["incident", "list", "-n", "shop", "--severity", "high", "--offset", "0"]);
    assert_eq!(path, "/api/v1/incidents?namespace=shop&severity=high");
    // With an offset, too, it wants the words that its help names.
    let (_, (_, path, _)) = served.ask(&["incident", "list", "--offset", "50"]);
    assert_eq!(path, "/api/v1/incidents?offset=50&words=contract");
    assert!(printed.contains("inc-1     high      active  Deployment shop/web  image_pull  4"), "{printed}");
    let create = [
        "incident",
        "create",
        "Slow",
        "--description",
        "p99 over 4 s",
        "--severity",
        "high",
        "--about",
        "Deployment/shop/web",
        "--label",
        "team=shop",
        "--external-id",
        "PD-7",
    ];
    let (printed, (method, path, body)) = served.ask(&create);
    assert_eq!(
        (method.as_str(), path.as_str(), printed.as_str()),
        ("POST", "/api/v1/incidents", "inc-2 was recorded")
    );
    assert_eq!(
        body,
        json!({"title": "Slow", "description": "p99 over 4 s", "severity": "high",
        "affected_resources": ["Deployment/shop/web"], "labels": {"team": "shop"}, "external_id": "PD-7"})
    );
    let (printed, (_, path, body)) =
        served.ask(&["incident", "resolve", "inc-1", "--resolution", "a new image"]);
    assert_eq!(
        (path.as_str(), body),
        ("/api/v1/incidents/inc-1/resolve", json!({"resolution": "a new image"}))
    );
    assert_eq!(printed, "inc-1 is resolved");
    assert_eq!(served.ask(&["incident", "report", "inc-1"]).0, "# Incident inc-1");
    assert!(served.ask(&["incident", "show", "inc-1"]).0.contains("title: Slow"));
    let wrong = served.run(&[
        "incident",
        "create",
        "Slow",
        "--description",
        "d",
        "--severity",
        "high",
        "--label",
        "team",
    ]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(served.asked.lock().is_empty(), "nothing was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_is_shown_and_tested_and_the_kill_switch_set() {
    let served = Served::of(|method, path| match (method, path) {
        ("GET", "/api/v1/policy") => json_of(&json!({"source": "defaults", "rules": [{"name": "kube-system",
            "namespaces": ["kube-*"], "severities": [], "actions": [], "then": "deny"}], "limits": {"maxActive": 5}})),
        ("POST", "/api/v1/remediation/why-not") => json_of(&json!({"allowed": true, "approval": "auto", "rules": []})),
        (_, "/api/v1/control") => json_of(&json!({"kill_switch": "stop", "kill_switch_reason": "freeze, by ada", "breaker": "closed"})),
        _ => (403, "application/json", json!({"message": "no", "code": "forbidden"}).to_string()),
    })
    .await;
    let (printed, _) = served.ask(&["policy", "show"]);
    assert!(
        printed.contains("policy of defaults") && printed.contains("kube-system  kube-*      any"),
        "{printed}"
    );
    assert!(printed.contains("maxActive  5"), "{printed}");
    let (printed, (_, _, body)) = served.ask(&[
        "policy",
        "test",
        "-n",
        "shop",
        "--kind",
        "Deployment",
        "--name",
        "web",
        "--issue",
        "oom_kill",
    ]);
    assert_eq!(
        body,
        json!({"namespace": "shop", "resource": {"kind": "Deployment", "name": "web"}, "issue": {"type": "oom_kill"}})
    );
    assert!(printed.starts_with("allowed; approval: auto"), "{printed}");
    let (printed, (method, _, body)) = served.ask(&["control", "stop", "--reason", "freeze"]);
    assert_eq!((method.as_str(), body), ("PUT", json!({"mode": "stop", "reason": "freeze"})));
    assert_eq!(printed, "kill switch  stop (freeze, by ada)\nbreaker      closed");
    for (word, mode) in [("run", "run"), ("pause", "pause")] {
        assert_eq!(served.ask(&["control", word]).1.2["mode"], mode);
    }
    assert_eq!(served.ask(&["control", "show"]).1.0, "GET");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_says_what_it_says_to_one_action_in_force_or_not() {
    let served = Served::of(|method, path| match (method, path) {
        ("GET", "/api/v1/policy") => json_of(&json!({"source": "defaults", "rules": [
            {"name": "kube-system", "namespaces": ["kube-*"], "severities": [], "actions": [], "then": "deny"},
            {"name": "at-night", "namespaces": [], "severities": ["critical"], "actions": ["restart-*"], "then": "auto",
             "autonomy": true},
        ], "limits": {}})),
        _ => (403, "application/json", json!({"message": "no", "code": "forbidden"}).to_string()),
    })
    .await;
    let (printed, (_, _, body)) =
        served.ask(&["policy", "test", "-n", "shop", "--action", "restart-workload"]);
    assert_eq!(body, Value::Null, "no object is asked about");
    assert!(
        printed.starts_with("restart-workload in namespace shop, by the policy of defaults"),
        "{printed}"
    );
    let rows: Vec<Vec<&str>> =
        printed.lines().skip(3).map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(rows[0], ["critical", "auto", "at-night"]);
    assert_eq!(rows[3], ["low", "approve", "anything-else"]);
    assert!(printed.contains("an incident may trigger it"), "{printed}");
    let (printed, _) = served.ask(&[
        "policy",
        "test",
        "-n",
        "kube-system",
        "--action",
        "helm",
        "--severity",
        "high",
        "-o",
        "json",
    ]);
    let said: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(said["says"].as_array().unwrap().len(), 1);
    assert_eq!((&said["says"][0]["then"], &said["says"][0]["rule"]), (&json!("deny"), &json!("kube-system")));
    // A file needs no server.
    let of_file = |arguments: &[&str]| {
        let mut command = aiops(&["policy", "test"]);
        output(command.args(arguments).env("AIOPS_HTTP__LISTEN", "127.0.0.1:1"))
    };
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ask-first.toml");
    let done = of_file(&["-n", "shop", "--action", "restart-workload", "--file", file]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let printed = text(&done.stdout);
    assert!(
        printed.contains("critical  approve  ask-first") && printed.contains("ask-first.toml"),
        "{printed}"
    );
    for (arguments, said) in [
        (&["--action", "restart-wrkload"][..], "did you mean restart-workload"),
        (&["--action", "helm", "--severity", "worst"], "none of critical, high, medium, low"),
        (&["--action", "helm", "--kind", "Deployment"], "cannot be used with"),
        (&["--kind", "Deployment", "--name", "web"], "--issue"),
        (&["--file", file], "--action"),
    ] {
        let done = of_file(arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}");
        assert!(text(&done.stderr).contains(said), "{arguments:?}: {}", text(&done.stderr));
    }
    let missing = of_file(&["--action", "helm", "--file", "/nowhere/policy.toml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("cannot be read"), "{}", text(&missing.stderr));
}

#[test]
fn without_a_server_it_says_how_to_start_one() {
    let mut command = aiops(&["workflow", "list"]);
    command.env("AIOPS_HTTP__LISTEN", "127.0.0.1:1");
    let done = output(&mut command);
    assert_eq!(done.status.code(), Some(1));
    let said = text(&done.stderr);
    assert!(said.contains("nothing answers at 127.0.0.1:1") && said.contains("--mode full"), "{said}");
}
