//! Processes on one state directory: what was accepted survives a kill, one executes, and another takes over.
//!
//! No cluster is needed for any of it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    super::{
        process::{DEADLINE, Running, aiops, output, text},
        stdio::Client,
    },
    ask, send,
};

pub(super) struct Server {
    pub(super) running: Running,
    pub(super) address: String,
}

pub(super) fn serve(state: &Path) -> Server {
    serve_with(state, &[])
}

fn serve_with(state: &Path, more: &[&str]) -> Server {
    let state = state.to_str().unwrap();
    let mut arguments = vec![
        "serve",
        "--mode",
        "full",
        "--http",
        "127.0.0.1:0",
        "--state-dir",
        state,
        "--kubeconfig",
        "/does/not/exist",
    ];
    arguments.extend(more);
    let (running, address) = Running::serving(&mut aiops(&arguments));
    Server { running, address }
}

impl Server {
    pub(super) async fn get(&self, path: &str) -> super::Reply {
        ask(&self.address, &format!("GET {path}"), "").await
    }

    pub(super) async fn record(&self, title: &str) -> super::Reply {
        let body = json!({ "title": title, "description": "it was seen", "severity": "high" }).to_string();
        let head = format!(
            "POST /api/v1/incidents HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n",
            body.len()
        );
        send(&self.address, &format!("{head}connection: close\r\n\r\n{body}")).await
    }

    /// Records an incident as soon as this process may, and its id.
    pub(super) async fn recorded(&self, title: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let reply = self.record(title).await;
            if reply.status == 201 {
                return reply.json()["incident_id"].as_str().unwrap().to_owned();
            }
            assert_eq!(reply.status, 503, "{reply:?}");
            assert!(Instant::now() < end, "it was never taken: {reply:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) async fn titles(&self) -> Vec<String> {
        let end = Instant::now() + DEADLINE;
        loop {
            let reply = self.get("/api/v1/incidents").await;
            if reply.status == 200 {
                let body = reply.json();
                let titles = body["incidents"].as_array().unwrap().iter();
                return titles.map(|row| row["title"].as_str().unwrap().to_owned()).collect();
            }
            assert!(Instant::now() < end, "it was never listed: {reply:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn what_was_accepted_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let first = serve(folder.path());
    let id = first.recorded("before the kill").await;
    first.running.signal("KILL");
    drop(first);
    let second = serve(folder.path());
    assert_eq!(second.titles().await, ["before the kill"]);
    let row = second.get(&format!("/api/v1/incidents/{id}")).await.json();
    assert_eq!((&row["id"], &row["status"]), (&json!(id), &json!("active")));
}

#[tokio::test]
async fn two_processes_answer_one_executes_and_the_other_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let first = serve(folder.path());
    first.recorded("by the first").await;
    let second = serve(folder.path());
    // Both answer, also what changes between two looks.
    assert_eq!(second.titles().await, ["by the first"]);
    first.recorded("by the first again").await;
    assert_eq!(second.titles().await.len(), 2);
    // What the second is told it hands to the first, says so, and answers as if it were its own.
    let id = second.recorded("by the second").await;
    assert_eq!(first.titles().await.len(), 3);
    let row = second.get(&format!("/api/v1/incidents/{id}")).await.json();
    assert_eq!((&row["id"], &row["title"]), (&json!(id), &json!("by the second")));
    let told = second.get("/health").await.json()["dependency_details"]["coordination_engine"].clone();
    let pid = first.running.id();
    assert_eq!(told["status"], "ok", "{told}");
    assert!(told["message"].as_str().unwrap().starts_with(&format!("attached to process {pid},")), "{told}");
    // The first dies without a word.
    first.running.signal("KILL");
    drop(first);
    let began = Instant::now();
    second.recorded("after the first").await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(second.titles().await.len(), 4);
    let health = second.get("/api/v1/health").await.json();
    assert_ne!(health["engine"], Value::Null);
}

#[tokio::test]
async fn what_may_not_act_hands_no_order_to_a_process_that_may() {
    let folder = tempfile::tempdir().unwrap();
    let first = serve(folder.path());
    first.recorded("by the first").await;
    let second = serve_with(folder.path(), &["--read-only"]);
    assert_eq!(second.titles().await, ["by the first"]);
    let body = json!({ "incident_id": "inc-1", "namespace": "shop", "issue": { "type": "pod_crash_loop" },
        "resource": { "kind": "Deployment", "name": "web" } })
    .to_string();
    let order = |server: &Server| {
        let head = format!(
            "POST /api/v1/remediation/trigger HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n",
            body.len()
        );
        let (address, request) = (server.address.clone(), format!("{head}connection: close\r\n\r\n{body}"));
        async move { send(&address, &request).await }
    };
    // Of the first it is known that it has read no cluster yet.
    assert_eq!(order(&first).await.status, 503);
    let refused = order(&second).await;
    assert_eq!(
        (refused.status, refused.json()["code"].clone()),
        (403, json!("refused_by_guard")),
        "{refused:?}"
    );
    assert!(refused.body.contains("may not change anything"), "{refused:?}");
    // What is reported is no change of the cluster.
    second.recorded("by the second").await;
    assert_eq!(first.titles().await.len(), 2);
}

/// The command line on this state directory, with nothing else named; what it prints.
fn cli(state: &Path, arguments: &[&str]) -> String {
    let mut command = aiops(arguments);
    let ended = output(command.args(["--state-dir", state.to_str().unwrap()]));
    assert!(ended.status.success(), "{arguments:?}: {}", text(&ended.stderr));
    text(&ended.stdout)
}

/// A desktop client's process on this state directory.
fn desktop(state: &Path) -> Client {
    let state = state.to_str().unwrap();
    let arguments =
        ["serve", "--stdio", "--mode", "full", "--state-dir", state, "--kubeconfig", "/does/not/exist"];
    let mut client = Client::of(&mut aiops(&arguments));
    client.initialize();
    client
}

/// Records an incident as soon as it may.
fn recorded(client: &mut Client, title: &str) {
    let arguments = json!({ "title": title, "description": "it was seen", "severity": "high" });
    let end = Instant::now() + DEADLINE;
    loop {
        let answer = client.ask("tools/call", json!({ "name": "create-incident", "arguments": arguments }));
        if answer["result"]["isError"] == false {
            return;
        }
        assert!(answer.to_string().contains("unavailable"), "{answer}");
        assert!(Instant::now() < end, "it was never taken: {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn titles_of(client: &mut Client) -> usize {
    let answer = client.ask("tools/call", json!({ "name": "list-incidents", "arguments": {} }));
    answer["result"]["structuredContent"]["incidents"].as_array().unwrap_or_else(|| panic!("{answer}")).len()
}

/// Lines of its log that say that it executes.
fn executions(running: &Running) -> usize {
    running.stderr.try_iter().filter(|line| line.contains("workflows are executed by this process")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_two_desktop_clients_and_the_command_line_share_a_state_directory() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    let mut first = desktop(state);
    recorded(&mut first, "by the first client");
    let server = serve(state);
    let mut second = desktop(state);
    server.recorded("by the server").await;
    recorded(&mut second, "by the second client");
    // The command line finds the one that executes, which opens no port.
    let made = ["incident", "create", "by hand", "--description", "it was seen", "--severity", "low"];
    assert!(cli(state, &made).contains("was recorded"));
    let listed = cli(state, &["incident", "list"]);
    for title in ["by the first client", "by the server", "by the second client", "by hand"] {
        assert!(listed.contains(title), "{title}: {listed}");
    }
    assert_eq!((titles_of(&mut first), titles_of(&mut second), server.titles().await.len()), (4, 4, 4));
    // Whoever may write the directory is its owner: they may set the switch without a token, and it is told who did.
    cli(state, &["control", "pause", "--reason", "a test"]);
    assert!(cli(state, &["control", "show"]).contains("pause"));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(state.join("aiops.sock")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        (executions(&first.running), executions(&second.running), executions(&server.running)),
        (1, 0, 0)
    );
    // The first client is closed: one of the others takes over, and everybody goes on.
    first.running.close_stdin();
    first.running.wait(DEADLINE);
    server.recorded("by the server again").await;
    recorded(&mut second, "by the second client again");
    cli(state, &["incident", "create", "by hand again", "--description", "it was seen", "--severity", "low"]);
    assert_eq!((titles_of(&mut second), server.titles().await.len()), (7, 7));
    assert_eq!(executions(&second.running) + executions(&server.running), 1);
}

#[tokio::test]
async fn without_a_server_the_command_line_says_what_to_start() {
    let folder = tempfile::tempdir().unwrap();
    // A free port nobody listens at: the one of the machine may be somebody's.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let state = folder.path().to_str().unwrap();
    for (arguments, says) in [
        (&["workflow", "approve", "wf-1"][..], "start one in another shell with `aiops serve --mode full`"),
        (
            &["call", "trigger-remediation"],
            "trigger-remediation needs a server with a coordination engine, and none runs here; start one in another shell with `aiops serve --mode full`",
        ),
        (&["call", "scale-workload"], "`aiops serve --mode full --toolsets cluster,remediation,actions`"),
    ] {
        let mut command = aiops(arguments);
        command.args(["--state-dir", state]).env("AIOPS_HTTP__LISTEN", &free);
        let ended = output(&mut command);
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}");
        assert!(text(&ended.stderr).contains(says), "{arguments:?}: {}", text(&ended.stderr));
    }
}
