//! Nodes: letting no new pods come, letting them come again, and emptying one within its disruption budgets.
//!
//! A drain evicts what controllers make again and nothing else; where a pod would be lost, or there are more than a plan
//! may evict, it does not fit and says what `kubectl drain` would need.

use serde_json::Value;

use super::{
    Draft, Move, Remedy,
    evict::{may_go, one},
};
use crate::{
    model::{action::Action, plan::Risk},
    planner::{Neighbourhood, Pod, value},
};

/// Conditions that say a node is short of something.
const PRESSURE: [&str; 4] = ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"];

pub(super) struct Cordon;
pub(super) struct Uncordon;
pub(super) struct Drain;

impl Remedy for Cordon {
    fn name(&self) -> &'static str {
        "cordon-node"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        let target = node(near)?;
        let Some(pressure) = pressure(near) else {
            return Err(format!("{target} reports no pressure"));
        };
        if is_cordoned(near) {
            return Err(format!("{target} is cordoned already"));
        }
        Ok(Draft {
            why: format!("{target} reports {pressure}; without new pods it can recover"),
            moves: vec![cordon(near)],
            expected: format!("no new pod is scheduled to {target}"),
            risk: Risk::Medium,
            seconds: 10,
        })
    }
}

impl Remedy for Uncordon {
    fn name(&self) -> &'static str {
        "uncordon-node"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        let target = node(near)?;
        if !is_cordoned(near) {
            return Err(format!("{target} is not cordoned"));
        }
        if value::condition(&near.object, "Ready").is_none_or(|ready| ready.status != "True") {
            return Err(format!("{target} is not ready"));
        }
        if let Some(pressure) = pressure(near) {
            return Err(format!("{target} reports {pressure}"));
        }
        let updating = pool_of(near)
            .filter(|pool| value::condition(pool, "Updating").is_some_and(|c| c.status == "True"));
        if let Some(pool) = updating {
            return Err(format!(
                "MachineConfigPool {} is updating and cordons its nodes itself",
                value::name(pool)
            ));
        }
        Ok(Draft {
            why: format!("{target} is cordoned, ready and without pressure"),
            moves: vec![Move::new(
                format!("Uncordon {target}: pods may be scheduled to it again"),
                Action::UncordonNode { target: target.clone() },
            )],
            expected: format!("pods are scheduled to {target} again"),
            risk: Risk::Medium,
            seconds: 10,
        })
    }
}

impl Remedy for Drain {
    fn name(&self) -> &'static str {
        "drain-node"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        let target = node(near)?;
        let by_hand = format!("`kubectl drain {} --ignore-daemonsets`", target.name);
        let movable = |pod: &&Pod| pod.is_alive() && !pod.is_mirror && !is_of_daemon_set(pod);
        let pods: Vec<&Pod> = near.pods.iter().filter(movable).collect();
        if pods.len() > near.most_pods {
            return Err(format!(
                "{} pods would have to leave {target}, and a plan evicts at most {}: run {by_hand}",
                pods.len(),
                near.most_pods
            ));
        }
        if near.gaps.iter().any(|gap| gap.contains("pods")) {
            return Err(format!("which pods are on {target} could not be read to the end"));
        }
        if pods.is_empty() && is_cordoned(near) {
            return Err(format!("{target} is cordoned and has nothing left to evict"));
        }
        for pod in &pods {
            may_go(near, pod).map_err(|why| format!("{target} cannot be drained: {why}"))?;
            // A pod whose volume is on this node alone would wait until the node is uncordoned; a Job may have no failure left
            // for one of its pods.
            if let Some(why) = &pod.unread {
                return Err(format!(
                    "{target} cannot be drained: whether pod {}/{} can leave it is not known ({why})",
                    pod.namespace, pod.name
                ));
            }
        }
        // What can be undone comes first.
        let mut moves: Vec<Move> = if is_cordoned(near) { Vec::new() } else { vec![cordon(near)] };
        moves.extend(pods.iter().map(|pod| one(pod)));
        let losing: Vec<String> = pods
            .iter()
            .filter(|pod| !pod.scratch.is_empty())
            .map(|pod| format!("{}/{} ({})", pod.namespace, pod.name, pod.scratch.join(", ")))
            .collect();
        let lost = match losing.as_slice() {
            [] => String::new(),
            _ => format!("; the data in these emptyDir volumes is lost: {}", losing.join(", ")),
        };
        let seconds = 10 + 30 * u32::try_from(pods.len()).unwrap_or(0);
        Ok(Draft {
            why: format!(
                "{} pods have to leave {target}; every one of them is made again elsewhere{lost}",
                pods.len()
            ),
            moves,
            expected: format!("{target} is cordoned and runs only pods of DaemonSets"),
            risk: Risk::High,
            seconds,
        })
    }
}

fn node(near: &Neighbourhood) -> Result<&crate::model::target::Target, String> {
    let target = near.target();
    if target.kind == "Node" { Ok(target) } else { Err(String::new()) }
}

fn cordon(near: &Neighbourhood) -> Move {
    let target = near.target();
    Move::new(
        format!("Cordon {target}: no new pods are scheduled to it"),
        Action::CordonNode { target: target.clone() },
    )
}

fn is_cordoned(near: &Neighbourhood) -> bool {
    value::flag(&near.object, "/spec/unschedulable")
}

fn pressure(near: &Neighbourhood) -> Option<&'static str> {
    PRESSURE
        .into_iter()
        .find(|kind| value::condition(&near.object, kind).is_some_and(|condition| condition.status == "True"))
}

fn is_of_daemon_set(pod: &Pod) -> bool {
    pod.owner.as_ref().is_some_and(|owner| owner.kind == "DaemonSet")
}

/// The pool of a node or a machine config, or the target itself when it is one.
pub(crate) fn pool_of(near: &Neighbourhood) -> Option<&Value> {
    let target = near.target();
    match target.kind.as_str() {
        "MachineConfigPool" => Some(&near.object),
        "MachineConfig" => {
            let role = value::label(&near.object, "machineconfiguration.openshift.io/role")?;
            near.pools.iter().find(|pool| value::name(pool) == role)
        }
        "Node" => pool_of_node(&near.object, &near.pools),
        _ => None,
    }
}

/// The pool that a node belongs to. One in `worker` and in another pool is the other's, as the machine-config operator has
/// it.
pub(crate) fn pool_of_node<'p>(node: &Value, pools: &'p [Value]) -> Option<&'p Value> {
    let labels = node.pointer("/metadata/labels");
    let holds = |pool: &&Value| {
        let wanted = pool.pointer("/spec/nodeSelector/matchLabels").and_then(Value::as_object);
        wanted.is_some_and(|wanted| {
            let has =
                |(key, value): (&String, &Value)| labels.and_then(|labels| labels.get(key)) == Some(value);
            !wanted.is_empty() && wanted.iter().all(has)
        })
    };
    let mut pools: Vec<&Value> = pools.iter().filter(holds).collect();
    pools.sort_by_key(|pool| value::name(pool) == "worker");
    pools.first().copied()
}
