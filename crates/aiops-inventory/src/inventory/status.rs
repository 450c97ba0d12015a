//! How fresh each kind is, and which cluster it all comes from.

use crate::{Name, rows::Seconds};

/// Whether the rows of a kind may be believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Sync {
    /// No list has come in yet; nothing is known, which is not the same as nothing there.
    #[default]
    Warming,
    /// Complete, and a live watch (or a recording) stands behind it.
    Synced,
    /// Complete as of then; the watch is broken since.
    Stale {
        /// When the watch broke.
        since: Seconds,
        /// Why, in one sentence.
        reason: Name,
    },
    /// The list never came in, for this reason; it is tried again.
    Failing {
        /// Why, in one sentence.
        reason: Name,
    },
    /// The API server refused the list: who may not do what.
    Forbidden {
        /// The API server's sentence.
        reason: Name,
    },
    /// The API server does not serve the kind.
    Absent,
}

impl Sync {
    /// Whether the rows are a complete picture of some moment.
    pub const fn is_known(&self) -> bool {
        matches!(self, Self::Synced | Self::Stale { .. })
    }

    /// The word used on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Warming => "warming",
            Self::Synced => "synced",
            Self::Stale { .. } => "stale",
            Self::Failing { .. } => "failing",
            Self::Forbidden { .. } => "forbidden",
            Self::Absent => "absent",
        }
    }
}

/// What is known about a kind as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KindStatus {
    /// Whether its rows may be believed.
    pub sync: Sync,
    /// Rows held.
    pub rows: usize,
    /// Objects that exist and could not be read; their rows are missing or older than they are.
    pub unreadable: u64,
    /// How often the watch broke and was begun again.
    pub restarts: u64,
    /// When the feed last heard anything (an object or a bookmark).
    pub heard: Option<Seconds>,
    /// The namespaces the feed may see, when it may not see all; sorted.
    pub scope: Scope,
}

impl KindStatus {
    /// Nothing known.
    pub const fn new() -> Self {
        Self { sync: Sync::Warming, rows: 0, unreadable: 0, restarts: 0, heard: None, scope: Scope::Cluster }
    }
}

/// How much of the cluster may be seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// Everything.
    #[default]
    Cluster,
    /// These namespaces only, sorted.
    Namespaces(Vec<Name>),
}

/// Which cluster the inventory is of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterInfo {
    /// Where the rows come from.
    pub source: Source,
    /// The kubeconfig context, empty in a cluster or for a recording.
    pub context: Name,
    /// The API server's URL, empty for a recording.
    pub server: Name,
    /// Uid of the namespace `kube-system`, which names a cluster; empty until it was read.
    pub uid: Name,
    /// `gitVersion` of the API server; empty until it was read.
    pub version: Name,
    /// Whether OpenShift's API groups are served; `None` until discovery answered.
    pub is_openshift: Option<bool>,
    /// Whether the API server answers.
    pub connection: Connection,
    /// How much of the cluster may be seen.
    pub scope: Scope,
}

/// Where the rows come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Source {
    /// Watches on an API server.
    #[default]
    Live,
    /// A recording made at this moment, of this name; ages count from the moment.
    Recorded {
        /// When it was made.
        at: Seconds,
        /// Its name, such as `checkout-outage`.
        name: Name,
    },
    /// No cluster is configured; the sentence says what was looked for and what to do.
    None {
        /// Why there is none.
        reason: Name,
    },
}

/// Whether the API server answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Connection {
    /// Not tried yet.
    #[default]
    Connecting,
    /// The last request was answered.
    Up,
    /// It does not answer since then.
    Down {
        /// Since when.
        since: Seconds,
        /// Why and what to do, in one sentence.
        reason: Name,
    },
}
