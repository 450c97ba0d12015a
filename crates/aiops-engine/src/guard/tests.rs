//! Each rule fires and stays quiet, and says with which figures.

use serde_json::{Value, json};

use super::*;
use crate::{
    coordination::{Decision, PolicyRule},
    issue::Severity,
    model::{
        action::{Release, Resources},
        caller::Via,
        ids::{ApprovalId, IncidentId, WorkflowId},
        phase::Phase,
        target::Target,
        workflow::{ApprovalRecord, ApprovalState, Order, Workflow},
    },
    ports::store::{Control, Cooldown, Write},
    settings::{Limits, Policy, Settings, policy},
};

const MINUTE: Millis = 60_000;
const NOW: Millis = 1_800_000_000_000;

mod approving;
mod between;
mod owning;
mod strategy;
mod verdicts;

/// A question about one Deployment, to be changed by a test.
struct World {
    settings: Settings,
    figures: Figures,
    caller: Caller,
    problem: Problem,
    actions: Vec<Action>,
    method: DeployMethod,
    is_multi_layer: bool,
    is_explicit: bool,
}

impl World {
    fn new() -> Self {
        let target = Target::known("Deployment", "shop", "web");
        let problem = Problem {
            issue: "crash_loop".to_owned(),
            severity: Severity::High,
            description: String::new(),
            named: target.clone(),
            target: target.clone(),
        };
        Self {
            settings: Settings::default(),
            figures: Figures {
                controls_at: NOW,
                cluster: Some("c".to_owned()),
                plan_cluster: Some("c".to_owned()),
                ..Figures::default()
            },
            caller: Caller::identified("ann", vec!["sre".to_owned()], Via::Rest),
            problem,
            actions: vec![Action::RestartWorkload { target }],
            method: DeployMethod::Manual,
            is_multi_layer: false,
            is_explicit: true,
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut world = Self::new();
        change(&mut world);
        world
    }

    fn doing(action: Action) -> Self {
        Self::with(|w| {
            w.problem.target = action.target().clone();
            w.problem.named = action.target().clone();
            w.actions = vec![action];
        })
    }

    fn automatic(mut self) -> Self {
        self.caller = Caller::system(Via::Alert);
        self.is_explicit = false;
        for rule in &mut self.settings.policy.rules {
            rule.autonomy = true;
        }
        self
    }

    fn fact(&mut self, target: &Target) -> &mut Facts {
        self.figures.facts.entry(target.key()).or_default()
    }

    fn ask<R>(&self, ask: impl FnOnce(&Question<'_>) -> R) -> R {
        let actions: Vec<&Action> = self.actions.iter().collect();
        ask(&Question {
            caller: &self.caller,
            problem: &self.problem,
            actions: &actions,
            method: self.method,
            is_multi_layer: self.is_multi_layer,
            is_explicit: self.is_explicit,
            now: NOW,
            figures: &self.figures,
        })
    }

    fn rule(&self) -> Ruling {
        self.ask(|question| rule(&self.settings, question))
    }

    fn step(&self, fresh: &Value) -> Result<(), RuleVerdict> {
        self.ask(|question| may_step(&self.settings, question, fresh))
    }

    #[track_caller]
    fn is(&self, approval: Approval, rule: &str) -> Ruling {
        let ruling = self.rule();
        assert_eq!((ruling.approval, ruling.rule.as_str()), (approval, rule), "{ruling:#?}");
        assert!(!ruling.why.is_empty(), "{ruling:#?}");
        assert_eq!(
            ruling.rules.iter().any(|verdict| !verdict.passes),
            approval == Approval::Deny,
            "{ruling:#?}"
        );
        ruling
    }

    #[track_caller]
    fn refused(&self, rule: &str, part: &str) {
        let ruling = self.is(Approval::Deny, rule);
        assert!(ruling.why.contains(part), "{part:?} is missing in {}", ruling.why);
    }

    #[track_caller]
    fn auto(&self) {
        self.is(Approval::Auto, "policy/ordinary");
    }
}

fn pod(name: &str) -> Target {
    Target::known("Pod", "shop", name)
}

fn evict(name: &str) -> Action {
    Action::EvictPod { target: pod(name) }
}

fn release() -> Release {
    Release { name: "web".to_owned(), namespace: "shop".to_owned(), from: 3, to: 2 }
}

#[test]
fn the_default_table_is_that_of_the_design() {
    let web = || Target::known("Deployment", "shop", "web");
    let node = || Target::known("Node", "", "worker-1");
    let app = || Target::known("Application", "argocd", "web");
    for (action, want) in [
        (Action::RestartWorkload { target: web() }, Approval::Auto),
        (Action::ScaleWorkload { target: web(), replicas: 5 }, Approval::Auto),
        (Action::RollbackWorkload { target: web(), revision: 1, source: "x".to_owned() }, Approval::Auto),
        (evict("web-1"), Approval::Auto),
        (Action::SyncApplication { target: app() }, Approval::Auto),
        (Action::AwaitPool { target: Target::known("MachineConfigPool", "", "worker") }, Approval::Auto),
        (
            Action::SetResources {
                target: web(),
                container: "app".to_owned(),
                resources: Resources::default(),
            },
            Approval::Approve,
        ),
        (Action::DeletePod { target: pod("job-1") }, Approval::Approve),
        (Action::CordonNode { target: node() }, Approval::Approve),
        (Action::UncordonNode { target: node() }, Approval::Approve),
        (Action::RollbackApplication { target: app(), history: 1 }, Approval::Approve),
        (Action::RevertManifest { target: web(), release: release() }, Approval::Approve),
        (
            Action::RecordRelease { target: Target::known("Secret", "shop", "s"), release: release() },
            Approval::Approve,
        ),
        (Action::NudgeOperator { target: Target::new("x.io", "Thing", "shop", "t") }, Approval::Approve),
    ] {
        let ordinary = World::doing(action.clone()).rule();
        assert_eq!(ordinary.approval, want, "{action:?}: {ordinary:#?}");
        if action.target().namespace.is_empty() {
            continue;
        }
        for namespace in ["kube-system", "kube-public", "openshift-ingress", "openshift"] {
            let mut world = World::doing(action.clone());
            world.problem.target.namespace = namespace.to_owned();
            let moved = serde_json::to_value(&action).unwrap();
            let mut moved = moved;
            moved["target"]["namespace"] = json!(namespace);
            world.actions = vec![serde_json::from_value(moved).unwrap()];
            world.is(Approval::Deny, "policy/system-namespaces");
        }
    }
}

#[test]
fn multi_layer_helm_and_operator_plans_need_an_approval() {
    World::with(|w| w.is_multi_layer = true).is(Approval::Approve, "policy/with-approval");
    let web = || Target::known("Deployment", "shop", "web");
    let by = |method, action| {
        let mut world = World::doing(action);
        world.method = method;
        world.rule().approval
    };
    let scale = || Action::ScaleWorkload { target: web(), replicas: 2 };
    let restart = || Action::RestartWorkload { target: web() };
    assert_eq!(by(DeployMethod::Helm, scale()), Approval::Approve);
    assert_eq!(by(DeployMethod::Helm, restart()), Approval::Auto);
    assert_eq!(by(DeployMethod::Operator, restart()), Approval::Approve);
    assert_eq!(by(DeployMethod::Operator, evict("web-1")), Approval::Auto);
    assert_eq!(by(DeployMethod::Manual, scale()), Approval::Auto);
}

#[test]
fn the_strictest_of_all_actions_decides() {
    let world = World::with(|w| {
        w.actions.push(Action::CordonNode { target: Target::known("Node", "", "n") });
    });
    world.is(Approval::Approve, "policy/with-approval");
    let world = World::with(|w| {
        w.actions.push(Action::RestartWorkload { target: Target::known("DaemonSet", "kube-system", "dns") });
    });
    world.is(Approval::Deny, "policy/system-namespaces");
}

#[test]
fn the_first_rule_that_matches_decides_and_what_none_matches_needs_an_approval() {
    let rule = |name: &str, namespaces: &[&str], severities: &[&str], actions: &[&str], then| PolicyRule {
        name: name.to_owned(),
        namespaces: namespaces.iter().map(|s| (*s).to_owned()).collect(),
        severities: severities.iter().map(|s| (*s).to_owned()).collect(),
        actions: actions.iter().map(|s| (*s).to_owned()).collect(),
        then,
        autonomy: false,
        elicitation: false,
        annotation: false,
    };
    let rules = vec![
        rule("night", &["shop"], &["critical"], &[], Approval::Auto),
        rule("shop", &["shop", "web-*"], &[], &["restart-*"], Approval::TwoPerson),
        rule("rest", &["web-*"], &[], &[], Approval::Deny),
    ];
    let policy = Policy { source: "test".to_owned(), rules };
    for (namespace, severity, word, want) in [
        ("shop", Severity::Critical, "cordon-node", ("night", Approval::Auto)),
        ("shop", Severity::High, "restart-workload", ("shop", Approval::TwoPerson)),
        ("web-1", Severity::Critical, "restart-workload", ("shop", Approval::TwoPerson)),
        ("web-1", Severity::Critical, "evict-pod", ("rest", Approval::Deny)),
        ("other", Severity::Critical, "evict-pod", (policy::REST, Approval::Approve)),
    ] {
        let says = policy.says(namespace, severity, word);
        assert_eq!((says.rule, says.then), want, "{namespace} {word}");
    }
}

#[test]
fn before_a_plan_only_what_no_action_could_do_is_refused() {
    let mut world = World::with(|w| w.actions.clear());
    assert_eq!(world.rule().approval, Approval::Auto);
    world.problem.target.namespace = "kube-system".to_owned();
    world.refused("policy/system-namespaces", "deny to everything");
}

#[test]
fn every_action_and_trait_has_its_word() {
    for action in [
        Action::RestartWorkload { target: pod("x") },
        Action::RecordRelease { target: pod("x"), release: release() },
        Action::AwaitPool { target: pod("x") },
        Action::NudgeOperator { target: pod("x") },
    ] {
        assert!(policy::WORDS.contains(&action.name()), "{}", action.name());
    }
    let unknown: Vec<String> = Policy::default()
        .rules
        .into_iter()
        .flat_map(|rule| rule.actions)
        .filter(|word| !policy::WORDS.contains(&word.as_str()))
        .collect();
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn every_rule_is_explained() {
    let page = include_str!("../../../../docs/errors.md");
    for name in names::ALL {
        let is_there = page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}/NAME`"));
        assert!(is_there, "docs/errors.md does not explain the rule {name}");
    }
    for verdict in World::new().rule().rules {
        let name = verdict.rule.split('/').next().unwrap();
        assert!(names::ALL.contains(&name), "{name} is not in names::ALL");
    }
}
