//! Waiting until a MachineConfigPool is updated. It sends nothing.

use serde_json::Value;

use super::{
    Deed, Observation, Sight,
    object::{condition, number, present, refused},
    rollout,
};
use crate::model::{phase::Verdict, target::Target};

/// Where a pool is.
enum Standing {
    Updated,
    Broken(String),
    Updating(String),
}

fn standing(target: &Target, pool: &Value) -> Standing {
    let is = |kind: &str| condition(pool, kind).filter(|(status, ..)| *status == "True");
    let count = |member: &str| number(pool, &format!("/status/{member}")).unwrap_or(0);
    if let Some((_, reason, message)) = is("Degraded") {
        return Standing::Broken(format!("{target} is degraded ({reason}): {message}"));
    }
    if pool.pointer("/spec/paused") == Some(&Value::Bool(true)) && is("Updated").is_none() {
        return Standing::Broken(format!("{target} is paused, so its nodes are not updated"));
    }
    let generation = number(pool, "/metadata/generation").unwrap_or(0);
    let has_seen = count("observedGeneration") >= generation;
    if has_seen && is("Updated").is_some() && is("Updating").is_none() {
        return Standing::Updated;
    }
    let (updated, all) = (count("updatedMachineCount"), count("machineCount"));
    Standing::Updating(format!("{updated} of {all} nodes of {target} are updated"))
}

pub(super) fn observe(deed: &Deed<'_>, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    if target.kind != "MachineConfigPool" {
        return refused(format!("{target} is no MachineConfigPool"));
    }
    match present(target, seen).map(|pool| standing(target, pool)) {
        Ok(Standing::Updated) => Observation::Settled { why: format!("{target} is updated") },
        Ok(Standing::Broken(why)) => refused(why),
        Ok(Standing::Updating(why)) => Observation::Wait { why },
        Err(told) => told,
    }
}

pub(super) fn verify(target: &Target, seen: &[Sight]) -> (Verdict, String) {
    match rollout::workload(target, seen).map(|pool| standing(target, pool)) {
        Ok(Standing::Updated) => (Verdict::Passed, format!("{target} is updated")),
        Ok(Standing::Broken(why)) => (Verdict::Failed, why),
        Ok(Standing::Updating(why)) => (Verdict::Unknown, why),
        Err(told) => told,
    }
}
