//! Waiting for a MachineConfigPool: a node that its operator is updating comes back by itself.
//!
//! It changes nothing.

use super::{Draft, Move, Remedy, pool_of};
use crate::{
    model::{action::Action, plan::Risk},
    planner::{Neighbourhood, value},
};

/// How long one machine's update is expected to take, in seconds: a reboot with its drain.
const ONE: i64 = 300;
/// How long a pool is expected to take that does not say how many machines it has, in seconds.
const UNKNOWN: u32 = 3_600;

pub(super) struct Await;

impl Remedy for Await {
    fn name(&self) -> &'static str {
        "await-pool"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        if !matches!(near.target().kind.as_str(), "Node" | "MachineConfig" | "MachineConfigPool") {
            return Err(String::new());
        }
        let Some(pool) = pool_of(near) else { return Err(String::new()) };
        let target = value::target(pool);
        let count = |member: &str| value::int(pool, &format!("/status/{member}")).unwrap_or(0);
        let (all, updated) = (count("machineCount"), count("updatedMachineCount"));
        let is =
            |kind: &str| value::condition(pool, kind).is_some_and(|condition| condition.status == "True");
        if is("Degraded") {
            return Err(format!("{target} is degraded, so its update will not end by itself"));
        }
        if value::flag(pool, "/spec/paused") {
            return Err(format!("{target} is paused, so nothing is being updated"));
        }
        if !is("Updating") || updated >= all {
            return Err(format!("{target} is not updating ({updated} of {all} machines are updated)"));
        }
        Ok(Draft {
            why: format!("{target} is updating: {updated} of {all} machines are updated"),
            moves: vec![Move::new(
                format!("Wait until {target} is updated"),
                Action::AwaitPool { target: target.clone() },
            )],
            expected: format!("all {all} machines of {target} are updated and ready"),
            risk: Risk::Low,
            seconds: seconds(pool),
        })
    }
}

/// How long the machines of a pool that are not updated yet are expected to take, one after another, in seconds: from a
/// minute to a day. Where it does not say how many there are, it is an hour.
pub(crate) fn seconds(pool: &serde_json::Value) -> u32 {
    let count = |member: &str| value::int(pool, &format!("/status/{member}"));
    let (Some(all), updated) = (count("machineCount"), count("updatedMachineCount").unwrap_or(0)) else {
        return UNKNOWN;
    };
    let left = all.saturating_sub(updated).saturating_mul(ONE).clamp(60, 86_400);
    u32::try_from(left).unwrap_or(UNKNOWN)
}
