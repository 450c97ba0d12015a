//! The effective configuration as lines: key, value, origin.
//!
//! Passwords in URLs are replaced. Tokens never stand in a configuration, only the file that holds their hashes.

use serde::Serialize;
use serde_json::Value;

use super::Loaded;

/// One key in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Dotted.
    pub key: String,
    /// What is in force, null when unset.
    pub value: Value,
    /// `flag --x`, `variable NAME`, `file PATH` or `default`.
    pub origin: String,
}

pub(super) fn entries(loaded: &Loaded) -> Vec<Entry> {
    let mut entries = Vec::new();
    let whole = serde_json::to_value(&loaded.config).unwrap_or_default();
    collect(loaded, "", whole, &mut entries);
    entries
}

fn collect(loaded: &Loaded, key: &str, value: Value, entries: &mut Vec<Entry>) {
    match value {
        Value::Object(keys) => {
            for (name, value) in keys {
                let below = if key.is_empty() { name } else { format!("{key}.{name}") };
                collect(loaded, &below, value, entries);
            }
        }
        mut value => {
            redact(&mut value);
            if key == WEBHOOK {
                without_path(&mut value);
            }
            entries.push(Entry { key: key.to_owned(), value, origin: loaded.origin(key) });
        }
    }
}

/// Who knows the path of an incoming webhook may post there: it is as good as a token.
const WEBHOOK: &str = "notify.url";

fn without_path(value: &mut Value) {
    if let Value::String(url) = value
        && let Some((scheme, rest)) = url.split_once("://")
        && let Some((host, _)) = rest.split_once('/')
    {
        *url = format!("{scheme}://{host}/[redacted]");
    }
}

fn redact(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(clean) = without_userinfo(text) {
                *text = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(keys) => keys.values_mut().for_each(redact),
        _ => {}
    }
}

/// A URL without what stands before its host's `@` and without its query; `None` when it has neither.
fn without_userinfo(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?[redacted]"));
    let (authority, path) =
        rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
    let clean = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://[redacted]@{host}{path}{query}"),
        None if !query.is_empty() => format!("{scheme}://{authority}{path}{query}"),
        None => return None,
    };
    Some(clean)
}
