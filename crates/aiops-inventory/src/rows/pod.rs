//! Pods and their containers.

use std::{net::IpAddr, sync::Arc};

use super::{Meta, Seconds};
use crate::Name;

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRow {
    /// Metadata.
    pub meta: Meta,
    /// `spec.nodeName`, once scheduled.
    pub node: Option<Name>,
    /// `status.phase`.
    pub phase: Phase,
    /// `status.reason`, such as `Evicted` or `NodeLost`; empty when absent.
    pub reason: Name,
    /// `status.message`, cut at 512 bytes, kept when `reason` is set.
    pub message: Option<Box<str>>,
    /// `status.podIP`.
    pub ip: Option<IpAddr>,
    /// The `Ready` condition is True.
    pub ready: bool,
    /// When the `Ready` condition last changed.
    pub ready_since: Seconds,
    /// Why the scheduler could not place it (`PodScheduled` is False): reason and message.
    pub unscheduled: Option<Box<Unscheduled>>,
    /// `status.startTime`.
    pub started: Option<Seconds>,
    /// `spec.priorityClassName`, empty when absent.
    pub priority_class: Name,
    /// `spec.serviceAccountName`, empty when absent.
    pub service_account: Name,
    /// Names of the PersistentVolumeClaims it mounts.
    pub claims: Arc<[Name]>,
    /// It is a static (mirror) pod of a kubelet.
    pub is_mirror: bool,
    /// It has an emptyDir that is not memory: what that holds is lost with the pod.
    pub has_scratch: bool,
    /// What the scheduler counts: max(sum of containers + sidecars, init containers) + overhead.
    pub requests: Arc<Resources>,
    /// Sum over the containers that run together; a resource that one of them leaves unlimited is `None`.
    pub limits: Arc<Resources>,
    /// Init containers first, then containers, in the order of the spec.
    pub containers: Box<[ContainerRow]>,
}

/// CPU and memory of a request or limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Resources {
    /// CPU in millicores.
    pub cpu_milli: Option<i64>,
    /// Memory in bytes.
    pub memory_bytes: Option<i64>,
}

/// Why a pod has no node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unscheduled {
    /// Reason, mostly `Unschedulable` or `SchedulingGated`.
    pub reason: Name,
    /// The scheduler's message, cut at 1,024 bytes.
    pub message: Box<str>,
    /// Since when.
    pub since: Seconds,
}

/// `status.phase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Accepted, not all containers started.
    Pending,
    /// Bound and at least one container runs or restarts.
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, at least one badly.
    Failed,
    /// The node does not answer, or the phase is missing.
    Unknown,
}

impl Phase {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}

/// What the spec says of a container; shared between replicas.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContainerSpec {
    /// Name.
    pub name: Name,
    /// Image as written in the spec.
    pub image: Name,
    /// Where it stands in the pod's life.
    pub kind: ContainerKind,
    /// Requests.
    pub requests: Resources,
    /// Limits.
    pub limits: Resources,
    /// It has a liveness probe.
    pub has_liveness: bool,
    /// It has a readiness probe.
    pub has_readiness: bool,
    /// It has a startup probe.
    pub has_startup: bool,
}

/// Where a container stands in the pod's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContainerKind {
    /// Runs to its end before the others start.
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
    /// An ordinary container.
    Main,
}

/// A container and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRow {
    /// What the spec says.
    pub spec: Arc<ContainerSpec>,
    /// `restartCount`.
    pub restarts: u32,
    /// `ready`.
    pub ready: bool,
    /// `started` (passed its startup probe); `None` when not reported.
    pub started: Option<bool>,
    /// `state`.
    pub state: ContainerState,
    /// `lastState.terminated`.
    pub last: Option<Box<Termination>>,
}

/// A container's present state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    /// No status was reported yet.
    Unreported,
    /// Waiting: reason and message (cut at 512 bytes).
    Waiting(Box<Waiting>),
    /// Running since.
    Running(Seconds),
    /// Ended.
    Terminated(Box<Termination>),
}

/// Why a container waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// `reason`, such as `CrashLoopBackOff`; empty when absent.
    pub reason: Name,
    /// `message`, cut at 512 bytes, empty when absent.
    pub message: Box<str>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Termination {
    /// `reason`, such as `OOMKilled`, `Error`, `Completed`.
    pub reason: Name,
    /// `message`, cut at 512 bytes, empty when absent.
    pub message: Box<str>,
    /// `exitCode`.
    pub exit_code: i32,
    /// `signal`, 0 when absent.
    pub signal: i32,
    /// `startedAt`; 0 when absent.
    pub started: Seconds,
    /// `finishedAt`; 0 when absent.
    pub finished: Seconds,
}

impl PodRow {
    /// `n` of `m` containers ready, as kubectl prints it: sidecars count, plain init containers do not.
    pub fn ready_containers(&self) -> (usize, usize) {
        let counted = self.containers.iter().filter(|c| c.spec.kind != ContainerKind::Init);
        counted.fold((0, 0), |(ready, all), c| (ready + usize::from(c.ready), all + 1))
    }

    /// Restarts of all containers.
    pub fn restarts(&self) -> u32 {
        self.containers.iter().fold(0, |sum, c| sum.saturating_add(c.restarts))
    }

    /// It has ended and needs nothing more of a node.
    pub fn is_terminal(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// The one word for its state: `Terminating`, the pod's reason, the reason of the first waiting or badly ended
    /// container, else the phase; as kubectl's STATUS column.
    pub fn status(&self) -> &str {
        if self.meta.deleting.is_some() {
            return "Terminating";
        }
        if !self.reason.is_empty() {
            return &self.reason;
        }
        for container in &self.containers {
            match &container.state {
                ContainerState::Waiting(w)
                    if !w.reason.is_empty()
                        && w.reason != "PodInitializing"
                        && w.reason != "ContainerCreating" =>
                {
                    return &w.reason;
                }
                ContainerState::Terminated(t) if t.exit_code != 0 && !t.reason.is_empty() => {
                    return &t.reason;
                }
                _ => {}
            }
        }
        if self.phase == Phase::Pending
            && self.node.is_some()
            && self
                .containers
                .iter()
                .any(|c| matches!(&c.state, ContainerState::Waiting(w) if w.reason == "ContainerCreating"))
        {
            return "ContainerCreating";
        }
        self.phase.as_str()
    }
}

impl PodRow {
    /// It is not plainly well: neither ended well, nor running with all containers ready and none restarted. Whether
    /// that is a fault depends on for how long, which the reader of the clock decides.
    pub fn is_suspect(&self) -> bool {
        match self.phase {
            Phase::Succeeded => self.meta.deleting.is_some(),
            Phase::Running => {
                !self.ready
                    || self.meta.deleting.is_some()
                    || !self.reason.is_empty()
                    || self.containers.iter().any(|c| {
                        c.last.is_some()
                            || matches!(&c.state, ContainerState::Waiting(_))
                            || matches!(&c.state, ContainerState::Terminated(t) if t.exit_code != 0)
                    })
            }
            Phase::Pending | Phase::Failed | Phase::Unknown => true,
        }
    }
}
