//! The model as the port of live reads.
//!
//! Field selectors are compared with the members that the API server indexes; another one is refused as it refuses it.

use std::ops::ControlFlow;

use aiops_inventory::labels::{LabelSet, Selector};
use async_trait::async_trait;
use serde_json::Value;

use super::{
    Key, Model,
    json::{has, items, take, text},
};
use crate::{
    error::{PortError, PortErrorKind},
    ports::{ApiResource, Cluster, ListOptions, LogRequest, ObjectPage, ReleaseRevision},
};

/// The object as a reader gets it: Secrets without what they hold.
fn shown(object: &Value) -> Value {
    let mut object = object.clone();
    if text(&object, "/kind") == "Secret" {
        take(&mut object, "/data");
        take(&mut object, "/stringData");
    }
    object
}

fn labels(object: &Value) -> LabelSet {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let mut pairs: Vec<_> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str().into(), value.as_str().unwrap_or_default().into()))
        .collect();
    pairs.sort();
    LabelSet(pairs.into())
}

fn passes_fields(object: &Value, selector: &str) -> Result<bool, PortError> {
    for part in selector.split(',').filter(|part| !part.is_empty()) {
        let (path, value, is_equal) = if let Some((path, value)) = part.split_once("!=") {
            (path, value, false)
        } else {
            let (path, value) = part.split_once('=').unwrap_or((part, ""));
            (path, value.trim_start_matches('='), true)
        };
        let known = [
            "metadata.name",
            "metadata.namespace",
            "spec.nodeName",
            "status.phase",
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.uid",
            "type",
            "reason",
        ];
        if !known.contains(&path) {
            let message = format!("field label not supported: {path}");
            return Err(PortError::new(PortErrorKind::Invalid, message));
        }
        let found = text(object, &format!("/{}", path.replace('.', "/")));
        if (found == value) != is_equal {
            return Ok(false);
        }
    }
    Ok(true)
}

#[async_trait]
impl Cluster for Model {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        Ok(self.with(|world| world.kinds.to_vec()))
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        let key = Key::new(&resource.kind, namespace.unwrap_or_default(), name);
        self.with(|world| world.get(&key)).map(|object| shown(&object)).ok_or_else(|| {
            PortError::new(PortErrorKind::NotFound, format!("{} {name:?} not found", resource.plural))
        })
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        let selector = Selector::parse(options.label_selector.as_deref().unwrap_or_default())
            .map_err(|error| PortError::new(PortErrorKind::Invalid, error.to_string()))?;
        let fields = options.field_selector.as_deref().unwrap_or_default();
        let after = options.continue_token.as_deref().unwrap_or_default();
        let limit = if options.limit == 0 {
            usize::MAX
        } else {
            usize::try_from(options.limit).unwrap_or(usize::MAX)
        };
        let mut page = ObjectPage::default();
        let mut last = String::new();
        let mut rest: u64 = 0;
        let found = self.with(|world| match namespace {
            Some(namespace) => world.within(&resource.kind, namespace),
            None => world.of_kind(&resource.kind),
        });
        for (key, object) in found {
            let place = format!("{}/{}", key.namespace, key.name);
            let is_asked = place.as_str() > after
                && selector.matches(&labels(&object))
                && passes_fields(&object, fields)?;
            if !is_asked {
                continue;
            }
            if page.items.len() < limit {
                page.items.push(shown(&object));
                last = place;
            } else {
                rest = rest.saturating_add(1);
            }
        }
        if rest > 0 {
            page.continue_token = Some(last);
            let is_plain = options.label_selector.is_none() && options.field_selector.is_none();
            page.remaining = is_plain.then_some(rest);
        }
        Ok(page)
    }

    async fn logs(
        &self,
        request: &LogRequest,
        sink: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        let pod = self.object(&Key::new("Pod", &request.namespace, &request.pod)).ok_or_else(|| {
            PortError::new(PortErrorKind::NotFound, format!("pods {:?} not found", request.pod))
        })?;
        let first = items(&pod, "/spec/containers").next().map(|c| text(c, "/name").to_owned());
        let container = request.container.clone().or(first).unwrap_or_default();
        let key = (request.namespace.clone(), request.pod.clone(), container.clone(), request.previous);
        let kept = self.with(|world| world.logs.get(&key).cloned());
        let standing = items(&pod, "/status/containerStatuses").find(|c| text(c, "/name") == container);
        let log = match (kept, standing) {
            (Some(log), _) => log,
            (None, Some(standing)) if has(standing, "/state/running") && !request.previous => {
                format!("{} started\n", text(standing, "/image")).into_bytes()
            }
            _ => {
                let message = format!("container {container:?} in pod {:?} has no log", request.pod);
                return Err(PortError::new(PortErrorKind::Invalid, message));
            }
        };
        let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
        let tail = request.tail_lines.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        for line in lines.iter().skip(lines.len().saturating_sub(tail)) {
            if sink(line).is_break() {
                break;
            }
        }
        Ok(())
    }

    async fn may(
        &self,
        verb: &str,
        _group: &str,
        resource: &str,
        _namespace: Option<&str>,
    ) -> Result<bool, PortError> {
        Ok(self.with(|world| !world.denied.contains(&(verb.to_owned(), resource.to_owned()))))
    }

    async fn release(
        &self,
        namespace: &str,
        name: &str,
        revision: i64,
    ) -> Result<ReleaseRevision, PortError> {
        self.revision(namespace, name, revision).ok_or_else(|| {
            let message = format!("revision {revision} of the release {namespace}/{name} not found");
            PortError::new(PortErrorKind::NotFound, message)
        })
    }
}
