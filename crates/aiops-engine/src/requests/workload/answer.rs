//! What is told of one workload, and what of it is left out when it is too long.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::LastChange;
use crate::{
    answer::Standing,
    requests::{events::EventGroup, health::Problem, nodes::ConditionItem},
    rollout::Counts,
};

/// Tokens that a whole answer takes at most, by our own estimate.
const LONGEST: usize = 1_800;

/// A workload in full.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WorkloadAnswer {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// Kind.
    pub kind: &'static str,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// complete, progressing, stuck, degraded, paused, scaled_to_zero, running, succeeded, failed, suspended or scheduled.
    pub status: &'static str,
    /// One sentence about the rollout.
    pub message: String,
    /// Replicas; null for CronJobs.
    pub replicas: Option<Counts>,
    /// Revision of the newest template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Age.
    pub age: String,
    /// Owners, nearest first, such as CronJob nightly.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owned_by: Vec<String>,
    /// Containers of the template.
    pub containers: Vec<TemplateContainer>,
    /// What the newest revision changed against the one before: images, requests, limits, probes, containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub template_change: Vec<String>,
    /// Revisions, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
    /// Its pods; null when pods are not known, or which of them are its own.
    pub pods: Option<TreePods>,
    /// Autoscalers, disruption budgets and Services that concern it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<String>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionItem>,
    /// Events of the whole tree, warnings first.
    pub events: Vec<EventGroup>,
    /// The tool that claims it by its marks, such as Helm release shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// Who changed the object last and what; null when it could not be read.
    pub last_change: Option<LastChange>,
    /// Why `last_change` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_change_unknown: Option<String>,
    /// How many entries of a list above were left out, by its name; of pods there is the total.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub omitted: BTreeMap<&'static str, usize>,
}

impl WorkloadAnswer {
    /// Shortens what is least needed until the answer is short enough, and counts it.
    pub(super) fn fit(&mut self) {
        for step in 0..6 {
            match step {
                0 => self.cut(Most {
                    containers: 20,
                    revisions: 5,
                    events: 6,
                    conditions: 10,
                    problems: 10,
                    related: 10,
                }),
                1 => self.cut(Most { revisions: 3, ..Most::NONE }),
                2 => self.cut(Most { events: 4, ..Most::NONE }),
                3 => self.pods.iter_mut().for_each(|pods| pods.shown.truncate(4)),
                4 => self.cut(Most { conditions: 3, containers: 5, ..Most::NONE }),
                _ => {
                    self.cut(Most { events: 2, problems: 3, related: 4, ..Most::NONE });
                    self.last_change.iter_mut().for_each(|change| change.fields.truncate(3));
                }
            }
            let tokens = serde_json::to_string(self).map_or(0, |json| crate::text::estimate_tokens(&json));
            if tokens <= LONGEST {
                return;
            }
        }
    }

    fn cut(&mut self, most: Most) {
        let omitted = &mut self.omitted;
        let mut count = |name, over: usize| {
            if over > 0 {
                *omitted.entry(name).or_default() += over;
            }
        };
        count("containers", shorten(&mut self.containers, most.containers));
        count("revisions", shorten(&mut self.revisions, most.revisions));
        count("events", shorten(&mut self.events, most.events));
        count("conditions", shorten(&mut self.conditions, most.conditions));
        count("problems", shorten(&mut self.problems, most.problems));
        count("related", shorten(&mut self.related, most.related));
    }
}

/// How many entries of each list stay at most.
struct Most {
    containers: usize,
    revisions: usize,
    events: usize,
    conditions: usize,
    problems: usize,
    related: usize,
}

impl Most {
    /// As many as there are.
    const NONE: Self = Self {
        containers: usize::MAX,
        revisions: usize::MAX,
        events: usize::MAX,
        conditions: usize::MAX,
        problems: usize::MAX,
        related: usize::MAX,
    };
}

/// Leaves so many, and says how many went.
fn shorten<T>(list: &mut Vec<T>, most: usize) -> usize {
    let over = list.len().saturating_sub(most);
    list.truncate(most);
    over
}

/// A container of the template.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct TemplateContainer {
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// CPU request, millicores.
    pub cpu_request_millicores: Option<i64>,
    /// CPU limit, millicores; null means unlimited.
    pub cpu_limit_millicores: Option<i64>,
    /// Memory request, MiB.
    pub memory_request_mib: Option<i64>,
    /// Memory limit, MiB; null means unlimited.
    pub memory_limit_mib: Option<i64>,
}

/// A revision of a Deployment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Revision {
    /// Number.
    pub revision: i64,
    /// `ReplicaSet`.
    pub replica_set: String,
    /// Replicas it holds.
    pub replicas: i32,
    /// Ready replicas.
    pub ready: i32,
    /// Images of its template.
    pub images: Vec<String>,
    /// Age.
    pub age: String,
}

/// The pods of a workload.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct TreePods {
    /// All of them.
    pub total: usize,
    /// Ready ones.
    pub ready: usize,
    /// At most eight, the unwell first: name, status, ready, restarts, node.
    pub shown: Vec<TreePod>,
}

/// A pod of a workload.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct TreePod {
    /// Name.
    pub name: String,
    /// One word as in kubectl.
    pub status: String,
    /// Ready containers of all.
    pub ready: String,
    /// Restarts.
    pub restarts: u32,
    /// Node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}
