//! How a pod is, for choosing a remedy: ready, in which trouble, of which revision, and who would make it again.

use serde_json::Value;

use super::value::{annotation, controller, flag, int, label, list, name, text, time, uid};
use crate::model::target::Target;

/// A failure that is older than this, in seconds, is history.
pub(crate) const LATELY: i64 = 600;
/// A pod may take so long, in seconds, before not being ready is a trouble of its own.
pub(crate) const STARTS: i64 = 180;

/// A pod as it was read.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// The node it runs on; empty when it has none.
    pub node: String,
    /// `status.phase`.
    pub phase: String,
    /// Its `Ready` condition is True.
    pub is_ready: bool,
    /// It is being deleted.
    pub is_deleting: bool,
    /// A kubelet made it from a file: nothing else can.
    pub is_mirror: bool,
    /// When it was made, seconds since the epoch.
    pub created: i64,
    /// The hash of the template it was made from.
    pub revision: String,
    /// Who controls it.
    pub owner: Option<Target>,
    /// `spec.priorityClassName`.
    pub priority_class: String,
    /// Names of its emptyDir volumes that are not memory: what they hold is lost with the pod, and `kubectl drain` wants
    /// `--delete-emptydir-data` for it.
    pub scratch: Vec<String>,
    /// Names of its PersistentVolumeClaims.
    pub claims: Vec<String>,
    /// Why it is not taken away, as far as that was looked for: it asks to be left alone, or an owner or its namespace does,
    /// or a volume of it is on its node alone.
    pub stays: Option<String>,
    /// What of that could not be read.
    pub unread: Option<String>,
    /// Its labels, for disruption budgets.
    pub labels: Value,
    /// The worst of its containers' troubles.
    pub trouble: Option<Trouble>,
}

/// What is wrong with a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The container; empty for the pod itself.
    pub container: String,
    /// The API's own word, such as `CrashLoopBackOff`.
    pub reason: String,
    /// Exit code of the last end.
    pub exit_code: Option<i64>,
    /// When the last end was, seconds since the epoch.
    pub ended: Option<i64>,
    /// How often it was started again.
    pub restarts: i64,
}

impl Pod {
    /// Reads a pod.
    pub fn read(object: &Value, now: i64) -> Self {
        let ready = super::value::condition(object, "Ready");
        let revision = ["pod-template-hash", "controller-revision-hash"]
            .into_iter()
            .find_map(|key| label(object, key))
            .unwrap_or_default();
        let mut pod = Self {
            name: name(object).to_owned(),
            namespace: super::value::namespace(object).to_owned(),
            uid: uid(object).to_owned(),
            node: text(object, "/spec/nodeName").to_owned(),
            phase: text(object, "/status/phase").to_owned(),
            is_ready: ready.is_some_and(|ready| ready.status == "True"),
            is_deleting: !text(object, "/metadata/deletionTimestamp").is_empty(),
            is_mirror: annotation(object, "kubernetes.io/config.mirror").is_some(),
            created: time(object, "/metadata/creationTimestamp").unwrap_or(0),
            revision: revision.to_owned(),
            owner: controller(object),
            priority_class: text(object, "/spec/priorityClassName").to_owned(),
            scratch: list(object, "/spec/volumes")
                .filter(is_scratch)
                .map(|v| text(v, "/name").to_owned())
                .collect(),
            claims: list(object, "/spec/volumes").filter_map(|volume| claim(name(object), volume)).collect(),
            stays: crate::guard::opted_out(object).map(|by| format!("it asks to be left alone ({by})")),
            unread: None,
            labels: object.pointer("/metadata/labels").cloned().unwrap_or_default(),
            trouble: None,
        };
        pod.trouble = trouble(object, &pod, now);
        pod
    }

    /// It takes part in serving: it is neither ended nor being deleted.
    pub fn is_alive(&self) -> bool {
        !self.is_deleting && !matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }

    /// It is alive and nothing is wrong with it.
    pub fn is_well(&self) -> bool {
        self.is_alive() && self.is_ready && self.trouble.is_none()
    }

    /// It is alive and something is wrong with it.
    pub fn is_failing(&self) -> bool {
        self.is_alive() && self.trouble.is_some()
    }

    /// As a target, with its uid.
    pub fn target(&self) -> Target {
        Target::known("Pod", &self.namespace, &self.name).with_uid(self.uid.clone())
    }
}

fn is_scratch(volume: &&Value) -> bool {
    volume.get("emptyDir").is_some_and(|dir| text(dir, "/medium") != "Memory")
}

/// The claim of a volume; a generic ephemeral one has the pod's name before the volume's.
fn claim(pod: &str, volume: &Value) -> Option<String> {
    if volume.get("ephemeral").is_some_and(|ephemeral| !ephemeral.is_null()) {
        return Some(format!("{pod}-{}", text(volume, "/name")));
    }
    let claim = text(volume, "/persistentVolumeClaim/claimName");
    (!claim.is_empty()).then(|| claim.to_owned())
}

/// Waiting reasons of a life without trouble.
const STARTING: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

fn trouble(object: &Value, pod: &Pod, now: i64) -> Option<Trouble> {
    if !pod.is_alive() {
        return None;
    }
    let statuses =
        list(object, "/status/initContainerStatuses").chain(list(object, "/status/containerStatuses"));
    let of_containers = statuses.filter_map(|status| container(status, now));
    // A waiting error says more than a restart that is over; more restarts say more than fewer.
    let worst =
        of_containers.max_by_key(|(rank, trouble)| (*rank, trouble.restarts)).map(|(_, trouble)| trouble);
    let itself = |reason: &str| Trouble {
        container: String::new(),
        reason: reason.to_owned(),
        exit_code: None,
        ended: None,
        restarts: 0,
    };
    worst.or_else(|| {
        let scheduled = super::value::condition(object, "PodScheduled");
        if let Some(scheduled) = scheduled.filter(|c| c.status == "False" && c.reason != "SchedulingGated") {
            return Some(itself(scheduled.reason));
        }
        let age = now.saturating_sub(pod.created);
        let since =
            super::value::condition(object, "Ready").and_then(|ready| ready.since).unwrap_or(pod.created);
        // kubelet takes the Ready of a pod away when one of its containers has ended, also well: of a Job that is its work done,
        // or a helper that is not needed any more.
        let has_ended_well = pod.owner.as_ref().is_some_and(|owner| owner.kind == "Job")
            && list(object, "/status/containerStatuses")
                .any(|status| int(status, "/state/terminated/exitCode") == Some(0));
        let is_slow = !pod.is_ready && !has_ended_well && age > STARTS && now.saturating_sub(since) > STARTS;
        is_slow.then(|| itself(if pod.phase == "Pending" { "Pending" } else { "NotReady" }))
    })
}

/// A container's trouble, with how much it says: 2 for one that cannot run now, 1 for one that ended badly lately.
fn container(status: &Value, now: i64) -> Option<(u8, Trouble)> {
    let restarts = int(status, "/restartCount").unwrap_or(0);
    let waiting = text(status, "/state/waiting/reason");
    let ended = ["/state/terminated", "/lastState/terminated"].into_iter().find_map(|place| {
        let end = status.pointer(place)?;
        (int(end, "/exitCode").unwrap_or(0) != 0 || text(end, "/reason") == "OOMKilled").then_some(end)
    });
    let finished = ended.and_then(|end| time(end, "/finishedAt"));
    let trouble = |reason: &str| Trouble {
        container: name_of(status),
        reason: reason.to_owned(),
        exit_code: ended.and_then(|end| int(end, "/exitCode")),
        ended: finished,
        restarts,
    };
    let is_killed = ended.is_some_and(|end| text(end, "/reason") == "OOMKilled");
    if !STARTING.contains(&waiting) {
        return Some((
            2,
            trouble(if is_killed && waiting == "CrashLoopBackOff" { "OOMKilled" } else { waiting }),
        ));
    }
    let ended = ended?;
    let is_done_for = status.pointer("/state/terminated").is_some() || !flag(status, "/ready");
    let is_recent = finished.is_none_or(|at| now.saturating_sub(at) <= LATELY);
    let reason = text(ended, "/reason");
    is_recent
        .then(|| (if is_done_for { 2 } else { 1 }, trouble(if reason.is_empty() { "Error" } else { reason })))
}

fn name_of(status: &Value) -> String {
    text(status, "/name").to_owned()
}
