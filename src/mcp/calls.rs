//! The one path on which every tool is called: so many at a time, so long at most, a panic costs one call, and each
//! is counted. Calls that wait for a workflow have places of their own, so that they hold up nobody else.
//!
//! It looks at no argument and at no answer, and logs neither.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use aiops_engine::Error;
use futures::FutureExt as _;
use serde_json::{Map, Value};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    answers::{Answers, Moment},
    desk::Desk,
    tool::{Answer, AnyTool, CallContext},
};
use crate::{config, telemetry::Metrics};

/// Calls that wait for a workflow at the same time.
const MOST_WAITING: usize = 256;

/// Calls tools.
pub(super) struct Calls {
    desk: Desk,
    metrics: Arc<Metrics>,
    changed: watch::Receiver<u64>,
    answers: Answers,
    turns: Semaphore,
    waiting: Semaphore,
    most: usize,
    longest: Duration,
}

impl Calls {
    pub(super) fn new(desk: Desk, settings: &config::Mcp, metrics: Arc<Metrics>) -> Self {
        Self {
            changed: desk.engine.changed(),
            desk,
            metrics,
            answers: Answers::default(),
            turns: Semaphore::new(settings.max_concurrent_calls),
            waiting: Semaphore::new(MOST_WAITING),
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
        let make = |arguments| async move { tool.call(&self.desk, context, arguments).await.map(Arc::new) };
        let wait = if tool.is_coordinated() { wait(&arguments) } else { Duration::ZERO };
        let wait = wait.min(context.patience);
        if !wait.is_zero() {
            return self.guard_waiting(name, &context.cancelled, wait, make(arguments)).await;
        }
        // The moment of the inventory says nothing about what is read live, kept or done.
        if tool.meta().needs_live || tool.is_coordinated() || !tool.meta().hints.read_only {
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
        Moment { generation: *self.changed.borrow(), second: self.desk.engine.now().as_second() }
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
            self.bounded(what, deadline, work).await
        };
        tokio::select! {
            biased;
            result = run => result,
            () = cancelled.cancelled() => Err(Error::Cancelled { what: what.to_owned() }),
        }
    }

    /// The same for work that waits up to `wait` for something to happen. Going away ends the waiting and nothing else:
    /// a workflow goes on.
    pub(super) async fn guard_waiting<T>(
        &self,
        what: &str,
        cancelled: &CancellationToken,
        wait: Duration,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(Error::Unavailable {
                what: what.to_owned(),
                why: format!("{MOST_WAITING} other calls wait for workflows; ask without `wait`"),
                retry_after: Some(self.longest),
            });
        };
        let run = self.bounded(what, Instant::now() + wait + self.longest, work);
        tokio::select! {
            biased;
            result = run => result,
            () = cancelled.cancelled() => Err(Error::Cancelled { what: what.to_owned() }),
        }
    }

    /// Runs a piece of work with its time limit and its net.
    async fn bounded<T>(
        &self,
        what: &str,
        deadline: Instant,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match timeout_at(deadline, AssertUnwindSafe(work).catch_unwind()).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(panicked(what, panic.as_ref())),
            Err(_) => Err(Error::Timeout {
                what: what.to_owned(),
                seconds: self.longest.as_secs(),
                why: "ask for less (a namespace, a limit), try again, or raise mcp.toolTimeout".to_owned(),
            }),
        }
    }
}

/// How long the caller asks the tool to wait. What is no number of seconds, the tool itself refuses.
pub(super) fn wait(arguments: &Map<String, Value>) -> Duration {
    let seconds = arguments.get("wait").and_then(|value| match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    });
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default()
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
