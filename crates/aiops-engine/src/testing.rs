//! Fakes of the ports: a cluster that is a map, and a clock that stands still.
//!
//! They answer what they were given and refuse to imitate a real API server: a label selector is compared, a field
//! selector only by `metadata.name`, rights are what the test says. Whatever rests on more is proven on the real control
//! plane.

#[cfg(test)]
mod checker;
pub mod memory_store;
pub mod model;
#[cfg(test)]
mod sim;
pub mod store_contract;

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use aiops_inventory::{
    Inventory, Kind, Sync,
    inventory::Change,
    labels::{LabelSet, Selector},
};
use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;

use crate::{
    Engine, SharedInventory,
    error::{PortError, PortErrorKind},
    ports::{ApiResource, Clock, Cluster, ListOptions, LogRequest, ObjectPage},
};

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Plural, namespace and name of an object.
type ObjectKey = (String, String, String);
/// Namespace, pod, container and whether it is the log of the instance before.
type LogKey = (String, String, String, bool);

/// A cluster that is a map.
#[derive(Debug, Default)]
pub struct FakeCluster {
    /// What discovery answers.
    pub kinds: Vec<ApiResource>,
    /// Objects by plural, namespace (empty for those of the cluster) and name.
    pub objects: Mutex<BTreeMap<ObjectKey, Value>>,
    /// Logs; `Err` is what the API server says instead.
    pub logs: Mutex<BTreeMap<LogKey, Result<Vec<u8>, PortError>>>,
    /// What `may` answers.
    pub allowed: bool,
    /// Continue tokens are refused as too old.
    pub expired: Mutex<bool>,
    /// What was asked, one line a call.
    pub calls: Mutex<Vec<String>>,
}

impl FakeCluster {
    /// A cluster that serves the kinds of the inventory, a few more, and nothing else.
    pub fn new() -> Self {
        let mut kinds: Vec<ApiResource> = Kind::ALL
            .into_iter()
            .map(|kind| {
                let r = kind.resource();
                api_resource(r.group, r.version, r.kind, r.plural, r.namespaced)
            })
            .collect();
        kinds.push(api_resource("", "v1", "ConfigMap", "configmaps", true));
        kinds.push(api_resource("", "v1", "Secret", "secrets", true));
        kinds.push(api_resource("events.k8s.io", "v1", "Event", "events", true));
        for kind in &mut kinds {
            let short: &[&str] = match kind.plural.as_str() {
                "deployments" => &["deploy"],
                "configmaps" => &["cm"],
                "pods" => &["po"],
                "nodes" => &["no"],
                _ => &[],
            };
            kind.short_names = short.iter().map(|s| (*s).to_owned()).collect();
        }
        Self { kinds, allowed: true, ..Self::default() }
    }

    /// Puts an object in, under its own namespace and name.
    pub fn put(&self, plural: &str, object: Value) {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = (plural.to_owned(), text("/metadata/namespace"), text("/metadata/name"));
        self.objects.lock().insert(key, object);
    }

    /// Sets a container's log.
    pub fn put_log(&self, namespace: &str, pod: &str, container: &str, previous: bool, log: &[u8]) {
        let key = (namespace.to_owned(), pod.to_owned(), container.to_owned(), previous);
        self.logs.lock().insert(key, Ok(log.to_vec()));
    }
}

/// A kind as discovery tells it, readable in every way.
pub fn api_resource(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> ApiResource {
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        short_names: Vec::new(),
        namespaced,
        verbs: ["get", "list", "watch"].map(str::to_owned).to_vec(),
    }
}

/// An engine over these objects (kind and JSON), at this moment. Every kind counts as synced.
pub fn engine(objects: &[(Kind, Value)], cluster: Option<Arc<dyn Cluster>>, now: &str) -> Engine {
    Engine::new(inventory(objects, &[]), cluster, Arc::new(FixedClock(now.parse().unwrap_or_default())))
}

/// An engine without a cluster which may not see some kinds.
pub fn engine_lacking(objects: &[(Kind, Value)], forbidden: &[Kind], now: &str) -> Engine {
    Engine::new(inventory(objects, forbidden), None, Arc::new(FixedClock(now.parse().unwrap_or_default())))
}

/// Rows of these objects; kinds that may not be listed are marked so.
pub(crate) fn inventory(objects: &[(Kind, Value)], forbidden: &[Kind]) -> SharedInventory {
    let mut inventory = Inventory::default();
    for (kind, object) in objects {
        // An object that cannot be read is counted by the inventory, which a test may want.
        let _ = inventory.apply(*kind, Change::Applied(object.to_string().as_bytes()));
    }
    for kind in Kind::ALL {
        let sync = if forbidden.contains(&kind) {
            Sync::Forbidden { reason: format!("{kind} may not be listed").into() }
        } else if kind.is_optional() && inventory.status(kind).rows == 0 {
            Sync::Absent
        } else {
            Sync::Synced
        };
        inventory.set_sync(kind, sync);
    }
    SharedInventory::new(inventory)
}

#[async_trait]
impl Cluster for FakeCluster {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        Ok(self.kinds.clone())
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        let namespace = namespace.unwrap_or_default();
        self.calls.lock().push(format!("get {} {namespace} {name}", resource.plural));
        let key = (resource.plural.clone(), namespace.to_owned(), name.to_owned());
        self.objects.lock().get(&key).cloned().ok_or_else(|| {
            let message = format!("{} {name:?} not found", resource.plural);
            PortError::new(PortErrorKind::NotFound, message)
        })
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        self.calls.lock().push(format!("list {} limit={}", resource.plural, options.limit));
        if options.continue_token.is_some() && *self.expired.lock() {
            let message = "The provided continue parameter is too old";
            return Err(PortError::new(PortErrorKind::Expired, message));
        }
        let selector = Selector::parse(options.label_selector.as_deref().unwrap_or_default())
            .map_err(|e| PortError::new(PortErrorKind::Invalid, e.to_string()))?;
        let name = options.field_selector.as_deref().and_then(|f| f.strip_prefix("metadata.name="));
        let after = options.continue_token.as_deref().unwrap_or_default();
        let objects = self.objects.lock();
        let place = |key: &ObjectKey| format!("{}/{}", key.1, key.2);
        let matching: Vec<(&ObjectKey, &Value)> = objects
            .iter()
            .filter(|(key, _)| key.0 == resource.plural)
            .filter(|(key, _)| namespace.is_none_or(|ns| key.1 == ns))
            .filter(|(key, _)| name.is_none_or(|name| key.2 == name))
            .filter(|(_, object)| selector.matches(&labels(object)))
            .filter(|(key, _)| place(key).as_str() > after)
            .collect();
        let limit = usize::try_from(options.limit).unwrap_or(usize::MAX);
        let shown = if limit == 0 { matching.len() } else { limit.min(matching.len()) };
        let rest = matching.len() - shown;
        let items = matching.iter().take(shown);
        let last = matching.get(shown.saturating_sub(1)).filter(|_| rest > 0);
        let plain = options.label_selector.is_none() && options.field_selector.is_none();
        Ok(ObjectPage {
            items: items.map(|(_, object)| (*object).clone()).collect(),
            continue_token: last.map(|(key, _)| place(key)),
            remaining: (rest > 0 && plain).then(|| u64::try_from(rest).unwrap_or(u64::MAX)),
        })
    }

    async fn logs(
        &self,
        request: &LogRequest,
        sink: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        let container = request.container.clone().unwrap_or_default();
        self.calls.lock().push(format!("logs {}/{container} previous={}", request.pod, request.previous));
        let key = (request.namespace.clone(), request.pod.clone(), container, request.previous);
        let log = self.logs.lock().get(&key).cloned();
        let log = log.unwrap_or_else(|| Err(PortError::new(PortErrorKind::Invalid, "no such log")))?;
        let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
        let tail = request.tail_lines.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        let asked: Vec<u8> =
            lines.iter().skip(lines.len().saturating_sub(tail)).copied().flatten().copied().collect();
        for chunk in asked.chunks(1_000) {
            if sink(chunk).is_break() {
                break;
            }
        }
        Ok(())
    }

    async fn may(
        &self,
        _verb: &str,
        _group: &str,
        _resource: &str,
        _namespace: Option<&str>,
    ) -> Result<bool, PortError> {
        Ok(self.allowed)
    }
}

fn labels(object: &Value) -> LabelSet {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let mut pairs: Vec<_> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str().into(), value.as_str().unwrap_or_default().into()))
        .collect();
    pairs.sort();
    LabelSet(pairs.into())
}
