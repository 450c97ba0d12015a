//! What the checks of a plan say of what its steps did not touch themselves.

use serde_json::json;

use super::world::{World, web};
use crate::{
    model::{action::Action, phase::Verdict, target::Target},
    workflow::checks,
};

#[tokio::test]
async fn that_a_pod_is_gone_does_not_say_that_its_workload_is_well() {
    let world = World::new();
    let mut plan = World::plan(vec![Action::EvictPod { target: Target::known("Pod", "shop", "web-1") }]);
    plan.problem.target = web();
    let settled = (Verdict::Passed, "Pod shop/web-1 is gone".to_owned());
    for name in ["pods_running", "deployments_ready"] {
        let (verdict, why) = checks::check(&world.cluster, name, &plan, &settled).await;
        assert_eq!(verdict, Verdict::Unknown, "{name}: {why}");
    }
    world.edit(&web(), |web| {
        web["status"] = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2,
            "availableReplicas": 2});
    });
    let (verdict, why) = checks::check(&world.cluster, "pods_running", &plan, &settled).await;
    assert_eq!(verdict, Verdict::Passed, "{why}");
    // What the steps change themselves has been judged already, and what failed has.
    let own = World::scale(3);
    let said = (Verdict::Unknown, "1 of 3 pods are ready".to_owned());
    assert_eq!(checks::check(&world.cluster, "pods_running", &own, &said).await, said);
    assert_eq!(checks::check(&world.cluster, "pods_running", &plan, &said).await, said);
}
