//! Integration tests: one binary, one module a topic.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "what a test sets up must work"
)]

mod boundaries;
mod catalogue;
mod mcp;
    reason = "what a test sets up must work"
)]

mod cluster;
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test sets up must work"
)]

mod cli;
mod http;
mod process;
mod stdio;
mod wire;
