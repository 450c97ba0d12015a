//! Twenty ways to be wrong, each as a wrapper between the engine and the faults: production code carries no switch.
//!
//! A checker that does not see one of them proves nothing about an engine that passes it.

/// A way to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Defect {
    /// Commits name no lease.
    NoFence,
    /// A lost lease is taken for held: what is refused as fenced counts as written.
    LeaseNotChecked,
    /// Mutations demand no resourceVersion.
    NoResourceVersion,
    /// Mutations demand no uid.
    NoUid,
    /// What will be sent is recorded only after it was.
    IntentAfterDeed,
    /// The client sends again what was not answered, without a look.
    ClientRetries,
    /// An undoing is sent twice.
    UndoTwice,
    /// Objects are written without the marker.
    MarkerDropped,
    /// Effects are not audited.
    AuditSkipped,
    /// Budgets are not used up.
    BudgetIgnored,
    /// Places are not taken.
    SlotIgnored,
    /// Targets are not locked.
    LockIgnored,
    /// An end gives nothing back.
    NothingReleased,
    /// The plan is executed though another one was approved.
    ApprovalNotBound,
    /// What looks unhealthy is taken for healthy.
    UnknownIsPassed,
    /// The kill switch is not read.
    KillSwitchIgnored,
    /// A dry run is sent as meant.
    DryRunMeant,
    /// An acknowledged trigger is not kept.
    TriggerLost,
    /// The way back leads to another value than before.
    WrongPreImage,
    /// Outcomes are not recorded.
    OutcomeDropped,
    /// A wake-up is lost.
    WakeUpLost,
    /// A claim does not raise the epoch.
    EpochKept,
    /// Two workflows of one fingerprint.
    NotDeduplicated,
    /// A secret goes into the records.
    SecretKept,
}

impl Defect {
    pub(crate) const ALL: [Self; 24] = [
        Self::NoFence,
        Self::LeaseNotChecked,
        Self::NoResourceVersion,
        Self::NoUid,
        Self::IntentAfterDeed,
        Self::ClientRetries,
        Self::UndoTwice,
        Self::MarkerDropped,
        Self::AuditSkipped,
        Self::BudgetIgnored,
        Self::SlotIgnored,
        Self::LockIgnored,
        Self::NothingReleased,
        Self::ApprovalNotBound,
        Self::UnknownIsPassed,
        Self::KillSwitchIgnored,
        Self::DryRunMeant,
        Self::TriggerLost,
        Self::WrongPreImage,
        Self::OutcomeDropped,
        Self::WakeUpLost,
        Self::EpochKept,
        Self::NotDeduplicated,
        Self::SecretKept,
    ];
}
