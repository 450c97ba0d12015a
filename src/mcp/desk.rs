//! Whom this door asks: the engine for what is so, the coordination for incidents and workflows.
//!
//! It decides nothing. Where there is no coordination, nothing that needs one is offered.

use std::sync::Arc;

use aiops_engine::{
    Engine, Error,
    coordination::Coordination,
    guard::names::GRANTED_TO,
    member::Member,
    model::caller::{Caller, Via},
};

/// Why nothing is done here for an engine elsewhere.
pub(super) const NO_MEMBER: &str = "this aiops is no member of another one: that takes standalone mode, acting.enabled and \
                                    names in acting.grantedTo";

/// Whom the door asks, and who is asking where no request says it; cheap to clone.
#[derive(Clone)]
pub struct Desk {
    /// Answers what is so.
    pub engine: Engine,
    /// Incidents, plans and workflows; absent where this process has none.
    pub coordination: Option<Arc<dyn Coordination>>,
    /// What acts here for an engine elsewhere; absent where this process is no member.
    pub member: Option<Member>,
    /// Who is at the other end of the standard streams: the user whose process this is.
    pub user: String,
}

impl Desk {
    /// A desk with a coordination; `user` is whoever runs this process.
    pub fn new(engine: Engine, coordination: Option<Arc<dyn Coordination>>, user: impl Into<String>) -> Self {
        Self { engine, coordination, member: None, user: user.into() }
    }

    /// The same desk, at which an engine elsewhere may have things done.
    #[must_use]
    pub fn with_member(self, member: Member) -> Self {
        Self { member: Some(member), ..self }
    }

    /// The member, for who is granted it; `what` names what was attempted.
    pub(super) fn member(&self, what: &str, caller: &Caller) -> Result<&Member, Error> {
        let member = self
            .member
            .as_ref()
            .ok_or_else(|| Error::NotInThisMode { what: what.to_owned(), why: NO_MEMBER.to_owned() })?;
        if member.grants(caller) {
            return Ok(member);
        }
        let why = format!(
            "acting.grantedTo names neither {} nor a group of it; only an engine that is named there may have it done",
            caller.name
        );
        Err(Error::refused(what, GRANTED_TO, why))
    }

    /// Whether the tools of a member are there for this caller.
    pub(super) fn serves_engine(&self, caller: &Caller) -> bool {
        self.member.as_ref().is_some_and(|member| member.grants(caller))
    }

    /// The coordination, or why there is none; `what` names what was attempted.
    pub(super) fn coordination(&self, what: &str) -> Result<&Arc<dyn Coordination>, Error> {
        self.coordination.as_ref().ok_or_else(|| Error::NotInThisMode {
            what: what.to_owned(),
            why: "there is no coordination engine in this process; start aiops with --mode full on a live cluster"
                .to_owned(),
        })
    }

    /// The user whose process this is, who has its rights already.
    pub(super) fn owner(&self) -> Caller {
        Caller::identified(&self.user, Vec::new(), Via::Mcp)
    }
}

impl From<Engine> for Desk {
    /// A desk that only answers what is so.
    fn from(engine: Engine) -> Self {
        Self::new(engine, None, "local")
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("coordinates", &self.coordination.is_some())
            .field("is_member", &self.member.is_some())
            .finish_non_exhaustive()
    }
}
