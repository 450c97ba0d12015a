//! How much of the cluster the credentials may see: everything, or some namespaces.
//!
//! It asks the API server about our own rights and nothing else; kinds that are refused one by one are the watches'
//! business.

use std::time::Duration;

use aiops_inventory::{Kind, Name};
use futures::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;

use super::{
    api::{Api, Call},
    failure::{Failure, Trouble},
    path::collection,
};

/// Most namespaces that are watched one by one: each costs a connection a kind.
const MOST: usize = 50;
/// Most namespaces about which is asked.
const MOST_ASKED: usize = 200;
const WITHIN: Duration = Duration::from_secs(5);
const LARGEST: usize = 8 * 1024 * 1024;

/// What may be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// All namespaces.
    Cluster,
    /// These only, sorted.
    Namespaces(Vec<Name>),
}

impl Reach {
    /// The watches this makes, optional kinds included.
    pub(super) fn parts(&self) -> Vec<(Kind, Option<Name>)> {
        let parts = |kind: Kind| match self {
            Self::Namespaces(names) if kind.resource().namespaced => {
                names.iter().map(|name| (kind, Some(name.clone()))).collect()
            }
            _ => vec![(kind, None)],
        };
        Kind::ALL.into_iter().flat_map(parts).collect()
    }
}

/// Finds out. `asked` are the namespaces of the configuration; `others` are tried besides those that the API server
/// lists.
pub(super) async fn reach(api: &Api, asked: &[String], others: &[String]) -> Result<Reach, Failure> {
    if !asked.is_empty() {
        return Ok(Reach::Namespaces(sorted(asked.iter().map(|name| name.as_str().into()))));
    }
    if may(api, "list", "", "pods", None).await? {
        return Ok(Reach::Cluster);
    }
    let mut candidates = match names(api, "", "v1", "namespaces").await {
        Ok(names) => names,
        // OpenShift shows everybody the projects that are theirs.
        Err(_) => names(api, "project.openshift.io", "v1", "projects").await.unwrap_or_default(),
    };
    candidates.extend(others.iter().map(|name| name.as_str().into()));
    let candidates = sorted(candidates.into_iter());
    let allowed: Vec<Option<Name>> = stream::iter(candidates.into_iter().take(MOST_ASKED))
        .map(|name| async move {
            let allowed = may(api, "list", "", "pods", Some(&name)).await.unwrap_or(false);
            allowed.then_some(name)
        })
        .buffered(8)
        .collect()
        .await;
    let mut allowed: Vec<Name> = allowed.into_iter().flatten().collect();
    if allowed.len() > MOST {
        tracing::warn!(
            namespaces = allowed.len(),
            watched = MOST,
            "more namespaces may be seen than are watched one by one; name those that matter in cluster.namespaces"
        );
        allowed.truncate(MOST);
    }
    // With no namespace at all each kind is asked for cluster-wide, and says itself what is refused.
    Ok(if allowed.is_empty() { Reach::Cluster } else { Reach::Namespaces(allowed) })
}

fn sorted(names: impl Iterator<Item = Name>) -> Vec<Name> {
    let mut names: Vec<Name> = names.filter(|name| !name.is_empty()).collect();
    names.sort();
    names.dedup();
    names
}

#[derive(Deserialize)]
struct Review {
    status: ReviewStatus,
}

#[derive(Deserialize)]
struct ReviewStatus {
    #[serde(default)]
    allowed: bool,
}

/// Whether we may do this; `namespace: None` means in all namespaces.
pub(super) async fn may(
    api: &Api,
    verb: &str,
    group: &str,
    resource: &str,
    namespace: Option<&str>,
) -> Result<bool, Failure> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "verb": verb, "group": group, "resource": resource, "subresource": subresource,
            "namespace": namespace.unwrap_or_default(),
        }},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned();
    let mut call = Call::read("create", path);
    call.body = Some(review.to_string().into_bytes());
    let answer = api.read(&call, LARGEST, WITHIN).await?;
    let review: Review = serde_json::from_slice(&answer).map_err(|error| {
        Failure::new(Trouble::Server, format!("the API server sent a review that cannot be read ({error})"))
    })?;
    Ok(review.status.allowed)
}

#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    items: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    metadata: NamedMeta,
}

#[derive(Deserialize)]
struct NamedMeta {
    name: String,
}

async fn names(api: &Api, group: &str, version: &str, plural: &str) -> Result<Vec<Name>, Failure> {
    let path = collection(group, version, plural, None)
        .map_err(|error| Failure::new(Trouble::Refused, error.message))?;
    let answer = api.read(&Call::read("list", path), LARGEST, WITHIN).await?;
    let names: Names = serde_json::from_slice(&answer).map_err(|error| {
        Failure::new(Trouble::Server, format!("the API server sent a list that cannot be read ({error})"))
    })?;
    Ok(names.items.into_iter().map(|named| named.metadata.name.into()).collect())
}
