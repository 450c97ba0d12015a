//! One process on a SQLite store, killed again and again: at moments that are steered to, and at moments that nobody chose.
//!
//! Steered means that a request is held on its way, so that the process dies between the commit of an intent and that of
//! its outcome, whatever the machine's speed. Where it really died is read from its store and printed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::json;
use tempfile::TempDir;

use super::{
    books::{Books, Point},
    child::{Child, Setup},
    gate::{At, Gate, Held},
    histogram, judge, percentile,
    targets::{self, Deed, Order},
    text,
};
use crate::support::{Dice, Options, Plane, is_proof};

/// Longest until a moment comes that is steered to.
const SOON: Duration = Duration::from_secs(60);
/// Issue 4, line 4.
const RESUMED: Duration = Duration::from_secs(2);

/// When it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// While the trigger is answered.
    Trigger,
    /// While the plan is proven: the answer to its dry run is held.
    Planning,
    /// While the object is looked at once more before the intent.
    Planned,
    /// The request of the step is held, and lost.
    Lost,
    /// The request of the step is held, and arrives when its sender is dead.
    Late,
    /// The request of the step has arrived, and its answer is held.
    Answered,
    /// While what was done is looked at for the first time.
    Done,
    /// While everything is watched.
    Watched,
    /// While the object is looked at before it is set back.
    UndoPlanned,
    /// The same three on the way back.
    UndoLost,
    UndoLate,
    UndoAnswered,
    /// While what was undone is looked at.
    Undone,
    /// When it is over.
    Over,
    /// At any time after the trigger.
    Whenever,
}

impl Moment {
    /// Every kind of place once, and those between an intent and its outcome more often.
    const FIRST: [Self; 14] = [
        Self::Lost,
        Self::Planning,
        Self::Late,
        Self::UndoAnswered,
        Self::Answered,
        Self::Done,
        Self::UndoLost,
        Self::Late,
        Self::Watched,
        Self::Answered,
        Self::Undone,
        Self::UndoLate,
        Self::Lost,
        Self::Planned,
    ];
    const REST: [Self; 8] = [
        Self::Trigger,
        Self::Planning,
        Self::Planned,
        Self::Done,
        Self::Watched,
        Self::UndoPlanned,
        Self::Undone,
        Self::Over,
    ];
    const INTENDED: [Self; 6] =
        [Self::Lost, Self::Late, Self::Answered, Self::UndoLost, Self::UndoLate, Self::UndoAnswered];

    const fn is_back(self) -> bool {
        matches!(
            self,
            Self::UndoPlanned | Self::UndoLost | Self::UndoLate | Self::UndoAnswered | Self::Undone
        )
    }

    /// Where the request is held that it waits for, if it waits for one.
    const fn at(self) -> Option<At> {
        match self {
            Self::Lost | Self::Planned | Self::Done | Self::UndoPlanned | Self::UndoLost | Self::Undone => {
                Some(At::Before)
            }
            Self::Late | Self::UndoLate => Some(At::Late),
            Self::Planning | Self::Answered | Self::UndoAnswered => Some(At::Answer),
            Self::Trigger | Self::Watched | Self::Over | Self::Whenever => None,
        }
    }

    /// Such moments in a run.
    fn plan(count: usize, dice: &mut Dice) -> Vec<Self> {
        let mut moments = Self::FIRST.to_vec();
        let pick = |from: &[Self], dice: &mut Dice| from[index(dice, from.len())];
        while moments.len() < count {
            moments.push(match dice.number(100) {
                0..66 => pick(&Self::INTENDED, dice),
                66..92 => pick(&Self::REST, dice),
                _ => Self::Whenever,
            });
        }
        moments
    }
}

fn index(dice: &mut Dice, below: usize) -> usize {
    usize::try_from(dice.number(u64::try_from(below).unwrap())).unwrap()
}

/// One kill.
struct Kill {
    moment: Moment,
    deed: Deed,
    point: Option<Point>,
}

impl Kill {
    /// Where it was, with what became of its request where one was under way.
    fn word(&self) -> String {
        let how = match self.moment {
            Moment::Lost | Moment::UndoLost => ", its request lost",
            Moment::Late | Moment::UndoLate => ", its request late",
            Moment::Answered | Moment::UndoAnswered => ", its answer lost",
            _ => "",
        };
        match self.point {
            Some(point @ (Point::Intent | Point::UndoIntent)) => format!("{point:?}{how}"),
            Some(point) => format!("{point:?}"),
            None => "Trigger not kept".to_owned(),
        }
    }
}

/// The run.
struct Alone<'a> {
    plane: &'a Plane,
    gate: Gate,
    setup: Setup,
    state: TempDir,
    dice: Dice,
    kills: Vec<Kill>,
    /// What was acknowledged, by the id.
    acknowledged: BTreeMap<String, Order>,
    /// From the start of a process to its first claim.
    resumed: Vec<Duration>,
}

impl Alone<'_> {
    /// Waits for the request of this moment, which the trap was set for before it could come.
    fn trap(&self, moment: Moment, order: &Order) -> Option<Held> {
        let at = moment.at()?;
        let is_about = order.is_about();
        let mut seen_before = false;
        Some(self.gate.hold(at, move |seen| {
            if !is_about(seen) {
                return false;
            }
            let is_read = seen.method == Method::GET;
            match moment {
                Moment::Planning => seen.is_dry_run,
                Moment::UndoPlanned => is_read,
                Moment::Planned | Moment::Done | Moment::Undone => {
                    let is_before = if moment == Moment::Planned {
                        seen.is_dry_run && seen.is_of_workflow
                    } else {
                        seen.is_effect()
                    };
                    let is_wanted = seen_before && is_read;
                    seen_before |= is_before;
                    is_wanted
                }
                _ => seen.is_effect(),
            }
        }))
    }

    /// Orders, waits for the moment, kills, and starts again.
    async fn kill(&mut self, child: &mut Child, moment: Moment, order: &Order) {
        let mut held = if moment.is_back() { None } else { self.trap(moment, order) };
        let id = if moment == Moment::Trigger {
            let asking =
                tokio::spawn(child.asking("POST /api/v1/remediation/trigger", &order.key, &order.body));
            tokio::time::sleep(Duration::from_micros(self.dice.number(20_000))).await;
            child.kill();
            let reply = asking.await.unwrap();
            reply.filter(|reply| reply.status == 202).map(|reply| text(&reply.body["workflow_id"]))
        } else {
            let taken = child.accepted("POST /api/v1/remediation/trigger", &order.key, &order.body).await;
            Some(text(&taken["workflow_id"]))
        };
        if let Some(id) = &id {
            self.acknowledged.insert(id.clone(), order.clone());
        }
        let wanted = id.clone().unwrap_or_default();
        match moment {
            Moment::Trigger => {}
            Moment::Whenever => {
                tokio::time::sleep(Duration::from_millis(self.dice.number(4_000))).await;
            }
            Moment::Watched => {
                self.until(child, &wanted, &["verifying"]).await;
                tokio::time::sleep(Duration::from_millis(self.dice.number(1_500))).await;
            }
            Moment::Over => self.until(child, &wanted, &["completed"]).await,
            _ => {
                if moment.is_back() {
                    self.until(child, &wanted, &["verifying"]).await;
                    held = self.trap(moment, order);
                    let cancel = format!("POST /api/v1/workflows/{wanted}/cancel");
                    child
                        .accepted(&cancel, &format!("cancel-{wanted}"), &json!({"reason": "as planned"}))
                        .await;
                }
                loop {
                    let is_held = held.as_mut().unwrap().caught(SOON).await;
                    assert!(
                        is_held,
                        "{moment:?} of {order:?} did not come; {:?}",
                        child.phase(&wanted).await
                    );
                    let phase = child.phase(&wanted).await;
                    if moment != Moment::UndoPlanned || phase.as_deref() != Some("verifying") {
                        break;
                    }
                    // The last look before it was cancelled.
                    let next = self.trap(moment, order);
                    held.replace(next.unwrap()).unwrap().let_go();
                }
            }
        }
        child.kill();
        let point = self.look(&wanted).await;
        println!("killed at {moment:?} of {:?}: {point:?}", order.deed);
        self.kills.push(Kill { moment, deed: order.deed, point });
        self.gate.clear();
        if let Some(held) = held
            && moment.at() == Some(At::Late)
        {
            let after = Duration::from_millis(self.dice.number(2_500));
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                held.let_go();
            });
        }
        *child = self.start(&wanted).await;
        if moment == Moment::Trigger {
            // Whether it was kept or not: the same request again leads to the one workflow.
            let taken = child.accepted("POST /api/v1/remediation/trigger", &order.key, &order.body).await;
            let again = text(&taken["workflow_id"]);
            assert!(id.is_none_or(|id| id == again), "{again} was begun beside {wanted}");
            self.acknowledged.insert(again, order.clone());
        }
    }

    async fn until(&self, child: &Child, id: &str, phases: &[&str]) {
        let deadline = Instant::now() + SOON;
        loop {
            let phase = child.phase(id).await;
            if phase.as_deref().is_some_and(|phase| phases.contains(&phase)) {
                return;
            }
            assert!(Instant::now() < deadline, "{id} is {phase:?}, not {phases:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where a workflow is in the store of the dead process.
    async fn look(&self, id: &str) -> Option<Point> {
        let (mut books, _copy) = Books::of_dead(self.state.path()).await;
        let line = books.line(id).await.unwrap()?;
        Some(books.point(&line).await.unwrap())
    }

    /// Starts it, and measures when a workflow that was due is in hand again.
    async fn start(&mut self, id: &str) -> Child {
        let (mut books, _copy) = Books::of_dead(self.state.path()).await;
        let before = books.line(id).await.unwrap();
        let child = self.setup.start().await;
        let now = jiff::Timestamp::now().as_millisecond();
        let Some(before) = before.filter(|line| !line.is_over() && line.wake_at <= now) else { return child };
        // Ending a dead process's lease is one epoch, the claim the next.
        let claimed = before.epoch + if before.owner.is_some() { 2 } else { 1 };
        let deadline = Instant::now() + SOON;
        let mut reading = None;
        loop {
            if reading.is_none() {
                reading = Books::of_folder(self.state.path()).await.ok();
            }
            let line = match &mut reading {
                Some(books) => books.line(id).await.ok().flatten(),
                None => None,
            };
            if line.is_some_and(|line| line.epoch >= claimed) {
                self.resumed.push(child.began.elapsed());
                return child;
            }
            assert!(Instant::now() < deadline, "{id} was not taken up again");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_it_is_killed_nothing_is_lost_or_done_twice() {
    let count = if is_proof() { 200 } else { Moment::FIRST.len() };
    let mut dice = Dice::new();
    let moments = Moment::plan(count, &mut dice);
    let deeds: Vec<Deed> = moments
        .iter()
        .enumerate()
        .map(|(n, moment)| if moment.is_back() { Deed::REVERSIBLE[n % 5] } else { Deed::ALL[n % 8] })
        .collect();
    let cordons = deeds.iter().filter(|deed| **deed == Deed::Cordon).count();
    let nodes = u32::try_from(cordons + count / 12 + 4).unwrap();
    let plane = Plane::own(&Options { nodes, ..Options::default() }).await;
    let namespace = plane.namespace(&mut dice).await;
    let orders = targets::prepare(&plane, &namespace, &deeds, &mut dice).await;
    let place = plane.audit_end();
    let folder = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    let gate = Gate::to(plane.kubeconfig("admin")).await;
    let kubeconfig = gate.kubeconfig(plane.kubeconfig("admin"), folder.path());
    let setup = Setup::new(&kubeconfig, folder.path(), state.path(), "15s");
    let mut child = setup.start().await;
    let mut run = Alone {
        plane: &plane,
        gate,
        setup,
        state,
        dice,
        kills: Vec::new(),
        acknowledged: BTreeMap::new(),
        resumed: Vec::new(),
    };
    for (moment, order) in moments.iter().zip(&orders) {
        run.kill(&mut child, *moment, order).await;
    }
    let Alone { plane, state, kills, acknowledged, mut resumed, setup, .. } = run;
    let mut books = Books::of_folder(state.path()).await.unwrap();
    let ends = judge(plane, place, &mut books, &acknowledged).await;
    assert!(ends.get("rolled_back").is_some_and(|count| *count > 0), "nothing was undone: {ends:?}");
    let points = histogram("kills by where they fell", kills.iter().map(Kill::word));
    histogram("kills by deed", kills.iter().map(|kill| format!("{:?}", kill.deed)));
    let intended =
        kills.iter().filter(|kill| matches!(kill.point, Some(Point::Intent | Point::UndoIntent))).count();
    println!("{intended} of {} kills fell between an intent and its outcome", kills.len());
    assert!(intended * 100 >= kills.len() * 60, "{intended} of {}", kills.len());
    // These may be missed by so few as `make test` has.
    let others: &[&str] = if is_proof() { &["UndoBeforeIntent", "Ended"] } else { &[] };
    for wanted in [
        "Planning",
        "BeforeIntent",
        "Intent, its request lost",
        "Intent, its request late",
        "Intent, its answer lost",
        "Outcome",
        "Verifying",
        "UndoIntent, its request lost",
        "UndoIntent, its request late",
        "UndoIntent, its answer lost",
        "UndoOutcome",
    ]
    .iter()
    .chain(others)
    {
        assert!(points.contains_key(*wanted), "no kill fell at {wanted}");
    }
    let (p99, most) = percentile(&mut resumed, 99).unwrap();
    println!("in hand again {p99:?} (p99), {most:?} (longest) after the start, {} times", resumed.len());
    if is_proof() {
        assert!(p99 <= RESUMED, "{p99:?}");
    }
    // Nothing in the trail was left out or told twice.
    child.kill();
    let verified = setup.run(&["audit", "verify", "--state-dir", state.path().to_str().unwrap()]);
    println!("{}", verified.trim());
}
