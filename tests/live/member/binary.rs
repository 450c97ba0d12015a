//! The binary with a configuration of its own, killed and started again at the same port; its log outlives its lives.
//!
//! It asserts nothing of what the binary says.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::binary;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Longer than any one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running binary; it is ended when dropped.
pub(super) struct Binary {
    child: Child,
    file: PathBuf,
    address: String,
    log: Arc<Mutex<Vec<Value>>>,
}

fn spawn(file: &Path, address: &str, log: &Arc<Mutex<Vec<Value>>>) -> (Child, String) {
    let mut child = Command::new(binary())
        .args(["serve", "--http", address, "--config"])
        .arg(file)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let written = Arc::clone(log);
    let (heard, listening) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let told = serde_json::from_str::<Value>(&line).unwrap_or_else(|_| json!({ "text": line }));
            if told["message"] == "listening" {
                let _ = heard.send(told["address"].as_str().unwrap().to_owned());
            }
            written.lock().unwrap().push(told);
        }
    });
    let address = listening.recv_timeout(PATIENCE).unwrap_or_else(|e| {
        let _ = child.kill();
        panic!("it does not say where it listens ({e}); it said: {:?}", log.lock().unwrap())
    });
    (child, address)
}

impl Binary {
    /// Starts it in a folder under a name of its own.
    pub(super) fn start(folder: &Path, name: &str, config: &str) -> Self {
        let file = folder.join(format!("{name}.toml"));
        let state = folder.join(format!("{name}-state"));
        std::fs::write(&file, format!("stateDir = {state:?}\n{config}")).unwrap();
        let log = Arc::default();
        let (child, address) = spawn(&file, "127.0.0.1:0", &log);
        Self { child, file, address, log }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// SIGKILL, and another life at the same port.
    pub(super) fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.file, &self.address, &self.log).0;
    }

    /// Everything it has logged in all its lives.
    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().iter().map(|line| format!("{line}\n")).collect()
    }

    /// The effect keys of lines of audit of this kind.
    pub(super) fn keys(&self, kind: &str) -> BTreeSet<String> {
        let log = self.log.lock().unwrap();
        let lines = log.iter().filter(|line| line["audit"] == kind && line["dry_run"] == false);
        lines.map(|line| line["effect_key"].as_str().unwrap().to_owned()).collect()
    }

    /// Lines of audit about an effect.
    pub(super) fn audited(&self, kind: &str, key: &str) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        let is_meant =
            |line: &&Value| line["audit"] == kind && line["effect_key"] == key && line["dry_run"] == false;
        log.iter().filter(is_meant).cloned().collect()
    }

    /// What `aiops doctor` says with its configuration.
    pub(super) async fn doctor(&self) -> String {
        let file = self.file.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut command = Command::new(binary());
            command.args(["doctor", "--config"]).arg(file).env_clear().current_dir("/").output().unwrap()
        });
        String::from_utf8(done.await.unwrap().stdout).unwrap()
    }

    /// Calls a tool without a token.
    pub(super) async fn call(&self, tool: &str, arguments: &Value) -> Result<Value, String> {
        self.call_as(tool, arguments, None).await
    }

    /// Calls a tool; its answer, or what it says with its code.
    pub(super) async fn call_as(
        &self,
        tool: &str,
        arguments: &Value,
        token: Option<&str>,
    ) -> Result<Value, String> {
        let result = self.ask("tools/call", json!({"name": tool, "arguments": arguments}), token).await?;
        if result["isError"] == true {
            return Err(format!("{}: {}", result["_meta"]["aiops.io/code"], result["content"]));
        }
        Ok(result["structuredContent"].clone())
    }

    /// Sends a request over MCP; its result, or what is wrong.
    pub(super) async fn ask(
        &self,
        method: &str,
        mut params: Value,
        token: Option<&str>,
    ) -> Result<Value, String> {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "live", "version": "0"},
        });
        let name = params["name"].as_str().map(|name| format!("mcp-name: {name}\r\n")).unwrap_or_default();
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
             mcp-method: {method}\r\n{name}{token}content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let answer = self.send(&(head + &body)).await?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("half an answer")?;
        let message: Value = serde_json::from_str(body).map_err(|e| format!("{e}: {head} {body}"))?;
        match message.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(format!("{} {message}", head.lines().next().unwrap_or_default())),
        }
    }

    /// Reads a path.
    pub(super) async fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        self.send(&request).await.unwrap()
    }

    async fn send(&self, request: &str) -> Result<String, String> {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await?;
            std::io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("an answer must come");
        answer.map_err(|error| error.to_string())
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(6_000);
            println!(
                "{} ends: {}",
                self.file.display(),
                log.get(log.ceil_char_boundary(from)..).unwrap_or_default()
            );
        }
    }
}
