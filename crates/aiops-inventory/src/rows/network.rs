//! Services, their endpoints, and OpenShift Routes.

use std::sync::Arc;

use super::Meta;
use crate::{Name, labels::LabelSet};

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRow {
    /// Metadata.
    pub meta: Meta,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    pub service_type: Name,
    /// `spec.selector`; empty when the endpoints are kept by somebody else.
    pub selector: Arc<LabelSet>,
    /// `port/protocol` of each port, such as `80/TCP`.
    pub ports: Arc<[Name]>,
    /// `spec.clusterIP`.
    pub cluster_ip: Name,
    /// A LoadBalancer that has an address already; `None` for other types.
    pub has_ingress: Option<bool>,
}

/// An EndpointSlice, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSliceRow {
    /// Metadata.
    pub meta: Meta,
    /// The Service it belongs to (label `kubernetes.io/service-name`), empty when absent.
    pub service: Name,
    /// Endpoints whose `conditions.ready` is not false.
    pub ready: u32,
    /// Endpoints whose `conditions.ready` is false.
    pub not_ready: u32,
}

/// An OpenShift Route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRow {
    /// Metadata.
    pub meta: Meta,
    /// `spec.host`.
    pub host: Name,
    /// `spec.to.name`.
    pub service: Name,
    /// At least one router admitted it.
    pub admitted: Option<bool>,
    /// Reason of the refusal, empty when admitted or unknown.
    pub reason: Name,
}
