//! How far back things are kept, though clocks jump.
//!
//! What is old by a wall clock is old only if the clock has run evenly since. So the horizon moves on with the time that has
//! truly passed, as far as that can be told; where the clock jumped, what was there before is kept until aiops has run for
//! as long as it is to be kept. It may keep things too long, never too short.

use crate::{model::Millis, ports::store::Horizon};

const MINUTE: Millis = 60_000;
const DAY: Millis = 86_400_000;

/// The horizon at this moment of the store's time. `ran` is how long this process has run since it made the `last` one, by
/// a clock that cannot jump; `None` when another process made it, or one before a start. `keep` is how long things are kept.
///
/// A gap of at most a day (at most a thirtieth of `keep`, at least a minute) between the two is a process that was away, and
/// counts as time. A longer one is a clock that was set forward, or a long absence: which, nobody can tell. A clock that is
/// set back makes things look younger.
pub fn horizon(last: Option<&Horizon>, now: Millis, ran: Option<Millis>, keep: Millis) -> Horizon {
    let oldest = now.saturating_sub(keep);
    let Some(last) = last else {
        // What is there was written by nobody knows which clock.
        return Horizon { seen: now, since: now, before: oldest.min(0) };
    };
    let ran = ran.unwrap_or(0).max(0);
    let passed = now.saturating_sub(last.seen);
    let is_even = passed.saturating_sub(ran) <= (keep / 30).clamp(MINUTE, DAY);
    // Set back, it runs evenly from there.
    let (since, passed) = if is_even { (last.since.min(now), passed.max(0)) } else { (now, ran) };
    // Whatever was written before `since` has been there for all of that time, or is dated later.
    let is_over = now.saturating_sub(since) >= keep;
    let before = if is_over { oldest } else { last.before.saturating_add(passed).min(oldest) };
    Horizon { seen: now, since, before }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 3_600_000;
    const YEAR: Millis = 365 * DAY;
    const KEEP: Millis = 30 * DAY;
    /// Somewhen in 2026.
    const NOW: Millis = 1_795_777_200_000;

    /// A machine: its clock, what has truly passed, and the horizon that is kept.
    struct Machine {
        clock: Millis,
        truly: Millis,
        kept: Option<Horizon>,
        /// What ended: by the clock as it was then, and truly.
        ended: Vec<(Millis, Millis)>,
        is_fresh: bool,
        /// How old, truly, the youngest was that went.
        youngest: Option<Millis>,
    }

    impl Machine {
        fn new(clock: Millis) -> Self {
            Self { clock, truly: 0, kept: None, ended: Vec::new(), is_fresh: true, youngest: None }
        }

        fn look(&mut self, ran: Millis) {
            let ran = (!std::mem::take(&mut self.is_fresh)).then_some(ran);
            let next = horizon(self.kept.as_ref(), self.clock, ran, KEEP);
            self.kept = Some(next);
            let truly = self.truly;
            let gone: Vec<Millis> = self
                .ended
                .extract_if(.., |(dated, _)| *dated < next.before)
                .map(|(_, ended)| truly - ended)
                .collect();
            self.youngest = self.youngest.into_iter().chain(gone).min();
        }

        /// Runs for so many hours; something ends in each of them.
        fn run(&mut self, hours: i64) -> &mut Self {
            for _ in 0..hours {
                self.ended.push((self.clock, self.truly));
                self.clock += HOUR;
                self.truly += HOUR;
                self.look(HOUR);
            }
            self
        }

        fn jump(&mut self, by: Millis) -> &mut Self {
            self.clock += by;
            self
        }

        fn away(&mut self, by: Millis) -> &mut Self {
            self.clock += by;
            self.truly += by;
            self.is_fresh = true;
            self.look(0);
            self
        }

        /// Nothing went too early, and what is there is no older than this by the true time.
        fn holds(&self, oldest: Millis) {
            assert!(self.youngest.is_none_or(|age| age >= KEEP - DAY), "{:?}", self.youngest);
            let old = self.ended.iter().map(|(_, ended)| self.truly - ended).max();
            assert!(old.is_none_or(|old| old <= oldest), "{old:?} with {:?}", self.kept);
        }
    }

    #[test]
    fn what_runs_evenly_keeps_as_long_as_it_should() {
        let mut machine = Machine::new(NOW);
        machine.run(24 * 90).holds(KEEP + HOUR);
        assert!(machine.youngest.is_some_and(|age| age >= KEEP));
        // Restarts and nights between do not change that.
        for _ in 0..60 {
            machine.run(12).away(12 * HOUR);
        }
        machine.holds(KEEP + DAY);
        assert!(machine.youngest.is_some_and(|age| age >= KEEP));
    }

    #[test]
    fn a_clock_that_jumps_a_year_forward_loses_nothing_that_is_young() {
        let mut machine = Machine::new(NOW);
        machine.run(24 * 40).jump(YEAR).run(24 * 10);
        machine.holds(KEEP + HOUR);
        // Right again, and everything goes in the end.
        machine.jump(-YEAR).run(24 * 10).holds(KEEP + HOUR);
        machine.run(24 * 400).holds(KEEP + HOUR);
    }

    #[test]
    fn a_jump_between_two_starts_loses_nothing_either() {
        for by in [YEAR, -YEAR, 20 * DAY, -20 * DAY] {
            let mut machine = Machine::new(NOW);
            machine.run(24 * 40);
            machine.is_fresh = true;
            machine.jump(by).run(24 * 15).holds(KEEP + 16 * DAY);
            machine.is_fresh = true;
            machine.jump(-by).run(24 * 15).holds(KEEP + 31 * DAY);
            // What was dated in a future goes when that has passed.
            machine.run(24 * if by == YEAR { 440 } else { 62 }).holds(KEEP + HOUR);
        }
    }

    #[test]
    fn what_was_dated_before_the_clock_was_set_is_kept_as_long() {
        // A machine without a clock of its own begins at the epoch, works for a week, and learns the time.
        let mut machine = Machine::new(5_000);
        machine.run(24 * 7).jump(NOW).run(24 * 20).holds(KEEP + HOUR);
        assert!(machine.youngest.is_none());
        machine.run(24 * 45).holds(KEEP + HOUR);
        assert!(machine.youngest.is_some());
        // And the other way: a year behind for a while.
        machine.jump(-YEAR).run(24 * 5).jump(YEAR).run(24 * 10).holds(YEAR + 2 * KEEP);
        machine.run(24 * 60).holds(KEEP + HOUR);
    }

    #[test]
    fn what_was_away_for_a_year_is_cleared_after_it_has_run_as_long_as_it_keeps() {
        let mut machine = Machine::new(NOW);
        machine.run(24 * 40).away(YEAR).run(24 * 29);
        assert!(machine.ended.iter().any(|(_, ended)| machine.truly - ended > YEAR));
        machine.run(25).holds(KEEP + HOUR);
    }
}
