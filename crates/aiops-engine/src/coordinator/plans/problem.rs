//! From what a caller asks to a problem: the kind, the object, the issue in our own word. From memory alone, so that a
//! trigger is answered at once.
//!
//! It refuses what cannot be: unknown kinds and issues, names that are none, objects that the rows know not to exist.

use aiops_inventory::{Inventory, Kind, Row, Table, rows::Owner};

use super::super::Inner;
use crate::{
    answer::near,
    coordination::{ResourceTrouble, Trigger},
    discovery,
    error::Error,
    issue_words::{self, UNSPECIFIED},
    model::{Millis, plan::Problem, target::Target, workflow::Order},
    planner,
};

/// Longest description that is kept, in characters.
const DESCRIPTION: usize = 2_000;
/// Objects that a trigger may name beside its target.
const MOST_RESOURCES: usize = 9;

impl Inner {
    /// What a trigger asks for.
    ///
    /// # Errors
    /// Its kind or issue is not known, a name is none, its object does not exist as far as rows tell, or it contradicts
    /// itself.
    pub(crate) fn problem(&self, trigger: &Trigger) -> Result<(Problem, Order), Error> {
        let ordered = trigger.action.as_ref().map(crate::model::action::Action::target);
        let named = match ordered.filter(|_| trigger.kind.is_empty() && trigger.name.is_empty()) {
            Some(target) => self.named(&target.kind, &target.namespace, &target.name)?,
            None => self.named(&trigger.kind, &trigger.namespace, &trigger.name)?,
        };
        let is_free = !trigger.resources.is_empty() || trigger.action.is_some();
        let (word, severity) = match issue_words::find(&trigger.issue, &named.kind) {
            Ok(issue) => (issue.word, issue.severity),
            // An action says what is to be done; objects of several layers have issues in their reporter's own words.
            Err(_) if is_free => (UNSPECIFIED, crate::issue::Severity::Medium),
            Err(error) => return Err(error),
        };
        let problem = Problem {
            issue: word.to_owned(),
            severity: trigger.severity.unwrap_or(severity),
            description: crate::text::line(&trigger.description, DESCRIPTION),
            target: planner::of_rows(&self.engine.look(), &named),
            named,
        };
        if trigger.resources.len() > MOST_RESOURCES {
            let why = format!(
                "{} objects beside the target, and at most {MOST_RESOURCES} are allowed",
                trigger.resources.len()
            );
            return Err(Error::invalid("resources", why));
        }
        let beside = |(at, resource)| {
            self.beside(&problem, resource).map_err(|error| match error {
                Error::Invalid { field, why } => {
                    Error::Invalid { field: format!("resources[{at}].{field}"), why }
                }
                other => other,
            })
        };
        let resources = trigger.resources.iter().enumerate().map(beside);
        let order = Order {
            action: trigger.action.clone(),
            digest: trigger.digest.clone(),
            resources: resources.collect::<Result<_, _>>()?,
        };
        Ok((problem, order))
    }

    fn beside(&self, problem: &Problem, resource: &ResourceTrouble) -> Result<Problem, Error> {
        let named = self.named(&resource.kind, &resource.namespace, &resource.name)?;
        let word =
            issue_words::lookup_for(&resource.issue, &named.kind).map_or(UNSPECIFIED, |issue| issue.word);
        Ok(Problem {
            issue: word.to_owned(),
            severity: problem.severity,
            description: crate::text::line(&resource.issue, 200),
            target: planner::of_rows(&self.engine.look(), &named),
            named,
        })
    }

    /// The object that a caller names.
    pub(super) fn named(&self, kind: &str, namespace: &str, name: &str) -> Result<Target, Error> {
        plainly("name", discovery::check_name("name", name))?;
        let Some((group, kind)) = planner::known_kind(kind) else {
            // Incidents of what an operator made stand under its resource, whose kind only owner references tell.
            let owner = owner_in_rows(&self.engine.look(), kind, namespace, name);
            return owner.ok_or_else(|| unknown_kind(kind));
        };
        // The contract asks for a namespace even of objects that have none.
        let namespace = if planner::is_of_cluster(kind) { "" } else { namespace };
        if !planner::is_of_cluster(kind) {
            if namespace.is_empty() {
                return Err(Error::invalid("namespace", format!("is required: a {kind} is in one")));
            }
            plainly("namespace", discovery::check_namespace(namespace))?;
        }
        let target = Target::new(group, kind, namespace, name);
        exists(&self.engine.look(), &target)?;
        Ok(target)
    }
}

/// The fault under the plain name of the member: doors say in their own words where it stood.
fn plainly(field: &str, checked: Result<(), Error>) -> Result<(), Error> {
    checked.map_err(|error| match error {
        Error::Invalid { why, .. } => Error::invalid(field, why),
        other => other,
    })
}

/// The custom resource of this kind and name that controls a workload of the namespace, as the workload's row tells.
fn owner_in_rows(inventory: &Inventory, kind: &str, namespace: &str, name: &str) -> Option<Target> {
    fn owners<'a, R: Row>(
        table: &'a Table<R>,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Owner> + use<'a, R> {
        table.in_namespace(namespace).filter_map(|row| row.meta().owner.as_deref())
    }
    let wanted = kind.trim();
    let mut known = owners(inventory.deployments(), namespace)
        .chain(owners(inventory.stateful_sets(), namespace))
        .chain(owners(inventory.daemon_sets(), namespace))
        .chain(owners(inventory.replica_sets(), namespace))
        .chain(owners(inventory.jobs(), namespace))
        .chain(owners(inventory.pods(), namespace));
    let owner = known.find(|owner| owner.name == name && owner.kind.eq_ignore_ascii_case(wanted))?;
    let group = owner.api_version.rsplit_once('/').map_or("", |(group, _)| group);
    Some(Target::new(group, owner.kind.as_str(), namespace, name))
}

fn unknown_kind(kind: &str) -> Error {
    const KINDS: [&str; 9] = [
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "Pod",
        "Node",
        "Application",
        "ClusterOperator",
        "MachineConfigPool",
    ];
    let shown: String = kind.chars().take(80).collect();
    let lower = shown.to_lowercase();
    let words = KINDS.map(str::to_lowercase);
    let hint = near(&lower, words.iter().map(String::as_str));
    Error::invalid(
        "kind",
        format!("{shown:?} is no kind that can be repaired{hint}; say one of {}", KINDS.join(", ")),
    )
}

/// Refuses an object that the rows know not to exist: its kind is listed, at least where the object would be.
fn exists(inventory: &Inventory, target: &Target) -> Result<(), Error> {
    let Some(kind) = Kind::ALL.into_iter().find(|kind| {
        kind.name() == target.kind && kind.resource().group == target.group && *kind != Kind::Event
    }) else {
        return Ok(());
    };
    let status = inventory.status(kind);
    let sees_all = status.scope == aiops_inventory::inventory::Scope::Cluster;
    if !status.sync.is_known() || !sees_all || matches!(status.sync, aiops_inventory::Sync::Stale { .. }) {
        return Ok(());
    }
    let keys = discovery::keys(inventory, kind);
    if keys.iter().any(|key| key.namespace == *target.namespace && key.name == *target.name) {
        return Ok(());
    }
    if let Some(hint) = unknown_namespace(inventory, &target.namespace) {
        return Err(Error::NotFound { what: format!("namespace {}", target.namespace), hint });
    }
    let names = keys.iter().filter(|key| key.namespace == *target.namespace).map(|key| key.name.as_str());
    let what = if target.namespace.is_empty() {
        format!("{} {:?}", target.kind, target.name)
    } else {
        format!("{} {:?} in namespace {}", target.kind, target.name, target.namespace)
    };
    Err(Error::NotFound { what, hint: near(&target.name, names) })
}

/// That there is no such namespace, with near names; `None` where there is one, or where namespaces are not known.
fn unknown_namespace(inventory: &Inventory, namespace: &str) -> Option<String> {
    if namespace.is_empty() || !inventory.status(Kind::Namespace).sync.is_known() {
        return None;
    }
    let keys = discovery::keys(inventory, Kind::Namespace);
    if keys.iter().any(|key| *key.name == *namespace) {
        return None;
    }
    Some(near(namespace, keys.iter().map(|key| &*key.name)))
}

/// The key under which a workload's method is remembered.
pub(crate) fn method_key(target: &Target) -> String {
    target.key()
}

/// RFC 3339 with milliseconds.
pub(super) fn exact_time(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map(|at| format!("{at:.3}")).unwrap_or_default()
}
