//! Jobs and CronJobs.

use std::sync::Arc;

use super::{Condition, ContainerSpec, Meta, Seconds};
use crate::Name;

/// A Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Metadata.
    pub meta: Meta,
    /// `spec.completions`, when set.
    pub completions: Option<i32>,
    /// `spec.parallelism` (1 when absent).
    pub parallelism: i32,
    /// `spec.backoffLimit` (6 when absent).
    pub backoff_limit: i32,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `status.active`.
    pub active: i32,
    /// `status.succeeded`.
    pub succeeded: i32,
    /// `status.failed`.
    pub failed: i32,
    /// `status.startTime`.
    pub started: Option<Seconds>,
    /// `status.completionTime`.
    pub completed: Option<Seconds>,
    /// Conditions.
    pub conditions: Box<[Condition]>,
    /// Containers of the template.
    pub containers: Arc<[Arc<ContainerSpec>]>,
}

/// A CronJob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronJobRow {
    /// Metadata.
    pub meta: Meta,
    /// `spec.schedule`.
    pub schedule: Name,
    /// `spec.timeZone`, empty when absent.
    pub time_zone: Name,
    /// `spec.suspend`.
    pub suspended: bool,
    /// Number of `status.active`.
    pub active: i32,
    /// `status.lastScheduleTime`.
    pub last_scheduled: Option<Seconds>,
    /// `status.lastSuccessfulTime`.
    pub last_successful: Option<Seconds>,
}
