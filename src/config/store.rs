//! `store`: where incidents and workflows are kept, and for how long.
//!
//! It opens nothing and reads no file; the store room does.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration;

/// Where incidents and workflows are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Store {
    /// URL of a PostgreSQL database, `postgres://USER@HOST/DATABASE`, for several replicas. Unset: a SQLite file in
    /// `stateDir`. Where it has a password, `urlFile` is the better place.
    pub url: Option<String>,
    /// File that holds the URL, such as a mounted Secret; it wins over `url`.
    pub url_file: Option<PathBuf>,
    /// How long to wait for a lock that somebody else holds, such as `5s`.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub busy_timeout: Duration,
    /// For how many days workflows and incidents are kept after their end, up to 3650; 0 keeps them for ever. Audit lines
    /// are always kept.
    #[schemars(range(max = 3650))]
    pub retention_days: u32,
    /// The most bytes that the SQLite file may grow to. Unset: as many as the disk has.
    #[schemars(range(min = 1_048_576))]
    pub max_bytes: Option<u64>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            busy_timeout: Duration::from_secs(5),
            retention_days: 30,
            max_bytes: None,
        }
    }
}

impl Store {
    /// How long workflows and incidents are kept after their end; for ever is longer than anybody waits.
    pub fn retention(&self) -> Duration {
        const DAY: u64 = 24 * 3_600;
        const FOR_EVER: u64 = 1_000 * 365 * DAY;
        match self.retention_days {
            0 => Duration::from_secs(FOR_EVER),
            days => Duration::from_secs(u64::from(days) * DAY),
        }
    }
}

/// What is wrong with a store's URL, if something is. It is not repeated: it may hold a password.
pub(super) fn not_a_store(url: &str) -> Option<String> {
    let is_ours = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    (!is_ours).then(|| {
        "must begin with postgres://; for SQLite leave it out and set stateDir, where the file lives"
            .to_owned()
    })
}
