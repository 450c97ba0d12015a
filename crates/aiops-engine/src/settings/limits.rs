//! How much may be done at once, how often, and how long it may take.
//!
//! The defaults are those of the design's guard rails; where one follows another system's, it says whose.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// How much at once, and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// How long a fingerprint rests after a success; cluster-autoscaler's scale-down delay after a scale-up.
    pub cooldown_success: Duration,
    /// After the first failure.
    pub cooldown_first_failure: Duration,
    /// After the second.
    pub cooldown_second_failure: Duration,
    /// Failures are counted over this long.
    pub failure_window: Duration,
    /// This many failures in the window escalate: nothing automatic any more, and a person's order needs an approval.
    pub failures_to_escalate: u32,
    /// Workflows that act at once in one namespace.
    pub workflows_per_namespace: u32,
    /// Workflows that act at once in the cluster.
    pub workflows_per_cluster: u32,
    /// Workflows that act on nodes at once.
    pub node_workflows: u32,
    /// Nodes of the control plane may be acted on.
    pub may_touch_control_plane: bool,
    /// Mutating requests a second, over the whole process.
    pub mutations_per_second: u32,
    /// How many of them may come at once.
    pub mutation_burst: u32,
    /// Length of a budget's bucket.
    pub budget_window: Duration,
    /// Mutations a bucket, in the cluster.
    pub budget_per_cluster: u32,
    /// Mutations a bucket, in one namespace.
    pub budget_per_namespace: u32,
    /// Pods that one workflow may evict or delete.
    pub pods_per_workflow: u32,
    /// Percent of a workload's replicas that one workflow may take away at a time; at least one pod.
    pub replica_percent: u32,
    /// Outcomes are looked at over this long.
    pub error_window: Duration,
    /// Fewer outcomes than this say nothing.
    pub error_min_outcomes: u32,
    /// Percent of failures at which automation pauses.
    pub error_percent: u32,
    /// Steps of a plan.
    pub steps: u32,
    /// Bytes of a plan in JSON.
    pub plan_bytes: usize,
    /// Attempts of one step.
    pub attempts: u32,
    /// Claims of a workflow without a new committed step.
    pub recoveries: u32,
    /// What opens the breaker.
    pub breaker: BreakerLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cooldown_success: 10 * MINUTE,
            cooldown_first_failure: 30 * MINUTE,
            cooldown_second_failure: 2 * HOUR,
            failure_window: 6 * HOUR,
            failures_to_escalate: 3,
            workflows_per_namespace: 1,
            workflows_per_cluster: 5,
            node_workflows: 1,
            may_touch_control_plane: false,
            mutations_per_second: 5,
            mutation_burst: 10,
            budget_window: 10 * MINUTE,
            budget_per_cluster: 20,
            budget_per_namespace: 5,
            pods_per_workflow: 10,
            replica_percent: 20,
            error_window: 30 * MINUTE,
            error_min_outcomes: 5,
            error_percent: 50,
            steps: 50,
            plan_bytes: 64 * 1024,
            attempts: 10,
            recoveries: 5,
            breaker: BreakerLimits::default(),
        }
    }
}

/// What opens the storm breaker. It closes when everything has stayed below `close_percent` of these for `calm`.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerLimits {
    /// Percent of a zone's nodes that are not ready (kube-controller-manager's unhealthy-zone-threshold).
    pub zone_percent: u32,
    /// And more of them than this.
    pub zone_nodes: u32,
    /// Percent of all nodes that are not ready (cluster-autoscaler's max-total-unready-percentage).
    pub nodes_percent: u32,
    /// And more of them than this (its ok-total-unready-count).
    pub nodes: u32,
    /// More new incidents than this in 5 min.
    pub incidents: u32,
    /// Percent of the workloads that have issues.
    pub workloads_percent: u32,
    /// And at least this many of them: in a cluster of five workloads one is no storm.
    pub workloads: u32,
    /// Percent of the API server's answers within a minute that are errors of its own.
    pub api_errors_percent: u32,
    /// Of at least this many.
    pub api_requests: u32,
    /// Percent of the thresholds below which it counts as calm.
    pub close_percent: u32,
    /// How long it has to be calm.
    pub calm: Duration,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self {
            zone_percent: 55,
            zone_nodes: 2,
            nodes_percent: 45,
            nodes: 3,
            incidents: 30,
            workloads_percent: 20,
            workloads: 5,
            api_errors_percent: 20,
            api_requests: 20,
            close_percent: 80,
            calm: 10 * MINUTE,
        }
    }
}

/// How long what may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// A lease on a workflow.
    pub lease: Duration,
    /// How often it is renewed.
    pub renew: Duration,
    /// What is kept off a lease for clocks that differ: nothing is sent that could end within it.
    pub lease_margin: Duration,
    /// One mutating request. Nothing is sent unless the lease may be trusted for a fifth longer than this.
    pub request: Duration,
    /// One step, waiting for a disruption budget included.
    pub step: Duration,
    /// Verification of one step.
    pub verify: Duration,
    /// Between two looks at a step that settles.
    pub settle: Duration,
    /// How long everything has to hold before a workflow is completed: a container that crashes in ten seconds is running
    /// now.
    pub steady: Duration,
    /// An effect that cannot be observed for this long is indeterminate.
    pub observe: Duration,
    /// A whole workflow.
    pub workflow: Duration,
    /// Planning and proving.
    pub planning: Duration,
    /// How long an approval is waited for.
    pub approval: Duration,
    /// How long an idempotency key is kept.
    pub idempotency: Duration,
    /// A control that could not be read for this long counts as `pause`.
    pub control_trust: Duration,
    /// Between two sweeps of the detectors.
    pub sweep: Duration,
    /// A finding that is gone for this long closes its incident.
    pub sweep_grace: Duration,
    /// Between two anchors of the audit chains.
    pub anchor: Duration,
    /// How long ended workflows and closed incidents are kept.
    pub retention: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            lease: seconds(15),
            renew: seconds(5),
            lease_margin: seconds(3),
            request: seconds(5),
            step: 10 * MINUTE,
            verify: 5 * MINUTE,
            settle: seconds(2),
            steady: seconds(10),
            observe: MINUTE,
            workflow: 30 * MINUTE,
            planning: 2 * MINUTE,
            approval: HOUR,
            idempotency: 24 * HOUR,
            control_trust: MINUTE,
            sweep: seconds(5),
            sweep_grace: 2 * MINUTE,
            anchor: seconds(10),
            retention: 30 * 24 * HOUR,
        }
    }
}

/// A duration in the store's unit; the longest of ours is far below the end of the numbers.
pub fn millis(duration: Duration) -> crate::model::Millis {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
