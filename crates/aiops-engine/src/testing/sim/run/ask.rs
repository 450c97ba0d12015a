//! What doors ask in a run: orders, triggers, the kill switch.

use super::{Sim, now, tried};
use crate::{
    coordination::{Alert, Coordination as _, Trigger},
    model::{
        Millis,
        action::Action,
        caller::{Caller, Via},
        ids::WorkflowId,
        plan::{Approval, Plan},
    },
    ports::store::{Control, Entry, Store as _, Taken},
    testing::sim::{notes::What, plans, store::Handle},
};

impl Sim {
    /// Keeps a workflow of these actions, as a trigger and its planning would.
    pub(crate) fn order(&mut self, actions: &[Action], asks: Approval) -> Option<WorkflowId> {
        self.order_until(actions, asks, 3_600_000)
    }

    /// As [`Self::order`]; an approval is waited for so long.
    pub(crate) fn order_until(
        &mut self,
        actions: &[Action],
        asks: Approval,
        waits: Millis,
    ) -> Option<WorkflowId> {
        self.orders += 1;
        let at = self.hands.millis();
        self.keep(&plans::workflow(&self.model, self.orders, actions, (asks, waits), at))
    }

    /// Keeps a workflow of this plan.
    pub(crate) fn order_plan(&mut self, plan: Plan) -> Option<WorkflowId> {
        self.orders += 1;
        self.keep(&plans::of_plan(self.orders, plan, 0))
    }

    fn keep(&self, made: &plans::Made) -> Option<WorkflowId> {
        let door = Handle::new("door", &self.store, &self.notes, &self.faults, self.defect);
        let id = made.acceptance.workflow.id.clone();
        let taken = tried(door.accept(&made.acceptance));
        if let Some(Ok(Taken::New { .. })) = taken {
            self.notes.write("door", What::Acknowledged { workflow: id.clone(), key: None });
        }
        // Whatever the caller was told: what is kept is planned, in one commit.
        now(self.store.commit(&id, None, &made.steps)).ok()?;
        self.notes.commit("door", &id, None, &made.steps);
        Some(id)
    }

    /// Asks a door for a remediation.
    pub(crate) fn trigger(&mut self, caller: &Caller, trigger: Trigger) {
        // A key is kept no longer than what it led to.
        let is_kept = self.settings.timing.retention >= self.settings.timing.idempotency;
        let key = trigger.idempotency_key.clone().filter(|_| is_kept);
        let key = key.map(|key| format!("{}/{key}", caller.name));
        let door = self.coordinator("door");
        let Some(Ok(triggered)) = tried(door.trigger(caller, trigger)) else { return };
        if let Some(id) = triggered.workflow_id {
            let workflow = WorkflowId::parse(&id).unwrap();
            self.notes.write("door", What::Acknowledged { workflow, key });
        }
    }

    /// What a control says, or what it says when nobody set it.
    pub(super) fn mode(&self, name: &str, plain: &str) -> String {
        let controls = now(self.store.controls()).unwrap();
        controls.iter().find(|c| c.name == name).map_or_else(|| plain.to_owned(), |c| c.mode.clone())
    }

    /// Throws the kill switch.
    pub(crate) fn switch(&mut self, mode: &str) {
        self.control("kill_switch", mode);
    }

    /// Sets a control.
    pub(crate) fn control(&mut self, name: &str, mode: &str) {
        let at = self.hands.millis();
        let control = Control {
            name: name.to_owned(),
            mode: mode.to_owned(),
            reason: Some("a test".to_owned()),
            set_by: "ann".to_owned(),
            at,
        };
        let entry = Entry {
            at,
            actor: "ann".to_owned(),
            via: Via::Cli,
            action: "control".to_owned(),
            object: name.to_owned(),
            body: serde_json::json!({ "mode": mode }),
        };
        now(self.store.set_control(&control, &entry, None)).unwrap();
        self.notes.write("door", What::Controlled { control });
    }

    /// Alertmanager tells of alerts.
    pub(crate) fn alert(&mut self, alerts: Vec<Alert>) {
        let door = self.coordinator("door");
        let caller = Caller::identified("alertmanager", Vec::new(), Via::Alert);
        let Some(Ok(taken)) = tried(door.alerts(&caller, alerts)) else { return };
        self.notes.write("door", What::Heard { alerts: taken.opened + taken.merged });
    }
}
