//! The rules, one function each, in the order in which they are asked. Each answers with its figures, whether it fires
//! or not.

use super::{Figures, KillSwitch, Question, Ruling, approvals, lately, names, places, pods};
use crate::{
    coordination::RuleVerdict,
    model::{action::Action, caller::Caller, method::DeployMethod, plan::Approval},
    settings::{
        Settings,
        limits::millis,
        matches,
        policy::{self, approval_word},
    },
};

/// What one rule found.
pub(super) enum Finding {
    /// It lets it pass.
    Passes(String),
    /// It lets it pass, but somebody has to agree.
    Raises(Approval, String),
    /// It refuses.
    Refuses(String),
}

use Finding::{Passes, Raises, Refuses};

impl Finding {
    pub(super) fn verdict(&self, rule: &str) -> RuleVerdict {
        let (passes, why) = match self {
            Passes(why) | Raises(_, why) => (true, why),
            Refuses(why) => (false, why),
        };
        RuleVerdict { rule: rule.to_owned(), passes, why: why.clone() }
    }
}

/// Judges a trigger or a plan. What refuses decides, the first of them; else the policy, or a rule that raises what it
/// says.
pub fn rule(settings: &Settings, question: &Question<'_>) -> Ruling {
    let says = policy_says(settings, question);
    let mut asked: Vec<(String, Finding)> = vec![
        (names::ACTING.to_owned(), acting(settings)),
        (names::GRANTED_TO.to_owned(), granted(settings, question.caller)),
        (names::KILL_SWITCH.to_owned(), kill_switch(settings, question, question.figures)),
        (names::BREAKER.to_owned(), breaker(question)),
        (names::CLUSTER.to_owned(), cluster(question.figures)),
        (names::SCOPE.to_owned(), scope(settings, question)),
        (names::OPT_OUT.to_owned(), opt_out(question)),
        (says.rule.clone(), says.finding),
        (names::AUTONOMY.to_owned(), autonomy(question, says.autonomy, &says.rule)),
        (names::UPGRADE.to_owned(), lately::upgrade(question)),
        (names::COOLDOWN.to_owned(), lately::cooldown(settings, question)),
        (names::ERROR_BUDGET.to_owned(), lately::error_budget(settings, question)),
        (names::CONTROL_PLANE.to_owned(), control_plane(settings, question)),
        (names::AUTOSCALER.to_owned(), autoscaler(question)),
        (names::BLAST_RADIUS.to_owned(), pods::blast_radius(settings, question)),
        (names::EVICTION.to_owned(), pods::eviction(question)),
        (names::PLAN_SIZE.to_owned(), plan_size(settings, question)),
    ];
    let mut decided = (Approval::Auto, says.rule.clone());
    let mut why = String::new();
    for (name, finding) in &asked {
        match finding {
            Refuses(reason) => {
                decided = (Approval::Deny, name.clone());
                why.clone_from(reason);
                break;
            }
            // Where a person has to agree, the policy does not say who else may answer for one.
            Raises(approval, reason)
                if *approval > decided.0
                    || (*approval == decided.0 && says.is_lenient && *name != says.rule) =>
            {
                decided = (*approval, name.clone());
                why.clone_from(reason);
            }
            Passes(reason) if why.is_empty() && *name == says.rule => why.clone_from(reason),
            Raises(..) | Passes(_) => {}
        }
    }
    let rules = asked.drain(..).map(|(name, finding)| finding.verdict(&name)).collect();
    Ruling { approval: decided.0, rule: decided.1, why, rules }
}

/// Whether what this rule refuses may be allowed later without anybody changing the plan, the policy or the object: a
/// workflow that was accepted then waits instead of ending.
pub fn passes_by_itself(rule: &str) -> bool {
    matches!(
        rule,
        names::KILL_SWITCH
            | names::BREAKER
            | names::ERROR_BUDGET
            | names::UPGRADE
            | names::COOLDOWN
            | names::CONCURRENCY
            | names::TARGET_LOCK
    )
}

pub(super) fn acting(settings: &Settings) -> Finding {
    if settings.is_enabled {
        Passes("this aiops may act".to_owned())
    } else {
        let why = "this aiops reads and plans, and changes nothing: acting.enabled is false, or it was started read-only";
        Refuses(why.to_owned())
    }
}

fn granted(settings: &Settings, caller: &Caller) -> Finding {
    match approvals::grant(settings, caller) {
        Ok(why) => Passes(why),
        Err(why) => Refuses(why),
    }
}

pub(super) fn kill_switch(settings: &Settings, question: &Question<'_>, figures: &Figures) -> Finding {
    let age = question.now.saturating_sub(figures.controls_at);
    if age > millis(settings.timing.control_trust) {
        return Refuses(format!(
            "the kill switch could not be read for {} s, which counts as pause; see whether the store answers",
            age / 1_000
        ));
    }
    match figures.kill_switch {
        KillSwitch::Run => Passes("the kill switch says run".to_owned()),
        mode => {
            let back = if figures.kill_switch_is_elsewhere {
                "it is set back in that ConfigMap, by whoever may write it, and not by `aiops control run`"
            } else {
                "it is set back with PUT /api/v1/control or `aiops control run`"
            };
            Refuses(format!("the kill switch says {} ({}); {back}", mode.as_str(), figures.kill_switch_why))
        }
    }
}

/// A storm that is of the cluster itself holds everybody. One of incidents or workloads holds automation: whoever sends
/// alerts must not be able to keep a person from acting.
pub(super) fn breaker(question: &Question<'_>) -> Finding {
    let figures = question.figures;
    match (&figures.breaker, &figures.automation_breaker) {
        (Some(why), _) => Refuses(format!(
            "the storm breaker is open ({why}); it closes by itself when the cluster has been calm"
        )),
        (None, Some(why)) if question.is_automatic() => Refuses(format!(
            "the storm breaker is open for everything automatic ({why}); it closes by itself when the cluster has \
             been calm"
        )),
        (None, Some(why)) => Passes(format!(
            "the storm breaker is open for everything automatic ({why}), and {} ordered this",
            question.caller.name
        )),
        (None, None) => Passes("the storm breaker is closed".to_owned()),
    }
}

pub(super) fn cluster(figures: &Figures) -> Finding {
    match (&figures.cluster, &figures.plan_cluster) {
        (_, None) => Passes("no plan is bound to a cluster yet".to_owned()),
        (None, Some(_)) => Refuses(
            "which cluster this is has not been read yet, so a plan cannot be told to be for it; try again in a moment"
                .to_owned(),
        ),
        (Some(now), Some(then)) if now == then => Passes(format!("the plan is for this cluster ({now})")),
        (Some(now), Some(then)) => Refuses(format!(
            "the plan was made for the cluster {then}, this is {now}; plan again here"
        )),
    }
}

fn scope(settings: &Settings, question: &Question<'_>) -> Finding {
    for namespace in places::of(question) {
        if let Err(why) = in_scope(settings, namespace) {
            return Refuses(why);
        }
    }
    Passes(match settings.namespaces.as_slice() {
        [] => "acting.namespaces is empty: every namespace but our own".to_owned(),
        some => format!("acting.namespaces ({}) names it", some.join(", ")),
    })
}

/// Whether a namespace (empty for objects of the cluster) may be acted in at all.
///
/// # Errors
/// It is our own, or `acting.namespaces` does not name it; in a sentence.
pub fn in_scope(settings: &Settings, namespace: &str) -> Result<(), String> {
    if namespace.is_empty() {
        return Ok(());
    }
    if settings.own_namespace.as_deref() == Some(namespace) {
        return Err(format!("{namespace} is the namespace aiops itself runs in; it does not act there"));
    }
    let named = settings.namespaces.is_empty()
        || settings.namespaces.iter().any(|pattern| matches(pattern, namespace));
    if named {
        return Ok(());
    }
    Err(format!(
        "{namespace} is not among acting.namespaces ({}); add it there to let aiops act in it",
        settings.namespaces.join(", ")
    ))
}

fn opt_out(question: &Question<'_>) -> Finding {
    if let Some(by) = &question.figures.left_alone {
        return Refuses(format!(
            "{by}; remove {} there to let aiops act on it, and trigger again",
            super::OPT_OUT
        ));
    }
    let targets = question.actions.iter().map(|action| action.target());
    for target in targets.chain([&question.problem.target, &question.problem.named]) {
        if let Some(by) = question.figures.of(target).and_then(|facts| facts.opted_out_by.as_deref()) {
            return Refuses(format!(
                "{target} asks to be left alone ({by}); remove {} to let aiops act on it",
                super::OPT_OUT
            ));
        }
    }
    Passes(format!("nothing known carries {}", super::OPT_OUT))
}

/// What the policy says to a plan, over all its words in all its places.
struct PolicySays {
    rule: String,
    finding: Finding,
    autonomy: bool,
    /// Its rule takes answers that may be no person's.
    is_lenient: bool,
}

fn policy_says(settings: &Settings, question: &Question<'_>) -> PolicySays {
    let mut decided: Option<(policy::Says<'_>, &str, &str)> = None;
    let mut autonomy = true;
    let mut met: Vec<policy::Says<'_>> = Vec::new();
    for (namespace, word) in places::words(question) {
        let says = settings.policy.says(namespace, question.problem.severity, word);
        autonomy &= says.autonomy;
        met.push(says);
        if decided.as_ref().is_none_or(|(so_far, ..)| says.is_stricter_than(so_far)) {
            decided = Some((says, namespace, word));
        }
    }
    let Some((says, namespace, word)) = decided else { return unplanned(settings, question) };
    let mut rule = format!("{}/{}", names::POLICY, says.rule);
    // One takes a model's answer and the other an annotation: both together, which is no rule's name, take neither.
    let apart = met.iter().find(|other| other.then == says.then && !other.takes_all_of(&says));
    if let Some(other) = apart {
        rule = format!("{rule} and {}", other.rule);
    }
    let is_lenient = apart.is_none() && (says.elicitation || says.annotation);
    let where_ =
        if namespace.is_empty() { "the cluster".to_owned() } else { format!("namespace {namespace}") };
    let why = format!(
        "{} says {} to {word} in {where_} at severity {}",
        settings.policy.source,
        approval_word(says.then),
        policy::severity_word(question.problem.severity)
    );
    let finding = match says.then {
        Approval::Auto => Passes(why),
        Approval::Deny => Refuses(why),
        raised => Raises(raised, why),
    };
    PolicySays { rule, finding, autonomy, is_lenient }
}

/// Nothing is planned yet: what every action would be refused is refused at once.
fn unplanned(settings: &Settings, question: &Question<'_>) -> PolicySays {
    let namespace = question.problem.target.namespace.as_str();
    let all: Vec<_> = policy::WORDS
        .iter()
        .map(|word| settings.policy.says(namespace, question.problem.severity, word))
        .collect();
    let autonomy = all.iter().any(|says| says.autonomy);
    match all.first() {
        Some(first) if all.iter().all(|says| says.then == Approval::Deny) => PolicySays {
            rule: format!("{}/{}", names::POLICY, first.rule),
            finding: Refuses(format!(
                "{} says deny to everything in {namespace}; `aiops policy show` prints its rules, and policy.file sets them",
                settings.policy.source
            )),
            autonomy,
            is_lenient: false,
        },
        _ => PolicySays {
            rule: names::POLICY.to_owned(),
            finding: Passes("who has to agree is known once the plan is made".to_owned()),
            autonomy,
            is_lenient: false,
        },
    }
}

/// The trait of a plan that writes what a chart or an operator owns. A restart and an eviction write nothing that a
/// chart does; an operator owns the whole object.
pub(super) fn owned_by(question: &Question<'_>) -> Option<&'static str> {
    let writes_spec = |action: &&Action| {
        !matches!(action, Action::RestartWorkload { .. } | Action::EvictPod { .. } | Action::AwaitPool { .. })
    };
    let writes = |action: &&Action| !matches!(action, Action::EvictPod { .. } | Action::AwaitPool { .. });
    match question.method {
        DeployMethod::Helm if question.actions.iter().any(writes_spec) => Some(policy::HELM),
        DeployMethod::Operator if question.actions.iter().any(writes) => Some(policy::OPERATOR),
        _ => None,
    }
}

fn autonomy(question: &Question<'_>, allowed: bool, rule: &str) -> Finding {
    if !question.is_automatic() {
        return Passes(format!("{} ordered it", question.caller.name));
    }
    if allowed {
        Passes(format!("{rule} lets an incident trigger it by itself"))
    } else {
        Refuses(
            "no policy entry lets an incident trigger this by itself (autonomy = true); trigger it explicitly"
                .to_owned(),
        )
    }
}

fn control_plane(settings: &Settings, question: &Question<'_>) -> Finding {
    let nodes = question
        .actions
        .iter()
        .filter(|action| matches!(action, Action::CordonNode { .. } | Action::UncordonNode { .. }));
    for action in nodes {
        let facts = question.figures.of(action.target());
        let is_one = facts.and_then(|facts| facts.is_control_plane) == Some(true);
        if is_one && !settings.limits.may_touch_control_plane {
            return Refuses(format!(
                "{} belongs to the control plane (acting.limits.mayTouchControlPlane)",
                action.target()
            ));
        }
    }
    Passes("no node of the control plane is touched".to_owned())
}

fn autoscaler(question: &Question<'_>) -> Finding {
    for action in question.actions {
        let Action::ScaleWorkload { target, .. } = action else { continue };
        if let Some(owner) = question.figures.of(target).and_then(|facts| facts.autoscaler.as_deref()) {
            return Refuses(format!(
                "{owner} owns the number of replicas of {target}; change its bounds instead"
            ));
        }
    }
    Passes("no autoscaler owns what is scaled".to_owned())
}

fn plan_size(settings: &Settings, question: &Question<'_>) -> Finding {
    let limits = &settings.limits;
    let steps = question.actions.len();
    if u32::try_from(steps).is_ok_and(|steps| steps > limits.steps) || u32::try_from(steps).is_err() {
        return Refuses(format!(
            "the plan has {steps} steps, at most {} are allowed; order it in parts",
            limits.steps
        ));
    }
    match question.figures.plan_bytes {
        Some(bytes) if bytes > limits.plan_bytes => Refuses(format!(
            "the plan has {bytes} bytes, at most {} are allowed; order it in parts",
            limits.plan_bytes
        )),
        _ => Passes(format!("{steps} of at most {} steps", limits.steps)),
    }
}
