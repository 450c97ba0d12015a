//! How many more pods of a size fit into a namespace or the cluster, with the members of the predecessor.
//!
//! Nodes are counted one by one: room that is scattered is no room. Quotas and limit ranges bound a namespace on top.
//! What the predecessor made up (growth per day) is null here, with the reason.

mod answer;
pub(in crate::requests) mod bounds;

use std::collections::BTreeMap;

use aiops_inventory::{Inventory, Kind, quantity, rows::pod::Resources};
use schemars::JsonSchema;

use crate::{
    Engine, Error,
    answer::sees_all_pods,
    placement::{Factor, Rooms, Size},
};
pub use answer::{Available, CapacityAnswer, Estimate, Excluded, QuotaLimits, Recommended, Trending, Usage};
pub use bounds::QuotaLine;
use bounds::{Demand, Quotas};

/// Which pods, and where.
#[derive(Debug, Clone)]
pub struct PodCapacity {
    /// Namespace; `cluster` means the whole cluster.
    pub namespace: String,
    /// small, medium, large or custom.
    pub profile: Profile,
    /// CPU and memory of `custom`, as quantities.
    pub custom: Option<(String, String)>,
    /// Percent kept free.
    pub safety_margin: f64,
    /// Whether the members about growth are wanted.
    pub include_trending: bool,
}

/// A size of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Profile {
    /// 100m and 64Mi.
    Small,
    /// 200m and 128Mi.
    Medium,
    /// 400m and 256Mi.
    Large,
    /// What the caller says.
    Custom,
}

impl Profile {
    const FIXED: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::Custom => "custom",
        }
    }

    const fn size(self) -> Option<Size> {
        let (cpu_milli, mebibytes) = match self {
            Self::Small => (100, 64),
            Self::Medium => (200, 128),
            Self::Large => (400, 256),
            Self::Custom => return None,
        };
        Some(Size { cpu_milli, memory_bytes: mebibytes << 20 })
    }
}

const NO_HISTORY: &str = "growth needs a history of metrics, and no Prometheus is connected";
const NOT_CONSIDERED: &str = "node selectors, affinity, tolerations, topology and volumes are not considered";
const AS_LIMITS: &str = "a pod of a profile is taken as one container with limits equal to its requests";

/// Everything an estimate rests on; `None` is not known.
struct Ground {
    rooms: Option<Rooms>,
    quotas: Option<Quotas>,
}

impl Engine {
    /// How many more pods of a size fit.
    pub fn pod_capacity(&self, request: &PodCapacity) -> Result<CapacityAnswer, Error> {
        if !(0.0..=50.0).contains(&request.safety_margin) {
            return Err(Error::invalid("argument \"safety_margin\"", "must be between 0 and 50"));
        }
        let custom = request.custom.as_ref().map(|(cpu, memory)| custom(cpu, memory)).transpose()?;
        if request.profile == Profile::Custom && custom.is_none() {
            let why = "profile custom needs custom_resources with cpu and memory, such as 250m and 512Mi";
            return Err(Error::invalid("argument \"custom_resources\"", why));
        }
        let inventory = self.look();
        let whole = request.namespace.is_empty() || request.namespace.eq_ignore_ascii_case("cluster");
        let namespace = (!whole).then_some(request.namespace.as_str());
        let kinds: &[Kind] = if whole {
            &[Kind::Node, Kind::Pod]
        } else {
            &[Kind::Node, Kind::Pod, Kind::ResourceQuota, Kind::LimitRange]
        };
        if let Some(namespace) = namespace {
            self.seen_namespace(&inventory, namespace)?;
        }
        let mut standing = self.standing_in(&inventory, kinds, namespace);
        standing.note_unseen_pods(&inventory);
        let pods_known = !standing.lacks(Kind::Pod);
        let ground = Ground {
            rooms: (sees_all_pods(&inventory) && !standing.lacks(Kind::Node)).then(|| Rooms::of(&inventory)),
            quotas: match namespace {
                None => Some(Quotas::default()),
                Some(ns) => (!standing.lacks(Kind::ResourceQuota)).then(|| Quotas::of(&inventory, ns)),
            },
        };
        let profiles = Profile::FIXED.into_iter().filter_map(|profile| Some((profile, profile.size()?)));
        let profiles = profiles.chain(custom.map(|size| (Profile::Custom, size)));
        let pod_estimates: BTreeMap<&'static str, Estimate> = profiles
            .map(|(profile, size)| {
                (profile.name(), ground.estimate(&inventory, namespace, size, request.safety_margin))
            })
            .collect();
        let recommended = recommended(request, pod_estimates.get(request.profile.name()));
        let (namespace_quota, current_usage, available_capacity) = match namespace {
            None => ground.cluster(),
            Some(ns) => ground.namespace(&inventory, ns, pods_known),
        };
        let mut notes = ground.notes(&inventory, namespace);
        let rooms = ground.rooms.unwrap_or_default();
        let nodes_considered = (!standing.lacks(Kind::Node)).then_some(rooms.rooms.len());
        let mut quotas = ground.quotas.unwrap_or_default().lines;
        if quotas.len() > 12 {
            notes.push(format!("{} more quota lines were considered and are not shown", quotas.len() - 12));
            quotas.truncate(12);
        }
        Ok(CapacityAnswer {
            standing,
            status: "success",
            namespace: namespace.unwrap_or("cluster").to_owned(),
            namespace_quota,
            current_usage,
            available_capacity,
            pod_estimates,
            recommendation: recommended.explanation.clone(),
            recommended_limit: recommended,
            trending: request.include_trending.then_some(Trending {
                daily_cpu_growth_percent: None,
                daily_memory_growth_percent: None,
                days_until_85_percent: None,
                projected_date: None,
                reason: NO_HISTORY,
            }),
            nodes_considered,
            excluded_nodes: excluded(&rooms.excluded),
            quotas,
            notes,
        })
    }
}

/// The size that a caller wrote.
fn custom(cpu: &str, memory: &str) -> Result<Size, Error> {
    let field = "argument \"custom_resources\"";
    let shown = |text: &str| text.chars().take(40).collect::<String>();
    let cpu_milli = quantity::cpu_milli(cpu).filter(|cpu| *cpu > 0);
    let memory_bytes = quantity::bytes(memory).filter(|memory| *memory > 0);
    let cpu_milli = cpu_milli.ok_or_else(|| {
        Error::invalid(field, format!("cpu {:?} is not a quantity above 0, such as 250m or 1.5", shown(cpu)))
    })?;
    let memory_bytes = memory_bytes.ok_or_else(|| {
        Error::invalid(
            field,
            format!("memory {:?} is not a quantity above 0, such as 512Mi or 1Gi", shown(memory)),
        )
    })?;
    Ok(Size { cpu_milli, memory_bytes })
}

impl Ground {
    fn estimate(&self, inventory: &Inventory, namespace: Option<&str>, size: Size, margin: f64) -> Estimate {
        let resources = Resources { cpu_milli: Some(size.cpu_milli), memory_bytes: Some(size.memory_bytes) };
        let demand = Demand { requests: resources, limits: resources };
        let bound = self.bound(inventory, namespace, size, &demand);
        let (max_pods, limiting_factor, limited_by) = match bound {
            Some((max, factor, by)) => (Some(max), Some(factor), Some(by)),
            None => (None, None, None),
        };
        // A count of pods is far below 2^52.
        let safe = |max: i64| (max as f64 * (1.0 - margin / 100.0)).floor() as i64;
        Estimate {
            cpu: format!("{}m", size.cpu_milli),
            memory: memory_text(size.memory_bytes),
            max_pods,
            safe_pods: max_pods.map(safe),
            limiting_factor,
            limited_by,
        }
    }

    fn bound(
        &self,
        inventory: &Inventory,
        namespace: Option<&str>,
        size: Size,
        demand: &Demand,
    ) -> Option<(i64, &'static str, String)> {
        let quotas = self.quotas.as_ref()?;
        if let Some(refusal) = namespace.and_then(|ns| bounds::refusal(inventory, ns, &demand.requests)) {
            return Some((0, "limit_range", refusal));
        }
        let by_quota = quotas.most(demand).map(|(most, line)| (most, line.factor.as_str(), line.name()));
        let by_nodes = self.rooms.as_ref().map(|rooms| {
            let factor = rooms.limiting(size).as_str();
            let by = if rooms.rooms.is_empty() {
                "no node that takes ordinary pods".to_owned()
            } else {
                format!("{factor} on the nodes")
            };
            (rooms.fit(size), factor, by)
        });
        by_quota.into_iter().chain(by_nodes).min_by_key(|(most, ..)| *most)
    }

    fn cluster(&self) -> (QuotaLimits, Usage, Available) {
        let Some(rooms) = &self.rooms else { return Default::default() };
        let (all, taken, left) = (rooms.allocatable, rooms.taken, rooms.left());
        let limits = QuotaLimits {
            cpu_limit: Some(cpu_text(all.cpu_milli)),
            memory_limit: Some(memory_text(all.memory_bytes)),
            pod_count_limit: Some(all.pods),
        };
        let usage = Usage {
            cpu: Some(cpu_text(taken.cpu_milli)),
            memory: Some(memory_text(taken.memory_bytes)),
            cpu_percent: percent(taken.cpu_milli, all.cpu_milli),
            memory_percent: percent(taken.memory_bytes, all.memory_bytes),
            pod_count: Some(taken.pods),
        };
        let available = Available {
            cpu: Some(cpu_text(left.cpu_milli)),
            memory: Some(memory_text(left.memory_bytes)),
            pod_slots: Some(left.pods),
        };
        (limits, usage, available)
    }

    fn namespace(
        &self,
        inventory: &Inventory,
        namespace: &str,
        pods_known: bool,
    ) -> (QuotaLimits, Usage, Available) {
        let totals = inventory.namespace_totals(namespace).map(|totals| totals.pods).unwrap_or_default();
        let alive = totals.counts.pending + totals.counts.running + totals.counts.unknown;
        let line = |factor| self.quotas.as_ref().and_then(|quotas| quotas.tightest(factor));
        let (cpu, memory, pods) = (line(Factor::Cpu), line(Factor::Memory), line(Factor::Pods));
        let left = self.rooms.as_ref().map(Rooms::left);
        // Without the quotas nobody knows what is left.
        let least = |line: Option<&QuotaLine>, nodes: Option<i64>| {
            self.quotas.as_ref()?;
            line.map(QuotaLine::left).into_iter().chain(nodes).min()
        };
        let used = |line: Option<&QuotaLine>, summed: i64| {
            line.map(|l| l.used).or_else(|| pods_known.then_some(summed))
        };
        let limits = QuotaLimits {
            cpu_limit: cpu.map(|line| cpu_text(line.hard)),
            memory_limit: memory.map(|line| memory_text(line.hard)),
            pod_count_limit: pods.map(|line| line.hard),
        };
        let usage = Usage {
            cpu: used(cpu, totals.requested_cpu_milli).map(cpu_text),
            memory: used(memory, totals.requested_memory_bytes).map(memory_text),
            cpu_percent: cpu.and_then(|line| percent(line.used, line.hard)),
            memory_percent: memory.and_then(|line| percent(line.used, line.hard)),
            pod_count: used(pods, alive),
        };
        let available = Available {
            cpu: least(cpu, left.map(|room| room.cpu_milli)).map(cpu_text),
            memory: least(memory, left.map(|room| room.memory_bytes)).map(memory_text),
            pod_slots: least(pods, left.map(|room| room.pods)),
        };
        (limits, usage, available)
    }

    fn notes(&self, inventory: &Inventory, namespace: Option<&str>) -> Vec<String> {
        let mut notes = Vec::new();
        match (&self.quotas, namespace) {
            (None, _) => notes.push("ResourceQuotas are not known, so nothing is estimated".to_owned()),
            (Some(quotas), Some(_)) => {
                notes.extend(quotas.notes.iter().take(4).cloned());
                if quotas.lines.is_empty() {
                    notes.push("no ResourceQuota bounds CPU, memory or pods here: the nodes do".to_owned());
                } else {
                    notes.push(AS_LIMITS.to_owned());
                }
            }
            (Some(_), None) => {}
        }
        if self.rooms.is_none() {
            notes.push(
                "nodes or their pods are not known: whether pods find a node was not considered".to_owned(),
            );
            return notes;
        }
        let waiting =
            inventory.suspect_pods().filter_map(|key| inventory.pods().get(&key.namespace, &key.name));
        let waiting = waiting.filter(|pod| pod.node.is_none() && !pod.is_terminal()).count();
        if waiting > 0 {
            notes.push(format!("{waiting} pods wait for a node; their requests are not subtracted"));
        }
        notes.push(NOT_CONSIDERED.to_owned());
        notes
    }
}

fn recommended(request: &PodCapacity, estimate: Option<&Estimate>) -> Recommended {
    let name = request.profile.name();
    let place = if request.namespace.is_empty() || request.namespace.eq_ignore_ascii_case("cluster") {
        "the cluster"
    } else {
        &*request.namespace
    };
    let explanation = match estimate.and_then(|e| Some((e, e.max_pods?, e.safe_pods?))) {
        None => format!("how many more {name} pods fit into {place} cannot be known; see missing and notes"),
        Some((e, 0, _)) => {
            format!(
                "no more {name} pods fit into {place}: limited by {}",
                e.limited_by.as_deref().unwrap_or("nodes")
            )
        }
        Some((e, max, safe)) => format!(
            "{safe} more {name} pods are safe in {place} ({max} fit, {}% kept free), limited by {}",
            request.safety_margin,
            e.limited_by.as_deref().unwrap_or("nodes")
        ),
    };
    Recommended {
        pod_profile: name,
        safe_pod_count: estimate.and_then(|e| e.safe_pods),
        max_pod_count: estimate.and_then(|e| e.max_pods),
        limiting_factor: estimate.and_then(|e| e.limiting_factor),
        explanation,
    }
}

/// Groups nodes that were left out by reason, the most frequent first.
pub(in crate::requests) fn excluded(nodes: &[(String, String)]) -> Vec<Excluded> {
    let mut by_reason: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for (name, reason) in nodes {
        by_reason.entry(reason).or_default().push(name);
    }
    let mut groups: Vec<Excluded> = by_reason
        .into_iter()
        .map(|(reason, names)| Excluded {
            reason: reason.to_owned(),
            nodes: names.len(),
            names: names.into_iter().take(3).cloned().collect(),
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.nodes));
    if let Some(rest) = groups.get(8..).filter(|rest| !rest.is_empty()) {
        let nodes = rest.iter().map(|group| group.nodes).sum();
        groups.truncate(8);
        groups.push(Excluded { reason: "other reasons".to_owned(), nodes, names: Vec::new() });
    }
    groups
}

/// Percent with one digit; `None` of nothing.
pub(in crate::requests) fn percent(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 1_000.0).round() / 10.0)
}

/// CPU as the predecessor wrote it, without its rounding: `250m`, `4 cores`, `1.95 cores`.
fn cpu_text(milli: i64) -> String {
    if milli < 1_000 { format!("{milli}m") } else { format!("{} cores", milli as f64 / 1_000.0) }
}

/// Memory as the predecessor wrote it.
fn memory_text(bytes: i64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{}Ki", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{}Mi", bytes >> 20),
        _ => format!("{:.1}Gi", bytes as f64 / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests;
