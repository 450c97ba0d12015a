//! Objects as kubectl prints them, with managedFields and all, become the rows they should.

#![expect(clippy::expect_used, clippy::panic, reason = "what cannot go on fails the test")]

mod golden {
    mod others;
    mod pods;
    mod workloads;
}

use aiops_inventory::{
    Interner,
    decode::{DecodeError, Shared},
    rows::Seconds,
};

/// The bytes of a file in `fixtures/`.
macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/", $name, ".json")).as_slice()
    };
}
pub(crate) use fixture;

/// Reads one object.
fn row<R>(read: fn(&[u8], &mut Interner, &mut Shared) -> Result<R, DecodeError>, json: &[u8]) -> R {
    match read(json, &mut Interner::default(), &mut Shared::default()) {
        Ok(row) => row,
        Err(error) => panic!("{error}: {}", error.source),
    }
}

/// Seconds of a moment.
fn at(text: &str) -> Seconds {
    text.parse::<jiff::Timestamp>().expect("moment").as_second()
}

/// When the objects were made, and when their conditions changed last.
const CREATED: &str = "2026-11-24T08:15:30Z";
const CHANGED: &str = "2026-11-24T09:02:11Z";
