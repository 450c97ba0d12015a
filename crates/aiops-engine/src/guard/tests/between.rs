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
