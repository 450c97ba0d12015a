//! JSON Schemas that clients can swallow, and arguments checked against them.
//!
//! Everything is inlined (no `$ref`), optional arguments have a plain type, and numbers or booleans that a client wrote
//! as strings are accepted. An argument that is unknown, mistyped or out of bounds is refused with its name, the
//! reason and what would be right; the tool does not run.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use aiops_engine::{Error, answer::near};
use parking_lot::Mutex;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Schema of a tool's arguments.
pub(crate) fn input<T: JsonSchema>() -> Map<String, Value> {
    let mut schema = generate::<T>(false);
    schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for property in properties.values_mut() {
            plain_type(property);
        }
    }
    schema
}

/// Schema of a tool's answer.
pub(crate) fn output<T: JsonSchema>() -> Map<String, Value> {
    let mut schema = generate::<T>(true);
    for value in schema.values_mut() {
        any_of_null(value);
    }
    schema
}

fn generate<T: JsonSchema>(for_output: bool) -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings.meta_schema = None;
    if for_output {
        settings = settings.for_serialize();
    }
    let mut schema = match settings.into_generator().into_root_schema_for::<T>().to_value() {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    schema.remove("title");
    schema.remove("description");
    schema.remove("$schema");
    schema.insert("type".to_owned(), Value::from("object"));
    let mut whole = Value::Object(schema);
    drop_formats(&mut whole);
    words(&mut whole);
    match whole {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// `format: uint32` and its like say nothing to a model and cost tokens; `minimum: 0` stays.
fn drop_formats(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object
                .get("format")
                .is_some_and(|f| f.as_str().is_some_and(|f| f.contains("int") || f == "double"))
            {
                object.remove("format");
            }
            object.values_mut().for_each(drop_formats);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_formats),
        _ => {}
    }
}

/// Writes a choice of described words (`oneOf` of `const`) as `enum`: shorter, and clients show it as a choice.
fn words(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let choices = object.get("oneOf").and_then(Value::as_array);
            let words: Option<Vec<Value>> = choices.and_then(|choices| {
                choices
                    .iter()
                    .map(|choice| choice.get("const").filter(|word| word.is_string()).cloned())
                    .collect()
            });
            if let Some(words) = words {
                object.remove("oneOf");
                object.insert("type".to_owned(), Value::from("string"));
                object.insert("enum".to_owned(), Value::Array(words));
            }
            object.values_mut().for_each(self::words);
        }
        Value::Array(items) => items.iter_mut().for_each(words),
        _ => {}
    }
}

/// An optional argument may be left out; that it may also be null is nobody's need and confuses clients.
fn plain_type(property: &mut Value) {
    let Value::Object(property) = property else { return };
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|t| t != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".to_owned(), only);
        }
    }
    // Choices that are described one by one cost a model more than they tell it; the field's own words must do.
    if let Some(Value::Array(choices)) = property.get("oneOf")
        && let Some(words) =
            choices.iter().map(|c| c.get("const").filter(|c| c.is_string()).cloned()).collect()
    {
        property.remove("oneOf");
        property.insert("type".to_owned(), Value::from("string"));
        property.insert("enum".to_owned(), Value::Array(words));
    }
    if let Some(Value::Array(choices)) = property.get_mut("enum") {
        choices.retain(|c| !c.is_null());
    }
    if let Some(Value::Array(choices)) = property.get_mut("anyOf") {
        choices.retain(|c| c.get("type").is_none_or(|t| t != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            property.remove("anyOf");
            for (key, value) in only {
                property.entry(key).or_insert(value);
            }
        }
    }
    property.remove("default").filter(|d| !d.is_null()).map(|d| property.insert("default".to_owned(), d));
}

/// Writes `type: [T, null]` as `anyOf`, which every client's validator reads.
fn any_of_null(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(any_of_null);
            if let Some(Value::Array(types)) = object.get("type").cloned()
                && types.contains(&Value::from("null"))
            {
                let description = object.remove("description");
                let mut plain = std::mem::take(object);
                let rest: Vec<Value> = types.into_iter().filter(|t| t != "null").collect();
                plain.insert(
                    "type".to_owned(),
                    if let [one] = rest.as_slice() { one.clone() } else { rest.into() },
                );
                object.insert(
                    "anyOf".to_owned(),
                    Value::Array(vec![Value::Object(plain), serde_json::json!({"type": "null"})]),
                );
                if let Some(description) = description {
                    object.insert("description".to_owned(), description);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(any_of_null),
        _ => {}
    }
}

/// Checks the arguments of `tool` against the schema of `T` and decodes them.
pub(crate) fn decode<T: DeserializeOwned + JsonSchema>(
    tool: &str,
    mut arguments: Map<String, Value>,
) -> Result<T, Error> {
    arguments.retain(|_, value| !value.is_null());
    let schema = cached::<T>();
    members(tool, "", &mut arguments, &schema)?;
    serde_json::from_value(Value::Object(arguments))
        .map_err(|e| Error::invalid(format!("arguments of {tool}"), e.to_string()))
}

/// Checks the members of an object: the arguments of `of`, or those within the argument whose name and a dot `within` is.
fn members(
    of: &str,
    within: &str,
    given: &mut Map<String, Value>,
    schema: &Map<String, Value>,
) -> Result<(), Error> {
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    for (name, value) in &mut *given {
        let shown: String = name.chars().take(64).collect();
        let field = format!("{within}{shown}");
        let Some(property) = properties.get(name) else {
            let allowed: Vec<&str> = properties.keys().map(String::as_str).collect();
            let hint = near(name, allowed.iter().copied());
            return Err(Error::invalid(
                format!("argument {field:?}"),
                format!("{of} has no such argument{hint}; it takes {}", list(&allowed)),
            ));
        };
        check(&field, value, property)?;
    }
    for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if let Some(name) = required.as_str().filter(|name| !given.contains_key(*name)) {
            let about = properties.get(name).and_then(|p| p.get("description")).and_then(Value::as_str);
            return Err(Error::invalid(
                format!("argument {:?}", format!("{within}{name}")),
                format!("{of} needs it{}", about.map(|a| format!(": {a}")).unwrap_or_default()),
            ));
        }
    }
    Ok(())
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "no arguments".to_owned() } else { names.join(", ") }
}

type Schemas = HashMap<&'static str, Arc<Map<String, Value>>>;

/// The schema of a type, generated once a process.
fn cached<T: JsonSchema>() -> Arc<Map<String, Value>> {
    static SCHEMAS: LazyLock<Mutex<Schemas>> = LazyLock::new(Mutex::default);
    Arc::clone(SCHEMAS.lock().entry(std::any::type_name::<T>()).or_insert_with(|| Arc::new(input::<T>())))
}

/// Above this a floating-point number does not name one integer: 2^53.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Checks one value; a number or boolean in a string is turned into what the schema asks for.
fn check(name: &str, value: &mut Value, schema: &Value) -> Result<(), Error> {
    let wanted = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    coerce(value, wanted);
    let fits = match wanted {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    let field = || format!("argument {name:?}");
    if !fits {
        return Err(Error::invalid(field(), format!("must be of type {wanted}, not {}", show(value))));
    }
    if let Some(choices) =
        schema.get("enum").and_then(Value::as_array).filter(|choices| !choices.contains(value))
    {
        let words: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
        return Err(Error::invalid(
            field(),
            format!("must be one of {}, not {}", words.join(", "), show(value)),
        ));
    }
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    if let Some(number) = value.as_f64() {
        let (least, most) = (bound("minimum"), bound("maximum"));
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
            let range = match (least, most) {
                (Some(least), Some(most)) => format!("between {least} and {most}"),
                (Some(least), None) => format!("at least {least}"),
                (None, Some(most)) => format!("at most {most}"),
                (None, None) => String::new(),
            };
            return Err(Error::invalid(field(), format!("must be {range}, not {number}")));
        }
    }
    if let Some(text) = value.as_str() {
        if text.contains('\0') {
            return Err(Error::invalid(field(), "must not contain a NUL character"));
        }
        let longest = bound("maxLength").unwrap_or(4_096.0);
        if text.len() as f64 > longest {
            return Err(Error::invalid(
                field(),
                format!("must be at most {longest} bytes long, not {}", text.len()),
            ));
        }
    }
    if let (Some(given), Some(schema)) = (value.as_object_mut(), schema.as_object())
        && schema.contains_key("properties")
    {
        members(name, &format!("{name}."), given, schema)?;
    }
    if let (Some(items), Some(schema)) = (value.as_array_mut(), schema.get("items")) {
        if items.len() > 200 {
            return Err(Error::invalid(
                field(),
                format!("must have at most 200 entries, not {}", items.len()),
            ));
        }
        for item in items {
            check(name, item, schema)?;
        }
    }
    Ok(())
}

fn coerce(value: &mut Value, wanted: &str) {
    // JSON does not tell 5 from 5.0, and some clients write all numbers the second way.
    if let (Value::Number(number), "integer") = (&*value, wanted)
        && number.is_f64()
        && let Some(whole) = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < WHOLE)
    {
        *value = Value::from(whole as i64);
    }
    let Value::String(text) = &*value else { return };
    let parsed = match wanted {
        "integer" => text.trim().parse::<i64>().ok().map(Value::from),
        "number" => text.trim().parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::from),
        "boolean" => text.trim().parse::<bool>().ok().map(Value::from),
        "array" | "object" => serde_json::from_str(text).ok(),
        _ => None,
    };
    if let Some(parsed) = parsed {
        *value = parsed;
    } else if wanted == "array" {
        *value = Value::Array(text.split(',').map(|item| Value::from(item.trim())).collect());
    }
}

fn show(value: &Value) -> String {
    let text = value.to_string();
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}
