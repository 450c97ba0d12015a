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
