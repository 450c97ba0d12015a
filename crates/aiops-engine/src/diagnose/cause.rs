//! Causes: what they say, how sure they are, and in which order they are told.

use schemars::JsonSchema;
use serde::Serialize;

use super::document::{Evidence, words};

/// How sure a cause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Confidence {
    /// An object of the API says so in its own words, or the cited objects prove it.
    Certain,
    /// Two observations that do not depend on each other point to it.
    Likely,
    /// One observation fits; others would fit as well.
    Possible,
}

/// Where in the life of a pod a cause holds it up. The earliest is told first: what comes after it is not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The pod is not made.
    Creation,
    /// The scheduler.
    Placement,
    /// The node.
    Node,
    /// Volumes are attached and mounted.
    Volume,
    /// The sandbox and its network.
    Sandbox,
    /// The image is pulled.
    Image,
    /// The container is made: its environment is put together.
    Config,
    /// The container's process is started.
    Start,
    /// The process runs and ends.
    Run,
    /// The process runs and is not ready.
    Ready,
    /// The pod is deleted.
    End,
}

/// A cause of a pod's trouble.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Cause {
    /// Stable word, see docs/issues.md.
    pub code: &'static str,
    /// certain: the API says so or the evidence proves it; likely: two independent observations; possible: one fits.
    pub confidence: Confidence,
    /// The container it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// One sentence; may quote texts of the cluster.
    pub what: String,
    /// Values to read again.
    pub evidence: Vec<Evidence>,
    /// A line of the container's log: the first that tells of an error, else the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// What to change, or which tool tells more.
    pub next: String,
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) stage: Stage,
}

impl Cause {
    pub(crate) fn new(
        code: &'static str,
        stage: Stage,
        confidence: Confidence,
        what: impl Into<String>,
    ) -> Self {
        Self {
            code,
            confidence,
            container: None,
            what: what.into(),
            evidence: Vec::new(),
            log: None,
            next: String::new(),
            stage,
        }
    }

    pub(crate) fn of(mut self, container: &str) -> Self {
        self.container = Some(words(container, 80));
        self
    }

    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    pub(crate) fn by(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

/// Something that was not looked at, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Unchecked {
    /// What, such as `Secret shop/db`.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What the families of causes find.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) causes: Vec<Cause>,
    pub(crate) fine: Vec<String>,
    pub(crate) unchecked: Vec<Unchecked>,
}

impl Findings {
    /// Adds a cause; one that is known already gets the new evidence.
    pub(crate) fn add(&mut self, cause: Cause) {
        let known = self.causes.iter_mut().find(|c| {
            c.code == cause.code
                && (c.container == cause.container || c.container.is_none() || cause.container.is_none())
        });
        let Some(known) = known else {
            self.causes.push(cause);
            return;
        };
        known.confidence = known.confidence.min(cause.confidence);
        known.container = known.container.take().or(cause.container);
        known.log = known.log.take().or(cause.log);
        for evidence in cause.evidence {
            if !known.evidence.contains(&evidence) {
                known.evidence.push(evidence);
            }
        }
    }

    pub(crate) fn fine(&mut self, what: impl Into<String>) {
        self.fine.push(what.into());
    }

    pub(crate) fn unchecked(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let unchecked = Unchecked { what: what.into(), why: why.into() };
        if !self.unchecked.contains(&unchecked) {
            self.unchecked.push(unchecked);
        }
    }

    /// Guesses come last; of the rest, what blocks first. The order of the families decides between equals.
    pub(crate) fn sort(&mut self) {
        self.causes.sort_by_key(|cause| (cause.confidence == Confidence::Possible, cause.stage));
    }
}
