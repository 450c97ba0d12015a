//! What is asked again before a step, because it may have begun since the plan was let pass.

use super::*;

#[test]
fn an_upgrade_that_began_since_holds_the_next_step_of_what_nobody_agreed_to() {
    let upgrading = |w: &mut World| w.figures.upgrading = Some("ClusterVersion goes to 4.19".to_owned());
    let fresh = json!({});
    assert_eq!(World::new().step(&fresh), Ok(()));
    let ordered = World::with(upgrading);
    let held = ordered.step(&fresh).unwrap_err();
    assert_eq!(held.rule, names::UPGRADE);
    assert!(held.why.contains("4.19") && held.why.contains("waits until it is over"), "{}", held.why);
    assert!(passes_by_itself(&held.rule));
    let mut agreed = World::with(upgrading);
    agreed.figures.is_agreed = true;
    assert_eq!(agreed.step(&fresh), Ok(()));
    // What a machine began waits, whoever agreed to it.
    assert_eq!(agreed.automatic().step(&fresh).unwrap_err().rule, names::UPGRADE);
    // The way back does not.
    assert_eq!(ordered.ask(|question| may_undo(&ordered.settings, question)), Ok(()));
}

#[test]
fn a_plan_that_only_waits_for_a_pool_is_not_held_up_by_the_upgrade_that_it_waits_for() {
    let pool = Target::known("MachineConfigPool", "", "worker");
    let waits = || {
        let mut world = World::doing(Action::AwaitPool { target: pool.clone() });
        world.figures.upgrading = Some("MachineConfigPool worker is updating".to_owned());
        world
    };
    let ruling = waits().ask(|question| crate::guard::rule(&Settings::default(), question));
    assert_eq!(ruling.approval, Approval::Auto, "{}: {}", ruling.rule, ruling.why);
    let upgrade = ruling.rules.iter().find(|rule| rule.rule == names::UPGRADE).unwrap();
    assert!(upgrade.passes && upgrade.why.contains("only waits for that"), "{}", upgrade.why);
    assert_eq!(waits().step(&json!({})), Ok(()));
    assert_eq!(waits().automatic().step(&json!({})), Ok(()));
    // One that does more is held up as any other.
    let mut more = waits();
    more.actions.push(Action::RestartWorkload { target: Target::known("Deployment", "shop", "web") });
    assert_eq!(more.step(&json!({})).unwrap_err().rule, names::UPGRADE);
}

#[test]
fn a_budget_that_is_used_up_is_told_with_its_figures_and_its_end() {
    let told = |cluster: u32, shop: u32| {
        let world = World::with(|w| {
            w.figures.spent =
                [("cluster".to_owned(), cluster), ("namespace/shop".to_owned(), shop)].into_iter().collect();
        });
        world.ask(|question| budget(&world.settings.limits, question))
    };
    let left = told(19, 4);
    assert!(left.passes && left.rule == names::BUDGET, "{left:?}");
    let none = told(7, 5);
    assert!(!none.passes, "{none:?}");
    let window = 600_000;
    let ends = crate::model::wire_time((NOW / window + 1) * window).unwrap();
    let why = format!(
        "7 of 20 changes in cluster, 5 of 5 changes in namespace/shop are used up within 10 min; it begins anew at {ends}; \
         the next step waits for that"
    );
    assert_eq!(none.why, why);
    assert!(!told(20, 0).passes);
    // The workload of a cluster-wide object has no namespace's budget.
    let node = World::doing(Action::CordonNode { target: Target::known("Node", "", "n0") });
    let why = node.ask(|question| budget(&node.settings.limits, question)).why;
    assert!(!why.contains("namespace/"), "{why}");
}

#[test]
fn once_begun_only_what_is_asked_before_each_step_speaks() {
    let mut world = World::new();
    world.figures.cooldown = Some(crate::ports::store::Cooldown {
        fingerprint: "f".to_owned(),
        failures: 1,
        not_before: NOW + 60_000,
        window_start: NOW - 60_000,
    });
    world.figures.outcomes = vec![Phase::Failed; 10];
    world.figures.upgrading = Some("ClusterVersion goes to 4.19".to_owned());
    world.figures.is_agreed = true;
    assert_eq!(world.rule().rule, names::COOLDOWN);
    let rules = world.ask(|question| under_way(&world.settings, question, world.rule().rules));
    assert!(rules.iter().all(|rule| rule.passes), "{rules:?}");
    let has = |name: &str| rules.iter().any(|rule| rule.rule == name);
    assert!(!has(names::COOLDOWN) && !has(names::PLAN_SIZE), "{rules:?}");
    assert!(has(names::UPGRADE) && has(names::KILL_SWITCH) && has(names::ERROR_BUDGET), "{rules:?}");
}
