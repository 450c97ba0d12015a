//! Integration tests: one binary, one module a topic.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "what a test sets up must work"
)]

mod answers;
mod bad_input;
mod boundaries;
mod catalogue;
mod cli;
mod cluster;
mod commands;
mod darkness;
mod http;
mod ids;
mod mcp;
mod member;
mod notify;
mod policy;
mod process;
mod quoted;
mod readme;
mod recording;
mod remediation;
mod rest;
#[cfg(target_os = "linux")]
mod small_disk;
mod spans;
mod stdio;
mod store;
mod support;
mod wire;
