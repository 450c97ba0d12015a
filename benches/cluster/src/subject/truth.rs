//! What the API server says there is, and the questions whose answers must say the same.
//!
//! It asks the API server alone, never aiops.

use serde_json::json;

use crate::{load::Question, plane::Plane};

/// What the API server says there is.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) nodes: u64,
    pub(crate) pods: u64,
    /// Pods of some namespaces.
    pub(crate) namespaces: Vec<(String, u64)>,
}

impl Truth {
    pub(crate) async fn of(plane: &Plane) -> anyhow::Result<Self> {
        let mut namespaces = Vec::new();
        for name in plane.namespaces().await? {
            let pods = plane.count(&format!("/api/v1/namespaces/{name}/pods")).await?;
            namespaces.push((name, pods));
        }
        Ok(Self {
            nodes: plane.count("/api/v1/nodes").await?,
            pods: plane.count("/api/v1/pods").await?,
            namespaces,
        })
    }

    /// Cluster health, asked in as many ways as there are namespaces and more.
    pub(crate) fn health(&self) -> Vec<Question> {
        let ask = |arguments, expected| Question { tool: "get-cluster-health", arguments, expected };
        let mut all = Vec::new();
        for (namespace, pods) in &self.namespaces {
            all.push(ask(json!({"namespace": namespace}), vec![("/pods/total", json!(pods))]));
            let limit = all.len() % 50 + 1;
            all.push(ask(
                json!({"limit": limit}),
                vec![("/pods/total", json!(self.pods)), ("/nodes/total", json!(self.nodes))],
            ));
        }
        all.push(ask(json!({}), vec![("/pods/total", json!(self.pods))]));
        all
    }

    /// The one question of the smallest server.
    pub(crate) fn counts(&self) -> Vec<Question> {
        let ask = |arguments, pods: u64| Question {
            tool: "get-cluster-health",
            arguments,
            expected: vec![("/pods/total", json!(pods))],
        };
        self.namespaces.iter().map(|(name, pods)| ask(json!({"namespace": name}), *pods)).collect()
    }
}
