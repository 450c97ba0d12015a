//! What must hold however a workflow ended, looked at from outside.

use std::collections::BTreeMap;

use serde_json::json;

use super::World;
use crate::{
    audit,
    deeds::EFFECT,
    model::{
        action::UndoClass,
        ids::WorkflowId,
        phase::{Direction, Phase, StepState},
        workflow::{Record, StepRecord},
    },
    ports::store::{AuditLine, Store as _},
};

impl World {
    /// Looks at the end of a workflow.
    pub(in super::super) async fn check(&self, id: &WorkflowId) {
        let record = self.record(id).await;
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for key in self.effects.lock().iter().filter(|key| key.starts_with(id.as_str())) {
            *counts.entry(key.clone()).or_default() += 1;
        }
        assert!(
            counts.values().all(|count| *count == 1),
            "an effect was made twice: {counts:?}\n{record:#?}"
        );
        let lines = self.store.audit(id.as_str(), 0, 1_000).await.unwrap();
        audit::verify(&lines).unwrap();
        for key in counts.keys() {
            let has_intent = lines
                .iter()
                .any(|line| line.entry.action == "intent" && line.entry.body["effectKey"] == json!(key));
            assert!(has_intent, "{key} has no intent in the audit chain");
        }
        for step in &record.steps {
            self.check_step(step, counts.contains_key(&step.effect_key), &record, &lines);
        }
        if record.workflow.phase.is_terminal() {
            let held = self.store.locks().iter().any(|(_, holder)| holder == id)
                || self.store.slots().iter().any(|(_, _, holder)| holder == id);
            assert!(!held, "something is still held");
            assert!(record.workflow.finished_at.is_some());
        }
    }

    fn check_step(&self, step: &StepRecord, was_done: bool, record: &Record, lines: &[AuditLine]) {
        let phase = record.workflow.phase;
        match step.state {
            StepState::Applied | StepState::Verified => {
                let is_told = lines.iter().any(|line| {
                    line.entry.action == "effect"
                        && line.entry.body["step"] == json!(step.order)
                        && line.entry.body["direction"] == json!(step.direction)
                });
                assert!(is_told, "its effect is not in the audit chain: {step:#?}");
                assert!(was_done, "it is recorded as done and was not: {step:#?}");
            }
            StepState::Pending | StepState::Skipped | StepState::Failed => {
                assert!(!was_done, "it was done and is not recorded so: {step:#?}\n{record:#?}");
            }
            StepState::Intent => assert!(!phase.is_terminal(), "{record:#?}"),
            StepState::Indeterminate => assert_eq!(phase, Phase::NeedsOperator),
        }
        let is_back = phase == Phase::RolledBack && step.direction == Direction::Do;
        if is_back && step.action.undo_class() == UndoClass::Exact {
            let object = self.object(step.action.target());
            let marker = object.pointer("/metadata/annotations").and_then(|all| all.get(EFFECT));
            assert_eq!(marker, None, "{object:#}");
            if step.action.target().kind == "Node" {
                assert_ne!(object["spec"]["unschedulable"], json!(true), "{object:#}");
            }
        }
        if phase == Phase::Completed {
            assert!(matches!(step.state, StepState::Verified | StepState::Skipped), "{step:#?}");
        }
    }
}
