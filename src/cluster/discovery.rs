//! Reads what kinds an API server serves, from its aggregated discovery or, before Kubernetes 1.27, group by group.
//!
//! It keeps nothing; whoever asks often keeps the answer.

use std::{borrow::Cow, collections::BTreeSet, time::Duration};

use aiops_engine::ports::ApiResource;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;

use super::{
    api::{Api, Call},
    failure::{Failure, Trouble},
    path,
};

/// Asks for everything in one document; an API server that does not know the form sends the list of groups.
pub(super) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
/// Most bytes of a discovery document.
pub(super) const LARGEST: usize = 32 * 1024 * 1024;
/// Longest for one group.
const WITHIN: Duration = Duration::from_secs(5);

/// What a document tells.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// All groups, wanted or not.
    pub(super) names: BTreeSet<String>,
    /// The resources of the groups that were wanted, each in its preferred version.
    pub(super) resources: Vec<ApiResource>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Aggregated<'a> {
    #[serde(borrow, default)]
    items: Vec<Group<'a>>,
}

#[derive(Deserialize)]
struct Group<'a> {
    #[serde(borrow, default)]
    metadata: GroupMeta<'a>,
    #[serde(borrow, default)]
    versions: Vec<Version<'a>>,
}

#[derive(Deserialize, Default)]
struct GroupMeta<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Version<'a> {
    #[serde(borrow, default)]
    version: Cow<'a, str>,
    #[serde(borrow, default)]
    resources: Vec<Resource<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource<'a> {
    #[serde(borrow, default)]
    resource: Cow<'a, str>,
    #[serde(borrow, default)]
    response_kind: Option<ResponseKind<'a>>,
    #[serde(borrow, default)]
    scope: Cow<'a, str>,
    #[serde(borrow, default)]
    singular_resource: Cow<'a, str>,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct ResponseKind<'a> {
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct GroupList {
    #[serde(default)]
    groups: Vec<OldGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldGroup {
    name: String,
    preferred_version: OldVersion,
}

#[derive(Deserialize)]
struct OldVersion {
    version: String,
}

#[derive(Deserialize)]
struct OldList {
    #[serde(default)]
    resources: Vec<OldResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldResource {
    name: String,
    #[serde(default)]
    singular_name: String,
    #[serde(default)]
    namespaced: bool,
    kind: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
}

fn garbled(error: &serde_json::Error) -> Failure {
    Failure::new(Trouble::Server, format!("the API server's discovery cannot be read ({error})"))
}

/// Reads the document of `/apis`, and asks on where it is an old one.
pub(super) async fn groups(
    api: &Api,
    document: &[u8],
    wanted: impl Fn(&str) -> bool,
) -> Result<Groups, Failure> {
    let head: Head<'_> = serde_json::from_slice(document).map_err(|error| garbled(&error))?;
    if head.kind == "APIGroupDiscoveryList" {
        return aggregated(document, wanted);
    }
    let list: GroupList = serde_json::from_slice(document).map_err(|error| garbled(&error))?;
    let names = list.groups.iter().map(|group| group.name.clone()).collect();
    let asked = list.groups.into_iter().filter(|group| wanted(&group.name));
    let resources: Vec<Vec<ApiResource>> = stream::iter(asked)
        .map(|group| async move { of_version(api, &group.name, &group.preferred_version.version).await })
        .buffered(8)
        .try_collect()
        .await?;
    Ok(Groups { names, resources: resources.into_iter().flatten().collect() })
}

fn aggregated(document: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Groups, Failure> {
    let read: Aggregated<'_> = serde_json::from_slice(document).map_err(|error| garbled(&error))?;
    let mut groups = Groups::default();
    for group in read.items {
        let name = group.metadata.name;
        groups.names.insert(name.to_string());
        if !wanted(&name) {
            continue;
        }
        // Versions come best first; what only an older one serves is still there to be read.
        let mut seen = BTreeSet::new();
        for version in group.versions {
            for resource in version.resources {
                let Some(kind) = resource.response_kind else { continue };
                if seen.insert(resource.resource.to_string()) {
                    groups.resources.push(ApiResource {
                        group: name.to_string(),
                        version: version.version.to_string(),
                        kind: kind.kind.into_owned(),
                        plural: resource.resource.into_owned(),
                        singular: resource.singular_resource.into_owned(),
                        short_names: resource.short_names,
                        namespaced: resource.scope == "Namespaced",
                        verbs: resource.verbs,
                    });
                }
            }
        }
    }
    Ok(groups)
}

/// The resources of one version of a group, as old API servers tell them. A group that does not answer has none: its
/// server may be down, which must not hide the others.
async fn of_version(api: &Api, group: &str, version: &str) -> Result<Vec<ApiResource>, Failure> {
    let mut path = if group.is_empty() { "/api".to_owned() } else { "/apis".to_owned() };
    let parts = [("group", group), ("version", version)];
    for (role, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
        path::push(&mut path, role, part).map_err(|error| Failure::new(Trouble::Refused, error.message))?;
    }
    let body = match api.read(&Call::read("discover", path), LARGEST, WITHIN).await {
        Ok(body) => body,
        Err(failure) if matches!(failure.trouble, Trouble::Server | Trouble::NotFound) => {
            return Ok(Vec::new());
        }
        Err(failure) => return Err(failure),
    };
    let list: OldList = serde_json::from_slice(&body).map_err(|error| garbled(&error))?;
    let is_whole = |resource: &OldResource| !resource.name.contains('/');
    let resource = |r: OldResource| ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: r.kind,
        plural: r.name,
        singular: r.singular_name,
        short_names: r.short_names,
        namespaced: r.namespaced,
        verbs: r.verbs,
    };
    Ok(list.resources.into_iter().filter(is_whole).map(resource).collect())
}

/// Every kind that is served.
pub(super) async fn all(api: &Api, within: Duration) -> Result<Vec<ApiResource>, Failure> {
    let call =
        |path: &str| Call { accept: AGGREGATED, compressed: true, ..Call::read("discover", path.to_owned()) };
    let (core, others) = (call("/api"), call("/apis"));
    let (core, others) =
        tokio::try_join!(api.read(&core, LARGEST, within), api.read(&others, LARGEST, within))?;
    let mut found = match aggregated(&core, |_| true) {
        Ok(core) if !core.resources.is_empty() => core.resources,
        _ => of_version(api, "", "v1").await?,
    };
    found.extend(groups(api, &others, |_| true).await?.resources);
    Ok(found)
}
