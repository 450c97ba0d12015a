//! Why a configuration is refused: every fault at once, each with its key, where the value came from, and the fix.
//!
//! A message shows a value only when its key holds no secret.

use std::fmt;

/// One thing wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The dotted key; empty when a whole source is wrong.
    pub key: String,
    /// `flag --x`, `variable NAME`, `file PATH` or `default`.
    pub origin: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.origin, self.problem)
        } else {
            write!(f, "{} ({}): {}", self.key, self.origin, self.problem)
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// Everything that is wrong with it, never empty.
    pub faults: Vec<Fault>,
}

impl ConfigError {
    pub(super) fn one(key: impl Into<String>, origin: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { faults: vec![Fault { key: key.into(), origin: origin.into(), problem: problem.into() }] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        match self.faults.as_slice() {
            [one] => write!(f, ": {one}"),
            faults => faults.iter().try_for_each(|fault| write!(f, "\n  - {fault}")),
        }
    }
}
