//! What was accepted is not carried out by a process that may not act: with `acting.enabled = false`, and started read-only.

use std::time::Duration;

use serde_json::{Value, json};

use super::{act, changes, deployment};
use crate::support::{Actor, Dice, Full, Plane};

/// Changes that are ordered; one a second is made.
const ORDERED: usize = 16;

fn is_over(workflow: &Value) -> bool {
    ["completed", "failed", "rolled_back", "cancelled", "refused", "needs_operator"]
        .iter()
        .any(|phase| workflow["phase"] == *phase)
}

/// Before or after it had begun: nothing was done.
fn is_refused(workflow: &Value) -> bool {
    let is_by_rule = workflow["rule"] == "acting" || workflow["reason"].to_string().contains("acting");
    matches!(workflow["phase"].as_str(), Some("refused" | "failed")) && is_by_rule
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_not_carried_out_by_a_process_that_may_not_act() {
    let plane = Plane::apart().await;
    let settings = "acting.limits.raised = true\nacting.limits.workflowsPerNamespace = 100\n\
                    acting.limits.workflowsPerCluster = 100\nacting.limits.budgetPerNamespace = 1000\n\
                    acting.limits.budgetPerCluster = 1000\nacting.limits.mutationsPerSecond = 1\n\
                    acting.limits.mutationBurst = 1";
    for more in ["acting.enabled = false", "mcp.readOnly = true"] {
        let home = tempfile::tempdir().unwrap();
        let actor = Actor::of(&plane, home.path()).await;
        let namespace = plane.namespace(&mut Dice::new()).await;
        for n in 0..ORDERED {
            deployment(&plane, &namespace, &format!("app-{n}"), &[], "64Mi").await;
        }
        let full = Full::start(home.path(), &actor, settings).await;
        full.synced().await;
        let place = plane.audit_end();
        for n in 0..ORDERED {
            let scale = json!({"action": "scale-workload", "replicas": 2});
            act(&full, "ann", &namespace, &format!("app-{n}"), scale).await;
        }
        let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
        while changes(&plane, place, &actor, &namespace).is_empty() {
            assert!(tokio::time::Instant::now() < deadline, "nothing was done");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        full.kill();
        let made = changes(&plane, place, &actor, &namespace).len();
        assert!(made < ORDERED, "nothing was left to do");

        let full = Full::start(home.path(), &actor, &format!("{settings}\n{more}")).await;
        let path = format!("/api/v1/workflows?limit=100&namespace={namespace}");
        let rows = |all: &Value| all["workflows"].as_array().unwrap().clone();
        let all = full.until("ann", &path, "over", |all| rows(all).iter().all(is_over)).await;
        let told: Vec<Value> = rows(&all);
        let completed = told.iter().filter(|workflow| workflow["phase"] == "completed").count();
        // What was sent may be seen to help; what was not is given up, and says by which rule.
        assert!(completed <= made, "{completed} of {made}");
        let refused = told.iter().filter(|workflow| is_refused(workflow)).count();
        println!("{more}: {made} changes before, {completed} completed, {refused} of {} refused", told.len());
        assert!(refused + made >= ORDERED, "{told:#?}");
        assert_eq!(changes(&plane, place, &actor, &namespace).len(), made, "{more}");
        full.kill();
    }
}
