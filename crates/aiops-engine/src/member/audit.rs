//! The line of audit that a member writes for each change, before it is sent and when it is known what became of it.
//!
//! A member keeps nothing, so its log is where it stands who had what done. The engine's own audit chain has the reasons.

use crate::{model::caller::Caller, ports::acting::Mutation};

use super::change::{Outcome, Performed};

/// A change on its way. Dropped before its outcome is told, it says that nobody knows.
pub(super) struct Line<'a> {
    caller: &'a Caller,
    mutation: &'a Mutation,
    request: &'a str,
    is_told: bool,
}

/// Both lines have the same members, so that they can be put together.
macro_rules! line {
    ($line:expr, $audit:literal, $($more:tt)*) => {
        tracing::info!(
            target: "aiops::audit",
            audit = $audit,
            principal = %$line.caller.name,
            via = $line.caller.via.as_str(),
            action = $line.mutation.action.name(),
            object = %$line.mutation.target,
            uid = $line.mutation.uid.as_deref(),
            resource_version = $line.mutation.resource_version.as_deref(),
            effect_key = %$line.mutation.effect_key,
            workflow = %$line.mutation.workflow,
            request = $line.request,
            dry_run = $line.mutation.dry_run,
            $($more)*
        )
    };
}

impl<'a> Line<'a> {
    /// Says that it is about to be sent.
    pub(super) fn intent(caller: &'a Caller, mutation: &'a Mutation, request: &'a str) -> Self {
        let line = Self { caller, mutation, request, is_told: false };
        line!(line, "intent", "an engine elsewhere has a change made");
        line
    }

    /// Says what became of it.
    pub(super) fn outcome(mut self, performed: &Performed) {
        self.is_told = true;
        let outcome = match performed.outcome {
            Outcome::Done => "done",
            Outcome::NotDone => "not_done",
            Outcome::Unknown => "unknown",
        };
        let (status, audit_id) = (performed.status, performed.audit_id.as_deref());
        line!(
            self,
            "outcome",
            outcome,
            status,
            audit_id,
            why = performed.why.as_deref(),
            "what became of the change"
        );
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.is_told {
            line!(
                self,
                "outcome",
                outcome = "unknown",
                "whoever asked for the change went away before it was answered"
            );
        }
    }
}
