//! The vocabulary of remediation: what is wrong, what may be done about it, what was done.
//!
//! These types are the engine's own and are stored: they derive serde, change only by addition, and
//! `tests/fixtures/logs` keeps what each release wrote. What doors answer stands in [`crate::coordination`].

pub mod action;
pub mod caller;
pub mod ids;
pub mod incident;
pub mod layer;
pub mod method;
pub mod phase;
pub mod plan;
pub mod target;
pub mod workflow;

/// A moment, in milliseconds since the epoch: what the store keeps.
pub type Millis = i64;

/// A moment as the wire has it: RFC 3339, UTC, whole seconds; `None` for a moment outside of what RFC 3339 can say.
pub fn wire_time(at: Millis) -> Option<String> {
    jiff::Timestamp::from_millisecond(at).ok().map(crate::answer::time)
}
