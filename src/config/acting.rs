//! `acting`: whether, where, for whom, how much and how fast aiops may change the cluster.
//!
//! It judges no plan; the engine's guard does, by the [`Settings`] that are made of this. A limit may be lowered freely
//! and is raised over its default only with `acting.limits.raised`.

use std::time::Duration;

use aiops_engine::settings::{BreakerLimits, Limits, Policy, Settings, Timing};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration;

/// Changing the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Acting {
    /// Whether anything may be changed. Without an engine in this process nothing acts either way, unless this is a member of another aiops.
    pub enabled: bool,
    /// Act in these namespaces only, with `*` as a wildcard. Empty: in all that the policy lets.
    pub namespaces: Vec<String>,
    /// Who may trigger and approve: names of tokens or OS users, or `group:NAME`. Empty: everybody who proved who they are, and without `http.tokenFile` anybody on loopback may trigger.
    pub granted_to: Vec<String>,
    /// Read and write Helm 3 releases: needs get, list, create and patch on Secrets. Off: the `helm` command is handed out.
    pub helm: bool,
    /// A ConfigMap (`NAMESPACE/NAME`, or `NAME` in our own namespace) whose data `mode` (run, pause or stop) is a kill switch too. It is read before each change; unreadable for a minute counts as pause.
    pub kill_switch_config_map: Option<String>,
    /// How much at once, and how often.
    pub limits: ActingLimits,
    /// How long what may take.
    pub times: ActingTimes,
}

impl Default for Acting {
    fn default() -> Self {
        Self {
            enabled: true,
            namespaces: Vec::new(),
            granted_to: Vec::new(),
            helm: false,
            kill_switch_config_map: None,
            limits: ActingLimits::default(),
            times: ActingTimes::default(),
        }
    }
}

/// How much at once, and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ActingLimits {
    /// Lets the limits below be laxer than their defaults.
    pub raised: bool,
    /// A trouble that was repaired rests for so long.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub cooldown_success: Duration,
    /// After the first failure.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub cooldown_first_failure: Duration,
    /// After the second failure.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub cooldown_second_failure: Duration,
    /// Failures are counted over this long.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub failure_window: Duration,
    /// So many failures end automation for a trouble, and an order for it needs an approval.
    #[schemars(range(min = 1, max = 100))]
    pub failures_to_escalate: u32,
    /// Workflows that act at once in one namespace.
    #[schemars(range(min = 1, max = 1000))]
    pub workflows_per_namespace: u32,
    /// Workflows that act at once in the cluster.
    #[schemars(range(min = 1, max = 1000))]
    pub workflows_per_cluster: u32,
    /// Workflows that act on nodes at once.
    #[schemars(range(min = 0, max = 1000))]
    pub node_workflows: u32,
    /// Nodes of the control plane may be cordoned and drained.
    pub may_touch_control_plane: bool,
    /// Mutating requests a second.
    #[schemars(range(min = 1, max = 1000))]
    pub mutations_per_second: u32,
    /// How many of them may come at once.
    #[schemars(range(min = 1, max = 1000))]
    pub mutation_burst: u32,
    /// Length of a budget's window.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub budget_window: Duration,
    /// Changes in a window, in the cluster.
    #[schemars(range(min = 0, max = 100_000))]
    pub budget_per_cluster: u32,
    /// Changes in a window, in one namespace.
    #[schemars(range(min = 0, max = 100_000))]
    pub budget_per_namespace: u32,
    /// Pods that one workflow may evict.
    #[schemars(range(min = 0, max = 10_000))]
    pub pods_per_workflow: u32,
    /// Percent of a workload's replicas that may be taken away at a time; at least one pod.
    #[schemars(range(min = 1, max = 100))]
    pub replica_percent: u32,
    /// Outcomes of workflows are looked at over this long.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub error_window: Duration,
    /// Fewer outcomes than this say nothing.
    #[schemars(range(min = 1, max = 1000))]
    pub error_min_outcomes: u32,
    /// Percent of failures at which automation pauses.
    #[schemars(range(min = 1, max = 100))]
    pub error_percent: u32,
    /// What opens the storm breaker.
    pub breaker: ActingBreaker,
}

impl Default for ActingLimits {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            raised: false,
            cooldown_success: limits.cooldown_success,
            cooldown_first_failure: limits.cooldown_first_failure,
            cooldown_second_failure: limits.cooldown_second_failure,
            failure_window: limits.failure_window,
            failures_to_escalate: limits.failures_to_escalate,
            workflows_per_namespace: limits.workflows_per_namespace,
            workflows_per_cluster: limits.workflows_per_cluster,
            node_workflows: limits.node_workflows,
            may_touch_control_plane: limits.may_touch_control_plane,
            mutations_per_second: limits.mutations_per_second,
            mutation_burst: limits.mutation_burst,
            budget_window: limits.budget_window,
            budget_per_cluster: limits.budget_per_cluster,
            budget_per_namespace: limits.budget_per_namespace,
            pods_per_workflow: limits.pods_per_workflow,
            replica_percent: limits.replica_percent,
            error_window: limits.error_window,
            error_min_outcomes: limits.error_min_outcomes,
            error_percent: limits.error_percent,
            breaker: ActingBreaker::default(),
        }
    }
}

/// What opens the storm breaker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ActingBreaker {
    /// Percent of a zone's nodes that are not ready,
    #[schemars(range(min = 1, max = 100))]
    pub zone_percent: u32,
    /// and more of them than this.
    #[schemars(range(min = 0, max = 10_000))]
    pub zone_nodes: u32,
    /// Percent of all nodes that are not ready,
    #[schemars(range(min = 1, max = 100))]
    pub nodes_percent: u32,
    /// and more of them than this.
    #[schemars(range(min = 0, max = 10_000))]
    pub nodes: u32,
    /// More new incidents than this in 5 minutes hold what is automatic.
    #[schemars(range(min = 1, max = 100_000))]
    pub incidents: u32,
    /// So many percent of the workloads with issues hold what is automatic.
    #[schemars(range(min = 1, max = 100))]
    pub workloads_percent: u32,
    /// Percent of the API server's answers within a minute that are its own errors.
    #[schemars(range(min = 1, max = 100))]
    pub api_errors_percent: u32,
    /// It closes when all was below 80 % of these for so long.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub calm: Duration,
}

impl Default for ActingBreaker {
    fn default() -> Self {
        let breaker = BreakerLimits::default();
        Self {
            zone_percent: breaker.zone_percent,
            zone_nodes: breaker.zone_nodes,
            nodes_percent: breaker.nodes_percent,
            nodes: breaker.nodes,
            incidents: breaker.incidents,
            workloads_percent: breaker.workloads_percent,
            api_errors_percent: breaker.api_errors_percent,
            calm: breaker.calm,
        }
    }
}

/// How long what may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ActingTimes {
    /// One step, waiting for a disruption budget included.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub step: Duration,
    /// Until a step is seen to have helped.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub verify: Duration,
    /// A whole workflow, at most 24h.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub workflow: Duration,
    /// How long an approval is waited for.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub approval: Duration,
    /// A process's hold on a workflow: another takes over that much after it fell silent. At least 1s.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub lease: Duration,
    /// Between two sweeps of the detectors.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub sweep: Duration,
    /// Trouble that is gone for so long closes the incident that a detector opened.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub sweep_grace: Duration,
}

impl Default for ActingTimes {
    fn default() -> Self {
        let timing = Timing::default();
        Self {
            step: timing.step,
            verify: timing.verify,
            workflow: timing.workflow,
            approval: timing.approval,
            lease: timing.lease,
            sweep: timing.sweep,
            sweep_grace: timing.sweep_grace,
        }
    }
}

impl ActingTimes {
    /// The longest that one change may take: 5 s, and under a short lease less, so that the lease may be trusted for longer
    /// than the request takes. With a longer one nothing would ever be sent.
    pub fn request(&self) -> Duration {
        (self.lease / 3).min(Timing::default().request)
    }
}

/// Longest a workflow may take.
const LONGEST_WORKFLOW: Duration = Duration::from_secs(24 * 3_600);

impl Acting {
    /// What the engine acts by.
    pub fn settings(&self, policy: Policy, own_namespace: Option<String>) -> Settings {
        let (given, breaker, times) = (&self.limits, &self.limits.breaker, &self.times);
        let limits = Limits {
            cooldown_success: given.cooldown_success,
            cooldown_first_failure: given.cooldown_first_failure,
            cooldown_second_failure: given.cooldown_second_failure,
            failure_window: given.failure_window,
            failures_to_escalate: given.failures_to_escalate,
            workflows_per_namespace: given.workflows_per_namespace,
            workflows_per_cluster: given.workflows_per_cluster,
            node_workflows: given.node_workflows,
            may_touch_control_plane: given.may_touch_control_plane,
            mutations_per_second: given.mutations_per_second,
            mutation_burst: given.mutation_burst,
            budget_window: given.budget_window,
            budget_per_cluster: given.budget_per_cluster,
            budget_per_namespace: given.budget_per_namespace,
            pods_per_workflow: given.pods_per_workflow,
            replica_percent: given.replica_percent,
            error_window: given.error_window,
            error_min_outcomes: given.error_min_outcomes,
            error_percent: given.error_percent,
            breaker: BreakerLimits {
                zone_percent: breaker.zone_percent,
                zone_nodes: breaker.zone_nodes,
                nodes_percent: breaker.nodes_percent,
                nodes: breaker.nodes,
                incidents: breaker.incidents,
                workloads_percent: breaker.workloads_percent,
                api_errors_percent: breaker.api_errors_percent,
                calm: breaker.calm,
                ..BreakerLimits::default()
            },
            ..Limits::default()
        };
        let timing = Timing {
            step: times.step,
            verify: times.verify,
            workflow: times.workflow,
            approval: times.approval,
            lease: times.lease,
            // A third, as of the default; the margin a fifth: a short lease is renewed and trusted shorter.
            renew: times.lease / 3,
            lease_margin: times.lease / 5,
            request: times.request(),
            sweep: times.sweep,
            sweep_grace: times.sweep_grace,
            ..Timing::default()
        };
        Settings {
            is_simulated: false,
            is_enabled: self.enabled,
            namespaces: self.namespaces.clone(),
            granted_to: self.granted_to.clone(),
            kill_switch: self.kill_switch(own_namespace.as_deref()),
            own_namespace,
            policy,
            limits,
            timing,
        }
    }

    /// Namespace and name of the ConfigMap; `None` for one in a namespace of our own that is not known.
    fn kill_switch(&self, own_namespace: Option<&str>) -> Option<(String, String)> {
        let named = self.kill_switch_config_map.as_deref()?;
        let (namespace, name) = match named.split_once('/') {
            Some((namespace, name)) => (namespace, name),
            None => (own_namespace?, named),
        };
        Some((namespace.to_owned(), name.to_owned()))
    }

    /// Tells `refuse` of values that cannot be meant, and of limits that are laxer than their defaults without
    /// `raised`.
    pub(super) fn check(&self, own_namespace: Option<&str>, refuse: &mut dyn FnMut(&str, String)) {
        let times = &self.times;
        if let Some(named) = &self.kill_switch_config_map {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '/');
            let parts: Vec<&str> = named.split('/').collect();
            let is_name =
                named.chars().all(fits) && parts.len() <= 2 && parts.iter().all(|part| !part.is_empty());
            if !is_name {
                refuse("acting.killSwitchConfigMap", "must be NAMESPACE/NAME or NAME".to_owned());
            } else if parts.len() == 1 && own_namespace.is_none() {
                let why = format!(
                    "{named:?} names no namespace, and outside of a cluster there is none of our own; write NAMESPACE/{named}"
                );
                refuse("acting.killSwitchConfigMap", why);
            }
        }
        if times.lease < Duration::from_secs(1) {
            refuse("acting.times.lease", "must be at least 1s".to_owned());
        }
        if times.workflow > LONGEST_WORKFLOW {
            refuse("acting.times.workflow", "must be at most 24h".to_owned());
        }
        if times.workflow < times.step {
            refuse("acting.times.workflow", "must not be shorter than acting.times.step".to_owned());
        }
        for (index, pattern) in self.namespaces.iter().enumerate() {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '*');
            if pattern.is_empty() || pattern.len() > 63 || !pattern.chars().all(fits) {
                refuse(
                    &format!("acting.namespaces[{index}]"),
                    "must be a namespace's name, with * as a wildcard".to_owned(),
                );
            }
        }
        for (index, name) in self.granted_to.iter().enumerate() {
            let bare = name.strip_prefix("group:").unwrap_or(name);
            if bare.is_empty() || bare == "anonymous" {
                let why = "must be a token's name, an OS user or group:NAME; anonymous callers never approve";
                refuse(&format!("acting.grantedTo[{index}]"), why.to_owned());
            }
        }
        if !self.limits.raised {
            self.limits.laxer(refuse);
        }
    }
}

impl ActingLimits {
    fn laxer(&self, refuse: &mut dyn FnMut(&str, String)) {
        let (own, default) = (self, Self::default());
        let (b, d) = (&own.breaker, &default.breaker);
        let mut lax = |key: &str, is_laxer: bool, default: String| {
            if is_laxer {
                let why = format!(
                    "is laxer than its default ({default}); if that is meant, set acting.limits.raised = true"
                );
                refuse(&format!("acting.limits.{key}"), why);
            }
        };
        let most = [
            ("failuresToEscalate", own.failures_to_escalate, default.failures_to_escalate),
            ("workflowsPerNamespace", own.workflows_per_namespace, default.workflows_per_namespace),
            ("workflowsPerCluster", own.workflows_per_cluster, default.workflows_per_cluster),
            ("nodeWorkflows", own.node_workflows, default.node_workflows),
            ("mutationsPerSecond", own.mutations_per_second, default.mutations_per_second),
            ("mutationBurst", own.mutation_burst, default.mutation_burst),
            ("budgetPerCluster", own.budget_per_cluster, default.budget_per_cluster),
            ("budgetPerNamespace", own.budget_per_namespace, default.budget_per_namespace),
            ("podsPerWorkflow", own.pods_per_workflow, default.pods_per_workflow),
            ("replicaPercent", own.replica_percent, default.replica_percent),
            ("errorMinOutcomes", own.error_min_outcomes, default.error_min_outcomes),
            ("errorPercent", own.error_percent, default.error_percent),
            ("breaker.zonePercent", b.zone_percent, d.zone_percent),
            ("breaker.zoneNodes", b.zone_nodes, d.zone_nodes),
            ("breaker.nodesPercent", b.nodes_percent, d.nodes_percent),
            ("breaker.nodes", b.nodes, d.nodes),
            ("breaker.incidents", b.incidents, d.incidents),
            ("breaker.workloadsPercent", b.workloads_percent, d.workloads_percent),
            ("breaker.apiErrorsPercent", b.api_errors_percent, d.api_errors_percent),
        ];
        for (key, given, most) in most {
            lax(key, given > most, most.to_string());
        }
        let shortest = [
            ("cooldownSuccess", own.cooldown_success, default.cooldown_success),
            ("cooldownFirstFailure", own.cooldown_first_failure, default.cooldown_first_failure),
            ("cooldownSecondFailure", own.cooldown_second_failure, default.cooldown_second_failure),
            ("failureWindow", own.failure_window, default.failure_window),
            ("budgetWindow", own.budget_window, default.budget_window),
            ("errorWindow", own.error_window, default.error_window),
            ("breaker.calm", b.calm, d.calm),
        ];
        for (key, given, least) in shortest {
            lax(key, given < least, duration::show(least));
        }
        lax("mayTouchControlPlane", own.may_touch_control_plane, "false".to_owned());
    }
}
