//! What a Helm release would go back to, and whether that can be done object by object: read live, before anything is
//! planned.
//!
//! The content of revisions is read only where reading them was opted into; otherwise there is nothing but their numbers.

use serde_json::Value;

use super::{Neighbourhood, reader::Reader, value};
use crate::{
    deeds::{Observation, Sight, observe, release::differing},
    error::{PortError, PortErrorKind},
    model::{
        action::{Action, Release},
        target::Target,
    },
    remedies::HelmRelease,
};

/// Reads a release, of which these Secrets are the revisions; `None` when there are none.
pub(super) async fn read(
    reader: &Reader<'_>,
    near: &Neighbourhood,
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
    let mut read = HelmRelease { current, earlier, ..HelmRelease::default() };
    // Helm itself is at work on it, or it is gone.
    if !matches!(status, "deployed" | "failed") {
        read.obstacle = Some(format!("revision {current} is {status}"));
        return Some(read);
    }
    if let Some(to) = earlier {
        let release = Release { name: name.to_owned(), namespace: namespace.to_owned(), from: current, to };
        let made = async {
            let (from, to) = manifests(reader, &release).await?;
            read.holds = held(near, &release, (&from, &to));
            changed(reader, &release, (&from, &to)).await
        };
        match made.await {
            Ok(changed) => read.changed = changed,
            Err(why) => read.obstacle = Some(why),
        }
    }
    Some(read)
}

fn unread(error: PortError) -> String {
    crate::text::line(&error.message, 200)
}

/// What the revision of now holds, and what the one holds that it would go back to.
async fn manifests(reader: &Reader<'_>, release: &Release) -> Result<(Sight, Sight), String> {
    tokio::try_join!(
        reader.release(&release.namespace, &release.name, release.from),
        reader.release(&release.namespace, &release.name, release.to),
    )
    .map_err(unread)
}

/// The numbers of the target's own revisions that have the template which the earlier manifest says: each is looked at as
/// if it ran now and the release were to go back, and it is one of those when nothing of its template would change.
pub(super) fn held(near: &Neighbourhood, release: &Release, (from, to): (&Sight, &Sight)) -> Vec<i64> {
    let target = near.target();
    let (from, to) = (templates(target, from), templates(target, to));
    let action = Action::RevertManifest { target: target.clone(), release: release.clone() };
    let is_held = |template: &Value| {
        let mut object = near.object.clone();
        let Some(place) = object.pointer_mut("/spec/template") else { return false };
        *place = template.clone();
        let seen = [Sight::Object(object), from.clone(), to.clone()];
        matches!(observe(&action, "plan", "plan", &seen), Observation::Settled { .. })
    };
    near.revisions.iter().filter(|revision| is_held(&revision.template)).map(|r| r.number).collect()
}

/// The pod templates of a manifest's objects of the target's kind and name: a chart's other fields differ from one upgrade
/// to the next, and say nothing of what ran.
fn templates(target: &Target, revision: &Sight) -> Sight {
    let Sight::Release { status, objects, has_hooks } = revision else { return revision.clone() };
    let is_meant =
        |object: &&Value| value::text(object, "/kind") == target.kind && value::name(object) == target.name;
    let mut objects: Vec<Value> = objects.iter().filter(is_meant).cloned().collect();
    for object in &mut objects {
        for (member, kept) in [("metadata", &["name", "namespace"][..]), ("spec", &["template"])] {
            if let Some(members) = object.get_mut(member).and_then(Value::as_object_mut) {
                members.retain(|name, _| kept.contains(&name.as_str()));
            }
        }
    }
    Sight::Release { status: status.clone(), objects, has_hooks: *has_hooks }
}

/// The objects that would change, each with its uid.
async fn changed(
    reader: &Reader<'_>,
    release: &Release,
    (from, to): (&Sight, &Sight),
) -> Result<Vec<Target>, String> {
    let mut changed = Vec::new();
    for mut target in differing(from, to, &release.namespace)? {
        let kind = reader.resource(&target.group, &target.kind);
        let kind = kind.ok_or_else(|| format!("the cluster serves no {} any more", target.kind))?;
        if !kind.namespaced {
            target.namespace.clear();
        }
        let live = reader.get(&target).await.map_err(|error| match error.kind {
            PortErrorKind::NotFound => format!("{target} is gone, which is drift"),
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
