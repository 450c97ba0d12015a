//! The library behind the `aiops` binary: two doors, a hall, and the rooms that touch the world.

#[cfg(unix)]
mod attach;
pub mod boot;
pub mod cli;
mod clock;
pub mod cluster;
pub mod config;
pub mod http;
pub mod ids;
pub mod mcp;
pub mod member;
pub mod mode;
pub mod notify;
pub mod ordered;
mod outbound;
pub mod recording;
pub mod rest;
pub mod shutdown;
pub mod store;
pub mod telemetry;
