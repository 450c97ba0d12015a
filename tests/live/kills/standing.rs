//! What stands in the cluster at the end, as the test's own client reads it: the last word on whether a workflow did what it
//! says.
//!
//! The audit log tells what was accepted, but of a request whose client went away the API server says 504 also where it
//! wrote. So each object is looked at: whether it is as its deed would have it, whose marker it carries, and how often
//! what is asked of it changed. Nothing of the engine is asked, and nothing is waited for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    books::Line,
    oracle::MARKER,
    targets::{Deed, Order},
};
use crate::support::Plane;

/// Compares every object with what its workflow says became of it.
///
/// # Panics
/// A workflow says what its object does not show.
pub(super) async fn agrees(plane: &Plane, lines: &[Line], orders: &BTreeMap<String, Order>) {
    let mut wrong = Vec::new();
    for line in lines {
        let Some(order) = orders.get(&line.id) else {
            wrong.push(format!("{line:?} was ordered by nobody"));
            continue;
        };
        let now = match plane.get(&order.path).await {
            Ok(object) => Some(object),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("{}: {error}", order.path),
        };
        if let Err(why) = told(order, &line.id, &line.phase, now.as_ref()) {
            wrong.push(format!("{} ({:?}) is {}, but {why}", line.id, order.deed, line.phase));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} objects are as their workflows say", lines.len());
}

/// Whether an object shows what its workflow's phase says.
fn told(order: &Order, id: &str, phase: &str, now: Option<&Value>) -> Result<(), String> {
    let changes = match phase {
        "completed" => 1,
        "rolled_back" => 2,
        "cancelled" => 0,
        other => return Err(format!("nothing can be said of {other}")),
    };
    let before = &order.first;
    let uid = |object: &Value| object["metadata"]["uid"].clone();
    if order.deed == Deed::Evict {
        let is_gone = now.is_none_or(|now| uid(now) != uid(before));
        return match (is_gone, changes) {
            (true, 1) | (false, 0) => Ok(()),
            (false, _) => Err("its pod is still there".to_owned()),
            (true, _) => Err("its pod is gone".to_owned()),
        };
    }
    let Some(now) = now.filter(|now| uid(now) == uid(before)) else {
        return Err("its object is gone, or another one".to_owned());
    };
    // Nodes have no generation.
    let generation = |object: &Value| object["metadata"]["generation"].as_i64();
    if let (Some(first), Some(last)) = (generation(before), generation(now))
        && last - first != changes
    {
        return Err(format!("{} times something else was asked of its object, not {changes}", last - first));
    }
    let (place, wanted) = place(order.deed);
    let found = now.pointer(place);
    let was = before.pointer(place);
    let plain = |value: Option<&Value>| value.cloned().unwrap_or_default();
    let key = format!("{id}/0/do");
    let wanted = match changes {
        1 => wanted.unwrap_or_else(|| json!(key)),
        _ => plain(was),
    };
    if plain(found) != wanted {
        return Err(format!("{place} is {}, not {wanted}", plain(found)));
    }
    // A restart's place is its marker.
    let marker = now["metadata"]["annotations"][MARKER].as_str();
    let is_restart = matches!(order.deed, Deed::Restart | Deed::RestartSet);
    let marker_wanted = (changes == 1 && !is_restart).then_some(key.as_str());
    if marker != marker_wanted {
        return Err(format!("it carries the marker {marker:?}, not {marker_wanted:?}"));
    }
    if changes != 1 && order.deed != Deed::Cordon && now["spec"] != before["spec"] {
        return Err(format!("it asks for {}, not for {}", now["spec"], before["spec"]));
    }
    Ok(())
}

/// Where a deed shows, and what stands there when it was done; its own key when there is nothing else.
fn place(deed: Deed) -> (&'static str, Option<Value>) {
    match deed {
        Deed::Restart | Deed::RestartSet => ("/spec/template/metadata/annotations/aiops.io~1restart", None),
        Deed::Scale | Deed::ScaleSet => ("/spec/replicas", Some(json!(3))),
        Deed::Resources => {
            ("/spec/template/spec/containers/0/resources/requests/memory", Some(json!("24Mi")))
        }
        Deed::RollBack => {
            ("/spec/template/spec/containers/0/image", Some(json!("registry.example.com/web:1")))
        }
        Deed::Cordon => ("/spec/unschedulable", Some(json!(true))),
        Deed::Evict => ("/metadata/uid", None),
    }
}

/// The oracle itself: what it takes for true, and every way in which a workflow could say what is not so.
#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "wf-1";

    /// An object as it stood when it was ordered, and the order for it.
    fn order(deed: Deed) -> Order {
        let mut first = json!({
            "metadata": {"name": "web", "uid": "u-1", "generation": 4, "annotations": {"of": "others"}},
            "spec": {"replicas": 2, "template": {"metadata": {}, "spec": {"containers": [{"name": "web",
                "image": "registry.example.com/web:2", "resources": {"requests": {"memory": "16Mi"}}}]}}},
        });
        if deed == Deed::Cordon {
            first = json!({"metadata": {"name": "n0", "uid": "u-1"}, "spec": {}});
        }
        Order { deed, path: String::new(), key: String::new(), body: Value::Null, first }
    }

    /// The object after its deed.
    fn done(order: &Order) -> Value {
        let mut now = order.first.clone();
        let key = json!(format!("{ID}/0/do"));
        let changes = |now: &mut Value| {
            if let Some(generation) = now["metadata"]["generation"].as_i64() {
                now["metadata"]["generation"] = json!(generation + 1);
            }
        };
        changes(&mut now);
        match order.deed {
            Deed::Restart | Deed::RestartSet => {
                now["spec"]["template"]["metadata"]["annotations"] = json!({"aiops.io/restart": key});
                return now;
            }
            Deed::Scale | Deed::ScaleSet => now["spec"]["replicas"] = json!(3),
            Deed::Resources => {
                now["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["memory"] =
                    json!("24Mi");
            }
            Deed::RollBack => {
                now["spec"]["template"]["spec"]["containers"][0]["image"] =
                    json!("registry.example.com/web:1");
            }
            Deed::Cordon => now["spec"]["unschedulable"] = json!(true),
            Deed::Evict => now["metadata"]["uid"] = json!("u-2"),
        }
        now["metadata"]["annotations"][MARKER] = key;
        now
    }

    /// The object after its deed was undone.
    fn undone(order: &Order) -> Value {
        let mut now = order.first.clone();
        if let Some(generation) = now["metadata"]["generation"].as_i64() {
            now["metadata"]["generation"] = json!(generation + 2);
        }
        now
    }

    #[test]
    fn what_a_workflow_says_and_its_object_shows_is_taken_for_true() {
        for deed in Deed::ALL {
            let order = order(deed);
            assert_eq!(told(&order, ID, "completed", Some(&done(&order))), Ok(()), "{deed:?}");
            assert_eq!(told(&order, ID, "cancelled", Some(&order.first)), Ok(()), "{deed:?}");
        }
        for deed in Deed::REVERSIBLE {
            let order = order(deed);
            assert_eq!(told(&order, ID, "rolled_back", Some(&undone(&order))), Ok(()), "{deed:?}");
        }
        assert_eq!(told(&order(Deed::Evict), ID, "completed", None), Ok(()));
    }

    /// What this was written for: the one request of the step was answered 504, which the log takes for an effect, and it
    /// had none.
    #[test]
    fn a_workflow_that_is_completed_without_a_change_is_seen() {
        for deed in Deed::ALL {
            let order = order(deed);
            told(&order, ID, "completed", Some(&order.first)).unwrap_err();
        }
        // Had, and set back by somebody; also where the marker was left.
        for deed in Deed::REVERSIBLE {
            let order = order(deed);
            let mut now = undone(&order);
            told(&order, ID, "completed", Some(&now)).unwrap_err();
            now["metadata"]["annotations"][MARKER] = json!("wf-1/0/do");
            told(&order, ID, "completed", Some(&now)).unwrap_err();
        }
    }

    #[test]
    fn an_effect_too_many_and_one_of_another_are_seen() {
        for deed in Deed::ALL.into_iter().filter(|deed| *deed != Deed::Evict) {
            let order = order(deed);
            let now = done(&order);
            told(&order, "wf-2", "completed", Some(&now)).unwrap_err();
            for phase in ["cancelled", "rolled_back", "failed", "needs_operator"] {
                told(&order, ID, phase, Some(&now)).unwrap_err();
            }
            told(&order, ID, "completed", None).unwrap_err();
            let mut other = now.clone();
            other["metadata"]["uid"] = json!("u-3");
            told(&order, ID, "completed", Some(&other)).unwrap_err();
            if deed != Deed::Cordon {
                let mut twice = now.clone();
                twice["metadata"]["generation"] = json!(6);
                told(&order, ID, "completed", Some(&twice)).unwrap_err();
            }
        }
        let evict = order(Deed::Evict);
        told(&evict, ID, "cancelled", None).unwrap_err();
    }

    #[test]
    fn a_way_back_that_was_not_gone_or_not_to_its_end_is_seen() {
        for deed in Deed::REVERSIBLE {
            let order = order(deed);
            let mut marked = undone(&order);
            marked["metadata"]["annotations"][MARKER] = json!("wf-1/0/do");
            told(&order, ID, "rolled_back", Some(&marked)).unwrap_err();
            if deed != Deed::Cordon {
                let mut half = undone(&order);
                half["spec"]["strategy"] = json!({"type": "Recreate"});
                told(&order, ID, "rolled_back", Some(&half)).unwrap_err();
                told(&order, ID, "rolled_back", Some(&order.first)).unwrap_err();
            }
        }
    }
}
