//! Redacts JSON values in place: keys, strings, text that is JSON itself, and the members of Kubernetes objects
//! that must never be shown.
//!
//! Removes managed fields and last-applied copies. It keeps the names of a Secret's keys and of environment
//! variables, which a diagnosis needs, and refuses to keep their values.

use serde_json::{Map, Value};

use super::keys::{Class, classify};
use super::{Redactor, values};

/// Deeper than any object the API server accepts; what lies below is not shown.
const DEPTH: usize = 160;

pub(super) fn redact(redactor: Redactor, value: &mut Value) -> bool {
    Walk { redactor, changed: false }.run(value)
}

struct Walk {
    redactor: Redactor,
    changed: bool,
}

/// What the place of a value says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Plain,
    /// Below a list of Secrets, whose items do not repeat their kind.
    SecretItem,
}

impl Walk {
    fn run(mut self, value: &mut Value) -> bool {
        self.value(value, Place::Plain, 0);
        self.changed
    }

    fn set(&mut self, value: &mut Value, tag: &str) {
        let tag = format!("[redacted:{tag}]");
        if value.as_str() != Some(tag.as_str()) {
            *value = Value::String(tag);
            self.changed = true;
        }
    }

    fn value(&mut self, value: &mut Value, place: Place, depth: usize) {
        if depth > DEPTH {
            self.set(value, "unchecked");
            return;
        }
        match value {
            Value::String(text) => self.string(text, depth),
            Value::Array(items) => self.array(items, place, depth),
            Value::Object(members) => self.object(members, place, depth),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn string(&mut self, text: &mut String, depth: usize) {
        if let Some(mut inner) = embedded(text) {
            let before = std::mem::replace(&mut self.changed, false);
            self.value(&mut inner, Place::Plain, depth + 1);
            if self.changed {
                *text = inner.to_string();
            }
            self.changed |= before;
        }
        if let std::borrow::Cow::Owned(redacted) = self.redactor.redact(text) {
            *text = redacted;
            self.changed = true;
        }
    }

    fn array(&mut self, items: &mut [Value], place: Place, depth: usize) {
        let mut flag = None;
        for item in items {
            let announced = flag.take();
            if let Value::String(text) = item {
                // `["--password", "x"]`: the flag announces the next argument.
                if text.starts_with('-') && !text.contains('=') {
                    flag = classify(text);
                } else if announced.is_some_and(|class| worth_hiding(class, text)) {
                    self.set(item, "password");
                    continue;
                }
            }
            self.value(item, place, depth + 1);
        }
    }

    fn object(&mut self, members: &mut Map<String, Value>, place: Place, depth: usize) {
        let kind = members.get("kind").and_then(Value::as_str).unwrap_or_default();
        let secret = kind == "Secret" || place == Place::SecretItem;
        let list = kind == "SecretList";
        let count = members.len();
        members.retain(|key, _| key != "managedFields" && !key.ends_with("last-applied-configuration"));
        self.changed |= members.len() != count;
        if secret {
            for member in ["data", "stringData"] {
                match members.get_mut(member) {
                    Some(Value::Object(data)) => {
                        data.values_mut().for_each(|value| self.set(value, "secret-data"))
                    }
                    Some(Value::Null) | None => {}
                    Some(other) => self.set(other, "secret-data"),
                }
            }
        }
        self.environment(members);
        self.announced_value(members);
        for (key, value) in members.iter_mut() {
            let below = if list && key == "items" { Place::SecretItem } else { Place::Plain };
            self.member(key, value, below, depth);
        }
        self.keys(members);
    }

    /// One member: its key may announce that the value is a credential.
    fn member(&mut self, key: &str, value: &mut Value, place: Place, depth: usize) {
        let class = classify(key);
        match (class, &mut *value) {
            (Some(class), Value::String(text)) => {
                self.string(text, depth);
                if worth_hiding(class, text) {
                    self.set(value, tag(class));
                }
            }
            (Some(Class::Password | Class::Token), Value::Number(number))
                if number.to_string().len() >= 4 && !counts(key) =>
            {
                self.set(value, "password");
            }
            (
                Some(class @ (Class::Password | Class::Token | Class::Header | Class::Cookie)),
                Value::Array(items),
            ) => {
                for item in items.iter_mut() {
                    match item {
                        Value::String(text) if worth_hiding(class, text) => self.set(item, tag(class)),
                        other => self.value(other, place, depth + 1),
                    }
                }
            }
            _ => self.value(value, place, depth + 1),
        }
    }

    /// Literal values of `env` lists are never shown, but for switches, small numbers and log levels.
    fn environment(&mut self, members: &mut Map<String, Value>) {
        let Some(Value::Array(entries)) = members.get_mut("env") else { return };
        for entry in entries {
            let Value::Object(entry) = entry else { continue };
            if !entry.contains_key("name") {
                continue;
            }
            let named = entry.get("name").and_then(Value::as_str).and_then(classify).is_some();
            if let Some(value) = entry.get_mut("value") {
                let harmless =
                    value.as_str().is_none_or(|text| text.is_empty() || (!named && is_setting(text)));
                if !harmless {
                    self.set(value, "env");
                }
            }
        }
    }

    /// `{"name": "DB_PASSWORD", "value": "x"}` anywhere, as templates and custom resources write it.
    fn announced_value(&mut self, members: &mut Map<String, Value>) {
        let name = ["name", "key"].iter().find_map(|member| members.get(*member)).and_then(Value::as_str);
        let Some(class) = name.and_then(classify) else { return };
        if let Some(value) = members.get_mut("value")
            && value.as_str().is_some_and(|text| worth_hiding(class, text))
        {
            self.set(value, tag(class));
        }
    }

    /// Keys are text too.
    fn keys(&mut self, members: &mut Map<String, Value>) {
        let found: Vec<(String, String)> = members
            .keys()
            .filter_map(|key| match self.redactor.redact(key) {
                std::borrow::Cow::Owned(redacted) => Some((key.clone(), redacted)),
                std::borrow::Cow::Borrowed(_) => None,
            })
            .collect();
        for (key, redacted) in found {
            if let Some(value) = members.remove(&key) {
                members.insert(redacted, value);
                self.changed = true;
            }
        }
    }
}

/// The value of a text that is a JSON object or list.
fn embedded(text: &str) -> Option<Value> {
    let trimmed = text.trim();
    let framed = (trimmed.starts_with('{') && trimmed.ends_with('}'))
        || (trimmed.starts_with('[') && trimmed.ends_with(']'));
    if !framed || trimmed.len() < 7 {
        return None;
    }
    serde_json::from_str(trimmed).ok()
}

/// Whether a string under a key of this class is a credential.
fn worth_hiding(class: Class, text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || values::is_placeholder(text) || is_only_tag(text) {
        return false;
    }
    match class {
        Class::Password => !values::is_path(text),
        Class::Token | Class::Header => {
            let word = values::is_prose(text) && !text.contains(' ');
            let done = class == Class::Header && text.contains("[redacted:");
            text.len() >= 4 && !word && !done && !values::is_path(text)
        }
        Class::Secret => {
            text.len() >= 4
                && !values::is_path(text)
                && !values::is_object_name(text)
                && !values::is_prose(text)
        }
        Class::Cookie => text.contains('=') && !text.contains("[redacted:"),
        Class::Session | Class::Auth => values::looks_random(text, 8) && !text.contains("[redacted:"),
        Class::Random => values::looks_random(text, 16),
    }
}

fn is_only_tag(text: &str) -> bool {
    text.strip_prefix("[redacted:")
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|name| values::is_tag(name.as_bytes()))
}

/// `tokens: 4096` counts, it is no credential.
fn counts(key: &str) -> bool {
    key.ends_with("okens") || key.ends_with("OKENS")
}

const fn tag(class: Class) -> &'static str {
    match class {
        Class::Password => "password",
        Class::Token => "token",
        Class::Secret => "secret",
        Class::Header | Class::Auth => "auth",
        Class::Cookie => "cookie",
        Class::Session => "session",
        Class::Random => "signature",
    }
}

/// Switches, small numbers, durations and log levels.
fn is_setting(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "true", "false", "yes", "no", "on", "off", "trace", "debug", "info", "warn", "warning", "error",
        "fatal",
    ];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) || (text.len() <= 5 && values::is_number(text))
}
