//! What tests against the control plane share: starting it, speaking to it as any of its users, scenarios.
//!
//! It knows nothing of the server under test.

mod audit;
mod dice;
pub(crate) mod evidence;
mod plane;
mod scenario;

pub(crate) use audit::Audited;
pub(crate) use dice::Dice;
pub(crate) use plane::{Options, Plane};
pub(crate) use scenario::Scenario;
