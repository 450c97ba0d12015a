//! What a plan's checkpoints look at, by the names that plans use, live.
//!
//! A check passes only on what was seen: what cannot be read is unknown. It judges the objects of the plan and what they
//! rest on, not the whole cluster: trouble that was there before and elsewhere undoes nobody's repair.

use serde_json::Value;

use crate::{
    deeds::{self, Look, Sight},
    model::{
        action::Action,
        phase::Verdict,
        plan::Plan,
        target::{Target, group_of},
    },
    ports::Cluster,
};

/// A verdict with what shows it.
pub(super) type Judged = (Verdict, String);

/// Makes a check. `settled` is what the steps' own objects say, which most checks of applications ask.
pub(super) async fn check(cluster: &dyn Cluster, name: &str, plan: &Plan, settled: &Judged) -> Judged {
    let plan_targets = || plan.steps.iter().map(|step| step.action.target()).chain([&plan.problem.target]);
    match name {
        "pods_running" | "deployments_ready" => target(cluster, plan, settled).await,
        "nodes_ready" => {
            // A node is cordoned because something is wrong with it: it need not be ready afterwards.
            let touched: Vec<&Target> = plan_targets().filter(|target| target.kind == "Node").collect();
            let is_cordoned = |name: &str| {
                plan.steps
                    .iter()
                    .any(|step| matches!(&step.action, Action::CordonNode { target } if target.name == name))
            };
            let is_asked = |node: &Value| {
                let name = name_of(node);
                let is_ours = touched.is_empty() || touched.iter().any(|own| own.name == name);
                is_ours && !is_cordoned(name)
            };
            all(cluster, "Node", "", "nodes", |node| is_asked(node).then(|| condition(node, "Ready", "True")))
                .await
        }
        "mco_stable" => {
            all(cluster, "MachineConfigPool", "", "machine config pools", |pool| {
                Some(condition(pool, "Updating", "False").and_then(|()| condition(pool, "Degraded", "False")))
            })
            .await
        }
        "operators_ready" | "clusteroperators_available" => {
            all(cluster, "ClusterOperator", "", "cluster operators", |operator| {
                // Of operators that were in trouble before, only those that the plan is about count.
                let is_asked = plan_targets()
                    .any(|target| target.kind == "ClusterOperator" && target.name == name_of(operator));
                is_asked.then(|| {
                    condition(operator, "Available", "True")
                        .and_then(|()| condition(operator, "Degraded", "False"))
                })
            })
            .await
        }
        "networking_functional" => of_operator(cluster, &["network", "dns"]).await,
        "ingress_available" => of_operator(cluster, &["ingress"]).await,
        "storage_available" => {
            let namespace = plan.problem.target.namespace.clone();
            if namespace.is_empty() {
                return (Verdict::Passed, "the target has no namespace, and so no claims".to_owned());
            }
            all(cluster, "PersistentVolumeClaim", &namespace, "claims", |claim| {
                let phase = claim.pointer("/status/phase").and_then(Value::as_str).unwrap_or("unknown");
                // A claim that waits for its first consumer is pending without anything being wrong.
                Some(if phase == "Lost" { Err(format!("is {phase}")) } else { Ok(()) })
            })
            .await
        }
        "system_pods_running" => {
            all(cluster, "DaemonSet", "kube-system", "DaemonSets of kube-system", |set| {
                let number = |path: &str| set.pointer(path).and_then(Value::as_i64).unwrap_or_default();
                let (ready, wanted) =
                    (number("/status/numberReady"), number("/status/desiredNumberScheduled"));
                Some(if ready >= wanted { Ok(()) } else { Err(format!("has {ready} of {wanted} ready")) })
            })
            .await
        }
        "endpoints_healthy" | "services_responding" => endpoints(cluster, plan).await,
        unknown => (Verdict::Unknown, format!("this version of aiops has no check {unknown:?}")),
    }
}

/// The plan's target, where its steps change something else for it (its pod, its Application, its operator's resource):
/// that those have settled does not say that the workload is well.
async fn target(cluster: &dyn Cluster, plan: &Plan, settled: &Judged) -> Judged {
    let target = &plan.problem.target;
    let is_changed = plan.steps.iter().any(|step| step.action.target().key() == target.key());
    let looks = deeds::rollout_looks(target);
    if settled.0 != Verdict::Passed || is_changed || looks.is_empty() {
        return settled.clone();
    }
    match deeds::see(cluster, &looks).await {
        Ok(seen) => deeds::well(target, &seen),
        Err(error) => (Verdict::Unknown, error.message),
    }
}

/// What the objects of a kind say, each by itself: the first that does not hold speaks.
async fn all(
    cluster: &dyn Cluster,
    kind: &str,
    namespace: &str,
    what: &str,
    judge: impl Fn(&Value) -> Option<Result<(), String>>,
) -> Judged {
    let objects = match list(cluster, group_of(kind), kind, namespace).await {
        Ok(objects) => objects,
        Err(why) => return (Verdict::Unknown, why),
    };
    let mut asked = 0_u32;
    for object in &objects {
        match judge(object) {
            None => {}
            Some(Ok(())) => asked = asked.saturating_add(1),
            Some(Err(why)) => return (Verdict::Failed, format!("{kind} {} {why}", name_of(object))),
        }
    }
    (Verdict::Passed, format!("{asked} of {} {what} were asked, and all are well", objects.len()))
}

/// Some operators of OpenShift; elsewhere there is nothing that could be asked.
async fn of_operator(cluster: &dyn Cluster, names: &'static [&'static str]) -> Judged {
    all(cluster, "ClusterOperator", "", "cluster operators", |operator| {
        names.contains(&name_of(operator)).then(|| condition(operator, "Available", "True"))
    })
    .await
}

/// The Services in front of the plan's workloads have somebody behind them.
async fn endpoints(cluster: &dyn Cluster, plan: &Plan) -> Judged {
    let target = &plan.problem.target;
    let looks = [
        Look::Object(target.clone()),
        list_of("", "Service", &target.namespace),
        list_of("discovery.k8s.io", "EndpointSlice", &target.namespace),
    ];
    let seen = match deeds::see(cluster, &looks).await {
        Ok(seen) => seen,
        Err(error) => return (Verdict::Unknown, error.message),
    };
    let (workload, services, slices) = match seen.as_slice() {
        [Sight::Object(workload), Sight::List(services), Sight::List(slices)] => (workload, services, slices),
        [Sight::Absent, ..] => {
            return (Verdict::Passed, format!("{target} is gone, and with it its endpoints"));
        }
        _ => return (Verdict::Unknown, format!("the Services of {target} cannot be read")),
    };
    let labels = workload.pointer("/spec/template/metadata/labels").and_then(Value::as_object);
    let wanted = workload.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let Some(labels) = labels.filter(|_| wanted > 0) else {
        return (Verdict::Passed, format!("{target} has no pods that a Service could reach"));
    };
    let fronts = services.iter().filter(|service| {
        let selector = service.pointer("/spec/selector").and_then(Value::as_object);
        selector.is_some_and(|selector| {
            !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
        })
    });
    let mut asked = 0_u32;
    for service in fronts {
        asked = asked.saturating_add(1);
        let name = name_of(service);
        let of_service = |slice: &&Value| {
            slice.pointer("/metadata/labels/kubernetes.io~1service-name").and_then(Value::as_str)
                == Some(name)
        };
        let is_ready =
            |endpoint: &Value| endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true);
        let reached = slices
            .iter()
            .filter(of_service)
            .filter_map(|slice| slice.get("endpoints").and_then(Value::as_array))
            .flatten()
            .any(is_ready);
        if !reached {
            return (Verdict::Failed, format!("Service {name} has no ready endpoint"));
        }
    }
    let said = match asked {
        0 => format!("no Service is in front of {target}"),
        1 => format!("the Service in front of {target} has ready endpoints"),
        _ => format!("all {asked} Services in front of {target} have ready endpoints"),
    };
    (Verdict::Passed, said)
}

fn list_of(group: &str, kind: &str, namespace: &str) -> Look {
    Look::List {
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        selector: None,
    }
}

async fn list(cluster: &dyn Cluster, group: &str, kind: &str, namespace: &str) -> Result<Vec<Value>, String> {
    let seen = deeds::see(cluster, &[list_of(group, kind, namespace)]).await;
    match seen.map_err(|error| error.message)?.pop() {
        Some(Sight::List(objects)) => Ok(objects),
        _ => Err(format!("the {kind}s cannot be listed")),
    }
}

fn name_of(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

/// Whether a condition has this status; one that is absent counts as `False`.
fn condition(object: &Value, kind: &str, wanted: &str) -> Result<(), String> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let found = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind));
    let status =
        found.and_then(|condition| condition.get("status")).and_then(Value::as_str).unwrap_or("False");
    if status == wanted { Ok(()) } else { Err(format!("has {kind}={status}")) }
}
