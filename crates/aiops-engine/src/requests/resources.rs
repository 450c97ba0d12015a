//! Any object of any kind the API serves: one in short or by field paths, and lists of them.
//!
//! Kinds that have rows have better questions of their own; this one reads live, through discovery. What must never be
//! shown is taken out by `guard` before anything else is done with an object.

mod excerpt;
mod guard;
mod list;
mod summary;

use aiops_inventory::Inventory;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

pub use guard::Withheld;
pub use list::{ListResources, ListedResource, ResourceList};

use crate::{
    Engine, Error,
    answer::{Standing, age, near},
    budget, discovery,
    ports::{ApiResource, Cluster, ListOptions},
    projection::Path,
};

/// Which object, and what of it.
#[derive(Debug, Clone, Default)]
pub struct GetResource {
    /// Kind, plural, singular or short name, `plural.group` or `group/version/Kind`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; not needed for objects of the cluster.
    pub namespace: Option<String>,
    /// Field paths; the whole object in short when empty.
    pub fields: Vec<String>,
}

/// One object.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ResourceAnswer {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// Kind.
    pub kind: String,
    /// `apiVersion` that was read.
    pub api_version: String,
    /// Namespace; absent for objects of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Age; null when the object does not say when it was created.
    pub age: Option<String>,
    /// How it is, in a few words; null when the object does not say.
    pub status: Option<String>,
    /// The object without managedFields; absent when fields were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Map<String, Value>>,
    /// The values of the fields asked for; null where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Map<String, Value>>,
    /// Fields that the object does not have, and what is there instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    /// Paths that were cut to keep the answer short; ask for them in fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<String>,
    /// What was withheld of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Withheld>,
}

/// Bytes of an object in a default answer, and what is tried where its text costs more tokens a byte than most.
const OBJECT: [usize; 4] = [budget::DEFAULT - 400, 3_000, 2_300, 1_700];
/// Tokens of an object in a default answer.
const TOKENS: usize = 1_600;
/// Bytes of fields that were asked for by name.
const FIELDS: usize = 16_000;
/// Most field paths in a question.
const MOST_FIELDS: usize = 20;

impl Engine {
    /// One object of any kind.
    pub async fn get_resource(&self, request: &GetResource) -> Result<ResourceAnswer, Error> {
        let fields = paths(&request.fields)?;
        discovery::check_name("name", &request.name)?;
        let namespace = request.namespace.as_deref().filter(|ns| !ns.is_empty());
        let cluster = self.cluster("reading an object")?;
        let resource = self.resource(cluster, &request.kind, "get").await?;
        let namespace = self.namespace_of(&resource, namespace, Some(&request.name))?;
        let read = cluster.get(&resource, namespace, &request.name).await;
        let object = match read {
            Ok(object) => object,
            Err(error) if error.kind == crate::error::PortErrorKind::NotFound => {
                return Err(self.no_such_object(cluster, &resource, namespace, &request.name).await);
            }
            Err(error) => return Err(Error::from_port(what("reading", &resource, namespace), error)),
        };
        Ok(self.show(&resource, namespace, object, &fields))
    }

    fn show(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        object: Value,
        fields: &[Path],
    ) -> ResourceAnswer {
        let now = self.now();
        let guard::Guarded { mut object, withheld } = guard::guard(resource, object, fields);
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut answer = ResourceAnswer {
            standing: self.standing(&self.look(), &[]),
            kind: resource.kind.clone(),
            api_version: discovery::api_version(resource),
            namespace: namespace.map(str::to_owned),
            name,
            age: created(&object).map(|at| age(now, at)),
            status: summary::of(&resource.kind, &object),
            object: None,
            fields: None,
            absent: Vec::new(),
            cut: Vec::new(),
            withheld,
        };
        if fields.is_empty() {
            slim(&mut object);
            let (object, cut) = in_budget(object);
            answer.cut = cut;
            answer.object = members(object);
        } else {
            let Projected { values, absent } = project(&object, fields);
            let mut values = Value::Object(values);
            answer.absent = absent;
            answer.cut = excerpt::cut(&mut values, FIELDS);
            answer.fields = members(values);
        }
        answer
    }

    /// The kind that is meant, when it can be read in this way.
    async fn resource(
        &self,
        cluster: &dyn Cluster,
        kind: &str,
        verb: &'static str,
    ) -> Result<ApiResource, Error> {
        let kinds = cluster.resources().await.map_err(|e| Error::from_port("discovering kinds", e))?;
        let resource = discovery::find(&kinds, kind)?;
        if !resource.verbs.is_empty() && !resource.verbs.iter().any(|served| served == verb) {
            let why = format!(
                "{} can only be {}, not {verb}",
                discovery::full_name(resource),
                resource.verbs.join(", ")
            );
            return Err(Error::invalid("argument \"kind\"", why));
        }
        Ok(resource.clone())
    }

    /// The namespace to read in: none for kinds of the cluster; an error that says where the name exists when it is
    /// needed and was not given.
    fn namespace_of<'a>(
        &self,
        resource: &ApiResource,
        namespace: Option<&'a str>,
        name: Option<&str>,
    ) -> Result<Option<&'a str>, Error> {
        if !resource.namespaced {
            return Ok(None);
        }
        let inventory = self.look();
        if let Some(namespace) = namespace {
            discovery::check_namespace(namespace)?;
            self.known_namespace(&inventory, namespace)?;
            return Ok(Some(namespace));
        }
        let Some(name) = name else { return Ok(None) };
        let places = places(&inventory, resource, name);
        let hint = if places.is_empty() {
            String::new()
        } else {
            format!("; one of that name is in {}", places.join(", "))
        };
        let why = format!("{} live in namespaces, so the namespace is needed{hint}", resource.plural);
        Err(Error::invalid("argument \"namespace\"", why))
    }

    async fn no_such_object(
        &self,
        cluster: &dyn Cluster,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Error {
        let what = match namespace {
            Some(namespace) => format!("{} {name:?} in namespace {namespace}", resource.kind),
            None => format!("{} {name:?}", resource.kind),
        };
        let elsewhere = places(&self.look(), resource, name);
        if !elsewhere.is_empty() {
            let hint = format!("; one of that name is in namespace {}", elsewhere.join(", "));
            return Error::NotFound { what, hint };
        }
        let mut names: Vec<String> = discovery::inventory_kind(resource).map_or_else(Vec::new, |kind| {
            let inventory = self.look();
            let keys = discovery::keys(&inventory, kind);
            let here = keys.iter().filter(|key| namespace.is_none_or(|ns| key.namespace == ns));
            here.map(|key| key.name.to_string()).collect()
        });
        if names.is_empty() {
            let options = ListOptions { limit: 100, ..ListOptions::default() };
            let page = cluster.list(resource, namespace, &options).await.unwrap_or_default();
            names.extend(page.items.iter().filter_map(|item| {
                item.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned)
            }));
        }
        Error::NotFound { what, hint: near(name, names.iter().map(String::as_str)) }
    }
}

/// At most three namespaces in which the inventory knows an object of this kind and name.
fn places(inventory: &Inventory, resource: &ApiResource, name: &str) -> Vec<String> {
    let Some(kind) = discovery::inventory_kind(resource).filter(|_| resource.namespaced) else {
        return Vec::new();
    };
    let keys = discovery::keys(inventory, kind);
    keys.iter().filter(|key| key.name == name).take(3).map(|key| key.namespace.to_string()).collect()
}

/// What was attempted on what.
fn what(doing: &str, resource: &ApiResource, namespace: Option<&str>) -> String {
    let kind = discovery::full_name(resource);
    match namespace {
        Some(namespace) => format!("{doing} {kind} in namespace {namespace}"),
        None => format!("{doing} {kind}"),
    }
}

fn paths(fields: &[String]) -> Result<Vec<Path>, Error> {
    if fields.len() > MOST_FIELDS {
        let why = format!("must have at most {MOST_FIELDS} paths, not {}", fields.len());
        return Err(Error::invalid("argument \"fields\"", why));
    }
    let parse = |text: &String| Path::parse(text).map_err(|why| Error::invalid("argument \"fields\"", why));
    fields.iter().map(parse).collect()
}

struct Projected {
    values: Map<String, Value>,
    absent: Vec<String>,
}

fn project(object: &Value, fields: &[Path]) -> Projected {
    let mut projected = Projected { values: Map::new(), absent: Vec::new() };
    for path in fields {
        let value = path.get(object).unwrap_or_else(|why| {
            let why = crate::text::line(&why, 300);
            projected.absent.push(format!("{}: {why}", path.text()));
            Value::Null
        });
        projected.values.insert(path.text().to_owned(), value);
    }
    projected
}

/// The object cut to the budget of a default answer, and the paths that were cut. Digests and ids cost twice the tokens
/// of words.
fn in_budget(object: Value) -> (Value, Vec<String>) {
    let mut cut = (Value::Null, Vec::new());
    for bytes in OBJECT {
        let mut shorter = object.clone();
        let paths = excerpt::cut(&mut shorter, bytes);
        cut = (shorter, paths);
        if crate::text::estimate_tokens(&cut.0.to_string()) <= TOKENS {
            break;
        }
    }
    cut
}

fn members(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// Takes out what the answer says beside the object, and identifiers that nobody asks about unless by name.
fn slim(object: &mut Value) {
    if let Value::Object(members) = object {
        members.remove("kind");
        members.remove("apiVersion");
        if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
            for member in ["name", "namespace", "uid", "resourceVersion", "generateName"] {
                metadata.remove(member);
            }
        }
    }
}

/// When the object was created, in seconds.
fn created(object: &Value) -> Option<i64> {
    let text = object.pointer("/metadata/creationTimestamp")?.as_str()?;
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

#[cfg(test)]
mod tests;
