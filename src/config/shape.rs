//! The keys that exist and what each takes, read from the schema of [`Config`].
//!
//! It is the one description of keys: variables are matched against it, text is typed by it, files are checked with it.
//! It reads no source itself.

use std::{collections::BTreeMap, sync::LazyLock};

use aiops_engine::answer::near;
use serde_json::{Map, Value};

use super::Config;

/// What a key takes.
#[derive(Debug)]
pub(super) enum Shape {
    /// More keys.
    Table { keys: BTreeMap<String, Self>, required: Vec<String> },
    /// Text; when words are given, one of them.
    Text { words: Vec<String> },
    /// A number within bounds.
    Number { whole: bool, least: Option<f64>, most: Option<f64> },
    /// true or false.
    Truth,
    /// A list.
    List(Box<Self>),
}

/// The shape of the whole configuration.
pub(super) fn root() -> &'static Shape {
    static ROOT: LazyLock<Shape> = LazyLock::new(|| Shape::of(&json_schema()));
    &ROOT
}

/// JSON Schema of the configuration file, everything inlined.
pub(super) fn json_schema() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}

impl Shape {
    fn of(schema: &Value) -> Self {
        // An optional value is `[T, null]` or `anyOf` of both; leaving it out is how a file says null.
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array)
            && let Some(real) = choices.iter().find(|c| c.get("type").is_none_or(|t| t != "null"))
        {
            return Self::of(real);
        }
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            let words = choices.iter().filter_map(|c| c.get("const").and_then(Value::as_str));
            return Self::Text { words: words.map(str::to_owned).collect() };
        }
        let kind = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
            Some(kind) => kind.as_str(),
            None => None,
        };
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let strings = |name: &str| -> Vec<String> {
            let list = schema.get(name).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        match kind {
            Some("object") => {
                let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
                let keys = properties.map(|(key, value)| (key.clone(), Self::of(value))).collect();
                Self::Table { keys, required: strings("required") }
            }
            Some("array") => Self::List(Box::new(schema.get("items").map_or(Self::text(), Self::of))),
            Some("boolean") => Self::Truth,
            Some(kind @ ("integer" | "number")) => {
                Self::Number { whole: kind == "integer", least: bound("minimum"), most: bound("maximum") }
            }
            _ => Self::Text { words: strings("enum") },
        }
    }

    const fn text() -> Self {
        Self::Text { words: Vec::new() }
    }

    /// Finds a key by its segments, whatever their case and with or without `_`.
    pub(super) fn find(&self, segments: &[&str]) -> Option<(Vec<String>, &Self)> {
        let Some((first, rest)) = segments.split_first() else { return Some((Vec::new(), self)) };
        let Self::Table { keys, .. } = self else { return None };
        let wanted = plain(first);
        let (key, shape) = keys.iter().find(|(key, _)| plain(key) == wanted)?;
        let (mut path, leaf) = shape.find(rest)?;
        path.insert(0, key.clone());
        Some((path, leaf))
    }

    /// All keys that take a value, dotted.
    pub(super) fn leaves(&self) -> Vec<String> {
        let Self::Table { keys, .. } = self else { return Vec::new() };
        let mut all = Vec::new();
        for (key, shape) in keys {
            match shape {
                Self::Table { .. } => {
                    all.extend(shape.leaves().into_iter().map(|rest| format!("{key}.{rest}")))
                }
                _ => all.push(key.clone()),
            }
        }
        all
    }

    /// Types the text of a variable or flag. Text stays as it is: `0123` is not a number where a name belongs.
    pub(super) fn typed(&self, text: &str) -> Result<Value, String> {
        let trimmed = text.trim();
        match self {
            Self::Text { words } if words.is_empty() => Ok(Value::from(text)),
            Self::Text { .. } => Ok(Value::from(trimmed.to_ascii_lowercase())),
            Self::Truth => match trimmed {
                "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(Value::from(true)),
                "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(Value::from(false)),
                _ => Err(format!("must be true or false, not {}", shown(text))),
            },
            Self::Number { whole: true, .. } => trimmed
                .parse::<i64>()
                .map(Value::from)
                .map_err(|_| format!("must be a whole number, not {}", shown(text))),
            Self::Number { .. } => trimmed
                .parse::<f64>()
                .ok()
                .and_then(|number| serde_json::Number::from_f64(number).map(Value::Number))
                .ok_or_else(|| format!("must be a number, not {}", shown(text))),
            Self::List(_) | Self::Table { .. } if trimmed.starts_with(['[', '{']) => {
                serde_json::from_str(trimmed).map_err(|error| format!("must be JSON: {error}"))
            }
            Self::List(item) if matches!(**item, Self::Text { .. }) => {
                let items = trimmed.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.map(|text| item.typed(text)).collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            Self::List(_) => Err("must be a JSON list, such as [{\"name\":\"…\",\"url\":\"…\"}]".to_owned()),
            Self::Table { .. } => Err("is a section; set one of its keys".to_owned()),
        }
    }

    /// Tells `report` of everything in `value` that does not fit, with the dotted key.
    pub(super) fn check(&self, key: &str, value: &Value, report: &mut dyn FnMut(&str, String)) {
        match (self, value) {
            (Self::Table { keys, required }, Value::Object(given)) => {
                Self::check_table(key, keys, required, given, report);
            }
            (Self::List(item), Value::Array(given)) => {
                for (index, value) in given.iter().enumerate() {
                    item.check(&format!("{key}[{index}]"), value, report);
                }
            }
            (Self::Text { words }, Value::String(text)) => {
                if !words.is_empty() && !words.contains(text) {
                    let hint = near(text, words.iter().map(String::as_str));
                    report(key, format!("must be one of {}, not {}{hint}", words.join(", "), shown(text)));
                }
            }
            (Self::Truth, Value::Bool(_)) => {}
            (Self::Number { whole, least, most }, Value::Number(number)) => {
                let number = number.as_f64().unwrap_or(f64::NAN);
                let fits = (!whole || number.fract() == 0.0)
                    && least.is_none_or(|least| number >= least)
                    && most.is_none_or(|most| number <= most);
                if !fits {
                    report(key, format!("must be {}, not {number}", range(*whole, *least, *most)));
                }
            }
            (Self::Text { .. }, Value::Number(_) | Value::Bool(_)) => {
                report(key, format!("must be text, not {value}; put it in quotes"));
            }
            _ => report(key, format!("must be {}, not {}", self.name(), shown(&value.to_string()))),
        }
    }

    fn check_table(
        key: &str,
        keys: &BTreeMap<String, Self>,
        required: &[String],
        given: &Map<String, Value>,
        report: &mut dyn FnMut(&str, String),
    ) {
        let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
        for (name, value) in given {
            match keys.get(name) {
                // A YAML key without a value, as charts write it, leaves the default.
                Some(_) if value.is_null() => {}
                Some(shape) => shape.check(&below(name), value, report),
                None => {
                    let hint = hint(name, keys);
                    let short: String = name.chars().take(64).collect();
                    report(&below(&short), format!("there is no such key{hint}"));
                }
            }
        }
        for name in required.iter().filter(|name| !given.contains_key(*name)) {
            report(&below(name), "is needed here".to_owned());
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Table { .. } => "a section with keys",
            Self::Text { .. } => "text",
            Self::Number { whole: true, .. } => "a whole number",
            Self::Number { .. } => "a number",
            Self::Truth => "true or false",
            Self::List(_) => "a list",
        }
    }
}

/// The nearest keys of a table, else all of them.
fn hint(name: &str, keys: &BTreeMap<String, Shape>) -> String {
    if let Some(same) = keys.keys().find(|key| plain(key) == plain(name)) {
        return format!("; write {same}");
    }
    let close = near(name, keys.keys().map(String::as_str));
    if !close.is_empty() {
        return close;
    }
    let all: Vec<&str> = keys.keys().map(String::as_str).collect();
    format!("; keys here are {}", all.join(", "))
}

fn range(whole: bool, least: Option<f64>, most: Option<f64>) -> String {
    let kind = if whole { "a whole number" } else { "a number" };
    match (least, most) {
        (Some(least), Some(most)) => format!("{kind} between {least} and {most}"),
        (Some(least), None) => format!("{kind} of at least {least}"),
        (None, Some(most)) => format!("{kind} of at most {most}"),
        (None, None) => kind.to_owned(),
    }
}

/// Lower case without separators: how segments are compared.
pub(super) fn plain(segment: &str) -> String {
    segment.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// A value in a message: quoted, control characters escaped, at most 80 characters.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    let mark = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{mark}")
}
