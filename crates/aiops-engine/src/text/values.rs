//! Cleans every text in a JSON value, keys included; line breaks and tabs of a text stay, because JSON shows them.
//!
//! It shortens nothing and redacts nothing.

use serde_json::Value;

use super::{clean, clean_cow, is_clean};

/// Escapes what a reader would not see in any text of the value. Whether there was anything to escape.
pub fn clean_json(value: &mut Value) -> bool {
    match value {
        Value::String(text) => match cleaned(text) {
            Some(cleaned) => {
                *text = cleaned;
                true
            }
            None => false,
        },
        Value::Array(items) => items.iter_mut().fold(false, |changed, item| clean_json(item) | changed),
        Value::Object(members) => {
            let hidden: Vec<String> =
                members.keys().filter(|key| !is_clean(key, usize::MAX)).cloned().collect();
            let mut changed = !hidden.is_empty();
            for key in hidden {
                if let Some(value) = members.remove(&key) {
                    members.insert(clean(&key, usize::MAX).text, value);
                }
            }
            for value in members.values_mut() {
                changed |= clean_json(value);
            }
            changed
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The text with its lines and cells cleaned; `None` when it is clean as it is.
fn cleaned(text: &str) -> Option<String> {
    if is_clean(text, usize::MAX) {
        return None;
    }
    let lines = text.split('\n').map(|line| {
        let cells = line.trim_end_matches('\r').split('\t');
        cells.map(|cell| clean_cow(cell, usize::MAX)).collect::<Vec<_>>().join("\t")
    });
    let cleaned = lines.collect::<Vec<_>>().join("\n");
    (cleaned != text).then_some(cleaned)
}
