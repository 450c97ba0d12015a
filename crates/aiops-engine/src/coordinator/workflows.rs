//! Requests about workflows: trigger, look, decide, cancel, resolve, why not.

use super::Inner;
use crate::{
    coordination::{
        Decision, EngineStanding, Resolution, Trigger, Triggered, Verdicts, WhyNot, WorkflowList,
        WorkflowQuery, WorkflowView,
    },
    error::Error,
    model::{caller::Caller, ids::WorkflowId},
};

fn unbuilt<T>() -> Result<T, Error> {
    Err(Error::Internal { what: "a workflow request".to_owned(), source: None })
}

impl Inner {
    pub(super) async fn trigger(&self, _: &Caller, _: Trigger) -> Result<Triggered, Error> {
        unbuilt()
    }

    pub(super) async fn workflow(&self, _: &Caller, _: &WorkflowId) -> Result<WorkflowView, Error> {
        unbuilt()
    }

    pub(super) async fn workflows(&self, _: &Caller, _: WorkflowQuery) -> Result<WorkflowList, Error> {
        unbuilt()
    }

    pub(super) async fn decide(
        &self,
        _: &Caller,
        _: &WorkflowId,
        _: Decision,
    ) -> Result<WorkflowView, Error> {
        unbuilt()
    }

    pub(super) async fn cancel(
        &self,
        _: &Caller,
        _: &WorkflowId,
        _: Option<String>,
    ) -> Result<WorkflowView, Error> {
        unbuilt()
    }

    pub(super) async fn resolve(
        &self,
        _: &Caller,
        _: &WorkflowId,
        _: Resolution,
    ) -> Result<WorkflowView, Error> {
        unbuilt()
    }

    pub(super) async fn why_not(&self, _: &Caller, _: WhyNot) -> Result<Verdicts, Error> {
        unbuilt()
    }

    pub(super) async fn standing(&self) -> EngineStanding {
        EngineStanding {
            status: "down".to_owned(),
            why: None,
            acts: self.acting.is_some(),
            kill_switch: "run".to_owned(),
            breaker: "closed".to_owned(),
            active_workflows: 0,
            parked_workflows: 0,
        }
    }
}
