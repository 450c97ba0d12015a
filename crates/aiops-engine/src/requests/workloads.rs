//! Workloads: Deployments, StatefulSets, DaemonSets, Jobs and CronJobs, those in trouble first.

use std::collections::HashMap;

use aiops_inventory::{Inventory, Key, Kind, page::digest, rows::Meta};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Engine, Error,
    answer::{Standing, age},
    budget, detectors,
    issue::{Issue, Object, Severity},
    page::{Listing, Page},
    rollout::{self, Counts},
};

/// A kind of workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum WorkloadKind {
    /// apps/v1 Deployment.
    Deployment,
    /// apps/v1 StatefulSet.
    StatefulSet,
    /// apps/v1 DaemonSet.
    DaemonSet,
    /// batch/v1 Job.
    Job,
    /// batch/v1 CronJob.
    CronJob,
}

impl WorkloadKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Deployment, Self::StatefulSet, Self::DaemonSet, Self::Job, Self::CronJob];

    /// The kind of its rows.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Deployment => Kind::Deployment,
            Self::StatefulSet => Kind::StatefulSet,
            Self::DaemonSet => Kind::DaemonSet,
            Self::Job => Kind::Job,
            Self::CronJob => Kind::CronJob,
        }
    }

    /// Reads a kind as people write it: any case, plural, short name.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "deployment" | "deployments" | "deploy" => Self::Deployment,
            "statefulset" | "statefulsets" | "sts" => Self::StatefulSet,
            "daemonset" | "daemonsets" | "ds" => Self::DaemonSet,
            "job" | "jobs" => Self::Job,
            "cronjob" | "cronjobs" | "cj" => Self::CronJob,
            _ => return None,
        })
    }
}

/// Which workloads.
#[derive(Debug, Clone, Default)]
pub struct ListWorkloads {
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only this kind.
    pub kind: Option<WorkloadKind>,
    /// Only workloads with these labels.
    pub label_selector: Option<String>,
    /// At most this many rows.
    pub limit: Option<u32>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Workloads, those in trouble first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WorkloadList {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// How many there are and what was left out.
    #[serde(flatten)]
    pub page: Page,
    /// The rows.
    pub workloads: Vec<WorkloadItem>,
}

/// One workload in a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct WorkloadItem {
    /// Kind.
    pub kind: &'static str,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// complete, progressing, stuck, degraded, paused, scaled_to_zero, running, succeeded, failed, suspended or scheduled.
    pub status: &'static str,
    /// Wanted and present replicas; null for CronJobs.
    pub replicas: Option<Counts>,
    /// Age.
    pub age: String,
    /// Codes of what is wrong with it or its pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<&'static str>,
}

impl Engine {
    /// Lists workloads.
    pub fn list_workloads(&self, request: &ListWorkloads) -> Result<WorkloadList, Error> {
        let inventory = self.look();
        let now = self.now();
        let kinds: Vec<WorkloadKind> =
            request.kind.map_or_else(|| WorkloadKind::ALL.to_vec(), |kind| vec![kind]);
        let watched: Vec<Kind> = kinds.iter().map(|k| k.kind()).chain([Kind::Pod]).collect();
        let namespace = request.namespace.as_deref().filter(|ns| !ns.is_empty());
        let standing = self.standing_in(&inventory, &watched, namespace);
        if let Some(namespace) = namespace {
            self.seen_namespace(&inventory, namespace)?;
        }
        let selector = super::selector(request.label_selector.as_deref())?;
        let mut keys = Vec::new();
        for kind in &kinds {
            each(&inventory, *kind, namespace, &mut |meta| {
                let of_cron_job = meta.owner.as_ref().is_some_and(|owner| owner.kind == "CronJob");
                if selector.matches(&meta.labels) && !of_cron_job {
                    let name = format!("{}/{}", kind.kind(), meta.key.name);
                    keys.push(Key::new(meta.key.namespace.clone(), name));
                }
            });
        }
        keys.sort_unstable();
        let view = detectors::View { inventory: &inventory, now: now.as_second(), namespace };
        let mut issues: HashMap<Object, Vec<Issue>> = HashMap::new();
        for issue in detectors::issues(view) {
            issues.entry(issue.object.clone()).or_default().push(issue);
        }
        let worst = |key: &Key| {
            let (kind, name) = key.name.split_once('/').unwrap_or_default();
            let object = Object::new(kind, key.namespace.clone(), name.into());
            issues.get(&object).and_then(|found| found.iter().map(|i| i.severity).min())
        };
        let text = |t: &Option<String>| t.clone().unwrap_or_default();
        let kind_word = request.kind.map_or("", |k| k.kind().name());
        let (asked_namespace, asked_labels) = (text(&request.namespace), text(&request.label_selector));
        let question = digest([
            b"workloads".as_slice(),
            asked_namespace.as_bytes(),
            kind_word.as_bytes(),
            asked_labels.as_bytes(),
        ]);
        let listing = Listing::new(question, request.limit, request.cursor.as_deref(), keys)?;
        let (workloads, page) = listing.fill(
            |key| worst(key).map_or(9, severity_rank),
            budget::of(request.limit),
            |key| item(&inventory, key, now, &issues),
        );
        // None found while a kind is not known does not mean that there are none.
        let lacking = kinds.iter().filter(|kind| standing.lacks(kind.kind())).count();
        let known = lacking == 0 || (lacking < kinds.len() && page.total != Some(0));
        Ok(WorkloadList { standing, page: page.known(known), workloads })
    }
}

const fn severity_rank(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 0,
        Severity::High => 1,
        Severity::Medium => 2,
        Severity::Low => 3,
    }
}

fn each(inventory: &Inventory, kind: WorkloadKind, namespace: Option<&str>, see: &mut dyn FnMut(&Meta)) {
    match kind {
        WorkloadKind::Deployment => inventory.deployments().scoped(namespace).for_each(|r| see(&r.meta)),
        WorkloadKind::StatefulSet => inventory.stateful_sets().scoped(namespace).for_each(|r| see(&r.meta)),
        WorkloadKind::DaemonSet => inventory.daemon_sets().scoped(namespace).for_each(|r| see(&r.meta)),
        WorkloadKind::Job => inventory.jobs().scoped(namespace).for_each(|r| see(&r.meta)),
        WorkloadKind::CronJob => inventory.cron_jobs().scoped(namespace).for_each(|r| see(&r.meta)),
    }
}

fn item(
    inventory: &Inventory,
    key: &Key,
    now: Timestamp,
    issues: &HashMap<Object, Vec<Issue>>,
) -> Option<WorkloadItem> {
    let (kind, name) = key.name.split_once('/')?;
    let kind = WorkloadKind::parse(kind)?;
    let state = rollout::state(inventory, kind, &key.namespace, name)?;
    let object = Object::new(kind.kind().name(), key.namespace.clone(), name.into());
    Some(WorkloadItem {
        kind: kind.kind().name(),
        namespace: key.namespace.to_string(),
        name: name.to_owned(),
        status: state.status,
        replicas: state.counts,
        age: age(now, state.meta.created),
        issues: issues.get(&object).into_iter().flatten().map(|issue| issue.code).collect(),
    })
}
