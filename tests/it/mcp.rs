//! The MCP door: in-process clients of both eras, HTTP without sockets, and other people's clients.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what cannot go on fails the test"
)]

mod calls;
mod catalogue;
mod clients;
mod completion;
mod http;
mod lifecycle;
mod resources;
mod spans;
mod subscriptions;
mod tools;
mod world;
