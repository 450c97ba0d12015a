//! A process of a run, a call of a port at a time: claims, turns, renewals, sweeps, its end, its death and its successor.

use std::{sync::Arc, task::Poll};

use super::{Doing, Process, Sim, poll};
use crate::{model::Millis, settings::limits::millis, workflow::Turn};

/// Between two sweeps of a process.
const SWEEP: Millis = 2_000;

impl Process {
    fn owner(&self) -> String {
        format!("{}#{}", self.name, self.incarnation)
    }

    /// Hears what became of a renewal, and begins the next one when it is time.
    fn renew(&mut self, at: Millis, every: Millis) {
        if let Some(renewing) = &mut self.renewing
            && let Poll::Ready(done) = poll(renewing)
        {
            self.renewing = None;
            if done.is_ok() {
                self.renewed_at = at;
            }
        }
        if let Doing::Holding { held, .. } | Doing::Working { held, .. } = &self.doing
            && self.renewing.is_none()
            && at >= self.renewed_at + every
        {
            let (executor, held) = (self.executor.clone(), Arc::clone(held));
            self.renewed_at = at;
            self.renewing = Some(Box::pin(async move { executor.renew(&held).await }));
        }
    }

    /// The next piece of its work. Returns whether there was any.
    fn work(&mut self, at: Millis) -> bool {
        let mut did = true;
        let doing = std::mem::replace(&mut self.doing, Doing::Nothing { until: 0 });
        self.doing = match doing {
            Doing::Nothing { until } if until > at || self.is_ending => {
                did = false;
                Doing::Nothing { until }
            }
            Doing::Nothing { .. } => {
                let executor = self.executor.clone();
                Doing::Claiming(Box::pin(async move { executor.claim().await }))
            }
            Doing::Claiming(mut work) => match poll(&mut work) {
                Poll::Pending => Doing::Claiming(work),
                Poll::Ready(Ok(Some(held))) => {
                    self.renewed_at = at;
                    Doing::Holding { held: Arc::new(held), until: 0 }
                }
                Poll::Ready(Ok(None)) => {
                    did = false;
                    Doing::Nothing { until: at + 500 }
                }
                Poll::Ready(Err(_)) => Doing::Nothing { until: at + 500 },
            },
            Doing::Holding { held, .. } if self.is_ending => {
                let executor = self.executor.clone();
                Doing::GivingBack(Box::pin(async move { executor.give_back(&held).await }))
            }
            Doing::Holding { held, until } if until > at => {
                did = false;
                Doing::Holding { held, until }
            }
            Doing::Holding { held, .. } => {
                let executor = self.executor.clone();
                let taken = Arc::clone(&held);
                Doing::Working { held, work: Box::pin(async move { executor.turn(&taken).await }) }
            }
            Doing::Working { held, mut work } => match poll(&mut work) {
                Poll::Pending => Doing::Working { held, work },
                Poll::Ready(Turn::Again) => Doing::Holding { held, until: 0 },
                Poll::Ready(Turn::Hold(until)) => Doing::Holding { held, until },
                Poll::Ready(Turn::WakeAt(_) | Turn::Done | Turn::Lost) => {
                    self.renewing = None;
                    Doing::Nothing { until: 0 }
                }
            },
            Doing::GivingBack(mut work) => match poll(&mut work) {
                Poll::Pending => Doing::GivingBack(work),
                Poll::Ready(()) => Doing::Nothing { until: 0 },
            },
        };
        did
    }

    /// The next piece of its sweep. Returns whether there was any, and whether it came to its end.
    fn sweep(&mut self, at: Millis) -> (bool, bool) {
        if let Some(sweeping) = &mut self.sweeping {
            let Poll::Ready((sweeper, _)) = poll(sweeping) else { return (true, false) };
            (self.sweeper, self.sweeping, self.sweeps_at) = (Some(sweeper), None, at + SWEEP);
            return (true, true);
        }
        if at < self.sweeps_at || self.is_ending {
            return (false, false);
        }
        let Some(mut sweeper) = self.sweeper.take() else { return (false, false) };
        let (inner, owner) = (Arc::clone(&self.duties), self.owner());
        self.sweeping = Some(Box::pin(async move {
            let done = inner.duties(&owner, &mut sweeper, at).await;
            (sweeper, done)
        }));
        (true, false)
    }
}

impl Sim {
    /// One move of one process. Returns whether it had anything to do.
    pub(super) fn step(&mut self, place: usize) -> bool {
        let at = self.hands.millis();
        let renew_every = millis(self.settings.timing.renew);
        let process = &mut self.processes[place];
        if process.paused_until > at {
            return false;
        }
        process.renew(at, renew_every);
        let (mut did, has_swept) = process.sweep(at);
        self.swept += u64::from(has_swept);
        did |= process.work(at);
        let owner = process.owner();
        let is_drained =
            process.is_ending && matches!(process.doing, Doing::Nothing { .. }) && process.sweeping.is_none();
        if self.faults.take_stop(&owner) {
            // Longer than a lease, shorter than an API server works on a request.
            self.processes[place].paused_until = at + 16_000 + at % 24_000;
        }
        if self.faults.take_crash(&owner) {
            self.die(place, 200);
        } else if is_drained {
            self.drained += 1;
            self.die(place, 100);
        }
        did
    }

    /// A process dies; its successor begins a little later.
    pub(super) fn die(&mut self, place: usize, after: Millis) {
        let (name, incarnation) = {
            let process = &self.processes[place];
            (process.name.clone(), process.incarnation + 1)
        };
        let mut next = self.process(&name, incarnation);
        next.doing = Doing::Nothing { until: self.hands.millis() + after };
        self.processes[place] = next;
    }
}
