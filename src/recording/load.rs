//! Feeds what the files hold into the inventory and the index, and says what could not be read.
//!
//! A broken file costs itself and nothing else. Data of Secrets is dropped before anything is kept. It asks nothing of a
//! clock: the recording's time is told by the recording.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use aiops_engine::SharedInventory;
use aiops_inventory::{
    Change, Kind, Sync,
    inventory::{Connection, Scope, Source},
};
use anyhow::bail;
use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Limits, Opened,
    catalog::{Catalog, Stored},
    documents::{self, Head, Text},
    kinds,
    layout::{self, Role},
    reads::Recorded,
    spool::{Place, Spool},
};

/// Largest YAML file: it must stand in memory while it is read.
const LARGEST_YAML: u64 = 128 << 20;
/// Notes kept; what comes after them is counted.
const MOST_NOTES: usize = 100;

/// Counts what was read and stops at the limit.
pub(super) struct Metered<R> {
    inner: R,
    read: Arc<AtomicU64>,
    most: u64,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read.load(Ordering::Relaxed) > self.most {
            return Err(io::Error::other("the recording is too large"));
        }
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(u64::try_from(read).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(read)
    }
}

/// `recording.yaml`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct About {
    name: Option<String>,
    at: Option<String>,
    server_version: Option<String>,
}

/// A recording that is being read.
pub(super) struct Load {
    inventory: SharedInventory,
    catalog: Catalog,
    spool: Spool,
    limits: Limits,
    read: Arc<AtomicU64>,
    files: usize,
    notes: Vec<String>,
    unnoted: usize,
    about: About,
    stamped: Option<Timestamp>,
    newest: Option<Timestamp>,
    modified: Option<SystemTime>,
    gathered: BTreeSet<String>,
    uid: String,
    version: String,
    /// The file that is being read.
    path: String,
}

impl Load {
    /// Begins to read; the inventory's lists begin too.
    pub(super) fn new(inventory: &SharedInventory, limits: Limits) -> Self {
        inventory.change(|inventory| Kind::ALL.into_iter().for_each(|kind| inventory.begin(kind)));
        Self {
            inventory: inventory.clone(),
            catalog: Catalog::default(),
            spool: Spool::new(),
            limits,
            read: Arc::default(),
            files: 0,
            notes: Vec::new(),
            unnoted: 0,
            about: About::default(),
            stamped: None,
            newest: None,
            modified: None,
            gathered: BTreeSet::new(),
            uid: String::new(),
            version: String::new(),
            path: String::new(),
        }
    }

    /// Notes what was left out.
    pub(super) fn note(&mut self, note: String) {
        if self.notes.len() < MOST_NOTES { self.notes.push(note) } else { self.unnoted += 1 }
    }

    /// A file of the recording was changed then.
    pub(super) fn dated(&mut self, modified: Option<SystemTime>) {
        self.modified = self.modified.max(modified);
    }

    /// Counts what is read through `reader`.
    pub(super) fn metered<R: Read>(&self, reader: R) -> Metered<R> {
        Metered { inner: reader, read: Arc::clone(&self.read), most: self.limits.bytes }
    }

    /// Fails when the recording is larger than is read.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Limits { bytes, files } = self.limits;
        if self.read.load(Ordering::Relaxed) > bytes {
            bail!("it holds more than {} MiB unpacked; leave logs and audit files out", bytes >> 20);
        }
        if self.files > files {
            bail!("it holds more than {files} files; name the folder of one cluster");
        }
        Ok(())
    }

    /// Takes a file in. Only limits and a full disk are errors; what is wrong with the file is noted.
    pub(super) fn file(
        &mut self,
        path: &str,
        reader: &mut dyn Read,
        disk: Option<Arc<PathBuf>>,
    ) -> anyhow::Result<()> {
        self.files += 1;
        self.check()?;
        path.clone_into(&mut self.path);
        let role = layout::role(path);
        // The bytes of an archive are counted where they are unpacked, except those that are packed again inside.
        let packed = matches!(role, Role::Json { gz: true } | Role::Yaml { gz: true });
        let mut reader: Box<dyn Read + '_> = match (&disk, packed) {
            (_, true) => Box::new(self.metered(MultiGzDecoder::new(reader))),
            (Some(_), false) => Box::new(self.metered(reader)),
            (None, false) => Box::new(reader),
        };
        let done = match role {
            Role::Json { .. } => documents::json(reader, self),
            Role::Yaml { .. } => self.yaml(&mut *reader),
            Role::Log { namespace, pod, container, previous } => {
                let place = match disk {
                    Some(path) => Place::Disk(path),
                    None => self.spool.put(&mut *reader)?,
                };
                self.log(&namespace, &pod, container.as_deref(), previous, place);
                Ok(())
            }
            Role::About => self.about(&mut *reader),
            Role::Timestamp => self.timestamp(&mut *reader),
            Role::Other => Ok(()),
        };
        self.check()?;
        if let Err(error) = done {
            self.note(format!("{path} was read in part or not at all: {error:#}"));
        }
        Ok(())
    }

    /// Takes a file in that is embedded in the binary.
    pub(super) fn embedded(&mut self, path: &str, text: &'static [u8]) -> anyhow::Result<()> {
        path.clone_into(&mut self.path);
        match layout::role(path) {
            Role::Json { .. } => documents::embedded(text, self),
            Role::Log { namespace, pod, container, previous } => {
                self.log(&namespace, &pod, container.as_deref(), previous, Place::Embedded(text));
                Ok(())
            }
            _ => self.file(path, &mut &*text, None),
        }
    }

    fn log(&mut self, namespace: &str, pod: &str, container: Option<&str>, previous: bool, place: Place) {
        let key = (namespace.into(), pod.into(), container.map(Into::into));
        let logs = self.catalog.logs.entry(key).or_default();
        let slot = if previous { &mut logs.previous } else { &mut logs.current };
        *slot = Some(place);
    }

    fn yaml(&mut self, reader: &mut dyn Read) -> anyhow::Result<()> {
        let mut text = String::new();
        if reader.take(LARGEST_YAML + 1).read_to_string(&mut text)? as u64 > LARGEST_YAML {
            bail!("it is larger than {} MiB; record it as JSON", LARGEST_YAML >> 20);
        }
        documents::yaml(&text, self)
    }

    fn about(&mut self, reader: &mut dyn Read) -> anyhow::Result<()> {
        // The one of the recording itself, not of something that lies deep in it.
        if self.path.matches('/').count() <= 1 {
            let mut text = String::new();
            reader.take(1 << 16).read_to_string(&mut text)?;
            self.about = serde_saphyr::from_str(&text)?;
        }
        Ok(())
    }

    /// A must-gather writes when it began and ended, as Go prints times.
    fn timestamp(&mut self, reader: &mut dyn Read) -> anyhow::Result<()> {
        let mut text = String::new();
        reader.take(1 << 12).read_to_string(&mut text)?;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some(date), Some(time), Some(offset)) = (words.next(), words.next(), words.next()) {
                self.stamped = self.stamped.max(format!("{date}T{time}{offset}").parse().ok());
            }
        }
        Ok(())
    }

    /// Everything was read: says how far each kind is known and when the recording was made.
    pub(super) fn finish(mut self, name: &str) -> anyhow::Result<Opened> {
        if self.catalog.is_empty() && self.catalog.logs.is_empty() {
            let why = self.notes.first().map(|note| format!("; {note}")).unwrap_or_default();
            bail!(
                "{} files were read and no Kubernetes object was found in them: a recording is what `kubectl get … -A -o json` \
                 (or yaml) printed, a `kubectl cluster-info dump --output-directory`, or a must-gather{why}",
                self.files
            );
        }
        let at = self.time()?;
        let name = self.about.name.take().unwrap_or_else(|| name.to_owned());
        let is_openshift = self.catalog.has_group("openshift.io");
        let version = self.about.server_version.take().unwrap_or_else(|| std::mem::take(&mut self.version));
        let everywhere = self.gathered.is_empty();
        let scope = Scope::Namespaces(self.gathered.iter().map(|ns| ns.as_str().into()).collect());
        self.inventory.change(|inventory| {
            for kind in Kind::ALL {
                inventory.complete(kind, None);
                let resource = kind.resource();
                inventory.set_sync(
                    kind,
                    if self.catalog.has(resource.group, resource.kind) {
                        Sync::Synced
                    } else if kind.is_optional() && !is_openshift {
                        Sync::Absent
                    } else {
                        let plural = resource.plural;
                        let reason = format!(
                            "the recording has no {plural}; add what `kubectl get {plural} -A -o json` prints"
                        );
                        Sync::Failing { reason: reason.as_str().into() }
                    },
                );
            }
            inventory.set_info(|info| {
                info.source = Source::Recorded { at: at.as_second(), name: name.as_str().into() };
                info.uid = self.uid.as_str().into();
                info.version = version.as_str().into();
                info.is_openshift = Some(is_openshift);
                info.connection = Connection::Up;
                info.scope = if everywhere { Scope::Cluster } else { scope };
            });
        });
        if self.unnoted > 0 {
            self.notes.push(format!("{} more notes were left out", self.unnoted));
        }
        let cluster = Recorded::new(name, at, self.catalog, self.spool);
        Ok(Opened { cluster: Arc::new(cluster), at, notes: self.notes })
    }

    /// When the recording was made: as it says itself, else when the newest thing in it happened.
    fn time(&mut self) -> anyhow::Result<Timestamp> {
        if let Some(at) = &self.about.at {
            return at.parse().map_err(|error| {
                anyhow::anyhow!(
                    "recording.yaml: at: {at:?} is no RFC 3339 time such as 2026-01-31T09:30:00Z: {error}"
                )
            });
        }
        if let Some(at) = self.stamped {
            return Ok(at);
        }
        let newest = self.inventory.look().newest().and_then(|at| Timestamp::from_second(at).ok());
        if let Some(at) = newest.max(self.newest) {
            return Ok(at);
        }
        self.note("nothing in the recording has a time: the files' own dates are used".to_owned());
        let modified = self.modified.unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Timestamp::try_from(modified)?)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Manifest<'a> {
    #[serde(borrow)]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    metadata: Option<Meta<'a>>,
    #[serde(borrow)]
    server_version: Option<Version<'a>>,
    #[serde(borrow)]
    git_version: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta<'a> {
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resource_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    creation_timestamp: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Version<'a> {
    #[serde(borrow)]
    git_version: Option<Cow<'a, str>>,
}

impl documents::Sink for Load {
    fn object(&mut self, text: Text<'_>, head: &Head) -> anyhow::Result<()> {
        let read: Manifest<'_> = match serde_json::from_str(text.as_str()) {
            Ok(read) => read,
            Err(error) => {
                self.note(format!("{}: an object cannot be read: {error}", self.path));
                return Ok(());
            }
        };
        let version = read.server_version.and_then(|version| version.git_version).or(read.git_version);
        if let Some(version) = version {
            self.version = version.into_owned();
            return Ok(());
        }
        let meta = read.metadata.unwrap_or_default();
        let name = meta.name.unwrap_or_default();
        let told = (read.api_version.unwrap_or_default(), read.kind.unwrap_or_default());
        let of_list = head.kind.strip_suffix("List").filter(|kind| head.is_list && !kind.is_empty());
        let (api_version, kind) = match (told, of_list) {
            (told, _) if !told.1.is_empty() => (told.0.into_owned(), told.1.into_owned()),
            (_, Some(kind)) => (head.api_version.clone(), kind.to_owned()),
            _ => kinds::of_word(layout::stem(&self.path)).map(|(v, k)| (v, k.to_owned())).unwrap_or_default(),
        };
        if name.is_empty() || kind.is_empty() {
            self.note(format!(
                "{}: something is no Kubernetes object (it has no kind or no name)",
                self.path
            ));
            return Ok(());
        }
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
        // Events have two groups and are one kind.
        let group = if kind == "Event" { "" } else { group };
        let namespace = meta.namespace.unwrap_or_default();
        let key = (Box::from(&*namespace), Box::from(&*name));
        let resource_version = meta.resource_version.and_then(|version| version.parse().ok()).unwrap_or(0);
        if !self.catalog.wants(group, &kind, &key, resource_version) {
            return Ok(());
        }
        let kept = kept(text.as_str(), &api_version, &kind)?;
        let whole = kept.as_deref().unwrap_or_else(|| text.as_str());
        if let Some(row) = Kind::of_manifest(&api_version, &kind) {
            let applied =
                self.inventory.change(|inventory| inventory.apply(row, Change::Applied(whole.as_bytes())));
            if let Err(error) = applied {
                let error = anyhow::Error::from(error);
                self.note(format!("{}: {kind} {namespace}/{name} has no row: {error:#}", self.path));
            }
        }
        if kind == "Namespace" && name == "kube-system" {
            self.uid = meta.uid.unwrap_or_default().into_owned();
        }
        if kind == "CustomResourceDefinition" {
            kinds::defined(whole).into_iter().for_each(|resource| self.catalog.define(resource));
        }
        if let Some(gathered) = layout::gathered_namespace(&self.path) {
            self.gathered.insert(gathered.to_owned());
        }
        self.newest = self.newest.max(meta.creation_timestamp.and_then(|at| at.parse().ok()));
        let place = match (&text, &kept) {
            (Text::Fixed(text), None) => Place::Embedded(text.as_bytes()),
            _ => self.spool.put(&mut whole.as_bytes())?,
        };
        self.catalog.insert(group, version, &kind, key, Stored { place, version: resource_version });
        Ok(())
    }

    fn list(&mut self, head: &Head) {
        let of_list = head.kind.strip_suffix("List").filter(|kind| !kind.is_empty());
        let of_file = || kinds::of_word(layout::stem(&self.path));
        let (api_version, kind) = match (of_list, of_file()) {
            (Some(kind), _) => (head.api_version.clone(), kind),
            (None, Some((api_version, kind))) => (api_version, kind),
            (None, None) => return,
        };
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
        self.catalog.touch(if kind == "Event" { "" } else { group }, version, kind);
    }
}

/// The text to keep when it is not the text that was read: with the kind that only the list told, or without the data
/// of a Secret.
fn kept(text: &str, api_version: &str, kind: &str) -> anyhow::Result<Option<String>> {
    let is_secret = kind == "Secret" && !api_version.contains('/');
    let told: Manifest<'_> = serde_json::from_str(text)?;
    if !is_secret && told.kind.is_some_and(|kind| !kind.is_empty()) {
        return Ok(None);
    }
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    if is_secret {
        object.remove("data");
        object.remove("stringData");
        // It repeats the data.
        let annotations = object.get_mut("metadata").and_then(|meta| meta.get_mut("annotations"));
        if let Some(annotations) = annotations.and_then(serde_json::Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    Ok(Some(serde_json::Value::Object(object).to_string()))
}
