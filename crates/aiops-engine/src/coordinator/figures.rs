//! Gathers what the guard judges by: rows from memory, and four short reads of the store.
//!
//! It asks the cluster nothing: what has to be fresh is looked at just before a step, on the object itself.

use std::collections::BTreeMap;

use aiops_inventory::{
    Inventory, Kind, Row,
    labels::LabelSet,
    rows::{Meta, PodRow, Truth},
};

use super::Inner;
use crate::{
    error::Error,
    fingerprint::fingerprint,
    guard::{Active, Facts, Figures, OPT_OUT},
    model::{
        action::Action,
        phase::Phase,
        plan::{Plan, Problem},
        target::Target,
    },
    owners,
    settings::limits::millis,
};

/// Active workflows that are looked at: more than may act at once by far.
const MOST_ACTIVE: u32 = 1_000;

impl Inner {
    /// uid of the cluster, once it was read.
    pub(crate) fn cluster_uid(&self) -> Option<String> {
        let inventory = self.engine.look();
        let uid = &inventory.info().uid;
        (!uid.is_empty()).then(|| uid.to_string())
    }

    /// What is known about a problem and what is to be done about it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn figures(
        &self,
        problem: &Problem,
        actions: &[&Action],
        plan: Option<&Plan>,
    ) -> Result<Figures, Error> {
        let mut figures = self.step_figures(actions, plan).await?;
        let failed = |error| Error::from_store("reading what the guard judges by", error);
        {
            let inventory = self.engine.look();
            for target in [&problem.target, &problem.named] {
                figures.facts.entry(target.key()).or_insert_with(|| facts(&inventory, target));
            }
        }
        let cluster = figures.cluster.clone().unwrap_or_default();
        let fingerprint = fingerprint(&cluster, &problem.target, &problem.issue);
        figures.cooldown = self.store.cooldown(&fingerprint).await.map_err(failed)?;
        figures.outcomes = self.outcomes(&figures).await?;
        Ok(figures)
    }

    /// How workflows ended lately.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn outcomes(&self, figures: &Figures) -> Result<Vec<Phase>, Error> {
        let since = figures.controls_at.saturating_sub(millis(self.settings.limits.error_window));
        let read = self.store.outcomes_since(since).await;
        read.map_err(|error| Error::from_store("reading how workflows ended lately", error))
    }

    /// The workflows that are not over, for whoever asks why a trigger would wait; no decision of the work line reads them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn active(&self) -> Result<Vec<Active>, Error> {
        let active = self.store.active(MOST_ACTIVE).await;
        active.map_err(|error| Error::from_store("reading the active workflows", error))
    }

    /// What is asked just before a step: the controls, the cluster, whether it is being upgraded, and what the rows know of
    /// the objects.
    ///
    /// # Errors
    /// The controls cannot be read: nothing may be done then.
    pub(crate) async fn step_figures(
        &self,
        actions: &[&Action],
        plan: Option<&Plan>,
    ) -> Result<Figures, Error> {
        let mut figures = Figures::default();
        let failed = |error| Error::from_store("reading the kill switch", error);
        let controls = self.store.controls().await.map_err(failed)?;
        // By the store's time, as everything that is kept: cooldowns, outcomes, budgets.
        figures.set_controls(&controls, self.store.time().await.map_err(failed)?);
        self.external_switch(&mut figures).await;
        figures.cluster = self.cluster_uid();
        figures.plan_cluster = plan.map(|plan| plan.cluster.clone());
        figures.left_alone = plan.and_then(|plan| plan.left_alone.clone());
        figures.plan_bytes = plan.and_then(|plan| serde_json::to_vec(plan).ok()).map(|json| json.len());
        let inventory = self.engine.look();
        let keyed = |action: &&Action| (action.target().key(), facts(&inventory, action.target()));
        figures.facts = actions.iter().map(keyed).collect::<BTreeMap<_, _>>();
        figures.upgrading = upgrading(&inventory);
        drop(inventory);
        for step in plan.iter().flat_map(|plan| &plan.steps) {
            if let Some(facts) = figures.facts.get_mut(&step.action.target().key()) {
                facts.deploys_to.extend(step.deploys_to.iter().cloned());
                facts.takes_down = facts.takes_down.max(step.takes_down);
            }
        }
        Ok(figures)
    }
}

/// What the rows know of an object.
pub(crate) fn facts(inventory: &Inventory, target: &Target) -> Facts {
    let (namespace, name) = (target.namespace.as_str(), target.name.as_str());
    let mut facts = match target.kind.as_str() {
        "Pod" => inventory.pods().get(namespace, name).map(|row| pod(inventory, row)),
        "Node" => inventory.nodes().get("", name).map(|row| Facts {
            is_control_plane: Some(
                row.roles.iter().any(|role| matches!(role.as_str(), "control-plane" | "master")),
            ),
            opted_out_by: opted_out(&row.meta.labels, "its label"),
            ..Facts::default()
        }),
        kind => meta(inventory, kind, namespace, name).map(|meta| Facts {
            replicas: replicas(inventory, kind, namespace, name),
            opted_out_by: opted_out(&meta.labels, "its label"),
            ..Facts::default()
        }),
    }
    .unwrap_or_default();
    let scaled = inventory
        .autoscalers()
        .in_namespace(namespace)
        .find(|hpa| hpa.target_kind == target.kind.as_str() && hpa.target_name == name);
    facts.autoscaler = scaled.map(|hpa| format!("HorizontalPodAutoscaler {namespace}/{}", hpa.meta.key.name));
    if facts.opted_out_by.is_none() && !namespace.is_empty() {
        let row = inventory.namespaces().get("", namespace);
        facts.opted_out_by = row.and_then(|row| opted_out(&row.meta.labels, "the label of its namespace"));
    }
    facts
}

fn pod(inventory: &Inventory, row: &PodRow) -> Facts {
    let namespace = &row.meta.key.namespace;
    let owners = owners::chain(inventory, &row.meta);
    let top = owners.last();
    let of_top = |read: &dyn Fn(&str, &str) -> Option<u32>| top.and_then(|o| read(&o.kind, &o.name));
    let budget = inventory.status(Kind::PodDisruptionBudget).sync.is_known().then(|| {
        inventory
            .disruption_budgets()
            .in_namespace(namespace)
            .find(|budget| budget.selector.matches(&row.meta.labels))
    });
    let owner_opted_out = top.and_then(|owner| {
        let meta = meta(inventory, &owner.kind, namespace, &owner.name)?;
        opted_out(&meta.labels, &format!("the label of {} {}", owner.kind, owner.name))
    });
    Facts {
        opted_out_by: opted_out(&row.meta.labels, "its label").or(owner_opted_out),
        priority_class: (!row.priority_class.is_empty()).then(|| row.priority_class.to_string()),
        owner_kind: Some(top.map(|owner| owner.kind.to_string()).unwrap_or_default()),
        owner_name: top.map(|owner| owner.name.to_string()),
        replicas: of_top(&|kind, name| replicas(inventory, kind, namespace, name)),
        has_budget: budget.map(|found| found.is_some()),
        budget_allows: budget.flatten().map(|budget| budget.allowed),
        is_ready: Some(row.ready),
        has_local_storage: Some(row.has_scratch),
        ..Facts::default()
    }
}

fn meta<'a>(inventory: &'a Inventory, kind: &str, namespace: &str, name: &str) -> Option<&'a Meta> {
    fn of<R: Row>(row: Option<&std::sync::Arc<R>>) -> Option<&Meta> {
        row.map(|row| row.meta())
    }
    match kind {
        "Deployment" => of(inventory.deployments().get(namespace, name)),
        "StatefulSet" => of(inventory.stateful_sets().get(namespace, name)),
        "DaemonSet" => of(inventory.daemon_sets().get(namespace, name)),
        "ReplicaSet" => of(inventory.replica_sets().get(namespace, name)),
        "Job" => of(inventory.jobs().get(namespace, name)),
        "CronJob" => of(inventory.cron_jobs().get(namespace, name)),
        _ => None,
    }
}

fn replicas(inventory: &Inventory, kind: &str, namespace: &str, name: &str) -> Option<u32> {
    let desired = match kind {
        "Deployment" => inventory.deployments().get(namespace, name)?.desired,
        "StatefulSet" => inventory.stateful_sets().get(namespace, name)?.desired,
        "DaemonSet" => inventory.daemon_sets().get(namespace, name)?.desired,
        "ReplicaSet" => inventory.replica_sets().get(namespace, name)?.desired,
        _ => return None,
    };
    u32::try_from(desired).ok()
}

fn opted_out(labels: &LabelSet, whose: &str) -> Option<String> {
    labels.get(OPT_OUT).filter(|value| *value == "true").map(|_| format!("{whose} {OPT_OUT}=true"))
}

/// What says that the cluster is being upgraded.
pub(crate) fn upgrading(inventory: &Inventory) -> Option<String> {
    for row in inventory.cluster_versions().iter() {
        if row.conditions.iter().any(|c| c.kind == "Progressing" && c.status == Truth::True) {
            return Some(format!("ClusterVersion {} goes to {}", row.meta.key.name, row.desired));
        }
    }
    for row in inventory.machine_config_pools().iter() {
        if row.conditions.iter().any(|c| c.kind == "Updating" && c.status == Truth::True) {
            let (name, updated, all) = (&row.meta.key.name, row.updated, row.machines);
            return Some(format!("MachineConfigPool {name} is updating, {updated} of {all} machines"));
        }
    }
    // Nodes of a control plane differ in their minor version only while it is being upgraded.
    let minors: Vec<String> = inventory
        .nodes()
        .iter()
        .filter(|row| row.roles.iter().any(|role| matches!(role.as_str(), "control-plane" | "master")))
        .filter_map(|row| {
            let mut parts = row.kubelet.split('.');
            Some(format!("{}.{}", parts.next()?, parts.next()?))
        })
        .collect();
    let first = minors.first()?;
    let other = minors.iter().find(|minor| *minor != first)?;
    Some(format!("nodes of the control plane run {first} and {other}"))
}

#[cfg(test)]
mod tests;
