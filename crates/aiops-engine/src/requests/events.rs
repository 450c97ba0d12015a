//! Events, grouped: what happened to which workload, warnings first.
//!
//! Events of pods and ReplicaSets are told under the workload that owns them, so that fifty pods with one trouble are
//! one row.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use aiops_inventory::{
    Inventory, Key, Kind, Name,
    page::digest,
    rows::{EventRow, Seconds},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Engine, Error,
    answer::{Standing, age},
    budget,
    issue::Object,
    owners,
    page::{Listing, Page},
    requests::workloads::WorkloadKind,
    text,
};

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct ListEvents {
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only events about this kind and what it owns.
    pub kind: Option<String>,
    /// Only events about the object of this name and what it owns.
    pub name: Option<String>,
    /// Only of this type.
    pub event_type: EventType,
    /// Only what was seen within this many minutes.
    pub since_minutes: Option<u32>,
    /// At most this many groups.
    pub limit: Option<u32>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Type of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum EventType {
    /// Both.
    #[default]
    All,
    /// Warnings only.
    Warning,
    /// Normal events only.
    Normal,
}

/// Events in groups.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EventList {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// How many groups there are and what was left out.
    #[serde(flatten)]
    pub page: Page,
    /// Events behind all groups; null when events are not known.
    pub events_total: Option<usize>,
    /// Older events that the ring dropped since start; null when events are not known.
    pub events_dropped: Option<u64>,
    /// The groups.
    pub groups: Vec<EventGroup>,
}

/// Events of one reason about one workload.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct EventGroup {
    /// Kind, namespace and name of the workload (or of the object itself).
    pub object: String,
    /// Warning or Normal.
    pub r#type: &'static str,
    /// Reason, such as FailedScheduling.
    pub reason: String,
    /// How often it was seen, over all objects.
    pub count: u64,
    /// How many objects it was about.
    pub objects: usize,
    /// How long ago it was last seen.
    pub last_seen: String,
    /// How long ago it was first seen.
    pub first_seen: String,
    /// The newest message; text of the cluster.
    pub message: String,
    /// The newest object, when it is not the workload itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// A group while it is being made.
struct Group {
    object: Object,
    newest: Arc<EventRow>,
    count: u64,
    first: Seconds,
    about: BTreeSet<(Name, Name)>,
}

impl Engine {
    /// Lists events in groups.
    pub fn list_events(&self, request: &ListEvents) -> Result<EventList, Error> {
        let inventory = self.look();
        let now = self.now();
        let namespace = request.namespace.as_deref().filter(|ns| !ns.is_empty());
        let standing = self.standing_in(&inventory, &[Kind::Event], namespace);
        if let Some(namespace) = namespace {
            self.seen_namespace(&inventory, namespace)?;
        }
        let oldest = request.since_minutes.map(|minutes| now.as_second() - i64::from(minutes) * 60);
        let wanted_kind = request.kind.as_deref().and_then(kind);
        let wanted_name = request.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
        let mut events_total = 0;
        let groups = group(&inventory, |event, object| {
            let of_type = match request.event_type {
                EventType::All => true,
                EventType::Warning => event.is_warning,
                EventType::Normal => !event.is_warning,
            };
            let kind_fits = wanted_kind.as_deref().is_none_or(|kind| {
                object.kind.to_ascii_lowercase() == kind || event.kind.to_ascii_lowercase() == kind
            });
            let name_fits = wanted_name.is_none_or(|name| object.name == name || event.object == name);
            let keep = of_type
                && kind_fits
                && name_fits
                && namespace.is_none_or(|ns| event.namespace == ns)
                && oldest.is_none_or(|oldest| event.last >= oldest);
            events_total += usize::from(keep);
            keep
        });
        let listing = Listing::new(
            question(request),
            request.limit,
            request.cursor.as_deref(),
            groups.keys().cloned().collect(),
        )?;
        let (groups, page) = listing.fill(
            |key| groups.get(key).map(|g| (!g.newest.is_warning, -g.newest.last)),
            budget::of(request.limit),
            |key| groups.get(key).map(|g| wire(g, now)),
        );
        let known = !standing.lacks(Kind::Event);
        Ok(EventList {
            page: page.known(known),
            events_total: known.then_some(events_total),
            events_dropped: known.then(|| inventory.events().dropped()),
            standing,
            groups,
        })
    }
}

/// The kind that a caller means, in lower case: `pods` and `deploy` are kinds as people write them. `None` for nothing.
fn kind(text: &str) -> Option<String> {
    let wanted = text.trim().to_ascii_lowercase();
    if let Some(workload) = WorkloadKind::parse(&wanted) {
        return Some(workload.kind().name().to_ascii_lowercase());
    }
    let known = Kind::ALL.into_iter().find(|kind| kind.resource().plural == wanted);
    let kind = known.map_or(wanted, |kind| kind.name().to_ascii_lowercase());
    (!kind.is_empty()).then_some(kind)
}

/// The newest groups about any of these objects, given as kind and name in one namespace.
pub(crate) fn about(
    inventory: &Inventory,
    namespace: &str,
    objects: &HashSet<(Name, Name)>,
    now: Timestamp,
    most: usize,
) -> Vec<EventGroup> {
    let groups = group(inventory, |event, _| {
        let in_namespace =
            event.namespace == namespace || (namespace.is_empty() && event.namespace == "default");
        in_namespace && objects.contains(&(event.kind.clone(), event.object.clone()))
    });
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|g| (!g.newest.is_warning, -g.newest.last));
    groups.iter().take(most).map(|g| wire(g, now)).collect()
}

fn question(request: &ListEvents) -> u64 {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    let numbers = format!("{:?}{:?}", request.event_type, request.since_minutes);
    let (namespace, kind, name) = (text(&request.namespace), text(&request.kind), text(&request.name));
    digest([b"events".as_slice(), namespace.as_bytes(), kind.as_bytes(), name.as_bytes(), numbers.as_bytes()])
}

fn group(inventory: &Inventory, mut keep: impl FnMut(&EventRow, &Object) -> bool) -> BTreeMap<Key, Group> {
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for event in inventory.events().iter() {
        let object = workload(inventory, event);
        if !keep(event, &object) {
            continue;
        }
        let key =
            Key::new(object.namespace.clone(), format!("{}/{} {}", object.kind, object.name, event.reason));
        let group = groups.entry(key).or_insert_with(|| Group {
            object,
            newest: Arc::clone(event),
            count: 0,
            first: event.first,
            about: BTreeSet::new(),
        });
        group.count += u64::from(event.count);
        group.first = group.first.min(event.first);
        group.about.insert((event.kind.clone(), event.object.clone()));
        if (event.last, event.uid) > (group.newest.last, group.newest.uid) {
            group.newest = Arc::clone(event);
        }
    }
    groups
}

/// The workload an event belongs to, or the object it names when that has no owner (any more).
fn workload(inventory: &Inventory, event: &EventRow) -> Object {
    let (namespace, name) = (event.namespace.as_str(), event.object.as_str());
    match event.kind.as_str() {
        "Pod" => inventory.pods().get(namespace, name).map(|r| owners::top(inventory, "Pod", &r.meta)),
        "ReplicaSet" => inventory
            .replica_sets()
            .get(namespace, name)
            .map(|r| owners::top(inventory, "ReplicaSet", &r.meta)),
        "Job" => inventory.jobs().get(namespace, name).map(|r| owners::top(inventory, "Job", &r.meta)),
        "Node" => Some(Object::new("Node", Name::new(), event.object.clone())),
        _ => None,
    }
    .unwrap_or_else(|| Object::new(event.kind.clone(), event.namespace.clone(), event.object.clone()))
}

fn wire(group: &Group, now: Timestamp) -> EventGroup {
    let newest = &group.newest;
    let itself = newest.kind == group.object.kind && newest.object == group.object.name;
    EventGroup {
        object: group.object.to_string(),
        r#type: if newest.is_warning { "Warning" } else { "Normal" },
        reason: newest.reason.to_string(),
        count: group.count,
        objects: group.about.len(),
        last_seen: age(now, newest.last),
        first_seen: age(now, group.first),
        message: text::line(&newest.message, 240),
        example: (!itself).then(|| format!("{} {}", newest.kind, newest.object)),
    }
}
