//! HTTP by hand over a socket: tests see bytes and not what a client makes of them.
//!
//! It follows nothing and repeats nothing.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test sets up must work"
)]

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Reads one to its end.
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        // A refused body may end in a reset after the answer, which is all the same here.
        let _ = tokio::time::timeout(Duration::from_secs(20), read).await.expect("an answer must come");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer but {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }
}

/// Sends these bytes and reads the answer.
pub(crate) async fn send(address: &str, request: &str) -> Reply {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    Reply::read(&mut stream).await
}

/// Sends a request without a body; `headers` end with CRLF each.
pub(crate) async fn ask(address: &str, line: &str, headers: &str) -> Reply {
    let has_host = headers.lines().any(|line| line.to_ascii_lowercase().starts_with("host:"));
    let host = if has_host { "" } else { "host: localhost\r\n" };
    send(address, &format!("{line} HTTP/1.1\r\n{host}{headers}connection: close\r\n\r\n")).await
}

/// Asks over MCP, stateless.
pub(crate) async fn mcp(address: &str, method: &str, headers: &str, mut params: Value) -> Reply {
    for (name, value) in [
        ("protocolVersion", serde_json::json!("2026-07-28")),
        ("clientCapabilities", serde_json::json!({})),
        ("clientInfo", serde_json::json!({ "name": "it", "version": "0" })),
    ] {
        params["_meta"][format!("io.modelcontextprotocol/{name}")] = value;
    }
    let name = params.get("name").and_then(Value::as_str).map(|name| format!("mcp-name: {name}\r\n"));
    let body =
        serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: {method}\r\n\
         {}{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        name.unwrap_or_default(),
        body.len()
    );
    send(address, &request).await
}
