//! Whether a workload's trouble began with its last rollout, and to which revision it could go back.
//!
//! Both are judged by what the API shows, and where it does not show it the answer is no: going back to a revision that
//! was no better changes much and helps nobody.

use crate::planner::{Neighbourhood, Pod, Revision, value};

/// A first sign of trouble within so many seconds of a rollout belongs to it.
const SOON: i64 = 600;
/// A revision that served so many seconds before the next one came was good, where nothing says otherwise.
const SERVED: i64 = 600;

/// A rollout takes the old pods down so many seconds before it makes the new revision (strategy Recreate): to be
/// unavailable since then is its own doing.
const TAKEDOWN: i64 = 120;

/// What speaks for going back.
#[derive(Debug, Clone)]
pub(super) struct Back<'n> {
    /// The revision to go back to.
    pub(super) to: &'n Revision,
    /// How many other revisions lie between it and what runs now; that any of them was good is not known. Who can only go
    /// to what was before, and not to a revision of their choice, would land on one of those.
    pub(super) skipped: usize,
    /// Why the trouble is the rollout's, and why that revision is good.
    pub(super) why: String,
}

/// The revisions that run what runs now: the current one and those right before it that differ by a restart only.
struct Era<'n> {
    current: &'n Revision,
    revisions: Vec<&'n Revision>,
    /// When the first of them was made, seconds since the epoch.
    created: i64,
}

impl<'n> Era<'n> {
    fn of(near: &'n Neighbourhood) -> Option<Self> {
        let current = near.current()?;
        let earlier = near.revisions.iter().filter(|revision| revision.number <= current.number);
        let revisions: Vec<&Revision> = earlier.take_while(|r| r.settled == current.settled).collect();
        let created = revisions.iter().map(|revision| revision.created).min()?;
        Some(Self { current, revisions, created })
    }

    fn holds(&self, pod: &Pod) -> bool {
        self.revisions.iter().any(|revision| revision.is_of(pod))
    }

    /// Revisions of before it, newest first.
    fn before(&self, near: &'n Neighbourhood) -> impl Iterator<Item = &'n Revision> + Clone {
        let first = self.revisions.last().map_or(self.current.number, |revision| revision.number);
        let now = self.current;
        near.revisions.iter().filter(move |r| r.number < first && r.settled != now.settled)
    }
}

/// The revision to go back to, or why not to go back.
pub(super) fn good_revision(near: &Neighbourhood) -> Result<Back<'_>, String> {
    let target = near.target();
    let Some(era) = Era::of(near) else {
        return Err(format!(
            "no revision holds exactly the current template of {target}, so a rollback could not be undone"
        ));
    };
    if era.before(near).next().is_none() {
        return Err(format!("{target} has no earlier revision"));
    }
    let began = began(near, &era)?;
    let seen = era.before(near).find_map(|revision| Some((revision, carries(near, revision)?)));
    let good = seen.or_else(|| era.before(near).next().and_then(|r| Some((r, lasted(near, r, &era)?))));
    let Some((to, why_good)) = good else {
        return Err(format!("no earlier revision of {target} is known to have been good"));
    };
    let between = era.before(near).take_while(|revision| revision.number != to.number);
    // One that differs by a restart only is the same.
    let skipped = between.filter(|revision| revision.settled != to.settled).count();
    Ok(Back { to, skipped, why: format!("{began}; revision {} {why_good}", to.number) })
}

/// What shows that the trouble began with the current revision.
fn began(near: &Neighbourhood, era: &Era<'_>) -> Result<String, String> {
    let target = near.target();
    let current = era.current;
    let failing = near.failing();
    if failing.is_empty() && !refused(near, era) {
        return Err(format!("no pod of {target} is in trouble now"));
    }
    if let Some(old) = failing.iter().find(|pod| !era.holds(pod)) {
        return Err(format!(
            "pod {} of an earlier revision is in trouble too, so the last rollout did not begin it",
            old.name
        ));
    }
    if let Some(well) = near.pods.iter().find(|pod| era.holds(pod) && pod.is_well()) {
        return Err(format!(
            "pod {} of the current revision is well, so the last rollout alone did not begin it",
            well.name
        ));
    }
    let told = match failing.first().and_then(|pod| pod.trouble.as_ref()) {
        Some(trouble) => format!(
            "all {} pods of revision {} are in trouble ({})",
            failing.len(),
            current.number,
            trouble.reason
        ),
        None => format!("the pods of revision {} are refused", current.number),
    };
    if !is_complete(near, current) {
        return Ok(format!("{told}, its rollout was never complete"));
    }
    let is_about = |name: &str| {
        era.revisions.iter().any(|r| r.source == name) || failing.iter().any(|pod| pod.name == name)
    };
    let first_sign = near
        .events
        .iter()
        .filter(|event| is_about(&event.about))
        .map(|event| event.first)
        .chain(failing.iter().filter(|pod| !pod.is_ready).filter_map(|pod| pod.trouble.as_ref()?.ended))
        .min();
    let age = near.seconds().saturating_sub(era.created);
    match first_sign {
        Some(at) if at.saturating_sub(era.created) <= SOON => {
            let after = at.saturating_sub(era.created).max(0);
            Ok(format!("{told}, first seen {after} s after its rollout"))
        }
        _ if age <= SOON => Ok(format!("{told}, rolled out {age} s ago")),
        _ => Err(format!("{target} ran for a while after its last rollout before the trouble began")),
    }
}

/// The API server refuses the pods of the current revision.
fn refused(near: &Neighbourhood, era: &Era<'_>) -> bool {
    let failed = value::condition(&near.object, "ReplicaFailure").is_some_and(|c| c.status == "True");
    let told = near.events.iter().any(|event| {
        event.reason == "FailedCreate"
            && (event.about == era.current.source || event.about == near.target().name)
    });
    let has_pods = near.pods.iter().any(|pod| era.holds(pod) && pod.is_alive());
    (failed || told) && !has_pods
}

/// Whether the rollout of the current revision was ever complete.
fn is_complete(near: &Neighbourhood, current: &Revision) -> bool {
    let object = &near.object;
    let count = |member: &str| value::int(object, &format!("/status/{member}")).unwrap_or(0);
    match near.target().kind.as_str() {
        // The condition is set when a rollout completes and stays until the next one begins.
        "Deployment" => {
            value::condition(object, "Progressing").is_none_or(|c| c.reason == "NewReplicaSetAvailable")
        }
        "StatefulSet" => value::text(object, "/status/currentRevision") == current.source,
        "DaemonSet" => count("updatedNumberScheduled") >= count("desiredNumberScheduled"),
        _ => true,
    }
}

/// A revision that still has pods which are well is good: that is seen.
fn carries(near: &Neighbourhood, revision: &Revision) -> Option<String> {
    let well = near.pods.iter().filter(|pod| revision.is_of(pod) && pod.is_well()).count();
    (well > 0).then(|| format!("still has {well} pods that are well"))
}

/// A revision that served for a while before the current one came was good, unless the workload was unavailable before.
fn lasted(near: &Neighbourhood, revision: &Revision, era: &Era<'_>) -> Option<String> {
    // A holder that is older than the one before it came back by a rollback: when it became current is not known.
    let served = era.created.checked_sub(revision.created).filter(|served| *served >= SERVED)?;
    if let Some(available) = value::condition(&near.object, "Available")
        && available.status == "False"
        && available.since.is_none_or(|since| since < era.created.saturating_sub(TAKEDOWN))
    {
        return None;
    }
    let since = value::condition(&near.object, "Available").and_then(|c| c.since);
    let kept = since
        .filter(|since| *since >= era.created.saturating_sub(TAKEDOWN))
        .map_or("", |_| " and was available until then");
    Some(format!("served for {} before{kept}", span(served)))
}

fn span(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
