//! Another MCP server, timed with a call of its own: over streamable HTTP, with a session when it wants one.
//!
//! Its answers are read as far as to know that they are no errors; what they say is its own affair.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    report::{Report, say},
    subject::Lengths,
};

const SESSION: &str = "mcp-session-id";

#[derive(Clone)]
struct Peer {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    session: Option<HeaderValue>,
}

impl Peer {
    async fn open(url: &str) -> anyhow::Result<Self> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut peer = Self { client, url: url.to_owned(), session: None };
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}});
        peer.session = peer.post(&hello).await?.1;
        peer.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        Ok(peer)
    }

    /// The body of the answer, and the session that the server opened.
    async fn post(&self, message: &Value) -> anyhow::Result<(Bytes, Option<HeaderValue>)> {
        let mut request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-06-18");
        if let Some(session) = &self.session {
            request = request.header(SESSION, session);
        }
        let response = self.client.request(request.body(Full::from(message.to_string()))?).await?;
        let status = response.status();
        let session = response.headers().get(SESSION).cloned();
        let body = response.into_body().collect().await?.to_bytes();
        anyhow::ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        Ok((body, session))
    }

    /// Calls the tool; the answer's size.
    async fn call(&self, call: &Value) -> anyhow::Result<usize> {
        let (body, _) = self.post(call).await?;
        // A server may answer with a stream of events, of which the last that has data is the answer.
        let text = std::str::from_utf8(&body)?;
        let data = text.lines().rev().find_map(|line| line.strip_prefix("data:")).unwrap_or(text);
        let answer: Value = serde_json::from_str(data).context("it is no JSON")?;
        let is_error = answer.pointer("/result/isError").is_some_and(|error| error == true);
        anyhow::ensure!(answer.get("result").is_some() && !is_error, "the peer failed: {answer}");
        Ok(body.len())
    }
}

/// One caller, then fifty, for the same time as aiops.
pub(crate) async fn measure(
    url: &str,
    tool: &str,
    arguments: &str,
    lengths: &Lengths,
    report: &mut Report,
) -> anyhow::Result<()> {
    let arguments: Value = serde_json::from_str(arguments).context("the peer's arguments are no JSON")?;
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
    let peer = Peer::open(url).await.with_context(|| format!("the peer at {url}"))?;
    let bytes = peer.call(&call).await?;
    say(&format!("  peer: {tool} answers {bytes} bytes"));
    let (times, _) = run(&peer, &call, 1, lengths.one_caller).await?;
    report.peer("list-pods of 500, one caller, p50", percentile(&times, 50));
    report.peer("list-pods of 500, one caller, p95", percentile(&times, 95));
    let (times, seconds) = run(&peer, &call, 50, lengths.load).await?;
    report.peer("get-cluster-health, 50 callers, p95", percentile(&times, 95));
    report.peer("get-cluster-health, 50 callers", times.len() as f64 / seconds);
    report.note(format!("peer: {url}, {tool} {arguments}, {bytes} bytes an answer"));
    Ok(())
}

async fn run(
    peer: &Peer,
    call: &Value,
    callers: usize,
    length: Duration,
) -> anyhow::Result<(Vec<Duration>, f64)> {
    let begun = Instant::now();
    let mut set: JoinSet<anyhow::Result<Vec<Duration>>> = JoinSet::new();
    for _ in 0..callers {
        let (peer, call) = (peer.clone(), call.clone());
        set.spawn(async move {
            let mut times = Vec::new();
            while begun.elapsed() < length {
                let asked = Instant::now();
                peer.call(&call).await?;
                times.push(asked.elapsed());
            }
            Ok(times)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = set.join_next().await {
        all.extend(done??);
    }
    all.sort_unstable();
    Ok((all, begun.elapsed().as_secs_f64()))
}

fn percentile(times: &[Duration], percent: usize) -> f64 {
    let time = times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
    time.copied().unwrap_or_default().as_secs_f64() * 1_000.0
}
