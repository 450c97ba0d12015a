//! What a caller reads when something failed.
//!
//! A tool that failed is a result with a text; what is wrong with the message itself is an error of the protocol. The
//! text says cause and fix within its first 200 characters, because clients cut it.

use std::{error::Error as _, fmt::Display};

use aiops_engine::{Error, redact::Redactor};
use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock, MetaObject},
};
use serde_json::json;

/// The longest text of an error, in characters.
const LONGEST: usize = 1_500;

/// The text a model reads.
pub(super) fn text(error: &Error, request: impl Display) -> String {
    let mut text = error.to_string();
    match error {
        Error::Internal { .. } => text.push_str(&format!(" {request}")),
        Error::Unavailable { retry_after: Some(after), .. } => {
            text.push_str(&format!(" (ask again in {} s)", after.as_secs().max(1)));
        }
        Error::Invalid { .. }
        | Error::NotFound { .. }
        | Error::Forbidden { .. }
        | Error::NotInThisMode { .. }
        | Error::Unavailable { .. }
        | Error::Timeout { .. }
        | Error::Cancelled { .. } => {}
    }
    clean(&text)
}

/// Other people's words in an error are bounded, free of control characters and of credentials.
fn clean(text: &str) -> String {
    let redacted = Redactor::new().redact(text);
    let mut clean: String =
        redacted.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    if clean.len() < redacted.len() && clean.chars().count() == LONGEST {
        clean.push('…');
    }
    clean
}

/// A tool that failed.
pub(super) fn failed(error: &Error, request: impl Display) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(text(error, &request))]);
    let mut meta = MetaObject::new();
    meta.insert("aiops.io/code".to_owned(), error.code().into());
    meta.insert("aiops.io/requestId".to_owned(), request.to_string().into());
    result.meta = Some(meta);
    result
}

/// A resource that cannot be read.
pub(super) fn resource(error: &Error, uri: &str, request: impl Display) -> ErrorData {
    let text = text(error, request);
    let uri: String = uri.chars().take(256).collect();
    let data = Some(json!({"uri": clean(&uri), "code": error.code()}));
    match error {
        Error::NotFound { .. } | Error::Invalid { .. } => ErrorData::resource_not_found(text, data),
        Error::Forbidden { .. }
        | Error::NotInThisMode { .. }
        | Error::Unavailable { .. }
        | Error::Timeout { .. }
        | Error::Cancelled { .. }
        | Error::Internal { .. } => ErrorData::internal_error(text, data),
    }
}

/// Logs a fault of ours with its whole chain; what callers did wrong is theirs to read.
pub(super) fn log(what: &str, error: &Error, request: impl Display) {
    if let Error::Internal { .. } = error {
        let mut chain = String::new();
        let mut cause = error.source();
        while let Some(source) = cause {
            chain.push_str(&format!(": {source}"));
            cause = source.source();
        }
        tracing::error!(what, request_id = %request, cause = %clean(&chain), "a call failed inside aiops");
    }
}
