//! The work line: claims what is due, takes it on turn by turn, and gives it back when the process ends.
//!
//! One future, spawned by whoever owns the tasks of this process. It never meets a request: it is woken without data and
//! reads the store. A panic in a turn costs that workflow a try, not the loop.

use std::panic::AssertUnwindSafe;

use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{Fuse, FusedFuture as _},
    stream::FuturesUnordered,
};
use tokio::sync::watch;

use super::{
    held::Held,
    runner::{Executor, Turn},
};
use crate::{model::Millis, settings::limits::millis};

/// The longest pause between two looks for work, in milliseconds: what no wake-up announced (another process's trigger, a
/// lease that ended) is found after it.
const POLL: Millis = 1_000;
/// The shortest: what is due and was not to be had a moment ago is in somebody else's hands.
const SOONEST: Millis = 10;
/// After a store that could not be asked.
const TROUBLE: Millis = 500;

/// What came of a look for work.
enum Look {
    /// A workflow that is due.
    Found(Box<Held>),
    /// Nothing is; look again after so many milliseconds.
    Later(Millis),
}

impl Executor {
    /// Works until `ending` is over, then lets every turn that runs come to its end and gives the leases back.
    ///
    /// At most `at_once` workflows are held at a time; the others wait in the store. A claim is made beside the workflows
    /// that are held already: however long the store takes for it, their turns and the renewals of their leases go on.
    pub async fn run(self, at_once: usize, ending: impl Future<Output = ()> + Send) {
        let (end, is_ending) = watch::channel(false);
        let mut ending = std::pin::pin!(ending.fuse());
        let mut working = FuturesUnordered::new();
        // Beside the work, never before it: while the store keeps a claim waiting, leases are renewed and turns go on. It is
        // not dropped half way, for what it claimed would then rest until its lease ends.
        let mut looking = std::pin::pin!(Fuse::terminated());
        let (mut has_ended, mut is_woken, mut next) = (false, false, self.timer.ticks());
        loop {
            let may_look = !has_ended && working.len() < at_once && looking.is_terminated();
            if may_look && (is_woken || self.timer.ticks() >= next) {
                is_woken = false;
                looking.set(self.look().fuse());
            }
            if has_ended && working.is_empty() && looking.is_terminated() {
                return;
            }
            tokio::select! {
                biased;
                () = &mut ending, if !has_ended => {
                    has_ended = true;
                    // Whoever holds a workflow sees it between two turns.
                    let _ = end.send(true);
                }
                found = &mut looking => match found {
                    Look::Found(held) => working.push(self.drive(*held, is_ending.clone())),
                    Look::Later(pause) => next = self.timer.ticks().saturating_add(pause),
                },
                Some(()) = working.next() => is_woken = true,
                () = self.inner.wake.notified(), if !has_ended => is_woken = true,
                () = self.timer.sleep_until(next), if may_look => {}
            }
        }
    }

    async fn look(&self) -> Look {
        match self.claim().await {
            Ok(Some(held)) => Look::Found(Box::new(held)),
            Ok(None) => Look::Later(self.until_due().await),
            Err(error) => {
                tracing::warn!(%error, "no workflow can be claimed");
                Look::Later(TROUBLE)
            }
        }
    }

    /// How long until something is due, as far as the store knows now and by its time.
    async fn until_due(&self) -> Millis {
        let store = &self.inner.store;
        match (store.next_due().await, store.time().await) {
            (Ok(Some(due)), Ok(now)) => due.saturating_sub(now).clamp(SOONEST, POLL),
            (Ok(None), _) => POLL,
            (Err(_), _) | (_, Err(_)) => TROUBLE,
        }
    }

    /// One workflow, from its claim until the lease goes back.
    async fn drive(&self, held: Held, is_ending: watch::Receiver<bool>) {
        let mut renewing = std::pin::pin!(self.keep(&held).fuse());
        let mut working = std::pin::pin!(self.work(&held, is_ending));
        loop {
            tokio::select! {
                () = &mut working => return,
                // The lease is lost: a request that is under way may end, but nothing is sent after it.
                () = &mut renewing => {}
            }
        }
    }

    /// Renews the lease, until it is lost.
    async fn keep(&self, held: &Held) {
        loop {
            let every = millis(self.inner.settings.timing.renew);
            self.timer.sleep_until(self.timer.ticks().saturating_add(every)).await;
            match self.renew(held).await {
                Ok(true) => {}
                Ok(false) => return,
                // It stays trusted for as long as it was; the next try may succeed.
                Err(error) => {
                    tracing::warn!(workflow.id = %held.lease().workflow, %error, "a lease was not renewed");
                }
            }
        }
    }

    async fn work(&self, held: &Held, mut is_ending: watch::Receiver<bool>) {
        loop {
            if *is_ending.borrow() {
                return self.give_back(held).await;
            }
            match self.guarded(held).await {
                Turn::Again => {}
                Turn::Hold(at) => {
                    let by = at.saturating_sub(self.now(held)).max(1);
                    let until = self.timer.ticks().saturating_add(by);
                    tokio::select! {
                        () = self.timer.sleep_until(until) => {}
                        _ = is_ending.changed() => {}
                    }
                }
                Turn::WakeAt(_) | Turn::Done | Turn::Lost => return,
            }
        }
    }

    /// A turn whose panic costs a try.
    async fn guarded(&self, held: &Held) -> Turn {
        match AssertUnwindSafe(self.turn(held)).catch_unwind().await {
            Ok(turn) => turn,
            Err(panic) => {
                let what = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("no message");
                self.panicked(held, what).await
            }
        }
    }
}
