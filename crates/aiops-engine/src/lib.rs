//! Decides everything and touches nothing: the questions that aiops answers.
//!
//! The doors (`mcp/`, later `rest/`) turn what they receive into a request of this crate and print the answer. The
//! rooms (`cluster/`, …) implement [`ports`]. This crate opens no connection, reads no clock and no environment; it
//! knows neither kube nor rmcp nor axum.
//!
//! Answers (the structs that a request returns) are the one kind of type here that derives `Serialize` and
//! `JsonSchema`: they are the wire types of both doors, and there is no second set of them. Rows are not serializable.

pub mod answer;
pub mod audit;
pub mod breaker;
pub mod budget;
pub mod coordination;
pub mod coordinator;
pub mod deeds;
pub mod detectors;
pub mod diagnose;
pub mod discovery;
pub mod engine;
pub mod error;
pub mod fields;
pub mod fingerprint;
pub mod guard;
pub mod issue;
pub mod issue_words;
pub mod keeping;
pub mod layers;
pub mod member;
pub mod method;
pub mod model;
pub mod owners;
pub mod page;
pub mod placement;
pub mod planner;
pub mod ports;
pub mod projection;
pub mod redact;
pub mod remedies;
pub mod requests;
pub mod rollout;
pub mod settings;
pub mod shared;
pub mod sweep;
#[cfg(any(test, feature = "testing", feature = "model"))]
pub mod testing;
pub mod text;
pub mod workflow;

pub use coordinator::Coordinator;
pub use engine::Engine;
pub use error::Error;
pub use shared::SharedInventory;
