//! The binary while everything that it reaches for accepts connections and says nothing: the database, the API server, the
//! collector of spans, the receiver of messages.
//!
//! What has to be answered from the store or the cluster is not asked here.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    process::{DEADLINE, Running, aiops},
    stdio::Client,
    wire::ask,
};

/// How soon MCP has to answer.
const SOON: Duration = Duration::from_secs(1);
/// On a busy machine a start may be slow for reasons of its own; one that waits for somebody is slow each time.
const TRIES: usize = 5;

/// A port that accepts and stays silent, and tells of each connection.
struct Silent {
    port: u16,
    accepted: Receiver<TcpStream>,
}

impl Silent {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to, accepted) = channel();
        std::thread::spawn(move || listener.incoming().flatten().try_for_each(|stream| to.send(stream)));
        Self { port, accepted }
    }

    /// Somebody connected; the connection is held as long as what is returned.
    fn reached(&self, what: &str) -> TcpStream {
        self.accepted.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("nobody reached for {what}"))
    }
}

struct Darkness {
    folder: tempfile::TempDir,
    database: Silent,
    cluster: Silent,
    _others: Silent,
}

impl Darkness {
    fn new() -> Self {
        let (database, cluster, others) = (Silent::new(), Silent::new(), Silent::new());
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let server = format!("https://127.0.0.1:{}", cluster.port);
        let context = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "dark",
            "clusters": [{"name": "dark", "cluster": {"server": server, "insecure-skip-tls-verify": true}}],
            "users": [{"name": "dark", "user": {"token": "x"}}],
            "contexts": [{"name": "dark", "context": {"cluster": "dark", "user": "dark"}}],
        });
        std::fs::write(&kubeconfig, context.to_string()).unwrap();
        let settings = format!(
            "deployment.mode = \"full\"\ncluster.kubeconfig = {kubeconfig:?}\nstateDir = {state:?}\n\
             store.url = \"postgres://aiops@127.0.0.1:{database}/aiops\"\n\
             telemetry.otlpEndpoint = \"http://127.0.0.1:{others}\"\n\
             notify.url = \"http://127.0.0.1:{others}/hook\"\n",
            state = folder.path().join("state"),
            database = database.port,
            others = others.port,
        );
        std::fs::write(folder.path().join("aiops.toml"), settings).unwrap();
        Self { folder, database, cluster, _others: others }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let file = self.folder.path().join("aiops.toml");
        let mut command = aiops(arguments);
        command.arg("--config").arg(file);
        command
    }

    /// The cluster and the database were really reached for; what is returned holds their connections.
    fn was_reached_for(&self) -> [TcpStream; 2] {
        [self.cluster.reached("the API server"), self.database.reached("the database")]
    }
}

#[test]
fn mcp_is_answered_within_a_second_while_everything_else_is_silent() {
    let darkness = Darkness::new();
    let mut times = Vec::new();
    for _ in 0..TRIES {
        let began = Instant::now();
        let mut client = Client::of(&mut darkness.command(&["serve", "--stdio"]));
        let hello = client.initialize();
        assert_eq!(hello["result"]["serverInfo"]["name"], "aiops", "{hello}");
        let tools = client.ask("tools/list", json!({}));
        let names: Vec<&Value> =
            tools["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
        assert!(
            names.contains(&&json!("trigger-remediation")),
            "full mode has the engine's tools: {names:?}"
        );
        let health = client.ask("tools/call", json!({"name": "get-cluster-health", "arguments": {}}));
        let took = began.elapsed();
        let answer = &health["result"]["structuredContent"];
        assert!(answer["missing"].as_array().is_some_and(|missing| !missing.is_empty()), "{health}");
        let _held = darkness.was_reached_for();
        times.push(took);
        if took <= SOON {
            return;
        }
    }
    panic!("the handshake, tools/list and a question took {times:?}, each time");
}

#[tokio::test]
async fn a_request_that_needs_the_silent_store_is_refused_in_time_and_probes_go_on() {
    let darkness = Darkness::new();
    let (_running, address) = Running::serving(&mut darkness.command(&["serve", "--http", "127.0.0.1:0"]));
    let _held = darkness.was_reached_for();
    let asked = tokio::time::timeout(DEADLINE, ask(&address, "GET /api/v1/workflows", ""));
    let probe = async {
        for _ in 0..3 {
            assert_eq!(ask(&address, "GET /healthz", "").await.status, 200);
        }
    };
    let (refused, ()) = tokio::join!(asked, probe);
    let refused = refused.unwrap();
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
}

/// What is kept beside PostgreSQL would be a second truth.
#[test]
fn nothing_is_kept_in_the_state_directory_meanwhile() {
    let darkness = Darkness::new();
    let mut client = Client::of(&mut darkness.command(&["serve", "--stdio"]));
    client.initialize();
    let _held = darkness.was_reached_for();
    let is_store = |path: &Path| path.join("aiops.db").exists();
    assert!(!is_store(&darkness.folder.path().join("state")));
}
