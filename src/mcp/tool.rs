//! What a tool is: its words, its input, its output, and the one question it asks the engine or the coordination.
//!
//! [`Tool`] or [`CoordinatedTool`] is what a tool's file implements; [`AnyTool`] is the same without its types, so that one list holds all
//! tools and every consumer (the server, `aiops call`, the documentation, the tests) iterates over it.

use std::{sync::Arc, time::Duration};

use aiops_engine::{
    Engine, Error,
    coordination::Coordination,
    member::Member,
    model::caller::{Caller, Via},
    redact::Redactor,
    text::clean_json,
};
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::desk::Desk;

/// A group of tools that is switched on and off together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Toolset {
    /// Reading the cluster.
    Cluster,
    /// Incidents, plans and workflows.
    Remediation,
    /// Each action as a tool of its own.
    Actions,
    /// What an engine elsewhere calls.
    Member,
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
    /// It keeps something of ours, and touches nothing of the cluster.
    pub const KEEP: Self =
        Self { read_only: false, destructive: false, idempotent: false, open_world: false };
    /// It may lead to changes of the cluster that cannot be undone.
    pub const ACT: Self = Self { read_only: false, destructive: true, idempotent: false, open_world: false };
    /// The same, but asked twice it does no more than asked once.
    pub const SET: Self = Self { idempotent: true, ..Self::ACT };
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
    /// Who asks.
    pub caller: Caller,
    /// The longest that an answer may be held back for something to happen.
    pub patience: Duration,
}

/// The longest that anybody may wait for a workflow in one call, in seconds.
pub const LONGEST_WAIT: u32 = 300;

impl CallContext {
    /// A context nobody cancels and nobody watches, for nobody in particular.
    pub fn detached() -> Self {
        Self::of(Caller::anonymous(Via::Mcp))
    }

    /// A context of this caller that nobody cancels and nobody watches.
    pub fn of(caller: Caller) -> Self {
        Self {
            cancelled: CancellationToken::new(),
            progress: None,
            caller,
            patience: Duration::from_secs(u64::from(LONGEST_WAIT)),
        }
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

/// A tool that asks the coordination. It is offered only where there is one.
pub trait CoordinatedTool: Send + Sync + 'static {
    /// Its words and properties.
    const META: Meta;
    /// Its arguments, as [`Tool::Input`]. One called `wait` is the seconds for which the answer may be held back.
    type Input: DeserializeOwned + JsonSchema + Send;
    /// Its answer, an object.
    type Output: Serialize + JsonSchema;
    /// Asks the coordination.
    fn call(
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// A tool that an engine elsewhere calls to act here. It is offered only where this aiops is a member, and to who is granted
/// it alone.
pub trait MemberTool: Send + Sync + 'static {
    /// Its words and properties.
    const META: Meta;
    /// Its arguments, as [`Tool::Input`].
    type Input: DeserializeOwned + JsonSchema + Send;
    /// Its answer, an object.
    type Output: Serialize + JsonSchema;
    /// Asks the member.
    fn call(
        member: &Member,
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

impl Answer {
    /// Wraps what a member answers an engine: as it is, for a value that was replaced here would be written back there. Nothing
    /// else may be answered so; the ports have taken out what Secrets hold.
    fn whole<T: Serialize>(what: &str, output: &T) -> Result<Self, Error> {
        let internal = |source: Option<Box<dyn std::error::Error + Send + Sync>>| Error::Internal {
            what: format!("writing the answer of {what}"),
            source,
        };
        let Value::Object(structured) = serde_json::to_value(output).map_err(|e| internal(Some(e.into())))?
        else {
            return Err(internal(None));
        };
        let text = serde_json::to_string(output).map_err(|e| internal(Some(e.into())))?;
        Ok(Self { structured, text })
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
    /// Whether it asks the coordination, so that it is of no use without one.
    fn is_coordinated(&self) -> bool;
    /// Whether it asks the member, so that it is there only for who is granted it.
    fn is_membered(&self) -> bool {
        false
    }
    /// Checks and decodes the arguments, asks, wraps the answer.
    fn call<'a>(
        &'a self,
        desk: &'a Desk,
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

    fn is_coordinated(&self) -> bool {
        false
    }

    fn call<'a>(
        &'a self,
        desk: &'a Desk,
        context: &'a CallContext,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            let input = super::schema::decode::<T::Input>(T::META.name, arguments)?;
            let output = T::call(&desk.engine, context, input).await?;
            Answer::of(T::META.name, &output)
        })
    }
}

/// Takes the types off a [`CoordinatedTool`].
#[derive(Debug)]
pub struct Coordinated<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Coordinated<T> {
    /// The one value of it.
    pub const TOOL: Self = Self(std::marker::PhantomData);
}

impl<T: CoordinatedTool> AnyTool for Coordinated<T> {
    fn meta(&self) -> &'static Meta {
        const { &T::META }
    }

    fn input_schema(&self) -> Map<String, Value> {
        super::schema::input::<T::Input>()
    }

    fn output_schema(&self) -> Map<String, Value> {
        super::schema::output::<T::Output>()
    }

    fn is_coordinated(&self) -> bool {
        true
    }

    fn call<'a>(
        &'a self,
        desk: &'a Desk,
        context: &'a CallContext,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            let input = super::schema::decode::<T::Input>(T::META.name, arguments)?;
            let output = T::call(desk.coordination(T::META.name)?, context, input).await?;
            Answer::of(T::META.name, &output)
        })
    }
}

/// Takes the types off a [`MemberTool`].
#[derive(Debug)]
pub struct Membered<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Membered<T> {
    /// The one value of it.
    pub const TOOL: Self = Self(std::marker::PhantomData);
}

impl<T: MemberTool> AnyTool for Membered<T> {
    fn meta(&self) -> &'static Meta {
        const { &T::META }
    }

    fn input_schema(&self) -> Map<String, Value> {
        super::schema::input::<T::Input>()
    }

    fn output_schema(&self) -> Map<String, Value> {
        super::schema::output::<T::Output>()
    }

    fn is_coordinated(&self) -> bool {
        false
    }

    fn is_membered(&self) -> bool {
        true
    }

    fn call<'a>(
        &'a self,
        desk: &'a Desk,
        context: &'a CallContext,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            // Who is not granted it is told so, whatever the arguments.
            let member = desk.member(T::META.name, &context.caller)?;
            let input = super::schema::decode::<T::Input>(T::META.name, arguments)?;
            let output = T::call(member, context, input).await?;
            Answer::whole(T::META.name, &output)
        })
    }
}
