//! The library behind the `aiops` binary: two doors, a hall, and the rooms that touch the world.

pub mod cli;
pub mod cluster;
pub mod config;
pub mod mcp;
pub mod mode;
pub mod shutdown;
pub mod telemetry;
