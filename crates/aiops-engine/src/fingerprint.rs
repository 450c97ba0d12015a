//! Hashes that decide whether two things are the same: reports of one trouble, requests, plans.
//!
//! All are SHA-256 over canonical JSON (members sorted by name, no blanks), hexadecimal. Nothing secret goes in, so that
//! nothing can be guessed out of them.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{
    error::Error,
    model::{plan::Plan, target::Target},
};

/// SHA-256 of a text, hexadecimal.
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a value in canonical JSON, hexadecimal.
///
/// # Errors
/// The value has no JSON, which none of ours is without.
pub fn of<T: Serialize>(value: &T) -> Result<String, Error> {
    let internal = |source: serde_json::Error| Error::Internal {
        what: "hashing a record".to_owned(),
        source: Some(source.into()),
    };
    // `Value` keeps its members sorted: the feature that keeps their order is not switched on.
    let canonical = serde_json::to_value(value).map_err(internal)?;
    Ok(sha256(&canonical.to_string()))
}

/// What makes two reports one incident, and two triggers one workflow: cluster, object and issue. The uid is not in it:
/// a workload that is deleted and made again while its incident is open is still the same trouble to a person, and what
/// acts on it pins the uid itself.
pub fn fingerprint(cluster: &str, target: &Target, issue: &str) -> String {
    sha256(&format!("{cluster}\n{}\n{issue}", target.key()))
}

/// What an approval is bound to: everything that will be done, on which objects of which cluster, and what it overwrites
/// there. Not the time, not the sentences around it, not what the dry run said: those may differ between two makings of the
/// same plan.
///
/// # Errors
/// As [`of`].
pub fn digest(plan: &Plan) -> Result<String, Error> {
    let steps: Vec<_> = plan.steps.iter().map(|step| (&step.action, step.required)).collect();
    let whole = (
        &plan.cluster,
        &plan.problem.target,
        &plan.problem.issue,
        &plan.remedy,
        plan.remedy_version,
        plan.deployed.method,
        &steps,
        &plan.checkpoints,
    );
    let planned_on: Vec<_> = plan.steps.iter().map(|step| &step.planned_on).collect();
    // A plan that an earlier release kept says nothing of it, and keeps the digest that was agreed to.
    if planned_on.iter().all(|found| found.is_empty()) { of(&whole) } else { of(&(whole, planned_on)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_cluster_object_and_issue() {
        let web = Target::known("Deployment", "shop", "web");
        let one = fingerprint("c", &web, "crash_loop");
        assert_eq!(one.len(), 64);
        assert_eq!(one, fingerprint("c", &web.clone().with_uid("u"), "crash_loop"));
        for other in [
            fingerprint("d", &web, "crash_loop"),
            fingerprint("c", &Target::known("StatefulSet", "shop", "web"), "crash_loop"),
            fingerprint("c", &web, "oom_kill"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn members_are_sorted_before_hashing() {
        let one = serde_json::json!({"b": 1, "a": 2});
        let other: serde_json::Value = serde_json::from_str(r#"{"a":2,"b":1}"#).unwrap();
        assert_eq!(of(&one).unwrap(), of(&other).unwrap());
    }
}
