//! The way back: every step that was done and can be undone is undone, the last one first.
//!
//! Only what still is as we left it is touched. What somebody else changed meanwhile is theirs: it stays, and a person is
//! told. An undoing that fails stops those on the same object and no others.

use super::{
    planning::chain,
    record::{self, Event, StepAt},
    runner::{Executor, Stop, Turn, Work},
    stepping::SOON,
};
use crate::{
    deeds::{self, Observation},
    model::{
        phase::{Direction, StepState},
        plan::shown,
        workflow::StepRecord,
    },
};

impl Executor {
    /// The undoing at the cursor.
    pub(super) async fn rolling_back(&self, work: &mut Work<'_>) -> Result<Turn, Stop> {
        let at = StepAt { order: work.workflow().cursor, direction: Direction::Undo };
        let Some(step) = record::step(&work.record, at).cloned() else {
            let why = format!("the way back from step {} is not there", shown(at.order));
            return self.park(work, Some("internal"), why).await;
        };
        match step.state {
            StepState::Pending | StepState::Intent => self.take(work, at, &step).await,
            StepState::Applied => self.confirm(work, at, &step).await,
            StepState::Verified | StepState::Skipped | StepState::Failed | StepState::Indeterminate => {
                self.commit(work, Event::WentBack).await?;
                Ok(self.next(work))
            }
        }
    }

    /// Sees that an undoing is there: the fields are as they were.
    async fn confirm(&self, work: &mut Work<'_>, at: StepAt, step: &StepRecord) -> Result<Turn, Stop> {
        let blind = |why: String| format!("what was undone cannot be looked at: {why}");
        let seen = match self.inner.engine.cluster("looking at what was undone") {
            Ok(cluster) => {
                let looked = deeds::see(cluster, &deeds::looks(&step.action)).await;
                looked.map_err(|error| blind(error.message))
            }
            Err(error) => Err(blind(chain(&error))),
        };
        let seen = match seen {
            Ok(seen) => seen,
            Err(why) if self.now(work.held) >= work.workflow().deadline => {
                return self.park(work, Some("indeterminate"), why).await;
            }
            Err(why) => {
                let until = self.now(work.held).saturating_add(SOON).min(work.workflow().deadline);
                return self.wait(work, until, Some(why)).await;
            }
        };
        let done = StepAt { order: at.order, direction: Direction::Do };
        let Some(done) = record::step(&work.record, done) else {
            let why = format!("step {} was never taken", shown(at.order));
            return self.park(work, Some("internal"), why).await;
        };
        match deeds::observe_undo(done, &step.effect_key, work.workflow().id.as_str(), &seen) {
            // The API server accepted the way back on exactly what we had left; whoever changed it after that changed
            // what they found.
            Observation::Applied { .. }
            | Observation::Settled { .. }
            | Observation::Conflict { .. }
            | Observation::Refused { .. }
            | Observation::Wait { .. } => {
                self.commit(work, Event::WentBack).await?;
                Ok(self.next(work))
            }
            Observation::Ready(_) => {
                let why = format!(
                    "step {} was undone on {}, and it is again as the step had left it; somebody works against us",
                    shown(at.order),
                    step.action.target()
                );
                self.park(work, Some("indeterminate"), why).await
            }
        }
    }
}
