//! Ways to be wrong, each as a wrapper between the engine and the faults: production code carries no switch.
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
    /// An intent is kept whatever was switched since it was decided.
    SwitchNotBound,
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
    /// The clock by which leases are trusted stands still.
    TrustStandsStill,
    /// Who asked is forgotten, so anybody is a second person.
    SelfApproved,
    /// Every report opens an incident of its own.
    IncidentDoubled,
    /// The record of a Helm release leaves the revision before it deployed.
    RecordHalfDone,
    /// Outcomes are not audited.
    EffectNotAudited,
    /// How long a trouble rests is forgotten.
    RestForgotten,
}

impl Defect {
    /// All of them, each with a seed whose schedule shows it.
    pub(crate) const ALL: [(Self, u64); 31] = [
        (Self::NoFence, 0),
        (Self::LeaseNotChecked, 9),
        (Self::NoResourceVersion, 0),
        (Self::NoUid, 0),
        (Self::IntentAfterDeed, 0),
        (Self::ClientRetries, 0),
        (Self::UndoTwice, 17),
        (Self::MarkerDropped, 0),
        (Self::AuditSkipped, 0),
        (Self::BudgetIgnored, 0),
        (Self::SlotIgnored, 0),
        (Self::LockIgnored, 0),
        (Self::NothingReleased, 0),
        (Self::ApprovalNotBound, 0),
        (Self::UnknownIsPassed, 8),
        (Self::KillSwitchIgnored, 4),
        (Self::SwitchNotBound, 205),
        (Self::DryRunMeant, 2),
        (Self::TriggerLost, 0),
        (Self::WrongPreImage, 21),
        (Self::OutcomeDropped, 0),
        (Self::WakeUpLost, 0),
        (Self::EpochKept, 0),
        (Self::NotDeduplicated, 5),
        (Self::SecretKept, 0),
        (Self::TrustStandsStill, 0),
        (Self::SelfApproved, 6),
        (Self::IncidentDoubled, 2),
        (Self::RecordHalfDone, 0),
        (Self::EffectNotAudited, 0),
        (Self::RestForgotten, 250),
    ];
}
