//! Streamable HTTP without sockets: who may speak, how much, how often; both eras on one URL; sessions and their bound.

use std::time::Duration;

use aiops::{config::tokens::Principal, mcp::McpService};
use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{
    tools::ALL,
    world::{World, until},
};

struct Said {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
}

impl Said {
    /// The message of the answer, from JSON or from the last event of a stream.
    fn message(&self) -> Value {
        let events = self.body.lines().filter_map(|line| line.strip_prefix("data:"));
        let data = events.map(str::trim).rfind(|data| !data.is_empty()).unwrap_or(&self.body);
        serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

fn post(body: &Value) -> http::request::Builder {
    let _ = body;
    Request::post("/mcp")
        .header(header::HOST, "127.0.0.1:8080")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::CONTENT_TYPE, "application/json")
}

async fn send(service: &McpService, request: Request<Body>) -> Said {
    let answered: Response<_> = service.clone().oneshot(request).await.expect("a service that never fails");
    let (parts, body) = answered.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Said {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).expect("UTF-8"),
    }
}

fn message(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

fn initialize() -> Value {
    message(
        "initialize",
        json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}),
    )
}

fn health() -> Value {
    message("tools/call", json!({"name": "get-cluster-health", "arguments": {}}))
}

/// A request of 2026-07-28.
fn modern(mut message: Value) -> (Value, http::request::Builder) {
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    });
    let mut builder = post(&message)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", message["method"].as_str().unwrap());
    if let Some(name) = message["params"]["name"].as_str() {
        builder = builder.header("mcp-name", name);
    }
    (message, builder)
}

fn body(message: &Value) -> Body {
    Body::from(message.to_string())
}

#[tokio::test]
async fn both_eras_are_answered_on_one_url() {
    for sessions in [false, true] {
        let mut world = World::new();
        world.settings.sessions = sessions;
        let service = world.server().http(&world.http);
        let (message, builder) = modern(health());
        let said = send(&service, builder.body(body(&message)).unwrap()).await;
        assert_eq!(said.status, StatusCode::OK, "{}", said.body);
        assert_eq!(said.headers[header::CONTENT_TYPE], "application/json");
        assert!(said.message()["result"]["structuredContent"]["status"].is_string());

        let said = send(&service, post(&initialize()).body(body(&initialize())).unwrap()).await;
        let promised = said.message()["result"]["capabilities"].clone();
        assert_eq!(promised["resources"].get("subscribe").is_some(), sessions, "{promised}");
        assert_eq!(promised["tools"].get("listChanged").is_some(), sessions, "{promised}");
        assert_eq!(promised.get("logging").is_some(), sessions, "{promised}");
        assert_eq!(said.headers.contains_key("mcp-session-id"), sessions);

        let mut builder = post(&health()).header("mcp-protocol-version", "2025-11-25");
        if sessions {
            builder = builder.header("mcp-session-id", &said.headers["mcp-session-id"]);
            let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
            let noted = post(&initialized).header("mcp-session-id", &said.headers["mcp-session-id"]);
            assert_eq!(
                send(&service, noted.body(body(&initialized)).unwrap()).await.status,
                StatusCode::ACCEPTED
            );
        }
        let said = send(&service, builder.body(body(&health())).unwrap()).await;
        assert_eq!(said.status, StatusCode::OK, "{}", said.body);
        assert!(said.message()["result"]["structuredContent"]["status"].is_string());
    }
}

#[tokio::test]
async fn only_known_hosts_and_origins_may_speak() {
    let mut world = World::new();
    world.http.allowed_hosts.push("aiops.ops.svc:8443".to_owned());
    world.http.allowed_origins.push("https://console.example.com:443".to_owned());
    let service = world.server().http(&world.http);
    let any = {
        let mut http = world.http.clone();
        http.allowed_hosts = vec!["*".to_owned()];
        http.allowed_origins = vec!["*".to_owned()];
        world.server().http(&http)
    };
    let none = {
        let mut http = world.http.clone();
        http.allowed_origins = Vec::new();
        world.server().http(&http)
    };
    let ask = |host: &str, origin: Option<&str>| {
        let mut request = Request::post("/mcp")
            .header(header::HOST, host)
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        request.body(body(&initialize())).unwrap()
    };
    for (host, origin, allowed) in [
        ("localhost", None, true),
        ("localhost:8080", None, true),
        ("127.0.0.1:1", None, true),
        ("[::1]:8080", None, true),
        ("aiops.ops.svc:8443", None, true),
        ("aiops.ops.svc:80", None, false),
        ("evil.example.com", None, false),
        ("127.0.0.1.evil.example.com", None, false),
        ("localhost", Some("http://localhost:3000"), true),
        ("localhost", Some("http://127.0.0.1:3000"), true),
        ("localhost", Some("https://console.example.com"), true),
        ("localhost", Some("http://console.example.com"), false),
        ("localhost", Some("http://evil.example.com"), false),
        ("localhost", Some("null"), false),
    ] {
        let said = send(&service, ask(host, origin)).await;
        let wanted = if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(said.status, wanted, "{host} {origin:?}: {}", said.body);
        assert_eq!(send(&any, ask(host, origin)).await.status, StatusCode::OK, "{host} {origin:?}");
    }
    assert_eq!(
        send(&none, ask("localhost", Some("http://localhost:3000"))).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(send(&none, ask("localhost", None)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_the_right_status() {
    let world = World::new();
    let service = world.server().http(&world.http);
    let large = "x".repeat(5 << 20);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (sent, status) in [
        (
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": large}}).to_string(),
            413,
        ),
        ("{".to_owned(), 400),
        (deep, 400),
        ("[]".to_owned(), 400),
        (String::new(), 400),
    ] {
        let said = send(&service, post(&Value::Null).body(Body::from(sent)).unwrap()).await;
        assert_eq!(said.status.as_u16(), status, "{}", said.body);
    }
    let get =
        Request::get("/mcp").header(header::HOST, "localhost").header(header::ACCEPT, "text/event-stream");
    assert_eq!(send(&service, get.body(Body::empty()).unwrap()).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let said = send(&service, post(&health()).body(body(&health())).unwrap()).await;
    assert_eq!(said.status, StatusCode::OK, "the server goes on: {}", said.body);
}

#[tokio::test]
async fn the_session_beyond_the_bound_is_refused() {
    let mut world = World::new();
    world.settings.sessions = true;
    world.settings.max_sessions = 2;
    let service = world.server().http(&world.http);
    let open = || async { send(&service, post(&initialize()).body(body(&initialize())).unwrap()).await };
    let first = open().await;
    assert_eq!(open().await.status, StatusCode::OK);
    let refused = open().await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers[header::RETRY_AFTER], "30");
    assert_eq!(refused.message()["error"]["code"], -32000);
    assert!(refused.body.contains("mcp.maxSessions"), "{}", refused.body);
    // Requests that stand alone need none.
    let (message, builder) = modern(health());
    assert_eq!(send(&service, builder.body(body(&message)).unwrap()).await.status, StatusCode::OK);
    let close = Request::delete("/mcp")
        .header(header::HOST, "localhost")
        .header("mcp-session-id", &first.headers["mcp-session-id"]);
    assert!(send(&service, close.body(Body::empty()).unwrap()).await.status.is_success());
    assert_eq!(open().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_is_of_no_use_to_others() {
    let mut world = World::new();
    world.settings.sessions = true;
    let service = world.server().http(&world.http);
    let of = |who: Option<&str>, mut request: Request<Body>| {
        if let Some(name) = who {
            request.extensions_mut().insert(Principal { name: name.to_owned(), groups: Vec::new() });
        }
        request
    };
    let request = of(Some("ops"), post(&initialize()).body(body(&initialize())).unwrap());
    let id = send(&service, request).await.headers["mcp-session-id"].clone();
    let ask = |who: Option<&str>| {
        let request = post(&health()).header("mcp-session-id", &id).body(body(&health())).unwrap();
        send(&service, of(who, request))
    };
    let close = |who: Option<&str>| {
        let request = Request::delete("/mcp").header(header::HOST, "localhost").header("mcp-session-id", &id);
        send(&service, of(who, request.body(Body::empty()).unwrap()))
    };
    for other in [Some("somebody-else"), None] {
        assert_eq!(ask(other).await.status, StatusCode::NOT_FOUND);
        let listen = Request::get("/mcp")
            .header(header::HOST, "localhost")
            .header(header::ACCEPT, "text/event-stream")
            .header("mcp-session-id", &id);
        let listened = send(&service, of(other, listen.body(Body::empty()).unwrap())).await;
        assert_eq!(listened.status, StatusCode::NOT_FOUND);
        close(other).await;
        assert_eq!(ask(Some("ops")).await.status, StatusCode::OK, "{other:?} closed it");
    }
    close(Some("ops")).await;
    assert_eq!(ask(Some("ops")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_listeners_request_id_stands_in_the_error() {
    let world = World::new();
    let service = world.server_of(ALL).http(&world.http);
    let panics = message("tools/call", json!({"name": "panics", "arguments": {}}));
    for (sent, shown) in [
        ("req-abc.1", "request id req-abc.1"),
        ("a b\u{7f}", "request id mcp-"),
        (&"x".repeat(65), "request id mcp-"),
    ] {
        let Ok(value) = http::HeaderValue::from_bytes(sent.as_bytes()) else { continue };
        let said =
            send(&service, post(&panics).header("x-request-id", value).body(body(&panics)).unwrap()).await;
        let text = said.message()["result"]["content"][0]["text"].as_str().unwrap().to_owned();
        assert!(text.contains(shown), "{text}");
        assert_eq!(said.message()["result"]["isError"], true);
        assert_eq!(said.message()["result"]["_meta"]["aiops.io/code"], "internal");
    }
}

#[tokio::test]
async fn a_failure_is_logged_to_a_client_that_asked_for_log_messages() {
    let world = World::new();
    let service = world.server_of(ALL).http(&world.http);
    let fails = message("tools/call", json!({"name": "fails", "arguments": {}}));
    for (level, logged) in
        [(Some("warning"), true), (Some("debug"), true), (Some("error"), false), (None, false)]
    {
        let (mut message, builder) = modern(fails.clone());
        if let Some(level) = level {
            message["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = level.into();
        }
        let said = send(&service, builder.body(body(&message)).unwrap()).await;
        assert_eq!(said.body.contains("notifications/message"), logged, "{level:?}: {}", said.body);
        assert_eq!(said.message()["result"]["isError"], true);
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_call() {
    let world = World::new();
    let service = world.server_of(ALL).http(&world.http);
    let hangs = message("tools/call", json!({"name": "hangs", "arguments": {}}));
    let (stateless, builder) = modern(hangs.clone());
    let requests = [post(&hangs).body(body(&hangs)).unwrap(), builder.body(body(&stateless)).unwrap()];
    for (times, request) in (1..).zip(requests) {
        let asked = tokio::time::timeout(Duration::from_millis(200), send(&service, request)).await;
        assert!(asked.is_err(), "it hangs until its time limit");
        let counted = format!("tool=\"hangs\",outcome=\"cancelled\"}} {times}");
        until("the call ended as cancelled", || world.metrics.render().contains(&counted)).await;
    }
}

#[tokio::test]
async fn an_idle_session_makes_room() {
    let mut world = World::new();
    world.settings.sessions = true;
    world.settings.max_sessions = 1;
    world.settings.session_idle = Duration::from_millis(200);
    let service = world.server().http(&world.http);
    let open = || async { send(&service, post(&initialize()).body(body(&initialize())).unwrap()).await };
    let first = open().await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while open().await.status != StatusCode::OK {
        assert!(tokio::time::Instant::now() < deadline, "the idle session stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let late = post(&health()).header("mcp-session-id", &first.headers["mcp-session-id"]);
    assert_eq!(send(&service, late.body(body(&health())).unwrap()).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn subscribing_without_a_session_is_harmless_and_not_promised() {
    let world = World::new();
    let service = world.server().http(&world.http);
    for method in ["resources/subscribe", "resources/unsubscribe", "logging/setLevel"] {
        let asked = message(method, json!({"uri": "cluster://health", "level": "info"}));
        let said = send(&service, post(&asked).body(body(&asked)).unwrap()).await;
        assert_eq!(said.message()["result"], json!({}), "{method}: {}", said.body);
    }
}
