//! Where the configuration says that the store is.

use std::path::PathBuf;

use aiops_engine::ports::store::StoreError;

use super::{Location, Options};
use crate::config::Loaded;

impl Options {
    /// The store that a configuration names: PostgreSQL by `store.urlFile` or `store.url`, else SQLite in the state
    /// directory.
    ///
    /// # Errors
    /// The file with the URL cannot be read, or no state directory is known.
    pub fn of(loaded: &Loaded) -> Result<Self, StoreError> {
        let store = &loaded.config.store;
        let url = match &store.url_file {
            Some(path) => Some(url_in(path.clone())?),
            None => store.url.clone(),
        };
        let location = match url {
            Some(url) => Location::Postgres(url),
            None => Location::Folder(loaded.state_dir().ok_or_else(|| {
                StoreError::Unavailable(
                    "no home folder is known, so there is no place to keep workflows in; set --state-dir"
                        .to_owned(),
                )
            })?),
        };
        Ok(Self { location, busy_timeout: store.busy_timeout, max_bytes: store.max_bytes })
    }
}

impl Location {
    /// A store as people name it on the command line: a PostgreSQL URL, `@FILE` that holds one, or a folder.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn named(text: &str) -> Result<Self, StoreError> {
        if let Some(path) = text.strip_prefix('@') {
            return url_in(PathBuf::from(path)).map(Self::Postgres);
        }
        let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        Ok(if is_url { Self::Postgres(text.to_owned()) } else { Self::Folder(PathBuf::from(text)) })
    }

    /// Where it is, without a password.
    pub fn shown(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Postgres(url) => {
                let after = url.split_once("://").map_or(url.as_str(), |(_, after)| after);
                let place = after.rsplit_once('@').map_or(after, |(_, place)| place);
                format!("postgres://{}", place.split('?').next().unwrap_or_default())
            }
        }
    }
}

fn url_in(path: PathBuf) -> Result<String, StoreError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(StoreError::Unavailable(format!(
            "the file {} with the store's URL cannot be read: {error}",
            path.display()
        ))),
    }
}
