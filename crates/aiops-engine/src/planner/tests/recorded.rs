//! What is planned for the outage of the demo, on objects that a real API server and its controllers made.

use super::super::{
    fixtures::{World, problem},
    *,
};

/// The moment of the recording.
const AT: &str = "2026-11-27T11:04:41Z";

fn named(kind: &str, namespace: &str, name: &str, issue: &str) -> Problem {
    let mut problem = problem(kind, name, issue);
    problem.target.namespace = namespace.to_owned();
    problem.named.namespace = namespace.to_owned();
    problem
}

#[tokio::test]
async fn every_outage_of_the_demo_gets_its_remedy_or_none() {
    let engine = World::recorded().engine_at(AT);
    for (kind, namespace, name, issue, want) in [
        ("Deployment", "shop", "checkout", "crash_loop", "rollback-to-good-revision"),
        ("Deployment", "shop", "checkout", "deployment_unavailable", "rollback-to-good-revision"),
        ("Deployment", "shop", "frontend", "image_pull", "rollback-to-good-revision"),
        ("Deployment", "shop", "promotions", "container_config", "rollback-to-good-revision"),
        ("Deployment", "payments", "payments-worker", "oom_kill", "raise-memory-limit"),
        ("Node", "", "node-b2", "node_cordoned", "uncordon-node"),
        ("Node", "", "node-b2", "node_drain", "none"),
        ("Node", "", "node-c2", "node_not_ready", "none"),
        ("Node", "", "node-c2", "node_cordoned", "none"),
        ("Deployment", "kube-system", "metrics-server", "pod_unschedulable", "none"),
        ("Deployment", "marketing", "landing-page", "quota_exceeded", "none"),
        ("Job", "shop", "search-reindex", "pod_unschedulable", "none"),
        ("Job", "shop", "search-reindex", "job_stuck", "none"),
        ("PodDisruptionBudget", "payments", "payments-db", "pdb_deadlock", "none"),
        ("CronJob", "payments", "settlement-export", "job_failed", "none"),
        ("Service", "shop", "checkout", "service_without_endpoints", "none"),
        ("Deployment", "shop", "catalog", "image_pull", "none"),
    ] {
        let of = named(kind, namespace, name, issue);
        let planned = super::planned(&engine, &of, &Order::default()).await.unwrap();
        let (remedy, why) = match &planned {
            Planned::Plan(plan) => (plan.remedy.as_str(), plan.why.as_str()),
            Planned::NoRemedy { why } => ("none", why.as_str()),
        };
        assert_eq!(remedy, want, "{issue} on {}: {why}", of.target);
    }
}

#[tokio::test]
async fn checkout_goes_back_to_the_revision_that_served() {
    let engine = World::recorded().engine_at(AT);
    let of = named("Deployment", "shop", "checkout", "crash_loop");
    let Planned::Plan(plan) = super::planned(&engine, &of, &Order::default()).await.unwrap() else {
        panic!("no plan")
    };
    assert!(
        matches!(&plan.steps[0].action, Action::RollbackWorkload { revision: 2, .. }),
        "{:?}",
        plan.steps
    );
    assert!(plan.steps[0].description.contains("checkout:2.13.1"), "{}", plan.steps[0].description);
    assert!(plan.why.contains("was available until then"), "{}", plan.why);
}
