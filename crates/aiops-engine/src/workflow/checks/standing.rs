//! What has to stand at the end although no step's own object shows it: the target where its steps changed something else for
//! it, the workloads whose pods were taken away, and a node that was emptied.
//!
//! What cannot be looked at is unknown and never passes. It judges the plan's own target and what the plan took away, and
//! nothing else of the cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Judged, list_of, name_of};
use crate::{
    deeds::{self, Look, Nearing, Sight},
    model::{
        Millis,
        action::Action,
        phase::{Direction, StepState, Verdict},
        plan::Plan,
        target::Target,
        workflow::{Record, StepRecord},
    },
    planner::value,
    ports::Cluster,
};

/// The remedy that empties a node.
const DRAIN: &str = "drain-node";
/// How far the API server's clock may be behind the store's, in seconds.
const SKEW: i64 = 30;

/// What is asked, each object once.
#[derive(Debug, PartialEq)]
enum Asked {
    /// A workload that has to be well.
    Workload(Target),
    /// An owner that the plan is not about, the uids of the pods that it lost, and since when: as many new ones have to be
    /// ready. What else is wrong with it was so before, and undoes nothing.
    Maker { owner: Target, lost: BTreeSet<String>, since: Millis },
    /// A pod that went by itself, and of which nobody knows whose it was.
    Unknown(Target),
    /// A node that has to be empty.
    Empty(String),
}

/// What stands there now; `None` where a plan promises nothing that its steps do not show themselves. `told` are the keys
/// of the objects whose steps were judged already.
pub(in super::super) async fn standing(
    cluster: &dyn Cluster,
    record: &Record,
    plan: &Plan,
    told: &BTreeSet<String>,
) -> Option<(Judged, Nearing)> {
    let asked = match asked(cluster, record, plan, told).await {
        Ok(asked) => asked,
        Err(why) => return Some(((Verdict::Unknown, why), Nearing::default())),
    };
    let mut nearing = Nearing::default();
    let mut worst: Option<Judged> = None;
    let mut said = Vec::with_capacity(asked.len());
    for one in &asked {
        let ((verdict, why), near) = judge(cluster, one).await;
        nearing = nearing.and(near);
        match verdict {
            Verdict::Passed => said.push(why),
            Verdict::Failed => worst = Some((verdict, why)),
            Verdict::Unknown | Verdict::Pending if worst.is_none() => worst = Some((verdict, why)),
            Verdict::Unknown | Verdict::Pending => {}
        }
    }
    let passed = (!said.is_empty()).then(|| (Verdict::Passed, said.join("; ")));
    worst.or(passed).map(|judged| (judged, nearing))
}

/// What has to be asked.
async fn asked(
    cluster: &dyn Cluster,
    record: &Record,
    plan: &Plan,
    told: &BTreeSet<String>,
) -> Result<Vec<Asked>, String> {
    let mut asked = Vec::new();
    let mut workloads = BTreeSet::new();
    let target = &plan.problem.target;
    if is_known(target) && !told.contains(&target.key()) {
        workloads.insert(target.key());
        // No step wrote it, so its owner may have made it anew meanwhile.
        asked.push(Asked::Workload(Target { uid: None, ..target.clone() }));
    }
    let mut makers: BTreeMap<String, (Target, BTreeSet<String>, Millis)> = BTreeMap::new();
    for (pod, owner) in lost(record) {
        let Some((owner, uid, since)) = owner else {
            // Whose it was is known all the same where the plan is about its owner.
            if asked.is_empty() && told.is_empty() {
                asked.push(Asked::Unknown(pod));
            }
            continue;
        };
        let owner = if owner.kind == "ReplicaSet" { above(cluster, owner).await? } else { owner };
        // What the plan is about is judged as a whole, and is asked once.
        if told.contains(&owner.key()) || workloads.contains(&owner.key()) {
            continue;
        }
        let held = makers.entry(owner.key()).or_insert_with(|| (owner, BTreeSet::new(), since));
        held.1.insert(uid);
        held.2 = held.2.min(since);
    }
    asked.extend(makers.into_values().map(|(owner, lost, since)| Asked::Maker { owner, lost, since }));
    if plan.remedy == DRAIN && target.kind == "Node" {
        asked.push(Asked::Empty(target.name.clone()));
    }
    Ok(asked)
}

/// Whether the figures of a kind say by themselves that it is well.
fn is_known(target: &Target) -> bool {
    match (target.group.as_str(), target.kind.as_str()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => true,
        (group, kind) => group.is_empty() && kind == "ReplicationController",
    }
}

/// The owner of a pod that was taken away, its uid, and when that was intended.
type Owner = (Target, String, Millis);

/// The pods that the workflow took away, or found gone when it was to; whose they were, where that was recorded.
fn lost(record: &Record) -> Vec<(Target, Option<Owner>)> {
    let mut lost: Vec<(Target, Option<Owner>)> = Vec::new();
    for step in record.steps.iter().filter(|step| step.direction == Direction::Do) {
        let (Action::EvictPod { target } | Action::DeletePod { target }) = &step.action else { continue };
        if !matches!(step.state, StepState::Applied | StepState::Verified | StepState::Skipped) {
            continue;
        }
        let owner = owner_of(record, step, target);
        match lost.iter_mut().find(|(pod, _)| pod == target) {
            Some((_, held)) => *held = held.take().or(owner),
            None => lost.push((target.clone(), owner)),
        }
    }
    lost
}

/// What was recorded of a pod's owner before it was taken away.
fn owner_of(record: &Record, step: &StepRecord, pod: &Target) -> Option<Owner> {
    let before = step.pre_image.as_ref()?;
    let (kind, name) = value::text(before, "/owner").split_once(' ')?;
    let uid = value::text(before, "/uid").to_owned();
    let of_step = record.attempts.iter().filter(|a| a.order == step.order && a.direction == Direction::Do);
    let since = of_step.map(|attempt| attempt.intent_at).min().or(step.started_at)?;
    // Kinds of this name are in other groups too; a record of before this was written says nothing of it.
    let owner = match before.get("ownerGroup").and_then(Value::as_str) {
        Some(group) => Target::new(group, kind, &pod.namespace, name),
        None => Target::known(kind, &pod.namespace, name),
    };
    Some((owner, uid, since))
}

/// The Deployment of a ReplicaSet; itself where it has none.
async fn above(cluster: &dyn Cluster, set: Target) -> Result<Target, String> {
    let seen = deeds::see(cluster, &[Look::Object(set.clone())]).await.map_err(|error| error.message)?;
    match seen.first() {
        Some(Sight::Object(object)) => Ok(value::controller(object)
            .filter(|owner| owner.group == "apps" && owner.kind == "Deployment")
            .unwrap_or(set)),
        _ => Ok(set),
    }
}

async fn judge(cluster: &dyn Cluster, asked: &Asked) -> (Judged, Nearing) {
    let looks = match asked {
        Asked::Workload(target) => looks_of(target),
        Asked::Maker { owner, .. } => vec![list_of("", "Pod", &owner.namespace)],
        Asked::Unknown(pod) => {
            let why = format!("{pod} was gone already, and who would make it again is not known");
            return ((Verdict::Unknown, why), Nearing::default());
        }
        Asked::Empty(node) => vec![Look::OnNode { node: node.clone() }],
    };
    let seen = match deeds::see(cluster, &looks).await {
        Ok(seen) => seen,
        Err(error) => return ((Verdict::Unknown, error.message), Nearing::default()),
    };
    match asked {
        Asked::Workload(target) => well(target, &seen),
        Asked::Maker { owner, lost, since } => maker(cluster, owner, (lost, *since), &seen).await,
        Asked::Empty(node) => empty(node, &seen),
        Asked::Unknown(pod) => ((Verdict::Unknown, format!("{pod} was not looked at")), Nearing::default()),
    }
}

fn looks_of(target: &Target) -> Vec<Look> {
    match target.kind.as_str() {
        "Job" => {
            let (by, group, kind) = (target.clone(), String::new(), "Pod".to_owned());
            vec![Look::Object(target.clone()), Look::Selected { by, group, kind }]
        }
        "ReplicaSet" | "ReplicationController" => vec![Look::Object(target.clone())],
        _ => deeds::rollout_looks(target),
    }
}

/// Whether a workload whose figures are known is well as a whole.
fn well(target: &Target, seen: &[Sight]) -> (Judged, Nearing) {
    match target.kind.as_str() {
        "Job" => job(target, seen),
        "ReplicaSet" | "ReplicationController" => (set(target, seen), Nearing::default()),
        _ => {
            // What says that it will not become well may be older than what was done here.
            let (verdict, why) = deeds::well(target, seen);
            let verdict = if verdict == Verdict::Passed { verdict } else { Verdict::Unknown };
            ((verdict, why), deeds::nearing_of_workload(target, seen))
        }
    }
}

/// An owner has made again what it lost, or is well as it is (it may want fewer by now), or is not there any more.
async fn maker(
    cluster: &dyn Cluster,
    owner: &Target,
    (lost, since): (&BTreeSet<String>, Millis),
    seen: &[Sight],
) -> (Judged, Nearing) {
    if !is_known(owner) {
        return made_again(owner, &by_owner(owner), (lost, since), seen);
    }
    let whole = match deeds::see(cluster, &looks_of(owner)).await {
        Ok(whole) => whole,
        Err(error) => return ((Verdict::Unknown, error.message), Nearing::default()),
    };
    let object = match whole.first() {
        Some(Sight::Absent) => {
            let why = format!("{owner}, whose pods were taken away, is not there any more");
            return ((Verdict::Passed, why), Nearing::default());
        }
        Some(Sight::Object(object)) => object,
        _ => return ((Verdict::Unknown, format!("{owner} was not looked at")), Nearing::default()),
    };
    let (as_whole, near) = well(owner, &whole);
    // A Job that has failed for good lost what it cannot make again.
    if matches!(as_whole.0, Verdict::Passed | Verdict::Failed) {
        return (as_whole, near);
    }
    let is_ours = |pod: &Value| {
        let labels =
            object.pointer("/spec/selector/matchLabels").or_else(|| object.pointer("/spec/selector"));
        let wanted = labels.and_then(Value::as_object);
        wanted.is_some_and(|wanted| {
            !wanted.is_empty()
                && wanted.iter().all(|(label, value)| {
                    pod.pointer("/metadata/labels").and_then(|labels| labels.get(label)) == Some(value)
                })
        })
    };
    let ((verdict, made), left) = made_again(owner, &is_ours, (lost, since), seen);
    let why = if verdict == Verdict::Passed { made } else { format!("{made}; {}", as_whole.1) };
    ((verdict, why), left.and(near))
}

fn by_owner(owner: &Target) -> impl Fn(&Value) -> bool + Send + Sync + '_ {
    move |pod| value::controller(pod).is_some_and(|by| by.kind == owner.kind && by.name == owner.name)
}

/// The object that was looked at first, or what its absence means here.
fn object<'s>(target: &Target, seen: &'s [Sight]) -> Result<&'s Value, Judged> {
    match seen.first() {
        Some(Sight::Object(object)) => Ok(object),
        Some(Sight::Absent) => Err((
            Verdict::Unknown,
            format!("{target} is not there any more, so whether it was well cannot be seen"),
        )),
        _ => Err((Verdict::Unknown, format!("{target} was not looked at"))),
    }
}

/// A ReplicaSet or ReplicationController has as many ready pods as it wants.
fn set(target: &Target, seen: &[Sight]) -> Judged {
    let set = match object(target, seen) {
        Ok(set) => set,
        Err(told) => return told,
    };
    let count = |path: &str| value::int(set, path);
    if count("/status/observedGeneration").unwrap_or(0) < count("/metadata/generation").unwrap_or(0) {
        return (Verdict::Unknown, format!("the controller of {target} has not looked at it yet"));
    }
    let wanted = count("/spec/replicas").unwrap_or(1);
    let ready = count("/status/readyReplicas").unwrap_or(0);
    let available = count("/status/availableReplicas").unwrap_or(0);
    if ready < wanted || available < wanted {
        let why = format!("{target}: {ready} of {wanted} pods are ready, {available} available");
        return (Verdict::Unknown, why);
    }
    (Verdict::Passed, format!("{target}: {ready} of {wanted} pods are ready"))
}

fn is_ready(pod: &Value) -> bool {
    value::condition(pod, "Ready").is_some_and(|ready| ready.status == "True")
}

fn is_going(pod: &Value) -> bool {
    !value::text(pod, "/metadata/deletionTimestamp").is_empty()
}

fn is_over(pod: &Value) -> bool {
    matches!(value::text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// A pod whose containers run, or have ended well: kubelet takes its Ready away with the first that ends.
fn runs(pod: &Value) -> bool {
    let state = |status: &Value| {
        value::flag(status, "/ready") || value::int(status, "/state/terminated/exitCode") == Some(0)
    };
    let mut statuses = value::list(pod, "/status/containerStatuses").peekable();
    is_ready(pod) || (statuses.peek().is_some() && statuses.all(state))
}

/// A Job is complete, or has as many running pods as it still wants; one that failed stays so. It comes nearer with each
/// pod that succeeds.
fn job(target: &Target, seen: &[Sight]) -> (Judged, Nearing) {
    let left = match seen.first() {
        Some(Sight::Object(job)) => value::int(job, "/spec/completions")
            .map(|all| all.saturating_sub(value::int(job, "/status/succeeded").unwrap_or(0))),
        _ => None,
    };
    (job_now(target, seen), Nearing { left, quiet: 0 })
}

fn job_now(target: &Target, seen: &[Sight]) -> Judged {
    let job = match object(target, seen) {
        Ok(job) => job,
        Err(told) => return told,
    };
    let is = |kind: &str| value::condition(job, kind).filter(|condition| condition.status == "True");
    if let Some(failed) = is("Failed").or_else(|| is("FailureTarget")) {
        return (Verdict::Failed, format!("{target} has failed ({})", failed.reason));
    }
    if is("Complete").or_else(|| is("SuccessCriteriaMet")).is_some() {
        return (Verdict::Passed, format!("{target} is complete"));
    }
    let Some(Sight::List(pods)) = seen.get(1) else {
        return (Verdict::Unknown, format!("the pods of {target} were not looked at"));
    };
    let ours = |pod: &&Value| {
        value::controller(pod).is_some_and(|owner| owner.uid.as_deref() == Some(value::uid(job)))
    };
    let alive: Vec<&Value> = pods.iter().filter(ours).filter(|pod| !is_going(pod) && !is_over(pod)).collect();
    let count = |path: &str| value::int(job, path);
    let parallel = count("/spec/parallelism").unwrap_or(1);
    let succeeded = count("/status/succeeded").unwrap_or(0);
    // Without a number of completions no new pod is made once one of them has succeeded.
    let left = match count("/spec/completions") {
        Some(all) => all.saturating_sub(succeeded),
        None if succeeded > 0 => i64::try_from(alive.len()).unwrap_or(i64::MAX),
        None => parallel,
    };
    let wanted = parallel.min(left).max(0);
    let ready = i64::try_from(alive.iter().filter(|pod| runs(pod)).count()).unwrap_or(i64::MAX);
    let waits = alive.iter().find(|pod| !runs(pod));
    match waits {
        _ if value::flag(job, "/spec/suspend") => {
            (Verdict::Unknown, format!("{target} is suspended, so no pod of it runs"))
        }
        Some(pod) => (Verdict::Unknown, format!("pod {} of {target} is not ready yet", name_of(pod))),
        None if ready < wanted || wanted == 0 => {
            (Verdict::Unknown, format!("{target}: {ready} of {wanted} pods run, and it is not complete yet"))
        }
        None => (Verdict::Passed, format!("{target}: {ready} of {wanted} pods run")),
    }
}

/// As many new pods of an owner are ready as it lost.
fn made_again(
    owner: &Target,
    is_ours: &(dyn Fn(&Value) -> bool + Send + Sync),
    (lost, since): (&BTreeSet<String>, Millis),
    seen: &[Sight],
) -> (Judged, Nearing) {
    let Some(Sight::List(pods)) = seen.first() else {
        return ((Verdict::Unknown, format!("the pods of {owner} were not looked at")), Nearing::default());
    };
    let is_new = |pod: &&Value| {
        let made = value::time(pod, "/metadata/creationTimestamp");
        is_ours(pod)
            && !lost.contains(value::uid(pod))
            && made.is_some_and(|made| made.saturating_add(SKEW).saturating_mul(1_000) >= since)
    };
    let new = pods.iter().filter(is_new).filter(|pod| !is_going(pod));
    let ready = new.filter(|pod| runs(pod) || value::text(pod, "/status/phase") == "Succeeded").count();
    let all = lost.len();
    let left = i64::try_from(all.saturating_sub(ready)).unwrap_or(i64::MAX);
    let why = format!("{ready} of {all} pods that {owner} lost were made again and are ready");
    let verdict = if ready >= all { Verdict::Passed } else { Verdict::Unknown };
    ((verdict, why), Nearing { left: Some(left), quiet: 0 })
}

/// Nothing is left on a node but what stays there: pods of DaemonSets, those that the kubelet runs from files, and what
/// has ended.
fn empty(node: &str, seen: &[Sight]) -> (Judged, Nearing) {
    let Some(Sight::List(pods)) = seen.first() else {
        return (
            (Verdict::Unknown, format!("the pods on Node {node} were not looked at")),
            Nearing::default(),
        );
    };
    let stays = |pod: &&Value| {
        is_over(pod)
            || value::annotation(pod, "kubernetes.io/config.mirror").is_some()
            || value::controller(pod).is_some_and(|owner| owner.kind == "DaemonSet")
    };
    let left: Vec<&Value> = pods.iter().filter(|pod| !stays(pod)).collect();
    let grace = |pod: &&&Value| value::int(pod, "/metadata/deletionGracePeriodSeconds");
    let quiet = left.iter().filter_map(|pod| grace(&pod)).max().map_or(0, |grace| grace.saturating_add(60));
    let nearing = Nearing { left: i64::try_from(left.len()).ok(), quiet };
    if left.is_empty() {
        let said = format!("nothing is left on Node {node} but pods of DaemonSets and of the node itself");
        return ((Verdict::Passed, said), nearing);
    }
    let named: Vec<String> = left
        .iter()
        .take(5)
        .map(|pod| {
            let how = if is_going(pod) { "is still ending" } else { "is still there" };
            format!("{}/{} {how}", value::namespace(pod), name_of(pod))
        })
        .collect();
    let why = format!("{} pods are left on Node {node}: {}", left.len(), named.join(", "));
    ((Verdict::Unknown, why), nearing)
}
