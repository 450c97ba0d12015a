//! The MCP door: in-process clients of both eras, and HTTP without sockets.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot go on fails the test"
)]

mod approving;
mod calls;
mod catalogue;
mod completion;
pub(crate) mod fake;
mod http;
mod incidents;
mod lifecycle;
mod records;
mod remediation;
mod resources;
mod spans;
mod subscriptions;
mod tasks;
mod tools;
mod world;
