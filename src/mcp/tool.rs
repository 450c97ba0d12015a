//! What a tool is: its words, its input, its output, and the one question it asks the engine.
//!
//! [`Tool`] is what a tool's file implements; [`AnyTool`] is the same without its types, so that one list holds all
//! tools and every consumer (the server, `aiops call`, the documentation, the tests) iterates over it.

use aiops_engine::{Engine, Error, redact::Redactor, text::clean_json};
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

/// A group of tools that is switched on and off together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Toolset {
    /// Reading the cluster.
    Cluster,
}

/// The four hints of MCP tool annotations. They inform clients; nothing here is enforced by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hints {
    /// The tool changes nothing.
    pub read_only: bool,
    /// The tool may destroy something.
    pub destructive: bool,
    /// Calling it twice is as calling it once.
    pub idempotent: bool,
    /// It reaches beyond the cluster that is connected.
    pub open_world: bool,
}

impl Hints {
    /// A tool that only reads the connected cluster.
    pub const READ: Self = Self { read_only: true, destructive: false, idempotent: true, open_world: false };
}

/// The words and properties of a tool.
#[derive(Debug, Clone, Copy)]
pub struct Meta {
    /// Kebab-case, at most 40 characters.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// For models: what it answers first, then when to use another tool. At most 300 characters.
    pub description: &'static str,
    /// The group it belongs to.
    pub toolset: Toolset,
    /// Hints for clients.
    pub hints: Hints,
    /// It reads the live cluster (not only the inventory), and is hidden when that can never work.
    pub needs_live: bool,
}

/// What a call brings along beside its arguments.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Cancelled when the caller goes away or the call's time is over.
    pub cancelled: CancellationToken,
    /// Where progress goes, when the caller asked for it.
    pub progress: Option<tokio::sync::mpsc::Sender<Progress>>,
}

impl CallContext {
    /// A context nobody cancels and nobody watches.
    pub fn detached() -> Self {
        Self { cancelled: CancellationToken::new(), progress: None }
    }

    /// Says how far a long call is; lost when nobody listens or the listener is slow.
    pub fn report(&self, done: f64, total: Option<f64>, message: impl Into<String>) {
        if let Some(progress) = &self.progress {
            // A full channel means that the client reads slower than we work: the next report carries more.
            let _ = progress.try_send(Progress { done, total, message: message.into() });
        }
    }
}

/// How far a call is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// What is done, in the tool's own unit.
    pub done: f64,
    /// Of how much, when known.
    pub total: Option<f64>,
    /// In words.
    pub message: String,
}

/// A tool, as its own file writes it.
pub trait Tool: Send + Sync + 'static {
    /// Its words and properties.
    const META: Meta;
    /// Its arguments. Derive `Deserialize` with `#[serde(deny_unknown_fields)]` and describe every field.
    type Input: DeserializeOwned + JsonSchema + Send;
    /// Its answer, an object.
    type Output: Serialize + JsonSchema;
    /// Asks the engine.
    fn call(
        engine: &Engine,
        context: &CallContext,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// An answer: the same facts as an object and as text, with every credential in it replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// `structuredContent`.
    pub structured: Map<String, Value>,
    /// The same as compact JSON, which is what the predecessor's clients parse.
    pub text: String,
}

impl Answer {
    /// Wraps what the engine said. This is the one place where answers are made, so that nothing leaves unredacted;
    /// `what` names the question, for the error when the output is no object.
    pub fn of<T: Serialize>(what: &str, output: &T) -> Result<Self, Error> {
        let internal = |source: Option<Box<dyn std::error::Error + Send + Sync>>| Error::Internal {
            what: format!("writing the answer of {what}"),
            source,
        };
        let mut value = serde_json::to_value(output).map_err(|e| internal(Some(e.into())))?;
        // A cursor is ours and looks like the encoded blobs that the redactor takes out.
        let cursor = value.as_object_mut().and_then(|answer| answer.remove(CURSOR));
        // Redacted first: an escape in a credential would hide it. Then nothing is left that a reader does not see.
        let changed = Redactor::new().redact_json(&mut value) | clean_json(&mut value);
        let Value::Object(mut structured) = value else { return Err(internal(None)) };
        if let Some(cursor) = cursor {
            structured.insert(CURSOR.to_owned(), cursor);
        }
        // The output's own order puts the verdict first; what was changed can only be written from the object.
        let text = if changed { serde_json::to_string(&structured) } else { serde_json::to_string(output) };
        Ok(Self { structured, text: text.map_err(|e| internal(Some(e.into())))? })
    }
}

const CURSOR: &str = "next_cursor";

/// A tool without its types.
pub trait AnyTool: Send + Sync {
    /// Its words and properties.
    fn meta(&self) -> &'static Meta;
    /// Schema of the arguments: an object, everything inlined.
    fn input_schema(&self) -> Map<String, Value>;
    /// Schema of the answer: an object, everything inlined.
    fn output_schema(&self) -> Map<String, Value>;
    /// Checks and decodes the arguments, asks the engine, wraps the answer.
    fn call<'a>(
        &'a self,
        engine: &'a Engine,
        context: &'a CallContext,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<Answer, Error>>;
}

/// Takes the types off a [`Tool`].
#[derive(Debug)]
pub struct Erased<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Erased<T> {
    /// The one value of it.
    pub const TOOL: Self = Self(std::marker::PhantomData);
}

impl<T: Tool> AnyTool for Erased<T> {
    fn meta(&self) -> &'static Meta {
        const { &T::META }
    }

    fn input_schema(&self) -> Map<String, Value> {
        super::schema::input::<T::Input>()
    }

    fn output_schema(&self) -> Map<String, Value> {
        super::schema::output::<T::Output>()
    }

    fn call<'a>(
        &'a self,
        engine: &'a Engine,
        context: &'a CallContext,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            let input = super::schema::decode::<T::Input>(T::META.name, arguments)?;
            let output = T::call(engine, context, input).await?;
            Answer::of(T::META.name, &output)
        })
    }
}
