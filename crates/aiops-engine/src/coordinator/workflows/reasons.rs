//! Why something may not be done or does not go on, and how the engine is.
//!
//! It asks the same rules that decide, and decides nothing.

use super::Inner;
use crate::{
    coordination::{EngineStanding, RuleVerdict, Trigger, Verdicts, WhyNot},
    error::Error,
    guard,
    model::{
        action::Action,
        caller::Caller,
        ids::WorkflowId,
        phase::Phase,
        plan::{Approval, Problem},
        workflow::ApprovalState,
    },
    ports::store::WorkflowFilter,
    settings::policy::approval_word,
};

impl Inner {
    pub(in super::super) async fn why_not(
        &self,
        caller: &Caller,
        question: WhyNot,
    ) -> Result<Verdicts, Error> {
        match question {
            WhyNot::Trigger(trigger) => self.why_not_trigger(caller, &trigger).await,
            WhyNot::Workflow(id) => self.why_not_workflow(&id).await,
        }
    }

    async fn why_not_trigger(&self, caller: &Caller, trigger: &Trigger) -> Result<Verdicts, Error> {
        let (problem, order) = self.problem(trigger)?;
        let method = self.method_of(&problem);
        let actions: Vec<&Action> = order.action.iter().collect();
        let mut figures = self.figures(&problem, &actions, None).await?;
        figures.active = self.active().await?;
        self.tell_budgets(&problem, &actions, &mut figures).await?;
        let traits = (method, !order.resources.is_empty());
        let question = guard::Question::of_order(caller, &problem, &actions, traits, &figures);
        let ruling = guard::rule(&self.settings, &question);
        let mut rules = ruling.rules;
        rules.extend(guard::waits(&self.settings.limits, &question));
        let is_free = rules.iter().all(|rule| rule.passes);
        let mut approval = ruling.approval;
        if approval == Approval::Auto && order.action.is_none() && order.resources.is_empty() {
            let all = guard::foreseen(&self.settings, &problem, method);
            let policy = rules.iter_mut().find(|rule| rule.rule == guard::names::POLICY);
            if let (Some(policy), Some((strictest, why))) = (policy, by_remedy(&all)) {
                policy.why = why;
                approval = strictest;
            }
        }
        Ok(Verdicts { allowed: is_free && approval != Approval::Deny, approval, rules })
    }

    async fn why_not_workflow(&self, id: &WorkflowId) -> Result<Verdicts, Error> {
        let record = self.record(id).await?;
        let workflow = &record.workflow;
        let reason = workflow.reason.clone().unwrap_or_else(|| match workflow.phase {
            Phase::Planning => "its plan is being made".to_owned(),
            Phase::Queued => "its turn has not come yet".to_owned(),
            phase => format!("it is {phase}"),
        });
        let stands = matches!(
            workflow.phase,
            Phase::Planning | Phase::Queued | Phase::Running | Phase::Verifying | Phase::RollingBack
        );
        let own = RuleVerdict {
            rule: workflow.rule.clone().unwrap_or_else(|| format!("phase/{}", workflow.phase)),
            // One that waits for a rule goes on by itself once that passes.
            passes: (stands && workflow.rule.is_none()) || workflow.phase == Phase::Completed,
            why: reason,
        };
        if workflow.phase.is_terminal() {
            let approval = workflow.plan.as_ref().map_or(Approval::Auto, |plan| plan.approval);
            return Ok(Verdicts { allowed: false, approval, rules: vec![own] });
        }
        let plan = workflow.plan.as_ref();
        let actions: Vec<&Action> = match plan {
            Some(plan) => plan.steps.iter().map(|step| &step.action).collect(),
            None => workflow.order.action.iter().collect(),
        };
        let mut figures = self.figures(&workflow.problem, &actions, plan).await?;
        self.tell_budgets(&workflow.problem, &actions, &mut figures).await?;
        figures.is_agreed = record.approvals.iter().any(|given| {
            given.state == ApprovalState::Approved && Some(&given.digest) == workflow.digest.as_ref()
        });
        let method = plan.map_or_else(|| self.method_of(&workflow.problem), |plan| plan.deployed.method);
        let is_multi_layer =
            plan.map_or_else(|| !workflow.order.resources.is_empty(), |plan| plan.is_multi_layer());
        let traits = (method, is_multi_layer);
        let (caller, problem) = (&workflow.requested_by, &workflow.problem);
        let question = guard::Question::of_order(caller, problem, &actions, traits, &figures);
        let ruling = guard::rule(&self.settings, &question);
        let mut rules = vec![own];
        let (asked, approval) = if workflow.started_at.is_some() {
            let asked = guard::under_way(&self.settings, &question, ruling.rules);
            let is_held = asked.iter().any(|rule| !rule.passes);
            let agreed = plan.map_or(Approval::Auto, |plan| plan.approval);
            (asked, if is_held { Approval::Deny } else { agreed })
        } else {
            (ruling.rules, ruling.approval)
        };
        rules.extend(asked);
        if stands {
            rules.push(guard::budget(&self.settings.limits, &question));
        }
        let allowed = stands && approval != Approval::Deny;
        Ok(Verdicts { allowed, approval, rules })
    }

    /// Reads how much of the budgets is used up.
    async fn tell_budgets(
        &self,
        problem: &Problem,
        actions: &[&Action],
        figures: &mut guard::Figures,
    ) -> Result<(), Error> {
        let failed = |error| Error::from_store("reading what the budgets have left", error);
        for (scope, bucket, _) in guard::budgets(&self.settings.limits, problem, actions, figures.controls_at)
        {
            let used = self.store.budget_used(&scope, bucket).await.map_err(failed)?;
            figures.spent.insert(scope, used);
        }
        Ok(())
    }

    pub(in super::super) async fn standing(&self) -> EngineStanding {
        let count = async |phase: Vec<Phase>| {
            let filter = WorkflowFilter { phase, limit: 1, ..WorkflowFilter::default() };
            self.store.workflows(&filter).await.map(|rows| rows.total)
        };
        let active = Phase::ALL.into_iter().filter(|phase| !phase.is_terminal()).collect();
        let active = count(active).await;
        let parked = count(vec![Phase::NeedsOperator]).await;
        let controls = self.store.controls().await;
        let full = self.is_full().await;
        let view = controls.as_ref().ok().map(|rows| crate::coordinator::rules::view(rows));
        let unread =
            [active.as_ref().err(), parked.as_ref().err(), controls.as_ref().err(), full.as_ref().err()]
                .into_iter()
                .flatten()
                .next();
        let full = full.as_ref().ok().cloned().flatten();
        let (status, why) = match (unread, self.store.writable(), full) {
            (Some(error), ..) => ("down", Some(error.to_string())),
            (None, Err(error), _) => ("degraded", Some(error.to_string())),
            (None, Ok(()), Some(why)) => ("degraded", Some(why)),
            (None, Ok(()), None) => ("ok", None),
        };
        let word = |read: Option<&str>, unknown: &str| read.unwrap_or(unknown).to_owned();
        EngineStanding {
            status: status.to_owned(),
            why,
            acts: self.acting.is_some() && self.settings.is_enabled,
            // What cannot be read stops: the rules act by the same.
            kill_switch: word(view.as_ref().map(|view| view.kill_switch.as_str()), "pause"),
            breaker: word(view.as_ref().map(|view| view.breaker.as_str()), "unknown"),
            active_workflows: active.ok(),
            parked_workflows: parked.ok(),
        }
    }
}

/// Who may have to agree to a plan that is not made yet: the strictest of what its remedies ask for, and what each asks
/// for. A plan that the policy denies is not executed, and so counts only where all are. `None` where no remedy is known
/// to fit.
fn by_remedy(all: &[guard::Foresight]) -> Option<(Approval, String)> {
    let mut strictest = all.iter().map(|one| one.then).filter(|then| *then != Approval::Deny).max();
    if strictest.is_none() {
        strictest = all.iter().map(|one| one.then).max();
    }
    let told: Vec<String> = all
        .iter()
        .map(|one| format!("{} would be {} by policy/{}", one.remedy, approval_word(one.then), one.rule))
        .collect();
    Some((strictest?, format!("which remedy fits is known once the plan is made: {}", told.join(", "))))
}
