//! How far a limit may be raised: by the limit ranges of the namespace and by what its quotas have left.

use serde_json::Value;

use super::{Measure, amount, containers};
use crate::{
    planner::{Neighbourhood, value},
    remedies::restart::surge,
};

/// The largest limit that is allowed.
pub(super) struct Bounds {
    /// Bytes or millicores; `i64::MAX` where nothing bounds it.
    pub(super) most: i64,
    /// What bounds it.
    pub(super) by: String,
}

impl Bounds {
    fn at_most(&mut self, most: i64, by: impl FnOnce() -> String) {
        if most < self.most {
            *self = Self { most, by: by() };
        }
    }
}

/// What bounds the new limit of a container that has `now` and is to have `wanted`.
///
/// # Errors
/// The bounds could not be read.
pub(super) fn of(
    near: &Neighbourhood,
    measure: &Measure,
    container: &Value,
    now: i64,
    wanted: i64,
) -> Result<Bounds, String> {
    let unread =
        near.gaps.iter().find(|gap| gap.starts_with("limitranges") || gap.starts_with("resourcequotas"));
    if let Some(gap) = unread {
        return Err(format!("how far a limit may be raised is not known: {gap}"));
    }
    let mut bounds = Bounds { most: i64::MAX, by: "nothing".to_owned() };
    for range in &near.limit_ranges {
        let by = || format!("LimitRange {}", value::name(range));
        for item in value::list(range, "/spec/limits") {
            let of = |member: &str| read(item, member, measure);
            match value::text(item, "/type") {
                "Container" => {
                    if let Some(max) = of("max") {
                        bounds.at_most(max, by);
                    }
                    let request = amount(container, "requests", measure).or_else(|| of("defaultRequest"));
                    let ratio = item.get("maxLimitRequestRatio").and_then(|ratio| ratio.get(measure.name));
                    let ratio = ratio.and_then(Value::as_str).and_then(|ratio| ratio.parse::<i64>().ok());
                    if let (Some(ratio), Some(request)) = (ratio, request.filter(|request| *request != now)) {
                        bounds.at_most(request.saturating_mul(ratio), by);
                    }
                }
                "Pod" => {
                    let others = containers(near)
                        .filter(|other| other.get("name") != container.get("name"))
                        .filter_map(|other| amount(other, "limits", measure))
                        .fold(0_i64, i64::saturating_add);
                    if let Some(max) = of("max") {
                        bounds.at_most(max.saturating_sub(others), by);
                    }
                }
                _ => {}
            }
        }
    }
    quotas(near, measure, container, now, wanted, &mut bounds);
    Ok(bounds)
}

fn read(item: &Value, member: &str, measure: &Measure) -> Option<i64> {
    (measure.read)(item.get(member)?.get(measure.name)?.as_str()?)
}

/// While a rollout runs, the pods of both templates count: every replica takes the difference, every surplus pod all.
fn quotas(
    near: &Neighbourhood,
    measure: &Measure,
    container: &Value,
    now: i64,
    wanted: i64,
    bounds: &mut Bounds,
) {
    let request = amount(container, "requests", measure);
    let raises_request = request.is_none_or(|request| request == now);
    let (replicas, surge) = (near.replicas().max(1), surge(near));
    for quota in &near.quotas {
        if quota.pointer("/spec/scopes").is_some() || quota.pointer("/spec/scopeSelector").is_some() {
            continue;
        }
        let requested = [format!("requests.{}", measure.name), measure.name.to_owned()];
        let mut bounded = vec![format!("limits.{}", measure.name)];
        bounded.extend(requested.into_iter().filter(|_| raises_request));
        for resource in bounded {
            let of = |member: &str| {
                let amount = quota.get("status")?.get(member)?.get(&resource)?.as_str()?;
                (measure.read)(amount)
            };
            let (Some(hard), Some(used)) = (of("hard"), of("used")) else { continue };
            let left = hard.saturating_sub(used);
            // replicas × (new − now) + surge × new ≤ left
            let most =
                left.saturating_add(replicas.saturating_mul(now)) / replicas.saturating_add(surge).max(1);
            if most < wanted {
                bounds.at_most(most, || format!("ResourceQuota {} ({resource})", value::name(quota)));
            }
        }
    }
}
