//! Every action in every story, with every fault at every call of a port that its workflow makes.

use std::collections::BTreeSet;

use super::{
    coverage,
    faults::{Call, Fate, Faults, Made},
    part::{Part, spread, threads},
    run::{Base, Sim},
    scene,
    stories::Story,
};
use crate::{
    model::{action::Action, phase::Phase},
    testing::model::OURSELVES,
};

/// One run of the matrix.
#[derive(Debug, Clone)]
struct Point {
    story: Story,
    name: &'static str,
    action: Action,
    at: u64,
    call: Call,
    fate: Fate,
}

/// All of them, in order. Every story is told without faults first, and has to come to its own end.
fn points(base: &Base, is_whole: bool, part: &mut Part) -> Vec<Point> {
    let mut points = Vec::new();
    for (turn, story) in Story::ALL.into_iter().enumerate() {
        for (place, (name, action)) in scene::catalogue(&base.model).into_iter().enumerate() {
            // Beside other tests, a third of the actions in each story, others in the next one.
            let is_left_out = !is_whole && (place + turn) % 3 != 0;
            if is_left_out || !story.is_of(&action) {
                continue;
            }
            let plain = story.run(base, &action, Faults::traced([]));
            if let Err(why) = ends_well(story, (name, &action), &plain) {
                part.broken.push(format!("{story:?} {name} without faults: {why}"));
            }
            for (at, made) in (0_u64..).zip(plain.faults.calls()) {
                if story.strikes(&made) {
                    let Made { call, .. } = made;
                    let of =
                        |fate: &Fate| Point { story, name, action: action.clone(), at, call, fate: *fate };
                    points.extend(call.fates().iter().map(of));
                }
            }
        }
    }
    points
}

/// Repeats one run, by the rest of its name: `STORY/ACTION/CALL/FATE`.
pub(crate) fn again(base: &Base, rest: &[&str]) -> Option<Sim> {
    let [story, name, at, fate] = rest else { return None };
    let (story, at) = (Story::parse(story)?, at.parse().ok()?);
    let fate = Call::ALL.iter().flat_map(|c| c.fates()).find(|known| format!("{known:?}") == **fate)?;
    Some(story.run(base, &scene::named(&base.model, name), Faults::script([(at, *fate)])))
}

/// The matrix, whole or every so manieth of it.
pub(crate) fn matrix(is_whole: bool) -> Part {
    let mut plain = Part::new("crash matrix");
    let all = points(&Base::new(), is_whole, &mut plain);
    let stride = |point: &Point| match (is_whole, point.call) {
        (true, _) => 1,
        // Requests are few and carry the most.
        (_, Call::Send) => 11,
        (_, Call::Intend | Call::Learn) => 37,
        _ => 401,
    };
    // The first of each kind, and then every so manieth.
    let mut seen = BTreeSet::new();
    let chosen = all
        .iter()
        .enumerate()
        .filter(|(number, point)| seen.insert((point.call, point.fate)) || number % stride(point) == 0);
    let chosen: Vec<Point> = chosen.map(|(_, point)| point.clone()).collect();
    let mut part = spread("crash matrix", &chosen, threads(is_whole), |base, point, part| {
        let sim = point.story.run(base, &point.action, Faults::script([(point.at, point.fate)]));
        let name = format!("matrix/{:?}/{}/{}/{:?}", point.story, point.name, point.at, point.fate);
        *part.counts.entry("struck").or_default() += u64::from(sim.faults.struck() > 0);
        part.take(&name, &sim);
    });
    part.broken.append(&mut plain.broken);
    part.of = u64::try_from(all.len()).unwrap();
    let struck = part.counts.get("struck").copied().unwrap_or_default();
    // A run is the same up to its fault, so each has to meet it.
    part.floor("runs that met their fault", struck, part.runs);
    if is_whole {
        part.few_parked(250);
        let base = Base::new();
        let actions: Vec<Action> =
            scene::catalogue(&base.model).into_iter().map(|(_, action)| action).collect();
        let sending = |action: &&Action| action.name() != "await-pool";
        let forth: BTreeSet<_> = actions.iter().filter(sending).map(Action::name).collect();
        let back: BTreeSet<_> =
            actions.iter().filter(|a| scene::is_reversible(a)).map(Action::name).collect();
        let calls = [Call::Intend, Call::Send, Call::Learn, Call::Commit, Call::Look];
        part.none_missing(&coverage::missing(&part.met, &calls, &forth, false));
        part.none_missing(&coverage::missing(&part.met, &calls, &back, true));
        part.none_missing(&coverage::unmet(
            &part.met,
            &[Call::Claim, Call::Accept, Call::Recall, Call::DryRun],
        ));
    } else {
        part.none_missing(&coverage::unmet(&part.met, &[Call::Send, Call::Intend, Call::Learn]));
    }
    part.lines.extend(coverage::table(&part.met));
    part.lines.extend(coverage::phases(&part.met));
    part
}

/// Whether a story that nothing befell came to the end that is its own, with the effects that are its own.
fn ends_well(story: Story, (name, action): (&str, &Action), sim: &Sim) -> Result<(), String> {
    super::verdict(sim, "it breaks an invariant")?;
    let history = sim.history();
    let [record] = history.records.as_slice() else {
        return Err(format!("{} workflows were kept", history.records.len()));
    };
    let workflow = &record.workflow;
    let is_exact = scene::is_reversible(action);
    let wanted: &[Phase] = match story {
        Story::Taken | Story::Planned | Story::Approved => &[Phase::Completed],
        Story::Undone => &[Phase::RolledBack],
        Story::Hopeless | Story::Cancelled if is_exact => &[Phase::RolledBack],
        // It changes nothing, so it was over before it could be cancelled.
        Story::Cancelled if name == "await-pool" => &[Phase::Completed],
        Story::Hopeless | Story::Cancelled => &[Phase::Failed, Phase::NeedsOperator],
    };
    if !wanted.contains(&workflow.phase) {
        return Err(format!("it is {}: {:?}", workflow.phase, workflow.reason));
    }
    let ours = history.journal.iter().filter(|e| e.actor == OURSELVES && e.is_effect());
    let keys: BTreeSet<&str> = ours.map(|entry| entry.effect_key.as_str()).collect();
    let effects = match story {
        Story::Undone => 2,
        Story::Hopeless | Story::Cancelled if is_exact => 2,
        _ => usize::from(name != "await-pool"),
    };
    if keys.len() == effects { Ok(()) } else { Err(format!("{} effects instead of {effects}", keys.len())) }
}

#[test]
fn every_fault_at_every_call_of_every_action_leaves_one_effect_and_an_honest_record() {
    matrix(false).hold();
}

#[test]
fn every_step_may_be_sent_twice_and_every_undoing_too() {
    let base = Base::new();
    for (name, action) in scene::catalogue(&base.model) {
        for request in 0..2 {
            let sim = Story::Taken.run(&base, &action, Faults::requests([(request, Fate::Twice)]));
            super::verdict(&sim, &format!("{name}, request {request} twice")).unwrap();
        }
        if scene::is_reversible(&action) {
            let sim = Story::Undone.run(&base, &action, Faults::requests([(2, Fate::Twice)]));
            super::verdict(&sim, &format!("{name}, its undoing twice")).unwrap();
            let workflow = &sim.history().records[0].workflow;
            assert_eq!(workflow.phase, Phase::RolledBack, "{name}: {:?}", workflow.reason);
        }
    }
}
