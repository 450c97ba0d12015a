//! The files of a state directory that are the store's, and the lock that says who executes on them.
//!
//! It looks at files and makes folders; it opens no database and removes nothing.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
    path::{Path, PathBuf},
};

use aiops_engine::ports::store::StoreError;

/// The files of a state directory that are the store's.
#[derive(Debug, Clone)]
pub(in crate::store) struct Place {
    pub(in crate::store) folder: PathBuf,
    pub(in crate::store) database: PathBuf,
    pub(in crate::store) log: PathBuf,
    pub(in crate::store) mark: PathBuf,
    pub(in crate::store) lock: PathBuf,
    /// Where a store is made before it is moved to its place.
    pub(in crate::store) new: PathBuf,
}

impl Place {
    pub(in crate::store) fn of(folder: &Path) -> Self {
        let file = |name: &str| folder.join(name);
        Self {
            folder: folder.to_owned(),
            database: file("aiops.db"),
            log: file("aiops.db-wal"),
            mark: file("aiops.mark"),
            lock: file("aiops.lock"),
            new: file("aiops.db.new"),
        }
    }
}

pub(in crate::store) fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// A file for our eyes only.
pub(in crate::store) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes the state directory for this process; `None` when another one has it.
pub(in crate::store) fn take_lock(path: &Path) -> std::io::Result<Option<File>> {
    let mut file = private().create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // For people who wonder; nothing is decided by it, and a disk that is full has no room for it.
    if let Err(error) = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())) {
        tracing::debug!(path = %path.display(), %error, "who holds the state directory cannot be noted");
    }
    Ok(Some(file))
}

/// Whether another process has the state directory. The lock is let go at once when it is free: whoever begins in that
/// moment takes it a little later.
pub(in crate::store) fn is_held(folder: &Path) -> bool {
    let opened = OpenOptions::new().write(true).open(Place::of(folder).lock);
    opened.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// What the process that has the state directory wrote into its lock.
pub(in crate::store) fn holder(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(Place::of(folder).lock).ok()?;
    Some(text.trim().to_owned()).filter(|holder| !holder.is_empty())
}

/// Whether there is a store; what remains of one is no reason to begin another.
pub(super) fn exists(place: &Place) -> Result<bool, StoreError> {
    let size = |path: &Path| match fs::metadata(path) {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::ReadOnly(format!("{} cannot be looked at: {error}", path.display()))),
    };
    if size(&place.database)?.is_some() {
        return Ok(true);
    }
    let database = place.database.display();
    for rest in [&place.log, &place.mark] {
        if size(rest)?.is_some_and(|size| size > 0) {
            return Err(StoreError::ReadOnly(format!(
                "{database} is gone but {} is there: put it back or restore a backup with `aiops db restore`; delete \
                 the rest to begin anew without what was kept",
                rest.display()
            )));
        }
    }
    Ok(false)
}

/// Makes a rename survive a loss of power, where the system can.
pub(in crate::store) fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder)
        && let Err(error) = folder.sync_all()
    {
        tracing::debug!(%error, "the state directory cannot be synced");
    }
}
