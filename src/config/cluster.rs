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

impl Default for Cluster {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            namespace: None,
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
