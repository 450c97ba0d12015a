//! stdio as a desktop client starts it: stdout is JSON-RPC and nothing else, and the end of stdin is the end.
//!
//! What tools answer is tested with the tools.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test sets up must work"
)]

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::process::{DEADLINE, Running, aiops};

/// A client on the other end of the pipes.
pub(crate) struct Client {
    pub(crate) running: Running,
    /// Every line that came.
    seen: Vec<String>,
    next: u64,
}

impl Client {
    fn start(arguments: &[&str]) -> Self {
        Self::of(aiops(arguments).env("RUST_LOG", "trace"))
    }

    /// Starts it as this command says.
    pub(crate) fn of(command: &mut Command) -> Self {
        Self { running: Running::start(command.stdin(Stdio::piped())), seen: Vec::new(), next: 1 }
    }

    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.next;
        self.next += 1;
        self.running
            .write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.running.stdout.recv_timeout(left).expect("an answer must come");
            let message = json_rpc(&line);
            self.seen.push(line);
            if message["id"] == id {
                return message;
            }
        }
    }

    pub(crate) fn initialize(&mut self) -> Value {
        let answer = self.ask(
            "initialize",
            json!({
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "it", "version": "0" },
            }),
        );
        self.running.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string());
        answer
    }

    /// Reads what is left and checks it.
    pub(crate) fn rest_is_json_rpc(&mut self) {
        for line in self.running.stdout.iter() {
            json_rpc(&line);
        }
    }
}

#[track_caller]
fn json_rpc(line: &str) -> Value {
    let message: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON on stdout ({error}): {line:?}"));
    assert_eq!(message["jsonrpc"], "2.0", "{line}");
    message
}

#[test]
fn stdout_is_json_rpc_through_every_tool_and_the_end_of_stdin() {
    let mut client = Client::start(&["demo", "--stdio"]);
    assert_eq!(client.initialize()["result"]["serverInfo"]["name"], "aiops");
    let listed = client.ask("tools/list", json!({}));
    let tools = listed["result"]["tools"].as_array().unwrap().clone();
    assert!(!tools.is_empty());
    for tool in &tools {
        let answer = client.ask("tools/call", json!({ "name": tool["name"], "arguments": {} }));
        assert!(answer.get("result").is_some() || answer.get("error").is_some(), "{answer}");
    }
    let health = client.ask("tools/call", json!({ "name": "get-cluster-health", "arguments": {} }));
    assert!(!health["result"]["isError"].as_bool().unwrap_or(false), "{health}");
    assert!(health["result"]["structuredContent"]["status"].is_string(), "{health}");
    client.running.close_stdin();
    assert_eq!(client.running.wait(Duration::from_secs(10)).code(), Some(0));
    client.rest_is_json_rpc();
}

#[test]
fn without_a_cluster_the_handshake_answers_at_once() {
    let mut client = Client::start(&["serve", "--stdio"]);
    client.initialize();
    client.ask("tools/list", json!({}));
    let listed = client.ask("tools/list", json!({}));
    let names =
        listed["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap());
    let lists: Vec<&str> =
        names.filter(|name| name.starts_with("list-") && *name != "list-resources").collect();
    assert_eq!(lists.len(), 5, "{lists:?}");
    for name in lists {
        let answer = client.ask("tools/call", json!({ "name": name, "arguments": {} }));
        let list = &answer["result"]["structuredContent"];
        assert_eq!(
            (&list["total"], &list["omitted"]),
            (&Value::Null, &Value::Null),
            "{name} counts nothing: {answer}"
        );
        assert!(!list["missing"][0]["reason"].as_str().unwrap().is_empty(), "{name} says why: {answer}");
    }
    let health = client.ask("tools/call", json!({ "name": "get-cluster-health", "arguments": {} }));
    let health = &health["result"]["structuredContent"];
    assert_eq!(health["status"], "unknown", "{health}");
    for counts in ["nodes", "pods"] {
        assert_eq!(health[counts], Value::Null, "{health}");
    }
    client.running.close_stdin();
    assert_eq!(client.running.wait(Duration::from_secs(10)).code(), Some(0));
    client.rest_is_json_rpc();
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_though_stdin_stays_open() {
    let mut client = Client::start(&["demo", "--stdio"]);
    client.initialize();
    client.running.signal("TERM");
    assert_eq!(client.running.wait(Duration::from_secs(10)).code(), Some(0));
    client.rest_is_json_rpc();
}
