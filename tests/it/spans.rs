//! Spans as a collector receives them, and what a collector that is not there costs.
//!
//! What a span of a tool call says is tested with MCP.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test sets up must work")]

use std::{net::TcpListener, process::Stdio, time::Duration};

use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{
    process::{DEADLINE, Running, aiops},
    wire::{ask, mcp},
};

/// Takes what is sent to a collector until one of the bodies has this text in it; all that came, as bytes.
async fn collect(collector: tokio::net::TcpListener, wanted: &str) -> Vec<u8> {
    let mut all = Vec::new();
    let (mut stream, _) = tokio::time::timeout(DEADLINE, collector.accept()).await.unwrap().unwrap();
    while !String::from_utf8_lossy(&all).contains(wanted) {
        all.extend(tokio::time::timeout(DEADLINE, batch(&mut stream)).await.unwrap());
    }
    all
}

/// One request with its body, answered.
async fn batch(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap().trim().parse().unwrap();
            if bytes.len() >= end + 4 + length {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                return bytes;
            }
        }
        let read = tokio::io::AsyncReadExt::read(stream, &mut buffer).await.unwrap();
        assert!(read > 0, "the exporter hung up after {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..read]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_reach_the_collector_below_the_callers_own() {
    let collector = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let mut command = aiops(&["demo", "--http", "127.0.0.1:0"]);
    let (_running, address) = Running::serving(command.env("AIOPS_TELEMETRY__OTLP_ENDPOINT", &endpoint));
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let headers =
        format!("traceparent: 00-{trace}-b7ad6b7169203331-01\r\nauthorization: Bearer canary-token\r\n");
    let params = json!({ "name": "list-pods", "arguments": { "namespace": "canary-namespace" } });
    mcp(&address, "tools/call", &headers, params).await;
    let sent = collect(collector, "http.request").await;
    let number = u128::from_str_radix(trace, 16).unwrap();
    let raw = number.to_be_bytes();
    assert!(sent.starts_with(b"POST /v1/traces "));
    assert!(sent.windows(16).any(|window| window == raw), "the caller's trace id is in it");
    let text = String::from_utf8_lossy(&sent);
    assert!(!text.contains("canary"), "no arguments, no credentials");
}

/// Spans of one trace, read as far as needed from OTLP's protobuf: name, own id and parent of each span that begins with
/// the trace's id.
fn spans_of(sent: &[u8], trace: [u8; 16]) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    // Span: trace_id = 1, span_id = 2, trace_state = 3, parent_span_id = 4, name = 5, each with its length.
    let mut found = Vec::new();
    let mark: Vec<u8> = [0x0a, 16].into_iter().chain(trace).collect();
    for at in (0..sent.len()).filter(|at| sent[*at..].starts_with(&mark)) {
        let mut rest = &sent[at..];
        let mut fields = vec![Vec::new(); 6];
        while let [tag @ (0x0a | 0x12 | 0x1a | 0x22 | 0x2a), length, tail @ ..] = rest {
            let (value, after) = tail.split_at(usize::from(*length));
            fields[usize::from(*tag >> 3)] = value.to_vec();
            rest = after;
        }
        let [_, _, own, _, parent, name] = fields.try_into().unwrap();
        found.push((String::from_utf8(name).unwrap(), own, parent));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_context_in_meta_becomes_the_parent_of_a_call_and_of_a_read() {
    let collector = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let mut command = aiops(&["demo", "--http", "127.0.0.1:0"]);
    let (_running, address) = Running::serving(command.env("AIOPS_TELEMETRY__OTLP_ENDPOINT", &endpoint));
    let trace = "1bf7651916cd43dd8448eb211c80319d";
    let meta = json!({ "traceparent": format!("00-{trace}-c7ad6b7169203332-01") });
    let call = json!({ "name": "list-nodes", "arguments": {}, "_meta": meta });
    assert_eq!(mcp(&address, "tools/call", "", call).await.status, 200);
    let read = json!({ "uri": "cluster://nodes", "_meta": meta });
    let headers = "mcp-name: cluster://nodes\r\n";
    assert_eq!(mcp(&address, "resources/read", headers, read).await.status, 200);
    let sent = collect(collector, "resources/read").await;
    let spans = spans_of(&sent, u128::from_str_radix(trace, 16).unwrap().to_be_bytes());
    let parent = 0xc7ad_6b71_6920_3332_u64.to_be_bytes().to_vec();
    for name in ["tools/call", "resources/read"] {
        let of_caller = |(is, _, above): &&(String, Vec<u8>, Vec<u8>)| is == name && *above == parent;
        assert!(spans.iter().any(|span| of_caller(&span)), "{name} is not below the caller's: {spans:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_there_costs_one_line() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = aiops(&["demo", "--http", "127.0.0.1:0"]);
    let command =
        command.env("AIOPS_TELEMETRY__OTLP_ENDPOINT", format!("http://{gone}")).stdin(Stdio::null());
    let (mut running, address) = Running::serving(command);
    for _ in 0..20 {
        assert_eq!(ask(&address, "GET /health", "").await.status, 200);
    }
    running.signal("TERM");
    let (status, log) = tokio::task::spawn_blocking(move || {
        let status = running.wait(Duration::from_secs(10));
        (status, running.stderr.iter().collect::<Vec<_>>())
    })
    .await
    .unwrap();
    assert_eq!(status.code(), Some(0));
    let told = log.iter().filter(|line| line.contains("otlpEndpoint")).count();
    assert!(told <= 1, "{log:?}");
}
