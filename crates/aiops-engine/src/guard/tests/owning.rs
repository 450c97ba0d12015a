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
