//! What diagnose-pod cites, read again from the API server.
//!
//! The cluster goes on meanwhile, so a value that differs is asked for again: one that was invented never comes to be.

use serde_json::{Value, json};

use crate::support::{Aiops, Plane, evidence};

const ATTEMPTS: usize = 8;

/// Asks for a diagnosis and reads all that it cites; says how many values there were, or what is not so.
pub(super) async fn all_hold(plane: &Plane, aiops: &Aiops, arguments: &Value) -> Result<usize, String> {
    let mut why = String::new();
    for _ in 0..ATTEMPTS {
        let diagnosis = aiops.answer("diagnose-pod", arguments).await;
        let causes = diagnosis["causes"].as_array().unwrap();
        let cited: Vec<&Value> =
            causes.iter().flat_map(|cause| cause["evidence"].as_array().unwrap()).collect();
        if causes.first().is_none_or(|cause| cause["evidence"].as_array().unwrap().is_empty()) {
            return Err(format!("the first cause cites nothing: {diagnosis}"));
        }
        match differing(plane, &cited).await {
            None => return Ok(cited.len()),
            Some(found) => why = found,
        }
    }
    Err(why)
}

async fn differing(plane: &Plane, cited: &[&Value]) -> Option<String> {
    for evidence in cited {
        let path = evidence::path(evidence["object"].as_str().unwrap());
        let object = plane.get(&path).await.unwrap_or_else(|_| json!({}));
        let there = evidence::field(&object, evidence["path"].as_str().unwrap()).unwrap_or(&Value::Null);
        if !is_same(evidence, there) {
            return Some(format!("cited {evidence}, and {path} has {there}"));
        }
    }
    None
}

/// Whether a citation is what stands there; of what was cut, the beginning.
fn is_same(evidence: &Value, there: &Value) -> bool {
    if evidence["inexact"] != true {
        return evidence["value"] == *there;
    }
    let (Some(cited), Some(there)) = (evidence["value"].as_str(), there.as_str()) else {
        return !there.is_null();
    };
    let beginning: String = cited.chars().take_while(|c| !matches!(c, '…' | '[' | '\\')).collect();
    there.starts_with(beginning.trim_end())
}
