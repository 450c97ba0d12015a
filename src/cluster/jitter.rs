//! Random delays, so that many watches (and many of us) do not ask an API server in the same moment.
//!
//! Not for secrets: the numbers need to differ, not to be unguessable.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

/// A random part of `longest`.
pub(super) fn up_to(longest: Duration) -> Duration {
    // Each RandomState hashes with other keys; that is all the randomness a delay needs.
    let [a, b, ..] = RandomState::new().hash_one(0_u8).to_le_bytes();
    longest.mul_f64(f64::from(u16::from_le_bytes([a, b])) / f64::from(u16::MAX))
}

/// A random delay between two bounds.
pub(super) fn between(least: Duration, most: Duration) -> Duration {
    least + up_to(most.saturating_sub(least))
}
