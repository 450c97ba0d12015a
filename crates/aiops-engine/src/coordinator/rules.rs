//! Requests about what may be done: the kill switch, the policy, the audit chain.

use super::Inner;
use crate::{
    coordination::{AuditView, ControlChange, ControlView, PolicyView},
    error::Error,
    model::caller::Caller,
};

fn unbuilt<T>() -> Result<T, Error> {
    Err(Error::Internal { what: "a control request".to_owned(), source: None })
}

impl Inner {
    pub(super) async fn controls(&self, _: &Caller) -> Result<ControlView, Error> {
        unbuilt()
    }

    pub(super) async fn set_control(&self, _: &Caller, _: ControlChange) -> Result<ControlView, Error> {
        unbuilt()
    }

    pub(super) async fn policy(&self, _: &Caller) -> Result<PolicyView, Error> {
        unbuilt()
    }

    pub(super) async fn audit(&self, _: &Caller, _: &str, _: i64, _: u32) -> Result<AuditView, Error> {
        unbuilt()
    }
}
