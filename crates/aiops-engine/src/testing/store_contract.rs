//! The contract of the [`Store`] port, as checks that run against any implementation of it.
//!
//! Each check begins on an empty store. It reports what it found instead of panicking, so that a runner can show all of
//! them. What depends on a medium (a full disk, a connection that breaks) is not here.

mod accepting;
mod committing;
mod incidents;
mod leasing;
mod records;
pub(crate) mod samples;
mod upkeep;

use std::{fmt::Debug, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::memory_store::MemoryStore;
use crate::{model::Millis, ports::store::Store};

/// What a check found: nothing, or what is wrong.
pub type Found = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// A store for one check, and its time.
#[async_trait]
pub trait Bench: Send + Sync {
    /// An empty store.
    fn store(&self) -> Arc<dyn Store>;

    /// The store's time, in milliseconds since the epoch.
    fn now(&self) -> Millis;

    /// Lets time pass for the store.
    async fn pass(&self, time: Duration);
}

type Running = Pin<Box<dyn Future<Output = Found> + Send>>;

/// One check.
#[derive(Clone, Copy)]
pub struct Check {
    /// What holds, in words.
    pub name: &'static str,
    run: fn(Arc<dyn Bench>) -> Running,
}

impl Check {
    /// Runs it on a bench of its own.
    ///
    /// # Errors
    /// What does not hold.
    pub async fn run(&self, bench: Arc<dyn Bench>) -> Found {
        (self.run)(bench).await.map_err(|found| format!("{}: {found}", self.name).into())
    }
}

impl Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Names its checks and boxes them.
macro_rules! listed {
    ($($name:ident),* $(,)?) => {
        pub(super) const ALL: &[super::Check] = &[
            $(super::Check { name: stringify!($name), run: |bench| Box::pin($name(bench)) },)*
        ];
    };
}
use listed;

/// Every check of the contract.
pub fn checks() -> Vec<Check> {
    [accepting::ALL, committing::ALL, incidents::ALL, leasing::ALL, records::ALL, upkeep::ALL].concat()
}

/// Two things are the same.
fn same<T: PartialEq + Debug>(what: &str, got: T, wanted: T) -> Found {
    if got == wanted {
        return Ok(());
    }
    Err(format!("{what} is {got:?} and should be {wanted:?}").into())
}

/// Something holds.
fn holds(what: &str, is_so: bool) -> Found {
    if is_so { Ok(()) } else { Err(format!("it does not hold that {what}").into()) }
}

/// A memory store on a clock that is moved by hand, as a bench.
#[derive(Debug)]
pub struct MemoryBench {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
}

impl MemoryBench {
    /// An empty store.
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock)));
        Self { clock, store }
    }
}

impl Default for MemoryBench {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Bench for MemoryBench {
    fn store(&self) -> Arc<dyn Store> {
        Arc::<MemoryStore>::clone(&self.store)
    }

    fn now(&self) -> Millis {
        self.clock.millis()
    }

    async fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }
}

/// A clock that is moved by hand. It begins on 1 September 2026.
#[derive(Debug)]
pub struct ManualClock(std::sync::atomic::AtomicI64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(1_788_220_800_000.into())
    }
}

impl ManualClock {
    /// Now, in milliseconds since the epoch.
    pub fn millis(&self) -> Millis {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Moves it forward.
    pub fn pass(&self, time: Duration) {
        let by = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(by, std::sync::atomic::Ordering::SeqCst);
    }
}

impl crate::ports::Clock for ManualClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.millis()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_store_in_memory_keeps_the_contract() {
        for check in checks() {
            check.run(Arc::new(MemoryBench::new())).await.unwrap();
        }
    }

    #[test]
    fn the_contract_has_a_check_of_every_kind() {
        let names: Vec<_> = checks().iter().map(|check| check.name).collect();
        assert!(names.len() > 30, "{names:?}");
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), names.len());
    }
}
