//! One durable run of one plan: executed once whatever dies, verified, and undone when it does not help.
//!
//! [`machine`] says what may follow what, [`record`] turns an event into the writes of one commit, [`runner`] asks the
//! ports. Nothing is kept in memory that the store does not hold: whoever takes a workflow over reads it and looks at the
//! cluster. No request is answered here, and nothing here knows a door.

mod annotation;
mod announcing;
mod checks;
mod held;
pub mod machine;
mod planning;
pub mod record;
pub mod runner;
mod sending;
mod stepping;
mod stopping;
mod times;
mod undoing;
mod verifying;
mod work_loop;

#[cfg(test)]
mod tests;

pub use self::{
    held::Held,
    runner::{Executor, Turn},
};
