//! Random names, so that no answer can rest on a name that a scenario file happens to use.
//!
//! The seed is printed; the harness shows it when the test fails.

use std::hash::{BuildHasher, RandomState};

/// A small generator (SplitMix64); it need not be good, only different each time.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Seeded by the process.
    pub(crate) fn new() -> Self {
        let seed = RandomState::new().hash_one("dice");
        println!("dice seed {seed}");
        Self(seed)
    }

    pub(crate) fn number(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let at = self.number(from.len() as u64);
        from[usize::try_from(at).unwrap()]
    }

    /// A name that may stand anywhere in Kubernetes, unlike any other of the run.
    pub(crate) fn name(&mut self) -> String {
        let first = self.pick(&[
            "amber", "brisk", "coral", "dusty", "early", "fuzzy", "grand", "hazel", "ivory", "jolly",
        ]);
        let second = self.pick(&[
            "otter", "maple", "river", "tiger", "comet", "pebble", "harbor", "falcon", "meadow", "ember",
        ]);
        format!("{first}-{second}-{:05x}", self.number(1 << 20))
    }

    /// A word that stands nowhere else and does not look like a credential.
    pub(crate) fn canary(&mut self) -> String {
        format!("cnry{:016x}", self.number(1 << 60))
    }

    /// An image tag.
    pub(crate) fn tag(&mut self) -> String {
        format!("{}.{}.{}", self.number(10), self.number(40), self.number(100))
    }
}
