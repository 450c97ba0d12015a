//! Nodes.

use std::sync::Arc;

use super::{Condition, Meta, Seconds};
use crate::Name;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Metadata.
    pub meta: Meta,
    /// Roles from the `node-role.kubernetes.io/…` labels, sorted.
    pub roles: Arc<[Name]>,
    /// `spec.unschedulable`.
    pub cordoned: bool,
    /// `spec.taints`.
    pub taints: Arc<[Taint]>,
    /// All conditions; the `Ready` one first when present.
    pub conditions: Box<[Condition]>,
    /// `status.capacity`.
    pub capacity: NodeResources,
    /// `status.allocatable`.
    pub allocatable: NodeResources,
    /// `status.nodeInfo.kubeletVersion`.
    pub kubelet: Name,
    /// `status.nodeInfo.osImage`.
    pub os_image: Name,
    /// `status.nodeInfo.containerRuntimeVersion`.
    pub runtime: Name,
    /// Architecture, such as `amd64`.
    pub architecture: Name,
    /// The address of type `InternalIP`, empty when absent.
    pub internal_ip: Name,
}

/// What a node has or can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeResources {
    /// CPU in millicores.
    pub cpu_milli: Option<i64>,
    /// Memory in bytes.
    pub memory_bytes: Option<i64>,
    /// Number of pods.
    pub pods: Option<i64>,
    /// Ephemeral storage in bytes.
    pub ephemeral_bytes: Option<i64>,
}

/// A taint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Taint {
    /// Key.
    pub key: Name,
    /// Value, empty when absent.
    pub value: Name,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: Name,
    /// `timeAdded`, when known.
    pub since: Option<Seconds>,
}

impl NodeRow {
    /// The `Ready` condition, when the node reports one.
    pub fn ready_condition(&self) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.kind == "Ready")
    }

    /// Whether the node says that it is ready; `None` when it never reported.
    pub fn ready(&self) -> Option<bool> {
        self.ready_condition().map(|c| c.status == super::Truth::True)
    }
}
