//! A way to call tools of a member, and what its answers and failures mean.
//!
//! Who carries it is a room. What is not certain is not known, whatever a member of tomorrow may call it.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    error::PortErrorKind,
    ports::acting::{NotDone, NotDoneKind},
};

/// What a member answered to a call of a tool.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// The tool failed.
    pub is_error: bool,
    /// The stable code of its error, when it says one.
    pub code: Option<String>,
    /// What it said, for people.
    pub text: String,
    /// What it said.
    pub structured: Option<Map<String, Value>>,
}

/// A way to call tools of a member.
#[async_trait]
pub trait Line: Send + Sync {
    /// Calls a tool and answers within this time. A call that is `once` is sent at most once by everything on this side of
    /// the member, and its failure says what is certain: [`NotDoneKind::Unknown`] unless it had no effect for sure.
    async fn call(
        &self,
        tool: &'static str,
        arguments: Map<String, Value>,
        within: Duration,
        once: bool,
    ) -> Result<Reply, NotDone>;

    /// Where the member is, for sentences.
    fn place(&self) -> &str;
}

/// Members of a JSON object.
pub(super) fn members(value: &impl Serialize) -> Result<Map<String, Value>, String> {
    match serde_json::to_value(value) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("it is no JSON object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// An answer, read strictly: what is missing in it is not made up.
pub(super) fn read<T: DeserializeOwned>(reply: Reply) -> Result<T, String> {
    let structured = reply.structured.ok_or("it has no structuredContent")?;
    serde_json::from_value(Value::Object(structured)).map_err(|error| error.to_string())
}

/// What the code of a member's error means to a reader.
pub(super) fn read_kind(code: Option<&str>) -> PortErrorKind {
    match code {
        Some("invalid_request") => PortErrorKind::Invalid,
        Some("forbidden" | "refused_by_guard") => PortErrorKind::Denied,
        Some("not_in_this_mode") => PortErrorKind::Unsupported,
        Some("dependency_unavailable") => PortErrorKind::Unavailable,
        Some("dependency_timeout" | "cancelled") => PortErrorKind::Timeout,
        // Whatever it could not find was not the object: that one it would call absent.
        _ => PortErrorKind::Internal,
    }
}

/// What the code of a member's error means to who had something changed. The member refuses with these before it sends
/// anything; what it calls by another name may have come after.
pub(super) fn change_kind(code: Option<&str>) -> NotDoneKind {
    match code {
        Some("invalid_request") => NotDoneKind::Rejected,
        Some("refused_by_guard" | "forbidden") => NotDoneKind::Denied,
        Some("not_in_this_mode") => NotDoneKind::Unsupported,
        Some("dependency_unavailable") => NotDoneKind::NotSent,
        _ => NotDoneKind::Unknown,
    }
}

/// What a failure of the line means to a reader.
pub(super) const fn lost_kind(kind: NotDoneKind) -> PortErrorKind {
    match kind {
        NotDoneKind::Denied => PortErrorKind::Denied,
        NotDoneKind::Unsupported => PortErrorKind::Unsupported,
        NotDoneKind::Rejected => PortErrorKind::Invalid,
        _ => PortErrorKind::Unavailable,
    }
}
