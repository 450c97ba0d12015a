//! Feeds what the files hold into the inventory and the index, and says what could not be read.
//!
//! A broken file costs itself and nothing else. Data of Secrets is dropped before anything is kept. It asks nothing of a
//! clock: the recording's time is told by the recording.

mod objects;

use std::{
    collections::{BTreeMap, BTreeSet},
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
    Kind, Sync,
    inventory::{Connection, Scope, Source},
};
use anyhow::bail;
use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Limits, Opened,
    catalog::Catalog,
    documents, kinds,
    layout::{self, Role},
    reads::Recorded,
    spool::{Place, Spool},
};

/// Largest JSON file: its largest object must stand in memory while it is read.
const LARGEST_JSON: u64 = 512 << 20;
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
    /// Kinds of which something could not be read, and why.
    broken: BTreeMap<Kind, String>,
    /// The file that is being read, and the kinds that were found in it.
    path: String,
    kinds: BTreeSet<Kind>,
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
            broken: BTreeMap::new(),
            path: String::new(),
            kinds: BTreeSet::new(),
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
        if let Some(why) = self.spool.failure() {
            bail!(
                "its text cannot be put aside in the temporary folder: {why}; make room there or set TMPDIR"
            );
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
        self.kinds.clear();
        let role = layout::role(path);
        // The bytes of an archive are counted where they are unpacked, except those that are packed again inside.
        let packed = matches!(role, Role::Json { gz: true } | Role::Yaml { gz: true });
        let mut reader: Box<dyn Read + '_> = match (&disk, packed) {
            (_, true) => Box::new(self.metered(MultiGzDecoder::new(reader))),
            (Some(_), false) => Box::new(self.metered(reader)),
            (None, false) => Box::new(reader),
        };
        let done = match role {
            Role::Json { .. } => self.json(&mut *reader),
            Role::Yaml { .. } => self.yaml(&mut *reader),
            Role::Log { namespace, pod, container, previous } => {
                let place =
                    disk.map_or_else(|| self.spool.put_log(&mut *reader), |path| Ok(Place::Disk(path)));
                place
                    .map(|place| self.log(&namespace, &pod, container.as_deref(), previous, place))
                    .map_err(Into::into)
            }
            Role::About => self.about(&mut *reader),
            Role::Timestamp => self.timestamp(&mut *reader),
            Role::Other => Ok(()),
        };
        self.check()?;
        if let Err(error) = done {
            let why = format!("{path} was read in part or not at all: {error:#}");
            // What such a file is named after is not known completely either.
            let named =
                kinds::of_word(layout::stem(path)).and_then(|(api, kind)| Kind::of_manifest(&api, kind));
            for kind in std::mem::take(&mut self.kinds).into_iter().chain(named) {
                self.broken.entry(kind).or_insert_with(|| why.clone());
            }
            self.note(why);
        }
        Ok(())
    }

    /// The archive ends early: of no kind it is known whether there would have been more.
    pub(super) fn cut(&mut self, why: &str) {
        let why = format!("the archive is broken and was read up to there only: {why}");
        for kind in Kind::ALL {
            self.broken.entry(kind).or_insert_with(|| why.clone());
        }
        self.note(why);
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

    fn json(&mut self, reader: &mut dyn Read) -> anyhow::Result<()> {
        let mut reader = reader.take(LARGEST_JSON);
        let done = documents::json(&mut reader, self);
        if reader.limit() == 0 {
            bail!("it is larger than {} MiB; record one kind or one namespace a file", LARGEST_JSON >> 20);
        }
        done
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
                inventory.set_sync(kind, self.sync(kind, at, is_openshift));
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

    /// How far a kind is known.
    fn sync(&self, kind: Kind, at: Timestamp, is_openshift: bool) -> Sync {
        let resource = kind.resource();
        let has = self.catalog.has(resource.group, resource.kind);
        match self.broken.get(&kind) {
            Some(why) if has => Sync::Stale { since: at.as_second(), reason: why.as_str().into() },
            _ if has => Sync::Synced,
            _ if kind.is_optional() && !is_openshift => Sync::Absent,
            Some(why) => Sync::Failing { reason: why.as_str().into() },
            None => {
                let plural = resource.plural;
                let reason = format!(
                    "the recording has no {plural}; add what `kubectl get {plural} -A -o json` prints"
                );
                Sync::Failing { reason: reason.as_str().into() }
            }
        }
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
