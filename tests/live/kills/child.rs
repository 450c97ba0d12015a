//! The real binary in full mode as a child, its REST door, and the signals that end, stop and continue it.
//!
//! It is given what the shape of the test needs by files and variables alone, as an operator would.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use aiops_engine::fingerprint::sha256;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
};

use crate::support::binary;

/// Longer than a start takes on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);
const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// Who triggers is entitled, and nothing but the protocol itself holds a workflow up.
const POLICY: &str = "[[rule]]\nname = \"everything\"\nthen = \"auto\"\n";
const LIMITS: &str = r#"
[acting.limits]
raised = true
cooldownSuccess = "1s"
workflowsPerNamespace = 1000
workflowsPerCluster = 64
nodeWorkflows = 1000
mutationsPerSecond = 1000
mutationBurst = 1000
budgetPerCluster = 100000
budgetPerNamespace = 100000
replicaPercent = 100
errorMinOutcomes = 1000
[acting.limits.breaker]
zonePercent = 100
zoneNodes = 10000
nodesPercent = 100
nodes = 10000
incidents = 100000
workloadsPercent = 100
apiErrorsPercent = 100
"#;

/// How a child is started, again and again.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// On the state directory `state`, with its files in `folder`. `lease` as the configuration has it.
    pub(super) fn new(kubeconfig: &Path, folder: &Path, state: &Path, lease: &str) -> Self {
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let policy = file("policy.toml", POLICY);
        let hash = sha256(TOKEN);
        let tokens = file("tokens.toml", &format!("[[token]]\nname = \"killer\"\nsha256 = \"{hash}\"\n"));
        let config = format!(
            "[http]\ntokenFile = {tokens:?}\n[policy]\nfile = {policy:?}\n[acting.times]\nlease = {lease:?}\nverify = \
             \"2m\"\n{LIMITS}"
        );
        let config = file("aiops.toml", &config);
        let words = [
            ("--mode", Path::new("full")),
            ("--http", Path::new("127.0.0.1:0")),
            ("--config", &config),
            ("--state-dir", state),
            ("--kubeconfig", kubeconfig),
        ];
        let mut arguments = vec!["serve".to_owned()];
        for (flag, value) in words {
            arguments.extend([flag.to_owned(), value.to_str().unwrap().to_owned()]);
        }
        Self { arguments, environment: Vec::new() }
    }

    /// The same with one more variable.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it listens.
    pub(super) async fn start(&self) -> Child {
        let began = Instant::now();
        let mut process = Command::new(binary())
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (heard, address) = oneshot::channel();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut heard = Some(heard);
            for line in lines.map_while(Result::ok) {
                let told: Value = serde_json::from_str(&line).unwrap_or_default();
                if told["message"] == "listening"
                    && let Some(heard) = heard.take()
                {
                    let _ = heard.send(told["address"].as_str().unwrap().to_owned());
                }
                let _ = writeln!(written.lock(), "{line}");
            }
        });
        let address = tokio::time::timeout(PATIENCE, address).await;
        let mut child = Child { process, address: String::new(), began, log };
        match address {
            Ok(Ok(address)) => child.address = address,
            _ => panic!("it does not listen"),
        }
        child
    }

    /// Runs the binary to its end with other arguments, and answers what it printed.
    pub(super) fn run(&self, arguments: &[&str]) -> String {
        let done = Command::new(binary()).args(arguments).env_clear().current_dir("/").output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
}

/// A running aiops; it is killed when dropped.
pub(super) struct Child {
    process: std::process::Child,
    address: String,
    /// When it was started.
    pub(super) began: Instant,
    log: Arc<Mutex<String>>,
}

/// An answer of the REST door.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Child {
    pub(super) fn log(&self) -> String {
        self.log.lock().clone()
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status();
        assert!(done.unwrap().success());
    }

    /// Kills it, as a lack of memory or of power does: nothing of it runs any more afterwards.
    pub(super) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Lets it stand still.
    pub(super) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(super) fn go_on(&self) {
        self.signal("CONT");
    }

    /// Asks; `None` when the answer did not come whole.
    pub(super) async fn ask(&self, what: &str, key: Option<&str>, body: &Value) -> Option<Reply> {
        ask(&self.address, what, key, body).await
    }

    /// The same, without needing the child while it is under way.
    pub(super) fn asking(
        &self,
        what: &str,
        key: &str,
        body: &Value,
    ) -> impl Future<Output = Option<Reply>> + Send + 'static {
        let (address, what, key, body) =
            (self.address.clone(), what.to_owned(), key.to_owned(), body.clone());
        async move { ask(&address, &what, Some(&key), &body).await }
    }

    /// Asks until it is accepted: an object that is not in memory yet or rests, an engine that opens its store.
    pub(super) async fn accepted(&self, what: &str, key: &str, body: &Value) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.ask(what, Some(key), body).await;
            if let Some(Reply { status: 200..=202, body }) = reply {
                return body;
            }
            let is_early = reply.as_ref().is_none_or(|reply| {
                let rests = reply.body["details"]["rule"] == "cooldown";
                rests || matches!(reply.status, 404 | 409 | 429 | 503)
            });
            assert!(is_early && Instant::now() < deadline, "{what} {body}: {reply:?}");
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Where a workflow is.
    pub(super) async fn phase(&self, id: &str) -> Option<String> {
        let reply = self.ask(&format!("GET /api/v1/workflows/{id}"), None, &Value::Null).await?;
        let phase = reply.body["phase"].as_str()?;
        (reply.status == 200).then(|| phase.to_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.ceil_char_boundary(log.len().saturating_sub(6_000));
            println!("its log ends: {}", log.get(from..).unwrap_or_default());
        }
    }
}

async fn ask(address: &str, what: &str, key: Option<&str>, body: &Value) -> Option<Reply> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let key = key.map(|key| format!("idempotency-key: {key}\r\n")).unwrap_or_default();
        let request = format!(
            "{what} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
             {key}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let status = text.get(9..12)?.parse().ok()?;
        let (_, body) = text.split_once("\r\n\r\n")?;
        Some(Reply { status, body: serde_json::from_str(body).ok()? })
    };
    tokio::time::timeout(PATIENCE, exchange).await.ok().flatten()
}
