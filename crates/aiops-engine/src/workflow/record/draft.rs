//! A commit that is being written: the workflow, its plan and its approval.
//!
//! It only writes down what the machine lets follow; what happens to a step stands in [`super::steps`], how a workflow
//! ends in [`super::endings`].

use serde_json::{Value, json};

use super::{Context, StepAt, may_have_effect};
use crate::{
    guard,
    model::{
        Millis,
        caller::{Caller, Via},
        ids::ApprovalId,
        phase::{Direction, Phase, StepState},
        plan::{Approval, Plan, shown},
        workflow::{ApprovalRecord, ApprovalState, CheckRecord, Record, StepRecord, Workflow},
    },
    ports::store::{Entry, Notice, Write},
    settings::limits::millis,
    workflow::{
        annotation,
        machine::{Illegal, Move, follow},
        times,
    },
};

/// How long at least is left of a phase that was taken over, in milliseconds.
const REGAINED: Millis = 60_000;

/// A commit that is being written.
pub(super) struct Draft<'a> {
    pub(super) record: &'a Record,
    pub(super) context: &'a Context<'a>,
    pub(super) workflow: Workflow,
    writes: Vec<Write>,
    yields: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(record: &'a Record, context: &'a Context<'a>) -> Self {
        let mut workflow = record.workflow.clone();
        workflow.version = workflow.version.saturating_add(1);
        Self { record, context, workflow, writes: Vec::new(), yields: false }
    }

    /// The writes, the workflow first: when its version has moved on, nothing else is tried.
    pub(super) fn writes(self) -> Vec<Write> {
        let mut writes = vec![Write::Workflow(Box::new(self.workflow))];
        writes.extend(self.writes);
        // Without a lease there is none to give back: an approval wakes the workflow by its moment.
        if self.yields && self.context.epoch.is_some() {
            writes.push(Write::Yield);
        }
        writes
    }

    pub(super) const fn at(&self) -> Millis {
        self.context.at
    }

    pub(super) fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    pub(super) const fn give_back(&mut self) {
        self.yields = true;
    }

    pub(super) fn take(&mut self, takes: Vec<Write>) {
        self.writes.extend(takes);
    }

    pub(super) fn checks(&mut self, checks: Vec<CheckRecord>) {
        self.writes.extend(checks.into_iter().map(Write::Check));
    }

    /// A line of the audit chain by aiops itself.
    pub(super) fn audit(&mut self, action: &str, object: String, body: Value) {
        self.audit_by("aiops", Via::System, action, object, body);
    }

    /// A line of the audit chain.
    pub(super) fn audit_by(&mut self, actor: &str, via: Via, action: &str, object: String, body: Value) {
        let at = self.at();
        self.write(Write::Audit(Entry {
            at,
            actor: actor.to_owned(),
            via,
            action: action.to_owned(),
            object,
            body,
        }));
    }

    /// A message to the outside.
    pub(super) fn tell(&mut self, kind: &str) {
        let workflow = &self.workflow;
        let body = json!({
            "workflow": workflow.id,
            "incident": workflow.incident,
            "target": workflow.problem.target.to_string(),
            "issue": workflow.problem.issue,
            "severity": workflow.problem.severity,
            "phase": workflow.phase,
            "remedy": workflow.plan.as_ref().map(|plan| plan.remedy.clone()),
            "digest": workflow.digest,
            "reason": workflow.reason,
            "rule": workflow.rule,
            "requestedBy": workflow.requested_by.name,
        });
        let notice =
            Notice { kind: kind.to_owned(), workflow: Some(workflow.id.clone()), at: self.at(), body };
        self.write(Write::Notice(notice));
    }

    /// The workflow moves, as the machine says; a phase that is new is entered.
    pub(super) fn go(&mut self, event: Move) -> Result<(), Illegal> {
        let from = self.workflow.phase;
        let to = follow(from, event)?;
        if to == from {
            return Ok(());
        }
        self.workflow.phase = to;
        self.enter(to);
        let body = json!({
            "from": from, "to": to, "reason": self.workflow.reason, "rule": self.workflow.rule,
        });
        let object = self.workflow.problem.target.to_string();
        self.audit("phase", object, body);
        Ok(())
    }

    fn enter(&mut self, phase: Phase) {
        let at = self.at();
        let timing = &self.context.settings.timing;
        let later = |by: std::time::Duration| at.saturating_add(millis(by));
        let plan = self.workflow.plan.as_ref();
        let whole = times::whole(plan, timing);
        let step = times::of_step(plan, 0, timing);
        self.workflow.recoveries = 0;
        self.workflow.wake_at = at;
        match phase {
            Phase::Planning => self.workflow.deadline = later(timing.planning),
            Phase::Queued => self.workflow.deadline = later(timing.workflow),
            Phase::AwaitingApproval => {
                self.workflow.deadline = later(timing.approval);
                // An annotation tells nobody that it is there: it has to be looked for.
                let plan = self.workflow.plan.as_ref();
                let is_looked_for = plan.is_some_and(|plan| annotation::counts(self.context.settings, plan));
                let soon = at.saturating_add(annotation::LOOK_EVERY);
                let deadline = self.workflow.deadline;
                self.workflow.wake_at = if is_looked_for { soon.min(deadline) } else { deadline };
                self.give_back();
                self.tell("approval_requested");
            }
            Phase::Running => {
                self.workflow.started_at = Some(at);
                self.workflow.cursor = 0;
                self.workflow.reason = None;
                self.workflow.deadline = at.saturating_add(step.min(whole));
                self.incident(crate::model::incident::IncidentStatus::Remediating);
            }
            Phase::Verifying => self.workflow.deadline = later(timing.verify),
            Phase::RollingBack => self.workflow.deadline = later(timing.step),
            Phase::NeedsOperator => self.park(),
            Phase::Completed
            | Phase::Failed
            | Phase::RolledBack
            | Phase::Cancelled
            | Phase::Refused
            | Phase::Rejected
            | Phase::Expired => self.end(phase),
        }
    }

    /// One more claim, or turn, that led nowhere. It is due since the first of them: from then on it counts how long.
    pub(super) fn count(&mut self) {
        if self.workflow.recoveries == 0 {
            self.workflow.wake_at = self.at();
        }
        self.workflow.recoveries = self.workflow.recoveries.saturating_add(1);
    }

    /// What was under way when its owner was lost has a moment to be looked at, also when its time ended while nobody
    /// looked: a repair that helped is not undone, and an undoing not given up, unseen.
    pub(super) fn regain(&mut self) {
        if matches!(self.workflow.phase, Phase::Running | Phase::Verifying | Phase::RollingBack) {
            self.workflow.deadline = self.workflow.deadline.max(self.at().saturating_add(REGAINED));
        }
    }

    /// Nothing before this moment. The lease goes back, and the claim counts as one that came to an orderly end.
    pub(super) fn wait(&mut self, until: Millis, why: Option<String>) {
        self.workflow.wake_at = until;
        self.workflow.recoveries = 0;
        // That somebody asked to stop it says more than what the stopping waits for.
        if why.is_some() && !self.workflow.cancel_requested {
            self.workflow.reason = why;
        }
        self.give_back();
    }

    /// Which rule it waits for until then, when one holds it up.
    pub(super) fn waits_for(&mut self, rule: Option<String>, until: Millis) {
        if rule.as_deref() == Some(guard::names::BUDGET)
            && let Some(deadline) = times::after_budget(&self.workflow, &self.context.settings.timing, until)
        {
            self.workflow.deadline = deadline;
        }
        self.workflow.rule = rule;
    }

    pub(super) fn planned(
        &mut self,
        plan: Plan,
        digest: String,
        ask: Option<ApprovalId>,
    ) -> Result<(), Illegal> {
        let id = self.workflow.id.as_str().to_owned();
        for planned in &plan.steps {
            let at = StepAt { order: planned.order, direction: Direction::Do };
            self.write(Write::Step(Box::new(StepRecord {
                order: planned.order,
                direction: Direction::Do,
                action: planned.action.clone(),
                state: StepState::Pending,
                effect_key: at.effect_key(&id),
                pre_image: None,
                post_image: None,
                result: None,
                started_at: None,
                finished_at: None,
            })));
        }
        let body = json!({
            "digest": digest, "remedy": plan.remedy, "version": plan.remedy_version, "steps": plan.steps.len(),
            "approval": plan.approval, "rule": plan.rule, "risk": plan.risk,
        });
        self.audit("planned", plan.problem.target.to_string(), body);
        let needs = match plan.approval {
            Approval::Auto => false,
            Approval::Approve | Approval::TwoPerson => true,
            Approval::Deny => return Err(Illegal::new("the plan", "denied", Move::Allow)),
        };
        self.workflow.reason = needs.then(|| format!("somebody has to approve the plan ({})", plan.rule));
        self.workflow.plan = Some(plan);
        self.workflow.digest = Some(digest.clone());
        match (needs, ask) {
            (false, None) => self.go(Move::Allow),
            (true, Some(id)) => {
                self.go(Move::Ask)?;
                let (requested_at, expires_at) = (self.at(), self.workflow.deadline);
                self.write(Write::Approval(ApprovalRecord {
                    id,
                    digest,
                    state: ApprovalState::Requested,
                    requested_at,
                    expires_at,
                    decided_by: None,
                    decided_at: None,
                    channel: None,
                    reason: None,
                }));
                Ok(())
            }
            (true, None) => Err(Illegal::new("the plan", "one that needs an approval", Move::Allow)),
            (false, Some(_)) => Err(Illegal::new("the plan", "one that needs no approval", Move::Ask)),
        }
    }

    /// Answers the request for approval that is open; there is one, or the event is illegal.
    pub(super) fn answer(
        &mut self,
        state: ApprovalState,
        by: Option<&Caller>,
        reason: Option<String>,
    ) -> Result<(), Illegal> {
        let open = self.record.approvals.iter().find(|a| a.state == ApprovalState::Requested);
        let Some(open) = open else {
            return Err(Illegal::new("the approval", "answered or never asked for", state));
        };
        let answered = ApprovalRecord {
            state,
            decided_by: by.map(|by| by.name.clone()),
            decided_at: Some(self.at()),
            channel: by.map(|by| by.via.as_str().to_owned()),
            reason,
            ..open.clone()
        };
        self.write(Write::Approval(answered));
        Ok(())
    }

    pub(super) fn decided(
        &mut self,
        approves: bool,
        by: &Caller,
        reason: Option<String>,
    ) -> Result<(), Illegal> {
        let (state, word, event) = if approves {
            (ApprovalState::Approved, "approved", Move::Approve)
        } else {
            (ApprovalState::Denied, "denied", Move::Deny)
        };
        self.answer(state, Some(by), reason.clone())?;
        let body = json!({ "digest": self.workflow.digest, "reason": reason });
        let object = self.workflow.problem.target.to_string();
        self.audit_by(&by.name, by.via, word, object, body);
        let said = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        self.workflow.reason = (!approves).then(|| format!("{} denied the plan{said}", by.name));
        self.go(event)
    }

    /// Refuses an event that is only for workflows that have done nothing.
    pub(super) fn without_effect(&self, what: &str) -> Result<(), Illegal> {
        let done = self.record.steps.iter().find(|step| may_have_effect(step.state));
        match done {
            None => Ok(()),
            Some(step) => {
                let (phase, number) = (self.workflow.phase, shown(step.order));
                let from = format!("{phase} after step {number} was {}", step.state.as_str());
                Err(Illegal::new("the workflow", from, what))
            }
        }
    }
}
