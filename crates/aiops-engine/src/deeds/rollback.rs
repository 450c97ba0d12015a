//! Rolling a workload back: the whole pod template of an earlier revision takes the place of the current one.
//!
//! No template is kept: the record holds the name, uid and hash of the revision that was current before, and the way back
//! reads its template again. Where no revision holds exactly the current template, it is refused: it could not be undone.

use serde_json::{Value, json};

use super::{
    Back, Deed, Observation, Sight,
    object::{Change, listed, mark, members, present, refused, standing, uid, unseen},
    revision::{self, Revision},
    rollout, template,
};
use crate::{
    model::{phase::Verdict, target::Target},
    ports::acting::Verb,
};

const TEMPLATE: &str = "/spec/template";

/// What stands for a template in a record.
fn image(revision: &Revision<'_>) -> Value {
    json!({
        "source": revision.name(),
        "sourceUid": uid(revision.object),
        "revision": revision.number,
        "template": template::hash(revision.template),
        "settled": template::settled_hash(revision.template),
    })
}

pub(super) fn observe(deed: &Deed<'_>, revision: i64, source: &str, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    let Some(holder) = revision::holder(target) else {
        return refused(format!(
            "{target} cannot be rolled back; only a Deployment, StatefulSet or DaemonSet can"
        ));
    };
    let workload = match present(target, seen) {
        Ok(workload) => workload,
        Err(told) => return told,
    };
    if let Some(applied) = deed.applied(workload) {
        return applied;
    }
    if let Some(why) = rollout::holds_still(workload) {
        return refused(format!("{target} {why}"));
    }
    let (Some(found), Some(now)) = (listed(seen, 1), workload.pointer(TEMPLATE)) else {
        return unseen(target);
    };
    let revisions = revision::all(workload, found);
    let Some(wanted) = revisions.iter().find(|known| known.name() == source) else {
        return refused(format!("the {holder} {source} is not there any more, so its template is not known"));
    };
    if template::hash(wanted.template) == template::hash(now) {
        return Observation::Settled {
            why: format!("{target} has the template of {holder} {source} already"),
        };
    }
    if wanted.number != revision {
        return refused(format!(
            "the {holder} {source} is revision {} now and was {revision} when the plan was made; plan anew",
            wanted.number
        ));
    }
    let Some(current) = revision::of_template(&revisions, now) else {
        return not_recorded(target, workload, holder);
    };
    let mut operations = vec![replace(wanted.template)];
    operations.extend(mark(workload, deed.key));
    let change =
        Change::of(workload, members(image(current)), image(wanted), template::diff(now, wanted.template));
    deed.ready(Verb::JsonPatch, workload, Value::Array(operations), change)
}

/// No revision holds the current template: the controller has not come to it yet, or it never will.
fn not_recorded(target: &Target, workload: &Value, holder: &str) -> Observation {
    let number = |pointer| super::object::number(workload, pointer).unwrap_or(0);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        let why = format!("the controller of {target} has not recorded its current template yet");
        return Observation::Wait { why };
    }
    refused(format!(
        "no {holder} holds exactly the current template of {target}, so a rollback could not be undone; use `kubectl rollout undo`"
    ))
}

fn replace(template: &Value) -> Value {
    json!({"op": "replace", "path": TEMPLATE, "value": template::plain(template)})
}

pub(super) fn undo(deed: &Deed<'_>, back: &Back<'_>, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    let workload = match standing(target, back, seen) {
        Ok(workload) => workload,
        Err(told) => return told,
    };
    let member = |image: &Value, member: &str| image.get(member).and_then(Value::as_str).map(str::to_owned);
    let recorded = (
        member(back.before, "template"),
        member(back.before, "source"),
        member(back.before, "sourceUid"),
        member(back.after, "settled"),
    );
    let (Some(before), Some(source), Some(source_uid), Some(after)) = recorded else {
        return refused(format!("it was not recorded which template {target} had before"));
    };
    let (Some(now), Some(found)) = (workload.pointer(TEMPLATE), listed(seen, 1)) else {
        return unseen(target);
    };
    let is_before = template::hash(now) == before;
    let told = if is_before {
        format!("{target} has the template of {source}")
    } else {
        format!("{target} has another template than that of {source}")
    };
    if let Some(judged) = back.judge(workload, is_before, template::settled_hash(now) == after, &told) {
        return judged;
    }
    let revisions = revision::all(workload, found);
    let of_record = |known: &&Revision<'_>| {
        uid(known.object) == Some(source_uid.as_str()) && template::hash(known.template) == before
    };
    let Some(wanted) = revisions.iter().find(of_record) else {
        return refused(format!(
            "{source}, which holds the template that {target} had before, is not there any more or was changed"
        ));
    };
    let mut operations = vec![replace(wanted.template)];
    operations.push(back.operation(workload));
    let change = Change::of(
        workload,
        members(json!({ "template": template::hash(now) })),
        json!({ "template": before }),
        template::diff(now, wanted.template),
    );
    deed.ready(Verb::JsonPatch, workload, Value::Array(operations), change)
}

pub(super) fn verify(target: &Target, source: &str, seen: &[Sight]) -> (Verdict, String) {
    let workload = match rollout::workload(target, seen) {
        Ok(workload) => workload,
        Err(told) => return told,
    };
    let revisions = listed(seen, 1).map(|found| revision::all(workload, found)).unwrap_or_default();
    let wanted = revisions.iter().find(|known| known.name() == source);
    let (Some(wanted), Some(now)) = (wanted, workload.pointer(TEMPLATE)) else {
        // The controller keeps what holds the current template: without it, it is another one's by now, or was not seen.
        return (Verdict::Unknown, format!("{source}, which {target} was to go back to, was not seen"));
    };
    if template::settled_hash(wanted.template) != template::settled_hash(now) {
        return (
            Verdict::Failed,
            format!("{target} does not have the template of {source} any more: somebody changed it"),
        );
    }
    rollout::verify(target, seen)
}
