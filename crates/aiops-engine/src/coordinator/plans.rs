//! Requests about plans and deployment methods.
//!
//! A plan that is asked for here is made, proven and judged as for a trigger, and nothing of it is kept.

mod methods;
mod problem;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use self::{methods::Methods, problem::method_key};
use super::Inner;
use crate::{
    coordination::{MethodView, PlanRequest, PlanView, WorkloadName},
    error::Error,
    fingerprint, guard, method,
    model::{
        action::Action,
        caller::Caller,
        method::Deployed,
        plan::{Approval, Plan},
        target::Target,
    },
    planner::{self, Planned},
};

/// When a plan is worth asking for again that could not be made now.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(2);

/// What the guard says to a plan, for a view.
struct Ruled {
    approval: Approval,
    rule: String,
    refused: Option<String>,
}

impl Inner {
    pub(super) async fn plan(&self, caller: &Caller, request: PlanRequest) -> Result<PlanView, Error> {
        let trigger = request.trigger;
        let (problem, order) = self.problem(&trigger)?;
        let made = Box::pin(planner::plan(&self.engine, &problem, &order, &self.settings.limits)).await;
        match made.map_err(ask_again)? {
            Planned::NoRemedy { why } => {
                Ok(view::none(&self.engine, &problem, why, self.settings.is_simulated))
            }
            Planned::Plan(mut plan) => {
                let proven = planner::prove(&self.engine, self.acting.as_deref(), &mut plan);
                Box::pin(proven).await.map_err(ask_again)?;
                self.methods.put(&plan.problem.target, &plan.deployed, self.now());
                let digest = fingerprint::digest(&plan)?;
                let mut ruled = self.ruled(caller, &plan).await;
                if let Some(wanted) = trigger.digest.as_ref().filter(|wanted| **wanted != digest) {
                    let wanted: String = wanted.chars().take(64).collect();
                    ruled.refused = Some(format!("the plan is another one now: its digest is not {wanted}"));
                }
                Ok(view::of(&plan, ruled, digest, self.settings.is_simulated))
            }
        }
    }

    /// What the guard would say to this plan now, and what the API server said to its dry run. Where the guard cannot
    /// judge, the plan is still shown, and would be refused.
    async fn ruled(&self, caller: &Caller, plan: &Plan) -> Ruled {
        let actions: Vec<&Action> = plan.steps.iter().map(|step| &step.action).collect();
        let ruling = match self.figures(&plan.problem, &actions, Some(plan)).await {
            Ok(figures) => guard::rule(
                &self.settings,
                &guard::Question::of_order(
                    caller,
                    &plan.problem,
                    &actions,
                    (plan.deployed.method, plan.is_multi_layer()),
                    &figures,
                ),
            ),
            Err(error) => {
                let why = format!("the guard could not judge it: {error}");
                return Ruled { approval: Approval::Deny, rule: "store".to_owned(), refused: Some(why) };
            }
        };
        let refused = match (planner::refusal(plan), ruling.approval) {
            (Some(why), _) => {
                return Ruled { approval: ruling.approval, rule: "dry-run".to_owned(), refused: Some(why) };
            }
            (None, Approval::Deny) => Some(ruling.why),
            (None, _) => None,
        };
        Ruled { approval: ruling.approval, rule: ruling.rule, refused }
    }

    /// How a workload is deployed, as far as memory tells: what was looked at lately, else what labels and owners say.
    pub(crate) fn method_in_memory(&self, target: &Target) -> Deployed {
        if let Some((deployed, _)) = self.methods.get(target, self.now()) {
            return deployed;
        }
        let inventory = self.engine.look();
        let kind = aiops_inventory::Kind::ALL.into_iter().find(|kind| kind.name() == target.kind);
        kind.and_then(|kind| method::from_rows(&inventory, kind, &target.namespace, &target.name))
            .unwrap_or_else(|| Deployed::unknown("memory does not tell; it is read when the plan is made"))
    }

    pub(super) async fn deployment_method(
        &self,
        _: &Caller,
        workload: WorkloadName,
    ) -> Result<MethodView, Error> {
        let named = self.named(&workload.kind, &workload.namespace, &workload.name)?;
        let now = self.now();
        let (deployed, at) = match self.methods.get(&named, now) {
            Some(known) => known,
            None => (self.look_at_method(&named).await?, now),
        };
        Ok(MethodView {
            deployed,
            detected_at: problem::exact_time(at),
            namespace: named.namespace,
            resource_name: named.name,
            resource_kind: named.kind,
        })
    }

    /// Reads the method live; from rows where there is no cluster to read or it does not answer.
    async fn look_at_method(&self, named: &Target) -> Result<Deployed, Error> {
        match Box::pin(planner::ownership(&self.engine, named)).await {
            Ok(owners) => {
                self.methods.put(named, &owners.deployed, self.now());
                Ok(owners.deployed)
            }
            Err(
                error @ (Error::Unavailable { .. } | Error::Timeout { .. } | Error::NotInThisMode { .. }),
            ) => {
                let inventory = self.engine.look();
                let kind = aiops_inventory::Kind::ALL.into_iter().find(|kind| kind.name() == named.kind);
                let of_rows =
                    kind.and_then(|kind| method::from_rows(&inventory, kind, &named.namespace, &named.name));
                of_rows.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }
}

/// Nothing is kept that could be planned again later, so whoever asked is told to.
fn ask_again(error: Error) -> Error {
    let again = |why: String| format!("{why}; ask again in a moment");
    match error {
        Error::Unavailable { what, why, retry_after } => {
            Error::Unavailable { what, why: again(why), retry_after: retry_after.or(Some(AGAIN)) }
        }
        Error::Timeout { what, seconds, why } => Error::Timeout { what, seconds, why: again(why) },
        other => other,
    }
}
