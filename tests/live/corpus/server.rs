//! The binary as a child, and its doors: MCP, REST, and the command line as another child.
//!
//! It judges no answer.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::world::World;
use crate::support::Served;

const PATIENCE: Duration = Duration::from_secs(60);
/// No credential of anybody.
const TOKEN: &str = "a-token-of-the-corpus";

/// Auto for everything but resources, which somebody has to approve.
const POLICY: &str = "[[rule]]\nname = \"ask\"\nactions = [\"set-resources\"]\nthen = \"approve\"\n\n\
    [[rule]]\nname = \"all\"\nthen = \"auto\"\n";

pub(super) struct Server {
    served: Served,
    home: tempfile::TempDir,
}

/// What a route answered.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) text: String,
}

impl Answered {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

fn settings(home: &std::path::Path, kubeconfig: &PathBuf, more: &str) -> String {
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let hash: String = Sha256::digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(path("tokens.toml"), format!("[[token]]\nname = \"ann\"\nsha256 = \"{hash}\"\n")).unwrap();
    std::fs::write(path("policy.toml"), POLICY).unwrap();
    format!(
        "{more}\n\
         cluster.kubeconfig = {kubeconfig:?}\ncluster.qps = 500\ncluster.burst = 500\n\
         http.tokenFile = {:?}\npolicy.file = {:?}\n\
         mcp.toolsets = [\"cluster\", \"metrics\", \"remediation\", \"models\", \"actions\"]\n\
         [acting.limits]\nraised = true\nworkflowsPerNamespace = 200\nworkflowsPerCluster = 200\nnodeWorkflows = 200\n\
         mutationsPerSecond = 200\nmutationBurst = 200\nbudgetPerCluster = 100000\nbudgetPerNamespace = 100000\n\
         replicaPercent = 100\n",
        path("tokens.toml"),
        path("policy.toml"),
    )
}

impl Server {
    /// Starts it and waits until it has seen the cluster.
    pub(super) async fn start(world: &World, more: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("aiops.toml");
        std::fs::write(&file, settings(home.path(), &world.kubeconfig, more)).unwrap();
        let (file, folder) = (file.to_str().unwrap(), home.path().to_str().unwrap());
        let served = Served::start(&["--config", file], &[("HOME", folder)]);
        let server = Self { served, home };
        server.is_ready().await;
        server
    }

    async fn is_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let health = self.mcp("tools/call", json!({"name": "get-cluster-health", "arguments": {}})).await;
            let facts = &health["result"]["structuredContent"];
            let missing = facts["missing"].as_array().is_some_and(|kinds| !kinds.is_empty());
            let engine = self.rest("GET", "/api/v1/incidents", &Value::Null).await;
            // Another mode has no engine, and says so for ever.
            if facts.is_object() && !missing && engine.status != 503 {
                return;
            }
            assert!(Instant::now() < deadline, "it is not ready: {health} {}", engine.text);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Sends a request of MCP 2026-07-28, which needs no handshake.
    pub(super) async fn mcp(&self, method: &str, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "live", "version": "0"},
        });
        let name = params["name"].as_str().map(|name| format!("mcp-name: {name}\r\n")).unwrap_or_default();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let headers = format!(
            "accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
             mcp-method: {method}\r\n{name}"
        );
        self.send("POST", "/mcp", &headers, &body).await.json()
    }

    /// Asks a route.
    pub(super) async fn rest(&self, method: &str, path: &str, body: &Value) -> Answered {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, "accept: application/json\r\n", &body).await
    }

    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answered {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let text = self.served.exchange(&request).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Answered {
            status: status.unwrap_or_else(|| panic!("{method} {path}: {text:?}")),
            text: body.to_owned(),
        }
    }

    /// Runs `aiops` with the server; whether it says that it went well, and what else it says.
    pub(super) async fn command(&self, arguments: &[String]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aiops"));
        command
            .args(arguments)
            .args(["--server", &format!("http://{}", self.served.address())])
            .env_clear()
            .env("HOME", self.home.path())
            .env("AIOPS_TOKEN", TOKEN)
            .current_dir("/")
            .stdin(Stdio::null());
        let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        // Words that it does not understand would prove nothing.
        assert!(!said.contains("Usage:"), "{arguments:?}: {said}");
        (done.status.success(), said.into_owned())
    }
}
