//! The library behind the `aiops` binary: two doors, a hall, and the rooms that touch the world.

pub mod mcp;
