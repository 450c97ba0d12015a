//! What ResourceQuotas and LimitRanges of a namespace allow, per pod and in all.
//!
//! All quotas count, the tightest decides. A quota with scopes bounds only some pods: it is named and left out. Numbers
//! are those of the quota's status; where the controller has not counted yet, the sums over pods stand in, and it is
//! said.

use aiops_inventory::{
    Inventory,
    rows::{pod::Resources, policy::QuotaItem},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::placement::Factor;

/// What a pod takes of quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::requests) struct Demand {
    pub(in crate::requests) requests: Resources,
    pub(in crate::requests) limits: Resources,
}

/// One resource of one quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct QuotaLine {
    /// ResourceQuota.
    pub quota: String,
    /// Resource, such as limits.cpu.
    pub resource: String,
    /// Hard limit: millicores, bytes or a count.
    pub hard: i64,
    /// What is used, in the same unit.
    pub used: i64,
    /// What it is about.
    #[serde(skip)]
    pub(in crate::requests) factor: Factor,
    #[serde(skip)]
    kind: Line,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Requests,
    Limits,
    Count,
}

/// All that is bounded in a namespace.
#[derive(Debug, Default)]
pub(in crate::requests) struct Quotas {
    pub(in crate::requests) lines: Vec<QuotaLine>,
    pub(in crate::requests) notes: Vec<String>,
}

impl Quotas {
    pub(in crate::requests) fn of(inventory: &Inventory, namespace: &str) -> Self {
        let mut quotas = Self::default();
        for quota in inventory.quotas().in_namespace(namespace) {
            let name = quota.meta.key.name.to_string();
            if quota.scoped {
                quotas
                    .notes
                    .push(format!("ResourceQuota {name} is narrowed by scopes and was not considered"));
                continue;
            }
            let mut uncounted = false;
            for item in &quota.items {
                let Some((factor, kind)) = meaning(&item.resource) else { continue };
                let used = item.used.unwrap_or_else(|| {
                    uncounted = true;
                    summed(inventory, namespace, item)
                });
                let resource = item.resource.to_string();
                quotas.lines.push(QuotaLine {
                    quota: name.clone(),
                    resource,
                    hard: item.hard,
                    used,
                    factor,
                    kind,
                });
            }
            if uncounted {
                quotas
                    .notes
                    .push(format!("ResourceQuota {name} is not counted yet; usage is summed over the pods"));
            }
        }
        quotas
    }

    /// The line of this factor with the least left.
    pub(in crate::requests) fn tightest(&self, factor: Factor) -> Option<&QuotaLine> {
        self.lines.iter().filter(|line| line.factor == factor).min_by_key(|line| line.left())
    }

    /// The most pods that quotas allow beside those there are, and the line that says so.
    pub(in crate::requests) fn most(&self, demand: &Demand) -> Option<(i64, &QuotaLine)> {
        let bounds = self.lines.iter().filter_map(|line| Some((line.most(demand)?, line)));
        bounds.min_by_key(|(most, line)| (*most, line.factor))
    }
}

impl QuotaLine {
    /// What is left.
    pub(in crate::requests) fn left(&self) -> i64 {
        self.hard.saturating_sub(self.used).max(0)
    }

    /// What one pod takes; `None` when it does not say.
    pub(in crate::requests) fn need(&self, demand: &Demand) -> Option<i64> {
        let of = |resources: &Resources| match self.factor {
            Factor::Cpu => resources.cpu_milli,
            Factor::Memory => resources.memory_bytes,
            Factor::Pods => Some(1),
        };
        match self.kind {
            Line::Count => Some(1),
            Line::Requests => of(&demand.requests),
            Line::Limits => of(&demand.limits),
        }
    }

    fn most(&self, demand: &Demand) -> Option<i64> {
        // A quota on a resource makes it compulsory: a pod that does not state it is refused.
        let need = self.need(demand).unwrap_or(i64::MAX);
        (need > 0).then(|| self.left() / need)
    }

    /// The line in words.
    pub(in crate::requests) fn name(&self) -> String {
        format!("ResourceQuota {} {}", self.quota, self.resource)
    }
}

fn meaning(resource: &str) -> Option<(Factor, Line)> {
    Some(match resource {
        "cpu" | "requests.cpu" => (Factor::Cpu, Line::Requests),
        "memory" | "requests.memory" => (Factor::Memory, Line::Requests),
        "limits.cpu" => (Factor::Cpu, Line::Limits),
        "limits.memory" => (Factor::Memory, Line::Limits),
        "pods" | "count/pods" => (Factor::Pods, Line::Count),
        _ => return None,
    })
}

fn summed(inventory: &Inventory, namespace: &str, item: &QuotaItem) -> i64 {
    let totals = inventory.namespace_totals(namespace).map(|totals| totals.pods).unwrap_or_default();
    match item.resource.as_str() {
        "cpu" | "requests.cpu" => totals.requested_cpu_milli,
        "memory" | "requests.memory" => totals.requested_memory_bytes,
        "limits.cpu" => totals.limited_cpu_milli,
        "limits.memory" => totals.limited_memory_bytes,
        "pods" => totals.counts.total() - totals.counts.succeeded - totals.counts.failed,
        _ => totals.counts.total(),
    }
}

/// Why LimitRanges refuse a pod of one container that requests, and is limited to, this.
pub(in crate::requests) fn refusal(
    inventory: &Inventory,
    namespace: &str,
    size: &Resources,
) -> Option<String> {
    let above = |max: Option<i64>, asked: Option<i64>| max.zip(asked).is_some_and(|(max, asked)| asked > max);
    let below = |min: Option<i64>, asked: Option<i64>| min.zip(asked).is_some_and(|(min, asked)| asked < min);
    inventory.limit_ranges().in_namespace(namespace).find_map(|range| {
        let name = &range.meta.key.name;
        for (max, min) in [(range.container_max, range.container_min), (range.pod_max, range.pod_min)] {
            for (what, max, min, asked) in [
                ("cpu", max.cpu_milli, min.cpu_milli, size.cpu_milli),
                ("memory", max.memory_bytes, min.memory_bytes, size.memory_bytes),
            ] {
                if above(max, asked) {
                    return Some(format!("LimitRange {name} allows less {what}"));
                }
                if below(min, asked) {
                    return Some(format!("LimitRange {name} demands more {what}"));
                }
            }
        }
        None
    })
}

/// Requests and limits as admission fills them in: a missing request is the limit, else the LimitRange's default.
pub(in crate::requests) fn defaulted(inventory: &Inventory, namespace: &str, demand: Demand) -> Demand {
    let mut demand = demand;
    for range in inventory.limit_ranges().in_namespace(namespace) {
        let or = |own: Resources, other: Resources| Resources {
            cpu_milli: own.cpu_milli.or(other.cpu_milli),
            memory_bytes: own.memory_bytes.or(other.memory_bytes),
        };
        demand.requests = or(or(demand.requests, demand.limits), range.container_default_request);
        demand.limits = or(demand.limits, range.container_default);
        demand.requests = or(demand.requests, range.container_default);
    }
    Demand {
        requests: Resources {
            cpu_milli: demand.requests.cpu_milli.or(demand.limits.cpu_milli),
            memory_bytes: demand.requests.memory_bytes.or(demand.limits.memory_bytes),
        },
        ..demand
    }
}
