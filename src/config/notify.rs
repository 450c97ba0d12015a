//! `notify`: whom aiops tells when an approval waits, a workflow is parked or undone, or the breaker moves.
//!
//! The URL is an operator's word: nothing that comes in from outside can name another. It sends nothing itself.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration;

/// The outgoing webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Notify {
    /// Where messages are posted, such as an incoming webhook of Slack or Mattermost. Unset: nobody is told.
    pub url: Option<String>,
    /// A file with the secret, of 16 characters or more, by which messages are signed (HMAC-SHA256 in X-Aiops-Signature). Unset: unsigned.
    pub secret_file: Option<PathBuf>,
    /// The text of a message. {summary}, {kind}, {workflow}, {incident}, {target}, {reason}, {digest} and {at} are replaced.
    pub template: String,
    /// Time for one delivery, such as `5s`.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            url: None,
            secret_file: None,
            template: "aiops: {summary}".to_owned(),
            timeout: Duration::from_secs(5),
        }
    }
}

/// What may stand in braces.
pub const PLACEHOLDERS: [&str; 8] =
    ["summary", "kind", "workflow", "incident", "target", "reason", "digest", "at"];

impl Notify {
    /// Tells `refuse` of a template that names what does not exist, and of a secret without anybody to sign for.
    pub(super) fn check(&self, refuse: &mut dyn FnMut(&str, String)) {
        if self.template.trim().is_empty() || self.template.len() > 4_096 {
            refuse("notify.template", "must have 1 to 4096 bytes".to_owned());
        }
        let mut rest = self.template.as_str();
        while let Some((_, after)) = rest.split_once('{') {
            let Some((name, tail)) = after.split_once('}') else {
                refuse("notify.template", "has a { without its }".to_owned());
                break;
            };
            if !PLACEHOLDERS.contains(&name) {
                let shown: String = name.chars().take(40).collect();
                refuse("notify.template", format!("{{{shown}}} is none of {}", PLACEHOLDERS.join(", ")));
            }
            rest = tail;
        }
        if self.secret_file.is_some() && self.url.is_none() {
            refuse("notify.secretFile", "signs nothing without notify.url; set it or remove this".to_owned());
        }
    }
}
