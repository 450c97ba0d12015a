//! What is observed on the wire: the arguments and answers of `observe-object`.
//!
//! Values only. An object passes as the API server gave it, but for what a Secret holds: what the engine sets back must be
//! what was there. So these answers are for an engine that is granted them, and for no model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ports::{ApiResource, ReleaseRevision};

/// The tool that observes.
pub const OBSERVE: &str = "observe-object";

/// What to observe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum What {
    /// One object, whole.
    #[default]
    Object,
    /// A page of objects, without `managedFields`.
    List,
    /// Every kind that the cluster serves.
    Kinds,
    /// Whether the member may do something.
    Rights,
    /// One revision of a Helm release.
    Release,
    /// Nothing but the moment and which cluster it is.
    Moment,
}

/// The arguments of `observe-object`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// What: object, a list, kinds, rights, a Helm release, the moment.
    #[serde(default)]
    pub what: What,
    /// API group, none for core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub group: Option<String>,
    /// Kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub kind: Option<String>,
    /// Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub namespace: Option<String>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,
    /// Of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub label_selector: Option<String>,
    /// Of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub field_selector: Option<String>,
    /// Of a list, most objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
    /// Of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub continue_token: Option<String>,
    /// Of rights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub verb: Option<String>,
    /// Of rights, a plural.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub resource: Option<String>,
    /// Of a release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
}

/// A kind that the cluster serves, as discovery tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct KindSeen {
    /// API group, empty for core.
    pub group: String,
    /// Preferred version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Plural.
    pub plural: String,
    /// Singular; may be empty.
    pub singular: String,
    /// Short names.
    pub short_names: Vec<String>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs that are served.
    pub verbs: Vec<String>,
}

impl From<ApiResource> for KindSeen {
    fn from(kind: ApiResource) -> Self {
        let ApiResource { group, version, kind, plural, singular, short_names, namespaced, verbs } = kind;
        Self { group, version, kind, plural, singular, short_names, namespaced, verbs }
    }
}

impl From<KindSeen> for ApiResource {
    fn from(kind: KindSeen) -> Self {
        let KindSeen { group, version, kind, plural, singular, short_names, namespaced, verbs } = kind;
        Self { group, version, kind, plural, singular, short_names, namespaced, verbs }
    }
}

/// One revision of a Helm release, without values and chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct ReleaseSeen {
    /// `deployed`, `superseded`, `failed`, …
    pub status: String,
    /// The objects of its manifest; of a Secret kind, name and a digest.
    pub objects: Vec<Map<String, Value>>,
    /// Whether it has hooks other than `test`.
    pub has_hooks: bool,
}

impl From<ReleaseRevision> for ReleaseSeen {
    fn from(release: ReleaseRevision) -> Self {
        let ReleaseRevision { status, objects, has_hooks } = release;
        Self { status, objects: objects.into_iter().filter_map(object).collect(), has_hooks }
    }
}

impl From<ReleaseSeen> for ReleaseRevision {
    fn from(release: ReleaseSeen) -> Self {
        let ReleaseSeen { status, objects, has_hooks } = release;
        Self { status, objects: objects.into_iter().map(Value::Object).collect(), has_hooks }
    }
}

pub(super) fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// The answer of `observe-object`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// When, by the member's own clock, in its own words: a change names it, and is refused once it is old.
    pub moment: String,
    /// uid of the cluster; empty until the member has read it.
    pub cluster: String,
    /// The API server's version; empty until the member has read it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The object that was asked for is not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// The object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Map<String, Value>>,
    /// The objects of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<Map<String, Value>>>,
    /// Token of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_token: Option<String>,
    /// How many objects are left after this page, when the API server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// The kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<KindSeen>>,
    /// Whether the member may do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<bool>,
    /// The revision of a release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseSeen>,
}
