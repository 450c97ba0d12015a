//! The real binary as a child, serving HTTP on a free port, and calls of its tools over MCP.
//!
//! It speaks the protocol by hand, one request a connection, so that tests see the bytes that left. It asserts nothing of
//! what they say.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Longer than any one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long everything that was applied may need to be seen.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A running server; it is ended when dropped.
pub(crate) struct Aiops {
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

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
        let mut child = Command::new(env!("CARGO_BIN_EXE_aiops"))
            .args(["serve", "--http", "127.0.0.1:0"])
            .args(feed)
            .env_clear()
            .envs(environment.iter().copied())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let written = Arc::clone(&log);
        let (heard, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Ok(told) = serde_json::from_str::<Value>(&line)
                    && told["message"] == "listening"
                {
                    let _ = heard.send(told["address"].as_str().unwrap().to_owned());
                }
                let mut log = written.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let address = address.recv_timeout(PATIENCE).unwrap_or_else(|e| {
            let _ = child.kill();
            panic!("it does not say where it listens ({e}); it said: {}", log.lock().unwrap())
        });
        let aiops = Self { child, address, log };
        let knows = |health: &Answer| {
            let missing = health.structured["missing"].as_array();
            missing.is_none_or(|kinds| kinds.iter().all(|kind| kind["state"] == "forbidden"))
        };
        aiops.until("get-cluster-health", &json!({}), "synced", SOON, knows).await;
        aiops
    }

    /// Everything it has logged.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
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
        self.send(&(head + &body)).await
    }

    /// Reads a path such as `/metrics`.
    pub(crate) async fn get(&self, path: &str) -> String {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
    }

    /// Reads a path and sends a bearer token with it.
    pub(crate) async fn get_as(&self, path: &str, token: &str) -> String {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n");
        self.send(&(head + "connection: close\r\n\r\n")).await
    }

    async fn send(&self, request: &str) -> String {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("an answer must come")
    }
}

/// The JSON-RPC message of a response.
pub(crate) fn message(response: &str) -> Value {
    let body = response.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {response:?}"))
}

impl Drop for Aiops {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(4_000);
            println!("its log ends: {}", log.get(log.ceil_char_boundary(from)..).unwrap_or_default());
        }
    }
}
