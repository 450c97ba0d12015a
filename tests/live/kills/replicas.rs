//! Three processes on one PostgreSQL: the one that holds a workflow is killed, or stands still past its lease, and another
//! takes over.
//!
//! It happens while the holder's request is on its way, which is the one moment at which two owners could do it twice.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    books::{Books, Line},
    child::{Child, Setup},
    gate::{At, Gate, Held, Seen},
    histogram, judge, percentile,
    targets::{self, Deed, Order},
    text,
};
use crate::support::{Dice, Options, Plane, Postgres, is_proof};

const SOON: Duration = Duration::from_secs(60);

/// What becomes of the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Killed,
    /// It stands still until another one has taken over, and goes on as if nothing had been.
    Paused,
}

/// Each fate with each place of the request.
const TRIALS: [(Fate, At); 6] = [
    (Fate::Killed, At::Late),
    (Fate::Paused, At::Answer),
    (Fate::Paused, At::Before),
    (Fate::Killed, At::Answer),
    (Fate::Killed, At::Before),
    (Fate::Paused, At::Late),
];

/// One of several that share the database.
struct Replica {
    gate: Gate,
    setup: Setup,
    child: Child,
    _folder: TempDir,
}

/// All of them.
struct Fleet {
    replicas: Vec<Replica>,
    books: Books,
    dice: Dice,
    acknowledged: BTreeMap<String, Order>,
    taken_over: Vec<Duration>,
}

impl Fleet {
    async fn start(plane: &Plane, url: &str, lease: &str, dice: Dice) -> Self {
        let mut replicas = Vec::new();
        for _ in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let gate = Gate::to(plane.kubeconfig("admin")).await;
            let kubeconfig = gate.kubeconfig(plane.kubeconfig("admin"), folder.path());
            let setup = Setup::new(&kubeconfig, folder.path(), &folder.path().join("state"), lease);
            let setup = setup.with("AIOPS_STORE__URL", url);
            let child = setup.start().await;
            replicas.push(Replica { gate, setup, child, _folder: folder });
        }
        let books = Books::of(url).await.unwrap();
        Self { replicas, books, dice, acknowledged: BTreeMap::new(), taken_over: Vec::new() }
    }

    fn any(&mut self) -> usize {
        usize::try_from(self.dice.number(3)).unwrap()
    }

    /// Orders, lets the holder die or stand still while its request is on its way, and waits for another one.
    async fn trial(&mut self, fate: Fate, at: At, order: &Order) {
        let is_caught = Arc::new(AtomicBool::new(false));
        let mut traps: Vec<Held> = Vec::new();
        for replica in &self.replicas {
            let (is_about, is_caught) = (order.is_about(), Arc::clone(&is_caught));
            let wanted = move |seen: &Seen| {
                is_about(seen) && seen.is_effect() && !is_caught.swap(true, Ordering::SeqCst)
            };
            traps.push(replica.gate.hold(at, wanted));
        }
        let at_door = self.any();
        let door = &self.replicas[at_door].child;
        let taken = door.accepted("POST /api/v1/remediation/trigger", &order.key, &order.body).await;
        let id = text(&taken["workflow_id"]);
        self.acknowledged.insert(id.clone(), order.clone());
        let deadline = Instant::now() + SOON;
        let holder = 'caught: loop {
            for (n, trap) in traps.iter_mut().enumerate() {
                if trap.caught(Duration::from_millis(10)).await {
                    break 'caught n;
                }
            }
            assert!(Instant::now() < deadline, "no request for {order:?}");
        };
        let held = traps.swap_remove(holder);
        let before = self.line(&id).await;
        match fate {
            Fate::Killed => self.replicas[holder].child.kill(),
            Fate::Paused => self.replicas[holder].child.pause(),
        }
        let began = Instant::now();
        for replica in &self.replicas {
            replica.gate.clear();
        }
        let after = loop {
            let line = self.line(&id).await;
            if line.epoch > before.epoch {
                break began.elapsed();
            }
            assert!(began.elapsed() < SOON, "nobody took {line:?} over");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        self.taken_over.push(after);
        println!("{fate:?} with its request at {at:?}, {:?}: taken over after {after:?}", order.deed);
        // Just after the next one has it, or when that one is through.
        tokio::time::sleep(Duration::from_millis(self.dice.number(1_500))).await;
        held.let_go();
        match fate {
            Fate::Killed => self.replicas[holder].child = self.replicas[holder].setup.start().await,
            Fate::Paused => self.replicas[holder].child.go_on(),
        }
    }

    async fn line(&mut self, id: &str) -> Line {
        self.books.line(id).await.unwrap().unwrap_or_else(|| panic!("{id} is not kept"))
    }
}

/// So many trials with a lease; how long they took at most is told, and bounded.
async fn trials(lease: &str, count: usize, bound: Duration) {
    let dice = &mut Dice::new();
    let deeds: Vec<Deed> = (0..count).map(|n| Deed::ALL[n % 8]).collect();
    let nodes = u32::try_from(count / 4 + 6).unwrap();
    let plane = Plane::own(&Options { nodes, ..Options::default() }).await;
    let namespace = plane.namespace(dice).await;
    let orders = targets::prepare(&plane, &namespace, &deeds, dice).await;
    let postgres = Postgres::start().await;
    let url = postgres.place().await;
    let place = plane.audit_end();
    let mut fleet = Fleet::start(&plane, &url, lease, Dice::new()).await;
    for (order, (fate, at)) in orders.iter().zip(TRIALS.into_iter().cycle()) {
        fleet.trial(fate, at, order).await;
    }
    judge(&plane, place, &mut fleet.books, &fleet.acknowledged).await;
    histogram("trials by deed", deeds.iter().map(|deed| format!("{deed:?}")));
    let (half, most) = percentile(&mut fleet.taken_over, 50).unwrap();
    println!(
        "leases of {lease}: taken over {half:?} (half), {most:?} (longest) after the end, {count} times"
    );
    assert!(most <= bound, "{most:?}, and at most {bound:?} was wanted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_dies_or_stands_still_is_followed_by_another_and_nothing_is_done_twice() {
    if is_proof() {
        trials("1500ms", 50, Duration::from_secs(3)).await;
        trials("15s", 10, Duration::from_secs(20)).await;
    } else {
        trials("1500ms", 3, Duration::from_secs(20)).await;
    }
}
