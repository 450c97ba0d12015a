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
