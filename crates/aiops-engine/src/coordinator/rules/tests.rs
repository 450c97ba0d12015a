//! The kill switch, the policy and the audit chain as doors see them.

use super::*;
use crate::{
    coordination::Coordination as _,
    coordinator::world::{World, ann},
    model::caller::Via,
    settings::Settings,
};

fn change(mode: &str, reason: &str) -> ControlChange {
    ControlChange { mode: mode.to_owned(), reason: Some(reason.to_owned()) }
}

#[tokio::test]
async fn the_kill_switch_is_set_recorded_and_told() {
    let world = World::new();
    let at_first = world.coordinator.controls(&ann()).await.unwrap();
    assert_eq!((at_first.kill_switch.as_str(), at_first.breaker.as_str()), ("run", "closed"));
    let set = world
        .coordinator
        .set_control(&ann(), change("stop", "freeze; password=hunter2hunter2"))
        .await
        .unwrap();
    assert_eq!(set.kill_switch, "stop");
    let reason = set.kill_switch_reason.unwrap();
    assert!(reason.contains("freeze") && reason.contains("ann") && !reason.contains("hunter2"), "{reason}");
    let lines = world.coordinator.audit(&ann(), "control", 0, 0).await.unwrap().lines;
    assert_eq!((lines.len(), lines[0].object.as_str()), (1, KILL_SWITCH));
    assert_eq!(lines[0].at, "2026-09-21T14:13:20.000Z");
    let due = world.inner().store.due_notices(world.inner().now(), 10).await.unwrap();
    assert_eq!(due[0].notice.kind, "kill_switch");
    let figures = world.inner().step_figures(&[], None).await.unwrap();
    assert_eq!(figures.kill_switch, KillSwitch::Stop);
    let nothing = world.coordinator.audit(&ann(), "nope", 0, 0).await.unwrap_err();
    assert_eq!(nothing.code(), "not_found");
    assert!(nothing.to_string().contains("chains are `control`"), "{nothing}");
    assert!(
        world.coordinator.audit(&ann(), "control", 9, 0).await.unwrap().lines.is_empty(),
        "behind its end"
    );
    let back = world.coordinator.set_control(&ann(), change("run", "")).await.unwrap();
    assert_eq!((back.kill_switch.as_str(), back.kill_switch_reason), ("run", None));
}

#[tokio::test]
async fn only_who_is_entitled_sets_it() {
    let world = World::new();
    let anonymous = Caller::anonymous(Via::Rest);
    let error = world.coordinator.set_control(&anonymous, change("run", "")).await.unwrap_err();
    assert_eq!(error.code(), "refused_by_guard");
    let error = world.coordinator.set_control(&ann(), change("halt", "")).await.unwrap_err();
    assert!(error.to_string().contains("run, pause, stop"), "{error}");
    let narrow = World::with(Settings { granted_to: vec!["bob".to_owned()], ..Settings::default() });
    assert!(narrow.coordinator.set_control(&ann(), change("stop", "")).await.is_err());
    assert!(world.coordinator.audit(&ann(), "control", 0, 0).await.unwrap().lines.is_empty());
}

#[tokio::test]
async fn the_policy_is_shown_with_everything_that_decides() {
    let world = World::with(Settings { own_namespace: Some("aiops".to_owned()), ..Settings::default() });
    let policy = world.coordinator.policy(&ann()).await.unwrap();
    assert_eq!(policy.source, "defaults");
    let names: Vec<&str> = policy.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["own-namespace", "system-namespaces", "with-approval", "ordinary", "anything-else"]);
    for (key, want) in [
        ("acting.limits.workflowsPerCluster", json!(5)),
        ("acting.limits.cooldownSuccess", json!("10m")),
        ("acting.limits.breaker.nodesPercent", json!(45)),
        ("acting.times.approval", json!("1h")),
        // No port changes the cluster here.
        ("acting.enabled", json!(false)),
    ] {
        assert_eq!(policy.limits[key], want, "{key}");
    }
}

#[tokio::test]
async fn why_not_tells_who_would_have_to_agree_before_a_plan_is_made() {
    use crate::{
        coordination::{Trigger, WhyNot},
        coordinator::world::crashing,
        settings::Policy,
    };
    let ask_first = PolicyRule {
        name: "ask-first".to_owned(),
        namespaces: Vec::new(),
        severities: Vec::new(),
        actions: Vec::new(),
        then: Approval::Approve,
        autonomy: false,
        elicitation: false,
        annotation: false,
    };
    let asked = async |settings: Settings, issue: &str| {
        let world = World::that_acts(settings);
        world.put(&crashing("web", 100, 1));
        let trigger = Trigger {
            namespace: "shop".to_owned(),
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            issue: issue.to_owned(),
            ..Trigger::default()
        };
        let told = world.coordinator.why_not(&ann(), WhyNot::Trigger(Box::new(trigger))).await.unwrap();
        let why = told.rules.into_iter().find(|rule| rule.rule == guard::names::POLICY).unwrap().why;
        (told.approval, why)
    };
    let policy = Policy { source: "a file".to_owned(), rules: vec![ask_first.clone()] };
    let (approval, why) = asked(Settings { policy, ..Settings::default() }, "image_pull").await;
    assert_eq!(approval, Approval::Approve);
    assert!(why.contains("rollback-to-good-revision would be approve by policy/ask-first"), "{why}");
    // One remedy waits, another does not: the strictest is told, and which is which.
    let (approval, why) = asked(Settings::default(), "oom_kill").await;
    assert_eq!(approval, Approval::Approve);
    for part in [
        "raise-memory-limit would be approve by policy/with-approval",
        "rollback-to-good-revision would be auto by policy/ordinary",
    ] {
        assert!(why.contains(part), "{part:?} is not in {why}");
    }
    // Nothing that could be done needs anybody.
    let (approval, why) = asked(Settings::default(), "high_cpu").await;
    assert_eq!(approval, Approval::Auto, "{why}");
    // What one rule denies is not executed, and what is left may be.
    let deny = PolicyRule {
        actions: vec!["set-resources".to_owned()],
        then: Approval::Deny,
        name: "no-limits".to_owned(),
        ..ask_first
    };
    let rules = [vec![deny], Policy::default().rules].concat();
    let policy = Policy { source: "a file".to_owned(), rules };
    let (_, why) = asked(Settings { policy, ..Settings::default() }, "oom_kill").await;
    assert!(why.contains("raise-memory-limit would be deny by policy/no-limits"), "{why}");
}
