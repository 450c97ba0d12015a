//! From a problem to a plan: the neighbourhood is read live, the remedy chosen, the steps made, and the API server asked
//! what it would say to each.
//!
//! It changes nothing: every mutation that it sends is a dry run.

mod around;
mod assemble;
#[cfg(test)]
pub(crate) mod fixtures;
mod helm;
mod layered;
mod neighbourhood;
mod ordered;
mod pods;
mod proof;
mod reader;
mod revisions;
mod target;
#[cfg(test)]
mod tests;
pub(crate) mod value;

pub(crate) use self::reader::Reader;
pub use self::{
    neighbourhood::{Event, Neighbourhood},
    pods::{Pod, Trouble},
    proof::refusal,
    revisions::Revision,
    target::{is_of_cluster, known_kind, of_rows},
};
use crate::{
    Engine,
    error::Error,
    issue_words,
    method::Ownership,
    model::{
        action::Action,
        plan::{Plan, Problem},
        target::Target,
        workflow::Order,
    },
    ports::acting::Acting,
    remedies,
    settings::Limits,
};

/// What came of planning.
#[derive(Debug, Clone, PartialEq)]
pub enum Planned {
    /// A plan.
    Plan(Box<Plan>),
    /// No remedy fits; what a person should look at.
    NoRemedy {
        /// In sentences.
        why: String,
    },
}

/// Makes a plan. Approval and rule are left as `deny` for the guard to fill in.
///
/// # Errors
/// The target does not exist or cannot be read; the issue is not known; the order contradicts itself. `Unavailable` and
/// `Timeout` when anything that was read had no answer now: what is not known is not planned on, and no reason to refuse.
pub async fn plan(
    engine: &Engine,
    problem: &Problem,
    order: &Order,
    limits: &Limits,
) -> Result<Planned, Error> {
    let what = format!("planning for {}", problem.target);
    let reader = Reader::new(engine.cluster(&what)?, &what).await?;
    let made = of_what_is_read(engine, &reader, problem, order, limits).await;
    // Whatever was made of it, or said against it, may be another once everything is answered.
    reader.answered(&what, !matches!(made, Ok(Planned::NoRemedy { .. })))?;
    made
}

async fn of_what_is_read(
    engine: &Engine,
    reader: &Reader<'_>,
    problem: &Problem,
    order: &Order,
    limits: &Limits,
) -> Result<Planned, Error> {
    if !order.resources.is_empty() {
        return layered::plan(engine, reader, problem, order, limits).await;
    }
    let near = look(engine, reader, problem, limits).await?;
    let chosen = match &order.action {
        Some(action) => ordered::draft(&near, action)?,
        None => {
            let issue = issue_words::find(&problem.issue, &near.target().kind)?;
            remedies::choose(issue, &near).map(|(remedy, draft)| (remedy.name(), remedy.version(), draft))
        }
    };
    match chosen {
        Ok((name, version, draft)) => {
            let plan = assemble::single(engine, &near, (name, version), draft);
            Ok(Planned::Plan(Box::new(plan)))
        }
        Err(why) => Ok(Planned::NoRemedy { why }),
    }
}

/// Who owns a workload, read live.
///
/// # Errors
/// It does not exist, or something that tells its owner cannot be read.
pub(crate) async fn ownership(engine: &Engine, named: &Target) -> Result<Ownership, Error> {
    let what = format!("reading {named}");
    let reader = Reader::new(engine.cluster(&what)?, &what).await?;
    let chain = target::climb(engine, &reader, named).await?;
    let owners = neighbourhood::owners(&reader, chain).await;
    reader.answered(&what, true)?;
    Ok(owners)
}

/// Reads what stands around a problem's target.
///
/// # Errors
/// The target does not exist, was made again since it was named, or cannot be read.
async fn look(
    engine: &Engine,
    reader: &Reader<'_>,
    problem: &Problem,
    limits: &Limits,
) -> Result<Neighbourhood, Error> {
    let chain = match target::climb(engine, reader, &problem.named).await {
        // A pod that was named may be gone by now; its workload is what is repaired.
        Err(Error::NotFound { .. }) if problem.named.key() != problem.target.key() => {
            target::climb(engine, reader, &problem.target).await?
        }
        other => other?,
    };
    let is_known = problem.target.key() == chain.target.key();
    if is_known && problem.target.uid.is_some() && problem.target.uid != chain.target.uid {
        return Err(Error::Conflict {
            what: format!("planning for {}", problem.target),
            why: "it was deleted and made again since it was named; name it again".to_owned(),
            workflow: None,
        });
    }
    Ok(neighbourhood::read(reader, problem, chain, (engine.now(), limits)).await)
}

/// Whether a step can only settle once a later one is taken, so that the two are judged together: a StatefulSet keeps
/// the pod that hangs, whatever its template says by now, until that pod is evicted (`OrderedReady`; Kubernetes,
/// "StatefulSets: Forced rollback").
///
/// The eviction is the next step where the plan is about one object. Among several, what can be undone is done first, so
/// that no pod is lost for a plan that turns back at another object; then other steps lie between the two.
pub fn is_judged_with_next(plan: &Plan, order: u32) -> bool {
    let step = plan.steps.iter().find(|step| step.order == order).map(|step| &step.action);
    let Some(
        Action::RollbackWorkload { target: set, .. }
        | Action::RestartWorkload { target: set }
        | Action::SetResources { target: set, .. },
    ) = step
    else {
        return false;
    };
    set.kind == "StatefulSet"
        && plan.steps.iter().filter(|step| step.order > order).any(|step| evicts_of(&step.action, set))
}

/// Whether an action evicts a pod of this StatefulSet, which are named by its name and their ordinal.
fn evicts_of(action: &Action, set: &Target) -> bool {
    let Action::EvictPod { target: pod } = action else { return false };
    let ordinal = pod.name.strip_prefix(&set.name).and_then(|rest| rest.strip_prefix('-'));
    set.namespace == pod.namespace
        && ordinal.is_some_and(|ordinal| ordinal.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Asks the API server about each step: rights, dry run, difference. What can never be asked is noted, and is no refusal.
///
/// # Errors
/// The cluster cannot be read now, or takes no dry run now: it is to be asked again.
pub async fn prove(engine: &Engine, acting: Option<&dyn Acting>, plan: &mut Plan) -> Result<(), Error> {
    let what = format!("proving the plan for {}", plan.problem.target);
    proof::prove(engine.cluster(&what)?, acting, plan).await
}
