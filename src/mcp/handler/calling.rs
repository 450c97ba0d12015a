//! One call of one of our tools for one client: its span, its progress, its answer, and what is said when it fails.
//!
//! How it is run is the call path's; nothing of arguments or answers goes into the span.

use std::{sync::Arc, time::Duration};

use aiops_engine::Error;
#[expect(deprecated, reason = "clients of 2025-11-25 still set a level and are told of failures")]
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
use rmcp::{
    RoleServer,
    model::{CallToolRequestParams, CallToolResult, ContentBlock, ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};
use serde_json::{Value, json};
use tracing::{Instrument as _, field::Empty};

use super::Handler;
use crate::mcp::{
    catalogue::Offer,
    error,
    request::{RequestId as Id, adopt, traceparent},
    tool::{Answer, CallContext, Progress},
};

/// Reports of progress that wait for a slow client.
const WAITING_REPORTS: usize = 8;
/// How long an answer waits for the reports before it.
const LAST_REPORTS: Duration = Duration::from_millis(250);

impl Handler {
    /// Calls one of our tools, telling the client how far it is when it wants to know.
    async fn called(
        &self,
        offer: &Offer,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Arc<Answer>, Error> {
        let arguments = request.arguments.unwrap_or_default();
        let cancelled = context.ct.child_token();
        // Whatever the tool left running ends with the call.
        let _ended = cancelled.clone().drop_guard();
        let token = context.meta.get_progress_token();
        let caller = self.caller(context);
        self.check(offer, &caller)?;
        let patience = self.patience(token.is_some());
        let Some(token) = token else {
            let quiet = CallContext { cancelled, progress: None, caller, patience };
            return self.core().calls.call(offer.tool, arguments, &quiet).await;
        };
        let (progress, mut reports) = tokio::sync::mpsc::channel(WAITING_REPORTS);
        let watched = CallContext { cancelled, progress: Some(progress), caller, patience };
        let mut tell = std::pin::pin!(async {
            while let Some(report) = reports.recv().await {
                tell_progress(context, &token, report).await;
            }
        });
        let result = {
            let mut call = std::pin::pin!(self.core().calls.call(offer.tool, arguments, &watched));
            tokio::select! {
                biased;
                // It ends only with the call, whose context holds the sender.
                () = &mut tell => call.await,
                result = &mut call => result,
            }
        };
        drop(watched);
        // What was reported last goes out before the answer, unless the client does not take it.
        let _ = tokio::time::timeout(LAST_REPORTS, tell).await;
        result
    }

    pub(super) async fn answer(
        &self,
        offer: &Offer,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> CallToolResult {
        let name = offer.tool.meta().name;
        let id = Id::of(context);
        let span = tracing::info_span!(
            "tools/call",
            tool = name,
            request_id = %id,
            traceparent = traceparent(context),
            outcome = Empty,
        );
        adopt(&span, context);
        let result = self.called(offer, request, context).instrument(span.clone()).await;
        span.record("outcome", result.as_ref().map_or_else(Error::code, |_| "ok"));
        match result {
            Ok(answer) => success(&answer),
            Err(failure) => {
                span.in_scope(|| error::log(name, &failure, id));
                self.tell_failure(name, &failure, id, context).await;
                error::failed(&failure, id)
            }
        }
    }

    /// Tells a client that wants log messages of a failure that is not its own.
    #[expect(deprecated, reason = "clients of 2025-11-25 still set a level and are told of failures")]
    async fn tell_failure(
        &self,
        tool: &str,
        failure: &Error,
        id: Id<'_>,
        context: &RequestContext<RoleServer>,
    ) {
        let level = match failure {
            Error::Internal { .. } => LoggingLevel::Error,
            Error::Unavailable { .. }
            | Error::Timeout { .. }
            | Error::Forbidden { .. }
            | Error::Full { .. } => LoggingLevel::Warning,
            Error::Invalid { .. }
            | Error::NotFound { .. }
            | Error::Conflict { .. }
            | Error::Refused { .. }
            | Error::NotInThisMode { .. }
            | Error::Cancelled { .. } => return,
        };
        let session = self.session.as_ref().and_then(|session| session.level());
        let Some(wanted) = context.meta.log_level().or(session) else { return };
        if rank(level) < rank(wanted) {
            return;
        }
        let data = json!({
            "tool": tool, "code": failure.code(), "requestId": id.to_string(), "message": error::words(failure, id),
        });
        let message = LoggingMessageNotificationParam::new(level, data).with_logger("aiops");
        // The answer itself says the same; a log message that is lost costs nothing.
        let _ = context.peer.notify_logging_message(message).await;
    }
}

/// An answer as the protocol has it.
pub(super) fn success(answer: &Answer) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(answer.text.as_str())]);
    result.structured_content = Some(Value::Object(answer.structured.clone()));
    result
}

#[expect(deprecated, reason = "clients of 2025-11-25 still set a level")]
const fn rank(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}

async fn tell_progress(context: &RequestContext<RoleServer>, token: &ProgressToken, report: Progress) {
    let mut param = ProgressNotificationParam::new(token.clone(), report.done).with_message(report.message);
    if let Some(total) = report.total {
        param = param.with_total(total);
    }
    // Who is gone needs no report; the call itself learns of it by its token.
    let _ = context.peer.notify_progress(param).await;
}
