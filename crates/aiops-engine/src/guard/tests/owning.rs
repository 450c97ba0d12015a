//! What somebody owns by the time of a step, and what a trigger can say before a plan is made.

use serde_json::json;

use super::*;

/// A Deployment with these marks.
fn marked(metadata: Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": {"template": {}},
    });
    for (key, value) in metadata.as_object().unwrap() {
        object["metadata"][key] = value.clone();
    }
    object
}

#[test]
fn what_an_owner_took_over_since_the_plan_was_made_is_not_written() {
    let web = || Target::known("Deployment", "shop", "web");
    let restart = World::doing(Action::RestartWorkload { target: web() });
    let scale = World::doing(Action::ScaleWorkload { target: web(), replicas: 3 });
    let argo =
        marked(json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}));
    let flux = marked(json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}));
    let olm = marked(json!({"labels": {"olm.owner": "web.v1", "olm.owner.kind": "ClusterServiceVersion"}}));
    let operator = marked(json!({"ownerReferences": [
        {"apiVersion": "acme.io/v1", "kind": "Shop", "name": "one", "uid": "u", "controller": true}]}));
    for (owner, object) in [("Argo CD", &argo), ("Flux", &flux), ("OLM", &olm), ("Shop", &operator)] {
        for world in [&restart, &scale] {
            let refused = world.step(object).unwrap_err();
            assert_eq!(refused.rule, names::OWNER, "{owner}");
            assert!(refused.why.contains(owner), "{owner}: {}", refused.why);
        }
    }
    // A chart owns what it sets, and a restart is nothing that it does.
    let helm = marked(json!({"annotations": {"meta.helm.sh/release-name": "web"}}));
    assert_eq!(restart.step(&helm), Ok(()));
    assert_eq!(scale.step(&helm).unwrap_err().rule, names::OWNER);
    for world in [&restart, &scale] {
        assert_eq!(world.step(&marked(json!({}))), Ok(()));
    }
}

#[test]
fn a_trigger_says_whether_its_plan_will_wait_for_somebody() {
    let of = |issue: &str, kind: &str, method| {
        let world = World::with(|w| {
            w.problem.issue = issue.to_owned();
            w.problem.target = Target::known(kind, "shop", "web");
        });
        foresee(&world.settings, &world.problem, method)
    };
    use DeployMethod::{Argocd, Helm, Manual, Operator, Unknown};
    for (issue, kind, method, want) in [
        // Back to a good revision, or a restart: both are the default policy's `auto`.
        ("crash_loop", "Deployment", Manual, Foreseen::Acts),
        ("rollout_stuck", "DaemonSet", Manual, Foreseen::Acts),
        // The release goes back with an approval, a restart needs none.
        ("crash_loop", "Deployment", Helm, Foreseen::MayWait),
        ("image_pull", "Deployment", Helm, Foreseen::Waits),
        ("crash_loop", "Deployment", Operator, Foreseen::Waits),
        ("crash_loop", "Deployment", Argocd, Foreseen::MayWait),
        ("out_of_sync", "Application", Argocd, Foreseen::Acts),
        ("cpu_throttling", "Deployment", Manual, Foreseen::Waits),
        ("oom_kill", "Deployment", Manual, Foreseen::MayWait),
        ("high_cpu", "Deployment", Manual, Foreseen::Acts),
        ("job_stuck", "Job", Manual, Foreseen::Waits),
        ("node_drain", "Node", Unknown, Foreseen::Waits),
        ("crash_loop", "Deployment", Unknown, Foreseen::MayWait),
        // Nothing is known that would fit.
        ("pvc_lost", "PersistentVolumeClaim", Unknown, Foreseen::MayWait),
    ] {
        assert_eq!(of(issue, kind, method), want, "{issue} on a {kind}, {method:?}");
    }
}

#[test]
fn every_remedy_has_its_words_and_they_are_the_policys() {
    for remedy in crate::remedies::REMEDIES {
        let kinds = ["Deployment", "Job", "Node", "Application"];
        let known: Vec<_> = kinds
            .iter()
            .filter_map(|kind| crate::remedies::words(remedy.name(), kind, DeployMethod::Unknown))
            .flatten()
            .collect();
        assert!(!known.is_empty(), "{}", remedy.name());
        for word in known {
            assert!(policy::WORDS.contains(&word), "{}: {word}", remedy.name());
        }
    }
}

/// A policy in which two people have to agree to anything in `payments`, and nothing may be done in `vault`.
fn by_namespace(world: &mut World) {
    let rule = |name: &str, namespace: &str, then| PolicyRule {
        name: name.to_owned(),
        namespaces: vec![namespace.to_owned()],
        severities: Vec::new(),
        actions: Vec::new(),
        then,
        autonomy: false,
        elicitation: false,
        annotation: false,
    };
    let first = [rule("money", "payments", Approval::TwoPerson), rule("keys", "vault", Approval::Deny)];
    world.settings.policy.rules.splice(0..0, first);
}

fn application() -> Target {
    Target::known("Application", "argocd", "pay")
}

#[test]
fn who_acts_through_an_owner_elsewhere_asks_the_policy_of_where_the_trouble_is() {
    for (action, method) in [
        (Action::SyncApplication { target: application() }, DeployMethod::Argocd),
        (Action::NudgeOperator { target: Target::new("acme.io", "Shop", "", "one") }, DeployMethod::Operator),
    ] {
        let world = |namespace: &str| {
            World::with(|w| {
                by_namespace(w);
                w.problem.target = Target::known("Deployment", namespace, "web");
                w.actions = vec![action.clone()];
                w.method = method;
            })
        };
        let asked = world("payments").is(Approval::TwoPerson, "policy/money");
        assert!(asked.why.contains("in namespace payments"), "{}", asked.why);
        world("vault").refused("policy/keys", "in namespace vault");
        assert_eq!(world("vault").step(&json!({})).unwrap_err().rule, "policy/keys", "{action:?}");
        assert_eq!(world("payments").step(&json!({})), Ok(()), "{action:?}");
    }
}

#[test]
fn an_application_is_judged_by_every_namespace_that_it_deploys_to() {
    let sync = Action::SyncApplication { target: application() };
    let world = |namespaces: &[&str]| {
        let mut world = World::doing(sync.clone());
        by_namespace(&mut world);
        world.fact(&application()).deploys_to = namespaces.iter().map(|n| (*n).to_owned()).collect();
        world
    };
    world(&["shop"]).auto();
    world(&["shop", "payments"]).is(Approval::TwoPerson, "policy/money");
    world(&["payments", "vault"]).refused("policy/keys", "sync-application in namespace vault");
    world(&["shop", "kube-system"]).refused("policy/system-namespaces", "kube-system");
    let mut narrow = world(&["shop", "other"]);
    narrow.settings.namespaces = vec!["argocd".to_owned(), "shop".to_owned()];
    narrow.refused(names::SCOPE, "other is not among acting.namespaces");
    // What it deploys by the time of the step counts, too.
    let fresh = json!({"spec": {"destination": {"namespace": "shop"}},
        "status": {"resources": [{"kind": "Deployment", "namespace": "shop"}, {"kind": "Secret", "namespace": "vault"},
            {"kind": "ClusterRole"}]}});
    let quiet = world(&["shop"]);
    assert_eq!(quiet.step(&fresh).unwrap_err().rule, "policy/keys");
    let elsewhere = json!({"spec": {"destination": {"namespace": "vault"}}});
    assert_eq!(quiet.step(&elsewhere).unwrap_err().rule, "policy/keys");
    assert_eq!(quiet.step(&json!({"spec": {"destination": {"namespace": "shop"}}})), Ok(()));
    narrow.figures.facts.clear();
    assert_eq!(narrow.step(&fresh).unwrap_err().rule, names::SCOPE);
}

#[test]
fn a_trigger_does_not_promise_to_act_where_an_owners_namespace_may_say_otherwise() {
    let foreseen = |change: fn(&mut World)| {
        let mut world = World::with(|w| {
            w.problem.issue = "crash_loop".to_owned();
            w.problem.target = Target::known("Deployment", "shop", "web");
        });
        world.settings.policy.rules.retain(|rule| rule.name == "ordinary");
        world.settings.policy.rules[0].actions.push("rollback-application".to_owned());
        change(&mut world);
        foresee(&world.settings, &world.problem, DeployMethod::Argocd)
    };
    assert_eq!(foreseen(|_| {}), Foreseen::Acts);
    assert_eq!(foreseen(by_namespace), Foreseen::MayWait);
}
