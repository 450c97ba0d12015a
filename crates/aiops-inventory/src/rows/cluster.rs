//! Namespaces, events, and the OpenShift kinds that tell of the cluster itself.

use super::{Condition, Meta, Seconds};
use crate::{Kind, Name};

/// A Namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceRow {
    /// Metadata.
    pub meta: Meta,
    /// `status.phase`: Active or Terminating.
    pub phase: Name,
    /// Conditions; a namespace that hangs in deletion says here why.
    pub conditions: Box<[Condition]>,
}

/// An event, from `core/v1` or `events.k8s.io/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Uid of the event itself; when it has none, a digest of its namespace and name.
    pub uid: u128,
    /// Name of the event itself.
    pub name: Name,
    /// Namespace of the event.
    pub namespace: Name,
    /// Kind of the object it is about.
    pub kind: Name,
    /// Name of the object it is about.
    pub object: Name,
    /// Uid of the object it is about; 0 when absent.
    pub object_uid: u128,
    /// `reason`, such as `FailedScheduling`.
    pub reason: Name,
    /// `type` is `Warning`.
    pub is_warning: bool,
    /// `message`, cut at 512 bytes.
    pub message: Name,
    /// The reporting component, empty when absent.
    pub source: Name,
    /// How often it was seen (at least 1).
    pub count: u32,
    /// First seen.
    pub first: Seconds,
    /// Last seen.
    pub last: Seconds,
}

impl EventRow {
    /// The kind of event rows; they live in a ring and not in a table, so they have no [`super::Row`].
    pub const KIND: Kind = Kind::Event;
}

/// An OpenShift ClusterOperator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterOperatorRow {
    /// Metadata.
    pub meta: Meta,
    /// The version named `operator`, empty when absent.
    pub version: Name,
    /// Conditions: Available, Progressing, Degraded, Upgradeable …
    pub conditions: Box<[Condition]>,
}

/// The OpenShift ClusterVersion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterVersionRow {
    /// Metadata.
    pub meta: Meta,
    /// `status.desired.version`.
    pub desired: Name,
    /// The newest completed version of `status.history`, empty when none.
    pub current: Name,
    /// Conditions.
    pub conditions: Box<[Condition]>,
}

/// An OpenShift MachineConfigPool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineConfigPoolRow {
    /// Metadata.
    pub meta: Meta,
    /// `spec.paused`.
    pub paused: bool,
    /// `status.machineCount`.
    pub machines: i32,
    /// `status.updatedMachineCount`.
    pub updated: i32,
    /// `status.readyMachineCount`.
    pub ready: i32,
    /// `status.unavailableMachineCount`.
    pub unavailable: i32,
    /// `status.degradedMachineCount`.
    pub degraded: i32,
    /// Conditions.
    pub conditions: Box<[Condition]>,
}
