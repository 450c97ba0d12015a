//! The index of a recording: which objects of which kinds there are, and where their text is.
//!
//! It holds names and places, never an object.

use std::collections::BTreeMap;

use aiops_engine::ports::ApiResource;

use super::{kinds, spool::Place};

/// Namespace and name.
pub(super) type ObjectKey = (Box<str>, Box<str>);

/// One recorded object.
#[derive(Debug)]
pub(super) struct Stored {
    pub place: Place,
    /// `metadata.resourceVersion`, 0 when it is none: of two records of an object the newer one counts.
    pub version: u64,
}

/// The objects of one kind.
#[derive(Debug, Default)]
pub(super) struct KindEntry {
    pub version: String,
    pub objects: BTreeMap<ObjectKey, Stored>,
}

/// Logs of one container.
#[derive(Debug, Default)]
pub(super) struct ContainerLogs {
    pub current: Option<Place>,
    pub previous: Option<Place>,
}

/// Namespace, pod and container (`None`: all containers in one file, between markers).
pub(super) type LogKey = (Box<str>, Box<str>, Option<Box<str>>);

/// The index.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// By group and kind.
    kinds: BTreeMap<(String, String), KindEntry>,
    defined: Vec<ApiResource>,
    pub logs: BTreeMap<LogKey, ContainerLogs>,
}

impl Catalog {
    /// Whether an object of this version would replace nothing newer.
    pub(super) fn wants(&self, group: &str, kind: &str, key: &ObjectKey, version: u64) -> bool {
        let entry = self.kinds.get(&(group.to_owned(), kind.to_owned()));
        entry.and_then(|entry| entry.objects.get(key)).is_none_or(|held| version > held.version)
    }

    /// Takes an object in.
    pub(super) fn insert(&mut self, group: &str, version: &str, kind: &str, key: ObjectKey, stored: Stored) {
        let entry = self.kinds.entry((group.to_owned(), kind.to_owned())).or_default();
        version.clone_into(&mut entry.version);
        entry.objects.insert(key, stored);
    }

    /// Notes that a list of the kind was recorded, be it empty.
    pub(super) fn touch(&mut self, group: &str, version: &str, kind: &str) {
        let entry = self.kinds.entry((group.to_owned(), kind.to_owned())).or_default();
        if entry.version.is_empty() {
            version.clone_into(&mut entry.version);
        }
    }

    /// Takes in what a CustomResourceDefinition says.
    pub(super) fn define(&mut self, resource: ApiResource) {
        self.defined.push(resource);
    }

    /// Whether nothing was recorded.
    pub(super) fn is_empty(&self) -> bool {
        self.kinds.values().all(|entry| entry.objects.is_empty())
    }

    /// Whether the kind was recorded.
    pub(super) fn has(&self, group: &str, kind: &str) -> bool {
        self.kinds.contains_key(&(group.to_owned(), kind.to_owned()))
    }

    /// Whether a group of that ending was recorded.
    pub(super) fn has_group(&self, suffix: &str) -> bool {
        self.kinds.keys().any(|(group, _)| group.ends_with(suffix))
    }

    /// The objects of a kind; the kind may be told by its plural too.
    pub(super) fn kind(&self, resource: &ApiResource) -> Option<&KindEntry> {
        self.kinds.get(&(resource.group.clone(), resource.kind.clone()))
    }

    /// What discovery would say.
    pub(super) fn resources(&self) -> Vec<ApiResource> {
        let kinds = self.kinds.iter();
        kinds
            .map(|((group, kind), entry)| {
                let defined = self.defined.iter().find(|d| d.group == *group && d.kind == *kind).cloned();
                let mut resource = kinds::known(group, kind).or(defined).unwrap_or_else(|| {
                    let namespaced = entry.objects.keys().any(|(namespace, _)| !namespace.is_empty());
                    kinds::guessed(group, &entry.version, kind, namespaced)
                });
                entry.version.clone_into(&mut resource.version);
                resource
            })
            .collect()
    }
}
