//! What tests against the control plane share: starting it, speaking to it as any of its users, scenarios, and the
//! server under test.
//!
//! It knows nothing of what the server should answer.

mod aiops;
mod audit;
mod desk;
mod dice;
mod door;
pub(crate) mod evidence;
mod full;
mod plane;
mod postgres;
mod proxy;
mod scenario;

pub(crate) use aiops::{Aiops, Answer, SOON};
pub(crate) use audit::Audited;
pub(crate) use desk::{Desk, caller, changes, tried};
pub(crate) use dice::Dice;
pub(crate) use door::{Desktop, Open, Served, Told, command};
pub(crate) use full::{Actor, Full, digest, token};
pub(crate) use plane::{Options, Plane, helm};
pub(crate) use postgres::Postgres;
pub(crate) use proxy::{Proxy, Weather, document};
pub(crate) use scenario::Scenario;

/// The binary under test: that of this build, or what `AIOPS_BINARY` names.
pub(crate) fn binary() -> std::path::PathBuf {
    std::env::var_os("AIOPS_BINARY")
        .map_or_else(|| std::path::PathBuf::from(env!("CARGO_BIN_EXE_aiops")), std::path::PathBuf::from)
}

/// The long counts of `make proof`, instead of those that fit into `make test`.
pub(crate) fn is_proof() -> bool {
    std::env::var_os("AIOPS_PROOF").is_some_and(|value| value == "1")
}
