//! The revisions of a workload: the ReplicaSets of a Deployment, the ControllerRevisions of a StatefulSet or DaemonSet.
//!
//! It makes none; controllers do. A revision of another owner is none of this workload's, whatever its labels say.

use serde_json::Value;

use super::{
    Look,
    object::{annotation, controls, label, name, number},
    template,
};
use crate::model::target::Target;

/// A revision.
pub(super) struct Revision<'a> {
    /// The object that holds it.
    pub(super) object: &'a Value,
    /// Its number; it grows when an old template becomes the current one again.
    pub(super) number: i64,
    /// Its pod template, with what the controller put into it.
    pub(super) template: &'a Value,
}

/// What has to be read to know the revisions of a workload.
pub(super) fn look(target: &Target) -> Option<Look> {
    let kind = holder(target)?.to_owned();
    Some(Look::Selected { by: target.clone(), group: "apps".to_owned(), kind })
}

/// The kind that holds the revisions of a workload; `None` when it has none.
pub(super) fn holder(target: &Target) -> Option<&'static str> {
    match (target.group.as_str(), target.kind.as_str()) {
        ("apps", "Deployment") => Some("ReplicaSet"),
        ("apps", "StatefulSet" | "DaemonSet") => Some("ControllerRevision"),
        _ => None,
    }
}

/// The revisions of a workload among what was seen, newest first.
pub(super) fn all<'a>(workload: &Value, seen: &'a [Value]) -> Vec<Revision<'a>> {
    let owned = seen.iter().filter(|object| controls(workload, object));
    let mut revisions: Vec<Revision<'a>> = owned.filter_map(read).collect();
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    revisions
}

fn read(object: &Value) -> Option<Revision<'_>> {
    // A ControllerRevision holds a patch of the workload's template, a ReplicaSet its own template.
    let (number, template) = match object.pointer("/data/spec/template") {
        Some(template) => (number(object, "/revision")?, template),
        None => {
            let number = annotation(object, "deployment.kubernetes.io/revision")?.parse().ok()?;
            (number, object.pointer("/spec/template")?)
        }
    };
    Some(Revision { object, number, template })
}

/// The revision that holds exactly this template; the newest when several do.
pub(super) fn of_template<'a, 'b>(revisions: &'b [Revision<'a>], wanted: &Value) -> Option<&'b Revision<'a>> {
    let wanted = template::hash(wanted);
    revisions.iter().find(|revision| template::hash(revision.template) == wanted)
}

impl<'a> Revision<'a> {
    /// The name of the object that holds it.
    pub(super) fn name(&self) -> &'a str {
        name(self.object)
    }

    /// The label by which its pods are known.
    pub(super) fn of_pods(&self) -> Option<(&'static str, &'a str)> {
        ["pod-template-hash", "controller-revision-hash"]
            .into_iter()
            .find_map(|key| Some((key, label(self.object, key)?)))
    }
}
