//! Keeping house: anchors of the audit chains, and what ended so long ago that it goes.
//!
//! It is never told by a wall clock alone that something is old: see [`horizon`].

use super::{Inner, Sweeper, is_due};
use crate::{error::Error, keeping::horizon, model::Millis, settings::limits::millis};

/// An anchor is put into the log so often: a log elsewhere tells whether the end of a chain was cut off.
const PRINT_EVERY: Millis = 10 * 60_000;
/// Lines of anchors that are written at a time; what is left waits for the next time.
const MOST_ANCHORS: u32 = 20;
/// Retention looks this often, and deletes this many of a kind at a time. With more than so many batches it goes on after the
/// next sweep, seconds later: 2,000 of each in 5 s is more than comes in that time, and what is written meanwhile waits for
/// one batch at most.
const RETENTION_EVERY: Millis = 3_600_000;
const RETENTION_BATCH: u32 = 500;
const RETENTION_BATCHES: u32 = 4;

impl Inner {
    pub(super) async fn keep_house(&self, sweeper: &mut Sweeper, ticks: Millis) -> Result<(), Error> {
        if is_due(sweeper.anchored_at, ticks, millis(self.settings.timing.anchor)) {
            sweeper.anchored_at = Some(ticks);
            let at = self.stored_now("anchoring the audit chains").await?;
            let mut anchored = None;
            for _ in 0..MOST_ANCHORS {
                let line = self.store.anchor(at).await;
                let line = line.map_err(|error| Error::from_store("anchoring the audit chains", error))?;
                if line.is_none() {
                    break;
                }
                anchored = line;
            }
            if let Some((number, hash)) = anchored {
                if is_due(sweeper.printed_at, ticks, PRINT_EVERY) {
                    sweeper.printed_at = Some(ticks);
                    tracing::info!(anchor = number, hash, "the audit chains are anchored");
                } else {
                    tracing::debug!(anchor = number, hash, "the audit chains are anchored");
                }
            }
        }
        if sweeper.has_more || is_due(sweeper.retained_at, ticks, RETENTION_EVERY) {
            let ran = sweeper.retained_at.map(|last| ticks.saturating_sub(last));
            sweeper.retained_at = Some(ticks);
            sweeper.has_more = false;
            sweeper.has_more = self.retain(ran).await?;
        }
        Ok(())
    }

    /// Deletes what is old; whether some of it is left. `ran` is how long this process has run since it last did.
    async fn retain(&self, ran: Option<Millis>) -> Result<bool, Error> {
        let failed = |error| Error::from_store("deleting what is old", error);
        let now = self.stored_now("deleting what is old").await?;
        let last = self.store.horizon().await.map_err(failed)?;
        let next = horizon(last.as_ref(), now, ran, millis(self.settings.timing.retention));
        if last.is_some_and(|last| last.since != next.since) {
            tracing::warn!(
                "the clock has jumped, or aiops was away for long: what ended before is kept until aiops has run for as \
                 long as it is to be kept"
            );
        }
        // Before anything goes: what is forgotten of it would be counted twice.
        self.store.keep_horizon(&next).await.map_err(failed)?;
        let (mut workflows, mut incidents) = (0, 0);
        let mut has_more = true;
        for _ in 0..RETENTION_BATCHES {
            let gone = self.store.retain(next.before, RETENTION_BATCH).await.map_err(failed)?;
            workflows += gone.0;
            incidents += gone.1;
            has_more = gone.0.max(gone.1) >= u64::from(RETENTION_BATCH);
            if !has_more {
                break;
            }
        }
        if workflows > 0 || incidents > 0 {
            tracing::info!(workflows, incidents, "what ended long ago was deleted; its audit lines stay");
        }
        Ok(has_more)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Sweeper, *};
    use crate::{
        coordinator::world::{MINUTE, World},
        model::incident::IncidentStatus,
        ports::store::{IncidentFilter, Report},
        testing::store_contract::samples::{entry, inc, report},
    };

    const DAY: Millis = 24 * 60 * MINUTE;

    async fn kept(world: &World) -> u64 {
        let filter = IncidentFilter { limit: 1, ..IncidentFilter::default() };
        world.inner().store.incidents(&filter).await.unwrap().total
    }

    #[tokio::test]
    async fn more_than_one_look_can_delete_is_gone_after_the_next_ones() {
        const ALL: u32 = RETENTION_BATCH * RETENTION_BATCHES + 100;
        let world = World::new();
        let (mut sweeper, mut ticks, store) = (Sweeper::default(), 0, &world.inner().store);
        let now = world.inner().now();
        let reports: Vec<Report> = (0..ALL).map(|n| report(&format!("old-{n}"), now)).collect();
        store.report(&reports).await.unwrap();
        for n in 0..ALL {
            let (id, closed) = (inc(&format!("old-{n}")), IncidentStatus::Resolved);
            store
                .set_incident(&id, &[IncidentStatus::Active], closed, None, &entry("closed", now))
                .await
                .unwrap();
        }
        let mut left = kept(&world).await;
        assert_eq!(left, u64::from(ALL));
        while left == u64::from(ALL) {
            assert!(ticks < 40 * DAY, "nothing ever goes");
            world.inner().duties("one", &mut sweeper, ticks).await.unwrap();
            left = kept(&world).await;
            world.pass(DAY);
            ticks += DAY;
        }
        assert_eq!(left, 100);
        // The next sweep, seconds later, and not the next hour.
        world.pass(5_000 - DAY);
        ticks += 5_000 - DAY;
        world.inner().duties("one", &mut sweeper, ticks).await.unwrap();
        assert_eq!(kept(&world).await, 0);
        assert!(!sweeper.has_more);
    }
}
