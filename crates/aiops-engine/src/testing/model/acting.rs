//! The model as the port that changes a cluster: statuses become the kinds that the port knows.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Model, OURSELVES, Refusal, json::take};
use crate::model::action::Action;
use crate::ports::acting::{Accepted, Acting, Announcement, Mutation, NotDone, NotDoneKind};

#[async_trait]
impl Acting for Model {
    async fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        let Action::RecordRelease { release, .. } = &mutation.action else { return self.answer(mutation) };
        let mut answer = Accepted { status: 200, ..Accepted::default() };
        for (place, part) in self.record_parts(mutation, release)?.iter().enumerate() {
            match self.answer(part) {
                Ok(accepted) if place == 0 => answer = accepted,
                Ok(_) => {}
                // Ours, from the time before: what is missing is done now.
                Err(refused) if place == 0 && refused.kind == NotDoneKind::Conflict && self.is_ours(part) => {
                }
                Err(refused) if place == 0 || mutation.dry_run => return Err(refused),
                Err(refused) => return Err(NotDone { kind: NotDoneKind::Unknown, ..refused }),
            }
        }
        Ok(answer)
    }

    async fn announce(&self, note: &Announcement) {
        self.with(|world| {
            let (stamp, suffix) = (world.stamp(), world.suffix());
            let about = &note.about;
            let namespace = if about.namespace.is_empty() { "default" } else { &about.namespace };
            world.insert(
                OURSELVES,
                json!({
                    "apiVersion": "v1", "kind": "Event",
                    "metadata": { "name": format!("{}.{suffix}", about.name), "namespace": namespace },
                    "involvedObject": {
                        "kind": about.kind, "namespace": about.namespace, "name": about.name, "uid": about.uid,
                    },
                    "reason": note.reason, "message": note.message, "action": note.action,
                    "type": if note.is_warning { "Warning" } else { "Normal" },
                    "reportingComponent": "aiops", "source": { "component": "aiops" },
                    "firstTimestamp": stamp, "lastTimestamp": stamp, "count": 1,
                }),
            );
        });
    }
}

impl Model {
    /// One request, answered as the port answers it.
    pub(crate) fn answer(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        self.request(OURSELVES, mutation)
            .map(|answer| {
                let object = answer.object.map(|object| {
                    let mut object = Value::clone(&object);
                    if mutation.target.kind == "Secret" {
                        take(&mut object, "/data");
                        take(&mut object, "/stringData");
                    }
                    object
                });
                let audit_id = Some(format!("model-{}", answer.order));
                Accepted { status: answer.status, audit_id, object, warnings: Vec::new() }
            })
            .map_err(NotDone::from)
    }
}

impl From<Refusal> for NotDone {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal.status {
            409 => NotDoneKind::Conflict,
            422 if refusal.is_test => NotDoneKind::Conflict,
            404 => NotDoneKind::NotFound,
            401 | 403 => NotDoneKind::Denied,
            429 if refusal.is_budget => NotDoneKind::Blocked,
            429 => NotDoneKind::Throttled,
            // The eviction API says so before it does anything.
            500 if refusal.message.contains("more than one PodDisruptionBudget") => NotDoneKind::Rejected,
            500.. => NotDoneKind::Unknown,
            _ => NotDoneKind::Rejected,
        };
        Self { kind, status: Some(refusal.status), why: refusal.message, after: None }
    }
}
