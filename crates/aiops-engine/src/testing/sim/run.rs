//! One run: processes that take workflows on, in a cluster whose time is moved by hand, with faults between them.
//!
//! A process is polled by hand, a call of a port at a time, so the order in which processes interleave is the dice's, and
//! the same seed gives the same run. A process that dies loses everything in memory; its successor has another name.

mod ask;
mod process;
mod tell;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    cluster::{Reach, UnderWay, touch},
    defects::Defect,
    dice::Dice,
    faults::Faults,
    hands::{Counted, Hands, StoppedTimer, Wall},
    member,
    notes::Notes,
    scene,
    store::Handle,
};
use crate::{
    Coordinator, Engine, SharedInventory,
    coordinator::{Inner, Parts, Sweeper},
    error::Error,
    model::Millis,
    ports::{
        Clock, Cluster, Ids, Timer,
        store::{Store, StoreError},
    },
    settings::Settings,
    testing::{
        memory_store::MemoryStore,
        model::{Key, Model, OURSELVES},
    },
    workflow::{Executor, Held, Turn},
};

/// The cluster that every run begins with.
pub(crate) struct Base {
    pub(crate) model: Model,
    at: Millis,
}

impl Base {
    pub(crate) fn new() -> Self {
        let hands = Hands::new();
        let model = scene::build(&hands);
        Self { model, at: hands.millis() }
    }
}

type Work<T> = Pin<Box<dyn Future<Output = T>>>;

/// What a process is doing.
enum Doing {
    Nothing {
        until: Millis,
    },
    Claiming(Work<Result<Option<Held>, StoreError>>),
    Holding {
        held: Arc<Held>,
        until: Millis,
    },
    Working {
        held: Arc<Held>,
        work: Work<Turn>,
    },
    /// It was asked to end, and gives back what it holds.
    GivingBack(Work<()>),
}

/// A sweep's outcome, with what the sweeper remembers.
type Swept = (Sweeper, Result<(), Error>);

/// A process.
struct Process {
    name: String,
    incarnation: u32,
    executor: Executor,
    duties: Arc<Inner>,
    doing: Doing,
    renewing: Option<Work<Result<bool, StoreError>>>,
    renewed_at: Millis,
    /// It does not run until then: stopped, or swapped out.
    paused_until: Millis,
    /// It was asked to end: it takes nothing up any more.
    is_ending: bool,
    sweeper: Option<Sweeper>,
    sweeping: Option<Work<Swept>>,
    sweeps_at: Millis,
}

/// How a run is.
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) processes: usize,
    pub(crate) defect: Option<Defect>,
    pub(crate) settings: Settings,
    pub(crate) jumps: bool,
    /// Processes hold the duties of the sweep beside their work.
    pub(crate) sweeps: bool,
}

/// A run.
pub(crate) struct Sim {
    pub(crate) model: Model,
    pub(crate) hands: Arc<Hands>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) dice: Dice,
    inventory: SharedInventory,
    ids: Arc<Counted>,
    settings: Settings,
    defect: Option<Defect>,
    under_way: UnderWay,
    processes: Vec<Process>,
    orders: u64,
    calm_since: Millis,
    /// The engine's wall clock jumps.
    jumps: bool,
    sweeps: bool,
    /// How many processes were asked to end, and ended.
    pub(crate) drained: u64,
    /// How many sweeps came to their end.
    pub(crate) swept: u64,
}

thread_local! {
    /// Deadlines of reads need a timer; its time stands still, so none ever passes.
    static TIMER: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
}

/// Polls once.
fn poll<T>(work: &mut Work<T>) -> Poll<T> {
    TIMER.with(|timer| {
        let _inside = timer.enter();
        poll_inside(work)
    })
}

fn poll_inside<T>(work: &mut Work<T>) -> Poll<T> {
    work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs what waits for nobody; nothing, when its process died on the way.
pub(crate) fn tried<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    TIMER.with(|timer| {
        let _inside = timer.enter();
        (0..2_000).find_map(|_| match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
}

/// Runs what waits for nobody and cannot die.
pub(crate) fn now<T>(work: impl Future<Output = T>) -> T {
    tried(work).expect("it waits for something that does not come")
}

impl Sim {
    pub(crate) fn new(base: &Base, faults: Arc<Faults>, options: Options) -> Self {
        let hands = Hands::new();
        hands.advance(base.at - hands.millis());
        let model = base.model.fork(Arc::clone(&hands) as Arc<dyn Clock>);
        let store = Arc::new(MemoryStore::new(Arc::clone(&hands) as Arc<dyn Clock>));
        let notes = Notes::new(model.clone(), Arc::clone(&hands));
        let inventory = SharedInventory::default();
        model.relist();
        model.feed(&inventory);
        inventory.change(|rows| rows.set_info(|info| info.uid = scene::CLUSTER.into()));
        let calm_since = hands.millis();
        let mut sim = Self {
            model,
            hands,
            store,
            notes,
            faults,
            dice: Dice::new(options.seed),
            inventory,
            ids: Arc::default(),
            settings: options.settings,
            defect: options.defect,
            under_way: UnderWay::default(),
            processes: Vec::new(),
            orders: 0,
            calm_since,
            jumps: options.jumps,
            sweeps: options.sweeps,
            drained: 0,
            swept: 0,
        };
        sim.faults.know(&sim.store);
        for place in 0..options.processes {
            let process = sim.process(&format!("executor-{place}"), 0);
            sim.processes.push(process);
        }
        sim
    }

    /// The coordinator of a process of this name.
    pub(crate) fn coordinator(&self, name: &str) -> Coordinator {
        let store = Handle::new(name, &self.store, &self.notes, &self.faults, self.defect);
        let reach = Arc::new(Reach {
            who: name.to_owned(),
            model: self.model.clone(),
            hands: Arc::clone(&self.hands),
            faults: Arc::clone(&self.faults),
            defect: self.defect,
            under_way: Arc::clone(&self.under_way),
            notes: Arc::clone(&self.notes),
        });
        let rows = |cluster: Arc<dyn Cluster>| {
            Engine::new(self.inventory.clone(), Some(cluster), Arc::new(Wall(Arc::clone(&self.hands))))
        };
        let (cluster, acting) = member::ports(reach, rows, &self.ids);
        Coordinator::new(Parts {
            engine: rows(cluster),
            store: store as Arc<dyn Store>,
            acting: Some(acting),
            ids: Arc::clone(&self.ids) as Arc<dyn Ids>,
            settings: self.settings.clone(),
        })
    }

    fn process(&self, name: &str, incarnation: u32) -> Process {
        let owner = format!("{name}#{incarnation}");
        let coordinator = self.coordinator(&owner);
        let timer: Arc<dyn Timer> = match self.defect {
            Some(Defect::TrustStandsStill) => Arc::new(StoppedTimer),
            _ => Arc::clone(&self.hands) as Arc<_>,
        };
        let duties = coordinator.inner();
        let executor = Executor::new(&coordinator, owner, timer);
        Process {
            name: name.to_owned(),
            incarnation,
            executor,
            duties,
            doing: Doing::Nothing { until: 0 },
            renewing: None,
            renewed_at: self.hands.millis(),
            paused_until: 0,
            is_ending: false,
            sweeper: self.sweeps.then(Sweeper::default),
            sweeping: None,
            sweeps_at: self.hands.millis(),
        }
    }

    /// Lets time pass: controllers act, and requests that are under way arrive.
    pub(crate) fn pass(&mut self, by: Millis) {
        let mut left = by;
        while left > 0 {
            let part = left.min(1_000);
            left -= part;
            self.hands.advance(part);
            self.model.settle(6);
            self.arrive(self.hands.millis());
            if by > 60_000 {
                // A long wait: nothing moves any more after a minute.
                self.hands.advance(left);
                self.arrive(self.hands.millis());
                break;
            }
        }
        self.model.feed(&self.inventory);
    }

    fn arrive(&self, until: Millis) {
        let mut under_way = self.under_way.lock();
        let due: Vec<_> = under_way.iter().filter(|(at, _)| *at <= until).cloned().collect();
        under_way.retain(|(at, _)| *at > until);
        drop(under_way);
        for (_, mutation) in due {
            // Nobody reads the answer any more.
            let _ = self.model.request(OURSELVES, &mutation);
        }
    }

    /// Runs without dice until everything is over: each process in turn, time only when nobody has anything to do.
    pub(crate) fn rush(&mut self, most: u32) {
        for _ in 0..most {
            let mut did = false;
            for place in 0..self.processes.len() {
                did |= self.step(place);
            }
            if did {
                continue;
            }
            if self.over() {
                return;
            }
            let at = self.hands.millis();
            // Whoever has nothing to do need not look again before something is due.
            let due = now(self.store.next_due()).unwrap().unwrap_or(at);
            let is_due = due <= at;
            let held = self.processes.iter().filter_map(|process| match &process.doing {
                Doing::Holding { until, .. } => Some(*until),
                Doing::Nothing { until } if is_due => Some(*until),
                Doing::Nothing { .. } | Doing::Claiming(_) | Doing::Working { .. } | Doing::GivingBack(_) => {
                    None
                }
            });
            let paused = self.processes.iter().map(|process| process.paused_until);
            let soonest = held.chain(paused).chain([due]).filter(|until| *until > at).min();
            let by = soonest.map_or(1_000, |until| until - at).clamp(50, 3_600_000);
            self.pass(by);
        }
    }

    /// Runs by the dice: processes in any order, time in any portion, trouble from outside at any moment.
    pub(crate) fn throw(&mut self, moves: u32, mut trouble: impl FnMut(&mut Self)) {
        for _ in 0..moves {
            match self.dice.below(1_000) {
                0..=779 => {
                    let place = self.dice.place(self.processes.len());
                    self.step(place);
                }
                780..=914 => {
                    let by = [20, 100, 400, 1_000, 2_500][self.dice.place(5)];
                    self.pass(by);
                }
                915..=934 => {
                    let (place, by) = (self.dice.place(self.processes.len()), self.dice.below(40_000));
                    self.processes[place].paused_until = self.hands.millis() + i64::try_from(by).unwrap();
                }
                935..=949 => {
                    let key = self.anything();
                    touch(&self.model, &key, self.model.next_order());
                }
                950..=957 => {
                    let place = self.dice.place(self.processes.len());
                    self.die(place, 300);
                }
                958..=961 => {
                    let place = self.dice.place(self.processes.len());
                    self.processes[place].is_ending = true;
                }
                962..=971 if self.jumps => {
                    let by = *self.dice.pick(&[0, 3_600_000, -3_600_000, 4_000, -31_536_000_000]);
                    self.hands.skew(by);
                }
                962..=971 => {}
                _ => trouble(self),
            }
            if self.dice.is(20) && self.over() {
                break;
            }
        }
    }

    /// An object that somebody may touch.
    pub(crate) fn anything(&mut self) -> Key {
        let kind = *self.dice.pick(&["Deployment", "StatefulSet", "DaemonSet", "Node", "Application"]);
        let all = self.model.objects(kind);
        self.dice.pick(&all).0.clone()
    }

    /// Faults stop, the processes of before are gone, one is left, and everything has to come to its end.
    pub(crate) fn calm(&mut self) {
        self.faults.calm();
        self.hands.skew(0);
        if self.mode("kill_switch", "run") != "run" {
            self.switch("run");
        }
        if self.mode("breaker", "closed") != "closed" {
            self.control("breaker", "closed");
        }
        self.arrive(Millis::MAX);
        let names: Vec<(String, u32)> =
            self.processes.iter().map(|process| (process.name.clone(), process.incarnation + 1)).collect();
        self.processes.clear();
        for (name, incarnation) in names.into_iter().take(1) {
            let process = self.process(&name, incarnation);
            self.processes.push(process);
        }
        self.calm_since = self.hands.millis();
        self.rush(400_000);
    }
}
