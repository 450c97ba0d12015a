//! From what a caller names to what is to be repaired: the object, the workload that owns it, the issue in our own word.
//!
//! It reads rows and asks nobody. What rows do not hold is left to the planner, which reads live; what they hold and what
//! does not exist is refused here.

use aiops_inventory::{
    Inventory, Kind, Row,
    rows::{Meta, Owner},
};

use super::Inner;
use crate::{
    answer::near,
    coordination::{ResourceTrouble, Trigger},
    discovery,
    error::Error,
    issue_words, owners,
    model::{
        plan::Problem,
        target::{Target, group_of},
        workflow::Order,
    },
    requests::workloads::WorkloadKind,
    text,
};

/// Longest text that describes a trouble, in bytes; as in the contract's incidents.
const LONGEST_DESCRIPTION: usize = 2_000;
/// Most objects of a multi-layer trigger: a plan has at most 50 steps.
const MOST_RESOURCES: usize = 50;

/// Kinds that have no rows but can be repaired.
const OTHER_KINDS: &[&str] = &["Application"];

impl Inner {
    /// What a trigger asks for.
    ///
    /// # Errors
    /// An argument is missing, unknown or contradicts another; the object does not exist as far as memory tells.
    pub(crate) fn problem_of(&self, trigger: &Trigger) -> Result<(Problem, Order), Error> {
        let named = match &trigger.action {
            Some(action) => checked(action.target().clone())?,
            None => target_of(&trigger.kind, &trigger.namespace, &trigger.name)?,
        };
        if trigger.resources.len() > MOST_RESOURCES {
            let why = format!("{} objects are named, at most {MOST_RESOURCES} may be", trigger.resources.len());
            return Err(Error::invalid("resources", why));
        }
        let problem = self.problem(named, &trigger.issue, trigger)?;
        let mut resources = Vec::with_capacity(trigger.resources.len());
        for ResourceTrouble { kind, name, namespace, issue } in &trigger.resources {
            let namespace = if namespace.is_empty() { &trigger.namespace } else { namespace };
            let named = target_of(kind, namespace, name)?;
            let issue = if issue.is_empty() { &trigger.issue } else { issue };
            resources.push(self.problem(named, issue, trigger)?);
        }
        let order = Order { action: trigger.action.clone(), digest: trigger.digest.clone(), resources };
        Ok((problem, order))
    }

    fn problem(&self, named: Target, issue: &str, trigger: &Trigger) -> Result<Problem, Error> {
        let (word, usual) = if issue.trim().is_empty() {
            if trigger.action.is_none() {
                return Err(Error::invalid("issue type", "must say what is wrong, such as crash_loop"));
            }
            (issue_words::UNSPECIFIED, crate::issue::Severity::Medium)
        } else {
            let known = issue_words::find(issue, &named.kind)?;
            (known.word, known.severity)
        };
        let (named, target) = owned(&self.engine.look(), named)?;
        Ok(Problem {
            issue: word.to_owned(),
            severity: trigger.severity.unwrap_or(usual),
            description: text::show(&crate::redact::Redactor, &trigger.description, LONGEST_DESCRIPTION).text,
            target,
            named,
        })
    }
}

/// The object that a caller names by kind (of either case, plural or short), namespace and name.
fn target_of(kind: &str, namespace: &str, name: &str) -> Result<Target, Error> {
    let wanted = kind.trim();
    let own = WorkloadKind::parse(wanted).map(|known| known.kind().name());
    let same = |known: &str| known.eq_ignore_ascii_case(wanted);
    let of_rows = || {
        Kind::ALL.into_iter().find_map(|known| {
            let resource = known.resource();
            (same(resource.kind) || same(resource.plural)).then_some(resource.kind)
        })
    };
    let short = || match wanted.to_ascii_lowercase().as_str() {
        "po" => Some("Pod"),
        "no" => Some("Node"),
        "rs" => Some("ReplicaSet"),
        "pvc" => Some("PersistentVolumeClaim"),
        "mcp" => Some("MachineConfigPool"),
        "co" => Some("ClusterOperator"),
        "hpa" => Some("HorizontalPodAutoscaler"),
        "pdb" => Some("PodDisruptionBudget"),
        "svc" => Some("Service"),
        "ns" => Some("Namespace"),
        _ => None,
    };
    let other = || OTHER_KINDS.iter().copied().find(|known| same(known));
    let Some(kind) = own.or_else(of_rows).or_else(short).or_else(other) else {
        let shown: String = wanted.chars().take(80).collect();
        let words: Vec<&str> = Kind::ALL.into_iter().map(|kind| kind.resource().kind).collect();
        let hint = near(wanted, words.iter().copied());
        let why = format!("{shown:?} is no kind that can be repaired{hint}; usual ones are Deployment, Pod and Node");
        return Err(Error::invalid("kind", why));
    };
    checked(Target::new(group_of(kind), kind, namespace.trim(), name.trim()))
}

/// Refuses names that no object can have: they would become paths.
fn checked(target: Target) -> Result<Target, Error> {
    if target.name.is_empty() {
        return Err(Error::invalid("name", format!("must be the name of the {}", target.kind)));
    }
    // Names of objects are DNS subdomains, some kinds allow ':' (RBAC) beside; nothing else can stand in a path.
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | ':' | '_');
    for (field, value, longest) in [("name", &target.name, 253), ("namespace", &target.namespace, 63)] {
        if value.len() > longest || !value.chars().all(is_plain) {
            let shown: String = value.chars().take(80).collect();
            let why = format!("{shown:?} is no name that an object can have");
            return Err(Error::invalid(field, why));
        }
    }
    Ok(target)
}

/// The object as it is now, and the workload that owns it: what a person would repair.
fn owned(inventory: &Inventory, named: Target) -> Result<(Target, Target), Error> {
    let known = Kind::ALL.into_iter().find(|kind| kind.resource().kind == named.kind);
    let Some(kind) = known else { return Ok((named.clone(), named)) };
    if kind.resource().namespaced && named.namespace.is_empty() {
        return Err(Error::invalid("namespace", format!("a {} lives in a namespace; name it", named.kind)));
    }
    let meta = meta(inventory, kind, &named);
    let Some(meta) = meta else {
        let keys = discovery::keys(inventory, kind);
        let is_there = keys.iter().any(|key| {
            key.name.as_str() == named.name && key.namespace.as_str() == named.namespace
        });
        if is_there || !inventory.status(kind).sync.is_known() {
            return Ok((named.clone(), named));
        }
        let here = keys.iter().filter(|key| key.namespace.as_str() == named.namespace);
        let hint = near(&named.name, here.map(|key| key.name.as_str()));
        return Err(Error::NotFound { what: named.to_string(), hint });
    };
    let named = with_uid(named, meta.uid);
    // The chain above a pod ends for us at the workload whose template makes it: what owns that one (an operator, a
    // CronJob) is the planner's business.
    let is_workload = |owner: &&Owner| {
        matches!(owner.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job")
    };
    let target = if matches!(kind, Kind::Pod | Kind::ReplicaSet) {
        let chain = owners::chain(inventory, meta);
        chain.iter().rfind(is_workload).map(|owner| {
            let target = Target::known(&owner.kind, &named.namespace, &owner.name);
            with_uid(target, owner.uid)
        })
    } else {
        None
    };
    let target = target.unwrap_or_else(|| named.clone());
    Ok((named, target))
}

/// `metadata.uid` as text, from the number that rows keep.
fn with_uid(target: Target, uid: u128) -> Target {
    if uid == 0 || target.uid.is_some() {
        return target;
    }
    let hex = format!("{uid:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    let uid = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
    target.with_uid(uid)
}

fn meta<'a>(inventory: &'a Inventory, kind: Kind, target: &Target) -> Option<&'a Meta> {
    fn of<R: Row>(row: Option<&std::sync::Arc<R>>) -> Option<&Meta> {
        row.map(|row| row.meta())
    }
    let (namespace, name) = (target.namespace.as_str(), target.name.as_str());
    match kind {
        Kind::Pod => of(inventory.pods().get(namespace, name)),
        Kind::Node => of(inventory.nodes().get("", name)),
        Kind::Deployment => of(inventory.deployments().get(namespace, name)),
        Kind::ReplicaSet => of(inventory.replica_sets().get(namespace, name)),
        Kind::StatefulSet => of(inventory.stateful_sets().get(namespace, name)),
        Kind::DaemonSet => of(inventory.daemon_sets().get(namespace, name)),
        Kind::Job => of(inventory.jobs().get(namespace, name)),
        Kind::CronJob => of(inventory.cron_jobs().get(namespace, name)),
        _ => None,
    }
}
