//! The two doors of the real binary with nothing between a test and the bytes: one HTTP connection that stays open, and
//! stdin and stdout as a desktop client holds them. Neither waits for a cluster.
//!
//! It asserts that what comes back is JSON-RPC, and nothing of what it says.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Longer than any one answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The binary as a desktop client starts it: a bare environment, in `/`.
pub(crate) fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aiops"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(environment.iter().copied())
        .current_dir("/");
    command
}

/// A child that is ended when dropped, and what it logs.
struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Process {
    fn start(command: &mut Command, mut see: impl FnMut(&str) + Send + 'static) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                see(&line);
                let mut log = written.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, log }
    }

    fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            // It may be this lock under which the test failed.
            let log = self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let from = log.len().saturating_sub(4_000);
            println!("its log ends: {}", log.get(log.ceil_char_boundary(from)..).unwrap_or_default());
        }
    }
}

/// A tool's answer: its text, and its structured content (null for an error).
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) text: String,
    pub(crate) facts: Value,
    pub(crate) is_error: bool,
}

impl Told {
    fn of(reply: &Value) -> Self {
        let result = &reply["result"];
        let text = match result["content"].as_array() {
            Some(content) => {
                content.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
            }
            None => reply["error"].to_string(),
        };
        let is_error = result["isError"] == true || result.is_null();
        Self { text, facts: result["structuredContent"].clone(), is_error }
    }

    /// The kinds it says that it lacks, and why.
    pub(crate) fn missing(&self) -> Vec<(String, String, String)> {
        let word = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
        let all = self.facts["missing"].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| (word(one, "kind"), word(one, "state"), word(one, "reason"))).collect()
    }

    /// Whether it rests on live watches of everything it needs.
    pub(crate) fn is_fresh(&self) -> bool {
        !self.is_error && self.missing().is_empty() && self.facts["stale_since"].is_null()
    }
}

/// A server on a free port.
pub(crate) struct Served {
    process: Process,
    address: String,
}

impl Served {
    /// Waits until it listens and for nothing else.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command(&["serve", "--http", "127.0.0.1:0"], environment);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        let (tell, told) = mpsc::channel();
        let process = Process::start(&mut command, move |line| {
            if let Ok(line) = serde_json::from_str::<Value>(line)
                && line["message"] == "listening"
            {
                let _ = tell.send(line["address"].as_str().unwrap().to_owned());
            }
        });
        let address = told.recv_timeout(PATIENCE);
        let address = address.unwrap_or_else(|_| {
            panic!("it must say where it listens; it said: {}", process.log.lock().unwrap())
        });
        Self { process, address }
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.process.runs()
    }

    /// Everything it has logged.
    pub(crate) fn log(&self) -> String {
        self.process.log.lock().unwrap().clone()
    }

    /// Sends one request over a connection of its own that ends with its answer; a stream of events is left at its head, for
    /// it goes on as long as somebody listens.
    pub(crate) async fn exchange(&self, request: &str) -> String {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut bytes = Vec::new();
            loop {
                let read = stream.read_buf(&mut bytes).await.unwrap();
                let head =
                    bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(&[][..], |at| &bytes[..at]);
                let is_stream =
                    String::from_utf8_lossy(head).to_ascii_lowercase().contains("text/event-stream");
                if read == 0 || is_stream {
                    return String::from_utf8_lossy(&bytes).into_owned();
                }
            }
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("an answer must come")
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A connection that stays open.
    pub(crate) async fn open(&self) -> Open {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Open { stream }
    }
}

/// An HTTP connection over which one request follows the other.
pub(crate) struct Open {
    stream: TcpStream,
}

impl Open {
    async fn post(&mut self, headers: &str, message: &Value) -> Value {
        let body = message.to_string();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        tokio::time::timeout(PATIENCE, self.exchange(head + &body)).await.expect("an answer must come")
    }

    async fn exchange(&mut self, request: String) -> Value {
        self.stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        loop {
            let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(at) = head {
                let head = String::from_utf8_lossy(&bytes[..at]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.unwrap_or_else(|| panic!("no length: {head}")).parse().unwrap();
                if bytes.len() >= at + 4 + length {
                    return serde_json::from_slice(&bytes[at + 4..]).unwrap();
                }
            }
            assert!(self.stream.read_buf(&mut bytes).await.unwrap() > 0, "it hung up");
        }
    }

    /// A request of 2026-07-28, which needs no handshake.
    pub(crate) async fn ask(&mut self, method: &str, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "live", "version": "0"},
        });
        let name = params["name"].as_str().map(|name| format!("mcp-name: {name}\r\n")).unwrap_or_default();
        let headers = format!("mcp-protocol-version: 2026-07-28\r\nmcp-method: {method}\r\n{name}");
        self.post(&headers, &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await
    }

    /// The handshake of the older revisions.
    pub(crate) async fn initialize(&mut self) -> Value {
        self.post("", &initialize(1)).await
    }

    pub(crate) async fn call(&mut self, tool: &str, arguments: &Value) -> Told {
        Told::of(&self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await)
    }

    /// Calls until the answer is as wanted, and returns it with how long that took.
    pub(crate) async fn until(
        &mut self,
        tool: &str,
        arguments: &Value,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Told) -> bool,
    ) -> (Told, Duration) {
        let begun = Instant::now();
        loop {
            let told = self.call(tool, arguments).await;
            if wanted(&told) {
                return (told, begun.elapsed());
            }
            assert!(
                begun.elapsed() < limit,
                "{tool} {arguments}: not {what} within {limit:?}, last: {told:#?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn initialize(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "live", "version": "0"},
    }})
}

/// A desktop client on the other end of stdin and stdout.
pub(crate) struct Desktop {
    process: Process,
    stdin: ChildStdin,
    lines: mpsc::Receiver<String>,
    next: u64,
    /// From the start of the process to the answer to its handshake, and from asking to that answer.
    pub(crate) first_answer: (Duration, Duration),
}

impl Desktop {
    /// Starts it and shakes hands; waits for no cluster.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command(&["serve", "--stdio"], environment);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let begun = Instant::now();
        let mut process = Process::start(&mut command, |_| ());
        let stdin = process.child.stdin.take().unwrap();
        let out = BufReader::new(process.child.stdout.take().unwrap()).lines();
        let (to, lines) = mpsc::channel();
        std::thread::spawn(move || out.map_while(Result::ok).all(|line| to.send(line).is_ok()));
        let first_answer = (Duration::ZERO, Duration::ZERO);
        let mut desktop = Self { process, stdin, lines, next: 1, first_answer };
        desktop.exchange(&initialize(0));
        let whole = begun.elapsed();
        desktop.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        let asked = Instant::now();
        desktop.ask("ping", json!({}));
        desktop.first_answer = (whole, asked.elapsed());
        desktop
    }

    fn write(&mut self, message: &Value) {
        writeln!(self.stdin, "{message}").unwrap();
        self.stdin.flush().unwrap();
    }

    fn exchange(&mut self, message: &Value) -> Value {
        self.write(message);
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).expect("an answer must come");
            let reply: Value = serde_json::from_str(&line)
                .unwrap_or_else(|error| panic!("not JSON on stdout ({error}): {line:?}"));
            assert_eq!(reply["jsonrpc"], "2.0", "{line}");
            if reply["id"] == message["id"] {
                return reply;
            }
        }
    }

    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        self.exchange(&json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params}))
    }

    /// The next message that is no answer.
    pub(crate) fn hears(&mut self) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).expect("a message must come");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"].is_null() {
                return message;
            }
        }
    }

    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Told {
        Told::of(&self.ask("tools/call", json!({"name": tool, "arguments": arguments})))
    }

    /// Calls until the answer is as wanted.
    pub(crate) fn until(
        &mut self,
        tool: &str,
        arguments: &Value,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Told) -> bool,
    ) -> Told {
        let begun = Instant::now();
        loop {
            let told = self.call(tool, arguments);
            if wanted(&told) {
                return told;
            }
            assert!(
                begun.elapsed() < limit,
                "{tool} {arguments}: not {what} within {limit:?}, last: {told:#?}"
            );
            assert!(self.process.runs(), "it ended");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
