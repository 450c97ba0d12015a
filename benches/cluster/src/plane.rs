//! The test control plane filled with pods, and what its API server says: counts, changes, its audit log.
//!
//! The scenario's manifests are used with another number of repetitions, so that any number of pods is the same kind of
//! cluster. It measures nothing.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::process::Process;

/// Pods of a repetition of the scenario, and of what is there once.
const OF_EACH: usize = 250;
const ONCE: usize = 500;
/// The namespace with as many pods as `ONCE`, and the beginning of the others.
pub(crate) const BIG: &str = "load-big";
const NAMESPACE: &str = "load";

/// DIR/plane.json.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    kubeconfigs: BTreeMap<String, PathBuf>,
    audit_log: PathBuf,
    control: String,
}

/// A control plane that is up.
pub(crate) struct Plane {
    binary: PathBuf,
    dir: PathBuf,
    facts: Facts,
    client: Client,
    /// Host and port of the API server.
    address: (String, u16),
    /// Ours to end, unless it was there before.
    process: Option<Process>,
}

/// How many of everything there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) nodes: usize,
    pub(crate) pods: usize,
}

impl Size {
    /// The nearest that the scenario can be.
    pub(crate) fn repetitions(self) -> usize {
        self.pods.saturating_sub(ONCE) / OF_EACH
    }

    /// Whether pods are made for a node, past the scheduler, which takes a third of the time of making so many.
    pub(crate) fn is_bound(self) -> bool {
        self.pods > 10_000
    }
}

impl Plane {
    /// Starts one in `dir`, with what the directory holds.
    pub(crate) async fn start(root: &Path, dir: &Path, nodes: usize, gates: &str) -> anyhow::Result<Self> {
        let built = Command::new(root.join("tests/controlplane/build")).stderr(Stdio::inherit()).output()?;
        anyhow::ensure!(built.status.success(), "the control plane cannot be built; it says above why");
        let binary = PathBuf::from(String::from_utf8(built.stdout)?.trim());
        let mut command = Command::new(&binary);
        command
            .args(["up", "--until-stdin-closes", "--quiet", "--nodes", &nodes.to_string(), "--dir"])
            .arg(dir);
        if !gates.is_empty() {
            command.args(["--feature-gates", gates]);
        }
        let noise = File::create(dir.with_extension("log"))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(noise);
        let mut process = Process::start(&mut command)?;
        let mut line = String::new();
        BufReader::new(process.child().stdout.take().context("no stdout")?).read_line(&mut line)?;
        anyhow::ensure!(line.starts_with("ready "), "the control plane did not start: {line}");
        Self::of(binary, dir, Some(process)).await
    }

    /// One that somebody else started in `dir`.
    pub(crate) async fn running(root: &Path, dir: &Path) -> anyhow::Result<Self> {
        Self::of(root.join(".cache/controlplane/controlplane"), dir, None).await
    }

    async fn of(binary: PathBuf, dir: &Path, process: Option<Process>) -> anyhow::Result<Self> {
        let facts: Facts = serde_json::from_slice(&std::fs::read(dir.join("plane.json"))?)?;
        let admin = Kubeconfig::read_from(facts.kubeconfigs.get("admin").context("no admin")?)?;
        let config = Config::from_custom_kubeconfig(admin, &KubeConfigOptions::default()).await?;
        let url = &config.cluster_url;
        let address = (url.host().context("no host")?.to_owned(), url.port_u16().context("no port")?);
        let client = Client::try_from(config)?;
        Ok(Self { binary, dir: dir.to_owned(), facts, client, address, process })
    }

    /// Ends it in order, so that another can begin with the same state.
    pub(crate) fn end(mut self) -> anyhow::Result<PathBuf> {
        let mut process = self.process.take().context("it was there before and is not ours to end")?;
        drop(process.child().stdin.take());
        process.child().wait()?;
        Ok(self.dir)
    }

    pub(crate) fn kubeconfig(&self) -> anyhow::Result<&str> {
        self.facts.kubeconfigs.get("viewer").and_then(|path| path.to_str()).context("no kubeconfig")
    }

    /// The kubeconfig of one who may change everything.
    pub(crate) fn admin_text(&self) -> anyhow::Result<&str> {
        self.admin()?.to_str().context("the path is no text")
    }

    fn admin(&self) -> anyhow::Result<&Path> {
        self.facts.kubeconfigs.get("admin").map(PathBuf::as_path).context("no kubeconfig of the admin")
    }

    /// Makes the pods and waits until they run. False when they are there already.
    pub(crate) async fn fill(&self, root: &Path, size: Size) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(
            root.join("tests/controlplane/scenarios/ten-thousand-pods/manifests.yaml"),
        )?;
        let text = text.replace("${namespace}", NAMESPACE).replace("${tag}", "1.4.2");
        let mut all = String::new();
        let mut nodes = (1..=size.nodes).cycle();
        for document in text.split("\n---\n") {
            let times = if document.contains("${index}") { size.repetitions() } else { 1 };
            for index in 0..times {
                let document = document.replace("${index}", &index.to_string());
                let node = nodes
                    .next()
                    .filter(|_| size.is_bound())
                    .map(|node| format!("    spec:\n      nodeName: worker-{node:03}\n      containers:"));
                let document = match &node {
                    Some(spec) => document.replace("    spec:\n      containers:", spec),
                    None => document,
                };
                all.push_str(&document);
                all.push_str("\n---\n");
            }
        }
        self.apply(&all)?;
        self.ready((size.repetitions() * OF_EACH + ONCE) as u64).await
    }

    /// Applies manifests, one after the other.
    pub(crate) fn apply(&self, manifests: &str) -> anyhow::Result<()> {
        let mut apply = Command::new(&self.binary)
            .args(["apply", "-f", "-", "--kubeconfig"])
            .arg(self.admin()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        apply.stdin.take().context("no stdin")?.write_all(manifests.as_bytes())?;
        anyhow::ensure!(apply.wait()?.success(), "the manifests cannot be applied");
        Ok(())
    }

    /// Waits until so many pods of workloads run.
    pub(crate) async fn ready(&self, wanted: u64) -> anyhow::Result<()> {
        // KWOK makes about 60 pods a second.
        let deadline =
            Instant::now() + Duration::from_secs(120) + Duration::from_millis(40) * u32::try_from(wanted)?;
        loop {
            let deployments = self.get("/apis/apps/v1/deployments").await?;
            let sets = self.get("/apis/apps/v1/statefulsets").await?;
            let ready = sum(&deployments, "/status/availableReplicas") + sum(&sets, "/status/readyReplicas");
            if ready >= wanted {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "only {ready} of {wanted} pods run");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.client.request(http::Request::get(path).body(Vec::new())?).await?)
    }

    /// How many objects there are, by the API server's own count.
    pub(crate) async fn count(&self, path: &str) -> anyhow::Result<u64> {
        let page = self.get(&format!("{path}?limit=1")).await?;
        let shown = page.pointer("/items").and_then(Value::as_array).map_or(0, Vec::len) as u64;
        Ok(shown + page.pointer("/metadata/remainingItemCount").and_then(Value::as_u64).unwrap_or(0))
    }

    pub(crate) async fn namespaces(&self) -> anyhow::Result<Vec<String>> {
        let list = self.get("/api/v1/namespaces").await?;
        let names = list.pointer("/items").and_then(Value::as_array).into_iter().flatten();
        let names = names.filter_map(|item| item.pointer("/metadata/name")?.as_str().map(str::to_owned));
        Ok(names.filter(|name| name.starts_with("load-")).collect())
    }

    /// The names of some pods of a namespace.
    pub(crate) async fn pods(&self, namespace: &str, most: usize) -> anyhow::Result<Vec<String>> {
        let list = self.get(&format!("/api/v1/namespaces/{namespace}/pods?limit={most}")).await?;
        let names = list.pointer("/items").and_then(Value::as_array).into_iter().flatten();
        Ok(names.filter_map(|item| item.pointer("/metadata/name")?.as_str().map(str::to_owned)).collect())
    }

    pub(crate) async fn label(&self, namespace: &str, pod: &str, value: &str) -> anyhow::Result<()> {
        let patch = json!({"metadata": {"labels": {"bench": value}}});
        let request = http::Request::patch(format!("/api/v1/namespaces/{namespace}/pods/{pod}"))
            .header("content-type", "application/merge-patch+json")
            .body(serde_json::to_vec(&patch)?)?;
        let _: Value = self.client.request(request).await?;
        Ok(())
    }

    /// Pods that change all the time, until the process is dropped.
    pub(crate) fn churn(&self, rate: u32) -> anyhow::Result<Process> {
        let mut command = Command::new(&self.binary);
        command
            .args(["churn", "--for", "1h", "--rate", &rate.to_string(), "--kubeconfig"])
            .arg(self.admin()?);
        Process::start(command.stdout(Stdio::null()))
    }

    /// Tells the control plane to do something to its API server: `down` or `up`.
    pub(crate) async fn control(&self, what: &str) -> anyhow::Result<()> {
        use hyper_util::{client::legacy::Client, rt::TokioExecutor};
        let client = Client::builder(TokioExecutor::new()).build_http::<http_body_util::Empty<&[u8]>>();
        let request = http::Request::post(format!("{}/api/{what}", self.facts.control));
        let response = client.request(request.body(http_body_util::Empty::new())?).await?;
        anyhow::ensure!(response.status().is_success(), "/api/{what}: {}", response.status());
        Ok(())
    }

    /// When the API server's port takes connections again. Whether its controllers are ready is not waited for.
    pub(crate) async fn opened(&self) -> anyhow::Result<Instant> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let (host, port) = &self.address;
        loop {
            if tokio::net::TcpStream::connect((host.as_str(), *port)).await.is_ok() {
                return Ok(Instant::now());
            }
            anyhow::ensure!(Instant::now() < deadline, "{host}:{port} takes no connection after 60 s");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Where the audit log ends now.
    pub(crate) fn mark(&self) -> u64 {
        std::fs::metadata(&self.facts.audit_log).map_or(0, |found| found.len())
    }

    /// Requests of the viewer, who is whom we measure, since a mark: by verb and path without its query.
    pub(crate) fn asked_since(&self, mark: u64) -> anyhow::Result<BTreeMap<(String, String), usize>> {
        let mut file = File::open(&self.facts.audit_log)?;
        file.seek(SeekFrom::Start(mark))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut found = BTreeMap::new();
        for line in text.lines() {
            let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
            let word =
                |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            if word("/user/username") != "viewer" {
                continue;
            }
            let uri = word("/requestURI");
            let path = uri.split_once('?').map_or(uri.as_str(), |(path, _)| path).to_owned();
            let verb = if uri.contains("sendInitialEvents=true") {
                "watch with list".to_owned()
            } else {
                word("/verb")
            };
            *found.entry((verb, path)).or_default() += 1;
        }
        Ok(found)
    }
}

fn sum(list: &Value, pointer: &str) -> u64 {
    let items = list.pointer("/items").and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.pointer(pointer)?.as_u64()).sum()
}
