//! Operators: what a custom resource controls is changed by its operator, which is made to look again.
//!
//! A nudge writes one annotation to the operator's own resource and nothing to what the operator made.

use super::{Draft, Move, Remedy};
use crate::{
    model::{action::Action, plan::Risk, target::Target},
    planner::Neighbourhood,
};

/// How long an operator is expected to take, in seconds: the Go planner waited 3 minutes.
const SECONDS: u32 = 180;

pub(super) struct Nudge;

impl Remedy for Nudge {
    fn name(&self) -> &'static str {
        "nudge-operator"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        let target = near.target();
        let Some(resource) = &near.nudged else {
            let owners = &near.owners;
            return Err(if let Some(olm) = &owners.olm {
                format!("OLM made {target} from {olm}, and has no resource that a nudge would reach")
            } else if let Some(operator) = &owners.operator {
                format!(
                    "{target} names {operator} and no owner reference, so which resource it was made from is not known"
                )
            } else if target.kind == "ClusterOperator" {
                format!("{target} names no configuration of its operator")
            } else {
                String::new()
            });
        };
        // A workload that Argo CD or Helm deploys is theirs, whatever controls it besides.
        if near.owners.application.is_some() || near.owners.release.is_some() {
            return Err(String::new());
        }
        if resource.key() == target.key() {
            return Ok(draft(
                resource,
                format!("{target} is an operator's resource, which the operator is made to look at again"),
            ));
        }
        let what = if target.kind == "ClusterOperator" { "is configured by" } else { "is controlled by" };
        Ok(draft(resource, format!("{target} {what} {resource}, whose operator is made to look at it again")))
    }
}

fn draft(resource: &Target, why: String) -> Draft {
    let action = Action::NudgeOperator { target: resource.clone() };
    Draft {
        why,
        moves: vec![Move::new(format!("Nudge the operator of {resource}"), action)],
        expected: format!("the operator of {resource} reconciles it and what it made"),
        risk: Risk::Medium,
        seconds: SECONDS,
    }
}
