//! Live reads: one object, one page, a log, a right; straight from the API server, each within its deadline.
//!
//! It answers nothing from the inventory and never hands out what a Secret holds.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use aiops_engine::{
    SharedInventory,
    error::{PortError, PortErrorKind},
    ports::{ApiResource, Cluster, ListOptions, LogRequest, ObjectPage, ReleaseRevision},
};
use aiops_inventory::inventory::{Connection as Link, Source};
use async_trait::async_trait;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::time::{Instant, timeout_at};

use super::{
    Hub,
    api::Call,
    connect::{self, Connection},
    discovery,
    failure::{Failure, Trouble},
    helm::Releases,
    path::{Query, collection, push},
    reach,
};

/// Longest for any of these calls.
const WITHIN: Duration = Duration::from_secs(8);
/// Most bytes of one object or page.
const LARGEST: usize = 64 * 1024 * 1024;
/// How long discovery is believed.
const FRESH: Duration = Duration::from_secs(60);
/// When it makes sense to ask again while the API server is down.
const AGAIN: Duration = Duration::from_secs(2);

/// The live cluster.
#[derive(Debug)]
pub struct Live {
    hub: Arc<Hub>,
    inventory: SharedInventory,
    kinds: Mutex<Option<Kinds>>,
    /// There only where reading Helm releases was opted into.
    releases: Option<Releases>,
}

/// Discovery as it was read on one connection.
#[derive(Debug)]
struct Kinds {
    read: Instant,
    server: String,
    discoveries: u64,
    kinds: Vec<ApiResource>,
}

impl Live {
    pub(super) fn new(hub: Arc<Hub>, inventory: SharedInventory, releases: Option<Releases>) -> Self {
        Self { hub, inventory, kinds: Mutex::default(), releases }
    }

    /// Whether Helm releases may be read and written.
    pub(super) const fn reads_releases(&self) -> bool {
        self.releases.is_some()
    }

    /// The connection, or at once why there is none: nobody waits for a server that is known to be down.
    pub(super) fn connection(&self, what: &str) -> Result<Arc<Connection>, PortError> {
        if let Some(connection) = self.hub.get() {
            return Ok(connection);
        }
        let rows = self.inventory.look();
        let info = rows.info();
        let why = match (&info.source, &info.connection) {
            (Source::None { reason }, _) | (_, Link::Down { reason, .. }) => reason.to_string(),
            _ => "the connection to the cluster is being made; ask again in a moment".to_owned(),
        };
        Err(PortError {
            kind: PortErrorKind::Unavailable,
            message: format!("{what}: {why}"),
            after: Some(AGAIN),
        })
    }

    pub(super) async fn json(&self, call: Call, what: &str) -> Result<Value, PortError> {
        let connection = self.connection(what)?;
        let body =
            connection.api.read(&call, LARGEST, WITHIN).await.map_err(|failure| failure.for_port(what))?;
        serde_json::from_slice(&body).map_err(|error| {
            let why = format!("the API server's answer cannot be read ({error})");
            Failure::new(Trouble::Server, why).for_port(what)
        })
    }
}

/// `get pods/web in namespace shop`, for sentences.
fn describe(verb: &str, resource: &ApiResource, namespace: Option<&str>, name: Option<&str>) -> String {
    let group = if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
    let name = name.map(|name| format!("/{name}")).unwrap_or_default();
    let place = match namespace {
        Some(namespace) => format!(" in namespace {namespace}"),
        None if resource.namespaced => " in all namespaces".to_owned(),
        None => String::new(),
    };
    format!("{verb} {}{group}{name}{place}", resource.plural)
}

/// What a Secret holds does not leave this room: neither its data, nor the copy of it that `kubectl apply` keeps.
pub(super) fn withhold(object: &mut Value, is_secret: bool) {
    let is_secret = is_secret || object.get("kind").is_some_and(|kind| kind == "Secret");
    let Some(object) = object.as_object_mut().filter(|_| is_secret) else { return };
    object.remove("data");
    object.remove("stringData");
    if let Some(annotations) = object.get_mut("metadata").and_then(|m| m.get_mut("annotations"))
        && let Some(annotations) = annotations.as_object_mut()
    {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

fn is_secret(resource: &ApiResource) -> bool {
    resource.kind == "Secret" || (resource.group.is_empty() && resource.plural == "secrets")
}

/// A list as the API server writes it, its items not read yet.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    api_version: Option<String>,
    #[serde(default)]
    metadata: ListMeta,
    /// Go writes a list of nothing as null. A document without items is no list, and must not read as an empty one.
    #[serde(borrow, deserialize_with = "Option::deserialize")]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListMeta {
    r#continue: Option<String>,
    remaining_item_count: Option<u64>,
}

/// Reads a page, one object after another: half of an object is `managedFields`, which nobody asks a list for and which
/// would be held for all objects at once.
fn page(body: &[u8], resource: &ApiResource) -> Result<ObjectPage, String> {
    let unread = |error: serde_json::Error| format!("the API server's answer cannot be read ({error})");
    let list: List<'_> = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() { format!("the API server's answer is no list ({error})") } else { unread(error) }
    })?;
    let mut items = Vec::new();
    for raw in list.items.unwrap_or_default() {
        let mut item: Value = serde_json::from_str(raw.get()).map_err(unread)?;
        withhold(&mut item, is_secret(resource));
        if let Some(meta) = item.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.remove("managedFields");
        }
        // Items of a typed list do not say what they are.
        if let Some(item) = item.as_object_mut() {
            item.entry("kind").or_insert_with(|| resource.kind.clone().into());
            if let Some(api_version) = &list.api_version {
                item.entry("apiVersion").or_insert_with(|| api_version.clone().into());
            }
        }
        items.push(item);
    }
    let continue_token = list.metadata.r#continue.filter(|token| !token.is_empty());
    Ok(ObjectPage { items, continue_token, remaining: list.metadata.remaining_item_count })
}

#[async_trait]
impl Cluster for Live {
    fn counts(&self) -> Option<(u64, u64)> {
        self.hub.get().map(|connection| connection.api.counts())
    }

    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        let what = "discover the kinds of the cluster";
        let connection = self.connection(what)?;
        // The feed's heartbeat sees within seconds that a kind has come or gone.
        let (server, discoveries) = (connection.api.server(), connection.api.discoveries());
        if let Some(known) = &*self.kinds.lock()
            && known.read.elapsed() < FRESH
            && known.server == server
            && known.discoveries == discoveries
        {
            return Ok(known.kinds.clone());
        }
        let kinds = match discovery::all(&connection.api, WITHIN).await {
            Ok(kinds) => kinds,
            Err(failure) => return Err(failure.for_port(what)),
        };
        let known =
            Kinds { read: Instant::now(), server: server.to_owned(), discoveries, kinds: kinds.clone() };
        *self.kinds.lock() = Some(known);
        Ok(kinds)
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        let mut path = collection(&resource.group, &resource.version, &resource.plural, namespace)?;
        push(&mut path, "name", name)?;
        let what = describe("get", resource, namespace, Some(name));
        let mut object = self.json(Call::read("get", path), &what).await?;
        withhold(&mut object, is_secret(resource));
        Ok(object)
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        let path = collection(&resource.group, &resource.version, &resource.plural, namespace)?;
        let query = Query::default()
            .maybe("labelSelector", options.label_selector.as_deref())
            .maybe("fieldSelector", options.field_selector.as_deref())
            .maybe("limit", (options.limit > 0).then_some(options.limit))
            .maybe("continue", options.continue_token.as_deref());
        let what = describe("list", resource, namespace, None);
        let mut call = Call::read("list", query.after(path));
        call.compressed = true;
        let connection = self.connection(&what)?;
        let body =
            connection.api.read(&call, LARGEST, WITHIN).await.map_err(|failure| failure.for_port(&what))?;
        page(&body, resource).map_err(|why| Failure::new(Trouble::Server, why).for_port(&what))
    }

    async fn logs(
        &self,
        request: &LogRequest,
        sink: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        let mut path = collection("", "v1", "pods", Some(&request.namespace))?;
        push(&mut path, "pod", &request.pod)?;
        path.push_str("/log");
        let query = Query::default()
            .maybe("container", request.container.as_deref())
            .maybe("previous", request.previous.then_some("true"))
            .maybe("sinceSeconds", request.since_seconds)
            .maybe("tailLines", request.tail_lines)
            .maybe("timestamps", request.timestamps.then_some("true"))
            .maybe("limitBytes", request.limit_bytes);
        let what = format!("get pods/log of {} in namespace {}", request.pod, request.namespace);
        let connection = self.connection(&what)?;
        let api = &connection.api;
        let end = Instant::now() + WITHIN;
        let mut call = Call::read("logs", query.after(path));
        // The log is text; a failure is a Status in JSON.
        call.accept = "text/plain, application/json, */*";
        let response = api.open(&call, WITHIN).await.map_err(|failure| failure.for_port(&what))?;
        let mut body = response.into_body();
        loop {
            match timeout_at(end, body.frame()).await {
                Ok(None) => return Ok(()),
                Ok(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref()
                        && sink(data).is_break()
                    {
                        return Ok(());
                    }
                }
                Ok(Some(Err(error))) => return Err(connect::failure(api.server(), &error).for_port(&what)),
                Err(_) => return Err(Failure::timeout(api.server(), WITHIN).for_port(&what)),
            }
        }
    }

    async fn may(
        &self,
        verb: &str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<bool, PortError> {
        let what = format!("ask whether {verb} {resource} is allowed");
        let connection = self.connection(&what)?;
        reach::may(&connection.api, verb, group, resource, namespace)
            .await
            .map_err(|failure| failure.for_port(&what))
    }
    async fn release(
        &self,
        namespace: &str,
        name: &str,
        revision: i64,
    ) -> Result<ReleaseRevision, PortError> {
        match &self.releases {
            Some(releases) => releases.read(self, namespace, name, revision).await,
            None => {
                let why = "acting.helm is off, so Helm releases are not read";
                Err(PortError::new(PortErrorKind::Unsupported, why))
            }
        }
    }
}
