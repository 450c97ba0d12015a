//! The number of the last acknowledged commit, in a small file beside a SQLite database.
//!
//! SQLite reads a write-ahead log up to the first record that is not whole and goes on from there: a log whose end was
//! lost looks like one that never had it. Each commit counts itself in the database; its number is written here before
//! anybody is told. A database that is behind this number has lost something that was acknowledged.
//!
//! The file is not synced: it survives the end of the process, and after a loss of power it may be behind, which
//! accuses nobody.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use aiops_engine::fingerprint::sha256;
use parking_lot::Mutex;

/// The file, open for writing.
pub(super) struct Mark {
    path: PathBuf,
    store: String,
    file: Mutex<(File, i64)>,
}

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Marked {
    /// There is none: the database is believed.
    Nothing,
    /// This store, up to this commit.
    At {
        /// Id of the store.
        store: String,
        /// Number of the commit.
        commit: i64,
    },
    /// It cannot be read.
    Unreadable,
}

fn line(store: &str, commit: i64) -> String {
    let text = format!("{store} {commit:020}");
    let sum: String = sha256(&text).chars().take(8).collect();
    format!("{text} {sum}\n")
}

/// Reads the file.
pub(super) fn read(path: &Path) -> std::io::Result<Marked> {
    let mut text = String::new();
    match File::open(path) {
        Ok(mut file) => {
            if file.read_to_string(&mut text).is_err() {
                return Ok(Marked::Unreadable);
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Marked::Nothing),
        Err(error) => return Err(error),
    }
    let mut words = text.split_whitespace();
    let read = (|| {
        let (store, commit) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        (text == line(&store, commit)).then_some(Marked::At { store, commit })
    })();
    Ok(read.unwrap_or(Marked::Unreadable))
}

impl Mark {
    /// Opens the file and says how far this store is.
    pub(super) fn open(path: &Path, store: &str, commit: i64) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let mark = Self { path: path.to_owned(), store: store.to_owned(), file: Mutex::new((file, -1)) };
        mark.write(commit)?;
        Ok(mark)
    }

    /// Commit `number` is there. Commits may tell so in any order.
    pub(super) fn set(&self, number: i64) {
        if let Err(error) = self.write(number) {
            // Behind is safe: only a loss would go unseen.
            tracing::warn!(path = %self.path.display(), %error, "the number of the last commit cannot be noted");
        }
    }

    fn write(&self, number: i64) -> std::io::Result<()> {
        let mut guard = self.file.lock();
        let (file, last) = &mut *guard;
        if number <= *last {
            return Ok(());
        }
        // Always the same length, in one write below a page: it is there whole or not at all.
        file.rewind()?;
        file.write_all(line(&self.store, number).as_bytes())?;
        *last = number;
        Ok(())
    }
}
