//! Proving a plan before anybody approves it: the right to each step, the API server's judgement of its dry run, what
//! would change, and what was there when it was looked at.
//!
//! Nothing is meant: every request is a dry run, which no API server keeps. What can never be asked is noted and refuses
//! nothing; what cannot be asked now is an error, to be asked again; what the API server refuses is `accepted: false`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};

use crate::{
    deeds::{self, Observation, Sight},
    discovery,
    error::{Error, PortError, PortErrorKind},
    model::{
        action::Action,
        plan::{Plan, Proof, Risk, Step, shown},
        target::Target,
    },
    ports::{
        ApiResource, Cluster,
        acting::{Acting, NotDone, NotDoneKind, Verb},
    },
};

/// The marker that a dry run carries; nobody ever sees it in the cluster.
const KEY: &str = "plan";
/// A dry run that takes longer than this is given up.
const DEADLINE: Duration = Duration::from_secs(5);
/// Steps that are proven at once.
const AT_ONCE: usize = 4;
/// Lines of a difference that are kept.
const MOST_LINES: usize = 12;
/// Notes that are kept.
const MOST_NOTES: usize = 4;

pub(super) async fn prove(
    cluster: &dyn Cluster,
    acting: Option<&dyn Acting>,
    plan: &mut Plan,
) -> Result<(), Error> {
    let what = format!("proving the plan for {}", plan.problem.target);
    let kinds = cluster.resources().await.map_err(|error| Error::from_port(&*what, error))?;
    // Each asks its own objects, so that they need not wait for each other.
    let mut asked: Vec<BoxFuture<'_, Result<Proven, Error>>> = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        asked.push(of_step(cluster, &kinds, acting, step).boxed());
    }
    let proofs: Vec<Result<Proven, Error>> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    let mut written = BTreeSet::new();
    for (step, proven) in plan.steps.iter_mut().zip(proofs) {
        let Proven { proof, found, deploys_to, takes_down } = proven?;
        if let Some(pods) = takes_down {
            let told = format!(
                "{}; its strategy takes all {pods} ready pods down at once, so it serves nobody until new ones are ready",
                step.description
            );
            step.description = crate::text::line(&told, 300);
            plan.risk = Risk::High;
        }
        step.takes_down = takes_down;
        step.proof = Some(proof);
        step.deploys_to = deploys_to;
        // What an earlier step of the plan leaves behind is not what is there now.
        let is_first = written.insert(step.action.target().key());
        step.planned_on = if is_first { found } else { BTreeMap::new() };
    }
    Ok(())
}

/// What was learnt about one step.
#[derive(Default)]
struct Proven {
    proof: Proof,
    /// What it overwrites, as it was seen.
    found: BTreeMap<String, String>,
    /// Where it changes something besides its target's namespace.
    deploys_to: Vec<String>,
    /// Ready pods that it takes away at once.
    takes_down: Option<u32>,
}

/// Why a plan would fail, by what the API server said to it; `None` when it said nothing against a required step.
pub fn refusal(plan: &Plan) -> Option<String> {
    let refused = plan.steps.iter().filter(|step| step.required).find_map(|step| {
        let proof = step.proof.as_ref()?;
        let is_refused = proof.allowed == Some(false) || proof.accepted == Some(false);
        is_refused.then_some((step, proof))
    });
    refused.map(|(step, proof)| {
        let why = proof.notes.first().map_or("the API server refuses it", String::as_str);
        format!("step {} ({}) would fail: {why}", shown(step.order), step.action.name())
    })
}

async fn of_step(
    cluster: &dyn Cluster,
    kinds: &[ApiResource],
    acting: Option<&dyn Acting>,
    step: &Step,
) -> Result<Proven, Error> {
    let mut proven = Proven::default();
    let action = &step.action;
    if let Action::AwaitPool { .. } = action {
        return Ok(proven);
    }
    let proof = &mut proven.proof;
    may(cluster, kinds, action, proof).await?;
    let seen = match within(deeds::see(cluster, &deeds::looks(action))).await {
        Ok(seen) => seen,
        Err(error) if error.kind.is_passing() => return Err(unproven(step, error)),
        Err(error) => {
            note(proof, &format!("it could not be read for a dry run: {}", error.message));
            return Ok(proven);
        }
    };
    if let Some(Sight::Object(object)) = seen.first() {
        proven.found = deeds::found(action, object);
        proven.deploys_to = deeds::deploys_to(action, object);
        proven.takes_down = deeds::takes_down(action, object);
    }
    match deeds::observe(action, KEY, KEY, &seen) {
        Observation::Ready(ready) => {
            let changes = ready.diff.iter().filter(|line| !line.contains("aiops.io/effect"));
            proof.diff = changes.take(MOST_LINES).map(|line| crate::text::line(line, 200)).collect();
            let left_out = ready.diff.len().saturating_sub(MOST_LINES);
            if left_out > 0 {
                proof.diff.push(format!("… and {left_out} more"));
            }
            let mut mutation = ready.mutation;
            mutation.dry_run = true;
            if let Err(error) = dry_run(acting, &mutation, proof).await {
                return Err(unproven(step, error));
            }
        }
        Observation::Settled { why } => note(proof, &format!("nothing has to be done: {why}")),
        Observation::Applied { evidence } => note(proof, &format!("it is done already: {evidence}")),
        Observation::Wait { why } => note(proof, &format!("it would wait: {why}")),
        Observation::Refused { why } | Observation::Conflict { why } => {
            proof.accepted = Some(false);
            note(proof, &why);
        }
    }
    Ok(proven)
}

/// What a step's proof could not be asked now.
fn unproven(step: &Step, error: PortError) -> Error {
    Error::from_port(format!("proving {} on {}", step.action.name(), step.action.target()), error)
}

/// Fails when the request could not be made now.
async fn dry_run(
    acting: Option<&dyn Acting>,
    mutation: &crate::ports::acting::Mutation,
    proof: &mut Proof,
) -> Result<(), PortError> {
    let Some(acting) = acting else {
        note(proof, "no dry run: acting is not enabled here");
        return Ok(());
    };
    let performed = tokio::time::timeout(DEADLINE, acting.perform(mutation)).await;
    let answer = performed.unwrap_or_else(|_| {
        let why = format!("the API server did not answer the dry run within {} s", DEADLINE.as_secs());
        Err(NotDone::new(NotDoneKind::Unknown, why))
    });
    match answer {
        Ok(accepted) => {
            proof.accepted = Some(true);
            for warning in &accepted.warnings {
                note(proof, warning);
            }
        }
        Err(NotDone { kind: NotDoneKind::NotSent | NotDoneKind::Throttled, why, after, .. }) => {
            return Err(PortError { after, ..PortError::new(PortErrorKind::Unavailable, why) });
        }
        Err(refused) => {
            proof.accepted = match refused.kind {
                NotDoneKind::NotFound
                | NotDoneKind::Rejected
                | NotDoneKind::Denied
                | NotDoneKind::Blocked => Some(false),
                // A state that has moved on, no answer in time, a port that cannot: nothing is proven either way.
                _ => None,
            };
            if refused.kind == NotDoneKind::Denied {
                proof.allowed = Some(false);
            }
            note(proof, &refused.why);
        }
    }
    Ok(())
}

/// Asks whether we ourselves may do it.
async fn may(
    cluster: &dyn Cluster,
    kinds: &[ApiResource],
    action: &Action,
    proof: &mut Proof,
) -> Result<(), Error> {
    let target = action.target();
    let Some(kind) = kinds.iter().find(|kind| kind.group == target.group && kind.kind == target.kind) else {
        note(proof, &format!("the cluster serves no {} of group {:?}", target.kind, target.group));
        return Ok(());
    };
    let (verb, resource) = match action {
        Action::EvictPod { .. } => (Verb::Create, "pods/eviction"),
        Action::DeletePod { .. } => (Verb::Delete, &*kind.plural),
        Action::RecordRelease { .. } => (Verb::Create, &*kind.plural),
        _ => (Verb::MergePatch, &*kind.plural),
    };
    let namespace = (!target.namespace.is_empty()).then_some(&*target.namespace);
    match within(cluster.may(verb.as_str(), &kind.group, resource, namespace)).await {
        Ok(true) => proof.allowed = Some(true),
        Ok(false) => {
            proof.allowed = Some(false);
            let full = if resource.contains('/') { resource.to_owned() } else { discovery::full_name(kind) };
            note(proof, &format!("aiops lacks the right to {} {full}{}", verb.as_str(), scope(target)));
        }
        Err(error) if error.kind.is_passing() => {
            let what = format!("asking whether {} on {target} is allowed", action.name());
            return Err(Error::from_port(what, error));
        }
        Err(error) => note(proof, &format!("whether it is allowed could not be asked: {}", error.message)),
    }
    Ok(())
}

fn scope(target: &Target) -> String {
    if target.namespace.is_empty() { String::new() } else { format!(" in {}", target.namespace) }
}

fn note(proof: &mut Proof, text: &str) {
    if proof.notes.len() < MOST_NOTES {
        proof.notes.push(crate::text::line(text, 240));
    }
}

async fn within<T>(read: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
    tokio::time::timeout(DEADLINE, read).await.unwrap_or_else(|_| {
        let why = format!("the API server did not answer within {} s", DEADLINE.as_secs());
        Err(PortError::new(PortErrorKind::Timeout, why))
    })
}
