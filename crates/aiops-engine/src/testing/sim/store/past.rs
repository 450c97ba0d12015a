//! Writes past their faults, noted when they happened.
//!
//! It changes nothing of what is written; that is for the run's defect.

use super::Handle;
use crate::{
    model::ids::WorkflowId,
    ports::store::{Fence, Store as _, StoreError, Write},
    testing::sim::faults::{Call, Fate},
};

/// Which kind of commit this is.
fn kind_of(writes: &[Write]) -> Call {
    let outcome = writes.iter().find_map(|write| match write {
        Write::Attempt(attempt) => Some(attempt.outcome.is_some()),
        _ => None,
    });
    match outcome {
        Some(false) => Call::Intend,
        Some(true) => Call::Learn,
        None => Call::Commit,
    }
}

impl Handle {
    /// A commit past its faults, noted when it happened.
    pub(super) async fn put(
        &self,
        id: &WorkflowId,
        fence: Option<&Fence>,
        writes: &[Write],
    ) -> Result<(), StoreError> {
        let fate = self.faults.meet(kind_of(writes), &self.who, Some(id)).await;
        match fate {
            Fate::CrashBefore => return self.faults.crash(&self.who).await,
            Fate::Busy => return Err(StoreError::Unavailable("locked".to_owned())),
            Fate::Vanished => return Err(StoreError::Unknown("the connection broke".to_owned())),
            _ => {}
        }
        let done = self.base.commit(id, fence, writes).await;
        if done.is_ok() {
            self.notes.commit(&self.who, id, fence, writes);
        }
        match fate {
            Fate::CrashAfter => self.faults.crash(&self.who).await,
            Fate::Lost => Err(StoreError::Unknown("the connection broke".to_owned())),
            _ => done,
        }
    }

    /// A write about no workflow, past its faults.
    pub(super) async fn keep<T>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let fate = self.faults.meet(call, &self.who, None).await;
        match fate {
            Fate::CrashBefore => return self.faults.crash(&self.who).await,
            Fate::Busy => return Err(StoreError::Unavailable("locked".to_owned())),
            Fate::Vanished => return Err(StoreError::Unknown("the connection broke".to_owned())),
            _ => {}
        }
        let done = work.await;
        match fate {
            Fate::CrashAfter => self.faults.crash(&self.who).await,
            Fate::Lost => Err(StoreError::Unknown("the connection broke".to_owned())),
            _ => done,
        }
    }
}
