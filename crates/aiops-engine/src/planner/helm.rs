//! What a Helm release would go back to, and whether that can be done object by object: read live, before anything is
//! planned.
//!
//! The content of revisions is read only where reading them was opted into; otherwise there is nothing but their numbers.

use serde_json::Value;

use super::{reader::Reader, value};
use crate::{
    deeds::{Observation, Sight, observe, release::differing},
    model::{
        action::{Action, Release},
        target::Target,
    },
    remedies::HelmRelease,
};

/// Reads a release, of which these Secrets are the revisions; `None` when there are none.
pub(super) async fn read(
    reader: &Reader<'_>,
    (namespace, name): (&str, &str),
    secrets: &[Value],
) -> Option<HelmRelease> {
    let mut revisions: Vec<(i64, &str)> = secrets
        .iter()
        .filter_map(|secret| {
            let number = value::label(secret, "version")?.parse().ok()?;
            Some((number, value::label(secret, "status").unwrap_or_default()))
        })
        .collect();
    revisions.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
    let (current, status) = *revisions.first()?;
    let earlier = revisions.iter().skip(1).find(|(_, status)| matches!(*status, "superseded" | "deployed"));
    let earlier = earlier.map(|(number, _)| *number);
    let mut read = HelmRelease { current, earlier, changed: Vec::new(), obstacle: None };
    // Helm itself is at work on it, or it is gone.
    if !matches!(status, "deployed" | "failed") {
        read.obstacle = Some(format!("revision {current} is {status}"));
        return Some(read);
    }
    if let Some(to) = earlier {
        let release = Release { name: name.to_owned(), namespace: namespace.to_owned(), from: current, to };
        match changed(reader, &release).await {
            Ok(changed) => read.changed = changed,
            Err(why) => read.obstacle = Some(why),
        }
    }
    Some(read)
}

/// The objects that would change, each with its uid.
async fn changed(reader: &Reader<'_>, release: &Release) -> Result<Vec<Target>, String> {
    let unread = |error: crate::error::PortError| crate::text::line(&error.message, 200);
    let (from, to) = tokio::try_join!(
        reader.release(&release.namespace, &release.name, release.from),
        reader.release(&release.namespace, &release.name, release.to),
    )
    .map_err(unread)?;
    let mut changed = Vec::new();
    for mut target in differing(&from, &to, &release.namespace)? {
        let kind = reader.resource(&target.group, &target.kind);
        let kind = kind.ok_or_else(|| format!("the cluster serves no {} any more", target.kind))?;
        if !kind.namespaced {
            target.namespace.clear();
        }
        let live = reader.get(&target).await.map_err(|error| match error.kind {
            crate::error::PortErrorKind::NotFound => format!("{target} is gone, which is drift"),
            _ => unread(error),
        })?;
        let target = target.with_uid(value::uid(&live));
        // Judged as the step will be: drift is told now, and nothing is begun.
        let action = Action::RevertManifest { target: target.clone(), release: release.clone() };
        match observe(&action, "plan", "plan", &[Sight::Object(live), from.clone(), to.clone()]) {
            Observation::Refused { why } | Observation::Conflict { why } => return Err(why),
            Observation::Settled { .. } => {}
            _ => changed.push(target),
        }
    }
    Ok(changed)
}
