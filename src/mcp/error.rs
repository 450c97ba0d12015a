//! What a caller reads when something failed.
//!
//! A tool that failed is a result with a text; what is wrong with the message itself is an error of the protocol. The
//! text says cause and fix within its first 200 characters, because clients cut it.

use std::{error::Error as _, fmt::Display};

use aiops_engine::{Error, redact::Redactor, text};
use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock, ErrorCode, MetaObject},
};
use serde_json::json;

/// The longest text of an error, in bytes.
const LONGEST: usize = 1_500;

/// The text a model reads.
pub(super) fn words(error: &Error, request: impl Display) -> String {
    let mut text = error.to_string();
    match error {
        Error::Internal { .. } => text.push_str(&format!(" {request}")),
        Error::Unavailable { retry_after: Some(after), .. } => {
            text.push_str(&format!(" (ask again in {} s)", after.as_secs().max(1)));
        }
        Error::Invalid { .. }
        | Error::NotFound { .. }
        | Error::Forbidden { .. }
        | Error::Conflict { .. }
        | Error::Refused { .. }
        | Error::Full { .. }
        | Error::NotInThisMode { .. }
        | Error::Unavailable { .. }
        | Error::Timeout { .. }
        | Error::Cancelled { .. } => {}
    }
    clean(&text)
}

/// Other people's words in an error are bounded, free of credentials and of characters that do not show.
fn clean(text: &str) -> String {
    text::show(&Redactor::new(), text, LONGEST).text
}

/// A request that rmcp could not read as one of the protocol's own: a method that there is not, or parameters of a wrong
/// form, which it does not tell apart. From 2026-07-28 on some methods are gone; those of tasks are there where tasks are.
pub(super) fn unread(method: &str, is_stateless: bool, has_tasks: bool) -> ErrorData {
    let shown = text::clean(method, 64).text;
    let is_gone = is_stateless && GONE.contains(&method);
    if METHODS.contains(&method) && !is_gone || has_tasks && TASKS.contains(&method) {
        let why = format!(
            "the params of {shown} do not have the form that the protocol gives them: a member is missing or of a wrong type"
        );
        return ErrorData::invalid_params(why, None);
    }
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("there is no method {shown:?}"), None)
}

/// Those of them that 2026-07-28 took away.
const GONE: [&str; 5] =
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

/// Those that we answer where there are tasks.
const TASKS: [&str; 3] = ["tasks/get", "tasks/update", "tasks/cancel"];

/// Those that we always answer.
const METHODS: [&str; 15] = [
    "initialize",
    "server/discover",
    "ping",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "subscriptions/listen",
];

/// A tool that failed.
pub(super) fn failed(error: &Error, request: impl Display) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(words(error, &request))]);
    let mut meta = MetaObject::new();
    meta.insert("aiops.io/code".to_owned(), error.code().into());
    meta.insert("aiops.io/requestId".to_owned(), request.to_string().into());
    result.meta = Some(meta);
    result
}

/// A resource that cannot be read.
pub(super) fn resource(error: &Error, uri: &str, request: impl Display) -> ErrorData {
    let text = words(error, request);
    let uri: String = uri.chars().take(256).collect();
    let data = Some(json!({"uri": clean(&uri), "code": error.code()}));
    match error {
        Error::NotFound { .. } | Error::Invalid { .. } => ErrorData::resource_not_found(text, data),
        Error::Forbidden { .. }
        | Error::Conflict { .. }
        | Error::Refused { .. }
        | Error::Full { .. }
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
