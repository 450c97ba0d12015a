//! Lists of objects of any kind, in pages of the API server's own.
//!
//! The place in the list is the API server's continue token, wrapped in a cursor that is bound to the question; a walk
//! sees one moment of the cluster. Objects are turned into rows page by page and never kept.

use aiops_inventory::{
    Name, Scope, Sync,
    page::{digest, open, seal},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Projected, created, excerpt, guard, paths, project, summary, what};
use crate::{
    Engine, Error,
    answer::{Standing, age},
    budget, discovery,
    error::{PortError, PortErrorKind},
    ports::{ApiResource, Cluster, ListOptions, ObjectPage},
    projection::Path,
};

/// Which objects, and what of them.
#[derive(Debug, Clone, Default)]
pub struct ListResources {
    /// Kind, plural, singular or short name, `plural.group` or `group/version/Kind`.
    pub kind: String,
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only objects with these labels.
    pub label_selector: Option<String>,
    /// Only objects with these fields; the API server decides which it supports.
    pub field_selector: Option<String>,
    /// Field paths to show of each.
    pub fields: Vec<String>,
    /// At most this many rows.
    pub limit: Option<u32>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Objects of one kind.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ResourceList {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// Kind.
    pub kind: String,
    /// `apiVersion` that was read.
    pub api_version: String,
    /// All objects that match; null when the API server does not count them.
    pub total: Option<u64>,
    /// Objects in this answer.
    pub shown: usize,
    /// Matching objects that neither this answer nor the pages before it showed; null when not counted.
    pub omitted: Option<u64>,
    /// Why `total` and `omitted` are null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<&'static str>,
    /// Pass as cursor to see the next ones; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// The rows, by namespace and name.
    pub items: Vec<ListedResource>,
    /// Fields that an object does not have, and what is there instead; at most three.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    /// Set when rows were cut to keep the answer short.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// One object in a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ListedResource {
    /// Namespace; absent when one was asked for, and for objects of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Age; null when the object does not say.
    pub age: Option<String>,
    /// How it is; absent when the object does not say or fields were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The fields asked for; null where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Map<String, Value>>,
}

/// Rows when nobody says how many.
const DEFAULT_LIMIT: u32 = 40;
/// Most rows of an answer.
const MOST: u32 = 500;
/// Objects read at once: they are held as JSON until they are rows.
const CHUNK: u32 = 10;
/// Bytes of the fields of one row.
const ROW: usize = 1_500;

/// Where the walk is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place {
    /// Objects on the pages before.
    seen: u64,
    /// The API server's token; `None` at the beginning.
    token: Option<String>,
}

impl Place {
    fn read(cursor: Option<&str>, question: u64) -> Result<Self, Error> {
        let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else { return Ok(Self::default()) };
        let fail = |why: String| Error::invalid("argument \"cursor\"", why);
        let body = open(cursor, question).map_err(|e| fail(e.to_string()))?;
        let read = body.split_first_chunk::<8>().and_then(|(seen, token)| {
            let token = String::from_utf8(token.to_vec()).ok()?;
            Some(Self { seen: u64::from_le_bytes(*seen), token: Some(token) })
        });
        read.ok_or_else(|| fail(aiops_inventory::page::CursorError::Forged.to_string()))
    }

    fn write(&self, question: u64) -> Option<String> {
        let token = self.token.as_ref()?;
        let mut body = self.seen.to_le_bytes().to_vec();
        body.extend_from_slice(token.as_bytes());
        Some(seal(question, &body))
    }
}

/// Rows on their way into an answer.
#[derive(Default)]
struct Rows {
    items: Vec<ListedResource>,
    absent: Vec<String>,
    cut: bool,
    bytes: usize,
}

/// What a row takes of the budget: its bytes, or as many as its tokens commonly have when it is full of digests.
fn cost(json: &str) -> usize {
    (json.len() + 1).max(crate::text::estimate_tokens(json) * 5 / 2)
}

/// One row, and what is to be said about it.
struct Made {
    row: ListedResource,
    bytes: usize,
    absent: Vec<String>,
    cut: bool,
}

impl Engine {
    /// Says where that is allowed what is not allowed everywhere.
    fn elsewhere(&self, error: Error, resource: &ApiResource, namespace: Option<&str>) -> Error {
        let inventory = self.look();
        match (error, &inventory.info().scope) {
            (Error::Forbidden { what, why }, Scope::Namespaces(seen))
                if namespace.is_none() && resource.namespaced =>
            {
                let names: Vec<&str> = seen.iter().take(10).map(Name::as_str).collect();
                let why = format!("{why}; name a namespace that may be seen: {}", names.join(", "));
                Error::Forbidden { what, why }
            }
            (other, _) => other,
        }
    }

    /// Objects of any kind.
    pub async fn list_resources(&self, request: &ListResources) -> Result<ResourceList, Error> {
        let fields = paths(&request.fields)?;
        crate::requests::selector(request.label_selector.as_deref())?;
        let field_selector = field_selector(request.field_selector.as_deref())?;
        let limit = request.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MOST);
        let cluster = self.cluster("listing objects")?;
        let resource = self.resource(cluster, &request.kind, "list").await?;
        let namespace = request.namespace.as_deref().filter(|ns| !ns.is_empty());
        let namespace = self.namespace_of(&resource, namespace, None)?;
        let question = question(&resource, namespace, request);
        let mut place = Place::read(request.cursor.as_deref(), question)?;
        let label_selector = request.label_selector.clone().filter(|s| !s.trim().is_empty());
        let options = ListOptions { label_selector, field_selector, limit, continue_token: None };
        let narrowed = options.label_selector.is_some() || options.field_selector.is_some();
        let bytes = budget::of(request.limit);
        let mut rows = Rows::default();
        let mut remaining = None;
        loop {
            let wanted = limit.saturating_sub(u32::try_from(rows.items.len()).unwrap_or(u32::MAX)).min(CHUNK);
            let page = self.page(cluster, &resource, namespace, &options, &place, wanted).await?;
            let mut head = (page.items.len(), page.continue_token, page.remaining);
            let mut made = self.rows(&resource, namespace, page.items, &fields);
            let fitting = rows.fitting(&made, bytes);
            let full = fitting < made.len();
            if full {
                // The API server must say where the walk goes on, so it is asked for just what fits.
                let Some(fitting) = u32::try_from(fitting).ok().filter(|fitting| *fitting > 0) else { break };
                let page = self.page(cluster, &resource, namespace, &options, &place, fitting).await?;
                head = (page.items.len(), page.continue_token, page.remaining);
                made = self.rows(&resource, namespace, page.items, &fields);
            }
            let count;
            (count, place.token, remaining) = head;
            place.token = place.token.filter(|token| !token.is_empty());
            place.seen += u64::try_from(count).unwrap_or(0);
            rows.extend(made);
            let empty = count == 0;
            let enough = rows.items.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
            if place.token.is_none() || full || empty || enough {
                break;
            }
        }
        let omitted = if place.token.is_none() { Some(0) } else { remaining };
        let omitted = omitted.or_else(|| self.left(&resource, namespace, narrowed, place.seen));
        Ok(ResourceList {
            standing: self.standing(&self.look(), &[]),
            kind: resource.kind.clone(),
            api_version: discovery::api_version(&resource),
            total: omitted.map(|omitted| place.seen + omitted),
            shown: rows.items.len(),
            omitted,
            uncounted: omitted.is_none().then_some(if narrowed {
                "the API server does not count lists that are narrowed by a selector"
            } else {
                "the API server did not say how many are left"
            }),
            next_cursor: place.write(question),
            items: rows.items,
            absent: rows.absent,
            cut: rows.cut,
        })
    }

    async fn page(
        &self,
        cluster: &dyn Cluster,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
        place: &Place,
        limit: u32,
    ) -> Result<ObjectPage, Error> {
        let options = ListOptions { limit, continue_token: place.token.clone(), ..options.clone() };
        cluster.list(resource, namespace, &options).await.map_err(|error| {
            self.elsewhere(refused(error, resource, namespace, &options), resource, namespace)
        })
    }

    fn rows(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        objects: Vec<Value>,
        fields: &[Path],
    ) -> Vec<Made> {
        objects.into_iter().map(|object| self.row(resource, namespace, object, fields)).collect()
    }

    fn row(&self, resource: &ApiResource, namespace: Option<&str>, object: Value, fields: &[Path]) -> Made {
        let (mut absent, mut cut) = (Vec::new(), false);
        let guard::Guarded { object, .. } = guard::guard(resource, object, fields);
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let projected = (!fields.is_empty()).then(|| project(&object, fields));
        let fields = projected.map(|Projected { values, absent: missing }| {
            absent = missing;
            let mut values = Value::Object(values);
            cut = !excerpt::cut(&mut values, ROW).is_empty();
            super::members(values).unwrap_or_default()
        });
        let row = ListedResource {
            namespace: text("/metadata/namespace").filter(|_| namespace.is_none()),
            name: text("/metadata/name").unwrap_or_default(),
            age: created(&object).map(|at| age(self.now(), at)),
            status: if fields.is_none() { summary::of(&resource.kind, &object) } else { None },
            fields,
        };
        let bytes = serde_json::to_string(&row).map_or(0, |json| cost(&json));
        Made { row, bytes, absent, cut }
    }

    /// What the inventory knows to be left, for a kind that it holds completely.
    pub(super) fn left(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        narrowed: bool,
        seen: u64,
    ) -> Option<u64> {
        let kind =
            discovery::inventory_kind(resource).filter(|kind| *kind != aiops_inventory::Kind::Event)?;
        let inventory = self.look();
        let status = inventory.status(kind);
        let holds_all = status.scope == Scope::Cluster && status.unreadable == 0;
        if narrowed || status.sync != Sync::Synced || !holds_all {
            return None;
        }
        let keys = discovery::keys(&inventory, kind);
        let total = keys.iter().filter(|key| namespace.is_none_or(|ns| key.namespace == ns)).count();
        u64::try_from(total).ok().map(|total| total.saturating_sub(seen))
    }
}

impl Rows {
    /// How many of these fit beside the rows that are there; at least one when there are none.
    fn fitting(&self, made: &[Made], budget: usize) -> usize {
        let mut bytes = self.bytes;
        let fits = made.iter().take_while(|one| {
            bytes += one.bytes;
            bytes <= budget
        });
        fits.count().max(usize::from(self.items.is_empty() && !made.is_empty()))
    }

    fn extend(&mut self, made: Vec<Made>) {
        for one in made {
            self.bytes += one.bytes;
            self.cut |= one.cut;
            self.absent.extend(one.absent);
            self.items.push(one.row);
        }
        self.absent.truncate(3);
    }
}

fn question(resource: &ApiResource, namespace: Option<&str>, request: &ListResources) -> u64 {
    let name = discovery::full_name(resource);
    let labels = request.label_selector.as_deref().unwrap_or_default();
    let fields = request.field_selector.as_deref().unwrap_or_default();
    let parts = ["resources", &name, namespace.unwrap_or_default(), labels, fields];
    digest(parts.map(str::as_bytes))
}

fn refused(
    error: PortError,
    resource: &ApiResource,
    namespace: Option<&str>,
    options: &ListOptions,
) -> Error {
    match error.kind {
        PortErrorKind::Expired if options.continue_token.is_some() => Error::invalid(
            "argument \"cursor\"",
            "the API server no longer knows this place in the list; call again without cursor to begin again",
        ),
        PortErrorKind::Invalid if options.continue_token.is_some() => {
            Error::invalid("argument \"cursor\"", format!("the API server refuses it: {}", error.message))
        }
        PortErrorKind::Invalid if options.field_selector.is_some() => {
            Error::invalid("argument \"field_selector\"", error.message)
        }
        _ => Error::from_port(what("listing", resource, namespace), error),
    }
}

/// Checks the form of a field selector; which fields a kind supports is for the API server to say.
fn field_selector(text: Option<&str>) -> Result<Option<String>, Error> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let fail = |why: String| Error::invalid("argument \"field_selector\"", why);
    if text.len() > 1_000 || text.chars().any(char::is_control) {
        return Err(fail("must be at most 1,000 bytes long and without control characters".to_owned()));
    }
    for part in text.split(',') {
        let (path, _) = part.split_once('=').unwrap_or((part, ""));
        let path = path.trim_end_matches('!').trim();
        let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '[' | ']');
        if !part.contains('=') || path.is_empty() || !path.chars().all(is_path) {
            let shown: String = part.chars().take(80).collect();
            return Err(fail(format!(
                "{shown:?} is no requirement; write it as metadata.name=web or type!=Opaque"
            )));
        }
    }
    Ok(Some(text.to_owned()))
}
