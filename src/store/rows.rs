//! Rows of the tables and the structs of the model, one file a topic.
//!
//! A struct's values are written in the order in which its columns stand in the migration.

pub(super) mod incident;
pub(super) mod records;
pub(super) mod workflow;
