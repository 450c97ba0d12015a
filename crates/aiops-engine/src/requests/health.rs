//! The state of the whole cluster, or of one namespace: counts, and what is wrong, worst first.
//!
//! Keeps the members of the predecessor (`status`, `nodes`, `pods`, `message`, `details`); what it could not know is
//! null with the reason in `missing`.

use std::borrow::Cow;

use aiops_inventory::{
    Inventory, Kind, Sync,
    inventory::{PodCounts, Source},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Engine, Error,
    answer::{Missing, Standing, age},
    budget,
    detectors::{self, Finding},
    issue::{Issue, Severity},
};

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct ClusterHealth {
    /// Counts beside the verdict.
    pub details: bool,
    /// Only this namespace.
    pub namespace: Option<String>,
    /// At most this many problems.
    pub limit: Option<u32>,
}

/// The state of the cluster.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HealthAnswer {
    /// `healthy`; `degraded` when a node is not ready, a pod failed, or an issue is critical or high; `unhealthy` when no
    /// node is ready; `unknown` when nodes or pods are not known.
    pub status: Cow<'static, str>,
    /// One line.
    pub message: String,
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// The namespace asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Node counts; null when nodes are not known.
    #[serde(skip_serializing_if = "Omit::is_off")]
    pub nodes: Omit<NodeCounts>,
    /// Pod counts by phase; null when pods are not known.
    #[serde(skip_serializing_if = "Omit::is_off")]
    pub pods: Omit<PodPhases>,
    /// Rates; null when there is nothing to divide by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// How many issues there are in what is known; null when nothing is.
    pub issues: Option<IssueCounts>,
    /// The issues, worst first.
    pub problems: Vec<Problem>,
}

/// A member that is left out when not asked for, and null when asked for and not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Omit<T> {
    /// Known.
    Known(T),
    /// Asked for and not known.
    Unknown(()),
    /// Not asked for.
    #[serde(skip)]
    Off,
}

impl<T> Omit<T> {
    const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    fn of(asked: bool, value: Option<T>) -> Self {
        match (asked, value) {
            (false, _) => Self::Off,
            (true, Some(value)) => Self::Known(value),
            (true, None) => Self::Unknown(()),
        }
    }
}

/// Nodes by readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct NodeCounts {
    /// All nodes.
    pub total: usize,
    /// Ready nodes.
    pub ready: usize,
    /// Nodes that are not ready or never reported.
    pub not_ready: usize,
}

/// Pods by phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct PodPhases {
    /// All pods.
    pub total: i64,
    /// Phase Running.
    pub running: i64,
    /// Phase Pending.
    pub pending: i64,
    /// Phase Failed.
    pub failed: i64,
    /// Phase Succeeded.
    pub succeeded: i64,
    /// Phase Unknown.
    pub unknown: i64,
}

impl From<PodCounts> for PodPhases {
    fn from(c: PodCounts) -> Self {
        Self {
            total: c.total(),
            running: c.running,
            pending: c.pending,
            failed: c.failed,
            succeeded: c.succeeded,
            unknown: c.unknown,
        }
    }
}

/// Rates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Details {
    /// Ready nodes of all nodes, percent, one decimal.
    pub node_ready_percentage: Option<f64>,
    /// Running and succeeded pods of all pods, percent, one decimal.
    pub pod_success_rate: Option<f64>,
    /// A pod is in phase Failed.
    pub has_failed_pods: Option<bool>,
    /// A pod is in phase Pending.
    pub has_pending_pods: Option<bool>,
}

/// Issues by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct IssueCounts {
    /// All issues.
    pub total: usize,
    /// Critical ones.
    pub critical: usize,
    /// High ones.
    pub high: usize,
    /// Medium ones.
    pub medium: usize,
    /// Low ones.
    pub low: usize,
    /// Issues that `problems` names neither as a row nor in `also`; raise limit or name a namespace to see them.
    pub omitted: usize,
}

/// An issue on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, a stable word such as `crash_loop`.
    pub code: Cow<'static, str>,
    /// Kind and name of the object, such as `Deployment shop/checkout`.
    pub object: String,
    /// Affected pods (or dependents).
    pub count: usize,
    /// For how long, such as 12m; absent when the API does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<String>,
    /// One affected pod, to hand to diagnose-pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// What follows from it for the same object, such as `deployment_unavailable`; counted in `issues` too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<&'static str>,
    /// What was observed; may quote texts of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}

impl Problem {
    /// An issue as the wire has it, its sentence cut at `longest` characters.
    pub fn new(issue: &Issue, now: Timestamp, longest: usize) -> Self {
        Self {
            severity: issue.severity,
            code: issue.code.into(),
            also: Vec::new(),
            object: issue.object.to_string(),
            count: issue.count,
            age: issue.since.map(|since| age(now, since)),
            pod: issue.example.as_ref().map(ToString::to_string),
            what: (longest > 0).then(|| crate::text::line(&issue.what, longest)),
        }
    }

    /// An issue with what follows from it.
    fn of(finding: &Finding, now: Timestamp, longest: usize) -> Self {
        Self {
            severity: finding.severity,
            also: finding.also.clone(),
            ..Self::new(&finding.issue, now, longest)
        }
    }
}

impl Engine {
    /// The state of the cluster or of one namespace.
    pub fn cluster_health(&self, request: &ClusterHealth) -> Result<HealthAnswer, Error> {
        let inventory = self.look();
        let now = self.now();
        let namespace = request.namespace.as_deref().filter(|ns| !ns.is_empty());
        if let Some(namespace) = namespace {
            self.seen_namespace(&inventory, namespace)?;
        }
        let mut standing = self.standing_in(&inventory, &HEALTH_KINDS, namespace);
        standing.missing.retain(|m| m.state != "absent" || m.kind == "Node" || m.kind == "Pod");
        if !matches!(inventory.info().source, Source::None { .. }) {
            standing.missing.extend(unjudged(&inventory));
        }
        let nodes = (!standing.lacks(Kind::Node) && namespace.is_none()).then(|| node_counts(&inventory));
        let counts = match namespace {
            None => inventory.pod_totals().counts,
            Some(name) => inventory.namespace_totals(name).map(|t| t.pods.counts).unwrap_or_default(),
        };
        let pods = (!standing.lacks(Kind::Pod)).then(|| PodPhases::from(counts));
        let found =
            detectors::issues(detectors::View { inventory: &inventory, now: now.as_second(), namespace });
        drop(inventory);
        let mut issues = count(&found);
        let limit = usize::try_from(request.limit.unwrap_or(u32::MAX)).unwrap_or(usize::MAX);
        let findings = detectors::fold(found);
        let problems = fit(&findings, now, limit, budget::of(request.limit).min(20_000) - 300);
        let named: usize = problems.iter().map(|problem| 1 + problem.also.len()).sum();
        issues.omitted = issues.total - named;
        let status = status(nodes, pods, &issues, namespace.is_some());
        let unknown = HEALTH_KINDS.iter().filter(|kind| standing.lacks(**kind)).count();
        let issues = (unknown < HEALTH_KINDS.len()).then_some(issues);
        Ok(HealthAnswer {
            message: message(&status, nodes, pods, issues.as_ref(), unknown > 0),
            status,
            standing,
            namespace: namespace.map(str::to_owned),
            nodes: Omit::of(request.details && namespace.is_none(), nodes),
            pods: Omit::of(request.details, pods),
            details: request.details.then(|| details(nodes, pods)),
            issues,
            problems,
        })
    }
}

const HEALTH_KINDS: [Kind; 6] = [
    Kind::Node,
    Kind::Pod,
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::PersistentVolumeClaim,
];

/// The other kinds in which something may be wrong.
const JUDGED_KINDS: [Kind; 9] = [
    Kind::ReplicaSet,
    Kind::Job,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::HorizontalPodAutoscaler,
    Kind::PodDisruptionBudget,
    Kind::ResourceQuota,
    Kind::Namespace,
    Kind::Event,
];

/// Kinds that no issue can be found in because they are not known: without a word, no issues would read as nothing
/// wrong. One entry for each state, so that a cluster where half of the kinds are refused costs few words.
fn unjudged(inventory: &Inventory) -> Vec<Missing> {
    let mut states: Vec<(&'static str, Vec<&'static str>, &str)> = Vec::new();
    for kind in JUDGED_KINDS {
        let sync = &inventory.status(kind).sync;
        if sync.is_known() || *sync == Sync::Absent {
            continue;
        }
        match states.iter_mut().find(|(state, ..)| *state == sync.as_str()) {
            Some((_, kinds, _)) => kinds.push(kind.name()),
            None => states.push((sync.as_str(), vec![kind.name()], Missing::reason(sync))),
        }
    }
    let entry = |(state, kinds, reason): (&'static str, Vec<&'static str>, &str)| Missing {
        kind: kinds.join(", "),
        state: state.to_owned(),
        reason: format!("what is wrong there is not known: {reason}"),
    };
    states.into_iter().map(entry).collect()
}

fn node_counts(inventory: &Inventory) -> NodeCounts {
    let total = inventory.nodes().len();
    let ready = inventory.nodes().iter().filter(|node| node.ready() == Some(true)).count();
    NodeCounts { total, ready, not_ready: total - ready }
}

fn count(found: &[Issue]) -> IssueCounts {
    let mut counts = IssueCounts { total: found.len(), ..IssueCounts::default() };
    for issue in found {
        match issue.severity {
            Severity::Critical => counts.critical += 1,
            Severity::High => counts.high += 1,
            Severity::Medium => counts.medium += 1,
            Severity::Low => counts.low += 1,
        }
    }
    counts
}

/// As many findings as fit. Their sentences shrink a little when that lets all of them in, and as far as needed for
/// every critical one to stand in the answer; when that is not enough their pods go, which diagnose-pod finds by the
/// workload, then what follows from them, which stays counted as omitted.
fn fit(found: &[Finding], now: Timestamp, limit: usize, bytes: usize) -> Vec<Problem> {
    let wanted = found.len().min(limit);
    let critical = found.iter().filter(|finding| finding.severity == Severity::Critical).count().min(limit);
    let cut = |(longest, with_pod, with_also)| {
        let mut used = 0;
        let mut problems = Vec::new();
        for finding in found.iter().take(limit) {
            let mut problem = Problem::of(finding, now, longest);
            problem.pod = problem.pod.filter(|_| with_pod);
            problem.also.truncate(if with_also { usize::MAX } else { 0 });
            used += serde_json::to_vec(&problem).map_or(0, |json| json.len() + 1);
            if used > bytes && !problems.is_empty() {
                break;
            }
            problems.push(problem);
        }
        problems
    };
    let all =
        [160, 120, 80].into_iter().map(|longest| cut((longest, true, true))).find(|p| p.len() == wanted);
    let worst = || {
        let ways = [(160, true, true), (80, true, true), (40, true, true), (0, true, true), (0, false, true)];
        ways.into_iter().map(cut).find(|problems| problems.len() >= critical)
    };
    all.or_else(worst).unwrap_or_else(|| cut((0, false, false)))
}

fn status(
    nodes: Option<NodeCounts>,
    pods: Option<PodPhases>,
    issues: &IssueCounts,
    one_namespace: bool,
) -> Cow<'static, str> {
    let troubled = issues.critical + issues.high > 0;
    let status = match (nodes, pods) {
        (Some(nodes), _) if nodes.ready == 0 => "unhealthy",
        (None, _) if !one_namespace => "unknown",
        (_, None) => "unknown",
        (nodes, Some(pods)) if nodes.is_some_and(|n| n.not_ready > 0) || pods.failed > 0 || troubled => {
            "degraded"
        }
        _ => "healthy",
    };
    status.into()
}

fn message(
    status: &str,
    nodes: Option<NodeCounts>,
    pods: Option<PodPhases>,
    issues: Option<&IssueCounts>,
    is_partial: bool,
) -> String {
    let mut parts = vec![format!("Cluster is {status}")];
    if let Some(nodes) = nodes {
        parts.push(format!("{}/{} nodes ready", nodes.ready, nodes.total));
    }
    if let Some(pods) = pods {
        parts.push(format!("{}/{} pods running", pods.running, pods.total));
    }
    parts.push(match issues {
        None => "nothing is known of its objects".to_owned(),
        Some(IssueCounts { total: 0, .. }) if is_partial => "no issues in what is known".to_owned(),
        Some(IssueCounts { total: 0, .. }) => "no issues".to_owned(),
        Some(n) => format!("{} issues ({} critical, {} high)", n.total, n.critical, n.high),
    });
    parts.join(", ").replacen(", ", ": ", 1)
}

fn details(nodes: Option<NodeCounts>, pods: Option<PodPhases>) -> Details {
    let percent = |part: f64, whole: f64| (whole > 0.0).then(|| (part / whole * 1_000.0).round() / 10.0);
    Details {
        node_ready_percentage: nodes.and_then(|n| percent(n.ready as f64, n.total as f64)),
        pod_success_rate: pods.and_then(|p| percent((p.running + p.succeeded) as f64, p.total as f64)),
        has_failed_pods: pods.map(|p| p.failed > 0),
        has_pending_pods: pods.map(|p| p.pending > 0),
    }
}
