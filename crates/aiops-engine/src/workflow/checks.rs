//! What a plan's checkpoints look at, by the names that plans use, live.
//!
//! A check passes only on what was seen: what cannot be read is unknown. It judges the objects of the plan and what they
//! rest on, not the whole cluster: trouble elsewhere, and trouble that was there before, undo nobody's repair.

mod machines;
mod owners;
mod standing;

use serde_json::Value;

pub(super) use self::standing::standing;
use crate::{
    deeds::{self, Look, Sight},
    model::{
        Millis,
        phase::Verdict,
        plan::Plan,
        target::{Target, group_of},
    },
    planner::value,
    ports::Cluster,
};

/// A verdict with what shows it.
pub(super) type Judged = (Verdict, String);

/// Makes a check. `settled` is what the steps' own objects say, which most checks of applications ask; `began` is when the
/// workflow did, by which trouble that was there before is told.
pub(super) async fn check(
    cluster: &dyn Cluster,
    name: &str,
    plan: &Plan,
    began: Millis,
    settled: &Judged,
) -> Judged {
    match name {
        "pods_running" | "deployments_ready" => target(cluster, plan, settled).await,
        "nodes_ready" => machines::nodes_ready(cluster, plan, began).await,
        "mco_stable" => machines::pools_stable(cluster, plan, began).await,
        "system_pods_running" => machines::system_pods(cluster, plan, began).await,
        "operators_ready" | "clusteroperators_available" => {
            all(cluster, "ClusterOperator", "", "cluster operators", |operator| {
                // Of operators that were in trouble before, only those that the plan is about count.
                is_about(plan, "ClusterOperator", name_of(operator)).then(|| {
                    condition(operator, "Available", "True")
                        .and_then(|()| condition(operator, "Degraded", "False"))
                })
            })
            .await
        }
        "networking_functional" => of_operator(cluster, &["network", "dns"], plan, began).await,
        "ingress_available" => of_operator(cluster, &["ingress"], plan, began).await,
        "storage_available" => storage(cluster, plan).await,
        "endpoints_healthy" | "services_responding" => endpoints(cluster, plan).await,
        unknown => (Verdict::Unknown, format!("this version of aiops has no check {unknown:?}")),
    }
}

/// What a plan acts on, and what it is for.
fn targets(plan: &Plan) -> impl Iterator<Item = &Target> {
    plan.steps.iter().map(|step| step.action.target()).chain([&plan.problem.target])
}

fn is_about(plan: &Plan, kind: &str, name: &str) -> bool {
    targets(plan).any(|target| target.kind == kind && target.name == name)
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
        // No step wrote it, so its owner may have made it anew meanwhile.
        Ok(seen) => deeds::well(&Target { uid: None, ..target.clone() }, &seen),
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
    match list(cluster, group_of(kind), kind, namespace).await {
        Ok(objects) => judged(kind, &objects, what, judge),
        Err(why) => (Verdict::Unknown, why),
    }
}

/// The same of objects that were read already.
fn judged(
    kind: &str,
    objects: &[Value],
    what: &str,
    judge: impl Fn(&Value) -> Option<Result<(), String>>,
) -> Judged {
    let mut asked = 0_u32;
    for object in objects {
        match judge(object) {
            None => {}
            Some(Ok(())) => asked = asked.saturating_add(1),
            Some(Err(why)) => return (Verdict::Failed, format!("{kind} {} {why}", name_of(object))),
        }
    }
    (Verdict::Passed, format!("{asked} of {} {what} were asked, and all are well", objects.len()))
}

/// Some operators of OpenShift; elsewhere there is nothing that could be asked.
async fn of_operator(
    cluster: &dyn Cluster,
    names: &'static [&'static str],
    plan: &Plan,
    began: Millis,
) -> Judged {
    all(cluster, "ClusterOperator", "", "cluster operators", |operator| {
        let name = name_of(operator);
        let is_ours = is_about(plan, "ClusterOperator", name);
        let is_asked = names.contains(&name) && (is_ours || !was_so_before(operator, "Available", began));
        is_asked.then(|| condition(operator, "Available", "True"))
    })
    .await
}

/// The claims that the target's pods mount are there. Others of its namespace are others' trouble.
async fn storage(cluster: &dyn Cluster, plan: &Plan) -> Judged {
    let target = &plan.problem.target;
    if target.namespace.is_empty() {
        return (Verdict::Passed, "the target has no namespace, and so no claims".to_owned());
    }
    let looks = [Look::Object(target.clone()), list_of("", "PersistentVolumeClaim", &target.namespace)];
    let seen = match deeds::see(cluster, &looks).await {
        Ok(seen) => seen,
        Err(error) => return (Verdict::Unknown, error.message),
    };
    let (object, claims) = match seen.as_slice() {
        [Sight::Object(object), Sight::List(claims)] => (object, claims),
        [Sight::Absent, ..] => {
            return (Verdict::Passed, format!("{target} is gone, and mounts nothing"));
        }
        _ => return (Verdict::Unknown, format!("the claims of {target} cannot be read")),
    };
    judged("PersistentVolumeClaim", claims, "claims", |claim| {
        let name = name_of(claim);
        let is_itself = target.kind == "PersistentVolumeClaim" && target.name == name;
        let phase = claim.pointer("/status/phase").and_then(Value::as_str).unwrap_or("unknown");
        // A claim that waits for its first consumer is pending without anything being wrong.
        let said = || if phase == "Lost" { Err(format!("is {phase}")) } else { Ok(()) };
        (is_itself || mounts(object, name)).then(said)
    })
}

/// Whether a pod, or the pods of a workload, mount this claim.
fn mounts(object: &Value, claim: &str) -> bool {
    let volumes = ["/spec/volumes", "/spec/template/spec/volumes"];
    let named = |volume: &Value| value::text(volume, "/persistentVolumeClaim/claimName") == claim;
    // A StatefulSet makes a claim for each of its pods: TEMPLATE-SET-ORDINAL.
    let made = |template: &Value| {
        let prefix = format!("{}-{}-", name_of(template), name_of(object));
        let ordinal = claim.strip_prefix(prefix.as_str());
        ordinal.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    volumes.iter().any(|path| value::list(object, path).any(named))
        || value::list(object, "/spec/volumeClaimTemplates").any(made)
}

/// The Services in front of the plan's workloads have somebody behind them.
async fn endpoints(cluster: &dyn Cluster, plan: &Plan) -> Judged {
    let target = &plan.problem.target;
    // What has no namespace has no pods: all Services of the cluster would be read to say so.
    if target.namespace.is_empty() {
        return (Verdict::Passed, format!("{target} has no pods that a Service could reach"));
    }
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
    value::name(object)
}

/// Whether a condition has this status; one that is absent counts as `False`.
fn condition(object: &Value, kind: &str, wanted: &str) -> Result<(), String> {
    let status = value::condition(object, kind).map_or("False", |condition| condition.status);
    if status == wanted { Ok(()) } else { Err(format!("has {kind}={status}")) }
}

/// Whether a condition has been what it is since before this moment. Its own time has whole seconds, cut off, so what is
/// of the same second is taken for new; and so is what tells no time.
fn was_so_before(object: &Value, kind: &str, moment: Millis) -> bool {
    let since = value::condition(object, kind).and_then(|condition| condition.since);
    since.is_some_and(|since| since.saturating_add(1).saturating_mul(1_000) <= moment)
}
