//! The real binary as a child, serving HTTP on a free port, and calls of its tools over MCP.
//!
//! It speaks the protocol by hand, one request a connection, so that tests see the bytes that left. It asserts nothing of
//! what they say.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::door::Served;

/// How long everything that was applied may need to be seen.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A running server; it is ended when dropped.
pub(crate) struct Aiops(Served);

/// What a tool answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) structured: Value,
    pub(crate) is_error: bool,
    /// All bytes of the response, as they came.
    pub(crate) raw: String,
}

impl Aiops {
    /// Serves a cluster and waits until it listens and has seen what it may see.
    pub(crate) async fn serve(kubeconfig: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start(&["--kubeconfig", kubeconfig.to_str().unwrap()], environment).await
    }

    async fn start(feed: &[&str], environment: &[(&str, &str)]) -> Self {
        let aiops = Self(Served::start(feed, environment));
        let knows = |health: &Answer| {
            let missing = health.structured["missing"].as_array();
            missing.is_none_or(|kinds| kinds.iter().all(|kind| kind["state"] == "forbidden"))
        };
        aiops.until("get-cluster-health", &json!({}), "synced", SOON, knows).await;
        aiops
    }

    /// Everything it has logged.
    pub(crate) fn log(&self) -> String {
        self.0.log()
    }

    /// Calls a tool.
    pub(crate) async fn call(&self, tool: &str, arguments: &Value) -> Answer {
        let raw = self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await;
        let reply = message(&raw);
        let result = &reply["result"];
        let text = match (result["content"].as_array(), &reply["error"]) {
            (Some(content), _) => {
                content.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
            }
            (None, error) => error.to_string(),
        };
        let is_error = result["isError"] == true || result.is_null();
        Answer { text, structured: result["structuredContent"].clone(), is_error, raw }
    }

    /// Calls a tool, which must have an answer.
    pub(crate) async fn answer(&self, tool: &str, arguments: &Value) -> Value {
        let answer = self.call(tool, arguments).await;
        assert!(!answer.is_error, "{tool} {arguments}: {}", answer.text);
        answer.structured
    }

    /// Calls a tool until its answer is as wanted; fails at the deadline with the last one.
    pub(crate) async fn until(
        &self,
        tool: &str,
        arguments: &Value,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Answer) -> bool,
    ) -> Answer {
        let deadline = Instant::now() + limit;
        loop {
            let answer = self.call(tool, arguments).await;
            if !answer.is_error && wanted(&answer) {
                return answer;
            }
            assert!(
                Instant::now() < deadline,
                "{tool} {arguments}: not {what} within {limit:?}, last: {}",
                answer.text
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends a request over MCP, stateless, and returns the whole response.
    pub(crate) async fn ask(&self, method: &str, mut params: Value) -> String {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "live", "version": "0"},
        });
        let name = ["name", "uri"].iter().find_map(|key| params[key].as_str());
        let name = name.map(|name| format!("mcp-name: {name}\r\n")).unwrap_or_default();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
             mcp-method: {method}\r\n{name}content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        self.0.exchange(&(head + &body)).await
    }

    /// Reads a path such as `/metrics`.
    pub(crate) async fn get(&self, path: &str) -> String {
        self.0.exchange(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
    }

    /// Reads a path and sends a bearer token with it.
    pub(crate) async fn get_as(&self, path: &str, token: &str) -> String {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n");
        self.0.exchange(&(head + "connection: close\r\n\r\n")).await
    }
}

/// The JSON-RPC message of a response.
pub(crate) fn message(response: &str) -> Value {
    let body = response.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {response:?}"))
}
