//! Requests about plans and deployment methods.

use super::Inner;
use crate::{
    coordination::{MethodCache, MethodView, PlanRequest, PlanView, WorkloadName},
    error::Error,
    model::{Millis, caller::Caller},
};

fn unbuilt<T>() -> Result<T, Error> {
    Err(Error::Internal { what: "a plan request".to_owned(), source: None })
}

/// Deployment methods that were looked at lately.
#[derive(Debug, Default)]
pub(crate) struct Methods {}

impl Methods {
    pub(super) fn standing(&self, _: Millis) -> MethodCache {
        MethodCache::default()
    }

    pub(super) fn forget(&self) {}
}

impl Inner {
    pub(super) async fn plan(&self, _: &Caller, _: PlanRequest) -> Result<PlanView, Error> {
        unbuilt()
    }

    pub(super) async fn deployment_method(&self, _: &Caller, _: WorkloadName) -> Result<MethodView, Error> {
        unbuilt()
    }
}
