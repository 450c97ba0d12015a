//! Diagnosis: from what was read about a pod to the causes of its trouble, the first to block first.
//!
//! One file a family of causes; each is a pure function of a [`Case`]. None of them reads anything, none knows of the
//! others' findings except where it must not repeat them. What a pod does in normal life (it is new, it rolls, it
//! ends) is no cause: each family holds its own grace periods, beside their reasons.

pub(crate) mod admission;
mod cause;
pub(crate) mod config;
mod container;
mod crash;
mod document;
pub(crate) mod gather;
pub(crate) mod image;
mod memory;
mod node;
mod probes;
mod reading;
pub(crate) mod scheduling;
mod termination;
mod volumes;

#[cfg(test)]
mod tests;

use aiops_inventory::{Inventory, rows::Seconds};

pub use self::{
    cause::{Cause, Confidence, Unchecked},
    document::Evidence,
    scheduling::{NodeGroup, Placement},
};
pub(crate) use self::{
    cause::{Findings, Stage},
    crash::names_a_command,
    document::{Document, words},
    reading::{Found, Reading, Told, pod_of_row},
};

/// Large images and slow volumes take minutes; a rollout's default deadline is ten.
pub(crate) const SLOW_START: Seconds = 300;

/// What the families look at.
pub(crate) struct Case<'a> {
    pub(crate) inventory: &'a Inventory,
    pub(crate) now: Seconds,
    pub(crate) read: &'a Reading,
}

/// How a pod is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Well,
    Starting,
    Restarted,
    Unwell,
    Terminating,
    Finished,
}

impl Verdict {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Starting => "starting",
            Self::Restarted => "restarted",
            Self::Unwell => "unwell",
            Self::Terminating => "terminating",
            Self::Finished => "finished",
        }
    }
}

/// Looks at a pod from all sides.
pub(crate) fn examine(case: &Case<'_>) -> (Verdict, Findings, Option<Placement>) {
    let pod = &case.read.pod;
    let mut found = Findings::default();
    if let Some(deleting) = pod.time("metadata.deletionTimestamp") {
        termination::look(case, deleting, &mut found);
        found.sort();
        let verdict = if found.causes.is_empty() { Verdict::Terminating } else { Verdict::Unwell };
        return (verdict, found, None);
    }
    if pod.text("status.phase") == "Succeeded" {
        return (Verdict::Finished, found, None);
    }
    volumes::look(case, &mut found);
    let placement = scheduling::look(case, &mut found);
    image::look(case, &mut found);
    config::look(case, &mut found);
    crash::look(case, &mut found);
    probes::look(case, &mut found);
    node::look(case, &mut found);
    let is_ready = is_ready(pod);
    if !is_ready {
        unexplained(case, &mut found);
    }
    found.sort();
    let verdict = match (is_ready, found.causes.is_empty()) {
        (true, true) => Verdict::Well,
        (true, false) => Verdict::Restarted,
        (false, true) if pod.text("status.phase") == "Failed" => Verdict::Unwell,
        (false, true) => Verdict::Starting,
        (false, false) => Verdict::Unwell,
    };
    (verdict, found, placement)
}

fn is_ready(pod: &Document) -> bool {
    pod.condition("Ready").is_some_and(|at| pod.text(&format!("{at}.status")) == "True")
}

/// It takes too long and no family knows why.
fn unexplained(case: &Case<'_>, found: &mut Findings) {
    let pod = &case.read.pod;
    if !found.causes.is_empty()
        || pod.text("spec.nodeName").is_empty()
        || pod.text("status.phase") == "Failed"
    {
        return;
    }
    let Some(at) = pod.condition("Ready") else { return };
    let since = pod.time(&format!("{at}.lastTransitionTime")).unwrap_or(case.now);
    let started = pod.time("status.startTime").unwrap_or(since);
    if case.now - since.max(started) < SLOW_START {
        return;
    }
    let now = jiff::Timestamp::from_second(case.now).unwrap_or_default();
    let message = words(pod.text(&format!("{at}.message")), 160);
    let what =
        format!("the pod is not ready since {}: {message}", crate::answer::age(now, since.max(started)));
    let mut cause = Cause::new("pod_not_ready", Stage::Ready, Confidence::Possible, what);
    for member in ["reason", "message"] {
        let path = format!("{at}.{member}");
        cause.evidence.extend((!pod.text(&path).is_empty()).then(|| pod.cite(&path)));
    }
    cause.evidence.extend(node::other_warnings(case).map(Told::cite));
    found.add(cause.next("get-pod-logs and list-events of the pod may tell"));
}
