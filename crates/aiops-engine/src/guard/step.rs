//! The check just before a step, on the object as it is now.
//!
//! A plan was allowed when it was made; between that and the deed a switch may have been thrown, an upgrade begun, and the
//! object become another. What is asked here of the object is asked of the live one, never of memory. The rest after the
//! same trouble is not asked again: it was decided when the workflow began, which is the trouble's only one.

use serde_json::Value;

use super::{Facts, KillSwitch, OPT_OUT, Question, lately, names, places, pods, rules};
use crate::{coordination::RuleVerdict, deeds, method, model::action::Action, remedies, settings::Settings};

/// Whether what was done may be undone now. An object that has opted out meanwhile, or a policy that denies the action by
/// now, does not keep what we did in place; only `stop`, the breaker and another cluster do.
///
/// # Errors
/// The rule that refuses.
pub fn may_undo(settings: &Settings, question: &Question<'_>) -> Result<(), RuleVerdict> {
    let figures = question.figures;
    let switch = if figures.kill_switch == KillSwitch::Pause {
        rules::Finding::Passes("the kill switch says pause: no new step, but undoing goes on".to_owned())
    } else {
        rules::kill_switch(settings, question, figures)
    };
    let asked = [
        (names::ACTING, rules::acting(settings)),
        (names::KILL_SWITCH, switch),
        (names::BREAKER, rules::breaker(question)),
        (names::CLUSTER, rules::cluster(figures)),
    ];
    first_refusal(asked)
}

/// Of what was asked of a whole plan, what is still asked once its first step is begun: the rest was decided then and
/// for good (who may, the rest after the same trouble, how much at once, how long a plan may be). An upgrade and failures
/// are judged as before a step.
pub fn under_way(settings: &Settings, question: &Question<'_>, rules: Vec<RuleVerdict>) -> Vec<RuleVerdict> {
    const DECIDED: [&str; 5] =
        [names::GRANTED_TO, names::AUTONOMY, names::COOLDOWN, names::BLAST_RADIUS, names::PLAN_SIZE];
    let asked = rules.into_iter().filter(|verdict| !DECIDED.contains(&verdict.rule.as_str()));
    asked
        .map(|verdict| match verdict.rule.as_str() {
            names::UPGRADE => lately::upgrade_began(question).verdict(names::UPGRADE),
            names::ERROR_BUDGET => lately::failures_since(settings, question).verdict(names::ERROR_BUDGET),
            _ => verdict,
        })
        .collect()
}

fn first_refusal<const N: usize>(asked: [(&str, rules::Finding); N]) -> Result<(), RuleVerdict> {
    let verdicts = asked.into_iter().map(|(name, finding)| finding.verdict(name));
    verdicts.into_iter().find(|verdict| !verdict.passes).map_or(Ok(()), Err)
}

/// Whether this step (the one action of the question) may be taken on this object now.
///
/// # Errors
/// The rule that refuses; [`super::passes_by_itself`] says whether waiting helps.
pub fn may_step(settings: &Settings, question: &Question<'_>, fresh: &Value) -> Result<(), RuleVerdict> {
    let figures = question.figures;
    first_refusal([
        (names::ACTING, rules::acting(settings)),
        (names::KILL_SWITCH, rules::kill_switch(settings, question, figures)),
        (names::BREAKER, rules::breaker(question)),
        (names::CLUSTER, rules::cluster(figures)),
        (names::UPGRADE, lately::upgrade_began(question)),
        (names::ERROR_BUDGET, lately::failures_since(settings, question)),
    ])?;
    for action in question.actions {
        object(settings, question, action, fresh)?;
    }
    Ok(())
}

fn object(
    settings: &Settings,
    question: &Question<'_>,
    action: &Action,
    fresh: &Value,
) -> Result<(), RuleVerdict> {
    let no = |rule: &str, why: String| Err(RuleVerdict { rule: rule.to_owned(), passes: false, why });
    let target = action.target();
    // As it was planned, and where an Application deploys to by now.
    let deployed = deeds::deploys_to(action, fresh);
    let mut places = places::of(question);
    places.extend(deployed.iter().map(String::as_str));
    for namespace in places {
        if let Err(why) = rules::in_scope(settings, namespace) {
            return no(names::SCOPE, why);
        }
    }
    let mut words = places::words(question);
    words.extend(deployed.iter().map(|namespace| (namespace.as_str(), action.name())));
    for (namespace, word) in words {
        let says = settings.policy.says(namespace, question.problem.severity, word);
        if says.then == crate::model::plan::Approval::Deny {
            let rule = format!("{}/{}", names::POLICY, says.rule);
            let place = if namespace.is_empty() { "the cluster" } else { namespace };
            return no(&rule, format!("{} says deny to {word} in {place} now", settings.policy.source));
        }
    }
    let known = question.figures.of(target).and_then(|facts| facts.opted_out_by.clone());
    // The object says it of itself, its rows also for its owner and its namespace.
    if let Some(by) = opted_out(fresh).or(known) {
        return no(names::OPT_OUT, format!("{target} asks to be left alone ({by})"));
    }
    // An owner may have taken it over since the plan was made.
    if let Some(change) = remedies::change_of(action) {
        let owners = method::detect(std::slice::from_ref(fresh), &[]);
        if let Some(why) = remedies::owned(target, &owners, change) {
            return no(names::OWNER, why);
        }
    }
    match action {
        Action::EvictPod { .. } | Action::DeletePod { .. } => {
            let known = question.figures.of(target);
            let facts = pod(fresh, known);
            if let Err(why) = pods::may_go(action, target, &facts) {
                return no(names::EVICTION, why);
            }
        }
        Action::CordonNode { .. } | Action::UncordonNode { .. }
            if !settings.limits.may_touch_control_plane && is_control_plane(fresh) =>
        {
            return no(
                names::CONTROL_PLANE,
                format!("{target} belongs to the control plane (acting.limits.mayTouchControlPlane)"),
            );
        }
        Action::ScaleWorkload { .. } => {
            let known = question.figures.of(target).and_then(|facts| facts.autoscaler.as_deref());
            if let Some(owner) = known {
                return no(names::AUTOSCALER, format!("{owner} owns the number of replicas of {target}"));
            }
        }
        _ => {}
    }
    Ok(())
}

/// What of a live object says that it is to be left alone.
pub fn opted_out(object: &Value) -> Option<String> {
    ["annotations", "labels"].into_iter().find_map(|place| {
        let value = object.pointer(&format!("/metadata/{place}"))?.get(OPT_OUT)?;
        let is_so = value.as_str() == Some("true") || value.as_bool() == Some(true);
        is_so.then(|| format!("{place}: {OPT_OUT}=true"))
    })
}

fn is_control_plane(node: &Value) -> bool {
    let labels = node.pointer("/metadata/labels");
    ["control-plane", "master"]
        .into_iter()
        .any(|role| labels.is_some_and(|all| all.get(format!("node-role.kubernetes.io/{role}")).is_some()))
}

/// What a live pod says of itself, over what is known of its workload.
fn pod(fresh: &Value, known: Option<&Facts>) -> Facts {
    let mut facts = known.cloned().unwrap_or_default();
    let class = fresh.pointer("/spec/priorityClassName").and_then(Value::as_str);
    facts.priority_class = class.map(str::to_owned);
    let conditions = fresh.pointer("/status/conditions").and_then(Value::as_array);
    facts.is_ready = Some(conditions.into_iter().flatten().any(|condition| {
        condition.get("type").is_some_and(|kind| kind == "Ready")
            && condition.get("status").is_some_and(|status| status == "True")
    }));
    let owners = fresh.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let controller =
        owners.into_iter().flatten().find(|owner| owner.get("controller") == Some(&Value::Bool(true)));
    match controller.and_then(|owner| owner.get("kind")).and_then(Value::as_str) {
        None => facts.owner_kind = Some(String::new()),
        // The rows know the top of the chain, the pod only its next controller.
        Some(kind) if facts.owner_kind.as_deref().is_none_or(str::is_empty) => {
            facts.owner_kind = Some(kind.to_owned());
        }
        Some(_) => {}
    }
    facts
}
