//! The trigger: validated, judged from memory, and kept in one commit before it is answered.
//!
//! It reads no cluster and makes no plan; the work loop does, and judges again. A dry run is the exception: it is planned
//! and proven, and nothing is kept.

use serde_json::json;

mod filing;

use super::{Inner, conflict};
use crate::{
    coordination::{PlanRequest, Trigger, Triggered},
    error::Error,
    fingerprint, guard, layers,
    model::{
        Millis,
        action::Action,
        caller::Caller,
        ids::{IncidentId, WorkflowId},
        layer::Layer,
        method::DeployMethod,
        phase::Phase,
        plan::{Approval, Problem},
        workflow::{Order, Workflow},
    },
    ports::store::{Acceptance, Entry, Idempotency, Report, Taken},
    settings::limits::millis,
};

/// Longest idempotency key, in bytes.
const LONGEST_KEY: usize = 255;

impl Inner {
    pub(in super::super) async fn trigger(
        &self,
        caller: &Caller,
        trigger: Trigger,
    ) -> Result<Triggered, Error> {
        filing::check(trigger.incident.as_deref())?;
        if self.acting.is_some() && !trigger.dry_run {
            // Before anything is looked at: what came of it may be that its object is gone.
            if let Some(answer) = self.repeated(caller, &trigger).await? {
                return Ok(answer);
            }
        }
        let (problem, order) = self.problem(&trigger)?;
        if trigger.dry_run {
            return self.dry_run(caller, trigger, &problem).await;
        }
        let what = format!("remediating {} on {}", problem.issue, problem.target);
        if self.acting.is_none() {
            return Err(Error::refused(
                what,
                guard::names::ACTING,
                "this aiops may not change anything (acting.enabled = false, --read-only or a recording); start one without that",
            ));
        }
        if self.cluster_uid().is_none() {
            let why = "which cluster this is has not been read yet; try again in a moment".to_owned();
            let retry_after = Some(std::time::Duration::from_secs(2));
            return Err(Error::Unavailable { what, why, retry_after });
        }
        // All that is kept is dated by the store's time, by which it is judged.
        let now = self.stored_now(&what).await?;
        let idempotency = self.idempotency(caller, &trigger, now)?;
        let method = self.method_of(&problem);
        let ruling = self.ruling(caller, &problem, &order, method).await?;
        // What acts on it already is told, whatever would be said to a new one. With a key the store has to know it, or the
        // same request would be a new one later.
        let only_joins = ruling.approval == Approval::Deny;
        if only_joins && idempotency.is_none() {
            let active = self.active().await?;
            let same = active
                .iter()
                .find(|active| active.target.key() == problem.target.key() && active.issue == problem.issue);
            return match same {
                Some(same) => self.known(&what, &same.id, Some(&order), false).await,
                None => Err(Error::refused(what, ruling.rule, ruling.why)),
            };
        }
        let foreseen = match (ruling.approval, order.action.is_some() || !order.resources.is_empty()) {
            (Approval::Auto, false) => guard::foresee(&self.settings, &problem, method),
            (Approval::Auto, true) => guard::Foreseen::Acts,
            (Approval::Approve | Approval::TwoPerson | Approval::Deny, _) => guard::Foreseen::Waits,
        };
        let id = WorkflowId::of(&self.ids.unique());
        let report = self.report(caller, &trigger, (&problem, &order), now).await?;
        let mut acceptance = self.acceptance(caller, (id.clone(), now), &problem, order, report, idempotency);
        acceptance.only_joins = only_joins;
        let taken = self.store.accept(&acceptance).await;
        match taken.map_err(|error| Error::from_store(&what, error))? {
            Taken::New { incident } => {
                self.touch();
                let multi = layers_of(&acceptance.workflow);
                Ok(Triggered {
                    workflow_id: Some(id.to_string()),
                    incident_id: Some(incident.to_string()),
                    status: match foreseen {
                        guard::Foreseen::Acts | guard::Foreseen::MayWait => "in_progress",
                        guard::Foreseen::Waits => "pending",
                    }
                    .to_owned(),
                    phase: Phase::Planning,
                    deployment_method: method.as_str().to_owned(),
                    estimated_duration: crate::coordinator::rules::duration(self.settings.timing.verify),
                    deduplicated: false,
                    dry_run: false,
                    plan: None,
                    message: next(id.as_str(), foreseen),
                    simulated: self.settings.is_simulated,
                    estimated_steps: multi.as_ref().map(|(_, steps)| *steps),
                    affected_layers: multi.map(|(layers, _)| layers).unwrap_or_default(),
                })
            }
            Taken::Alone => Err(Error::refused(what, ruling.rule, ruling.why)),
            Taken::Replayed(id) => self.known(&what, &id, None, true).await,
            Taken::Duplicate(id) => self.known(&what, &id, Some(&acceptance.workflow.order), false).await,
            Taken::Contradiction(id) => Err(contradiction(&what, &id)),
            Taken::Locked(id) => {
                let why =
                    format!("{id} acts on {} already; wait until it is over, or cancel it", problem.target);
                Err(conflict(&what, why, &id))
            }
        }
    }

    /// The answer to a request that was made before under the same key.
    async fn repeated(&self, caller: &Caller, trigger: &Trigger) -> Result<Option<Triggered>, Error> {
        let Some(asked) = self.idempotency(caller, trigger, 0)? else { return Ok(None) };
        let what = "repeating a remediation";
        let failed = |error| Error::from_store(what, error);
        let Some((known, id)) = self.store.request(&asked.principal, &asked.key).await.map_err(failed)?
        else {
            return Ok(None);
        };
        if known.expires_at <= self.stored_now(what).await? {
            return Ok(None);
        }
        if known.request_hash != asked.request_hash {
            return Err(contradiction(what, &id));
        }
        self.known(what, &id, None, true).await.map(Some)
    }

    /// Plans and proves; nothing is kept.
    async fn dry_run(
        &self,
        caller: &Caller,
        trigger: Trigger,
        problem: &Problem,
    ) -> Result<Triggered, Error> {
        let method = self.method_of(problem);
        let incident_id = trigger.incident.clone();
        let view = self.plan(caller, PlanRequest { trigger }).await?;
        let refused = view.refused.clone();
        Ok(Triggered {
            workflow_id: None,
            incident_id,
            status: if refused.is_some() { "failed" } else { "completed" }.to_owned(),
            phase: if refused.is_some() { Phase::Refused } else { Phase::Completed },
            deployment_method: match view.deployed.method {
                DeployMethod::Unknown => method.as_str().to_owned(),
                found => found.as_str().to_owned(),
            },
            estimated_duration: view.estimated_duration.clone(),
            deduplicated: false,
            dry_run: true,
            message: match refused {
                Some(why) => {
                    format!("a dry run: nothing was changed; it would be refused by {}: {why}", view.rule)
                }
                None => "a dry run: nothing was changed and nothing is kept; the plan is what would be done"
                    .to_owned(),
            },
            simulated: self.settings.is_simulated,
            affected_layers: Vec::new(),
            estimated_steps: None,
            plan: Some(view),
        })
    }

    /// What the guard says from memory. Without an action the plan is not known yet, and so the answer is not final.
    pub(super) async fn ruling(
        &self,
        caller: &Caller,
        problem: &Problem,
        order: &Order,
        method: DeployMethod,
    ) -> Result<guard::Ruling, Error> {
        let actions: Vec<&Action> = order.action.iter().collect();
        let figures = self.figures(problem, &actions, None).await?;
        let traits = (method, !order.resources.is_empty());
        let question = guard::Question::of_order(caller, problem, &actions, traits, &figures);
        Ok(guard::rule(&self.settings, &question))
    }

    /// How the target is deployed, as far as memory tells.
    pub(super) fn method_of(&self, problem: &Problem) -> DeployMethod {
        self.method_in_memory(&problem.target).method
    }

    fn idempotency(
        &self,
        caller: &Caller,
        trigger: &Trigger,
        now: Millis,
    ) -> Result<Option<Idempotency>, Error> {
        let Some(key) = trigger.idempotency_key.clone().filter(|key| !key.is_empty()) else {
            return Ok(None);
        };
        if key.len() > LONGEST_KEY || key.chars().any(char::is_control) {
            let why = format!("must be at most {LONGEST_KEY} bytes without control characters");
            return Err(Error::invalid("idempotency key", why));
        }
        Ok(Some(Idempotency {
            principal: caller.name.clone(),
            key,
            request_hash: match &trigger.asked {
                Some(asked) => fingerprint::of(&json!([asked, trigger.digest, trigger.action]))?,
                None => trigger.hash()?,
            },
            expires_at: now.saturating_add(millis(self.settings.timing.idempotency)),
        }))
    }

    fn acceptance(
        &self,
        caller: &Caller,
        (id, now): (WorkflowId, Millis),
        problem: &Problem,
        order: Order,
        report: Report,
        idempotency: Option<Idempotency>,
    ) -> Acceptance {
        let audit = vec![Entry {
            at: now,
            actor: caller.name.clone(),
            via: caller.via,
            action: "accepted".to_owned(),
            object: problem.target.to_string(),
            body: json!({
                "issue": problem.issue, "severity": problem.severity, "named": problem.named.to_string(),
                "action": order.action.as_ref().map(Action::name), "digest": order.digest,
                "incident": report.into.as_ref().map(IncidentId::as_str).or(report.incident.body.external_id.as_deref()),
            }),
        }];
        let workflow = Workflow {
            id,
            incident: report.into.clone().unwrap_or_else(|| report.incident.id.clone()),
            cluster: report.incident.cluster.clone(),
            problem: problem.clone(),
            order,
            phase: Phase::Planning,
            plan: None,
            digest: None,
            dry_run: false,
            requested_by: caller.clone(),
            cancel_requested: false,
            cursor: 0,
            recoveries: 0,
            wake_at: now,
            deadline: now.saturating_add(millis(self.settings.timing.planning)),
            created_at: now,
            started_at: None,
            finished_at: None,
            reason: None,
            rule: None,
            version: 1,
        };
        Acceptance {
            fingerprint: report.incident.fingerprint.clone(),
            lock: Some(problem.target.key()),
            only_joins: false,
            workflow,
            incident: report,
            idempotency,
            audit,
        }
    }

    /// The answer to a trigger for which a workflow is there already.
    async fn known(
        &self,
        what: &str,
        id: &WorkflowId,
        order: Option<&Order>,
        is_replay: bool,
    ) -> Result<Triggered, Error> {
        let record = self.record(id).await?;
        let workflow = &record.workflow;
        let is_another = |order: &Order| order.action.is_some() && order.action != workflow.order.action;
        if !is_replay && order.is_some_and(is_another) {
            let why =
                format!("{id} acts on the same trouble in another way; wait until it is over, or cancel it");
            return Err(conflict(what, why, id));
        }
        let view = super::views::summary(workflow, self.settings.is_simulated);
        let multi = layers_of(workflow);
        Ok(Triggered {
            workflow_id: Some(id.to_string()),
            incident_id: Some(workflow.incident.to_string()),
            status: view.status,
            phase: workflow.phase,
            deployment_method: match &workflow.plan {
                Some(_) => view.deployment_method,
                None => self.method_of(&workflow.problem).as_str().to_owned(),
            },
            estimated_duration: view.estimated_duration,
            deduplicated: true,
            dry_run: false,
            plan: None,
            message: if is_replay {
                format!("this request was made before; {id} is what came of it")
            } else {
                format!("{id} acts on this already; nothing new was begun")
            },
            simulated: self.settings.is_simulated,
            estimated_steps: multi.as_ref().map(|(_, steps)| *steps),
            affected_layers: multi.map(|(layers, _)| layers).unwrap_or_default(),
        })
    }
}

fn contradiction(what: &str, id: &WorkflowId) -> Error {
    let why = "the same idempotency key was used for another request; use a new key".to_owned();
    conflict(what, why, id)
}

fn next(id: &str, foreseen: guard::Foreseen) -> String {
    let then = match foreseen {
        guard::Foreseen::Acts => "planned, proven and executed: get-workflow shows it",
        guard::Foreseen::MayWait => {
            "planned and proven, then executed, or, where its plan needs one, waits for somebody's approval: get-workflow \
             shows which"
        }
        guard::Foreseen::Waits => {
            "planned and proven, then somebody has to approve it: get-workflow shows the plan"
        }
    };
    format!("accepted; {id} is {then}")
}

/// Layers and steps of a multi-layer order, before it is planned; `None` for one about one object.
fn layers_of(workflow: &Workflow) -> Option<(Vec<Layer>, u32)> {
    if workflow.order.resources.is_empty() {
        return None;
    }
    let problem = &workflow.problem;
    let kinds: Vec<&str> = std::iter::once(problem)
        .chain(&workflow.order.resources)
        .map(|problem| problem.target.kind.as_str())
        .collect();
    let affected = layers::affected(&problem.description, kinds.iter().copied());
    Some((affected, layers::expected_steps(kinds)))
}
