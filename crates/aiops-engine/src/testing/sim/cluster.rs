//! The cluster as one process sees it: first its defect, then the faults of the network, then the model.

use std::{ops::ControlFlow, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    defects::Defect,
    faults::{Call, Fate, Faults},
    hands::Hands,
    notes::Notes,
};
use crate::{
    error::{PortError, PortErrorKind},
    model::{
        Millis,
        action::{Action, Release},
        ids::WorkflowId,
    },
    ports::{
        ApiResource, Cluster, ListOptions, LogRequest, ObjectPage, ReleaseRevision,
        acting::{Accepted, Acting, Announcement, Mutation, NotDone, NotDoneKind, Verb},
    },
    testing::model::{
        Key, Model,
        json::{number, put, text},
    },
};

/// Requests that are under way: when they arrive, and what they are.
pub(crate) type UnderWay = Arc<Mutex<Vec<(Millis, Mutation)>>>;

/// The cluster of one process.
pub(crate) struct Reach {
    pub(crate) who: String,
    pub(crate) model: Model,
    pub(crate) hands: Arc<Hands>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) defect: Option<Defect>,
    pub(crate) under_way: UnderWay,
    pub(crate) notes: Arc<Notes>,
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reach").field("who", &self.who).finish_non_exhaustive()
    }
}

/// Another writer's edit, which changes nothing that anybody undoes.
pub(crate) fn touch(model: &Model, key: &Key, order: u64) {
    model.edit("kubectl", key, |object| {
        put(object, "/metadata/annotations/example.com~1touched", order.to_string());
    });
}

impl Reach {
    async fn look(&self) -> Result<(), PortError> {
        match self.faults.meet(Call::Look, &self.who, None).await {
            Fate::CrashBefore | Fate::CrashAfter => self.faults.crash(&self.who).await,
            Fate::Busy => Err(PortError::new(PortErrorKind::Unavailable, "the API server does not answer")),
            _ => {
                self.notes.looks(&self.who);
                Ok(())
            }
        }
    }

    /// What a reader that takes unhealthy for healthy would see.
    fn painted(&self, mut object: Value) -> Value {
        if self.defect != Some(Defect::UnknownIsPassed) {
            return object;
        }
        let replicas = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
        let generation = number(&object, "/metadata/generation");
        match text(&object, "/kind") {
            "Deployment" | "StatefulSet" => {
                for member in ["replicas", "readyReplicas", "updatedReplicas", "availableReplicas"] {
                    put(&mut object, &format!("/status/{member}"), replicas);
                }
                put(&mut object, "/status/observedGeneration", generation);
                put(&mut object, "/status/unavailableReplicas", Value::Null);
                let update = text(&object, "/status/updateRevision").to_owned();
                if !update.is_empty() {
                    put(&mut object, "/status/currentRevision", update);
                }
                put(
                    &mut object,
                    "/status/conditions",
                    json!([
                        { "type": "Available", "status": "True", "reason": "MinimumReplicasAvailable" },
                        { "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable" },
                    ]),
                );
            }
            "DaemonSet" => {
                let wanted = number(&object, "/status/desiredNumberScheduled");
                for member in
                    ["numberReady", "updatedNumberScheduled", "numberAvailable", "currentNumberScheduled"]
                {
                    put(&mut object, &format!("/status/{member}"), wanted);
                }
                put(&mut object, "/status/numberUnavailable", 0);
                put(&mut object, "/status/observedGeneration", generation);
            }
            "Pod" => {
                put(&mut object, "/status/phase", "Running");
                put(&mut object, "/status/conditions", json!([{ "type": "Ready", "status": "True" }]));
                put(
                    &mut object,
                    "/status/containerStatuses",
                    json!([
                        { "name": "app", "ready": true, "restartCount": 0, "state": { "running": {} } },
                    ]),
                );
            }
            _ => {}
        }
        object
    }

    /// What a defective client would send instead.
    fn spoilt(&self, mutation: &Mutation) -> Mutation {
        let mut sent = mutation.clone();
        match self.defect {
            Some(Defect::NoResourceVersion) => sent.resource_version = None,
            Some(Defect::NoUid) => sent.uid = None,
            Some(Defect::DryRunMeant) => sent.dry_run = false,
            Some(Defect::MarkerDropped) => unmark(&mut sent.body, &mutation.effect_key),
            _ => {}
        }
        sent
    }

    fn send(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        self.model.answer(mutation)
    }

    /// The same request against the object as it is now.
    fn afresh(&self, mutation: &Mutation) -> Mutation {
        let mut again = mutation.clone();
        if let Some(object) = self.model.object(&Key::of_target(&mutation.target)) {
            again.resource_version = Some(text(&object, "/metadata/resourceVersion").to_owned());
        }
        again
    }

    /// One request, past its faults.
    async fn one(&self, sent: &Mutation) -> Result<Accepted, NotDone> {
        let began = self.hands.millis();
        let lost = || Err(NotDone::new(NotDoneKind::Unknown, "no answer within 5 s"));
        let call = if sent.dry_run { Call::DryRun } else { Call::Send };
        let about = WorkflowId::parse(&sent.workflow).ok();
        match self.faults.meet(call, &self.who, about.as_ref()).await {
            Fate::Go | Fate::Stopped => self.send(sent),
            Fate::CrashBefore => self.faults.crash(&self.who).await,
            Fate::CrashAfter => {
                let _ = self.send(sent);
                self.faults.crash(&self.who).await
            }
            Fate::Lost => {
                let _ = self.send(sent);
                lost()
            }
            Fate::Vanished => lost(),
            Fate::Late => {
                self.later(sent, began);
                lost()
            }
            Fate::LateCrash => {
                self.later(sent, began);
                self.faults.crash(&self.who).await
            }
            Fate::Twice => {
                let done = self.send(sent);
                self.later(sent, began);
                done
            }
            Fate::Busy => Err(NotDone {
                status: Some(429),
                ..NotDone::new(NotDoneKind::Throttled, "the API server sheds load")
            }),
            Fate::Refused => Err(NotDone {
                status: Some(422),
                ..NotDone::new(NotDoneKind::Rejected, "the API server refuses it")
            }),
            Fate::Cut => Err(NotDone::new(NotDoneKind::NotSent, "no connection")),
            Fate::Raced => {
                touch(&self.model, &Key::of_target(&sent.target), self.model.next_order());
                self.send(sent)
            }
        }
    }

    /// The record of a release is several requests, as the adapter sends them: anything may befall each of them.
    async fn record(&self, mutation: &Mutation, release: &Release) -> Result<Accepted, NotDone> {
        let mut answer = Accepted { status: 200, ..Accepted::default() };
        let mut parts = self.model.record_parts(mutation, release)?;
        if self.defect == Some(Defect::RecordHalfDone) {
            parts.truncate(1);
        }
        for (place, part) in parts.iter().enumerate() {
            match self.one(part).await {
                Ok(accepted) if place == 0 => answer = accepted,
                Ok(_) => {}
                Err(refused)
                    if place == 0
                        && refused.kind == NotDoneKind::Conflict
                        && !mutation.dry_run
                        && self.model.is_ours(part) => {}
                Err(refused) if place == 0 || mutation.dry_run => return Err(refused),
                Err(refused) => return Err(NotDone { kind: NotDoneKind::Unknown, ..refused }),
            }
        }
        Ok(answer)
    }

    /// It arrives later: at most a minute after it was to be sent, which is as long as an API server works on a request.
    /// Several owners may have come and gone by then.
    fn later(&self, mutation: &Mutation, began: Millis) {
        let now = self.hands.millis();
        let by = now.unsigned_abs().wrapping_mul(7_919) % 58_000;
        let at = (now + 500 + i64::try_from(by).unwrap()).min(began + 59_000);
        self.under_way.lock().push((at, mutation.clone()));
    }
}

/// Takes the marker out of a patch.
fn unmark(body: &mut Value, key: &str) {
    match body {
        Value::Array(operations) => {
            operations.retain(|operation| operation.get("value").and_then(Value::as_str) != Some(key));
            operations.iter_mut().for_each(|operation| unmark(operation, key));
        }
        Value::Object(members) => {
            members.retain(|_, value| value.as_str() != Some(key));
            members.values_mut().for_each(|value| unmark(value, key));
        }
        _ => {}
    }
}

#[async_trait]
impl Cluster for Reach {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        self.model.resources().await
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        self.look().await?;
        self.model.get(resource, namespace, name).await.map(|object| self.painted(object))
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        self.look().await?;
        let mut page = self.model.list(resource, namespace, options).await?;
        page.items = page.items.into_iter().map(|object| self.painted(object)).collect();
        Ok(page)
    }

    async fn logs(
        &self,
        request: &LogRequest,
        sink: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        self.model.logs(request, sink).await
    }

    async fn release(
        &self,
        namespace: &str,
        name: &str,
        revision: i64,
    ) -> Result<ReleaseRevision, PortError> {
        self.look().await?;
        self.model.release(namespace, name, revision).await
    }

    async fn may(
        &self,
        verb: &str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<bool, PortError> {
        self.model.may(verb, group, resource, namespace).await
    }
}

#[async_trait]
impl Acting for Reach {
    async fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        if !mutation.dry_run {
            self.notes.sent(&self.who, &mutation.workflow, &mutation.effect_key);
        }
        let sent = self.spoilt(mutation);
        let done = match &mutation.action {
            Action::RecordRelease { release, .. } => self.record(&sent, release).await,
            _ => self.one(&sent).await,
        };
        let is_undo = mutation.effect_key.ends_with("/undo");
        match (self.defect, &done) {
            (
                Some(Defect::ClientRetries),
                Err(NotDone { kind: NotDoneKind::Unknown | NotDoneKind::Conflict, .. }),
            ) if mutation.verb != Verb::Create && !mutation.dry_run => self.send(&self.afresh(&sent)),
            (Some(Defect::UndoTwice), Ok(_)) if is_undo && !mutation.dry_run => {
                let _ = self.send(&self.afresh(&sent));
                done
            }
            _ => done,
        }
    }

    async fn announce(&self, _: &Announcement) {}
}
