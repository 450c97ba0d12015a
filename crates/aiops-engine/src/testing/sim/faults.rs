//! What may befall a call of a port, and who decides it: a script for exhaustive runs, dice for random ones.
//!
//! A crash is a call that never returns: the executor's future is dropped, and another one begins later under another
//! name. Everything that a call did before is done. What befell which call is counted with the place at which it struck:
//! a schedule that does not reach what it is for is seen.

mod judge;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::Poll,
};

use parking_lot::Mutex;

pub(crate) use self::judge::Focus;
use self::judge::Judge;
use super::{coverage::Place, dice::Dice};
use crate::{model::ids::WorkflowId, testing::memory_store::MemoryStore};

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// Nothing.
    Go,
    /// The process dies before anything happens.
    CrashBefore,
    /// It happens, then the process dies.
    CrashAfter,
    /// It happens, and the answer is lost.
    Lost,
    /// It does not happen, and nobody knows.
    Vanished,
    /// It does not happen now: the request is on its way, and its answer never comes.
    Late,
    /// It is on its way while the process dies.
    LateCrash,
    /// It happens, and again later.
    Twice,
    /// The process is stopped just before, for longer than a lease, and goes on with it then.
    Stopped,
    /// The other side sheds load, or is locked: it does not happen, and that is known.
    Busy,
    /// No connection was had: it does not happen, and that is known.
    Cut,
    /// Somebody else changes the object just before.
    Raced,
    /// The API server will never take it.
    Refused,
}

/// The call of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    Claim,
    Renew,
    /// The commit of an intent: what is about to be sent.
    Intend,
    /// The commit of an outcome: what became of it.
    Learn,
    /// Any other commit about a workflow.
    Commit,
    Accept,
    Recall,
    Look,
    Send,
    DryRun,
    /// Writes about incidents and controls: reports of alerts and of the sweep, closings, the breaker.
    Report,
    /// The sweep's duty, anchors of the audit chains, retention.
    House,
}

impl Call {
    /// All of them.
    pub(crate) const ALL: [Self; 12] = [
        Self::Claim,
        Self::Renew,
        Self::Intend,
        Self::Learn,
        Self::Commit,
        Self::Accept,
        Self::Recall,
        Self::Look,
        Self::Send,
        Self::DryRun,
        Self::Report,
        Self::House,
    ];

    /// What can befall such a call, beside nothing.
    pub(crate) const fn fates(self) -> &'static [Fate] {
        use Fate::{
            Busy, CrashAfter, CrashBefore, Cut, Late, LateCrash, Lost, Raced, Refused, Stopped, Twice,
            Vanished,
        };
        match self {
            Self::Claim | Self::Renew => &[CrashBefore, CrashAfter, Lost, Busy, Stopped],
            Self::Intend | Self::Learn | Self::Commit => {
                &[CrashBefore, CrashAfter, Lost, Vanished, Busy, Stopped]
            }
            Self::Accept | Self::Report | Self::House => &[CrashBefore, CrashAfter, Lost, Vanished, Busy],
            Self::Recall | Self::Look => &[CrashBefore, Busy],
            Self::Send => &[
                CrashBefore,
                CrashAfter,
                Lost,
                Vanished,
                Late,
                LateCrash,
                Twice,
                Stopped,
                Busy,
                Cut,
                Raced,
                Refused,
            ],
            Self::DryRun => &[CrashBefore, CrashAfter, Lost, Busy],
        }
    }

    /// The crashes among them.
    pub(crate) fn crashes(self) -> impl Iterator<Item = Fate> {
        let is_crash = |fate: &Fate| matches!(fate, Fate::CrashBefore | Fate::CrashAfter | Fate::LateCrash);
        self.fates().iter().copied().filter(is_crash)
    }
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) call: Call,
    /// Where; known of traced runs only.
    pub(crate) place: Option<Place>,
}

/// A number of calls, by what befell them and where.
pub(crate) type Met = BTreeMap<(Call, Fate, Place), u64>;

/// The faults of one run.
pub(crate) struct Faults {
    judge: Mutex<Judge>,
    calls: Mutex<Vec<Made>>,
    requests: Mutex<u64>,
    crashed: Mutex<BTreeSet<String>>,
    stopped: Mutex<BTreeSet<String>>,
    met: Mutex<Met>,
    /// Whose records tell where a call stands.
    store: Mutex<Option<Arc<MemoryStore>>>,
    /// What each process holds.
    held: Mutex<BTreeMap<String, WorkflowId>>,
    /// A call gives others a turn before and after it: what interleaves is the harness's to choose.
    yields: bool,
    /// The place of every call is noted, not only of those that something befell.
    is_traced: bool,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults").field("yields", &self.yields).finish_non_exhaustive()
    }
}

impl Faults {
    fn new(judge: Judge, yields: bool, is_traced: bool) -> Arc<Self> {
        Arc::new(Self {
            judge: Mutex::new(judge),
            calls: Mutex::default(),
            requests: Mutex::default(),
            crashed: Mutex::default(),
            stopped: Mutex::default(),
            met: Mutex::default(),
            store: Mutex::default(),
            held: Mutex::default(),
            yields,
            is_traced,
        })
    }

    pub(crate) fn script(fates: impl IntoIterator<Item = (u64, Fate)>) -> Arc<Self> {
        Self::new(Judge::Script(fates.into_iter().collect()), false, false)
    }

    /// As [`Self::script`]; every call is noted with its place.
    pub(crate) fn traced(fates: impl IntoIterator<Item = (u64, Fate)>) -> Arc<Self> {
        Self::new(Judge::Script(fates.into_iter().collect()), false, true)
    }

    /// Only requests that are meant are counted.
    pub(crate) fn requests(fates: impl IntoIterator<Item = (u64, Fate)>) -> Arc<Self> {
        Self::new(Judge::Requests(fates.into_iter().collect()), false, false)
    }

    pub(crate) fn chance(seed: u64, focus: Focus) -> Arc<Self> {
        Self::new(Judge::Chance(Dice::new(seed), focus), true, false)
    }

    /// Whose records tell where a call stands.
    pub(crate) fn know(&self, store: &Arc<MemoryStore>) {
        *self.store.lock() = Some(Arc::clone(store));
    }

    /// What a process holds from now on.
    pub(crate) fn holds(&self, who: &str, workflow: &WorkflowId) {
        self.held.lock().insert(who.to_owned(), workflow.clone());
    }

    /// Nothing more happens.
    pub(crate) fn calm(&self) {
        *self.judge.lock() = Judge::Calm;
    }

    /// The calls so far, in order.
    pub(crate) fn calls(&self) -> Vec<Made> {
        self.calls.lock().clone()
    }

    /// What befell which calls, where, and how often.
    pub(crate) fn met(&self) -> Met {
        self.met.lock().clone()
    }

    /// How many calls something befell.
    pub(crate) fn struck(&self) -> u64 {
        self.met.lock().values().sum()
    }

    fn place(&self, who: &str, about: Option<&WorkflowId>) -> Place {
        let held = about.cloned().or_else(|| self.held.lock().get(who).cloned());
        let store = self.store.lock().clone();
        match (held, store) {
            (Some(id), Some(store)) => Place::of(&store, &id),
            _ => Place::NOWHERE,
        }
    }

    /// Counts a call and says what befalls it; `about` is the workflow it names.
    pub(crate) async fn meet(&self, call: Call, who: &str, about: Option<&WorkflowId>) -> Fate {
        self.give_way().await;
        // Nothing strikes any more: such a call is no place for a fault.
        if matches!(*self.judge.lock(), Judge::Calm) {
            return Fate::Go;
        }
        let number = {
            let mut calls = self.calls.lock();
            let place = self.is_traced.then(|| self.place(who, about));
            calls.push(Made { call, place });
            u64::try_from(calls.len()).unwrap() - 1
        };
        let request = {
            let mut requests = self.requests.lock();
            *requests += u64::from(call == Call::Send);
            *requests
        };
        let fate = self.judge.lock().says(call, number, request);
        if fate != Fate::Go {
            let place = self.place(who, about);
            *self.met.lock().entry((call, fate, place)).or_default() += 1;
        }
        if fate == Fate::Stopped {
            self.stopped.lock().insert(who.to_owned());
            give_way_once().await;
            return Fate::Go;
        }
        fate
    }

    async fn give_way(&self) {
        if self.yields {
            give_way_once().await;
        }
    }

    /// The process of this name dies here.
    pub(crate) async fn crash<T>(&self, who: &str) -> T {
        self.crashed.lock().insert(who.to_owned());
        std::future::pending().await
    }

    /// Whether it died, once.
    pub(crate) fn take_crash(&self, who: &str) -> bool {
        self.crashed.lock().remove(who)
    }

    /// Whether it was stopped, once.
    pub(crate) fn take_stop(&self, who: &str) -> bool {
        self.stopped.lock().remove(who)
    }
}

async fn give_way_once() {
    let mut has_waited = false;
    std::future::poll_fn(|context| {
        if has_waited {
            return Poll::Ready(());
        }
        has_waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
