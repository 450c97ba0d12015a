//! What the outside may ask; one file a topic, each with its request, its answer and the decision between them.

pub mod capacity;
pub mod diagnosis;
pub mod events;
pub mod health;
pub mod logs;
pub mod namespaces;
pub mod nodes;
pub mod pods;
pub mod resources;
pub mod scaling;
#[cfg(test)]
mod scope_tests;
pub mod workload;
pub mod workloads;

use aiops_inventory::{Kind, labels::Selector};

use crate::{answer::Standing, error::Error};

/// Parses a label selector that a caller wrote.
pub(crate) fn selector(text: Option<&str>) -> Result<Selector, Error> {
    Selector::parse(text.unwrap_or_default())
        .map_err(|e| Error::invalid("argument \"label_selector\"", e.to_string()))
}

/// Why an object cannot be looked up while its kind is not known.
pub(crate) fn unknown(standing: &Standing, kind: Kind, what: &str) -> Error {
    let missing = standing.missing.iter().find(|m| m.kind == kind.name());
    let why = missing.map_or_else(String::new, |m| format!("{} are {}: {}", m.kind, m.state, m.reason));
    if missing.is_some_and(|m| m.state == "forbidden") {
        return Error::Forbidden { what: what.to_owned(), why };
    }
    Error::Unavailable { what: what.to_owned(), why, retry_after: Some(std::time::Duration::from_secs(2)) }
}
