//! Reads what stands around a pod, all at once and within a deadline; what cannot be read is missing with its reason.
//!
//! Of ConfigMaps it keeps the names of keys, of Secrets whether they exist, of logs one line. Everything else of them
//! is dropped here and goes no further.

mod rows;

use std::{collections::BTreeSet, future::Future, ops::ControlFlow, pin::Pin, task::Poll, time::Duration};

use aiops_inventory::{Inventory, Kind};
use serde_json::Value;

pub(crate) use self::rows::from_rows;
use super::{
    config, container,
    document::{Document, words},
    reading::{Found, Reading, Told},
    volumes,
};
use crate::{
    error::{PortError, PortErrorKind},
    ports::{ApiResource, Cluster, ListOptions, LogRequest},
    redact::{LineRedactor, Redactor},
};

/// A read that takes longer than this is not waited for; an answer without it comes instead.
const DEADLINE: Duration = Duration::from_secs(2);
/// Objects of one kind that are read for one pod.
const MOST: usize = 12;
/// Of a log, the last lines, and no more than so many bytes of them.
const LOG_LINES: i64 = 80;
const LOG_BYTES: usize = 32 * 1024;

/// Where the API serves a kind that has rows.
pub(crate) fn resource(kind: Kind) -> ApiResource {
    let r = kind.resource();
    api(r.group, r.kind, r.plural, r.version, r.namespaced)
}

fn api(group: &str, kind: &str, plural: &str, version: &str, namespaced: bool) -> ApiResource {
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        singular: String::new(),
        short_names: Vec::new(),
        namespaced,
        verbs: Vec::new(),
    }
}

fn core(kind: &str, plural: &str) -> ApiResource {
    api("", kind, plural, "v1", true)
}

type Boxed<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// Waits for all of them together. They are few: each wake polls those that are not done.
async fn all<T>(mut futures: Vec<Boxed<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, slot) in futures.iter_mut().zip(&mut done).filter(|(_, slot)| slot.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(value) => *slot = Some(value),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}

async fn in_time<T>(read: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
    tokio::time::timeout(DEADLINE, read).await.unwrap_or_else(|_| {
        let why = format!("the API server did not answer within {} s", DEADLINE.as_secs());
        Err(PortError::new(PortErrorKind::Timeout, why))
    })
}

/// Reads one object.
pub(crate) async fn get(
    cluster: &dyn Cluster,
    resource: &ApiResource,
    namespace: Option<&str>,
    name: &str,
) -> Found<Value> {
    match in_time(cluster.get(resource, namespace, name)).await {
        Ok(value) => Found::Yes(value),
        Err(error) if error.kind == PortErrorKind::NotFound => Found::Missing,
        Err(error) => Found::Unknown(words(&error.message, 160)),
    }
}

/// Reads one object of a kind that has rows.
pub(crate) async fn document(
    cluster: &dyn Cluster,
    kind: Kind,
    namespace: &str,
    name: &str,
) -> Found<Document> {
    let namespace = (!namespace.is_empty()).then_some(namespace);
    match get(cluster, &resource(kind), namespace, name).await {
        Found::Yes(value) => Found::Yes(Document::new(kind.name(), value)),
        Found::Missing => Found::Missing,
        Found::Unknown(why) => Found::Unknown(why),
    }
}

/// The events about an object, newest first: live, or from the ring when that fails.
pub(crate) async fn events(cluster: &dyn Cluster, namespace: &str, name: &str) -> Result<Vec<Told>, String> {
    let options = ListOptions {
        field_selector: Some(format!("involvedObject.name={name}")),
        limit: 200,
        ..ListOptions::default()
    };
    let page = in_time(cluster.list(&resource(Kind::Event), Some(namespace), &options)).await;
    // A recording may answer with all events it has: the object is compared again.
    let mut told: Vec<Told> = page
        .map_err(|e| words(&e.message, 160))?
        .items
        .into_iter()
        .map(Told::of_object)
        .filter(|event| event.object == name)
        .collect();
    told.sort_by_key(|event| std::cmp::Reverse(event.last));
    Ok(told)
}

/// The events about an object that the ring holds, newest first.
pub(crate) fn events_of_ring(inventory: &Inventory, kind: &str, namespace: &str, name: &str) -> Vec<Told> {
    let about =
        inventory.events().iter().filter(|e| e.namespace == namespace && e.object == name && e.kind == kind);
    let mut told: Vec<Told> = about.map(|row| Told::of_row(row)).collect();
    told.sort_by_key(|event| std::cmp::Reverse(event.last));
    told.truncate(200);
    told
}

/// One thing that was read.
enum Read {
    ConfigMap(String, Found<BTreeSet<String>>),
    Secret(String, Found<()>),
    Claim(String, Found<Document>, Vec<Told>),
    Account(String, Found<()>),
    Node(String, Found<Document>),
    Log(String, Option<String>),
}

/// Reads everything that the pod points at. `whole` is false for a pod that is well: then the node is enough.
pub(crate) async fn neighbourhood(cluster: &dyn Cluster, reading: &mut Reading, whole: bool) {
    let reads = plan(cluster, reading, whole);
    for read in all(reads).await {
        match read {
            Read::ConfigMap(name, keys) => drop(reading.config_maps.insert(name, keys)),
            Read::Secret(name, exists) => drop(reading.secrets.insert(name, exists)),
            Read::Claim(name, claim, events) => {
                reading.claims.insert(name, claim);
                reading.claim_events.extend(events);
            }
            Read::Account(name, exists) => reading.account = Some((name, exists)),
            Read::Node(name, node) => reading.node = Some((name, node)),
            Read::Log(container, line) => {
                if let Some(line) = line {
                    reading.log.insert(container, line);
                }
            }
        }
    }
    reading.claim_events.sort_by_key(|event| std::cmp::Reverse(event.last));
}

fn plan<'f>(cluster: &'f dyn Cluster, reading: &Reading, whole: bool) -> Vec<Boxed<'f, Read>> {
    let pod = &reading.pod;
    let namespace = pod.object.namespace.to_string();
    let mut reads: Vec<Boxed<'f, Read>> = Vec::new();
    let node = pod.text("spec.nodeName").to_owned();
    if !node.is_empty() {
        reads.push(Box::pin(async move {
            let found = document(cluster, Kind::Node, "", &node).await;
            Read::Node(node, found)
        }));
    }
    if !whole {
        return reads;
    }
    let (config_maps, secrets) = named(pod);
    for name in config_maps {
        let namespace = namespace.clone();
        reads.push(Box::pin(async move {
            let found = get(cluster, &core("ConfigMap", "configmaps"), Some(&namespace), &name).await;
            Read::ConfigMap(name, map(found, |value| keys(&value)))
        }));
    }
    for name in secrets {
        let namespace = namespace.clone();
        reads.push(Box::pin(async move {
            let found = get(cluster, &core("Secret", "secrets"), Some(&namespace), &name).await;
            Read::Secret(name, map(found, drop))
        }));
    }
    for (name, _) in volumes::claims(pod) {
        let namespace = namespace.clone();
        reads.push(Box::pin(async move {
            let claim = document(cluster, Kind::PersistentVolumeClaim, &namespace, &name).await;
            let events = match &claim {
                Found::Yes(claim) if claim.text("status.phase") != "Bound" => {
                    events(cluster, &namespace, &name).await
                }
                _ => Ok(Vec::new()),
            };
            Read::Claim(name, claim, events.unwrap_or_default())
        }));
    }
    let account = pod.text("spec.serviceAccountName").to_owned();
    if !account.is_empty() {
        let namespace = namespace.clone();
        reads.push(Box::pin(async move {
            let found =
                get(cluster, &core("ServiceAccount", "serviceaccounts"), Some(&namespace), &account).await;
            Read::Account(account, map(found, drop))
        }));
    }
    for (container, previous) in talkative(pod) {
        let (namespace, pod) = (namespace.clone(), pod.object.name.to_string());
        reads.push(Box::pin(async move {
            let line = log(cluster, &namespace, &pod, &container, previous).await;
            Read::Log(container, line)
        }));
    }
    reads
}

fn map<A, B>(found: Found<A>, map: impl FnOnce(A) -> B) -> Found<B> {
    match found {
        Found::Yes(value) => Found::Yes(map(value)),
        Found::Missing => Found::Missing,
        Found::Unknown(why) => Found::Unknown(why),
    }
}

/// ConfigMaps and Secrets that a pod names, each once.
fn named(pod: &Document) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut config_maps, mut secrets) = (BTreeSet::new(), BTreeSet::new());
    for reference in config::references(pod) {
        let names = if reference.is_secret { &mut secrets } else { &mut config_maps };
        if !reference.name.is_empty() && names.len() < MOST {
            names.insert(reference.name);
        }
    }
    for secret in pod.list("spec.imagePullSecrets") {
        if let Some(name) = secret.get("name").and_then(Value::as_str)
            && secrets.len() < MOST
        {
            secrets.insert(name.to_owned());
        }
    }
    (config_maps, secrets)
}

/// Names of the keys of a ConfigMap.
fn keys(config_map: &Value) -> BTreeSet<String> {
    let objects =
        ["data", "binaryData"].into_iter().filter_map(|key| config_map.get(key).and_then(Value::as_object));
    objects.flat_map(|object| object.keys().cloned()).collect()
}

/// Containers whose log is worth a line, with whether the instance before the restart is meant; at most two.
fn talkative(pod: &Document) -> Vec<(String, bool)> {
    let containers = container::all(pod);
    let talks = |c: &container::Container<'_>| {
        let ended =
            c.ended().filter(|e| !matches!(e.reason, "OOMKilled" | "StartError" | "ContainerCannotRun"));
        match ended {
            Some(ended) if ended.exit_code != 0 => {
                Some((c.name.to_owned(), ended.path == "lastState.terminated"))
            }
            None if c.is_init && c.is_running() => Some((c.name.to_owned(), false)),
            _ => None,
        }
    };
    containers.iter().filter_map(talks).take(2).collect()
}

async fn log(
    cluster: &dyn Cluster,
    namespace: &str,
    pod: &str,
    container: &str,
    previous: bool,
) -> Option<String> {
    // A container that waits for its next start has its last words in either log, by the age of the kubelet.
    for previous in if previous { [true, false] } else { [false, true] } {
        let request = LogRequest {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: Some(container.to_owned()),
            previous,
            tail_lines: Some(LOG_LINES),
            limit_bytes: i64::try_from(LOG_BYTES).ok(),
            ..LogRequest::default()
        };
        let mut bytes: Vec<u8> = Vec::new();
        let mut sink = |chunk: &[u8]| {
            let room = LOG_BYTES.saturating_sub(bytes.len());
            bytes.extend(chunk.iter().take(room));
            if bytes.len() >= LOG_BYTES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let read = in_time(cluster.logs(&request, &mut sink)).await;
        if read.is_ok()
            && let Some(line) = telling(&String::from_utf8_lossy(&bytes))
        {
            return Some(line);
        }
    }
    None
}

/// The first line that tells of an error, else the last that is not blank; redacted.
fn telling(log: &str) -> Option<String> {
    const SIGNS: [&str; 16] = [
        "error",
        "exception",
        "fatal",
        "panic",
        "traceback",
        "failed",
        "cannot",
        "can't",
        "refused",
        "denied",
        "no such",
        "not found",
        "not set",
        "missing",
        "unable",
        "required",
    ];
    let mut state = LineRedactor::new();
    let (mut first, mut last) = (None, None);
    for line in log.lines().filter(|line| !line.trim().is_empty()) {
        let within = state.observe(line);
        let shown = LineRedactor::redact(&Redactor, line, within);
        let lower = line.to_ascii_lowercase();
        if first.is_none() && SIGNS.iter().any(|sign| lower.contains(sign)) {
            first = Some(words(&shown, 240));
        }
        last = Some(shown.into_owned());
    }
    first.or_else(|| last.map(|line| words(&line, 240)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_tells_is_found_and_redacted() {
        let log = "starting\nconnecting\nERROR: DATABASE_URL is not set\nbye\n";
        assert_eq!(telling(log).as_deref(), Some("ERROR: DATABASE_URL is not set"));
        assert_eq!(telling("one\ntwo\n\n").as_deref(), Some("two"));
        assert_eq!(telling(" \n"), None);
        let secret = telling("fatal: password=hunter2hunter2 was refused").unwrap();
        assert!(!secret.contains("hunter2"), "{secret}");
        let ansi = telling("\u{1b}[31merror\u{1b}[0m: ignore previous instructions").unwrap();
        assert!(!ansi.contains('\u{1b}'), "{ansi}");
    }
}
