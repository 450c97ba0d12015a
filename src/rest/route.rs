//! A route as the router serves it and as the document tells it: one value for both.

use axum::routing::MethodRouter;
use schemars::JsonSchema;
use serde_json::Value;

use super::{Rest, body::schema};

/// The form of a body.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// Makes its schema.
    pub(super) schema: fn() -> Value,
    /// Its name among all schemas.
    pub(super) name: fn() -> &'static str,
}

/// A method at a path.
#[derive(Clone, Copy)]
pub(super) struct Route {
    /// `get`, `post` or `put`.
    pub(super) method: &'static str,
    /// With its parameters in braces.
    pub(super) path: &'static str,
    /// What it is for, in a sentence without its full stop.
    pub(super) summary: &'static str,
    /// Absent: the listener answers it.
    pub(super) handler: Option<fn() -> MethodRouter<Rest>>,
    /// Parameters behind `?`.
    pub(super) query: &'static [&'static str],
    /// `Idempotency-Key` is read.
    pub(super) is_keyed: bool,
    /// What it takes.
    pub(super) body: Option<Form>,
    /// What it answers when it does what is asked: statuses and their bodies.
    pub(super) answers: [Option<(u16, Form)>; 2],
    /// The media type of its answer where that is not JSON.
    pub(super) media: Option<&'static str>,
}

impl Route {
    const fn new(method: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            summary,
            handler: None,
            query: &[],
            is_keyed: false,
            body: None,
            answers: [None, None],
            media: None,
        }
    }

    pub(super) const fn get(path: &'static str, summary: &'static str) -> Self {
        Self::new("get", path, summary)
    }

    pub(super) const fn post(path: &'static str, summary: &'static str) -> Self {
        Self::new("post", path, summary)
    }

    pub(super) const fn put(path: &'static str, summary: &'static str) -> Self {
        Self::new("put", path, summary)
    }

    pub(super) const fn by(mut self, handler: fn() -> MethodRouter<Rest>) -> Self {
        self.handler = Some(handler);
        self
    }

    pub(super) const fn asks(mut self, query: &'static [&'static str]) -> Self {
        self.query = query;
        self
    }

    pub(super) const fn keyed(mut self) -> Self {
        self.is_keyed = true;
        self
    }

    pub(super) const fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(Form { schema: || schema::<T>(false), name: name::<T> });
        self
    }

    pub(super) const fn answers<T: JsonSchema>(mut self, status: u16) -> Self {
        let answer = Some((status, Form { schema: || schema::<T>(true), name: name::<T> }));
        self.answers = match self.answers {
            [None, _] => [answer, None],
            [first, _] => [first, answer],
        };
        self
    }

    pub(super) const fn writes(mut self, media: &'static str) -> Self {
        self.media = Some(media);
        self
    }

    pub(super) const fn streams(self) -> Self {
        self.writes("text/event-stream")
    }

    /// Names in braces.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// It asks for a change, of the cluster or of a record.
    pub(super) fn is_mutation(&self) -> bool {
        self.method != "get"
    }
}

/// The last part of a type's name.
fn name<T>() -> &'static str {
    std::any::type_name::<T>().rsplit("::").next().unwrap_or_default()
}
