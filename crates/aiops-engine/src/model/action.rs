//! The closed list of what aiops can do to a cluster. The same words on every door.
//!
//! An action says what is to be done on which object. How that becomes a request, how it is seen to be done and how it
//! is undone stands in [`crate::deeds`]; who may ask for it, in [`crate::guard`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::target::Target;

/// Something that aiops can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[schemars(inline)]
pub enum Action {
    /// Replace all pods of a workload, one after another as its strategy says.
    RestartWorkload {
        /// A Deployment, StatefulSet or DaemonSet.
        target: Target,
    },
    /// Set the number of replicas.
    ScaleWorkload {
        /// A Deployment or StatefulSet that no autoscaler owns.
        target: Target,
        /// How many.
        replicas: u32,
    },
    /// Set the pod template of an earlier revision.
    RollbackWorkload {
        /// A Deployment, StatefulSet or DaemonSet.
        target: Target,
        /// The revision to go back to.
        revision: i64,
        /// The ReplicaSet or ControllerRevision that holds that revision's template.
        source: String,
    },
    /// Set requests and limits of one container in the pod template.
    SetResources {
        /// A Deployment, StatefulSet or DaemonSet.
        target: Target,
        /// The container.
        container: String,
        /// What to set; what is not named stays.
        resources: Resources,
    },
    /// Evict a pod through the eviction API, which keeps its disruption budgets.
    EvictPod {
        /// The pod.
        target: Target,
    },
    /// Delete a pod that a Job left stuck. Never one without an owner.
    DeletePod {
        /// The pod.
        target: Target,
    },
    /// Let no new pod be scheduled to a node.
    CordonNode {
        /// The node.
        target: Target,
    },
    /// Let pods be scheduled to a node again.
    UncordonNode {
        /// The node.
        target: Target,
    },
    /// Ask Argo CD to sync an Application.
    SyncApplication {
        /// The Application.
        target: Target,
    },
    /// Ask Argo CD to sync an Application to an earlier entry of its history.
    RollbackApplication {
        /// The Application.
        target: Target,
        /// Id of the entry in `status.history`.
        history: i64,
    },
    /// Set one object of a Helm release back to what an earlier revision's manifest says.
    RevertManifest {
        /// The object.
        target: Target,
        /// The release.
        release: Release,
    },
    /// Record the rollback of a Helm release as Helm does: a new revision that is deployed, the old one superseded.
    RecordRelease {
        /// The Secret that the new revision is stored in.
        target: Target,
        /// The release.
        release: Release,
    },
    /// Make an operator look at its resource again.
    NudgeOperator {
        /// The operator's resource.
        target: Target,
    },
    /// Wait until a MachineConfigPool is updated. Changes nothing.
    AwaitPool {
        /// The pool.
        target: Target,
    },
}

/// Requests and limits of a container, as quantities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Resources {
    /// CPU request, such as `250m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_request: Option<String>,
    /// CPU limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<String>,
    /// Memory request, such as `256Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_request: Option<String>,
    /// Memory limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<String>,
}

/// A Helm release on its way from one revision back to the content of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// The namespace in which its Secrets are.
    pub namespace: String,
    /// The revision that is deployed now.
    pub from: i64,
    /// The revision whose manifest comes back.
    pub to: i64,
}

/// How a step is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum UndoClass {
    /// Every field goes back to its pre-image.
    Exact,
    /// It cannot be undone: such steps come last in a plan and are named.
    Irreversible,
    /// It changes nothing.
    Nothing,
}

impl Action {
    /// The object that is changed.
    pub const fn target(&self) -> &Target {
        match self {
            Self::RestartWorkload { target }
            | Self::ScaleWorkload { target, .. }
            | Self::RollbackWorkload { target, .. }
            | Self::SetResources { target, .. }
            | Self::EvictPod { target }
            | Self::DeletePod { target }
            | Self::CordonNode { target }
            | Self::UncordonNode { target }
            | Self::SyncApplication { target }
            | Self::RollbackApplication { target, .. }
            | Self::RevertManifest { target, .. }
            | Self::RecordRelease { target, .. }
            | Self::NudgeOperator { target }
            | Self::AwaitPool { target } => target,
        }
    }

    /// The word for it in plans, policies and tools.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RestartWorkload { .. } => "restart-workload",
            Self::ScaleWorkload { .. } => "scale-workload",
            Self::RollbackWorkload { .. } => "rollback-workload",
            Self::SetResources { .. } => "set-resources",
            Self::EvictPod { .. } => "evict-pod",
            Self::DeletePod { .. } => "delete-pod",
            Self::CordonNode { .. } => "cordon-node",
            Self::UncordonNode { .. } => "uncordon-node",
            Self::SyncApplication { .. } => "sync-application",
            Self::RollbackApplication { .. } => "rollback-application",
            Self::RevertManifest { .. } => "revert-manifest",
            Self::RecordRelease { .. } => "record-release",
            Self::NudgeOperator { .. } => "nudge-operator",
            Self::AwaitPool { .. } => "await-pool",
        }
    }

    /// How it is undone.
    pub const fn undo_class(&self) -> UndoClass {
        match self {
            Self::ScaleWorkload { .. }
            | Self::RollbackWorkload { .. }
            | Self::SetResources { .. }
            | Self::CordonNode { .. }
            | Self::UncordonNode { .. }
            | Self::RevertManifest { .. } => UndoClass::Exact,
            Self::RestartWorkload { .. }
            | Self::EvictPod { .. }
            | Self::DeletePod { .. }
            | Self::SyncApplication { .. }
            | Self::RollbackApplication { .. }
            | Self::RecordRelease { .. }
            | Self::NudgeOperator { .. } => UndoClass::Irreversible,
            Self::AwaitPool { .. } => UndoClass::Nothing,
        }
    }
}
