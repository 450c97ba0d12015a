//! Completes what people type for prompts and resource templates, from the inventory and from what is kept of incidents
//! and workflows.
//!
//! Names that begin with what is typed come first, then those that hold it. What a name is completed for respects what
//! was chosen before it (a kind, a namespace). It guesses nothing: an argument that it does not know has no values.

use std::collections::{BTreeMap, BTreeSet};

use aiops_engine::{
    coordination::{IncidentQuery, WorkflowQuery},
    model::caller::Caller,
    redact::Redactor,
    requests::workloads::WorkloadKind,
};
use aiops_inventory::{Inventory, rows::Row};
use rmcp::{
    ErrorData,
    model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference},
};

use super::{desk::Desk, prompts, resources};

/// The longest text that is completed, in bytes: a Kubernetes name has at most 253.
const LONGEST: usize = 512;

/// Incidents and workflows among which ids are looked for: the newest.
const NEWEST: Option<u32> = Some(500);

/// The values of one argument.
pub(super) async fn complete(
    desk: &Desk,
    caller: &Caller,
    request: &CompleteRequestParams,
) -> Result<CompleteResult, ErrorData> {
    let argument = request.argument.name.as_str();
    let typed = request.argument.value.as_str();
    if typed.len() > LONGEST {
        return Err(ErrorData::invalid_params(
            format!("argument.value must be at most {LONGEST} bytes long, not {}", typed.len()),
            None,
        ));
    }
    let chosen = |name: &str| {
        let value = request.context.as_ref().and_then(|context| context.get_argument(name));
        value.map(String::as_str).filter(|value| !value.is_empty())
    };
    let names = match kept(&request.r#ref, argument) {
        Some(what) => ids(desk, caller, what).await,
        None => seen(desk, &request.r#ref, argument, &chosen),
    };
    let matching = matching(names, typed);
    let total = u32::try_from(matching.len()).ok();
    let has_more = matching.len() > CompletionInfo::MAX_VALUES;
    let redactor = Redactor::new();
    let shown = matching.iter().take(CompletionInfo::MAX_VALUES);
    let values = shown.map(|name| redactor.redact(name).into_owned()).collect();
    CompletionInfo::with_pagination(values, total, has_more)
        .map(CompleteResult::new)
        .map_err(|why| ErrorData::internal_error(why, None))
}

/// What is kept and has ids.
#[derive(Debug, Clone, Copy)]
enum Kept {
    Incidents,
    Workflows,
}

/// What an argument names, when that is something that is kept.
fn kept(of: &Reference, argument: &str) -> Option<Kept> {
    match (of, argument) {
        (Reference::Resource(template), "id") => match template.uri.as_str() {
            resources::INCIDENT => Some(Kept::Incidents),
            resources::WORKFLOW => Some(Kept::Workflows),
            _ => None,
        },
        (Reference::Prompt(prompt), "incident_id") if prompts::takes(&prompt.name, argument) => {
            Some(Kept::Incidents)
        }
        _ => None,
    }
}

/// The ids of what is kept. That it cannot be read now is no reason to fail: nothing is offered then.
async fn ids(desk: &Desk, caller: &Caller, what: Kept) -> BTreeSet<String> {
    let Some(coordination) = &desk.coordination else { return BTreeSet::new() };
    match what {
        Kept::Incidents => {
            let query = IncidentQuery { limit: NEWEST, ..IncidentQuery::default() };
            let listed = coordination.incidents(caller, query).await;
            listed.map(|listed| listed.incidents.into_iter().map(|i| i.id).collect()).unwrap_or_default()
        }
        Kept::Workflows => {
            let query = WorkflowQuery { limit: NEWEST, ..WorkflowQuery::default() };
            let listed = coordination.workflows(caller, query).await;
            listed.map(|listed| listed.workflows.into_iter().map(|w| w.id).collect()).unwrap_or_default()
        }
    }
}

/// Names that the inventory holds.
fn seen<'a>(
    desk: &Desk,
    of: &Reference,
    argument: &str,
    chosen: &dyn Fn(&str) -> Option<&'a str>,
) -> BTreeSet<String> {
    let inventory = desk.engine.look();
    match of {
        Reference::Resource(template) => match (template.uri.as_str(), argument) {
            (resources::NAMESPACE, "namespace") => namespaces(&inventory),
            (resources::NODE, "name") => {
                inventory.nodes().iter().map(|n| n.meta.key.name.to_string()).collect()
            }
            (resources::WORKLOAD, argument) => {
                workload(&inventory, argument, chosen("namespace"), chosen("kind"), chosen("name"))
            }
            _ => BTreeSet::new(),
        },
        Reference::Prompt(prompt) => match argument {
            "namespace" if prompts::takes(&prompt.name, argument) => namespaces(&inventory),
            "pod_name" if prompts::takes(&prompt.name, argument) => pods(&inventory, chosen("namespace")),
            "severity" if prompts::takes(&prompt.name, argument) => {
                prompts::severities(&prompt.name).iter().map(|&word| word.to_owned()).collect()
            }
            _ => BTreeSet::new(),
        },
        _ => BTreeSet::new(),
    }
}

/// Names that begin with the text, then those that hold it.
fn matching(names: BTreeSet<String>, typed: &str) -> Vec<String> {
    let typed = typed.to_lowercase();
    let (mut first, rest): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|name| name.to_lowercase().starts_with(&typed));
    first.extend(rest.into_iter().filter(|name| name.to_lowercase().contains(&typed)));
    first
}

fn namespaces(inventory: &Inventory) -> BTreeSet<String> {
    inventory.namespace_names().iter().map(ToString::to_string).collect()
}

fn pods(inventory: &Inventory, namespace: Option<&str>) -> BTreeSet<String> {
    inventory.pods().scoped(namespace).map(|pod| pod.meta.key.name.to_string()).collect()
}

/// Namespaces, kinds or names of workloads, each narrowed by what was chosen of the others.
fn workload(
    inventory: &Inventory,
    argument: &str,
    namespace: Option<&str>,
    kind: Option<&str>,
    name: Option<&str>,
) -> BTreeSet<String> {
    let wanted = kind.map(WorkloadKind::parse);
    let mut values = BTreeMap::new();
    for kind in WorkloadKind::ALL.into_iter().filter(|kind| wanted.is_none_or(|wanted| wanted == Some(*kind)))
    {
        let word = kind.kind().name();
        each(inventory, kind, namespace.filter(|_| argument != "namespace"), &mut |in_namespace, named| {
            if argument != "name" && name.is_some_and(|name| name != named) {
                return;
            }
            let value = match argument {
                "namespace" => in_namespace,
                "kind" => word,
                "name" => named,
                _ => return,
            };
            values.entry(value.to_owned()).or_insert(());
        });
    }
    values.into_keys().collect()
}

fn each(inventory: &Inventory, kind: WorkloadKind, namespace: Option<&str>, see: &mut dyn FnMut(&str, &str)) {
    let mut row = |row: &dyn HasKey| {
        let (namespace, name) = row.key();
        see(namespace, name);
    };
    match kind {
        WorkloadKind::Deployment => inventory.deployments().scoped(namespace).for_each(|r| row(&**r)),
        WorkloadKind::StatefulSet => inventory.stateful_sets().scoped(namespace).for_each(|r| row(&**r)),
        WorkloadKind::DaemonSet => inventory.daemon_sets().scoped(namespace).for_each(|r| row(&**r)),
        WorkloadKind::Job => inventory.jobs().scoped(namespace).for_each(|r| row(&**r)),
        WorkloadKind::CronJob => inventory.cron_jobs().scoped(namespace).for_each(|r| row(&**r)),
    }
}

/// Rows of any kind, by namespace and name.
trait HasKey {
    fn key(&self) -> (&str, &str);
}

impl<R: Row> HasKey for R {
    fn key(&self) -> (&str, &str) {
        let key = &self.meta().key;
        (&key.namespace, &key.name)
    }
}
