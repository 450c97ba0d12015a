//! From a problem to a plan: the neighbourhood is read live, the remedy chosen, the steps made, and the API server asked
//! what it would say to each.
//!
//! It changes nothing: every mutation that it sends is a dry run.

use crate::{
    Engine,
    error::Error,
    model::{
        plan::{Plan, Problem},
        workflow::Order,
    },
    ports::acting::Acting,
};

/// What came of planning.
#[derive(Debug, Clone, PartialEq)]
pub enum Planned {
    /// A plan.
    Plan(Box<Plan>),
    /// No remedy fits; what a person should look at.
    NoRemedy {
        /// In sentences.
        why: String,
    },
}

/// Makes a plan. Approval and rule are left as `deny` for the guard to fill in.
///
/// # Errors
/// The target does not exist or cannot be read; the issue is not known; the order contradicts itself.
pub async fn plan(engine: &Engine, problem: &Problem, order: &Order) -> Result<Planned, Error> {
    let _ = (engine, problem, order);
    Err(Error::Internal { what: "planning".to_owned(), source: None })
}

/// Asks the API server about each step: rights, dry run, difference. What cannot be asked is noted, and is no refusal.
///
/// # Errors
/// The cluster cannot be read.
pub async fn prove(engine: &Engine, acting: Option<&dyn Acting>, plan: &mut Plan) -> Result<(), Error> {
    let _ = (engine, acting, plan);
    Ok(())
}
