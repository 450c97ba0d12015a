//! An order over several objects: who has to agree is the same at every door, and nothing is done before.

use super::{
    faults::Faults,
    halfway::run_until,
    run::{Base, Options, Sim, now},
};
use crate::{
    coordination::{Coordination as _, Decision, PlanRequest, ResourceTrouble, Trigger, WhyNot},
    model::{
        caller::{Caller, Via},
        phase::Phase,
        plan::Approval,
    },
    settings::Settings,
};

/// Two Deployments, which are of one layer, and a trouble that has no word of its own.
fn order() -> Trigger {
    let beside = ResourceTrouble {
        kind: "Deployment".to_owned(),
        name: "api".to_owned(),
        namespace: "shop".to_owned(),
        issue: "it sulks".to_owned(),
    };
    Trigger {
        namespace: "shop".to_owned(),
        kind: "Deployment".to_owned(),
        name: "web".to_owned(),
        issue: "both sulk".to_owned(),
        resources: vec![beside],
        ..Trigger::default()
    }
}

#[test]
fn an_order_over_objects_of_one_layer_waits_for_the_approval_that_it_was_told_of() {
    let base = Base::new();
    // The policy as it comes: a restart is automatic, several objects are not.
    let settings = Settings::default();
    let options = Options { seed: 1, processes: 1, defect: None, settings, jumps: false, sweeps: false };
    let mut sim = Sim::new(&base, Faults::traced([]), options);
    let ann = Caller::identified("ann", Vec::new(), Via::Rest);
    let door = sim.coordinator("door");
    let shown = now(door.plan(&ann, PlanRequest { trigger: order() })).unwrap();
    assert_eq!((shown.approval, shown.rule.as_str()), (Approval::Approve, "policy/with-approval"));
    let told = now(door.why_not(&ann, WhyNot::Trigger(Box::new(order())))).unwrap();
    assert_eq!(told.approval, Approval::Approve);
    sim.trigger(&ann, order());
    run_until(&mut sim, |sim| sim.store.phases().first() == Some(&Phase::AwaitingApproval));
    let waiting = sim.everything().remove(0);
    assert_eq!(waiting.phase, Phase::AwaitingApproval, "{:?}", waiting.reason);
    let plan = waiting.plan.clone().unwrap();
    assert_eq!((plan.layers.len(), plan.steps.len()), (1, 2));
    assert_eq!((plan.approval, plan.rule.as_str()), (Approval::Approve, "policy/with-approval"));
    assert!(!sim.has_acted());
    let again = now(door.trigger(&ann, order())).unwrap();
    assert_eq!((again.deduplicated, again.status.as_str()), (true, "pending"));
    let told = now(door.why_not(&ann, WhyNot::Workflow(waiting.id.clone()))).unwrap();
    assert_eq!(told.approval, Approval::Approve);

    let decision =
        Decision { digest: waiting.digest.unwrap(), approve: true, reason: None, by_elicitation: false };
    now(door.decide(&ann, &waiting.id, decision)).unwrap();
    run_until(&mut sim, Sim::over);
    let done = sim.everything().remove(0);
    assert_eq!(done.phase, Phase::Completed, "{:?}", done.reason);
    super::verdict(&sim, "over several objects").unwrap();
}
