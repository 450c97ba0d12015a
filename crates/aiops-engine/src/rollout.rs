//! Where a workload's rollout stands, in the words of `kubectl rollout status`.

use std::sync::Arc;

use aiops_inventory::{
    Inventory,
    rows::{Condition, ContainerSpec, Meta, Truth},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::requests::workloads::WorkloadKind;

/// Wanted and present replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Counts {
    /// Wanted.
    pub desired: i32,
    /// Ready.
    pub ready: i32,
    /// Available (ready for minReadySeconds); for Jobs those that succeeded.
    pub available: i32,
    /// Of the newest template.
    pub updated: i32,
}

/// Where a workload stands.
#[derive(Debug, Clone)]
pub struct State {
    /// Its metadata.
    pub meta: Meta,
    /// One word.
    pub status: &'static str,
    /// One sentence.
    pub message: String,
    /// Replicas; `None` for CronJobs.
    pub counts: Option<Counts>,
    /// Revision: a number for Deployments, a hash for StatefulSets.
    pub revision: Option<String>,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Containers of the template.
    pub containers: Arc<[Arc<ContainerSpec>]>,
}

/// Where this workload stands; `None` when it does not exist.
pub fn state(inventory: &Inventory, kind: WorkloadKind, namespace: &str, name: &str) -> Option<State> {
    match kind {
        WorkloadKind::Deployment => deployment(inventory, namespace, name),
        WorkloadKind::StatefulSet => stateful_set(inventory, namespace, name),
        WorkloadKind::DaemonSet => daemon_set(inventory, namespace, name),
        WorkloadKind::Job => job(inventory, namespace, name),
        WorkloadKind::CronJob => cron_job(inventory, namespace, name),
    }
}

fn deployment(inventory: &Inventory, namespace: &str, name: &str) -> Option<State> {
    let row = inventory.deployments().get(namespace, name)?;
    let counts =
        Counts { desired: row.desired, ready: row.ready, available: row.available, updated: row.updated };
    let stuck = row.conditions.iter().find(|c| c.kind == "Progressing" && c.status == Truth::False);
    let (status, message) = if row.paused {
        ("paused", format!("the rollout is paused with {} of {} updated", row.updated, row.desired))
    } else if let Some(stuck) = stuck {
        let why = stuck.message.as_deref().unwrap_or(&stuck.reason);
        ("stuck", format!("the rollout does not get on: {why}"))
    } else {
        rolling(&counts, row.replicas, row.observed_generation < row.meta.generation)
    };
    Some(State {
        meta: row.meta.clone(),
        status,
        message,
        counts: Some(counts),
        revision: (row.revision > 0).then(|| row.revision.to_string()),
        conditions: row.conditions.to_vec(),
        containers: Arc::clone(&row.containers),
    })
}

fn stateful_set(inventory: &Inventory, namespace: &str, name: &str) -> Option<State> {
    let row = inventory.stateful_sets().get(namespace, name)?;
    let updated = if row.current_revision == row.update_revision { row.replicas } else { row.updated };
    let counts = Counts { desired: row.desired, ready: row.ready, available: row.available, updated };
    let (status, message) = rolling(&counts, row.replicas, row.observed_generation < row.meta.generation);
    Some(State {
        meta: row.meta.clone(),
        status,
        message,
        counts: Some(counts),
        revision: (!row.update_revision.is_empty()).then(|| row.update_revision.to_string()),
        conditions: row.conditions.to_vec(),
        containers: Arc::clone(&row.containers),
    })
}

fn daemon_set(inventory: &Inventory, namespace: &str, name: &str) -> Option<State> {
    let row = inventory.daemon_sets().get(namespace, name)?;
    let counts =
        Counts { desired: row.desired, ready: row.ready, available: row.available, updated: row.updated };
    let (status, message) = rolling(&counts, row.current, row.observed_generation < row.meta.generation);
    Some(State {
        meta: row.meta.clone(),
        status,
        message,
        counts: Some(counts),
        revision: None,
        conditions: row.conditions.to_vec(),
        containers: Arc::clone(&row.containers),
    })
}

fn rolling(counts: &Counts, present: i32, unobserved: bool) -> (&'static str, String) {
    let Counts { desired, available, updated, .. } = *counts;
    if unobserved {
        return ("progressing", "the controller has not seen the newest change yet".to_owned());
    }
    if desired == 0 && present == 0 {
        return ("scaled_to_zero", "no replicas are wanted".to_owned());
    }
    if updated < desired {
        return ("progressing", format!("{updated} of {desired} replicas are of the newest template"));
    }
    if present > updated {
        return (
            "progressing",
            format!("{} replicas of the old template are still there", present - updated),
        );
    }
    if available < desired {
        return ("degraded", format!("{available} of {desired} replicas are available"));
    }
    ("complete", format!("all {desired} replicas are updated and available"))
}

fn job(inventory: &Inventory, namespace: &str, name: &str) -> Option<State> {
    let row = inventory.jobs().get(namespace, name)?;
    let wanted = row.completions.unwrap_or(row.parallelism);
    let is = |kind: &str| row.conditions.iter().find(|c| c.kind == kind && c.status == Truth::True);
    let (status, message) = if let Some(failed) = is("Failed") {
        ("failed", failed.message.as_deref().unwrap_or(&failed.reason).to_owned())
    } else if is("Complete").is_some() {
        ("succeeded", format!("{} of {wanted} completions", row.succeeded))
    } else if row.suspended {
        ("suspended", "the job is suspended".to_owned())
    } else {
        let text =
            format!("{} active, {} of {wanted} succeeded, {} failed", row.active, row.succeeded, row.failed);
        ("running", text)
    };
    Some(State {
        meta: row.meta.clone(),
        status,
        message,
        counts: Some(Counts {
            desired: wanted,
            ready: row.active,
            available: row.succeeded,
            updated: wanted,
        }),
        revision: None,
        conditions: row.conditions.to_vec(),
        containers: Arc::clone(&row.containers),
    })
}

fn cron_job(inventory: &Inventory, namespace: &str, name: &str) -> Option<State> {
    let row = inventory.cron_jobs().get(namespace, name)?;
    let zone = if row.time_zone.is_empty() { String::new() } else { format!(" {}", row.time_zone) };
    let message = format!("schedule {:?}{zone}, {} active", row.schedule.as_str(), row.active);
    Some(State {
        meta: row.meta.clone(),
        status: if row.suspended { "suspended" } else { "scheduled" },
        message,
        counts: None,
        revision: None,
        conditions: Vec::new(),
        containers: Arc::default(),
    })
}
