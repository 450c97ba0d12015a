//! Workflows: listed, decided, stopped, and watched as they go on.

use std::time::Duration;

use aiops_engine::{
    coordination::{Decision, Resolution, WhyNot, WorkflowQuery},
    model::{ids::WorkflowId, phase::Phase},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    super::{process::DEADLINE, support::coordination::DIGEST},
    Asked, World, is_refusal, world,
};

#[tokio::test]
async fn workflows_are_listed_with_their_total() {
    let world = world().await;
    let reply =
        world.get("/api/v1/workflows?namespace=shop&status=running&incidentId=inc-1&limit=5&offset=10").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["total"], 7, "before the limit");
    assert_eq!(reply.json()["workflows"][0]["id"], "wf-67890");
    let wanted = WorkflowQuery {
        namespace: Some("shop".to_owned()),
        status: Some("running".to_owned()),
        incident: Some("inc-1".to_owned()),
        limit: Some(5),
        offset: Some(10),
    };
    assert_eq!(world.one(), Asked::Workflows(wanted));
}

#[tokio::test]
async fn each_phase_is_told_in_the_contracts_word_and_in_its_own() {
    let world = world().await;
    for phase in Phase::ALL {
        // Whatever the engine wrote there, the word follows from the phase.
        world.fake.moves(|view| {
            (view.phase, view.status, view.reason) = (phase, "x".to_owned(), Some("so".to_owned()))
        });
        let body = world.get("/api/v1/workflows/wf-1").await.json();
        assert_eq!((&body["status"], &body["phase"]), (&json!(phase.contract()), &json!(phase.as_str())));
        assert_eq!(body.get("error_message").is_some(), phase.contract() == "failed", "{phase}");
        world.one();
    }
}

#[tokio::test]
async fn decisions_reach_the_engine_with_their_digest() {
    let world = world().await;
    for (path, approve) in [("approve", true), ("deny", false)] {
        let body = json!({ "digest": DIGEST, "reason": "looked at" });
        let reply = world.post(&format!("/api/v1/workflows/wf-67890/{path}"), body.to_string()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["id"], "wf-67890");
        let decision = Decision {
            digest: DIGEST.to_owned(),
            approve,
            reason: Some("looked at".to_owned()),
            by_elicitation: false,
        };
        assert_eq!(world.one(), Asked::Decide("wf-67890".to_owned(), decision));
        let blind = world.post(&format!("/api/v1/workflows/wf-67890/{path}"), "{}").await;
        let told = is_refusal(&blind, 400, "invalid_request");
        assert_eq!(told["message"], "digest is required", "nobody approves what they have not seen");
        // A client cannot pass its answer off as a person's elsewhere.
        let body = json!({ "digest": DIGEST, "by_elicitation": true });
        let reply = world.post(&format!("/api/v1/workflows/wf-67890/{path}"), body.to_string()).await;
        is_refusal(&reply, 400, "invalid_request");
        world.fake.nothing();
    }
}

#[tokio::test]
async fn workflows_are_stopped_resolved_and_explained() {
    let world = world().await;
    assert_eq!(world.post("/api/v1/workflows/wf-1/cancel", "").await.status, 200);
    assert_eq!(world.one(), Asked::Cancel("wf-1".to_owned(), None));
    let body = json!({ "outcome": "rolled_back", "note": "scaled by hand" });
    assert_eq!(world.post("/api/v1/workflows/wf-1/resolve", body.to_string()).await.status, 200);
    let how = Resolution { outcome: "rolled_back".to_owned(), note: "scaled by hand".to_owned() };
    assert_eq!(world.one(), Asked::Resolve("wf-1".to_owned(), how));
    is_refusal(&world.post("/api/v1/workflows/wf-1/resolve", "{}").await, 400, "invalid_request");
    let reply = world.get("/api/v1/workflows/wf-1/why-not").await;
    assert_eq!(reply.json()["rules"][0]["rule"], "cooldown");
    assert_eq!(world.one(), Asked::WhyNot(WhyNot::Workflow(WorkflowId::parse("wf-1").unwrap())));
}

/// A stream of events that is read as it comes.
struct Stream {
    socket: TcpStream,
    text: String,
}

impl Stream {
    async fn open(world: &World, id: &str) -> Self {
        let mut socket = TcpStream::connect(&world.address).await.unwrap();
        let head = format!(
            "GET /api/v1/workflows/{id}/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        Self { socket, text: String::new() }
    }

    /// Reads until the text is there; `false` when the stream ends before.
    async fn until(&mut self, wanted: &str) -> bool {
        let reading = async {
            while !self.text.contains(wanted) {
                let mut bytes = [0; 4_096];
                let read = self.socket.read(&mut bytes).await.unwrap();
                if read == 0 {
                    return false;
                }
                self.text.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            true
        };
        tokio::time::timeout(DEADLINE, reading).await.unwrap_or_else(|_| panic!("{wanted:?} did not come"))
    }

    /// Names and data of the events so far.
    fn events(&self) -> Vec<(String, Value)> {
        let value = |block: &str, field: &str| {
            let line =
                block.lines().find_map(|line| line.trim_start().strip_prefix(field).map(str::to_owned));
            line.map(|line| line.trim().to_owned())
        };
        let blocks = self.text.split("\n\n").filter_map(|block| {
            let data = value(block, "data:")?;
            Some((value(block, "event:").unwrap(), serde_json::from_str(&data).unwrap()))
        });
        blocks.collect()
    }
}

#[tokio::test]
async fn a_workflow_is_watched_until_it_is_over() {
    let world = world().await;
    world.fake.moves(|view| view.phase = Phase::Running);
    let mut stream = Stream::open(&world, "wf-67890").await;
    assert!(stream.until("\"phase\":\"running\"").await, "{}", stream.text);
    let head = stream.text.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
    assert!(head.contains("cache-control: no-cache") && head.contains("x-accel-buffering: no"), "{head}");
    assert!(head.contains("x-request-id: "), "{head}");
    // A change of something else is no event.
    world.fake.moves(|_| {});
    world.fake.moves(|view| view.phase = Phase::Verifying);
    assert!(stream.until("\"phase\":\"verifying\"").await, "{}", stream.text);
    world.fake.moves(|view| view.phase = Phase::Completed);
    assert!(stream.until("\"phase\":\"completed\"").await, "{}", stream.text);
    assert!(!stream.until("never").await, "the stream ends with the workflow");
    let phases: Vec<_> =
        stream.events().into_iter().map(|(name, data)| (name, data["phase"].clone())).collect();
    let wanted = ["running", "verifying", "completed"].map(|phase| ("workflow".to_owned(), json!(phase)));
    assert_eq!(phases, wanted);
    assert!(world.fake.took().iter().all(|(_, asked)| *asked == Asked::Workflow("wf-67890".to_owned())));
}

#[tokio::test]
async fn a_bad_moment_of_the_store_does_not_end_a_stream_and_a_lost_workflow_does() {
    let world = world().await;
    world.fake.moves(|view| view.phase = Phase::Running);
    let mut stream = Stream::open(&world, "wf-67890").await;
    assert!(stream.until("\"phase\":\"running\"").await);
    *world.fake.fails.lock() = Some(aiops_engine::Error::Unavailable {
        what: "the store".to_owned(),
        why: "locked".to_owned(),
        retry_after: None,
    });
    world.fake.moves(|view| view.phase = Phase::Verifying);
    assert!(stream.until("\"phase\":\"verifying\"").await, "the next look finds it: {}", stream.text);
    *world.fake.fails.lock() = Some(aiops_engine::Error::not_found("workflow wf-67890"));
    world.fake.moves(|_| {});
    assert!(stream.until("not_found").await, "{}", stream.text);
    assert!(!stream.until("never").await);
    let (name, data) = stream.events().pop().unwrap();
    assert_eq!((&*name, &data["code"], &data["success"]), ("error", &json!("not_found"), &json!(false)));
    world.fake.took();
}

#[tokio::test]
async fn what_is_not_there_is_refused_before_a_stream_begins() {
    let world = world().await;
    *world.fake.fails.lock() = Some(aiops_engine::Error::not_found("workflow wf-1"));
    is_refusal(&world.get("/api/v1/workflows/wf-1/events").await, 404, "not_found");
    world.one();
}

#[tokio::test]
async fn streams_end_with_the_process_and_hold_nobody_up() {
    let World { open, tasks, fake, address, _booted } = world().await;
    fake.moves(|view| view.phase = Phase::Running);
    let head = "GET /api/v1/workflows/wf-1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut socket = TcpStream::connect(&address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut stream = Stream { socket, text: String::new() };
    assert!(stream.until("\"phase\":\"running\"").await);
    let began = std::time::Instant::now();
    tokio::time::timeout(DEADLINE, open.drain(&tasks)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(!stream.until("never").await);
    fake.took();
}

#[tokio::test]
async fn watchers_leave_connections_for_others() {
    let world = world().await;
    world.fake.moves(|view| view.phase = Phase::Running);
    let mut streams = Vec::new();
    for _ in 0..256 {
        let mut stream = Stream::open(&world, "wf-67890").await;
        assert!(stream.until("\"phase\":\"running\"").await, "{}", stream.text);
        streams.push(stream);
    }
    let refused = world.get("/api/v1/workflows/wf-67890/events").await;
    is_refusal(&refused, 503, "overloaded");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(world.get("/api/v1/workflows/wf-67890").await.status, 200, "requests go on");
    // The place of one who is gone is free, as soon as that is noticed.
    drop(streams.pop());
    let end = std::time::Instant::now() + DEADLINE;
    loop {
        let mut next = Stream::open(&world, "wf-67890").await;
        if next.until("\"phase\":\"running\"").await {
            break;
        }
        assert!(std::time::Instant::now() < end, "{}", next.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.fake.took();
}
