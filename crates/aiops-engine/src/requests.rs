//! What the outside may ask; one file a topic, each with its request, its answer and the decision between them.

pub mod capacity;
pub mod diagnosis;
pub mod events;
pub mod health;
pub mod logs;
pub mod namespaces;
pub mod nodes;
pub mod pods;
pub mod pools;
pub mod resources;
pub mod scaling;
#[cfg(test)]
mod scope_tests;
pub mod workload;
pub mod workloads;

use aiops_inventory::{Inventory, Kind, Scope, labels::Selector};

use crate::{Engine, answer::Standing, error::Error};

/// Parses a label selector that a caller wrote.
pub(crate) fn selector(text: Option<&str>) -> Result<Selector, Error> {
    Selector::parse(text.unwrap_or_default())
        .map_err(|e| Error::invalid("argument \"label_selector\"", e.to_string()))
}

/// Why an object cannot be looked up while its kind is not known.
pub(crate) fn unknown(standing: &Standing, kind: Kind, what: &str) -> Error {
    let missing = standing.missing.iter().find(|m| m.kind == kind.name());
    let why = missing.map_or_else(String::new, |m| format!("{} is {}: {}", m.kind, m.state, m.reason));
    if missing.is_some_and(|m| m.state == "forbidden") {
        return Error::Forbidden { what: what.to_owned(), why };
    }
    Error::Unavailable { what: what.to_owned(), why, retry_after: Some(std::time::Duration::from_secs(2)) }
}

impl Engine {
    /// Refuses a namespace that does not exist or of which the rows hold nothing because it may not be seen: that must
    /// not read as if nothing were there.
    pub(crate) fn seen_namespace(&self, inventory: &Inventory, namespace: &str) -> Result<(), Error> {
        self.known_namespace(inventory, namespace)?;
        let Scope::Namespaces(seen) = &inventory.info().scope else { return Ok(()) };
        if seen.iter().any(|name| name == namespace) {
            return Ok(());
        }
        let shown: String = namespace.chars().take(80).collect();
        let names: Vec<&str> = seen.iter().take(10).map(|name| name.as_str()).collect();
        let more = if seen.len() > 10 { " and more" } else { "" };
        let why = format!(
            "only {}{more} may be seen; grant list and watch there, or name it in cluster.namespaces",
            names.join(", ")
        );
        Err(Error::Forbidden { what: format!("looking into namespace {shown:?}"), why })
    }

    /// Refuses a namespace that does not exist, naming near ones; lets it pass while namespaces are not known.
    pub fn known_namespace(&self, inventory: &Inventory, namespace: &str) -> Result<(), Error> {
        let known = inventory.status(Kind::Namespace).sync.is_known();
        if !known || inventory.namespaces().get("", namespace).is_some() {
            return Ok(());
        }
        let names = inventory.namespace_names();
        let near = crate::answer::near(namespace, names.iter().map(aiops_inventory::Name::as_str));
        let hint = if near.is_empty() { "; list-namespaces names those that exist".to_owned() } else { near };
        let shown: String = namespace.chars().take(80).collect();
        Err(Error::NotFound { what: format!("namespace {shown:?}"), hint })
    }
}
