//! The way back: exact, never over somebody else's writing, and once.

use super::*;

#[test]
fn undoing_brings_back_every_field_and_takes_the_marker_away() {
    for (action, mut world) in exact() {
        let before = settled(world.object());
        let step = done(&action, &mut world, KEY);
        assert_ne!(settled(world.object()), before);
        let back = ready(observe_undo(&step, BACK, "wf-1", &world.seen()));
        assert_eq!(back.mutation.effect_key, BACK);
        world.take(&back.mutation).unwrap();
        assert_eq!(settled(world.object()), before, "{action:?}");
    }
}

#[test]
fn undoing_again_finds_it_undone() {
    for (action, mut world) in exact() {
        let step = done(&action, &mut world, KEY);
        let back = ready(observe_undo(&step, BACK, "wf-1", &world.seen()));
        world.take(&back.mutation).unwrap();
        // The request that was sent twice.
        assert_eq!(world.take(&back.mutation), Err("409"), "{action:?}");
        let seen = observe_undo(&step, BACK, "wf-1", &world.seen());
        assert!(matches!(seen, Observation::Applied { .. }), "{action:?}: {seen:?}");
    }
}

/// What somebody else might do to the same fields after each deed.
fn meddle(action: &Action, world: &mut World) {
    match action {
        Action::ScaleWorkload { .. } => world.edit(json!({"spec": {"replicas": 9}})),
        Action::RollbackWorkload { .. } => {
            world.edit(json!({"spec": {"template": {"spec": {"hostNetwork": true}}}}))
        }
        Action::SetResources { .. } => {
            let mut object = world.object().clone();
            object["spec"]["template"]["spec"]["containers"][1]["resources"]["limits"]["memory"] =
                "3Gi".into();
            world.object = Some(bumped(object));
        }
        // A node is cordoned or it is not: who takes it over writes the same value and is known by the marker.
        _ => world.edit(json!({"metadata": {"annotations": {EFFECT: "wf-9/0/do"}}})),
    }
}

#[test]
fn what_somebody_else_wrote_since_is_left_alone() {
    for (action, mut world) in exact() {
        let step = done(&action, &mut world, KEY);
        meddle(&action, &mut world);
        let seen = observe_undo(&step, BACK, "wf-1", &world.seen());
        assert!(matches!(seen, Observation::Conflict { .. }), "{action:?}: {seen:?}");
    }
}

#[test]
fn the_same_value_written_by_another_step_is_theirs() {
    for (action, mut world) in exact() {
        let step = done(&action, &mut world, KEY);
        world.edit(json!({"metadata": {"annotations": {EFFECT: "wf-9/0/do"}}}));
        let seen = observe_undo(&step, BACK, "wf-1", &world.seen());
        assert!(matches!(seen, Observation::Conflict { .. }), "{action:?}: {seen:?}");
    }
}

#[test]
fn what_somebody_else_wrote_beside_it_survives() {
    for (action, mut world) in exact() {
        let step = done(&action, &mut world, KEY);
        world.edit(json!({"metadata": {"labels": {"team": "blue"}, "annotations": {"note": "hello"}}}));
        let back = ready(observe_undo(&step, BACK, "wf-1", &world.seen()));
        world.take(&back.mutation).unwrap();
        let object = world.object();
        assert_eq!(object["metadata"]["labels"]["team"], "blue", "{action:?}");
        assert_eq!(object["metadata"]["annotations"]["note"], "hello", "{action:?}");
        assert_eq!(object["metadata"]["annotations"].get(EFFECT), None, "{action:?}");
    }
}

#[test]
fn an_edit_beside_the_resources_that_were_set_survives() {
    let mut world = World::of(deployment());
    let step = done(&resources(), &mut world, KEY);
    let mut object = world.object().clone();
    let container = &mut object["spec"]["template"]["spec"]["containers"][1];
    container["resources"]["limits"]["ephemeral-storage"] = "1Gi".into();
    container["image"] = "web:3".into();
    world.object = Some(bumped(object));
    let back = ready(observe_undo(&step, BACK, "wf-1", &world.seen()));
    world.take(&back.mutation).unwrap();
    let container = &world.object()["spec"]["template"]["spec"]["containers"][1];
    let expected =
        json!({"requests": {"cpu": "250m"}, "limits": {"memory": "256Mi", "ephemeral-storage": "1Gi"}});
    assert_eq!(container["resources"], expected);
    assert_eq!(container["image"], "web:3");
}

#[test]
fn quantities_that_the_api_server_rewrote_are_still_ours() {
    let mut world = World::of(deployment());
    let step = done(&resources(), &mut world, KEY);
    let mut object = world.object().clone();
    object["spec"]["template"]["spec"]["containers"][1]["resources"]["limits"]["memory"] = "1Gi".into();
    world.object = Some(object);
    assert!(matches!(observe_undo(&step, BACK, "wf-1", &world.seen()), Observation::Ready(_)));
}

#[test]
fn a_value_that_was_set_back_with_our_marker_left_loses_the_marker() {
    for (action, mut world) in exact() {
        let before = settled(world.object());
        let step = done(&action, &mut world, KEY);
        let mut object = before.clone();
        object["metadata"]["resourceVersion"] = "77".into();
        world.object = Some(object);
        world.edit(json!({"metadata": {"annotations": {EFFECT: KEY}}}));
        let back = ready(observe_undo(&step, BACK, "wf-1", &world.seen()));
        world.take(&back.mutation).unwrap();
        assert_eq!(settled(world.object()), before, "{action:?}");
    }
}

#[test]
fn what_was_deleted_or_made_again_since_is_a_conflict() {
    for (action, mut world) in exact() {
        let step = done(&action, &mut world, KEY);
        let mut other = world.clone();
        other.edit(json!({"metadata": {"uid": "another"}}));
        // Also where the plan knew no uid: the record does.
        let unpinned = StepRecord { action: without_uid(&action), ..step.clone() };
        for step in [&step, &unpinned] {
            let seen = observe_undo(step, BACK, "wf-1", &other.seen());
            assert!(matches!(seen, Observation::Conflict { .. }), "{action:?}: {seen:?}");
        }
        world.object = None;
        let seen = observe_undo(&step, BACK, "wf-1", &world.seen());
        assert!(matches!(seen, Observation::Conflict { .. }), "{action:?}: {seen:?}");
    }
}

fn without_uid(action: &Action) -> Action {
    let mut action = action.clone();
    match &mut action {
        Action::ScaleWorkload { target, .. }
        | Action::RollbackWorkload { target, .. }
        | Action::SetResources { target, .. }
        | Action::CordonNode { target }
        | Action::UncordonNode { target } => target.uid = None,
        other => panic!("{other:?}"),
    }
    action
}

#[test]
fn steps_on_one_object_are_undone_one_after_another() {
    let mut world = World::of(deployment()).with(replica_sets());
    world.edit(json!({"metadata": {"annotations": {EFFECT: "wf-0/0/do"}}}));
    let before = settled(world.object());
    let first = done(&rollback(), &mut world, "wf-1/0/do");
    let scaled = World { lists: vec![Vec::new()], ..world.clone() };
    let mut scaled = scaled;
    let second = done(&scale(1), &mut scaled, "wf-1/1/do");
    // The first is not undone before the second.
    world.object = scaled.object.clone();
    assert!(matches!(observe_undo(&first, BACK, "wf-1", &world.seen()), Observation::Conflict { .. }));
    let back = ready(observe_undo(&second, "wf-1/1/undo", "wf-1", &scaled.seen()));
    scaled.take(&back.mutation).unwrap();
    world.object = scaled.object;
    let back = ready(observe_undo(&first, "wf-1/0/undo", "wf-1", &world.seen()));
    world.take(&back.mutation).unwrap();
    // The marker of an earlier workflow is a field like any other.
    assert_eq!(settled(world.object()), before);
}

#[test]
fn a_restart_after_a_rollback_is_no_edit_of_it() {
    let mut world = World::of(deployment()).with(replica_sets());
    let before = settled(world.object());
    let step = done(&rollback(), &mut world, KEY);
    let restart = Action::RestartWorkload { target: web() };
    done(&restart, &mut world, "wf-1/1/do");
    let back = ready(observe_undo(&step, BACK, "wf-1", &world.seen()));
    world.take(&back.mutation).unwrap();
    assert_eq!(settled(world.object()), before);
}

#[test]
fn a_template_that_is_not_kept_any_more_is_not_brought_back() {
    let mut world = World::of(deployment()).with(replica_sets());
    let step = done(&rollback(), &mut world, KEY);
    world.lists[0].pop();
    let seen = observe_undo(&step, BACK, "wf-1", &world.seen());
    assert!(matches!(&seen, Observation::Refused { why } if why.contains("web-2")), "{seen:?}");
}

#[test]
fn an_autoscaler_that_came_since_owns_the_replicas() {
    let mut world = World::of(deployment()).with(Vec::new());
    let step = done(&scale(5), &mut world, KEY);
    world.lists[0].push(others::autoscaler());
    assert!(matches!(observe_undo(&step, BACK, "wf-1", &world.seen()), Observation::Conflict { .. }));
}

#[test]
fn what_cannot_be_undone_says_so() {
    let mut world = World::of(deployment());
    let step = done(&Action::RestartWorkload { target: web() }, &mut world, KEY);
    assert!(matches!(observe_undo(&step, BACK, "wf-1", &world.seen()), Observation::Refused { .. }));
    let unrecorded = StepRecord { pre_image: None, action: scale(5), ..step };
    assert!(matches!(observe_undo(&unrecorded, BACK, "wf-1", &world.seen()), Observation::Refused { .. }));
}
