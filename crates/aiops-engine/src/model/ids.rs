//! Ids: parsed newtypes, never a bare string.
//!
//! New ones come from the [`Ids`](crate::ports::Ids) port; this file only says what an id looks like. An incident may
//! have an id that its reporter chose.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Longest id that is taken from outside.
const LONGEST: usize = 64;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(inline)]
        pub struct $name(String);

        impl $name {
            /// What every such id begins with.
            pub const PREFIX: &'static str = $prefix;

            /// The id with this unique part.
            pub fn of(unique: &str) -> Self {
                Self(format!("{}{unique}", Self::PREFIX))
            }

            /// Reads an id that came from outside.
            ///
            /// # Errors
            /// It has another prefix, is longer than 64 characters, or has a character outside `A-Z a-z 0-9 . _ -`.
            pub fn parse(text: &str) -> Result<Self, Error> {
                let rest = text.strip_prefix(Self::PREFIX).unwrap_or_default();
                let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                if rest.is_empty() || text.len() > LONGEST || !rest.chars().all(is_plain) {
                    let shown: String = text.chars().take(80).collect();
                    return Err(Error::invalid(
                        concat!($what, " id"),
                        format!(concat!("{:?} is no id; one looks like ", $prefix, "01k3x9f2m4q7tz8b"), shown),
                    ));
                }
                Ok(Self(text.to_owned()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// An incident: `inc-…`.
    IncidentId = "inc-", "incident";
    /// A workflow: `wf-…`.
    WorkflowId = "wf-", "workflow";
    /// A plan that was shown and may be executed: `plan-…`.
    PlanId = "plan-", "plan";
    /// A request for approval: `apr-…`.
    ApprovalId = "apr-", "approval";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_from_outside_are_checked() {
        assert_eq!(WorkflowId::parse("wf-67890").unwrap().as_str(), "wf-67890");
        for wrong in ["", "wf-", "inc-1", "wf-a/b", "wf-ä", &format!("wf-{}", "a".repeat(62))] {
            assert!(WorkflowId::parse(wrong).is_err(), "{wrong}");
        }
    }
}
