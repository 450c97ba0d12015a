//! The control plane as a child of the test process: one for the whole run, or one of its own for a test that takes the API
//! server away.
//!
//! The child ends when its standard input closes, which the kernel does however the test process ends.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use http::{Request, StatusCode};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Audited, Dice, audit};

/// How to start a control plane.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) nodes: u32,
    /// Such as `WatchList=false`.
    pub(crate) feature_gates: Option<&'static str>,
    /// Kept by the caller, to start again in the same state; a temporary one otherwise.
    pub(crate) dir: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes: 6, feature_gates: None, dir: None }
    }
}

/// DIR/plane.json.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    server: String,
    kubeconfigs: BTreeMap<String, PathBuf>,
    audit_log: PathBuf,
    control: String,
    pids: BTreeMap<String, u32>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    input: Option<ChildStdin>,
    facts: Facts,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
enum Lease {
    Shared(&'static Running),
    Own(Running),
}

/// A running control plane, and a client of it as its admin.
pub(crate) struct Plane {
    lease: Lease,
    client: Client,
}

static SHARED: OnceLock<Running> = OnceLock::new();
static APART: OnceLock<Running> = OnceLock::new();

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cache() -> PathBuf {
    folder().join(".cache/controlplane")
}

/// Builds what is stale; says what to install when something is missing.
fn build() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let script = folder().join("tests/controlplane/build");
            let made = Command::new(&script).stderr(Stdio::inherit()).output();
            let made =
                made.unwrap_or_else(|e| panic!("cannot run {}: {e}; it needs bash and Go", script.display()));
            assert!(made.status.success(), "{} failed; it says above what is missing", script.display());
            PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
        })
        .clone()
}

/// The real helm, built like the control plane.
pub(crate) fn helm() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let script = folder().join("tests/controlplane/build");
            let made = Command::new(&script).arg("--helm").stderr(Stdio::inherit()).output().unwrap();
            assert!(
                made.status.success(),
                "{} --helm failed; it says above what is missing",
                script.display()
            );
            PathBuf::from(String::from_utf8(made.stdout).unwrap().trim()).with_file_name("helm")
        })
        .clone()
}

fn start(options: &Options) -> Running {
    let mut command = Command::new(build());
    command.args(["up", "--until-stdin-closes", "--nodes", &options.nodes.to_string()]);
    if let Some(gates) = options.feature_gates {
        command.args(["--feature-gates", gates]);
    }
    if let Some(dir) = &options.dir {
        command.arg("--dir").arg(dir);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let input = child.stdin.take();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let Some(admin) = line.trim().strip_prefix("ready ") else {
        panic!("the control plane ended with {:?}; it says above why", child.wait());
    };
    let dir = Path::new(admin).ancestors().nth(2).unwrap();
    let facts = serde_json::from_slice(&std::fs::read(dir.join("plane.json")).unwrap()).unwrap();
    Running { child, input, facts }
}

/// Notes which test used a control plane, for the count that tests/live/run prints.
fn note_use() {
    let mut notes = OpenOptions::new().create(true).append(true).open(cache().join("tests-run.txt")).unwrap();
    let test = std::thread::current().name().unwrap_or("unnamed").to_owned();
    writeln!(notes, "{test}").unwrap();
}

impl Plane {
    /// The one that all tests of the run share; keep to namespaces and nodes of your own.
    pub(crate) async fn shared() -> Self {
        let running = SHARED.get_or_init(|| start(&Options::default()));
        Self::of(Lease::Shared(running)).await
    }

    /// A second one, for tests of the engine that other tests' faults would hold: so many of them are a storm.
    pub(crate) async fn apart() -> Self {
        let running = APART.get_or_init(|| start(&Options::default()));
        Self::of(Lease::Shared(running)).await
    }

    /// One for this test alone, which may then take its API server away.
    pub(crate) async fn own(options: &Options) -> Self {
        Self::of(Lease::Own(start(options))).await
    }

    async fn of(lease: Lease) -> Self {
        note_use();
        let (Lease::Own(Running { facts, .. }) | Lease::Shared(Running { facts, .. })) = &lease;
        // A client lives on the runtime of its test, so each test has its own.
        let client = client_of(&facts.kubeconfigs["admin"]).await;
        Self { lease, client }
    }

    /// A client as the admin, for what has no method here.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn facts(&self) -> &Facts {
        match &self.lease {
            Lease::Shared(running) => &running.facts,
            Lease::Own(running) => &running.facts,
        }
    }

    pub(crate) fn server(&self) -> &str {
        &self.facts().server
    }

    /// The kubeconfig of `admin`, `viewer`, `namespaced`, `half`, `nobody`, `expired` or `invalid`.
    pub(crate) fn kubeconfig(&self, user: &str) -> &Path {
        &self.facts().kubeconfigs[user]
    }

    /// Where its components keep their logs.
    pub(crate) fn folder(&self) -> &Path {
        self.facts().audit_log.parent().unwrap()
    }

    /// The process of a component: `kube-apiserver`, `kube-scheduler`, `kube-controller-manager`, `kwok`.
    pub(crate) fn pid(&self, component: &str) -> u32 {
        self.facts().pids[component]
    }

    /// A new namespace with a random name.
    pub(crate) async fn namespace(&self, dice: &mut Dice) -> String {
        let name = dice.name();
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).to_string())
            .await;
        name
    }

    /// Applies YAML or JSON documents as the admin.
    pub(crate) async fn apply(&self, manifests: &str) {
        let kubeconfig = self.kubeconfig("admin").to_owned();
        let manifests = manifests.to_owned();
        let applied = tokio::task::spawn_blocking(move || {
            let mut child = Command::new(build())
                .args(["apply", "-f", "-", "--kubeconfig"])
                .arg(kubeconfig)
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(manifests.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        });
        let applied = applied.await.unwrap();
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    }

    /// Runs one of the binary's subcommands as the admin, such as `crds openshift`.
    pub(crate) async fn command(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(build());
        command.args(args).arg("--kubeconfig").arg(self.kubeconfig("admin"));
        let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        if done.status.success() {
            Ok(String::from_utf8_lossy(&done.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&done.stderr).into_owned())
        }
    }

    /// Reads a path of the API as the admin.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, kube::Error> {
        self.client.request(Request::get(path).body(Vec::new()).unwrap()).await
    }

    /// Reads a path that answers with text, such as a log.
    pub(crate) async fn text(&self, path: &str) -> Result<String, kube::Error> {
        self.client.request_text(Request::get(path).body(Vec::new()).unwrap()).await
    }

    /// Reads a path as another user, and answers the status.
    pub(crate) async fn status_as(&self, user: &str, path: &str) -> StatusCode {
        let client = client_of(self.kubeconfig(user)).await;
        client.send(Request::get(path).body(kube::client::Body::empty()).unwrap()).await.unwrap().status()
    }

    /// Merges a patch into an object as the admin.
    pub(crate) async fn patch(&self, path: &str, patch: &Value) -> Value {
        let request = Request::patch(path)
            .header("content-type", "application/merge-patch+json")
            .body(serde_json::to_vec(patch).unwrap());
        self.client.request(request.unwrap()).await.unwrap()
    }

    /// Deletes an object as the admin, and does not wait until it is gone.
    pub(crate) async fn delete(&self, path: &str) {
        let gone = self.client.request::<Value>(Request::delete(path).body(Vec::new()).unwrap()).await;
        gone.unwrap_or_else(|e| panic!("DELETE {path}: {e}"));
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = Request::post(path).header("content-type", "application/json");
        self.client.request(request.body(serde_json::to_vec(body).unwrap()).unwrap()).await.unwrap()
    }

    /// Sends a request of any sort as the admin; it may fail.
    pub(crate) async fn attempt(&self, request: Request<Vec<u8>>) -> Result<Value, kube::Error> {
        self.client.request(request).await
    }

    /// Reads a path until what it answers is as wanted; fails at the deadline with the last answer.
    pub(crate) async fn wait(
        &self,
        path: &str,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let deadline = Instant::now() + limit;
        loop {
            let answer = self.get(path).await;
            match &answer {
                Ok(found) if wanted(found) => return answer.unwrap(),
                _ if Instant::now() > deadline => {
                    panic!("{path}: not {what} within {limit:?}, last: {answer:#?}")
                }
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// A new user who may view these namespaces and nothing else; returns a kubeconfig in `dir`.
    pub(crate) async fn user_of(&self, namespaces: &[&str], dir: &Path) -> PathBuf {
        let home = namespaces[0];
        let name = "viewer-of-some";
        self.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": home}}).to_string())
            .await;
        for namespace in namespaces {
            let binding = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": format!("{home}-{name}"), "namespace": namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": home}],
            });
            self.apply(&binding.to_string()).await;
        }
        let path = format!("/api/v1/namespaces/{home}/serviceaccounts/{name}/token");
        let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86_400}});
        let token = self.post(&path, &asked).await["status"]["token"].clone();
        let mut config =
            serde_json::to_value(Kubeconfig::read_from(self.kubeconfig("admin")).unwrap()).unwrap();
        config["users"][0]["user"] = json!({ "token": token });
        let file = dir.join(format!("{home}.kubeconfig"));
        std::fs::write(&file, config.to_string()).unwrap();
        file
    }

    /// What KWOK could not do because a Stage of ours is wrong.
    pub(crate) fn broken_stages(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.facts().audit_log.with_file_name("kwok.log")).unwrap();
        log.lines().filter(|line| line.contains("failed to compute")).map(str::to_owned).collect()
    }

    /// Where the audit log ends now.
    pub(crate) fn audit_end(&self) -> u64 {
        audit::end(&self.facts().audit_log)
    }

    /// Every request since then that was not the control plane's own.
    pub(crate) fn audit_since(&self, place: u64) -> Vec<Audited> {
        audit::since(&self.facts().audit_log, place)
    }

    /// Ends the API server; connections are refused.
    pub(crate) async fn api_down(&self) {
        self.control("api/down").await;
    }

    /// Starts it again on the same port, with the same state, and waits until it is ready.
    pub(crate) async fn api_up(&self) {
        self.control("api/up").await;
    }

    /// Lets the API server accept connections and stay silent.
    pub(crate) async fn api_freeze(&self) {
        self.control("api/freeze").await;
    }

    pub(crate) async fn api_thaw(&self) {
        self.control("api/thaw").await;
    }

    async fn control(&self, what: &str) {
        assert!(
            matches!(self.lease, Lease::Own(_)),
            "only a control plane of one's own may lose its API server"
        );
        let url = self.facts().control.parse().unwrap();
        let client = Client::try_from(Config::new(url)).unwrap();
        let done =
            client.request_text(Request::post(format!("/{what}")).body(Vec::new()).unwrap()).await.unwrap();
        assert_eq!(done.trim(), "ok");
    }
}

async fn client_of(kubeconfig: &Path) -> Client {
    let file = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}
