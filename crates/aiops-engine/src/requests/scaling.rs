//! What happens when a Deployment is scaled: requests, quotas, room on the nodes, autoscaler and disruption budgets.
//!
//! The members of the predecessor with true content: what it made up (overhead factors, control plane load, forecasts)
//! is null or gone, and a Deployment that does not exist is an error. It changes nothing and predicts nothing.

mod answer;
mod pods;

use aiops_inventory::{Inventory, Kind, rows::DeploymentRow};

use crate::{
    Engine, Error,
    answer::{Standing, near, sees_all_pods},
    discovery,
    placement::{Rooms, Size},
    requests::capacity::{
        bounds::{Demand, QuotaLine, Quotas},
        excluded, percent,
    },
};
pub use answer::{
    ClusterFit, CurrentState, InfrastructureImpact, NamespaceImpact, ProjectedState, ScalingAnswer, Scenario,
};
use pods::Own;

/// Which Deployment, and to how many replicas.
#[derive(Debug, Clone)]
pub struct ScalingImpact {
    /// Deployment.
    pub deployment: String,
    /// Namespace.
    pub namespace: String,
    /// Replicas to look at.
    pub target: i32,
    /// Replicas to start from instead of the present ones.
    pub current: Option<i32>,
    /// A time of day; accepted and not answered.
    pub predict_at: Option<String>,
    /// Whether the members about the control plane are wanted.
    pub include_infrastructure: bool,
}

const NO_CONTROL_PLANE: &str = "load on etcd, API server and scheduler is not measured here; pods of one Deployment seldom matter to them";
const NO_FORECAST: &str = "a forecast needs a history of metrics, and no Prometheus is connected";
const NOT_CONSIDERED: &str = "node selectors, affinity, tolerations, topology and volumes are not considered";

impl Engine {
    /// What happens when a Deployment is scaled.
    pub fn scaling_impact(&self, request: &ScalingImpact) -> Result<ScalingAnswer, Error> {
        discovery::check_namespace(&request.namespace)?;
        check(request)?;
        let inventory = self.look();
        let kinds = [Kind::Deployment, Kind::Pod, Kind::Node, Kind::ResourceQuota, Kind::LimitRange];
        let mut standing = self.standing_in(&inventory, &kinds, Some(&request.namespace));
        standing.note_unseen_pods(&inventory);
        let ScalingImpact { deployment, namespace, target, .. } = request;
        let Some(row) = inventory.deployments().get(namespace, deployment) else {
            return Err(self.no_such_deployment(&inventory, &standing, request));
        };
        let pods_known = !standing.lacks(Kind::Pod);
        let own = Own::of(&inventory, row, pods_known);
        let start = request.current.map_or(own.present, i64::from);
        let world = World {
            quotas: (!standing.lacks(Kind::ResourceQuota)).then(|| Quotas::of(&inventory, namespace)),
            rooms: (sees_all_pods(&inventory) && !standing.lacks(Kind::Node)).then(|| Rooms::of(&inventory)),
            start,
            placed: request.current.map_or(own.placed, i64::from),
            demand: own.demand,
        };
        let current = request.current.unwrap_or(row.desired);
        let mut warnings = warnings(&inventory, row, *target, current);
        warnings.extend(own.warnings(*target));
        let impact = world.quotas.as_ref().map(|quotas| world.impact(quotas, i64::from(*target)));
        let fit = world.fit(i64::from(*target));
        if let Some(quotas) = &world.quotas {
            warnings.extend(quotas.notes.iter().take(3).cloned());
        }
        if fit.as_ref().is_some_and(|fit| fit.additional_pods > 0) {
            warnings.push(NOT_CONSIDERED.to_owned());
        }
        let recommendation = recommendation(*target, current, impact.as_ref(), fit.as_ref());
        Ok(ScalingAnswer {
            analyzed_at: crate::answer::time(self.now()),
            standing,
            status: "success",
            deployment: deployment.clone(),
            namespace: namespace.clone(),
            current_state: own.current(current, request.current.is_some()),
            projected_state: own.projected(*target),
            namespace_impact: impact,
            cluster_fit: fit,
            infrastructure_impact: request.include_infrastructure.then_some(InfrastructureImpact {
                etcd_impact: None,
                api_server_impact: None,
                scheduler_impact: None,
                estimated_overhead: None,
                reason: NO_CONTROL_PLANE,
            }),
            warnings,
            recommendation,
            alternative_scenarios: world.alternatives(i64::from(*target)),
            prediction_unavailable: request.predict_at.is_some().then_some(NO_FORECAST),
        })
    }

    fn no_such_deployment(
        &self,
        inventory: &Inventory,
        standing: &Standing,
        request: &ScalingImpact,
    ) -> Error {
        if let Err(error) = self.known_namespace(inventory, &request.namespace) {
            return error;
        }
        if standing.lacks(Kind::Deployment) {
            return super::unknown(standing, Kind::Deployment, "analyzing the scaling of a Deployment");
        }
        let names = inventory.deployments().names(&request.namespace);
        let shown: String = request.deployment.chars().take(80).collect();
        let hint = near(&request.deployment, names.map(|name| name.as_str()));
        Error::NotFound { what: format!("Deployment {shown:?} in namespace {}", request.namespace), hint }
    }
}

fn check(request: &ScalingImpact) -> Result<(), Error> {
    if request.target < 0 {
        return Err(Error::invalid("argument \"target_replicas\"", "must not be negative"));
    }
    if request.current.is_some_and(|current| current < 0) {
        return Err(Error::invalid("argument \"current_replicas\"", "must not be negative"));
    }
    let Some(at) = request.predict_at.as_deref() else { return Ok(()) };
    let time = at.split_once(':').and_then(|(h, m)| Some((h.parse::<u8>().ok()?, m.parse::<u8>().ok()?)));
    if time.is_some_and(|(hour, minute)| hour < 24 && minute < 60) && at.len() <= 5 {
        return Ok(());
    }
    let shown: String = at.chars().take(40).collect();
    Err(Error::invalid("argument \"predict_at\"", format!("{shown:?} is not a time such as 17:00")))
}

/// What a number of replicas is held against.
struct World {
    quotas: Option<Quotas>,
    rooms: Option<Rooms>,
    /// Pods that the usage of the quotas holds already.
    start: i64,
    /// Pods that have a node.
    placed: i64,
    demand: Demand,
}

impl World {
    fn size(&self) -> Size {
        Size {
            cpu_milli: self.demand.requests.cpu_milli.unwrap_or(0),
            memory_bytes: self.demand.requests.memory_bytes.unwrap_or(0),
        }
    }

    /// What would be used of a quota; `None` when it demands what the pods do not state.
    fn projected(&self, line: &QuotaLine, target: i64) -> Option<i64> {
        let added = target - self.start;
        let need = if added == 0 { 0 } else { line.need(&self.demand)? };
        Some(line.used.saturating_add(need.saturating_mul(added)).max(0))
    }

    fn exceeds(&self, line: &QuotaLine, target: i64) -> bool {
        // Admission looks at quotas only when pods come; those that are there stay.
        target > self.start && self.projected(line, target).is_none_or(|projected| projected > line.hard)
    }

    fn impact(&self, quotas: &Quotas, target: i64) -> NamespaceImpact {
        let share = |line: &QuotaLine| {
            let projected = self.projected(line, target)?;
            Some(if line.hard > 0 { projected as f64 / line.hard as f64 } else { f64::INFINITY })
        };
        let tightest = quotas.lines.iter().max_by(|a, b| {
            let (a, b) = (share(a).unwrap_or(f64::INFINITY), share(b).unwrap_or(f64::INFINITY));
            a.total_cmp(&b)
        });
        let percent_then = tightest.and_then(|line| percent(self.projected(line, target)?, line.hard));
        let exceeded: Vec<String> = quotas
            .lines
            .iter()
            .filter(|line| self.exceeds(line, target))
            .map(|line| match self.projected(line, target) {
                Some(projected) => format!("{}: {projected} of {}", line.name(), line.hard),
                None => format!("{} demands what the pods do not set, so they are refused", line.name()),
            })
            .collect();
        let cpu = quotas.tightest(crate::placement::Factor::Cpu);
        let memory = quotas.tightest(crate::placement::Factor::Memory);
        NamespaceImpact {
            current_usage_percent: tightest.and_then(|line| percent(line.used, line.hard)),
            projected_usage_percent: percent_then,
            quota_exceeded: !exceeded.is_empty(),
            headroom_remaining_percent: percent_then.map(|p| ((100.0 - p).max(0.0) * 10.0).round() / 10.0),
            limiting_factor: tightest.map(|line| line.factor.as_str()),
            limited_by: tightest.map(QuotaLine::name),
            exceeded,
            cpu_quota_millicores: cpu.map(|line| line.hard),
            memory_quota_bytes: memory.map(|line| line.hard),
            cpu_used_millicores: cpu.map(|line| line.used),
            memory_used_bytes: memory.map(|line| line.used),
            cpu_projected_millicores: cpu.and_then(|line| self.projected(line, target)),
            memory_projected_bytes: memory.and_then(|line| self.projected(line, target)),
        }
    }

    fn fit(&self, target: i64) -> Option<ClusterFit> {
        let rooms = self.rooms.as_ref()?;
        let additional_pods = (target - self.placed).max(0);
        let room_for = rooms.fit(self.size());
        Some(ClusterFit {
            additional_pods,
            room_for,
            fits: room_for >= additional_pods,
            limiting_factor: rooms.limiting(self.size()).as_str(),
            nodes_considered: rooms.rooms.len(),
            excluded_nodes: excluded(&rooms.excluded),
        })
    }

    /// Whether quotas and nodes have room for so many; `None` when either is not known.
    fn holds(&self, target: i64) -> Option<bool> {
        let quotas = self.quotas.as_ref()?;
        let fits = self.rooms.as_ref()?.fit(self.size()) >= target - self.placed;
        Some(fits && !quotas.lines.iter().any(|line| self.exceeds(line, target)))
    }

    /// The most replicas that fit.
    fn most(&self) -> Option<i64> {
        let by_nodes = self.placed.saturating_add(self.rooms.as_ref()?.fit(self.size()));
        let by_quota =
            self.quotas.as_ref()?.most(&self.demand).map(|(most, _)| self.start.saturating_add(most));
        Some(by_quota.map_or(by_nodes, |by_quota| by_quota.min(by_nodes)))
    }

    /// Half the way, the most that fit, and one more than asked for; only what can be judged.
    fn alternatives(&self, target: i64) -> Vec<Scenario> {
        let Some(most) = self.most() else { return Vec::new() };
        let half = self.start.midpoint(target);
        let mut replicas = vec![half, most.min(i64::from(i32::MAX)), target + 1];
        replicas.retain(|n| *n != target && *n != self.start && *n > 0);
        replicas.sort_unstable();
        replicas.dedup();
        let scenario = |n: i64| {
            let usage = self.quotas.as_ref().map(|quotas| self.impact(quotas, n))?.projected_usage_percent;
            Some(Scenario { replicas: i32::try_from(n).ok()?, projected_usage: usage, safe: self.holds(n)? })
        };
        replicas.into_iter().filter_map(scenario).collect()
    }
}

/// Who else has a say: autoscalers, disruption budgets, the rollout itself.
fn warnings(inventory: &Inventory, row: &DeploymentRow, target: i32, current: i32) -> Vec<String> {
    let mut warnings = Vec::new();
    let (namespace, name) = (&row.meta.key.namespace, &row.meta.key.name);
    for hpa in inventory.autoscalers().in_namespace(namespace) {
        if hpa.target_kind != "Deployment" || hpa.target_name != *name {
            continue;
        }
        let range = format!("{}..{}", hpa.min, hpa.max);
        warnings.push(if (hpa.min..=hpa.max).contains(&target) {
            format!("HorizontalPodAutoscaler {} ({range}) owns the replicas and may undo the change; change its minReplicas instead", hpa.meta.key.name)
        } else {
            format!("HorizontalPodAutoscaler {} ({range}) owns the replicas and brings {target} back into its range; change its bounds instead", hpa.meta.key.name)
        });
    }
    let labels = pods::labels(inventory, row);
    for budget in inventory.disruption_budgets().in_namespace(namespace) {
        let Some(labels) = labels.as_ref() else { break };
        if budget.selector.is_empty() || !budget.selector.matches(labels) {
            continue;
        }
        if let Some(needed) =
            needed(&budget.min_available, target).filter(|needed| *needed >= target && target > 0)
        {
            warnings.push(format!("PodDisruptionBudget {} wants {needed} available: with {target} replicas no pod may be evicted, and node drains hang", budget.meta.key.name));
        }
    }
    if row.paused {
        warnings.push(
            "the rollout is paused; scaling works, and all replicas stay on the present templates".to_owned(),
        );
    } else if row.ready < row.desired {
        warnings.push(format!(
            "only {} of {} replicas are ready now; more of the same may fare no better",
            row.ready, row.desired
        ));
    }
    if target == 0 && current > 0 {
        warnings.push("with 0 replicas nothing serves".to_owned());
    }
    warnings
}

/// Pods that `minAvailable` demands of so many.
fn needed(min_available: &str, replicas: i32) -> Option<i32> {
    match min_available.strip_suffix('%') {
        None => min_available.parse().ok(),
        Some(percent) => {
            let percent: i64 = percent.parse().ok()?;
            // The controller rounds up.
            i32::try_from((i64::from(replicas) * percent + 99) / 100).ok()
        }
    }
}

fn recommendation(
    target: i32,
    current: i32,
    impact: Option<&NamespaceImpact>,
    fit: Option<&ClusterFit>,
) -> String {
    let refused = impact.is_some_and(|impact| impact.quota_exceeded);
    let homeless = fit.filter(|fit| !fit.fits);
    if target == current {
        return format!("{target} replicas are wanted already");
    }
    if refused {
        let by = impact.and_then(|impact| impact.exceeded.first()).map(String::as_str).unwrap_or_default();
        return format!("do not scale to {target}: pods would be refused ({by})");
    }
    if let Some(fit) = homeless {
        return format!(
            "do not scale to {target}: {} more pods need a node and {} fit, limited by {}",
            fit.additional_pods, fit.room_for, fit.limiting_factor
        );
    }
    if target < current {
        return format!("scaling down to {target} fits and frees what {} pods request", current - target);
    }
    match (impact, fit) {
        (Some(_), Some(_)) => format!("scaling to {target} fits quotas and nodes"),
        (None, Some(_)) => format!("the nodes have room for {target}; whether quotas do is not known"),
        (Some(_), None) => format!("the quotas have room for {target}; whether nodes do is not known"),
        (None, None) => format!("whether {target} fit is not known: neither quotas nor nodes are"),
    }
}

#[cfg(test)]
mod tests;
