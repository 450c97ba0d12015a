//! Paths and queries of the Kubernetes API, built from parts that were checked.
//!
//! It knows no verbs and sends nothing. A part that could change which path is meant (`..`, `/`, `%`, a control
//! character) never gets into one.

use std::fmt::Write as _;

use aiops_engine::error::{PortError, PortErrorKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything is encoded but RFC 3986's unreserved characters.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Longest name the API stores.
const LONGEST: usize = 253;

/// Checks what is to become one segment of a path, by the API server's own rule for names in paths.
fn segment<'a>(role: &str, text: &'a str) -> Result<&'a str, PortError> {
    let why = if text.is_empty() {
        "is empty"
    } else if text.len() > LONGEST {
        "is longer than 253 bytes"
    } else if text == "." || text == ".." || text.contains(['/', '\\', '%']) {
        "may not be a path, nor hold `/`, `\\` or `%`"
    } else if text.chars().any(char::is_control) {
        "holds a control character"
    } else {
        return Ok(text);
    };
    Err(PortError::new(PortErrorKind::Invalid, format!("the {role} {why}; give the plain name of an object")))
}

/// The path of a collection: all objects of a kind, in one namespace or in all.
pub(super) fn collection(
    group: &str,
    version: &str,
    plural: &str,
    namespace: Option<&str>,
) -> Result<String, PortError> {
    let mut path = String::with_capacity(64);
    if group.is_empty() {
        path.push_str("/api");
    } else {
        push(&mut path, "group", group)?;
        path.insert_str(0, "/apis");
    }
    push(&mut path, "version", version)?;
    if let Some(namespace) = namespace {
        path.push_str("/namespaces");
        push(&mut path, "namespace", namespace)?;
    }
    push(&mut path, "resource", plural)?;
    Ok(path)
}

/// Appends one checked and encoded segment.
pub(super) fn push(path: &mut String, role: &str, text: &str) -> Result<(), PortError> {
    let part = utf8_percent_encode(segment(role, text)?, PART);
    // Writing into a String does not fail.
    let _ = write!(path, "/{part}");
    Ok(())
}

/// A query string that grows by members.
#[derive(Debug, Default)]
pub(super) struct Query(String);

impl Query {
    /// Adds a member.
    pub(super) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        let mark = if self.0.is_empty() { '?' } else { '&' };
        let value = value.to_string();
        // Writing into a String does not fail.
        let _ = write!(self.0, "{mark}{name}={}", utf8_percent_encode(&value, PART));
        self
    }

    /// Adds a member when there is a value.
    pub(super) fn maybe(self, name: &str, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The path with this query.
    pub(super) fn after(self, mut path: String) -> String {
        path.push_str(&self.0);
        path
    }
}
