//! The listener: probes, refusals, callers, limits, tokens and its end, over real sockets.
//!
//! What MCP answers is tested with MCP.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test sets up must work")]

mod limits;

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use aiops::{
    boot::{Booted, Feed, Ports, Served, boot},
    config::{Environment, Sources, load},
    shutdown::Tasks,
};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{
    process::{DEADLINE, Running, aiops, output, text},
    wire::{Reply, ask, mcp},
};

/// A listener in this process, on the embedded recording.
struct Listener {
    address: String,
    served: Served,
    booted: Booted,
    tasks: Tasks,
}

async fn listen(variables: &[(&str, &str)]) -> Listener {
    let mut all = vec![("AIOPS_HTTP__LISTEN", "127.0.0.1:0")];
    all.extend(variables);
    let environment = Environment::of(all.iter().copied());
    let loaded = load(Sources { environment, ..Sources::default() }).unwrap();
    let tasks = Tasks::new();
    let ports = Ports::take(&loaded).await.unwrap();
    let booted = boot(&loaded, Feed::Demo, &tasks).unwrap();
    let served = ports.serve(&booted, &loaded, &tasks).unwrap();
    Listener { address: served.main.address.to_string(), served, booted, tasks }
}

/// Asks until the answer is as wanted; the deadline is far beyond what it may take.
async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !ask().await {
        assert!(Instant::now() < end, "{what} did not come true within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A refusal has all members of the one form, and the id of its header.
#[track_caller]
fn is_refusal(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    let body = reply.json();
    assert_eq!(body["status"], "error");
    assert_eq!(body["code"], code);
    assert_eq!(body["success"], false);
    assert_eq!(body["error"], body["message"]);
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()));
    assert!(body.get("details").is_some());
    assert_eq!(body["request_id"].as_str(), reply.header("x-request-id"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn probes_answer_whatever_name_they_are_asked_by() {
    let listener = listen(&[]).await;
    for path in ["/healthz", "/readyz"] {
        let reply = ask(&listener.address, &format!("GET {path}"), "Host: 10.1.2.3:8080\r\n").await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "ok\n"), "{path}");
    }
}

#[tokio::test]
async fn health_is_a_superset_of_the_contract() {
    let listener = listen(&[("AIOPS_DEPLOYMENT__MODE", "full")]).await;
    let reply = ask(&listener.address, "GET /health", "").await;
    assert_eq!(reply.status, 200);
    let health = reply.json();
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["mode"], "full");
    // Less than the mode asks for, and it says what.
    assert_eq!(health["status"], "degraded");
    for missing in ["prometheus", "ml_services"] {
        assert_eq!(health["dependencies"][missing], "missing", "{missing}");
        assert!(health["dependency_details"][missing]["message"].as_str().is_some_and(|why| why.len() > 20));
    }
    assert!(health["dependencies"].as_object().unwrap().values().all(Value::is_string));
    assert!(health["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(health["cluster"]["source"], "recorded");
    let kinds = health["inventory"].as_array().unwrap();
    assert_eq!(kinds.len(), aiops_inventory::Kind::ALL.len());
    for kind in kinds {
        let known = kind["state"] == "synced" || kind["state"] == "stale";
        assert_eq!(kind["rows"].is_u64(), known, "rows are a number only when known: {kind}");
    }
}

#[tokio::test]
async fn every_answer_has_an_id_and_only_well_formed_ones_are_kept() {
    let listener = listen(&[]).await;
    let long = "a".repeat(65);
    for (given, kept) in [
        ("aB3._-", true),
        (&*"a".repeat(64), true),
        (&*long, false),
        ("a b", false),
        ("a/b", false),
        ("a{b}", false),
        ("", false),
    ] {
        let reply = ask(&listener.address, "GET /nope", &format!("x-request-id: {given}\r\n")).await;
        is_refusal(&reply, 404, "not_found");
        assert_eq!(reply.header("x-request-id") == Some(given), kept, "{given:?}");
    }
    let twice = ask(&listener.address, "GET /healthz", "x-request-id: one\r\nx-request-id: two\r\n").await;
    let first = twice.header("x-request-id").unwrap().to_owned();
    assert!(first != "one" && first != "two");
    let again = ask(&listener.address, "GET /healthz", "").await;
    assert_ne!(again.header("x-request-id").unwrap(), first, "ids do not repeat");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_one_form() {
    let listener = listen(&[]).await;
    for path in ["/", "/nope", "/health/", "/mcp/../health", "/%2e%2e/%00", "/api/v1/nothing"] {
        is_refusal(&ask(&listener.address, &format!("GET {path}"), "").await, 404, "not_found");
    }
    for path in ["/health", "/healthz", "/metrics"] {
        let reply = ask(&listener.address, &format!("DELETE {path}"), "").await;
        is_refusal(&reply, 405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some("GET,HEAD"), "{path}");
    }
    let reply = ask(&listener.address, "GET /mcp", "accept: text/event-stream\r\n").await;
    assert_eq!(reply.status, 405);
    assert!(reply.header("allow").is_some_and(|allow| allow.contains("POST")));
}

#[tokio::test]
async fn only_listed_names_and_pages_come_in() {
    let listener = listen(&[
        ("AIOPS_HTTP__ALLOWED_HOSTS", "localhost,[::1],aiops.example.com:8443"),
        ("AIOPS_HTTP__ALLOWED_ORIGINS", "http://localhost:*,https://console.example.com"),
    ])
    .await;
    for (host, passes) in [
        ("localhost", true),
        ("LOCALHOST:1234", true),
        ("[::1]:9", true),
        ("aiops.example.com:8443", true),
        ("aiops.example.com", false),
        ("aiops.example.com:80", false),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("localhost@evil.example", false),
        ("127.0.0.1", false),
        ("", false),
    ] {
        let reply = ask(&listener.address, "GET /health", &format!("Host: {host}\r\n")).await;
        if passes {
            assert_eq!(reply.status, 200, "{host}");
        } else {
            is_refusal(&reply, 403, "host_not_allowed");
        }
    }
    let two = ask(&listener.address, "GET /health", "Host: localhost\r\nHost: localhost\r\n").await;
    assert_ne!(two.status, 200, "two Host headers");
    let absolute = ask(&listener.address, "GET http://evil.example/health", "").await;
    is_refusal(&absolute, 403, "host_not_allowed");
    for (origin, passes) in [
        ("http://localhost", true),
        ("http://localhost:3000", true),
        ("https://console.example.com", true),
        ("https://console.example.com:444", false),
        ("http://console.example.com", false),
        ("http://localhost:3000.evil.example", false),
        ("http://localhost.evil.example", false),
        ("https://localhost", false),
        ("null", false),
    ] {
        for path in ["/health", "/mcp", "/healthz"] {
            let reply =
                ask(&listener.address, &format!("GET {path}"), &format!("Origin: {origin}\r\n")).await;
            if passes {
                assert_ne!(reply.status, 403, "{origin} {path}");
                assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
            } else {
                is_refusal(&reply, 403, "origin_not_allowed");
                assert_eq!(reply.header("access-control-allow-origin"), None);
            }
        }
    }
}

#[tokio::test]
async fn a_page_that_is_listed_may_ask_whether_it_may_ask() {
    let listener = listen(&[]).await;
    let asks = "Origin: http://localhost:6274\r\nAccess-Control-Request-Method: POST\r\n\
                Access-Control-Request-Headers: Content-Type, mcp-session-id, mcp-protocol-version, x-evil\r\n";
    let reply = ask(&listener.address, "OPTIONS /mcp", asks).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-origin"), Some("http://localhost:6274"));
    assert_eq!(
        reply.header("access-control-allow-headers"),
        Some("content-type, mcp-session-id, mcp-protocol-version")
    );
    assert!(reply.header("access-control-expose-headers").unwrap().contains("mcp-session-id"));
    is_refusal(&ask(&listener.address, "OPTIONS /health", "").await, 405, "method_not_allowed");
}

#[tokio::test]
async fn tokens_are_asked_for_and_rotate_without_a_restart() {
    let hash = |token: &str| {
        let digest = <sha2::Sha256 as sha2::Digest>::digest(token.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let entry = |name: &str, token: &str, more: &str| {
        format!("[[token]]\nname = \"{name}\"\nsha256 = \"{}\"\n{more}\n", hash(token))
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let over = entry("over", "over-token", "expires = \"2020-01-01T00:00:00Z\"");
    std::fs::write(&path, format!("{}{over}", entry("sre", "first-token", ""))).unwrap();
    let listener = listen(&[("AIOPS_HTTP__TOKEN_FILE", path.to_str().unwrap())]).await;
    let status = async |authorization: &str| {
        ask(&listener.address, "GET /health", &format!("{authorization}\r\n")).await.status
    };
    for path in ["/health", "/mcp", "/metrics", "/nope"] {
        let reply = ask(&listener.address, &format!("GET {path}"), "").await;
        is_refusal(&reply, 401, "unauthorized");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"aiops\""), "{path}");
    }
    let wrong = ask(&listener.address, "GET /health", "Authorization: Bearer wrong\r\n").await;
    is_refusal(&wrong, 401, "unauthorized");
    assert!(wrong.header("www-authenticate").unwrap().contains("invalid_token"));
    assert!(!wrong.body.contains("wrong"), "a token is not repeated");
    for refused in [
        "Authorization: Bearer over-token",
        "Authorization: Basic first-token",
        "Authorization: first-token",
        "Authorization: Bearer",
        "Authorization: Bearer first-token\r\nAuthorization: Bearer first-token",
    ] {
        assert_eq!(status(refused).await, 401, "{refused}");
    }
    assert_eq!(ask(&listener.address, "GET /healthz", "").await.status, 200, "the kubelet has no token");
    let first = "Authorization: bearer first-token";
    assert_eq!(status(first).await, 200);
    std::fs::write(&path, entry("sre", "second-token", "")).unwrap();
    until("the new token", async || status("Authorization: Bearer second-token").await == 200).await;
    assert_eq!(status(first).await, 401, "the old token is over");
}

#[tokio::test]
async fn metrics_are_in_the_format_they_say() {
    let listener = listen(&[("AIOPS_TELEMETRY__METRICS_PORT", "0")]).await;
    let called =
        mcp(&listener.address, "tools/call", "", json!({ "name": "list-nodes", "arguments": {} })).await;
    assert_eq!(called.status, 200, "{called:?}");
    let reply = ask(&listener.address, "GET /metrics", "").await;
    assert_eq!(
        reply.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(reply.body.ends_with("# EOF\n"));
    assert_eq!(reply.body.matches("# EOF").count(), 1);
    for line in [
        "aiops_http_requests_total{route=\"/mcp\",status=\"200\"} 1",
        "aiops_tool_calls_total{tool=\"list-nodes\",outcome=\"ok\"} 1",
        "aiops_tool_duration_seconds_count{tool=\"list-nodes\"} 1",
        "aiops_build_info{version=\"",
        "aiops_inventory_rows{kind=\"Pod\"} ",
        "aiops_inventory_state{kind=\"Pod\",state=\"synced\"} 1",
        "aiops_watch_restarts_total{kind=\"Pod\"} 0",
        "aiops_uptime_seconds ",
    ] {
        assert!(reply.body.contains(line), "{line} is missing in\n{}", reply.body);
    }
    if cfg!(target_os = "linux") {
        assert!(reply.body.contains("process_resident_memory_bytes "));
    }
    let own = listener.served.metrics.as_ref().unwrap().address.to_string();
    let reply = ask(&own, "GET /metrics", "Host: 10.0.0.1\r\n").await;
    assert_eq!(reply.status, 200);
    is_refusal(&ask(&own, "GET /health", "").await, 404, "not_found");
}

#[tokio::test]
async fn draining_ends_within_its_time() {
    let listener = listen(&[]).await;
    // A connection that is kept alive and says nothing holds nobody up.
    let mut idle = TcpStream::connect(&listener.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 1];
    tokio::io::AsyncReadExt::read_exact(&mut idle, &mut first).await.unwrap();
    let began = Instant::now();
    tokio::time::timeout(DEADLINE, listener.served.drain(&listener.tasks)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(TcpStream::connect(&listener.address).await.is_err());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_requests_finish_and_refuses_new_ones() {
    let (mut running, address) = Running::serving(&mut aiops(&["demo", "--http", "127.0.0.1:0"]));
    let mut slow = TcpStream::connect(&address).await.unwrap();
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    // The answer to a later request shows that the earlier one was read.
    assert_eq!(ask(&address, "GET /readyz", "").await.status, 200);
    running.signal("TERM");
    until("the refusal", async || TcpStream::connect(&address).await.is_err()).await;
    slow.write_all(b"}").await.unwrap();
    let reply = Reply::read(&mut slow).await;
    assert!((400..500).contains(&reply.status), "it was answered: {reply:?}");
    let status = tokio::task::spawn_blocking(move || running.wait(Duration::from_secs(10))).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    let (mut running, address) = Running::serving(&mut aiops(&["demo", "--http", "127.0.0.1:0"]));
    let mut hangs = TcpStream::connect(&address).await.unwrap();
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{";
    hangs.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(ask(&address, "GET /readyz", "").await.status, 200);
    running.signal("INT");
    until("the refusal", async || TcpStream::connect(&address).await.is_err()).await;
    let began = Instant::now();
    running.signal("INT");
    let status = tokio::task::spawn_blocking(move || running.wait(Duration::from_secs(10))).await.unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn a_port_in_use_is_named_with_the_fix() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = output(&mut aiops(&["demo", "--http", &address]));
    assert_eq!(ended.status.code(), Some(2));
    let said = text(&ended.stderr);
    for part in [&*address, "is in use", "--http"] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn other_machines_do_not_come_in_without_tokens() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let ended = output(&mut aiops(&["demo", "--http", listen]));
        assert_eq!(ended.status.code(), Some(2), "{listen}");
        assert!(text(&ended.stderr).contains("http.tokenFile"), "{listen}: {}", text(&ended.stderr));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.toml");
    let mut command = aiops(&["demo", "--http", "127.0.0.1:0"]);
    let ended = output(command.env("AIOPS_HTTP__TOKEN_FILE", &path));
    assert!(!ended.status.success());
    assert!(text(&ended.stderr).contains("none.toml"), "{}", text(&ended.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kubeconfig_that_cannot_be_used_is_told_and_the_server_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let malformed = folder.path().join("malformed");
    std::fs::write(&malformed, "clusters: {{{ not yaml").unwrap();
    let missing = folder.path().join("missing");
    for kubeconfig in [&malformed, &missing] {
        let arguments = ["serve", "--http", "127.0.0.1:0", "--kubeconfig", kubeconfig.to_str().unwrap()];
        let (_running, address) = Running::serving(&mut aiops(&arguments));
        assert_eq!(ask(&address, "GET /readyz", "").await.status, 200, "ready without a cluster");
        until("health says it", async || {
            let health = ask(&address, "GET /health", "").await.json();
            health["dependencies"]["kubernetes"] == "down" && health["cluster"]["reason"].is_string()
        })
        .await;
        let listed = mcp(&address, "tools/list", "", json!({})).await;
        assert_eq!(listed.status, 200, "{listed:?}");
        let arguments = json!({ "name": "list-nodes", "arguments": {} });
        assert_eq!(mcp(&address, "tools/call", "", arguments).await.status, 200);
    }
}
