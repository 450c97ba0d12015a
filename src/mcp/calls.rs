//! The one path on which every tool is called: so many at a time, so long at most, a panic costs one call, and each
//! is counted.
//!
//! It looks at no argument and at no answer, and logs neither.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use aiops_engine::{Engine, Error};
use futures::FutureExt as _;
use serde_json::{Map, Value};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    answers::{Answers, Moment},
    tool::{Answer, AnyTool, CallContext},
};
use crate::{config, telemetry::Metrics};

/// Calls tools.
pub(super) struct Calls {
    engine: Engine,
    metrics: Arc<Metrics>,
    changed: watch::Receiver<u64>,
    answers: Answers,
    turns: Semaphore,
    most: usize,
    longest: Duration,
}

impl Calls {
    pub(super) fn new(engine: Engine, settings: &config::Mcp, metrics: Arc<Metrics>) -> Self {
        Self {
            changed: engine.changed(),
            engine,
            metrics,
            answers: Answers::default(),
            turns: Semaphore::new(settings.max_concurrent_calls),
            most: settings.max_concurrent_calls,
            longest: settings.tool_timeout,
        }
    }

    /// Calls a tool and counts it.
    pub(super) async fn call(
        &self,
        tool: &'static dyn AnyTool,
        arguments: Map<String, Value>,
        context: &CallContext,
    ) -> Result<Arc<Answer>, Error> {
        let started = Instant::now();
        let result = self.answer(tool, arguments, context).await;
        let (outcome, bytes) = match &result {
            Ok(answer) => ("ok", answer.text.len()),
            Err(error) => (error.code(), 0),
        };
        self.metrics.tool_call(tool.meta().name, outcome, started.elapsed(), bytes);
        result
    }

    async fn answer(
        &self,
        tool: &'static dyn AnyTool,
        arguments: Map<String, Value>,
        context: &CallContext,
    ) -> Result<Arc<Answer>, Error> {
        let name = tool.meta().name;
        let make = |arguments| async move { tool.call(&self.engine, context, arguments).await.map(Arc::new) };
        if tool.meta().needs_live {
            return self.guard(name, &context.cancelled, make(arguments)).await;
        }
        let moment = self.moment();
        // Members of a JSON object are sorted here, so equal arguments are equal texts.
        let key = serde_json::to_string(&arguments).unwrap_or_default();
        let Some(slot) = self.answers.slot(moment, name, key) else {
            return self.guard(name, &context.cancelled, make(arguments)).await;
        };
        if let Some(answer) = slot.get() {
            return Ok(Arc::clone(answer));
        }
        let fill = slot.get_or_try_init(|| async {
            let answer = make(arguments).await?;
            self.answers.filled(moment, answer.text.len());
            Ok(answer)
        });
        self.guard(name, &context.cancelled, async { fill.await.map(Arc::clone) }).await
    }

    fn moment(&self) -> Moment {
        Moment { generation: *self.changed.borrow(), second: self.engine.now().as_second() }
    }

    /// Runs a piece of work with its turn, its time limit and its net.
    pub(super) async fn guard<T>(
        &self,
        what: &str,
        cancelled: &CancellationToken,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + self.longest;
        let run = async {
            let turn = timeout_at(deadline, self.turns.acquire()).await;
            let Ok(Ok(_turn)) = turn else {
                return Err(Error::Unavailable {
                    what: what.to_owned(),
                    why: format!(
                        "{} other calls were running for {} s; ask for less at once, or raise mcp.maxConcurrentCalls",
                        self.most,
                        self.longest.as_secs()
                    ),
                    retry_after: Some(self.longest),
                });
            };
            match timeout_at(deadline, AssertUnwindSafe(work).catch_unwind()).await {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => Err(panicked(what, panic.as_ref())),
                Err(_) => Err(Error::Timeout {
                    what: what.to_owned(),
                    seconds: self.longest.as_secs(),
                    why: "ask for less (a namespace, a limit), try again, or raise mcp.toolTimeout"
                        .to_owned(),
                }),
            }
        };
        tokio::select! {
            biased;
            result = run => result,
            () = cancelled.cancelled() => Err(Error::Cancelled { what: what.to_owned() }),
        }
    }
}

fn panicked(what: &str, panic: &(dyn std::any::Any + Send)) -> Error {
    let said =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let said = format!("panicked: {}", said.unwrap_or("without a text"));
    Error::Internal { what: what.to_owned(), source: Some(said.into()) }
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls")
            .field("most", &self.most)
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}
