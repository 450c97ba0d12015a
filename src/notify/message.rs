//! What a message says, and its signature.
//!
//! Other people's words in it are escaped as Slack wants it, so that a workload's name mentions nobody and links nowhere.

use aiops_engine::{model::wire_time, ports::store::DueNotice, redact::Redactor};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

/// Longest text of a message, in characters; Slack cuts at 40,000.
const LONGEST: usize = 3_000;

/// Signs messages.
pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    /// A signer with this secret. HMAC takes keys of any length.
    pub(super) fn new(secret: &str) -> Self {
        let key = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
        Self(key.unwrap_or_else(|_| Hmac::new(&Default::default())))
    }

    /// `sha256=` and the HMAC over `SECONDS.BODY`, hexadecimal: the time is signed, so that an old message cannot be
    /// played again.
    pub(super) fn sign(&self, seconds: i64, body: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(body.as_bytes());
        let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256={digits}")
    }
}

/// The text of a message, with places for what it is about.
pub(super) struct Template(String);

impl Template {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// One pass: what is put in is not looked through for places again.
    fn fill(&self, of: impl Fn(&str) -> Option<String>) -> String {
        let mut out = String::new();
        let mut rest = self.0.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            match after.split_once('}') {
                Some((name, tail)) => {
                    out.push_str(&of(name).unwrap_or_default());
                    rest = tail;
                }
                None => {
                    out.push('{');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }
}

/// The body that is posted: `text` for Slack and its like, the rest for programs.
pub(super) fn body(due: &DueNotice, template: &Template) -> String {
    let notice = &due.notice;
    let mut details = notice.body.clone();
    Redactor.redact_json(&mut details);
    let word = |name: &str| {
        let value = details.get(name)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let workflow = notice.workflow.as_ref().map(ToString::to_string);
    let at = wire_time(notice.at);
    let text = template.fill(|name| {
        let value = match name {
            "summary" => Some(summary(&notice.kind, workflow.as_deref(), &word)),
            "kind" => Some(notice.kind.clone()),
            "workflow" => workflow.clone(),
            "at" => at.clone(),
            other => word(other),
        };
        value.map(|value| escape(&value))
    });
    let text: String = text.chars().take(LONGEST).collect();
    json!({
        "text": text,
        "event": notice.kind,
        "delivery": due.seq,
        "at": at,
        "workflow_id": workflow,
        "details": details,
    })
    .to_string()
}

/// What happened, in a sentence.
fn summary(kind: &str, workflow: Option<&str>, word: &dyn Fn(&str) -> Option<String>) -> String {
    let who = workflow.unwrap_or("a workflow");
    let on = word("target").map(|target| format!(" on {target}")).unwrap_or_default();
    let why = word("reason").filter(|why| !why.is_empty() && why != "null");
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let by = word("by").map(|by| format!(" by {by}")).unwrap_or_default();
    match kind {
        "approval_requested" => {
            format!("{who}{on} waits for an approval{why}; look with `aiops workflow show {who}`")
        }
        "parked" => format!("{who}{on} stopped and needs a person{why}"),
        "rolled_back" => format!("{who}{on} did not help and was undone{why}"),
        "completed" => format!("{who}{on} is done, and the target is healthy"),
        "failed" => format!("{who}{on} failed{why}"),
        "breaker_open" => format!("the storm breaker opened{why}"),
        "breaker_eased" => format!("the storm breaker eased: it is open for what is automatic only{why}"),
        "breaker_closed" => format!("the storm breaker closed{why}"),
        "kill_switch" => {
            let mode = word("mode").unwrap_or_default();
            format!("the kill switch was set to {mode}{by}{why}")
        }
        other => format!("{other} {who}{on}{why}"),
    }
}

/// As Slack's `mrkdwn` wants it: the three characters that begin links, mentions and entities; and no line of its own.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A kind as a header may hold it.
pub(super) fn header_word(kind: &str) -> String {
    kind.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).take(64).collect()
}
