//! What the commands over a running server share: which server, how to print, and paths that hold no stranger's slash.
//!
//! It knows no route.

use clap::Args;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    Failure, Global, Output,
    call::within,
    print,
    remote::{Reach, Remote},
    render,
};
use crate::{config::Environment, ordered::Node};

/// Which server, and how to print.
#[derive(Debug, Args)]
pub(super) struct Asking {
    /// How to print the answer
    #[arg(short, long, value_enum, default_value_t, hide_default_value = true)]
    pub(super) output: Output,
    #[command(flatten)]
    reach: Reach,
}

impl Asking {
    /// Runs a command with the server.
    pub(super) fn with(
        &self,
        global: &Global,
        environment: Environment,
        command: impl AsyncFnOnce(Remote) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        within(global, environment, async |loaded, environment, _| {
            command(self.reach.server(global, loaded, environment).await?).await
        })
    }

    /// Asks a route and prints what it answers; for people as `people` says, unless everything is wanted.
    pub(super) async fn show(
        &self,
        remote: &Remote,
        method: Method,
        path: &str,
        body: Option<&Value>,
        people: impl FnOnce(&Value) -> Option<String>,
    ) -> Result<(), Failure> {
        let text = remote.rest(method, path, body).await?;
        Ok(print::out(&self.printed(&text, people)?)?)
    }

    /// Prints an answer that was made here; for people as `people` says, unless everything is wanted.
    pub(super) fn print(
        &self,
        answer: &Value,
        people: impl FnOnce(&Value) -> Option<String>,
    ) -> Result<(), Failure> {
        Ok(print::out(&self.printed(&answer.to_string(), people)?)?)
    }

    fn printed(&self, text: &str, people: impl FnOnce(&Value) -> Option<String>) -> anyhow::Result<String> {
        let Some(members) = Node::object(text) else { return Ok(text.to_owned()) };
        Ok(match self.output {
            Output::Text => {
                let value: Value = serde_json::from_str(text)?;
                people(&value).unwrap_or_else(|| render::text(&members, print::layout(false)))
            }
            Output::Wide => render::text(&members, print::layout(true)),
            Output::Json => serde_json::to_string_pretty(&Node::Object(members))?,
            Output::Yaml => serde_saphyr::to_string(&Node::Object(members))?,
        })
    }
}

/// What stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A value as a piece of a path or of a query.
pub(super) fn piece(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// `?a=b&c=d` of what is there.
pub(super) fn query(pairs: &[(&str, Option<String>)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", piece(value.as_deref()?))))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// A member's text; empty when there is none.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A member's items.
pub(super) fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The issue of a row in our own word, which the REST contract may tell by its.
pub(super) fn issue(row: &Value) -> String {
    let word = text(row, "issue_type");
    aiops_engine::issue_words::lookup(word).map_or(word, |known| known.word).to_owned()
}

/// `Kind namespace/name` of three members.
pub(super) fn object(kind: &str, namespace: &str, name: &str) -> String {
    match (kind.is_empty(), namespace.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{namespace}/{name}"),
        (false, true) => format!("{kind} {name}"),
        (false, false) => format!("{kind} {namespace}/{name}"),
    }
}
