//! The process dies at every port call of every story; the next one finds its way, and nothing is done twice.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::{
    dying::Gate,
    world::{Trouble, World},
};
use crate::{
    model::{phase::Phase, plan::Plan},
    ports::acting::NotDoneKind,
};

/// A story: what the API server does, and how it has to end. A death may change which request meets the trouble, and so
/// some may end in another way too.
struct Story {
    name: &'static str,
    troubles: &'static [(usize, Trouble)],
    ends: &'static [Phase],
}

const BACK: &[Phase] = &[Phase::RolledBack, Phase::Completed];
const STORIES: &[Story] = &[
    Story { name: "all goes well", troubles: &[], ends: &[Phase::Completed] },
    Story {
        name: "the third step is refused",
        troubles: &[(2, Trouble::Refuses(NotDoneKind::Denied, 403))],
        ends: BACK,
    },
    Story { name: "an answer is lost", troubles: &[(1, Trouble::AnswerLost)], ends: &[Phase::Completed] },
    Story {
        name: "a request never arrives",
        troubles: &[(1, Trouble::NeverArrives)],
        ends: &[Phase::Completed],
    },
    Story { name: "a request is late", troubles: &[(1, Trouble::Late)], ends: &[Phase::Completed] },
    Story {
        name: "somebody is faster",
        troubles: &[(0, Trouble::Overtaken), (2, Trouble::Overtaken)],
        ends: &[Phase::Completed],
    },
    Story {
        name: "the way back loses an answer and is overtaken",
        troubles: &[
            (2, Trouble::Refuses(NotDoneKind::Rejected, 422)),
            (3, Trouble::AnswerLost),
            (4, Trouble::Overtaken),
        ],
        ends: BACK,
    },
    Story {
        name: "the way back is late",
        troubles: &[(2, Trouble::Refuses(NotDoneKind::Rejected, 422)), (3, Trouble::Late)],
        ends: BACK,
    },
];

fn three() -> Plan {
    World::cordons(&["n0", "n1", "n2"])
}

/// Lives through a story, dying at each of these calls; returns how many calls the last life made.
async fn live(story: &Story, deaths: &[u32]) -> u32 {
    let world = Arc::new(World::new().scripted(story.troubles));
    let id = world.planned(three()).await;
    for (life, dies_at) in deaths.iter().enumerate() {
        let gate = Gate::dying_at(*dies_at);
        let (_coordinator, executor) = world.process(&format!("life-{life}"), &gate);
        if world.drive(&executor, &id).now_or_never().is_some() {
            break;
        }
        // The lease of the dead one ends by itself.
        world.clock.pass(20_000);
    }
    let gate = Gate::open();
    let (_coordinator, executor) = world.process("last", &gate);
    let record = world.drive(&executor, &id).await;
    let phase = record.workflow.phase;
    assert!(
        story.ends.contains(&phase),
        "{}, dead at {deaths:?}: {phase}, {:?}\n{record:#?}",
        story.name,
        record.workflow.reason
    );
    world.check(&id).await;
    gate.passed()
}

#[tokio::test]
async fn every_story_ends_as_told_whatever_call_the_process_dies_at() {
    for story in STORIES {
        let calls = live(story, &[]).await;
        assert!(calls > 20, "{} makes {calls} calls", story.name);
        for dies_at in 0..calls {
            live(story, &[dies_at]).await;
        }
    }
}

#[tokio::test]
async fn dying_again_while_recovering_changes_nothing() {
    // Pairs along two strides; the whole square is the simulation's.
    for story in STORIES {
        let calls = live(story, &[]).await;
        for first in (0..calls).step_by(7) {
            for second in (1..calls).step_by(11) {
                live(story, &[first, second]).await;
            }
        }
    }
}
