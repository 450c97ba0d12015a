//! Processes on one state directory: what was accepted survives a kill, one executes, and another takes over.
//!
//! No cluster is needed for any of it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    super::process::{DEADLINE, Running, aiops},
    ask, is_refusal, send,
};

struct Server {
    running: Running,
    address: String,
}

fn serve(state: &Path) -> Server {
    let state = state.to_str().unwrap();
    let arguments = [
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
    let (running, address) = Running::serving(&mut aiops(&arguments));
    Server { running, address }
}

impl Server {
    async fn get(&self, path: &str) -> super::Reply {
        ask(&self.address, &format!("GET {path}"), "").await
    }

    async fn record(&self, title: &str) -> super::Reply {
        let body = json!({ "title": title, "description": "it was seen", "severity": "high" }).to_string();
        let head = format!(
            "POST /api/v1/incidents HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n",
            body.len()
        );
        send(&self.address, &format!("{head}connection: close\r\n\r\n{body}")).await
    }

    /// Records an incident as soon as this process may, and its id.
    async fn recorded(&self, title: &str) -> String {
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

    async fn titles(&self) -> Vec<String> {
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
    // The second accepts nothing that it could not keep, and says who could.
    let refused = second.record("by the second").await;
    let told = is_refusal(&refused, 503, "dependency_unavailable");
    assert!(told["message"].as_str().unwrap().contains("another aiops"), "{told}");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(first.titles().await.len(), 2);
    // The first dies without a word.
    first.running.signal("KILL");
    drop(first);
    let began = Instant::now();
    second.recorded("by the second").await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(second.titles().await.len(), 3);
    let health = second.get("/api/v1/health").await.json();
    assert_ne!(health["engine"], Value::Null);
}
