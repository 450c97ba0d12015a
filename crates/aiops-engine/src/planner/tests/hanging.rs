//! StatefulSets among several objects of one plan: the eviction that frees one comes last, and the change waits for it.

use super::{
    super::fixtures::{World, made, problem},
    *,
};

/// What is done, in order, and whether each step is judged with a later one.
fn told(plan: &Plan) -> Vec<(String, bool)> {
    let line = |step: &crate::model::plan::Step| {
        let what = format!("{} {}", step.action.name(), step.action.target().name);
        (what, is_judged_with_next(plan, step.order))
    };
    plan.steps.iter().map(line).collect()
}

async fn of_two(world: World, first: Problem, second: Problem) -> Plan {
    let order = Order { resources: vec![second], ..Order::default() };
    made(planned(&world.engine(), &first, &order).await.unwrap())
}

#[tokio::test]
async fn a_stateful_set_is_judged_with_its_eviction_though_another_object_is_changed_between() {
    let world = World::crashing().with_set("StatefulSet", "statefulsets", "db");
    let (db, web) = (problem("StatefulSet", "db", "crash_loop"), problem("Deployment", "web", "crash_loop"));
    let plan = of_two(world, db, web).await;
    let steps = told(&plan);
    let steps: Vec<(&str, bool)> = steps.iter().map(|(what, later)| (what.as_str(), *later)).collect();
    // What cannot be undone stays last: no pod is evicted for a plan that turns back at the Deployment.
    assert_eq!(
        steps,
        [("rollback-workload db", true), ("rollback-workload web", false), ("evict-pod db-0", false)]
    );
}

#[tokio::test]
async fn of_two_stateful_sets_each_is_judged_with_its_own_eviction() {
    let both = || {
        let world = World::empty().with_set("StatefulSet", "statefulsets", "db");
        world.with_set("StatefulSet", "statefulsets", "log")
    };
    let named = |name: &str, issue: &str| problem("StatefulSet", name, issue);
    let plan = of_two(both(), named("db", "crash_loop"), named("log", "crash_loop")).await;
    let steps = told(&plan);
    let steps: Vec<(&str, bool)> = steps.iter().map(|(what, later)| (what.as_str(), *later)).collect();
    assert_eq!(
        steps,
        [
            ("rollback-workload db", true),
            ("rollback-workload log", true),
            ("evict-pod db-0", false),
            ("evict-pod log-0", false),
        ]
    );
    // Another set's eviction frees nobody, nor does one of another namespace or of a pod that is named alike.
    let without = |name: &str| {
        let mut plan = plan.clone();
        plan.steps.retain(|step| step.action.target().name != name);
        plan
    };
    assert!(!is_judged_with_next(&without("db-0"), 0) && is_judged_with_next(&without("db-0"), 1));
    assert!(is_judged_with_next(&without("log-0"), 0) && !is_judged_with_next(&without("log-0"), 1));
    for (namespace, name) in [("data", "db-0"), ("shop", "db-log-0")] {
        let mut other = without("log-0");
        other.steps[2].action = Action::EvictPod { target: Target::known("Pod", namespace, name) };
        assert!(!is_judged_with_next(&other, 0), "{namespace}/{name}");
    }
}
