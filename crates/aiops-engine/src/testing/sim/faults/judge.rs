//! Who decides what befalls a call.
//!
//! Dice are thrown once or twice a call, so a seed is a schedule. They do not fall evenly: what is between an intent and
//! its outcome is where remediation is lost or doubled, and there they fall most.

use std::collections::BTreeMap;

use super::{Call, Fate};
use crate::testing::sim::dice::Dice;

/// Where a random schedule's faults strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Focus {
    /// Nowhere.
    Nothing,
    /// Anywhere, in so many of a thousand calls.
    Even(u64),
    /// At requests, and at the commits before and after them.
    Requests,
    /// At every commit.
    Commits,
    /// At claims and renewals: leases are lost.
    Leases,
    /// At reads of the cluster and of the store.
    Reads,
}

impl Focus {
    /// In so many of a thousand calls something.
    const fn weight(self, call: Call) -> u64 {
        match self {
            Self::Nothing => 0,
            // Reads and commits are many, requests few: those are worth more trouble.
            Self::Even(thousandths) => match call {
                Call::Look | Call::Recall => thousandths / 3,
                Call::Send => thousandths * 6,
                Call::Intend | Call::Learn => thousandths * 3,
                _ => thousandths,
            },
            Self::Requests => match call {
                Call::Send => 450,
                Call::Intend | Call::Learn => 300,
                Call::DryRun => 100,
                _ => 4,
            },
            Self::Commits => match call {
                Call::Intend | Call::Learn | Call::Commit | Call::Accept => 130,
                Call::Report | Call::House => 130,
                _ => 4,
            },
            Self::Leases => match call {
                Call::Claim => 120,
                Call::Renew => 400,
                Call::Send => 150,
                _ => 4,
            },
            Self::Reads => match call {
                Call::Look | Call::Recall => 60,
                _ => 10,
            },
        }
    }
}

/// Who decides.
#[derive(Debug)]
pub(super) enum Judge {
    /// Nothing happens.
    Calm,
    /// At the call of this number, this.
    Script(BTreeMap<u64, Fate>),
    /// At the request of this number, this.
    Requests(BTreeMap<u64, Fate>),
    /// The dice.
    Chance(Dice, Focus),
}

impl Judge {
    /// What befalls the call of this number, which is the `request`-th request if it is one.
    pub(super) fn says(&mut self, call: Call, number: u64, request: u64) -> Fate {
        match self {
            Self::Calm => Fate::Go,
            Self::Script(fates) => {
                fates.get(&number).copied().filter(|fate| call.fates().contains(fate)).unwrap_or(Fate::Go)
            }
            Self::Requests(fates) if call == Call::Send => {
                fates.get(&(request - 1)).copied().unwrap_or(Fate::Go)
            }
            Self::Requests(_) => Fate::Go,
            Self::Chance(dice, focus) => {
                if dice.is(focus.weight(call)) {
                    *dice.pick(call.fates())
                } else {
                    Fate::Go
                }
            }
        }
    }
}
