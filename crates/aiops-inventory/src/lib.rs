//! What a cluster holds, as flat rows, aggregates kept at each change, and the queries over them.
//!
//! This crate reads JSON that somebody else fetched and answers questions about it. It opens no connection or
//! file, reads no clock and knows no door: time comes in as an argument, bytes come in as slices.

pub mod decode;
pub mod intern;
pub mod inventory;
pub mod kind;
pub mod labels;
pub mod page;
pub mod quantity;
pub mod rows;
pub mod table;

pub use intern::{Interner, Name};
pub use inventory::{Change, ClusterInfo, Inventory, KindStatus, Scope, Sync};
pub use kind::Kind;
pub use rows::{Key, Row};
pub use table::Table;
