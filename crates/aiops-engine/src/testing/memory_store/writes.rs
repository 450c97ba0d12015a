//! Commits to the store in memory: acceptance, the writes of an executor, incidents, controls, retention.

use std::{collections::BTreeMap, sync::Arc};

use super::state::{Kept, Request, State};
use crate::{
    audit::{self, Head},
    keeping,
    model::{
        Millis,
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentStatus},
        workflow::{ApprovalRecord, ApprovalState, Attempt, StepRecord, Workflow},
    },
    ports::store::{
        Acceptance, Control, DueNotice, Entry, Fence, Notice, Report, Reported, Resource, StoreError, Taken,
        Write,
    },
};

impl State {
    pub(super) fn accept(&mut self, acceptance: &Acceptance, now: Millis) -> Result<Taken, StoreError> {
        let workflow = &acceptance.workflow;
        keeping::check(workflow)?;
        if let Some(wish) = &acceptance.idempotency {
            let key = (wish.principal.clone(), wish.key.clone());
            if let Some(known) = self.requests.get(&key).filter(|known| known.expires_at > now) {
                let id = known.workflow.clone();
                let is_same = known.hash == wish.request_hash;
                return Ok(if is_same { Taken::Replayed(id) } else { Taken::Contradiction(id) });
            }
        }
        if keeping::holds_fingerprint(workflow)
            && let Some(active) = self.active(&acceptance.fingerprint).cloned()
        {
            self.remember(acceptance, &active);
            return Ok(Taken::Duplicate(active));
        }
        if acceptance.only_joins {
            return Ok(Taken::Alone);
        }
        let lock = acceptance.lock.as_ref().filter(|_| !workflow.dry_run);
        if let Some(holder) = lock.and_then(|key| self.locks.get(key)) {
            return Ok(Taken::Locked(holder.clone()));
        }
        if self.workflows.contains_key(&workflow.id) {
            return Err(StoreError::Changed(format!("there is a workflow {} already", workflow.id)));
        }
        let Reported { id: incident, .. } = self.report(&acceptance.incident)?;
        if let Some(kept) = self.incidents.get_mut(&incident) {
            *kept = Arc::new(keeping::taken_up(Incident::clone(kept), acceptance));
        }
        let kept = Workflow { incident: incident.clone(), ..workflow.clone() };
        self.workflows.insert(workflow.id.clone(), Arc::new(Kept::new(kept, acceptance.fingerprint.clone())));
        if let Some(key) = lock {
            self.locks.insert(key.clone(), workflow.id.clone());
        }
        for entry in &acceptance.audit {
            self.append(workflow.id.as_str(), entry);
        }
        self.remember(acceptance, &workflow.id);
        Ok(Taken::New { incident })
    }

    fn active(&self, fingerprint: &str) -> Option<&WorkflowId> {
        let mut kept = self.workflows.values();
        kept.find(|kept| kept.fingerprint == fingerprint && keeping::holds_fingerprint(&kept.workflow))
            .map(|kept| &kept.workflow.id)
    }

    fn remember(&mut self, acceptance: &Acceptance, workflow: &WorkflowId) {
        if let Some(wish) = &acceptance.idempotency {
            let request = Request {
                hash: wish.request_hash.clone(),
                workflow: workflow.clone(),
                expires_at: wish.expires_at,
            };
            self.requests.insert((wish.principal.clone(), wish.key.clone()), request);
        }
    }

    pub(super) fn append(&mut self, chain: &str, entry: &Entry) {
        let lines = Arc::make_mut(self.chains.entry(chain.to_owned()).or_default());
        let head = lines.last().map_or_else(Head::empty, |line| Head::of(line));
        lines.push(Arc::new(audit::next(chain, &head, entry)));
    }

    pub(super) fn commit(
        &mut self,
        id: &WorkflowId,
        fence: Option<&Fence>,
        writes: &[Write],
        now: Millis,
    ) -> Result<(), StoreError> {
        match (fence, self.workflows.get(id)) {
            (Some(fence), Some(kept)) if fence.workflow == *id && kept.is_held_under(fence, now) => {}
            (Some(_), _) => return Err(StoreError::Fenced),
            (None, Some(_)) => {}
            (None, None) => return Err(keeping::no_workflow(id)),
        }
        for write in writes {
            self.write(id, fence.is_some(), write, now)?;
        }
        Ok(())
    }

    fn write(&mut self, id: &WorkflowId, fenced: bool, write: &Write, now: Millis) -> Result<(), StoreError> {
        match write {
            Write::Workflow(workflow) => self.put_workflow(id, workflow)?,
            Write::Step(step) => self.put_step(id, step)?,
            Write::Attempt(attempt) => self.put_attempt(id, attempt)?,
            Write::Check(check) => {
                let key = (check.after_order, check.name.clone());
                self.kept(id)?.checks.insert(key, check.clone());
            }
            Write::Approval(approval) => self.put_approval(id, approval, now)?,
            Write::Lock(key) => match self.locks.get(key) {
                Some(holder) if holder != id => {
                    return Err(StoreError::Taken { what: Resource::Target, holder: Some(holder.clone()) });
                }
                _ => {
                    self.locks.insert(key.clone(), id.clone());
                }
            },
            Write::Slot { scope, max } => self.take_slot(id, scope, *max)?,
            Write::Spend { scope, bucket, max } => {
                let (used, at) = self.budgets.entry((scope.clone(), *bucket)).or_default();
                if *used >= *max {
                    return Err(StoreError::Taken { what: Resource::Budget(scope.clone()), holder: None });
                }
                *used += 1;
                *at = now;
            }
            Write::Under(then) => {
                keeping::decided_under(&self.controls.values().cloned().collect::<Vec<_>>(), then)?;
            }
            Write::Release => {
                self.locks.retain(|_, holder| holder != id);
                self.slots.retain(|_, holder| holder != id);
            }
            Write::Cooldown(cooldown) => {
                self.cooldowns.insert(cooldown.fingerprint.clone(), cooldown.clone());
            }
            Write::Incident { id: incident, status, closed_at } => {
                self.change_incident(incident, |incident| {
                    keeping::acted_on(incident, *status, *closed_at, id);
                })?;
            }
            Write::Audit(entry) => self.append(id.as_str(), entry),
            Write::Notice(notice) => self.notify(notice),
            Write::Yield if fenced => {
                let kept = self.kept(id)?;
                kept.owner = None;
                kept.until = 0;
            }
            Write::Yield => return Err(keeping::no_lease_to_yield()),
        }
        Ok(())
    }

    fn kept(&mut self, id: &WorkflowId) -> Result<&mut Kept, StoreError> {
        self.workflows.get_mut(id).map(Arc::make_mut).ok_or_else(|| keeping::no_workflow(id))
    }

    fn put_workflow(&mut self, id: &WorkflowId, workflow: &Workflow) -> Result<(), StoreError> {
        keeping::check(workflow)?;
        if workflow.id != *id {
            return Err(keeping::foreign(id, &workflow.id));
        }
        let kept = self.kept(id)?;
        let stored = kept.workflow.version;
        if stored != workflow.version - 1 {
            return Err(keeping::moved_on(id, stored, workflow.version));
        }
        let due = if kept.is_woken { kept.workflow.wake_at.min(workflow.wake_at) } else { workflow.wake_at };
        let fingerprint = kept.fingerprint.clone();
        kept.workflow = Workflow { wake_at: due, ..workflow.clone() };
        if keeping::holds_fingerprint(workflow) {
            let mut others = self.workflows.values().filter(|other| other.workflow.id != *id);
            let other = others.find(|other| {
                other.fingerprint == fingerprint && keeping::holds_fingerprint(&other.workflow)
            });
            if let Some(other) = other {
                let holder = Some(other.workflow.id.clone());
                return Err(StoreError::Taken { what: Resource::Fingerprint, holder });
            }
        }
        Ok(())
    }

    fn put_step(&mut self, id: &WorkflowId, step: &StepRecord) -> Result<(), StoreError> {
        let place = (id.clone(), step.order, step.direction);
        if self.effect_keys.get(&step.effect_key).is_some_and(|other| *other != place) {
            return Err(keeping::key_is_used(&step.effect_key));
        }
        let old = self.kept(id)?.steps.insert((step.order, step.direction), step.clone());
        if let Some(old) = old {
            self.effect_keys.remove(&old.effect_key);
        }
        self.effect_keys.insert(step.effect_key.clone(), place);
        Ok(())
    }

    fn put_attempt(&mut self, id: &WorkflowId, attempt: &Attempt) -> Result<(), StoreError> {
        let kept = self.kept(id)?;
        if !kept.steps.contains_key(&(attempt.order, attempt.direction)) {
            return Err(keeping::no_step(attempt.order));
        }
        kept.attempts.insert((attempt.order, attempt.direction, attempt.number), attempt.clone());
        Ok(())
    }

    fn put_approval(
        &mut self,
        id: &WorkflowId,
        approval: &ApprovalRecord,
        now: Millis,
    ) -> Result<(), StoreError> {
        let of_another = |kept: &Arc<Kept>| {
            kept.workflow.id != *id && kept.approvals.iter().any(|known| known.id == approval.id)
        };
        if self.workflows.values().any(of_another) {
            return Err(keeping::not_its_approval(&approval.id));
        }
        let kept = self.kept(id)?;
        match kept.approvals.iter_mut().find(|known| known.id == approval.id) {
            Some(known) if known.state != ApprovalState::Requested => {
                return Err(keeping::answered(&known.id, known.state.as_str()));
            }
            Some(known) if approval.state == ApprovalState::Approved && known.expires_at <= now => {
                return Err(keeping::came_too_late(&known.id));
            }
            Some(known) => *known = approval.clone(),
            None => kept.approvals.push(approval.clone()),
        }
        Ok(())
    }

    fn take_slot(&mut self, id: &WorkflowId, scope: &str, max: u32) -> Result<(), StoreError> {
        let mut taken: BTreeMap<u32, &WorkflowId> = BTreeMap::new();
        for ((of, n), holder) in &*self.slots {
            if of == scope {
                taken.insert(*n, holder);
            }
        }
        if taken.values().any(|holder| *holder == id) {
            return Ok(());
        }
        // Counted, not searched below `max`: those above it, from when there were more, count too.
        let is_free = taken.len() < usize::try_from(max).unwrap_or(usize::MAX);
        let free = (0..max).find(|n| !taken.contains_key(n)).filter(|_| is_free);
        let Some(n) = free else {
            return Err(StoreError::Taken { what: Resource::Slot(scope.to_owned()), holder: None });
        };
        self.slots.insert((scope.to_owned(), n), id.clone());
        Ok(())
    }

    fn notify(&mut self, notice: &Notice) {
        self.notice_seq += 1;
        let due = DueNotice { seq: self.notice_seq, notice: notice.clone(), attempts: 0 };
        self.notices.insert(self.notice_seq, (due, notice.at));
    }

    pub(super) fn settle_notice(&mut self, seq: i64, again_at: Option<Millis>) {
        match again_at {
            None => {
                self.notices.remove(&seq);
            }
            Some(at) => {
                if let Some((due, due_at)) = self.notices.get_mut(&seq) {
                    due.attempts += 1;
                    *due_at = at;
                }
            }
        }
    }

    pub(super) fn report(&mut self, report: &Report) -> Result<Reported, StoreError> {
        let is_open = |id: &&IncidentId| self.incidents.get(*id).is_some_and(|i| i.closed_at.is_none());
        let named = report.into.as_ref().filter(is_open).cloned();
        let open = named.or_else(|| self.open_incident(&report.incident.fingerprint).cloned());
        if let Some(kept) = open.and_then(|id| self.incidents.get_mut(&id)) {
            let merged = keeping::merged(kept, &report.incident);
            let reported = Reported { id: merged.id.clone(), is_new: false, occurrences: merged.occurrences };
            *kept = Arc::new(merged);
            return Ok(reported);
        }
        let mut new = keeping::opened(&report.incident);
        let mut n = 1;
        while self.incidents.contains_key(&new.id) {
            new = keeping::renamed(&keeping::opened(&report.incident), n);
            n += 1;
        }
        let reported = Reported { id: new.id.clone(), is_new: true, occurrences: new.occurrences };
        self.incidents.insert(new.id.clone(), Arc::new(new));
        if let Some(line) = report.line.clone() {
            self.append(audit::CONTROL, &Entry { object: reported.id.to_string(), ..line });
        }
        Ok(reported)
    }

    pub(super) fn open_incident(&self, fingerprint: &str) -> Option<&IncidentId> {
        let mut all = self.incidents.values();
        all.find(|i| i.fingerprint == fingerprint && i.closed_at.is_none()).map(|i| &i.id)
    }

    /// Changes an incident, unless that would open a second one of its fingerprint.
    fn change_incident(
        &mut self,
        id: &IncidentId,
        change: impl FnOnce(&mut Incident),
    ) -> Result<(), StoreError> {
        let mut changed = Incident::clone(self.incidents.get(id).ok_or_else(|| keeping::no_incident(id))?);
        let was_closed = changed.closed_at.is_some();
        change(&mut changed);
        if was_closed
            && changed.closed_at.is_none()
            && let Some(other) = self.open_incident(&changed.fingerprint)
        {
            return Err(keeping::not_reopened(id, other));
        }
        self.incidents.insert(id.clone(), Arc::new(changed));
        Ok(())
    }

    pub(super) fn set_incident(
        &mut self,
        id: &IncidentId,
        from: &[IncidentStatus],
        to: IncidentStatus,
        resolution: Option<&str>,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        let status = self.incidents.get(id).ok_or_else(|| keeping::no_incident(id))?.status;
        keeping::may_become(id, status, from, to)?;
        self.change_incident(id, |incident| keeping::set(incident, to, resolution, entry.at))?;
        self.append(audit::CONTROL, entry);
        Ok(())
    }

    pub(super) fn set_control(&mut self, control: &Control, entry: &Entry, notice: Option<&Notice>) {
        self.controls.insert(control.name.clone(), control.clone());
        self.append(audit::CONTROL, entry);
        if let Some(notice) = notice {
            self.notify(notice);
        }
    }

    pub(super) fn anchor(&mut self, at: Millis) -> Option<(i64, String)> {
        let moved: BTreeMap<String, Head> = self
            .heads()
            .filter(|(chain, head)| {
                chain.as_str() != audit::ANCHORS
                    && self.anchored.get(*chain).is_none_or(|seq| *seq < head.seq)
            })
            .take(usize::try_from(audit::MOST_HEADS).unwrap_or(usize::MAX))
            .map(|(chain, head)| (chain.clone(), head))
            .collect();
        if moved.is_empty() {
            return None;
        }
        self.append(audit::ANCHORS, &audit::anchor(at, &moved));
        self.anchored.extend(moved.into_iter().map(|(chain, head)| (chain, head.seq)));
        self.chains.get(audit::ANCHORS)?.last().map(|line| (line.seq, line.hash.clone()))
    }

    pub(super) fn retain(&mut self, before: Millis, limit: u32, now: Millis) -> (u64, u64) {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut over: Vec<(Millis, WorkflowId)> = self
            .workflows
            .values()
            .filter(|kept| !keeping::is_active(&kept.workflow))
            .filter_map(|kept| Some((kept.workflow.finished_at?, kept.workflow.id.clone())))
            .filter(|(finished_at, _)| *finished_at < before)
            .collect();
        over.sort();
        over.truncate(limit);
        for (_, id) in &over {
            self.workflows.remove(id);
            self.effect_keys.retain(|_, (of, _, _)| of != id);
            self.locks.retain(|_, holder| holder != id);
            self.slots.retain(|_, holder| holder != id);
            self.requests.retain(|_, request| request.workflow != *id);
        }
        let is_used = |id: &IncidentId| self.workflows.values().any(|kept| kept.workflow.incident == *id);
        let mut closed: Vec<(Millis, IncidentId)> = self
            .incidents
            .values()
            .filter_map(|incident| Some((incident.closed_at?, incident.id.clone())))
            .filter(|(closed_at, id)| *closed_at < before && !is_used(id))
            .collect();
        closed.sort();
        closed.truncate(limit);
        for (_, id) in &closed {
            self.incidents.remove(id);
        }
        self.requests.retain(|_, request| request.expires_at > now);
        self.budgets.retain(|_, (_, at)| *at >= before);
        self.cooldowns.retain(|_, rest| rest.not_before >= before || rest.window_start >= before);
        (super::reads::count(over.iter()), super::reads::count(closed.iter()))
    }
}
