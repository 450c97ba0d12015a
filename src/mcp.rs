//! The MCP door: lists the tools and hands calls to them.
//!
//! It decides nothing about clusters: a tool decodes its input, asks the engine one question and wraps the answer.

#[cfg(feature = "conformance-fixtures")]
mod fixtures;
mod schema;
pub mod tool;
pub mod tools;
