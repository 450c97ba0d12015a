//! What one request may take, and how many of them: long bodies, slow ones, too many at once, too long, panics.
//!
//! None of it keeps anybody else from being answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aiops::http::{About, Door, Listening};
use axum::routing::get;
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::Notify};

use super::{
    super::{
        process::DEADLINE,
        wire::{Reply, ask, mcp, send},
    },
    Listener, is_refusal, listen, until,
};

#[tokio::test]
async fn bodies_have_a_limit_however_they_are_sent() {
    let listener = listen(&[("AIOPS_HTTP__MAX_BODY_BYTES", "2048")]).await;
    let declared =
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5242880\r\nconnection: close\r\n\r\n";
    is_refusal(&send(&listener.address, declared).await, 413, "body_too_large");
    let chunk = format!("800\r\n{}\r\n", "x".repeat(0x800));
    let chunked = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{chunk}{chunk}0\r\n\r\n"
    );
    is_refusal(&send(&listener.address, &chunked).await, 413, "body_too_large");
    let reply = mcp(&listener.address, "tools/list", "", json!({})).await;
    assert_eq!(reply.status, 200, "a small one passes: {reply:?}");
}

/// A listener with a route that answers when it is told to, and one that is always quick.
async fn held(settings: &aiops::config::Http) -> (Listener, String, Arc<Notify>) {
    let listener = listen(&[]).await;
    let about = About {
        engine: listener.booted.engine.clone(),
        metrics: listener.booted.metrics.clone(),
        mode: aiops::mode::Mode::Standalone,
        missing: Vec::new(),
    };
    let door = Door::new(about, settings, None, None);
    let go = Arc::new(Notify::new());
    let answered = Arc::clone(&go);
    let paths = axum::Router::new()
        .route(
            "/held",
            get(async move || {
                answered.notified().await;
                "held"
            }),
        )
        .route("/healthz", get(async || "ok"))
        .route("/quick", get(async || "quick").post(async |body: String| body));
    let port = Listening::bind("127.0.0.1:0".parse().unwrap(), "--http").await.unwrap();
    let open = port.serve(&door, door.behind_gate(paths), &listener.tasks);
    (listener, open.address.to_string(), go)
}

#[tokio::test]
async fn beyond_the_most_requests_callers_are_asked_to_come_again() {
    let settings = aiops::config::Http { max_concurrent_requests: 1, ..aiops::config::Http::default() };
    let (_listener, address, go) = held(&settings).await;
    let mut slow = TcpStream::connect(&address).await.unwrap();
    slow.write_all(b"GET /held HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    until("the refusal", async || ask(&address, "GET /quick", "").await.status == 503).await;
    let reply = ask(&address, "GET /quick", "").await;
    is_refusal(&reply, 503, "overloaded");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(ask(&address, "GET /healthz", "").await.status, 200, "probes are answered under load");
    go.notify_one();
    let reply = Reply::read(&mut slow).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "held"));
    assert_eq!(ask(&address, "GET /quick", "").await.status, 200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_ended() {
    let settings =
        aiops::config::Http { request_timeout: Duration::from_millis(300), ..aiops::config::Http::default() };
    let (_listener, address, _go) = held(&settings).await;
    is_refusal(&ask(&address, "GET /held", "").await, 503, "timeout");
}

/// Twenty clients that send a byte of their body from time to time keep nobody out, where one request may be answered at
/// once; and they are told.
#[tokio::test]
async fn who_trickles_a_body_takes_up_no_room_and_is_told() {
    let settings = aiops::config::Http {
        max_concurrent_requests: 1,
        request_timeout: Duration::from_secs(2),
        ..aiops::config::Http::default()
    };
    let (_listener, address, _go) = held(&settings).await;
    let head = b"POST /quick HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n";
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(head).await.unwrap();
        slow.push(stream);
    }
    let began = Instant::now();
    for stream in &mut slow {
        stream.write_all(b"x").await.unwrap();
        assert_eq!(ask(&address, "GET /quick", "").await.status, 200);
    }
    for stream in &mut slow {
        let reply = Reply::read(stream).await;
        is_refusal(&reply, 408, "body_too_slow");
        assert_eq!(reply.header("connection"), Some("close"));
        let why = reply.json()["message"].as_str().unwrap().to_owned();
        assert!(why.starts_with("1 bytes of the body came within 2 s"), "{why}");
    }
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    // A body in pieces is one.
    let pieces = b"POST /quick HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(pieces).await.unwrap();
    assert_eq!(ask(&address, "GET /quick", "").await.status, 200);
    stream.write_all(b"2\r\nde\r\n0\r\n\r\n").await.unwrap();
    let reply = Reply::read(&mut stream).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "abcde"));
}

#[tokio::test]
async fn slow_and_long_heads_cost_their_connection() {
    let listener = listen(&[]).await;
    let long = ask(&listener.address, "GET /healthz", &format!("x-long: {}\r\n", "x".repeat(20_000))).await;
    assert_eq!(long.status, 431);
    let mut slow = TcpStream::connect(&listener.address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let began = Instant::now();
    let mut rest = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut slow, &mut rest);
    let _ = tokio::time::timeout(DEADLINE, read).await.expect("the connection must be closed");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let listener = listen(&[]).await;
    let about = About {
        engine: listener.booted.engine.clone(),
        metrics: listener.booted.metrics.clone(),
        mode: aiops::mode::Mode::Standalone,
        missing: Vec::new(),
    };
    let door = Door::new(about, &aiops::config::Http::default(), None, None);
    let paths = axum::Router::new()
        .route("/panics", get(async || -> &'static str { panic!("on purpose") }))
        .route("/fine", get(async || "fine"));
    let port = Listening::bind("127.0.0.1:0".parse().unwrap(), "--http").await.unwrap();
    let open = port.serve(&door, door.behind_gate(paths), &listener.tasks);
    let address = open.address.to_string();
    is_refusal(&ask(&address, "GET /panics", "").await, 500, "internal");
    assert_eq!(ask(&address, "GET /fine", "").await.status, 200);
}
