//! The state of the model: objects with uid, resourceVersion and generation, and what became of every request.
//!
//! It knows what an API server's storage knows. What a request may do stands in [`super::requests`], what controllers do
//! in [`super::controllers`]. Nothing here is random: uids and names are counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    Admission, Delta, Entry, Symptom,
    json::{has, is_owned_by, letters, number, put, take, text},
    kinds::{Key, served},
};
use crate::ports::ApiResource;

/// The state.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) objects: BTreeMap<Key, Arc<Value>>,
    pub(super) kinds: Arc<[ApiResource]>,
    /// The last resourceVersion.
    pub(super) version: u64,
    /// Counts uids and generated names.
    pub(super) serial: u64,
    /// Orders the journal, and whatever an observer of the model notes beside it.
    pub(super) order: u64,
    pub(super) journal: Vec<Entry>,
    pub(super) deltas: Vec<Delta>,
    /// Verb and plural that we may not use.
    pub(super) denied: BTreeSet<(String, String)>,
    pub(super) admissions: Vec<Admission>,
    pub(super) symptoms: Vec<Symptom>,
    /// Effect keys that end like this are refused.
    pub(super) refused_effects: Vec<String>,
    pub(super) logs: BTreeMap<(String, String, String, bool), Vec<u8>>,
    /// What an Argo CD Application deploys, by revision.
    pub(super) manifests: BTreeMap<(Key, String), Vec<Value>>,
    /// Objects that a controller sets back to this, and how often it still does.
    pub(super) reverted: BTreeMap<Key, (Value, u32)>,
    pub(super) now: Timestamp,
    /// How long a pod takes to start.
    pub(super) startup: SignedDuration,
    /// How long a pod takes to end.
    pub(super) ending: SignedDuration,
    /// The version at which the controllers had nothing left to do, and until when, in milliseconds since 1970.
    pub(super) settled: Option<(u64, i64)>,
    /// The version at which a namespace changed last; the cluster's own objects are under the empty name.
    touched: BTreeMap<String, u64>,
    /// Objects with which their controller had nothing to do at this version, and until when.
    resting: BTreeMap<Key, (u64, Option<i64>)>,
}

impl World {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            objects: BTreeMap::new(),
            kinds: served().into(),
            version: 1_000,
            serial: 0,
            order: 0,
            journal: Vec::new(),
            deltas: Vec::new(),
            denied: BTreeSet::new(),
            admissions: Vec::new(),
            symptoms: Vec::new(),
            refused_effects: Vec::new(),
            logs: BTreeMap::new(),
            manifests: BTreeMap::new(),
            reverted: BTreeMap::new(),
            now,
            startup: SignedDuration::from_secs(2),
            ending: SignedDuration::from_secs(1),
            settled: None,
            touched: BTreeMap::new(),
            resting: BTreeMap::new(),
        }
    }

    /// What controllers go by besides objects is another: they look at everything again.
    pub(super) fn unsettle(&mut self) {
        self.settled = None;
        self.resting.clear();
    }

    fn touch(&mut self, namespace: &str) {
        match self.touched.get_mut(namespace) {
            Some(version) => *version = self.version,
            None => _ = self.touched.insert(namespace.to_owned(), self.version),
        }
    }

    /// Until when a controller has nothing to do with an object, if nothing that it looks at has changed since it said so:
    /// controllers look at the object's namespace and at what is in none.
    pub(super) fn rests(&self, key: &Key) -> Option<Option<i64>> {
        let (version, until) = *self.resting.get(key)?;
        let moved = |namespace: &str| self.touched.get(namespace).is_some_and(|at| *at > version);
        let is_due = until.is_some_and(|until| self.now.as_millisecond() >= until);
        (!is_due && !moved(&key.namespace) && !moved("")).then_some(until)
    }

    /// A controller has nothing to do with an object until then.
    pub(super) fn rest(&mut self, key: &Key, until: Option<i64>) {
        self.resting.insert(key.clone(), (self.version, until));
    }

    pub(super) fn next_order(&mut self) -> u64 {
        self.order = self.order.saturating_add(1);
        self.order
    }

    pub(super) fn stamp(&self) -> String {
        // Kubernetes writes whole seconds.
        let seconds = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        seconds.to_string()
    }

    fn next_version(&mut self) -> String {
        self.version = self.version.saturating_add(1);
        self.version.to_string()
    }

    fn next_uid(&mut self) -> String {
        self.serial = self.serial.saturating_add(1);
        format!("00000000-0000-4000-8000-{:012x}", self.serial)
    }

    /// The end of a generated name.
    pub(super) fn suffix(&mut self) -> String {
        self.serial = self.serial.saturating_add(1);
        letters(self.serial.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16, 5)
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.objects.get(key).cloned()
    }

    /// The objects of a kind, by namespace and name.
    pub(super) fn of_kind(&self, kind: &str) -> Vec<(Key, Arc<Value>)> {
        let from = Key::new(kind, "", "");
        self.objects
            .range(from..)
            .take_while(|(key, _)| key.kind == kind)
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect()
    }

    /// The objects of a kind in a namespace, by name.
    pub(super) fn within(&self, kind: &str, namespace: &str) -> Vec<(Key, Arc<Value>)> {
        let from = Key::new(kind, namespace, "");
        self.objects
            .range(from..)
            .take_while(|(key, _)| key.kind == kind && key.namespace == namespace)
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect()
    }

    /// The objects of a kind that the one with this uid controls.
    pub(super) fn owned(&self, kind: &str, namespace: &str, uid: &str) -> Vec<(Key, Arc<Value>)> {
        let from = Key::new(kind, namespace, "");
        self.objects
            .range(from..)
            .take_while(|(key, _)| key.kind == kind && key.namespace == namespace)
            .filter(|(_, object)| is_owned_by(object, uid))
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect()
    }

    pub(super) fn resource(&self, kind: &str) -> Option<&ApiResource> {
        self.kinds.iter().find(|resource| resource.kind == kind)
    }

    /// Puts a new object in. What it has of uid, version and age it keeps.
    pub(super) fn insert(&mut self, actor: &str, mut object: Value) -> Key {
        if text(&object, "/metadata/uid").is_empty() {
            let uid = self.next_uid();
            put(&mut object, "/metadata/uid", uid);
        }
        let version = self.next_version();
        put(&mut object, "/metadata/resourceVersion", version);
        if text(&object, "/metadata/creationTimestamp").is_empty() {
            put(&mut object, "/metadata/creationTimestamp", self.stamp());
        }
        if has(&object, "/spec") && number(&object, "/metadata/generation") == 0 {
            put(&mut object, "/metadata/generation", 1);
        }
        if !has(&object, "/metadata/managedFields") {
            let written = object.clone();
            self.manage(actor, &mut object, &Value::Null, &written);
        }
        let key = Key::of(&object);
        let object = Arc::new(object);
        self.objects.insert(key.clone(), Arc::clone(&object));
        self.touch(&key.namespace);
        self.deltas.push(Delta { key: key.clone(), object, is_deleted: false });
        key
    }

    /// Writes an object anew; nothing happens when it says what it said. Returns whether it differs.
    pub(super) fn update(&mut self, actor: &str, key: &Key, mut new: Value) -> bool {
        let Some(old) = self.get(key) else { return false };
        for path in ["/metadata/uid", "/metadata/creationTimestamp", "/metadata/generation"] {
            if let Some(kept) = old.pointer(path) {
                put(&mut new, path, kept.clone());
            }
        }
        put(&mut new, "/metadata/resourceVersion", text(&old, "/metadata/resourceVersion"));
        if let Some(managed) = old.pointer("/metadata/managedFields") {
            put(&mut new, "/metadata/managedFields", managed.clone());
        } else {
            take(&mut new, "/metadata/managedFields");
        }
        if *old == new {
            return false;
        }
        if old.get("spec") != new.get("spec") {
            let generation = number(&old, "/metadata/generation").saturating_add(1);
            put(&mut new, "/metadata/generation", generation);
        }
        let written = new.clone();
        self.manage(actor, &mut new, &old, &written);
        let version = self.next_version();
        put(&mut new, "/metadata/resourceVersion", version);
        let object = Arc::new(new);
        self.objects.insert(key.clone(), Arc::clone(&object));
        self.touch(&key.namespace);
        self.deltas.push(Delta { key: key.clone(), object, is_deleted: false });
        true
    }

    /// Changes an object in place.
    pub(super) fn change(&mut self, actor: &str, key: &Key, change: impl FnOnce(&mut Value)) -> bool {
        let Some(old) = self.get(key) else { return false };
        let mut new = Value::clone(&old);
        change(&mut new);
        self.update(actor, key, new)
    }

    /// Takes an object out, with everything that it controls.
    pub(super) fn remove(&mut self, key: &Key) {
        let Some(object) = self.objects.remove(key) else { return };
        let uid = text(&object, "/metadata/uid").to_owned();
        // A deletion is a change: the version moves on, so that controllers look again.
        self.next_version();
        self.touch(&key.namespace);
        self.resting.remove(key);
        self.deltas.push(Delta { key: key.clone(), object, is_deleted: true });
        let dependents: Vec<Key> = self
            .objects
            .iter()
            .filter(|(_, object)| is_owned_by(object, &uid))
            .map(|(key, _)| key.clone())
            .collect();
        for dependent in dependents {
            self.remove(&dependent);
        }
    }

    /// Begins to end a pod; other objects go at once.
    pub(super) fn end(&mut self, actor: &str, key: &Key) {
        if key.kind != "Pod" {
            self.remove(key);
            return;
        }
        let stamp = self.stamp();
        self.change(actor, key, |pod| {
            if !has(pod, "/metadata/deletionTimestamp") {
                put(pod, "/metadata/deletionTimestamp", stamp);
                put(pod, "/metadata/deletionGracePeriodSeconds", 30);
            }
        });
    }

    /// Notes who wrote which fields. Only updates are told apart by manager; status is not entered.
    fn manage(&self, actor: &str, object: &mut Value, old: &Value, new: &Value) {
        let mut fields = Map::new();
        for part in ["metadata", "spec", "data", "operation"] {
            if let Some(changed) = differing(old.get(part), new.get(part), part == "metadata") {
                fields.insert(format!("f:{part}"), changed);
            }
        }
        if fields.is_empty() {
            return;
        }
        let mut entries: Vec<Value> =
            object.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_ours =
            |entry: &Value| text(entry, "/manager") == actor && text(entry, "/operation") == "Update";
        let place = entries.iter().position(is_ours);
        let mut entry = place.map_or(Value::Null, |place| entries.remove(place));
        let mut known = entry.get("fieldsV1").cloned().unwrap_or_else(|| json!({}));
        merge(&mut known, &Value::Object(fields));
        put(&mut entry, "/manager", actor);
        put(&mut entry, "/operation", "Update");
        put(&mut entry, "/apiVersion", text(object, "/apiVersion"));
        put(&mut entry, "/time", self.stamp());
        put(&mut entry, "/fieldsType", "FieldsV1");
        put(&mut entry, "/fieldsV1", known);
        entries.push(entry);
        put(object, "/metadata/managedFields", entries);
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert_with(|| json!({})), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// The members that differ, in the form of `fieldsV1`.
fn differing(old: Option<&Value>, new: Option<&Value>, is_metadata: bool) -> Option<Value> {
    const NOT_MANAGED: [&str; 7] =
        ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "name", "namespace"];
    let new = new?;
    if old == Some(new) {
        return None;
    }
    match new {
        Value::Object(members) => {
            let changed: Map<String, Value> = members
                .iter()
                .filter(|(key, _)| !(is_metadata && NOT_MANAGED.contains(&key.as_str())))
                .filter_map(|(key, value)| {
                    let old = old.and_then(|old| old.get(key));
                    differing(old, Some(value), false).map(|fields| (format!("f:{key}"), fields))
                })
                .collect();
            (!changed.is_empty()).then_some(Value::Object(changed))
        }
        Value::Array(list) if list.iter().all(|item| item.get("name").is_some()) => {
            let before = |name: &str| {
                old.and_then(Value::as_array).into_iter().flatten().find(|item| text(item, "/name") == name)
            };
            let changed: Map<String, Value> = list
                .iter()
                .filter_map(|item| {
                    let name = text(item, "/name");
                    let fields = differing(before(name), Some(item), false)?;
                    Some((format!("k:{{\"name\":\"{name}\"}}"), fields))
                })
                .collect();
            Some(Value::Object(changed))
        }
        _ => Some(json!({})),
    }
}
