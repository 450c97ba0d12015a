//! A line over HTTP, against a server that plays every trick: each change leaves once, and what is told of it is certain.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aiops::shutdown::Tasks;
use aiops_engine::{
    member::MemberCluster,
    model::{action::Action, target::Target},
    ports::{
        Cluster as _,
        acting::{Acting as _, Mutation, NotDoneKind, Verb},
    },
};
use aiops_inventory::inventory::Connection;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::world::over_http;

/// What the server does with a change.
#[derive(Debug, Clone, PartialEq)]
enum Trick {
    /// This status and body.
    Say(u16, String),
    /// It reads the request and hangs up.
    HangUp,
    /// It begins an answer and hangs up.
    HalfAnAnswer,
    /// It reads the request and says nothing.
    Silence,
}

#[derive(Default)]
struct Told {
    trick: Option<Trick>,
    /// Each change that came in whole, by the name of its request.
    changes: Vec<String>,
    tokens: Vec<String>,
}

struct Stub {
    url: String,
    told: Arc<Mutex<Told>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let told = Arc::new(Mutex::new(Told::default()));
        let seen = Arc::clone(&told);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                connections.spawn(serve(stream, Arc::clone(&seen)));
            }
        });
        Self { url, told, task }
    }

    fn plays(&self, trick: Trick) {
        self.told.lock().trick = Some(trick);
    }

    fn changes(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().changes)
    }
}

async fn request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() >= length.trim().parse::<usize>().unwrap() {
                return Some((lower, serde_json::from_str(body).unwrap()));
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

async fn say(stream: &mut TcpStream, status: u16, body: &str) {
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // Whoever asked may be gone.
    let _ = stream.write_all(text.as_bytes()).await;
}

fn result(structured: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [], "structuredContent": structured}}).to_string()
}

async fn serve(mut stream: TcpStream, told: Arc<Mutex<Told>>) {
    while let Some((head, message)) = request(&mut stream).await {
        let token = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
        told.lock().tokens.push(token.to_owned());
        let params = &message["params"];
        if params["name"] == "observe-object" {
            say(
                &mut stream,
                200,
                &result(&json!({"moment": "p:1", "cluster": "uid-1", "version": "v1.36.0"})),
            )
            .await;
            continue;
        }
        let trick = {
            let mut told = told.lock();
            told.changes.push(params["arguments"]["request"].as_str().unwrap().to_owned());
            told.trick.clone().unwrap()
        };
        match trick {
            Trick::Say(status, body) => say(&mut stream, status, &body).await,
            Trick::HangUp => return,
            Trick::HalfAnAnswer => {
                let half =
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"js";
                let _ = stream.write_all(half.as_bytes()).await;
                return;
            }
            Trick::Silence => std::future::pending().await,
        }
    }
}

fn scale() -> Mutation {
    let target = Target::known("Deployment", "shop", "web").with_uid("u-1");
    Mutation {
        verb: Verb::MergePatch,
        target: target.clone(),
        body: json!({"spec": {"replicas": 3}}),
        uid: Some("u-1".to_owned()),
        resource_version: Some("7".to_owned()),
        dry_run: false,
        effect_key: "wf-1/0/do".to_owned(),
        workflow: "wf-1".to_owned(),
        action: Action::ScaleWorkload { target, replicas: 3 },
    }
}

async fn reached(url: &str, tasks: &Tasks) -> Arc<MemberCluster> {
    let (far, rows) = over_http(url, tasks);
    let deadline = Instant::now() + Duration::from_secs(20);
    while rows.look().info().connection != Connection::Up {
        assert!(Instant::now() < deadline, "{:?}", rows.look().info());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(rows.look().info().uid.as_str(), "uid-1");
    far
}

#[tokio::test]
async fn whatever_comes_back_a_change_leaves_once_and_only_certainty_is_called_so() {
    let stub = Stub::start().await;
    let tasks = Tasks::new();
    let far = reached(&stub.url, &tasks).await;
    stub.plays(Trick::Say(200, result(&json!({"outcome": "done", "status": 200, "audit_id": "a-1"}))));
    let accepted = far.perform(&scale()).await.unwrap();
    assert_eq!((accepted.status, accepted.audit_id.as_deref()), (200, Some("a-1")));
    assert_eq!(stub.changes().len(), 1);
    let rpc =
        |code: i64| json!({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "no"}}).to_string();
    let failed = |code: &str| {
        json!({"jsonrpc": "2.0", "id": 1, "result": {"isError": true, "content": [{"type": "text", "text": "no"}],
            "_meta": {"aiops.io/code": code}}})
        .to_string()
    };
    let mut names = std::collections::BTreeSet::new();
    for (trick, kind) in [
        (Trick::HangUp, NotDoneKind::Unknown),
        (Trick::HalfAnAnswer, NotDoneKind::Unknown),
        (Trick::Say(200, "<html>welcome</html>".to_owned()), NotDoneKind::Unknown),
        (Trick::Say(200, "{}".to_owned()), NotDoneKind::Unknown),
        (Trick::Say(200, result(&json!({"outcome": "unknown", "why": "lost"}))), NotDoneKind::Unknown),
        (Trick::Say(200, rpc(-32_603)), NotDoneKind::Unknown),
        (Trick::Say(200, failed("internal")), NotDoneKind::Unknown),
        (Trick::Say(408, String::new()), NotDoneKind::Unknown),
        (Trick::Say(500, String::new()), NotDoneKind::Unknown),
        (Trick::Say(502, String::new()), NotDoneKind::Unknown),
        (Trick::Say(503, json!({"error": "busy"}).to_string()), NotDoneKind::Unknown),
        (Trick::Say(504, String::new()), NotDoneKind::Unknown),
        (Trick::Say(307, String::new()), NotDoneKind::Unknown),
        (Trick::Say(200, rpc(-32_602)), NotDoneKind::Unsupported),
        (Trick::Say(200, failed("not_in_this_mode")), NotDoneKind::Unsupported),
        (Trick::Say(200, failed("refused_by_guard")), NotDoneKind::Denied),
        (Trick::Say(401, String::new()), NotDoneKind::Denied),
        (Trick::Say(403, String::new()), NotDoneKind::Denied),
        (Trick::Say(404, String::new()), NotDoneKind::NotSent),
        (Trick::Say(413, String::new()), NotDoneKind::Rejected),
        (Trick::Say(429, String::new()), NotDoneKind::Throttled),
        (
            Trick::Say(200, result(&json!({"outcome": "not_done", "reason": "conflict", "status": 409}))),
            NotDoneKind::Conflict,
        ),
    ] {
        stub.plays(trick.clone());
        let told = far.perform(&scale()).await.unwrap_err();
        assert_eq!(told.kind, kind, "{trick:?}: {told}");
        let changes = stub.changes();
        assert_eq!(changes.len(), 1, "{trick:?}: it left {} times", changes.len());
        assert!(names.insert(changes[0].clone()), "{trick:?}: two requests have one name");
    }
    tasks.end();
}

#[tokio::test]
async fn a_member_that_is_silent_is_given_up_in_time_and_one_that_is_gone_was_sent_nothing() {
    let stub = Stub::start().await;
    let tasks = Tasks::new();
    let far = reached(&stub.url, &tasks).await;
    stub.plays(Trick::Silence);
    let begun = Instant::now();
    let told = far.perform(&scale()).await.unwrap_err();
    assert_eq!(told.kind, NotDoneKind::Unknown, "{told}");
    // The lease under which it was sent outlasts 5 s by one; the rest is for a machine that is busy.
    assert!(begun.elapsed() >= Duration::from_secs(4) && begun.elapsed() < Duration::from_secs(9));
    assert_eq!(stub.changes().len(), 1);
    let told_of = Arc::clone(&stub.told);
    drop(stub);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let told = far.perform(&scale()).await.unwrap_err();
        if told.kind == NotDoneKind::NotSent {
            break;
        }
        assert!(Instant::now() < deadline, "{told}");
    }
    assert!(told_of.lock().changes.is_empty());
    assert!(far.resources().await.is_err());
    tasks.end();
}
