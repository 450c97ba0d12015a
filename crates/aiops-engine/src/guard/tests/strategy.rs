//! Replicas that come and go, and workloads that keep no pod serving while they change.

use super::*;

fn web() -> Target {
    Target::known("Deployment", "shop", "web")
}

fn scale(now: Option<u32>, replicas: u32) -> World {
    let mut world = World::doing(Action::ScaleWorkload { target: web(), replicas });
    world.fact(&web()).replicas = now;
    world
}

#[test]
fn nobody_scales_to_nothing_or_without_bound_alone() {
    for (now, replicas) in
        [(Some(1), 2), (Some(2), 10), (Some(8), 16), (Some(0), 10), (Some(10), 8), (None, 10)]
    {
        scale(now, replicas).auto();
    }
    for (now, replicas, part) in [
        (Some(1), 0, "from 1 to 0 takes it out of service"),
        (None, 0, "from what it has to 0"),
        (Some(4), 100_000, "from 4 to 100000 is more than 10 (twice what it has, or 10)"),
        (Some(8), 17, "more than 16"),
        (Some(0), 11, "more than 10"),
        (None, 11, "more than 10"),
        (Some(10), 7, "takes away more than 2 at a time"),
    ] {
        let ruling = scale(now, replicas).is(Approval::Approve, names::BLAST_RADIUS);
        assert!(ruling.why.contains(part), "{part}: {}", ruling.why);
    }
}

#[test]
fn somebody_agrees_before_all_pods_of_a_workload_go_at_once() {
    let going = |action: Action, pods: Option<u32>| {
        let mut world = World::doing(action);
        world.settings.policy.rules.retain(|rule| rule.name == "ordinary");
        world.fact(&web()).takes_down = pods;
        world
    };
    for action in [
        Action::RestartWorkload { target: web() },
        Action::RollbackWorkload { target: web(), revision: 1, source: "web-1".to_owned() },
    ] {
        going(action.clone(), None).auto();
        // The only pod is a share that may always go.
        going(action.clone(), Some(1)).auto();
        let ruling = going(action, Some(3)).is(Approval::Approve, names::BLAST_RADIUS);
        assert!(
            ruling.why.contains("takes all 3 ready pods down at once, more than 20 % of them"),
            "{}",
            ruling.why
        );
    }
}
