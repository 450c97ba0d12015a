//! What an answer to a change means: accepted, refused without an effect, or nobody knows.
//!
//! Only what the API server itself is certain of counts as without effect; every other answer is unknown.

use std::time::Duration;

use aiops_engine::ports::acting::{Accepted, NotDone, NotDoneKind, Verb};
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::Value;

use super::super::{failure::clean, live};

/// Most warnings that are kept of one answer.
const WARNINGS: usize = 10;
/// Longest that an API server may ask us to wait.
const LONGEST: Duration = Duration::from_secs(60);

/// The parts of a `Status` that tell refusals apart.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    kind: String,
    message: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    causes: Vec<Cause>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
}

impl Status {
    fn causes(&self) -> &[Cause] {
        self.details.as_ref().map_or(&[], |details| &details.causes)
    }
}

/// An accepted change. `body` is `None` when it broke off: the status came first, and with it the certainty.
pub(super) fn accepted(
    status: u16,
    headers: &HeaderMap,
    body: Option<&[u8]>,
    what: &str,
) -> Result<Accepted, NotDone> {
    let mut object: Option<Value> = match body {
        None => None,
        Some(body) => match serde_json::from_slice::<Value>(body) {
            Ok(object) if object.get("kind").is_some_and(Value::is_string) => Some(object),
            // A proxy's page, behind which the change may or may not have reached the API server.
            _ => {
                let why = format!("{what}: the answer {status} is none that a Kubernetes API server gives");
                return Err(NotDone { status: Some(status), ..NotDone::new(NotDoneKind::Unknown, why) });
            }
        },
    };
    if let Some(object) = &mut object {
        live::withhold(object, false);
    }
    Ok(Accepted {
        status,
        audit_id: audit_id(headers),
        object: object.filter(|object| object.get("kind").is_none_or(|kind| kind != "Status")),
        warnings: warnings(headers),
    })
}

/// A change that was not accepted.
pub(super) fn refused(status: u16, headers: &HeaderMap, body: &[u8], form: Verb, what: &str) -> NotDone {
    let said: Status = serde_json::from_slice(body).unwrap_or_default();
    let kind = kind(status, &said, form);
    let reason = if said.kind == "Status" && !said.message.is_empty() {
        clean(&said.message)
    } else if status == 429 {
        "the API server sheds load".to_owned()
    } else {
        "without a reason".to_owned()
    };
    let what_now = if kind == NotDoneKind::Unknown { "; whether it had an effect is not known" } else { "" };
    let after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|text| text.parse().ok()).map(|s: u64| Duration::from_secs(s).min(LONGEST));
    NotDone { kind, status: Some(status), why: format!("{what}: {status} {reason}{what_now}"), after }
}

fn kind(status: u16, said: &Status, form: Verb) -> NotDoneKind {
    match status {
        // A test that failed comes back as 422, and unlike an invalid object it names no cause.
        422 if form == Verb::JsonPatch && said.causes().is_empty() => NotDoneKind::Conflict,
        409 => NotDoneKind::Conflict,
        404 => NotDoneKind::NotFound,
        401 | 403 => NotDoneKind::Denied,
        400 | 405 | 406 | 411 | 413..=415 | 422 => NotDoneKind::Rejected,
        429 if said.causes().iter().any(|cause| cause.reason == "DisruptionBudget")
            || (form == Verb::Evict && said.message.contains("disruption budget")) =>
        {
            NotDoneKind::Blocked
        }
        429 => NotDoneKind::Throttled,
        // It will say so for ever.
        500 if form == Verb::Evict && said.message.contains("more than one PodDisruptionBudget") => {
            NotDoneKind::Rejected
        }
        _ => NotDoneKind::Unknown,
    }
}

fn audit_id(headers: &HeaderMap) -> Option<String> {
    headers.get("audit-id").and_then(|value| value.to_str().ok()).map(clean)
}

/// The texts of `Warning: 299 - "…"` (RFC 7234 5.5), as KEP-1693 has API servers send them.
fn warnings(headers: &HeaderMap) -> Vec<String> {
    let texts = headers.get_all(header::WARNING).iter().filter_map(|value| value.to_str().ok());
    texts.filter_map(quoted).take(WARNINGS).collect()
}

fn quoted(warning: &str) -> Option<String> {
    let (_, rest) = warning.split_once('"')?;
    let mut text = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(clean(&text)),
            '\\' => text.extend(chars.next()),
            other => text.push(other),
        }
    }
}
