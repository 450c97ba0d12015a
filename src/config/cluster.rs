//! `cluster`: which cluster, and how much of it.
//!
//! It opens no kubeconfig; the cluster room does.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which cluster, and how much of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Cluster {
    /// Kubeconfig file, or several joined as in KUBECONFIG. Unset: KUBECONFIG, then ~/.kube/config, then the pod's service account.
    pub kubeconfig: Option<String>,
    /// Context of the kubeconfig. Unset: its current one.
    pub context: Option<String>,
    /// Namespace meant when a question names none. Unset: the context's.
    pub namespace: Option<String>,
    /// Reach the cluster through another aiops, and not by a kubeconfig.
    pub member: Member,
    /// Read this recorded cluster (a folder, a must-gather or an archive of either) and connect to none.
    pub recording: Option<PathBuf>,
    /// Look at these namespaces only. Empty: at all, or at those the credentials may see.
    pub namespaces: Vec<String>,
    /// Events kept in memory, 100 to 1000000; the oldest go first.
    #[schemars(range(min = 100, max = 1_000_000))]
    pub event_capacity: usize,
    /// Requests per second to the API server, beside watches, at most.
    #[schemars(range(min = 0.1, max = 10_000.0))]
    pub qps: f64,
    /// How many of them may come at once.
    #[schemars(range(min = 1, max = 100_000))]
    pub burst: u32,
}

/// Another aiops that stands at the cluster, in standalone mode with `acting.enabled` and us in its `acting.grantedTo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Member {
    /// Where it serves, without `/mcp`. Unset: none, the cluster is reached by the kubeconfig.
    pub url: Option<String>,
    /// A file with the bearer token that the member knows us by. It is read again at each call.
    pub token_file: Option<PathBuf>,
    /// The engine of this process acts through its own MCP server: over the wire of a member, to the cluster of the kubeconfig.
    pub in_process: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            namespace: None,
            member: Member::default(),
            recording: None,
            namespaces: Vec::new(),
            event_capacity: 12_000,
            qps: 50.0,
            burst: 100,
        }
    }
}

impl Cluster {
    /// The files of `kubeconfig`, in the order in which they are merged.
    pub fn kubeconfig_files(&self) -> Vec<PathBuf> {
        let text = self.kubeconfig.as_deref().unwrap_or_default();
        std::env::split_paths(text).filter(|path| !path.as_os_str().is_empty()).collect()
    }
}
