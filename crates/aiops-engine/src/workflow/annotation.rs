//! An approval that is written onto an object in the cluster: `aiops.io/approve: WORKFLOW/DIGEST` on the target, or on its
//! namespace. For whoever can reach the cluster and not us.
//!
//! It says that somebody who may write that object has seen this plan of this workflow, and nothing about who that is: the
//! field manager is a word that its writer chose, and the API server tells nobody else. So it counts only where the policy's
//! rule says `annotation = true` and asks for `approve`; never as the second person; and only for steps that its writer could
//! have taken: what the target's own fields say for an annotation on the target, anything in the namespace for one there.
//! It is read while such a plan waits, and at no other time.

use serde_json::Value;

use super::runner::Work;
use crate::{
    deeds::{self, Look, Sight},
    guard::names,
    model::{
        Millis,
        action::Action,
        caller::{Caller, Via},
        plan::{Approval, Plan},
        target::Target,
    },
    ports::Cluster,
    settings::Settings,
    text,
};

/// The annotation.
pub(super) const APPROVE: &str = "aiops.io/approve";
/// How often it is looked for, in milliseconds.
pub(super) const LOOK_EVERY: Millis = 5_000;

/// Whether an annotation counts for the plan that waits.
pub(super) fn counts(settings: &Settings, plan: &Plan) -> bool {
    let rule = plan.rule.strip_prefix(names::POLICY).and_then(|rest| rest.strip_prefix('/'));
    plan.approval == Approval::Approve && rule.is_some_and(|rule| settings.policy.takes_annotation(rule))
}

/// Who approved the plan by an annotation, and what is known of that; `None` when nobody did, or nothing can be read.
pub(super) async fn found(cluster: &dyn Cluster, work: &Work<'_>, plan: &Plan) -> Option<(Caller, String)> {
    let workflow = work.workflow();
    let wanted = format!("{}/{}", workflow.id, workflow.digest.as_deref()?);
    let target = &workflow.problem.target;
    let mut places = Vec::new();
    if plan.steps.iter().all(|step| step.action.target().key() == target.key() && is_patch(&step.action)) {
        places.push(target.clone());
    }
    let is_within = |step: &Target| !step.namespace.is_empty() && step.namespace == target.namespace;
    if plan.steps.iter().all(|step| is_within(step.action.target())) {
        places.push(Target::known("Namespace", "", &target.namespace));
    }
    for place in places {
        // What cannot be read approves nothing; it is looked at again.
        let seen = deeds::see(cluster, &[Look::Object(place.clone())]).await;
        let Some(Sight::Object(object)) = seen.ok().and_then(|seen| seen.into_iter().next()) else {
            continue;
        };
        // A target that was deleted and made again is another one.
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
        if place.uid.is_some() && place.uid.as_deref() != uid {
            continue;
        }
        let given = object.pointer("/metadata/annotations").and_then(|all| all.get(APPROVE));
        if given.and_then(Value::as_str).map(str::trim) == Some(wanted.as_str()) {
            let by = Caller {
                name: format!("whoever may write {place}"),
                groups: Vec::new(),
                via: Via::Annotation,
                is_identified: false,
            };
            let writer = manager(&object).map(|name| {
                format!(", written by field manager {name}, which is its writer's own word and no proof")
            });
            return Some((by, format!("annotation {APPROVE} on {place}{}", writer.unwrap_or_default())));
        }
    }
    None
}

/// Whether whoever may write the target could have done it themselves.
const fn is_patch(action: &Action) -> bool {
    match action {
        Action::RestartWorkload { .. }
        | Action::ScaleWorkload { .. }
        | Action::RollbackWorkload { .. }
        | Action::SetResources { .. }
        | Action::CordonNode { .. }
        | Action::UncordonNode { .. }
        | Action::SyncApplication { .. }
        | Action::RollbackApplication { .. }
        | Action::NudgeOperator { .. }
        | Action::AwaitPool { .. } => true,
        Action::EvictPod { .. }
        | Action::DeletePod { .. }
        | Action::RevertManifest { .. }
        | Action::RecordRelease { .. } => false,
    }
}

/// The field manager that wrote the annotation last.
fn manager(object: &Value) -> Option<String> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let wrote = |entry: &&Value| {
        let fields = entry.pointer("/fieldsV1/f:metadata/f:annotations");
        fields.is_some_and(|fields| fields.get(format!("f:{APPROVE}")).is_some())
    };
    let name = entries.iter().rev().find(wrote)?.get("manager")?.as_str()?;
    Some(format!("{:?}", text::line(name, 80)))
}
