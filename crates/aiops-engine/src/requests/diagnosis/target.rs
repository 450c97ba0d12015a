//! What a diagnosis is asked about: a pod by its name, or a workload with its worst pod.

use aiops_inventory::{
    Inventory, Kind,
    rows::{ContainerState, Meta, Phase, PodRow, Seconds},
};

use super::{DiagnosePod, PodTally};
use crate::{
    Error,
    answer::near,
    diagnose::{admission, gather},
    owners::Tree,
    ports::Cluster,
    requests::workloads::WorkloadKind,
};

/// What was asked for, as the rows know it.
pub(super) enum Target {
    Pod { name: String },
    Workload { kind: Kind, name: String },
}

/// A workload in the rows.
pub(super) struct Workload {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) tally: PodTally,
    /// The pod to look at.
    pub(super) worst: Option<String>,
    /// Its pods are made by this object.
    pub(super) maker: Option<(Kind, String)>,
    pub(super) lacks: bool,
    /// When the newest pod was made.
    pub(super) newest: Option<Seconds>,
}

/// Reads what was asked for; a name that cannot be one is refused before it goes anywhere.
pub(super) fn target(request: &DiagnosePod) -> Result<Target, Error> {
    let shown: String = request.pod.chars().take(80).collect();
    let field = "argument \"pod\"";
    let (kind, name) = match request.pod.trim().split_once('/') {
        Some((kind, name)) => (Some(kind), name),
        None => (None, request.pod.trim()),
    };
    if !is_name(name) {
        let why = format!(
            "{shown:?} is not a name; give a pod's name, or kind/name of a workload such as deployment/checkout"
        );
        return Err(Error::invalid(field, why));
    }
    let name = name.to_owned();
    let Some(kind) = kind else { return Ok(Target::Pod { name }) };
    match kind.to_ascii_lowercase().as_str() {
        "pod" | "pods" | "po" => Ok(Target::Pod { name }),
        "replicaset" | "replicasets" | "rs" => Ok(Target::Workload { kind: Kind::ReplicaSet, name }),
        other => match WorkloadKind::parse(other) {
            Some(kind) => Ok(Target::Workload { kind: kind.kind(), name }),
            None => Err(Error::invalid(
                field,
                format!(
                    "{shown:?}: the kind must be pod, deployment, statefulset, daemonset, replicaset, job or cronjob"
                ),
            )),
        },
    }
}

/// A name as the API server accepts it for pods and workloads.
pub(super) fn is_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.len() <= 253
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
        && edge(name.chars().next())
        && edge(name.chars().next_back())
}

pub(super) fn no_pod(inventory: &Inventory, namespace: &str, name: &str) -> Error {
    let what = format!("pod {name:?} in namespace {namespace}");
    for kind in WorkloadKind::ALL {
        if crate::rollout::state(inventory, kind, namespace, name).is_some() {
            let hint = format!(
                "; {} {name} exists: ask for {}/{name}",
                kind.kind(),
                kind.kind().resource().kind.to_ascii_lowercase()
            );
            return Error::NotFound { what, hint };
        }
    }
    let names: Vec<&str> =
        inventory.pods().in_namespace(namespace).map(|p| p.meta.key.name.as_str()).collect();
    let near = near(name, names.into_iter());
    let hint = if near.is_empty() { "; list-pods names those that exist".to_owned() } else { near };
    Error::NotFound { what, hint }
}

pub(super) fn workload(inventory: &Inventory, kind: Kind, namespace: &str, name: &str) -> Option<Workload> {
    let (meta, wanted, done): (Meta, Option<i32>, bool) = match kind {
        Kind::Deployment => {
            inventory.deployments().get(namespace, name).map(|r| (r.meta.clone(), Some(r.desired), false))
        }
        Kind::StatefulSet => {
            inventory.stateful_sets().get(namespace, name).map(|r| (r.meta.clone(), Some(r.desired), false))
        }
        Kind::DaemonSet => {
            inventory.daemon_sets().get(namespace, name).map(|r| (r.meta.clone(), Some(r.desired), false))
        }
        Kind::ReplicaSet => {
            inventory.replica_sets().get(namespace, name).map(|r| (r.meta.clone(), Some(r.desired), false))
        }
        Kind::Job => inventory.jobs().get(namespace, name).map(|r| {
            let done =
                r.suspended || r.conditions.iter().any(|c| matches!(c.kind.as_str(), "Complete" | "Failed"));
            (r.meta.clone(), Some(r.parallelism), done)
        }),
        Kind::CronJob => inventory.cron_jobs().get(namespace, name).map(|r| (r.meta.clone(), None, true)),
        _ => None,
    }?;
    let tree = Tree::of(inventory, kind, &meta);
    let living = tree
        .pods
        .iter()
        .filter(|p| p.meta.deleting.is_none() && (!p.is_terminal() || kind == Kind::Job))
        .count();
    let mut pods = tree.pods.clone();
    pods.sort_by_key(|pod| (pod.meta.deleting.is_some(), rank(pod), std::cmp::Reverse(pod.meta.created)));
    let maker = match kind {
        Kind::Deployment => {
            let sets = inventory.replica_sets().in_namespace(namespace);
            let own =
                sets.filter(|set| set.meta.owner.as_ref().is_some_and(|o| o.uid == meta.uid && o.uid != 0));
            own.max_by_key(|set| (set.revision, set.meta.created))
                .map(|set| (Kind::ReplicaSet, set.meta.key.name.to_string()))
        }
        Kind::CronJob => {
            let jobs = inventory.jobs().in_namespace(namespace);
            let own =
                jobs.filter(|job| job.meta.owner.as_ref().is_some_and(|o| o.uid == meta.uid && o.uid != 0));
            own.max_by_key(|job| job.meta.created).map(|job| (Kind::Job, job.meta.key.name.to_string()))
        }
        _ => None,
    };
    let wanted_now = wanted.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    Some(Workload {
        kind,
        name: name.to_owned(),
        tally: PodTally {
            wanted,
            total: tree.pods.len(),
            ready: tree.pods.iter().filter(|p| p.ready).count(),
        },
        worst: pods.first().map(|pod| pod.meta.key.name.to_string()),
        maker,
        lacks: !done && living < wanted_now,
        newest: tree.pods.iter().map(|pod| pod.meta.created).max(),
    })
}

/// How bad a pod is: what waits in an error first, what is well last.
fn rank(pod: &PodRow) -> u8 {
    let waits_in_error = pod.containers.iter().any(|c| match &c.state {
        ContainerState::Waiting(w) => {
            !matches!(w.reason.as_str(), "" | "ContainerCreating" | "PodInitializing")
        }
        ContainerState::Terminated(t) => t.exit_code != 0,
        _ => false,
    });
    match pod.phase {
        Phase::Succeeded => 6,
        _ if waits_in_error || pod.unscheduled.is_some() => 0,
        Phase::Unknown => 1,
        Phase::Failed => 2,
        Phase::Pending => 3,
        Phase::Running if !pod.ready => 3,
        Phase::Running if pod.is_suspect() => 4,
        Phase::Running => 5,
    }
}

/// Reads a workload that lacks pods, and what makes its pods.
pub(super) async fn lacking(
    cluster: &dyn Cluster,
    namespace: &str,
    workload: &Workload,
) -> admission::Lacking {
    let maker_events = async {
        match &workload.maker {
            Some((_, name)) => gather::events(cluster, namespace, name).await,
            None => Ok(Vec::new()),
        }
    };
    let maker = async {
        match &workload.maker {
            Some((kind, name)) => Some(gather::document(cluster, *kind, namespace, name).await),
            None => None,
        }
    };
    let (document, maker, own, of_maker) = tokio::join!(
        gather::document(cluster, workload.kind, namespace, &workload.name),
        maker,
        gather::events(cluster, namespace, &workload.name),
        maker_events,
    );
    let mut events = own.unwrap_or_default();
    events.extend(of_maker.unwrap_or_default());
    // A pod that was made after a refusal shows that the refusal is over.
    events.retain(|e| workload.newest.is_none_or(|newest| e.last >= newest));
    events.sort_by_key(|e| std::cmp::Reverse(e.last));
    let mut lacking =
        admission::Lacking { workload: document, maker, events, quota: None, lacks: workload.lacks };
    let refusal =
        lacking.events.iter().map(|e| e.message().to_owned()).find(|m| admission::quota_of(m).is_some());
    let condition = lacking.refusal(Seconds::MAX).map(|(message, _)| message);
    let quota = condition.or(refusal).and_then(|message| admission::quota_of(&message).map(str::to_owned));
    if let Some(quota) = quota.filter(|name| is_name(name)) {
        lacking.quota = Some(gather::document(cluster, Kind::ResourceQuota, namespace, &quota).await);
    }
    lacking
}
