//! A process of a run, a call of a port at a time: claims, turns, renewals, its death and its successor.

use std::{sync::Arc, task::Poll};

use super::{Doing, Sim, poll};
use crate::{model::Millis, settings::limits::millis, workflow::Turn};

impl Sim {
    /// One move of one process. Returns whether it had anything to do.
    pub(super) fn step(&mut self, place: usize) -> bool {
        let at = self.hands.millis();
        let renew_every = millis(self.settings.timing.renew);
        let process = &mut self.processes[place];
        if process.paused_until > at {
            return false;
        }
        if let Some(renewing) = &mut process.renewing
            && let Poll::Ready(done) = poll(renewing)
        {
            process.renewing = None;
            if done.is_ok() {
                process.renewed_at = at;
            }
        }
        let mut did = true;
        let doing = std::mem::replace(&mut process.doing, Doing::Nothing { until: 0 });
        process.doing = match doing {
            Doing::Nothing { until } if until > at => {
                did = false;
                Doing::Nothing { until }
            }
            Doing::Nothing { .. } => {
                let executor = process.executor.clone();
                Doing::Claiming(Box::pin(async move { executor.claim().await }))
            }
            Doing::Claiming(mut work) => match poll(&mut work) {
                Poll::Pending => Doing::Claiming(work),
                Poll::Ready(Ok(Some(held))) => {
                    process.renewed_at = at;
                    Doing::Holding { held: Arc::new(held), until: 0 }
                }
                Poll::Ready(Ok(None)) => {
                    did = false;
                    Doing::Nothing { until: at + 500 }
                }
                Poll::Ready(Err(_)) => Doing::Nothing { until: at + 500 },
            },
            Doing::Holding { held, until } if until > at => {
                did = false;
                Doing::Holding { held, until }
            }
            Doing::Holding { held, .. } => {
                let executor = process.executor.clone();
                let taken = Arc::clone(&held);
                Doing::Working { held, work: Box::pin(async move { executor.turn(&taken).await }) }
            }
            Doing::Working { held, mut work } => match poll(&mut work) {
                Poll::Pending => Doing::Working { held, work },
                Poll::Ready(Turn::Again) => Doing::Holding { held, until: 0 },
                Poll::Ready(Turn::Hold(until)) => Doing::Holding { held, until },
                Poll::Ready(Turn::WakeAt(_) | Turn::Done | Turn::Lost) => {
                    process.renewing = None;
                    Doing::Nothing { until: 0 }
                }
            },
        };
        if let Doing::Holding { held, .. } | Doing::Working { held, .. } = &process.doing
            && process.renewing.is_none()
            && at >= process.renewed_at + renew_every
        {
            let (executor, held) = (process.executor.clone(), Arc::clone(held));
            process.renewed_at = at;
            process.renewing = Some(Box::pin(async move { executor.renew(&held).await }));
        }
        let owner = format!("{}#{}", process.name, process.incarnation);
        if self.faults.take_crash(&owner) {
            self.die(place, 200);
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
