//! Recorded clusters: files that feed the inventory instead of a watch, and answer live reads in its place.
//!
//! Reads what `kubectl get -A -o json` (or yaml) printed, `kubectl cluster-info dump` folders and OpenShift must-gathers,
//! as a folder or as a tar archive, and the one recording that is embedded in the binary. It writes nothing back, follows
//! no link out of the recording, and knows no API server. Objects are streamed into rows; what is kept of their text is
//! compressed beside an index.

mod catalog;
mod demo;
mod documents;
mod files;
mod kinds;
mod layout;
mod load;
mod logs;
mod reads;
mod spool;

use std::{path::Path, sync::Arc};

use aiops_engine::{SharedInventory, ports};
use anyhow::Context as _;

/// A recording that was read.
pub struct Opened {
    /// Reads of single objects, lists and logs, from the files.
    pub cluster: Arc<dyn ports::Cluster>,
    /// When the recording was made; the clock stands still there.
    pub at: jiff::Timestamp,
    /// What was left out or could not be read, one sentence each, for the log and `doctor`.
    pub notes: Vec<String>,
}

/// How much is read of a recording; above it is refused as a whole, not read in part.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes, unpacked.
    pub bytes: u64,
    /// Files.
    pub files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 2 << 30, files: 200_000 }
    }
}

/// Reads the recording at `path` (a folder, an archive or a single file) into the inventory.
pub fn open(path: &Path, inventory: &SharedInventory) -> anyhow::Result<Opened> {
    open_within(path, Limits::default(), inventory)
}

/// The same, of a recording that is no larger than `limits`.
pub fn open_within(path: &Path, limits: Limits, inventory: &SharedInventory) -> anyhow::Result<Opened> {
    let mut load = load::Load::new(inventory, limits);
    files::read(path, &mut load).with_context(|| format!("cannot read the recording {}", path.display()))?;
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    load.finish(&name).with_context(|| format!("cannot use {} as a recording", path.display()))
}

/// Reads the recording that is embedded in this binary.
pub fn demo(inventory: &SharedInventory) -> anyhow::Result<Opened> {
    let mut load = load::Load::new(inventory, Limits::default());
    for (path, text) in demo::FILES {
        load.embedded(path, text)?;
    }
    load.finish("checkout-outage").context("cannot use the embedded recording")
}

/// The objects of the embedded recording, for the model that the demo acts on: manifests, and lists of them.
///
/// # Errors
/// A file is no JSON, which none is.
pub fn demo_objects() -> anyhow::Result<Vec<serde_json::Value>> {
    let manifests = demo::FILES.iter().filter(|(path, _)| path.ends_with(".json"));
    let read = |(path, text): &(&str, &[u8])| {
        serde_json::from_slice(text).with_context(|| format!("cannot read {path} of the embedded recording"))
    };
    manifests.map(read).collect()
}
