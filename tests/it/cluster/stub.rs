//! A small API server in this process: objects, streaming lists, pages, watches, rights, and faults on command.
//!
//! It knows no schemas and no semantics beyond what a watch needs; the real control plane is tested elsewhere.

mod changes;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    io,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use aiops::{
    cluster,
    config::{self, Environment, Loaded, Sources},
    shutdown::Tasks,
    telemetry::Metrics,
};
use aiops_engine::{
    SharedInventory,
    ports::{Cluster, acting::Acting},
};
use aiops_inventory::Inventory;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use futures::stream;
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};

use self::changes::judge;
pub(super) use self::changes::{Change, Verdict};

type Lines = mpsc::UnboundedSender<Result<Bytes, io::Error>>;

/// What the stub does and holds.
#[derive(Default)]
pub(super) struct Story {
    /// Objects by collection path, such as `/api/v1/pods` (namespaced ones stand there too).
    pub(super) objects: BTreeMap<String, Vec<Value>>,
    /// Whether lists are streamed.
    pub(super) streams: bool,
    /// Plurals that may not be listed anywhere.
    pub(super) forbidden: BTreeSet<String>,
    /// When set, namespaced kinds may be listed in these namespaces only.
    pub(super) only_in: Option<BTreeSet<String>>,
    /// Groups beyond the built-in ones, with their plurals.
    pub(super) groups: BTreeMap<String, Vec<String>>,
    /// Every request is answered with this.
    pub(super) always: Option<(u16, &'static str)>,
    /// Every request breaks off.
    pub(super) broken: bool,
    /// Watches from an older version are answered with 410.
    pub(super) oldest: u64,
    /// The token that is accepted; any when empty.
    pub(super) token: String,
    /// uid of kube-system.
    pub(super) uid: String,
    /// Other answers by path.
    pub(super) answers: HashMap<String, (u16, String)>,
    /// Path and query of every request, in order.
    pub(super) asked: Vec<String>,
    /// Newest version.
    pub(super) version: u64,
    /// Every request that would change something, in order.
    pub(super) changes: Vec<Change>,
    /// What such a request is answered.
    pub(super) verdict: Verdict,
    watchers: Vec<(String, Lines)>,
}

/// A running stub.
pub(super) struct Stub {
    pub(super) story: Arc<Mutex<Story>>,
    pub(super) address: SocketAddr,
    tasks: Tasks,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

impl Stub {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let story = Arc::new(Mutex::new(Story {
            streams: true,
            uid: "00000000-0000-0000-0000-000000000001".into(),
            version: 100,
            ..Story::default()
        }));
        let tasks = Tasks::new();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&story));
        let ending = tasks.ending();
        tasks.spawn("stub", async move {
            tokio::select! {
                () = ending.cancelled() => {}
                done = axum::serve(listener, router).into_future() => drop(done),
            }
        });
        Self { story, address, tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds or replaces an object and tells the watches.
    pub(super) fn apply(&self, collection: &str, mut object: Value) {
        let mut story = self.story.lock();
        story.version += 1;
        object["metadata"]["resourceVersion"] = story.version.to_string().into();
        let id = |o: &Value| (o["metadata"]["namespace"].clone(), o["metadata"]["name"].clone());
        let objects = story.objects.entry(collection.to_owned()).or_default();
        let known = objects.iter().position(|o| id(o) == id(&object));
        match known {
            Some(at) => objects[at] = object.clone(),
            None => objects.push(object.clone()),
        }
        story.tell(collection, if known.is_some() { "MODIFIED" } else { "ADDED" }, &object);
    }

    /// Removes an object; the watches hear of it when `told`.
    pub(super) fn delete(&self, collection: &str, name: &str, told: bool) {
        let mut story = self.story.lock();
        story.version += 1;
        let objects = story.objects.entry(collection.to_owned()).or_default();
        let at = objects.iter().position(|o| o["metadata"]["name"] == name).unwrap();
        let mut object = objects.remove(at);
        object["metadata"]["resourceVersion"] = story.version.to_string().into();
        if told {
            story.tell(collection, "DELETED", &object);
        }
    }

    /// Breaks all watches off, as a crash does.
    pub(super) fn break_watches(&self) {
        for (_, lines) in self.story.lock().watchers.drain(..) {
            let _ = lines.send(Err(io::Error::other("broken on purpose")));
        }
    }

    /// Sends a line on all watches of a collection.
    pub(super) fn line(&self, collection: &str, line: &Value) {
        let story = self.story.lock();
        for (_, lines) in story.watchers.iter().filter(|(of, _)| of == collection) {
            let _ = lines.send(Ok(format!("{line}\n").into()));
        }
    }

    /// Sends bytes as they are, each piece apart, on all watches of a collection.
    pub(super) fn pieces(&self, collection: &str, pieces: &[&str]) {
        let story = self.story.lock();
        for (_, lines) in story.watchers.iter().filter(|(of, _)| of == collection) {
            for piece in pieces {
                let _ = lines.send(Ok((*piece).to_owned().into()));
            }
        }
    }

    /// How many requests came whose path and query hold this.
    pub(super) fn count(&self, part: &str) -> usize {
        self.story.lock().asked.iter().filter(|asked| asked.contains(part)).count()
    }
}

impl Story {
    fn tell(&mut self, collection: &str, kind: &str, object: &Value) {
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        self.watchers.retain(|(of, lines)| {
            let (path, only) = split(of);
            path != collection
                || only.is_some_and(|only| only != namespace)
                || lines.send(Ok(line.clone().into())).is_ok()
        });
    }
}

/// `/api/v1/namespaces/shop/pods` is `/api/v1/pods` in `shop`.
fn split(path: &str) -> (String, Option<String>) {
    match path.split_once("/namespaces/") {
        Some((before, after)) => match after.split_once('/') {
            Some((namespace, rest)) => (format!("{before}/{rest}"), Some(namespace.to_owned())),
            None => (path.to_owned(), None),
        },
        None => (path.to_owned(), None),
    }
}

fn reply(code: u16, body: impl Into<Body>) -> Response {
    let response = Response::builder().status(StatusCode::from_u16(code).unwrap());
    response.header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()
}

fn status(code: u16, reason: &str, message: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": message});
    reply(code, body.to_string())
}

async fn answer(State(story): State<Arc<Mutex<Story>>>, request: Request) -> Result<Response, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = parts.uri.path().to_owned();
    if parts.method != http::Method::GET && !path.ends_with("/selfsubjectaccessreviews") {
        return Ok(judge(&story, &parts, &body).await);
    }
    let query: HashMap<String, String> = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    let mut story = story.lock();
    story.asked.push(parts.uri.to_string());
    if story.broken {
        let broken = stream::iter([Err::<Bytes, _>(io::Error::other("broken on purpose"))]);
        return Ok(reply(200, Body::from_stream(broken)));
    }
    if let Some((code, text)) = story.always {
        return Ok(reply(code, text));
    }
    let sent = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !story.token.is_empty() && sent != format!("Bearer {}", story.token) {
        return Ok(status(401, "Unauthorized", "Unauthorized"));
    }
    if let Some((code, text)) = story.answers.get(&path) {
        return Ok(reply(*code, text.clone()));
    }
    Ok(match path.as_str() {
        "/version" => reply(200, json!({"gitVersion": "v1.36.0", "major": "1", "minor": "36"}).to_string()),
        "/api/v1/namespaces/kube-system" => {
            reply(200, json!({"metadata": {"name": "kube-system", "uid": story.uid}}).to_string())
        }
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => review(&story, &body),
        "/api" => reply(200, core().to_string()),
        "/apis" => groups(&story, parts.headers.get(header::IF_NONE_MATCH).is_some()),
        _ if query.contains_key("watch") => watch(&mut story, &path, &query),
        _ => page(&story, &path, &query),
    })
}

fn review(story: &Story, body: &[u8]) -> Response {
    let review: Value = serde_json::from_slice(body).unwrap();
    let asked = &review["spec"]["resourceAttributes"];
    let allowed = may(story, asked["resource"].as_str().unwrap(), asked["namespace"].as_str().unwrap());
    reply(201, json!({"status": {"allowed": allowed}}).to_string())
}

const CLUSTER_SCOPED: [&str; 5] =
    ["nodes", "namespaces", "clusteroperators", "clusterversions", "machineconfigpools"];

fn may(story: &Story, plural: &str, namespace: &str) -> bool {
    if story.forbidden.contains(plural) {
        return false;
    }
    let everywhere = CLUSTER_SCOPED.contains(&plural) || plural == "customresourcedefinitions";
    story.only_in.as_ref().is_none_or(|names| everywhere || names.contains(namespace))
}

fn resource(plural: &str, kind: &str, scope: &str) -> Value {
    json!({"resource": plural, "responseKind": {"group": "", "version": "v1", "kind": kind}, "scope": scope,
        "singularResource": kind.to_lowercase(), "verbs": ["get", "list", "watch"]})
}

fn core() -> Value {
    json!({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": ""}, "versions": [{"version": "v1",
        "resources": [resource("pods", "Pod", "Namespaced"), resource("secrets", "Secret", "Namespaced")]}]}]})
}

fn groups(story: &Story, is_conditional: bool) -> Response {
    let etag = format!("\"{:?}\"", story.groups);
    if is_conditional && story.groups.is_empty() {
        return reply(304, "");
    }
    let groups: Vec<Value> = story
        .groups
        .iter()
        .map(|(group, plurals)| {
            let resources: Vec<Value> = plurals.iter().map(|p| resource(p, "X", "Cluster")).collect();
            json!({"metadata": {"name": group}, "versions": [{"version": "v1", "resources": resources}]})
        })
        .collect();
    let body = json!({"kind": "APIGroupDiscoveryList", "items": groups});
    let mut response = reply(200, body.to_string());
    response
        .headers_mut()
        .insert(header::ETAG, etag.parse().unwrap_or(header::HeaderValue::from_static("\"x\"")));
    response
}

/// The refusal of a collection, when it is refused.
fn refusal(story: &Story, path: &str) -> Option<Response> {
    let (collection, namespace) = split(path);
    let plural = collection.rsplit('/').next().unwrap_or_default().to_owned();
    let group = collection.split('/').nth(2).unwrap_or_default();
    if group.ends_with("openshift.io") && !story.groups.get(group).is_some_and(|p| p.contains(&plural)) {
        return Some(reply(404, "404 page not found"));
    }
    (!may(story, &plural, namespace.as_deref().unwrap_or_default())).then(|| {
        let scope = namespace
            .map_or_else(|| "at the cluster scope".to_owned(), |n| format!("in the namespace \"{n}\""));
        status(
            403,
            "Forbidden",
            &format!("{plural} is forbidden: User \"u\" cannot list resource \"{plural}\" {scope}"),
        )
    })
}

fn items(story: &Story, path: &str) -> Vec<Value> {
    let (collection, namespace) = split(path);
    let all = story.objects.get(&collection).cloned().unwrap_or_default();
    all.into_iter().filter(|o| namespace.as_deref().is_none_or(|n| o["metadata"]["namespace"] == n)).collect()
}

fn watch(story: &mut Story, path: &str, query: &HashMap<String, String>) -> Response {
    if let Some(refusal) = refusal(story, path) {
        return refusal;
    }
    let (lines, mut stream) = mpsc::unbounded_channel();
    let send = |line: Value| drop(lines.send(Ok(format!("{line}\n").into())));
    if query.contains_key("sendInitialEvents") {
        if !story.streams {
            return status(
                422,
                "Invalid",
                "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
            );
        }
        for object in items(story, path) {
            send(json!({"type": "ADDED", "object": object}));
        }
        send(
            json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": story.version.to_string(),
            "annotations": {"k8s.io/initial-events-end": "true"}}}}),
        );
    } else if query
        .get("resourceVersion")
        .is_some_and(|version| version.parse::<u64>().unwrap() < story.oldest)
    {
        send(json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired",
            "message": "too old resource version: 1 (9)"}}));
    }
    story.watchers.push((path.to_owned(), lines));
    let stream = stream::poll_fn(move |context| stream.poll_recv(context));
    reply(200, Body::from_stream(stream))
}

fn page(story: &Story, path: &str, query: &HashMap<String, String>) -> Response {
    if let Some(refusal) = refusal(story, path) {
        return refusal;
    }
    let collection = split(path).0;
    if !story.objects.contains_key(&collection) {
        // A single object.
        let (parent, name) = path.rsplit_once('/').unwrap();
        let found = items(story, parent).into_iter().find(|o| o["metadata"]["name"] == name);
        if let Some(object) = found {
            return reply(200, object.to_string());
        }
        if !query.contains_key("limit") {
            return status(
                404,
                "NotFound",
                &format!("{} \"{name}\" not found", parent.rsplit('/').next().unwrap()),
            );
        }
    }
    let all = items(story, path);
    let begin: usize = match query.get("continue") {
        Some(token) => match token.parse() {
            Ok(begin) => begin,
            Err(_) => return status(410, "Expired", "The provided continue parameter is too old"),
        },
        None => 0,
    };
    let limit: usize = query.get("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
    let end = begin.saturating_add(limit).min(all.len());
    let more = all.len() - end;
    let token = if more == 0 { String::new() } else { end.to_string() };
    let remaining = if more == 0 { Value::Null } else { more.into() };
    let list = json!({"kind": "List", "apiVersion": "v1", "items": all[begin..end],
        "metadata": {"resourceVersion": story.version.to_string(), "continue": token, "remainingItemCount": remaining}});
    reply(200, list.to_string())
}

/// Writes a file and the folders above it.
fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// aiops' cluster room, at work on a kubeconfig.
pub(super) struct Room {
    pub(super) inventory: SharedInventory,
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) loaded: Loaded,
    pub(super) home: tempfile::TempDir,
    tasks: Tasks,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

/// A kubeconfig for this server.
pub(super) fn kubeconfig(server: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "insecure-skip-tls-verify": true}}],
        "users": [{"name": "admin", "user": {"token": "secret-token"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin", "namespace": "shop"}}],
    })
    .to_string()
}

impl Room {
    /// With this kubeconfig (none when it is empty) and these lines of configuration.
    pub(super) fn with(kubeconfig: &str, settings: &str) -> Self {
        let start = |loaded: &Loaded, inventory: &SharedInventory, metrics: &Arc<Metrics>, tasks: &Tasks| {
            cluster::start(loaded, inventory.clone(), Arc::clone(metrics), tasks)
        };
        Self::made(kubeconfig, settings, start)
    }

    /// Against a stub, and able to change something.
    pub(super) fn acting_on(stub: &Stub, rate: cluster::Rate) -> (Self, Arc<dyn Acting>) {
        let mut acting = None;
        let room = Self::made(&kubeconfig(&stub.url()), "", |loaded, inventory, metrics, tasks| {
            let (cluster, acts) =
                cluster::start_acting(loaded, inventory.clone(), Arc::clone(metrics), tasks, rate);
            acting = Some(acts);
            cluster
        });
        (room, acting.unwrap())
    }

    fn made(
        kubeconfig: &str,
        settings: &str,
        start: impl FnOnce(&Loaded, &SharedInventory, &Arc<Metrics>, &Tasks) -> Arc<dyn Cluster>,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("aiops.toml");
        std::fs::write(&file, settings).unwrap();
        if !kubeconfig.is_empty() {
            write(&home.path().join(".kube").join("config"), kubeconfig);
        }
        let environment =
            Environment::of([("HOME", home.path().as_os_str()), ("PATH", "/usr/bin:/bin".as_ref())]);
        let loaded = config::load(Sources { file: Some(file), environment, flags: Vec::new() }).unwrap();
        let inventory = SharedInventory::new(Inventory::with_event_capacity(1_000));
        let (tasks, metrics) = (Tasks::new(), Arc::new(Metrics::new()));
        let cluster = start(&loaded, &inventory, &metrics, &tasks);
        Self { inventory, cluster, metrics, loaded, home, tasks }
    }

    /// Against a stub.
    pub(super) fn on(stub: &Stub) -> Self {
        Self::with(&kubeconfig(&stub.url()), "")
    }

    /// Replaces the kubeconfig.
    pub(super) fn write_kubeconfig(&self, text: &str) {
        write(&self.home.path().join(".kube").join("config"), text);
    }

    /// Waits until the inventory is so.
    pub(super) async fn until(&self, within: Duration, what: &str, is_so: impl Fn(&Inventory) -> bool) {
        let mut changed = self.inventory.changed();
        let wait = async {
            while !is_so(&self.inventory.look()) {
                // Statuses that change no answer (when something was heard) send no signal.
                let _ = tokio::time::timeout(Duration::from_millis(20), changed.changed()).await;
            }
        };
        if tokio::time::timeout(within, wait).await.is_err() {
            let rows = self.inventory.look();
            let kinds: Vec<String> = aiops_inventory::Kind::ALL
                .iter()
                .map(|kind| format!("{kind}: {:?}", rows.status(*kind).sync))
                .collect();
            panic!("not within {within:?}: {what}; {:?}; {}", rows.info(), kinds.join(", "));
        }
    }
}
