//! Takes in single objects: whose they are, what of their text is kept, and the row they make.
//!
//! Of a Secret nothing is kept but its metadata and type. Which file an object stands in matters only where the object
//! and its list do not tell the kind.

use std::borrow::Cow;

use aiops_inventory::{Change, Kind};
use serde::Deserialize;

use super::Load;
use crate::recording::{
    catalog::Stored,
    documents::{self, Head, Text},
    kinds, layout,
    spool::Place,
};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Manifest<'a> {
    #[serde(borrow)]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    metadata: Option<Meta<'a>>,
    #[serde(borrow)]
    server_version: Option<Version<'a>>,
    #[serde(borrow)]
    git_version: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta<'a> {
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resource_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    creation_timestamp: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Version<'a> {
    #[serde(borrow)]
    git_version: Option<Cow<'a, str>>,
}

impl documents::Sink for Load {
    fn object(&mut self, text: Text<'_>, head: &Head) -> anyhow::Result<()> {
        let read: Manifest<'_> = match serde_json::from_str(text.as_str()) {
            Ok(read) => read,
            Err(error) => {
                self.note(format!("{}: an object cannot be read: {error}", self.path));
                return Ok(());
            }
        };
        let version = read.server_version.and_then(|version| version.git_version).or(read.git_version);
        if let Some(version) = version {
            self.version = version.into_owned();
            return Ok(());
        }
        let meta = read.metadata.unwrap_or_default();
        let name = meta.name.unwrap_or_default();
        let told = (read.api_version.unwrap_or_default(), read.kind.unwrap_or_default());
        let of_list = head.kind.strip_suffix("List").filter(|kind| head.is_list && !kind.is_empty());
        let is_told = !told.1.is_empty();
        let (api_version, kind) = match (told, of_list) {
            (told, _) if !told.1.is_empty() => (told.0.into_owned(), told.1.into_owned()),
            (_, Some(kind)) => (head.api_version.clone(), kind.to_owned()),
            _ => kinds::of_word(layout::stem(&self.path)).map(|(v, k)| (v, k.to_owned())).unwrap_or_default(),
        };
        if name.is_empty() || kind.is_empty() {
            self.note(format!(
                "{}: something is no Kubernetes object (it has no kind or no name)",
                self.path
            ));
            return Ok(());
        }
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
        // Events have two groups and are one kind.
        let group = if kind == "Event" { "" } else { group };
        let namespace = meta.namespace.unwrap_or_default();
        let key = (Box::from(&*namespace), Box::from(&*name));
        let resource_version = meta.resource_version.and_then(|version| version.parse().ok()).unwrap_or(0);
        if !self.catalog.wants(group, &kind, &key, resource_version) {
            return Ok(());
        }
        let kept = kept(text.as_str(), &api_version, &kind, is_told)?;
        let whole = kept.as_deref().unwrap_or_else(|| text.as_str());
        if let Some(row) = Kind::of_manifest(&api_version, &kind) {
            self.kinds.insert(row);
            let applied =
                self.inventory.change(|inventory| inventory.apply(row, Change::Applied(whole.as_bytes())));
            if let Err(error) = applied {
                let error = anyhow::Error::from(error);
                self.note(format!("{}: {kind} {namespace}/{name} has no row: {error:#}", self.path));
            }
        }
        if kind == "Namespace" && name == "kube-system" {
            self.uid = meta.uid.unwrap_or_default().into_owned();
        }
        if kind == "CustomResourceDefinition" {
            kinds::defined(whole).into_iter().for_each(|resource| self.catalog.define(resource));
        }
        if let Some(gathered) = layout::gathered_namespace(&self.path) {
            self.gathered.insert(gathered.to_owned());
        }
        self.newest = self.newest.max(meta.creation_timestamp.and_then(|at| at.parse().ok()));
        let place = match (&text, &kept) {
            (Text::Fixed(text), None) => Place::Embedded(text.as_bytes()),
            _ => self.spool.put(whole.as_bytes())?,
        };
        self.catalog.insert(group, version, &kind, key, Stored { place, version: resource_version });
        Ok(())
    }

    fn list(&mut self, head: &Head) {
        let of_list = head.kind.strip_suffix("List").filter(|kind| !kind.is_empty());
        let of_file = || kinds::of_word(layout::stem(&self.path));
        let (api_version, kind) = match (of_list, of_file()) {
            (Some(kind), _) => (head.api_version.clone(), kind),
            (None, Some((api_version, kind))) => (api_version, kind),
            (None, None) => return,
        };
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
        self.catalog.touch(if kind == "Event" { "" } else { group }, version, kind);
    }
}

/// The text to keep when it is not the text that was read: with the kind that only the list told, or without the data
/// of a Secret.
fn kept(text: &str, api_version: &str, kind: &str, is_told: bool) -> anyhow::Result<Option<String>> {
    let is_secret = kind == "Secret" && !api_version.contains('/');
    if !is_secret && is_told {
        return Ok(None);
    }
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    if is_secret {
        object.remove("data");
        object.remove("stringData");
        // It repeats the data.
        let annotations = object.get_mut("metadata").and_then(|meta| meta.get_mut("annotations"));
        if let Some(annotations) = annotations.and_then(serde_json::Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    Ok(Some(serde_json::Value::Object(object).to_string()))
}
