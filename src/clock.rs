//! The engine's clock: the system's, or one that stands still at the moment of a recording; the store's, which follows the
//! system's without its jumps; and the one that measures how long a lease may be trusted.
//!
//! It decides nothing about time.

use std::{sync::Arc, time::Duration};

use aiops_engine::{
    model::Millis,
    ports::{Clock, Timer},
};
use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;

/// The time as the system tells it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Always this moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FixedClock(pub(crate) Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The time of a store that has none of its own (SQLite).
///
/// Leases, deadlines and wake-ups are moments of it. A wall clock that is set forward by an hour would end all leases and
/// the time of every step at once, and one that is set back would let what waits for two seconds wait for an hour. So
/// this one goes on as time passes, and comes nearer to the wall clock by a twentieth of that: less than the margin by
/// which a lease is trusted too short. Only what is more than a day behind is put right at once: a machine that started
/// in 1970. Where ticks stand still while the machine is suspended, whatever is behind is. It never goes back while the
/// process lives.
pub(crate) struct SteadyClock {
    wall: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    /// What is further behind the wall clock is put right at once.
    far: Millis,
    last: Mutex<Reading>,
}

/// A moment by both clocks.
#[derive(Debug, Clone, Copy)]
struct Reading {
    ticks: Millis,
    now: Millis,
    /// The latest that was told since.
    told: Millis,
}

/// More than this behind the wall clock is no time at all.
const FAR: Millis = 24 * 60 * 60 * 1_000;
/// It comes nearer to the wall clock by this part of what passes.
const NEARER: Millis = 20;
/// How long a reading is counted from.
const READING: Millis = 1_000;

impl SteadyClock {
    /// By the system's clocks.
    pub(crate) fn new() -> Self {
        let far = if cfg!(target_os = "linux") { FAR } else { 0 };
        Self::of(Arc::new(SystemClock), Arc::new(SystemTimer), far)
    }

    fn of(wall: Arc<dyn Clock>, timer: Arc<dyn Timer>, far: Millis) -> Self {
        let (ticks, now) = (timer.ticks(), wall.now().as_millisecond());
        Self { wall, timer, far, last: Mutex::new(Reading { ticks, now, told: now }) }
    }

    fn millis(&self) -> Millis {
        let (ticks, wall) = (self.timer.ticks(), self.wall.now().as_millisecond());
        let mut last = self.last.lock();
        let passed = ticks.saturating_sub(last.ticks).max(0);
        let steady = last.now.saturating_add(passed);
        let off = wall.saturating_sub(steady);
        let most = passed / NEARER;
        let now = if off > self.far { wall } else { steady.saturating_add(off.clamp(-most, most)) };
        last.told = last.told.max(now);
        if passed >= READING || off > self.far {
            *last = Reading { ticks, now: last.told, told: last.told };
        }
        last.told
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        // What the calendar cannot say no clock tells.
        Timestamp::from_millisecond(self.millis()).unwrap_or_else(|_| self.wall.now())
    }
}

/// A clock that never jumps and counts while the machine is suspended, where the system has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemTimer;

/// A machine that wakes from suspension finds its sleepers late by no more than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[async_trait]
impl Timer for SystemTimer {
    fn ticks(&self) -> Millis {
        ticks()
    }

    async fn sleep_until(&self, until: Millis) {
        loop {
            // The runtime's own clock stands still in suspension, so it is asked for short whiles only.
            let Some(left) = u64::try_from(until.saturating_sub(ticks())).ok().filter(|left| *left > 0)
            else {
                return;
            };
            tokio::time::sleep(Duration::from_millis(left).min(LOOK_EVERY)).await;
        }
    }
}

#[cfg(target_os = "linux")]
fn ticks() -> Millis {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)
}

#[cfg(not(target_os = "linux"))]
fn ticks() -> Millis {
    use std::{sync::LazyLock, time::Instant};

    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    Millis::try_from(BEGAN.elapsed().as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    const START: Millis = 1_800_000_000_000;
    const HOUR: Millis = 3_600_000;

    /// A wall clock and ticks, moved by hand.
    #[derive(Default)]
    struct Hands {
        wall: AtomicI64,
        ticks: AtomicI64,
    }

    impl Hands {
        fn clock() -> (Arc<Self>, SteadyClock) {
            Self::clock_within(FAR)
        }

        fn clock_within(far: Millis) -> (Arc<Self>, SteadyClock) {
            let hands = Arc::new(Self::default());
            hands.set(START);
            (Arc::clone(&hands), SteadyClock::of(Arc::clone(&hands) as _, Arc::clone(&hands) as _, far))
        }

        fn set(&self, wall: Millis) {
            self.wall.store(wall, Ordering::SeqCst);
        }

        /// Time passes for both.
        fn pass(&self, by: Millis) {
            self.wall.fetch_add(by, Ordering::SeqCst);
            self.ticks.fetch_add(by, Ordering::SeqCst);
        }
    }

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_millisecond(self.wall.load(Ordering::SeqCst)).unwrap()
        }
    }

    #[async_trait]
    impl Timer for Hands {
        fn ticks(&self) -> Millis {
            self.ticks.load(Ordering::SeqCst)
        }

        async fn sleep_until(&self, _: Millis) {}
    }

    #[test]
    fn a_wall_clock_that_does_not_jump_is_followed_to_the_millisecond() {
        let (hands, clock) = Hands::clock();
        for by in [0, 1, 7, 19, 20, 999, 1_000, 3 * HOUR, 5] {
            hands.pass(by);
            assert_eq!(clock.now(), hands.now(), "after {by} ms");
        }
    }

    #[test]
    fn one_that_is_set_is_come_near_to_and_neither_jumped_after_nor_gone_back_for() {
        for by in [HOUR, -HOUR, FAR, -10 * FAR] {
            let (hands, clock) = Hands::clock();
            hands.set(START + by);
            assert_eq!(clock.millis(), START, "at once");
            let mut last = START;
            for n in 0..1_500 {
                hands.pass(10);
                let now = clock.millis();
                assert!(now >= last, "{by}: it went back at {n}");
                last = now;
            }
            // A lease of 15 s is trusted for 12: it neither ends before that nor lasts much longer.
            let passed = last - START;
            assert!((14_200..=15_800).contains(&passed), "{by}: {passed} ms within 15 s");
        }
        let (hands, clock) = Hands::clock();
        hands.set(START + HOUR);
        for _ in 0..21 * 60 {
            hands.pass(60_000);
            clock.millis();
        }
        assert_eq!(clock.now(), hands.now(), "after 21 hours it is there");
    }

    #[test]
    fn one_that_flutters_makes_it_neither_jump_nor_go_back() {
        let (hands, clock) = Hands::clock();
        let mut last = START;
        for n in 0_i64..10_000 {
            hands.pass(3);
            hands.set(START + 3 * (n + 1) + if n % 2 == 0 { HOUR } else { -HOUR });
            let now = clock.millis();
            assert!((0..=60).contains(&(now - last)), "{n}: {} ms at once", now - last);
            last = now;
        }
        assert!((28_000..=32_000).contains(&(last - START)), "{} ms within 30 s", last - START);
    }

    #[test]
    fn a_machine_that_started_in_1970_is_put_right_at_once() {
        let (hands, clock) = Hands::clock();
        hands.set(START + FAR + 1);
        assert_eq!(clock.now(), hands.now());
        hands.pass(5);
        assert_eq!(clock.now(), hands.now());
    }

    #[test]
    fn where_suspension_is_not_counted_what_it_took_is_caught_up_at_once_and_nothing_goes_back() {
        let (hands, clock) = Hands::clock_within(0);
        hands.set(START + 8 * HOUR);
        assert_eq!(clock.now(), hands.now());
        hands.set(START);
        hands.pass(100);
        let now = clock.millis() - START - 8 * HOUR;
        assert!((95..=100).contains(&now), "{now}");
    }
}
