//! An object as the API serves it, and statements about it that can be read again: a path and the value found there.
//!
//! A value is cited by reading it, never by writing it down a second time, so that a citation cannot differ from the
//! object. What must not be shown as it is (too long, a credential, characters that do not show) is marked `inexact`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{issue::Object, redact::Redactor, text};

/// Longest text cited, in bytes. Nearly all messages of the kubelet and the scheduler are shorter.
const LONGEST: usize = 700;

/// A value of an object of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Evidence {
    /// Kind and name of the object, such as `Pod shop/checkout-1`.
    pub object: String,
    /// Where in the object, such as `status.containerStatuses[0].lastState.terminated.exitCode`.
    pub path: String,
    /// The value there; null when nothing is there.
    #[schemars(schema_with = "any_value")]
    pub value: Value,
    /// The value was cut, redacted or escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub inexact: bool,
}

/// Any JSON value, spelt out: clients take a schema that says nothing for a mistake.
fn any_value(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"anyOf": [
        {"type": "string"}, {"type": "number"}, {"type": "boolean"},
        {"type": "object", "additionalProperties": true}, {"type": "array"}, {"type": "null"}
    ]})
}

/// An object.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Its coordinates.
    pub(crate) object: Object,
    /// The object; `Null` when it does not exist.
    pub(crate) value: Value,
    /// Made from a row because the object itself could not be read: only what rows keep is in it, and the order of
    /// lists in the status is not that of the API.
    pub(crate) from_row: bool,
}

static NULL: Value = Value::Null;

impl Document {
    /// An object as it was read; the name comes from its metadata.
    pub(crate) fn new(kind: &str, value: Value) -> Self {
        let name = |key: &str| at(&value, &format!("metadata.{key}")).as_str().unwrap_or_default().into();
        Self { object: Object::new(kind, name("namespace"), name("name")), value, from_row: false }
    }

    /// An object that does not exist.
    pub(crate) fn absent(kind: &str, namespace: &str, name: &str) -> Self {
        let object = Object::new(kind, namespace.into(), name.into());
        Self { object, value: Value::Null, from_row: false }
    }

    /// The value at a path; `Null` when there is none.
    pub(crate) fn at(&self, path: &str) -> &Value {
        at(&self.value, path)
    }

    /// The text at a path, empty when there is none.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or_default()
    }

    /// The moment at a path.
    pub(crate) fn time(&self, path: &str) -> Option<i64> {
        time(self.at(path))
    }

    /// The list at a path, empty when there is none.
    pub(crate) fn list(&self, path: &str) -> &[Value] {
        self.at(path).as_array().map_or(&[], Vec::as_slice)
    }

    /// The path of the condition of this type, when the object has it.
    pub(crate) fn condition(&self, kind: &str) -> Option<String> {
        let at =
            self.list("status.conditions").iter().position(|c| c.get("type").is_some_and(|t| t == kind))?;
        Some(format!("status.conditions[{at}]"))
    }

    /// What stands at a path, to be read again.
    pub(crate) fn cite(&self, path: &str) -> Evidence {
        let (value, inexact) = shown(self.at(path));
        Evidence { object: self.object.to_string(), path: self.readable(path), value, inexact }
    }

    /// In an object that was made from a row, places in lists of the status mean nothing to the API: entries are named.
    fn readable(&self, path: &str) -> String {
        if !self.from_row {
            return path.to_owned();
        }
        for (list, by) in [
            ("status.containerStatuses", "name"),
            ("status.initContainerStatuses", "name"),
            ("status.conditions", "type"),
        ] {
            let Some(rest) = path.strip_prefix(list).and_then(|rest| rest.strip_prefix('[')) else {
                continue;
            };
            let Some((index, rest)) = rest.split_once(']') else { continue };
            let name = self.text(&format!("{list}[{index}].{by}"));
            return format!("{list}[?(@.{by}==\"{name}\")]{rest}");
        }
        path.to_owned()
    }
}

/// A scalar as it may be shown, and whether that differs from what it is. Lists and objects are never cited whole.
fn shown(value: &Value) -> (Value, bool) {
    match value {
        Value::String(text) => {
            let shown = text::show(&Redactor, text, LONGEST).text;
            let inexact = shown != *text;
            (Value::String(shown), inexact)
        }
        Value::Array(_) | Value::Object(_) => (Value::String("(not shown)".to_owned()), true),
        scalar => (scalar.clone(), false),
    }
}

/// Somebody else's words inside a sentence of ours: redacted, cleaned and short.
pub(crate) fn words(text: &str, most: usize) -> String {
    text::show(&Redactor, text.trim(), most).text
}

/// The end of somebody else's words: of a chain of errors the last is the cause.
pub(crate) fn last_words(text: &str, most: usize) -> String {
    let length = text.trim().chars().count();
    if length <= most {
        return words(text, most * 2);
    }
    // Redacted before the cut, which might make a credential unrecognisable.
    let text = Redactor.redact(text.trim());
    let tail: String = text.chars().skip(text.chars().count().saturating_sub(most)).collect();
    format!("…{}", text::clean(&tail, most * 2).text)
}

/// An RFC 3339 text as seconds.
pub(crate) fn time(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// The value at a path such as `spec.containers[0].env[1].name` or `data["app.yaml"]`; `Null` when there is none.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    let mut here = value;
    let mut rest = path;
    while !rest.is_empty() {
        let step = if let Some(tail) = rest.strip_prefix("[\"") {
            let Some((key, tail)) = tail.split_once("\"]") else { return &NULL };
            rest = tail;
            here.get(key)
        } else if let Some(tail) = rest.strip_prefix('[') {
            let Some((index, tail)) = tail.split_once(']') else { return &NULL };
            rest = tail;
            index.parse::<usize>().ok().and_then(|index| here.get(index))
        } else {
            let tail = rest.strip_prefix('.').unwrap_or(rest);
            let (key, tail) = tail.split_at(tail.find(['.', '[']).unwrap_or(tail.len()));
            rest = tail;
            here.get(key)
        };
        let Some(next) = step else { return &NULL };
        here = next;
    }
    here
}

/// A path one key further down; a key that a dot would break is quoted.
pub(crate) fn below(path: &str, key: &str) -> String {
    if key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) && !key.is_empty() {
        format!("{path}.{key}")
    } else {
        format!("{path}[\"{key}\"]")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_find_what_they_name_and_nothing_else() {
        let value = json!({"a": [{"b": 1}, {"b": 2}], "data": {"app.yaml": "x"}});
        assert_eq!(at(&value, "a[1].b"), &json!(2));
        assert_eq!(at(&value, &below("data", "app.yaml")), &json!("x"));
        for nothing in ["a[2].b", "a.b", "data.app.yaml", "a[x]", "a[", "b[\"", "data[\"none\"]"] {
            assert_eq!(at(&value, nothing), &Value::Null, "{nothing}");
        }
    }

    #[test]
    fn what_is_cited_is_the_value_or_marked() {
        let pod = json!({"metadata": {"name": "p", "namespace": "n"},
            "status": {"message": "plain", "long": "x".repeat(900), "ansi": "\u{1b}[31m", "list": [1]}});
        let pod = Document::new("Pod", pod);
        let plain = pod.cite("status.message");
        assert_eq!((plain.object.as_str(), &plain.value, plain.inexact), ("Pod n/p", &json!("plain"), false));
        for marked in ["status.long", "status.ansi", "status.list"] {
            assert!(pod.cite(marked).inexact, "{marked}");
        }
        assert_eq!(pod.cite("status.absent").value, Value::Null);
    }

    #[test]
    fn entries_are_named_when_their_places_are_not_known() {
        let value = json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "app", "ready": false}]}});
        let pod = Document { from_row: true, ..Document::new("Pod", value) };
        let cited = pod.cite("status.containerStatuses[0].ready");
        assert_eq!(cited.path, "status.containerStatuses[?(@.name==\"app\")].ready");
        assert_eq!(cited.value, json!(false));
    }
}
