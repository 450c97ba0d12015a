//! What may befall a call of a port, and who decides it: a script for exhaustive runs, dice for random ones.
//!
//! A crash is a call that never returns: the executor's future is dropped, and another one begins later under another
//! name. Everything that a call did before is done.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::Poll,
};

use parking_lot::Mutex;

use super::dice::Dice;

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
    Commit,
    Accept,
    Recall,
    Look,
    Send,
    DryRun,
}

impl Call {
    /// What can befall such a call, beside nothing.
    pub(crate) const fn fates(self) -> &'static [Fate] {
        match self {
            Self::Claim | Self::Renew => &[Fate::CrashBefore, Fate::CrashAfter, Fate::Lost, Fate::Busy],
            Self::Commit | Self::Accept => {
                &[Fate::CrashBefore, Fate::CrashAfter, Fate::Lost, Fate::Vanished, Fate::Busy]
            }
            Self::Recall => &[Fate::CrashBefore, Fate::Busy],
            Self::Look => &[Fate::CrashBefore, Fate::Busy],
            Self::Send => &[
                Fate::CrashBefore,
                Fate::CrashAfter,
                Fate::Lost,
                Fate::Vanished,
                Fate::Late,
                Fate::LateCrash,
                Fate::Twice,
                Fate::Busy,
                Fate::Cut,
                Fate::Raced,
                Fate::Refused,
            ],
            Self::DryRun => &[Fate::CrashBefore, Fate::CrashAfter, Fate::Lost, Fate::Busy],
        }
    }
}

/// Who decides.
#[derive(Debug)]
enum Judge {
    /// Nothing happens.
    Calm,
    /// At the call of this number, this.
    Script(BTreeMap<u64, Fate>),
    /// At the request of this number, this.
    Requests(BTreeMap<u64, Fate>),
    /// In so many of a thousand calls something.
    Chance(Dice, u64),
}

/// The faults of one run.
#[derive(Debug)]
pub(crate) struct Faults {
    judge: Mutex<Judge>,
    count: Mutex<u64>,
    calls: Mutex<Vec<Call>>,
    requests: Mutex<u64>,
    crashed: Mutex<BTreeSet<String>>,
    met: Mutex<BTreeMap<(Call, Fate), u64>>,
    /// A call gives others a turn before and after it: what interleaves is the harness's to choose.
    yields: bool,
}

impl Faults {
    fn new(judge: Judge, yields: bool) -> Arc<Self> {
        Arc::new(Self {
            judge: Mutex::new(judge),
            count: Mutex::new(0),
            calls: Mutex::default(),
            requests: Mutex::default(),
            crashed: Mutex::default(),
            met: Mutex::default(),
            yields,
        })
    }

    pub(crate) fn script(fates: impl IntoIterator<Item = (u64, Fate)>) -> Arc<Self> {
        Self::new(Judge::Script(fates.into_iter().collect()), false)
    }

    /// Only requests that are meant are counted.
    pub(crate) fn requests(fates: impl IntoIterator<Item = (u64, Fate)>) -> Arc<Self> {
        Self::new(Judge::Requests(fates.into_iter().collect()), false)
    }

    pub(crate) fn chance(seed: u64, thousandths: u64) -> Arc<Self> {
        Self::new(Judge::Chance(Dice::new(seed), thousandths), true)
    }

    /// Nothing more happens.
    pub(crate) fn calm(&self) {
        *self.judge.lock() = Judge::Calm;
    }

    /// The calls so far, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }

    /// What befell which calls, and how often.
    pub(crate) fn met(&self) -> BTreeMap<(Call, Fate), u64> {
        self.met.lock().clone()
    }

    /// Counts a call and says what befalls it.
    pub(crate) async fn meet(&self, call: Call) -> Fate {
        self.give_way().await;
        let number = {
            let mut count = self.count.lock();
            *count += 1;
            *count - 1
        };
        self.calls.lock().push(call);
        let request = {
            let mut requests = self.requests.lock();
            *requests += u64::from(call == Call::Send);
            *requests
        };
        let fate = match &mut *self.judge.lock() {
            Judge::Calm => Fate::Go,
            Judge::Script(fates) => {
                fates.get(&number).copied().filter(|fate| call.fates().contains(fate)).unwrap_or(Fate::Go)
            }
            Judge::Requests(fates) if call == Call::Send => {
                fates.get(&(request - 1)).copied().unwrap_or(Fate::Go)
            }
            Judge::Requests(_) => Fate::Go,
            // Reads and commits are many, requests few: those are worth more trouble.
            Judge::Chance(dice, thousandths) => {
                let weight = if call == Call::Send { *thousandths * 6 } else { *thousandths };
                if dice.is(weight) { *dice.pick(call.fates()) } else { Fate::Go }
            }
        };
        if fate != Fate::Go {
            *self.met.lock().entry((call, fate)).or_default() += 1;
        }
        fate
    }

    async fn give_way(&self) {
        if !self.yields {
            return;
        }
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

    /// The process of this name dies here.
    pub(crate) async fn crash<T>(&self, who: &str) -> T {
        self.crashed.lock().insert(who.to_owned());
        std::future::pending().await
    }

    /// Whether it died, once.
    pub(crate) fn take_crash(&self, who: &str) -> bool {
        self.crashed.lock().remove(who)
    }
}
