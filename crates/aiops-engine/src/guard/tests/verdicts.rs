//! The rules beside the policy.

use super::*;

#[test]
fn without_acting_nothing_acts() {
    World::with(|w| w.settings.is_enabled = false).refused(names::ACTING, "acting.enabled");
    World::new().auto();
}

#[test]
fn only_who_is_granted_it_triggers() {
    let by = |caller: Caller, granted: &[&str]| {
        World::with(|w| {
            w.caller = caller;
            w.settings.granted_to = granted.iter().map(|g| (*g).to_owned()).collect();
        })
    };
    let ann = || Caller::identified("ann", vec!["sre".to_owned()], Via::Rest);
    by(ann(), &[]).auto();
    by(Caller::anonymous(Via::Mcp), &[]).auto();
    by(ann(), &["bob", "ann"]).auto();
    by(ann(), &["group:sre"]).auto();
    by(ann(), &["bob", "group:dev"]).refused(names::GRANTED_TO, "acting.grantedTo (bob, group:dev)");
    by(Caller::anonymous(Via::Mcp), &["anonymous"]).refused(names::GRANTED_TO, "anonymous");
}

#[test]
fn incidents_trigger_by_themselves_only_where_the_policy_says_so() {
    let alone = |allowed: bool| {
        let mut world = World::new().automatic();
        for rule in &mut world.settings.policy.rules {
            rule.autonomy = allowed;
        }
        world
    };
    alone(true).auto();
    alone(false).refused(names::AUTONOMY, "autonomy = true");
    // Who claims to be explicit and came in with an alert is not.
    let mut world = alone(false);
    world.is_explicit = true;
    world.refused(names::AUTONOMY, "autonomy");
}

#[test]
fn the_kill_switch_stops_and_so_does_not_knowing_it() {
    for (mode, word) in [(KillSwitch::Pause, "pause"), (KillSwitch::Stop, "stop")] {
        let world = World::with(|w| {
            w.figures.kill_switch = mode;
            w.figures.kill_switch_why = "set by bob: change freeze".to_owned();
        });
        world.refused(names::KILL_SWITCH, word);
        world.refused(names::KILL_SWITCH, "change freeze");
        world.refused(names::KILL_SWITCH, "set back with PUT /api/v1/control or `aiops control run`");
        let elsewhere = World::with(|w| {
            w.figures.kill_switch = mode;
            w.figures.kill_switch_is_elsewhere = true;
        });
        elsewhere.refused(names::KILL_SWITCH, "set back in that ConfigMap");
        assert_eq!(world.step(&json!({})).unwrap_err().rule, names::KILL_SWITCH);
        let undo = world.ask(|question| may_undo(&world.settings, question));
        assert_eq!(undo.is_ok(), mode == KillSwitch::Pause, "{undo:?}");
    }
    World::with(|w| w.figures.controls_at = NOW - MINUTE).auto();
    World::with(|w| w.figures.controls_at = NOW - MINUTE - 1)
        .refused(names::KILL_SWITCH, "could not be read");
}

#[test]
fn the_strictest_source_of_the_kill_switch_counts() {
    let control = |name: &str, mode: &str| Control {
        name: name.to_owned(),
        mode: mode.to_owned(),
        reason: None,
        set_by: "bob".to_owned(),
        at: NOW,
    };
    let read = |controls: &[Control]| {
        let mut figures = Figures::default();
        figures.set_controls(controls, NOW);
        figures
    };
    assert_eq!(read(&[]).kill_switch, KillSwitch::Run);
    let both = [control("kill_switch", "run"), control("kill_switch/configmap", "pause")];
    assert_eq!(read(&both).kill_switch, KillSwitch::Pause);
    assert_eq!(read(&[control("kill_switch", "halt")]).kill_switch, KillSwitch::Stop);
    assert_eq!(read(&[control("kill_switches", "stop")]).kill_switch, KillSwitch::Run);
    assert!(read(&[control("breaker", "open")]).breaker.is_some());
    assert!(read(&[control("breaker", "automation")]).automation_breaker.is_some());
    assert_eq!(read(&[control("breaker", "closed")]).breaker, None);
}

#[test]
fn a_storm_of_the_cluster_holds_everybody_and_one_of_incidents_what_is_automatic() {
    let storm = World::with(|w| w.figures.breaker = Some("6 of 10 nodes are not ready".to_owned()));
    storm.refused(names::BREAKER, "6 of 10 nodes");
    assert_eq!(storm.step(&json!({})).unwrap_err().rule, names::BREAKER);
    assert!(storm.ask(|question| may_undo(&storm.settings, question)).is_err());
    let flood = |w: &mut World| w.figures.automation_breaker = Some("40 incidents".to_owned());
    let explicit = World::with(flood);
    explicit.auto();
    assert_eq!(explicit.step(&json!({})), Ok(()));
    let alone = World::with(flood).automatic();
    alone.refused(names::BREAKER, "40 incidents");
    assert_eq!(alone.step(&json!({})).unwrap_err().rule, names::BREAKER);
}

#[test]
fn a_plan_is_for_its_cluster_alone() {
    World::with(|w| w.figures.cluster = Some("d".to_owned())).refused(names::CLUSTER, "cluster c");
    World::with(|w| w.figures.cluster = None).refused(names::CLUSTER, "not been read");
    World::with(|w| (w.figures.cluster, w.figures.plan_cluster) = (None, None)).auto();
}

#[test]
fn namespaces_narrow_what_is_acted_in_and_our_own_is_never() {
    let named = |patterns: &[&str]| {
        World::with(|w| w.settings.namespaces = patterns.iter().map(|p| (*p).to_owned()).collect())
    };
    named(&["sh*"]).auto();
    named(&["web", "other-*"]).refused(names::SCOPE, "acting.namespaces (web, other-*)");
    let own = World::with(|w| w.settings.own_namespace = Some("shop".to_owned()));
    own.refused(names::SCOPE, "aiops itself");
    assert_eq!(own.step(&json!({})).unwrap_err().rule, names::SCOPE);
    // A second object elsewhere counts too.
    let mut two = named(&["shop"]);
    two.actions.push(Action::RestartWorkload { target: Target::known("Deployment", "db", "x") });
    two.refused(names::SCOPE, "db");
}

#[test]
fn who_asks_to_be_left_alone_is() {
    let mut world = World::new();
    let target = world.problem.target.clone();
    world.fact(&target).opted_out_by = Some("its label aiops.io/ignore=true".to_owned());
    world.refused(names::OPT_OUT, "aiops.io/ignore");
    // It may have been written after the plan was allowed, on the namespace, which the object does not show.
    assert_eq!(world.step(&json!({"metadata": {}})).unwrap_err().rule, names::OPT_OUT);
    // What planning read of annotations, which no row holds.
    let mut planned = World::new();
    planned.figures.left_alone = Some("Namespace shop asks to be left alone (annotations)".to_owned());
    planned.refused(names::OPT_OUT, "Namespace shop");
    let world = World::new();
    for place in ["annotations", "labels"] {
        let fresh = |value: &str| json!({"metadata": {place: {"aiops.io/ignore": value}}});
        assert_eq!(world.step(&fresh("true")).unwrap_err().rule, names::OPT_OUT);
        assert_eq!(world.step(&fresh("false")), Ok(()));
    }
}

#[test]
fn during_an_upgrade_a_person_has_to_agree() {
    let upgrading = |w: &mut World| w.figures.upgrading = Some("ClusterVersion goes to 4.19".to_owned());
    World::with(upgrading).is(Approval::Approve, names::UPGRADE);
    World::with(upgrading).automatic().refused(names::UPGRADE, "4.19");
}

#[test]
fn the_same_trouble_rests_and_escalates() {
    let after = |failures, not_before, window_start| {
        World::with(|w| {
            let fingerprint = "f".to_owned();
            w.figures.cooldown = Some(Cooldown { fingerprint, failures, not_before, window_start });
        })
    };
    after(0, NOW, NOW - 10 * MINUTE).auto();
    after(0, NOW + 1, NOW).refused(names::COOLDOWN, "repaired a moment ago");
    after(1, NOW + MINUTE, NOW).refused(names::COOLDOWN, "1 of at most 3");
    after(2, NOW, NOW - 60 * MINUTE).auto();
    after(3, NOW + MINUTE, NOW).is(Approval::Approve, names::COOLDOWN);
    after(3, NOW + MINUTE, NOW).automatic().refused(names::COOLDOWN, "3 workflows");
    // Failures of long ago do not count.
    after(3, NOW, NOW - 361 * MINUTE).auto();
}

#[test]
fn a_cooldown_grows_with_failures_and_begins_anew_after_the_window() {
    let limits = Limits::default();
    let rest = |cooldown: &Cooldown, at| (cooldown.failures, (cooldown.not_before - at) / MINUTE);
    let success = cooldown_after(&limits, None, "f", Phase::Completed, 0).unwrap();
    assert_eq!(rest(&success, 0), (0, 10));
    let first = cooldown_after(&limits, Some(&success), "f", Phase::Failed, 0).unwrap();
    assert_eq!(rest(&first, 0), (1, 30));
    let second = cooldown_after(&limits, Some(&first), "f", Phase::RolledBack, 60 * MINUTE).unwrap();
    assert_eq!(rest(&second, 60 * MINUTE), (2, 120));
    let third = cooldown_after(&limits, Some(&second), "f", Phase::NeedsOperator, 200 * MINUTE).unwrap();
    assert_eq!(rest(&third, 200 * MINUTE), (3, 360));
    assert_eq!(third.window_start, 0);
    let late = cooldown_after(&limits, Some(&second), "f", Phase::Failed, 361 * MINUTE).unwrap();
    assert_eq!(rest(&late, 361 * MINUTE), (1, 30));
    for phase in [Phase::Cancelled, Phase::Refused, Phase::Rejected, Phase::Expired] {
        assert_eq!(cooldown_after(&limits, None, "f", phase, 0), None);
    }
}

#[test]
fn many_failures_pause_what_is_automatic() {
    use Phase::{Cancelled, Completed, Failed, RolledBack};
    let after = |outcomes: &[Phase]| World::with(|w| w.figures.outcomes = outcomes.to_vec());
    after(&[Failed, Failed, Failed, Failed]).auto();
    after(&[Failed, Failed, Completed, Completed, Completed]).auto();
    let spent = [Failed, RolledBack, Failed, Completed, Completed, Cancelled];
    after(&spent).is(Approval::Approve, names::ERROR_BUDGET);
    after(&spent).automatic().refused(names::ERROR_BUDGET, "3 of the last 5");
    // Also between two steps; a person's order goes on.
    assert_eq!(after(&spent).step(&json!({})), Ok(()));
    let held = after(&spent).automatic().step(&json!({})).unwrap_err();
    assert!(held.rule == names::ERROR_BUDGET && passes_by_itself(&held.rule), "{held:?}");
    assert_eq!(after(&[Failed, Completed]).automatic().step(&json!({})), Ok(()));
}

#[test]
fn nodes_of_the_control_plane_stay() {
    let node = Target::known("Node", "", "cp-1");
    let mut world = World::doing(Action::CordonNode { target: node.clone() });
    world.is(Approval::Approve, "policy/with-approval");
    world.fact(&node).is_control_plane = Some(true);
    world.refused(names::CONTROL_PLANE, "cp-1");
    let fresh = json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}});
    assert_eq!(world.step(&fresh).unwrap_err().rule, names::CONTROL_PLANE);
    assert_eq!(world.step(&json!({"metadata": {"labels": {}}})), Ok(()));
    world.settings.limits.may_touch_control_plane = true;
    world.is(Approval::Approve, "policy/with-approval");
    assert_eq!(world.step(&fresh), Ok(()));
}

#[test]
fn an_autoscaler_keeps_its_replicas() {
    let web = Target::known("Deployment", "shop", "web");
    let mut world = World::doing(Action::ScaleWorkload { target: web.clone(), replicas: 4 });
    world.auto();
    world.fact(&web).autoscaler = Some("HorizontalPodAutoscaler shop/web".to_owned());
    world.refused(names::AUTOSCALER, "HorizontalPodAutoscaler shop/web");
    assert_eq!(world.step(&json!({})).unwrap_err().rule, names::AUTOSCALER);
}

#[test]
fn no_more_than_a_share_is_taken_away_at_a_time() {
    let web = Target::known("Deployment", "shop", "web");
    let scale = |from, to| {
        let mut world = World::doing(Action::ScaleWorkload { target: web.clone(), replicas: to });
        world.fact(&web).replicas = Some(from);
        world
    };
    scale(10, 8).auto();
    scale(10, 20).auto();
    scale(2, 1).auto();
    scale(10, 7).is(Approval::Approve, names::BLAST_RADIUS);
    scale(2, 0).is(Approval::Approve, names::BLAST_RADIUS);
    let evictions = |pods: usize, replicas| {
        let mut world = World::new();
        world.actions = (0..pods).map(|n| evict(&format!("web-{n}"))).collect();
        for n in 0..pods {
            *world.fact(&pod(&format!("web-{n}"))) = Facts {
                owner_kind: Some("Deployment".to_owned()),
                owner_name: Some("web".to_owned()),
                replicas: Some(replicas),
                has_budget: Some(true),
                ..Facts::default()
            };
        }
        world
    };
    evictions(2, 10).auto();
    evictions(1, 1).auto();
    evictions(3, 10).refused(names::BLAST_RADIUS, "3 of 10 pods");
    evictions(10, 100).auto();
    evictions(11, 100).refused(names::BLAST_RADIUS, "11 pods, at most 10");
}

#[test]
fn pods_that_have_to_stay_are_not_evicted() {
    let with = |change: fn(&mut Facts)| {
        let mut facts = Facts {
            owner_kind: Some("Deployment".to_owned()),
            replicas: Some(3),
            has_budget: Some(false),
            ..Facts::default()
        };
        change(&mut facts);
        let mut world = World::doing(evict("web-1"));
        *world.fact(&pod("web-1")) = facts;
        world
    };
    with(|_| {}).auto();
    with(|f| f.priority_class = Some("shop-high".to_owned())).auto();
    with(|f| (f.replicas, f.has_budget) = (Some(1), Some(true))).auto();
    // Budgets that could not be read say nothing for it.
    with(|f| (f.replicas, f.has_budget) = (Some(1), None)).refused(names::EVICTION, "could not be read");
    with(|f| (f.replicas, f.has_budget) = (Some(2), None)).auto();
    with(|f| f.priority_class = Some("system-node-critical".to_owned()))
        .refused(names::EVICTION, "system-node-critical");
    with(|f| f.owner_kind = Some("DaemonSet".to_owned())).refused(names::EVICTION, "DaemonSet");
    with(|f| f.owner_kind = Some(String::new())).refused(names::EVICTION, "no controller");
    let losing = with(|f| f.has_local_storage = Some(true)).is(Approval::Approve, names::BLAST_RADIUS);
    assert!(losing.why.contains("Pod shop/web-1 keep in emptyDir volumes is lost"), "{}", losing.why);
    with(|f| f.replicas = Some(1)).refused(names::EVICTION, "the only one");
    with(|f| (f.replicas, f.is_ready) = (Some(1), Some(true))).refused(names::EVICTION, "the only one");
    // The only pod, when it serves nobody anyway.
    let hanging = with(|f| (f.replicas, f.is_ready) = (Some(1), Some(false)));
    hanging.auto();
    let fresh = |ready: &str| {
        json!({
            "metadata": {"ownerReferences": [{"kind": "ReplicaSet", "controller": true}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        })
    };
    assert_eq!(hanging.step(&fresh("False")), Ok(()));
    assert_eq!(hanging.step(&fresh("True")).unwrap_err().rule, names::EVICTION, "it is ready by now");
    // The fresh pod speaks where memory was silent.
    let owned = |kind: &str| json!({"metadata": {"ownerReferences": [{"kind": kind, "controller": true}]}, "spec": {}});
    let unknown = World::doing(evict("web-1"));
    unknown.auto();
    assert_eq!(unknown.step(&owned("ReplicaSet")), Ok(()));
    assert_eq!(unknown.step(&owned("DaemonSet")).unwrap_err().rule, names::EVICTION);
    assert_eq!(unknown.step(&json!({"metadata": {}})).unwrap_err().rule, names::EVICTION);
    let critical = json!({
        "metadata": {"ownerReferences": [{"kind": "ReplicaSet", "controller": true}]},
        "spec": {"priorityClassName": "system-cluster-critical"},
    });
    assert_eq!(unknown.step(&critical).unwrap_err().rule, names::EVICTION);
    let delete = World::doing(Action::DeletePod { target: pod("job-1") });
    assert_eq!(delete.step(&owned("Job")), Ok(()));
    assert_eq!(delete.step(&owned("ReplicaSet")).unwrap_err().rule, names::EVICTION);
}

#[test]
fn a_policy_that_denies_by_now_stops_the_step() {
    let mut world = World::new();
    assert_eq!(world.step(&json!({})), Ok(()));
    world.settings.policy.rules[0].namespaces = vec!["shop".to_owned()];
    assert_eq!(world.step(&json!({})).unwrap_err().rule, "policy/system-namespaces");
}

#[test]
fn plans_have_a_size() {
    let steps = |n: usize| World::with(|w| w.actions = vec![w.actions[0].clone(); n]);
    steps(50).auto();
    steps(51).refused(names::PLAN_SIZE, "51 steps");
    World::with(|w| w.figures.plan_bytes = Some(65_536)).auto();
    World::with(|w| w.figures.plan_bytes = Some(65_537)).refused(names::PLAN_SIZE, "65537 bytes");
}

#[test]
fn what_waiting_helps_against_is_told_apart() {
    let world = World::with(|w| w.figures.breaker = Some("storm".to_owned()));
    assert!(passes_by_itself(&world.rule().rule));
    for rule in [names::ACTING, names::SCOPE, names::OPT_OUT, names::EVICTION, "policy/system-namespaces"] {
        assert!(!passes_by_itself(rule), "{rule}");
    }
}

#[test]
fn places_and_budgets_are_taken_per_cluster_namespace_and_for_nodes() {
    let limits = Limits::default();
    let actions = [
        Action::CordonNode { target: Target::known("Node", "", "n") },
        evict("b"),
        Action::EvictPod { target: Target::known("Pod", "app", "a") },
        evict("c"),
    ];
    let slot = |scope: &str, max| Write::Slot { scope: scope.to_owned(), max };
    assert_eq!(
        slots(&limits, &actions),
        [slot("cluster", 5), slot("nodes", 1), slot("namespace/app", 1), slot("namespace/shop", 1)]
    );
    let spend = |scope: &str, bucket, max| Write::Spend { scope: scope.to_owned(), bucket, max };
    let at = 25 * MINUTE;
    assert_eq!(spends(&limits, &pod("a"), at), [spend("cluster", 2, 20), spend("namespace/shop", 2, 5)]);
    assert_eq!(spends(&limits, actions[0].target(), at), [spend("cluster", 2, 20)]);
}

#[test]
fn what_the_store_would_say_is_told_before() {
    let active = |id: &str, name: &str, issue: &str, phase| Active {
        id: WorkflowId::of(id),
        phase,
        target: Target::known("Deployment", "shop", name),
        issue: issue.to_owned(),
    };
    let told = |active: Vec<Active>| {
        let world = World::with(|w| w.figures.active = active);
        world.ask(|question| waits(&world.settings.limits, question))
    };
    let quiet = told(Vec::new());
    assert!(quiet.iter().all(|verdict| verdict.passes), "{quiet:?}");
    assert!(quiet[2].why.contains("0 of 1 workflows act in shop"), "{quiet:?}");
    assert!(quiet[3].why.contains("how many of 5 changes in namespace/shop is not known"), "{quiet:?}");
    let same = told(vec![active("1", "web", "crash_loop", Phase::Running)]);
    assert!(same[0].why.contains("wf-1"), "{same:?}");
    assert!(same[2].why.contains("1 of 1 workflows act in shop"), "{same:?}");
    let other = told(vec![active("2", "web", "oom_kill", Phase::NeedsOperator)]);
    assert!(!other[1].passes && other[1].why.contains("wf-2"), "{other:?}");
    assert!(other[2].why.contains("0 of 1"), "{other:?}");
}
