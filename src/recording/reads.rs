//! Answers live reads from a recording: kinds, single objects, lists and logs.
//!
//! It can do no more than was recorded, and says so; it never writes. Selectors are tested on the objects' text.

use std::{
    ops::{Bound, ControlFlow},
    sync::Arc,
};

use aiops_engine::{
    error::{PortError, PortErrorKind},
    ports::{ApiResource, Cluster, ListOptions, LogRequest, ObjectPage},
};
use aiops_inventory::{
    Name,
    labels::{LabelSet, Selector},
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    catalog::{Catalog, KindEntry, ObjectKey, Stored},
    logs::{self, Window},
    spool::{Place, Spool},
};

/// Chunks of a log that wait for whoever reads it.
const CHUNKS: usize = 16;

/// A recording.
pub(super) struct Recorded(Arc<Inner>);

struct Inner {
    name: String,
    at: Timestamp,
    catalog: Catalog,
    spool: Spool,
}

impl Recorded {
    pub(super) fn new(name: String, at: Timestamp, catalog: Catalog, spool: Spool) -> Self {
        Self(Arc::new(Inner { name, at, catalog, spool }))
    }

    /// Files are read beside the threads that serve.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| {
            Err(fail(PortErrorKind::Internal, format!("reading the recording ended: {error}")))
        })
    }
}

fn fail(kind: PortErrorKind, message: String) -> PortError {
    PortError::new(kind, message)
}

#[async_trait]
impl Cluster for Recorded {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        Ok(self.0.catalog.resources())
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        let (resource, namespace, name) =
            (resource.clone(), namespace.unwrap_or_default().to_owned(), name.to_owned());
        self.beside(move |inner| {
            let entry = inner.kind(&resource)?;
            let key = (Box::from(namespace.as_str()), Box::from(name.as_str()));
            let stored = entry.objects.get(&key).ok_or_else(|| {
                let place = if namespace.is_empty() { name.clone() } else { format!("{namespace}/{name}") };
                let kind = &resource.kind;
                fail(PortErrorKind::NotFound, format!("the recording {} has no {kind} {place}", inner.name))
            })?;
            inner.object(stored)
        })
        .await
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        let (resource, namespace, options) =
            (resource.clone(), namespace.map(str::to_owned), options.clone());
        self.beside(move |inner| inner.list(&resource, namespace.as_deref(), &options)).await
    }

    async fn logs(
        &self,
        request: &LogRequest,
        sink: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        let (place, window) = self.0.log(request)?;
        let (send, mut receive) = tokio::sync::mpsc::channel::<Vec<u8>>(CHUNKS);
        let reading = self.beside(move |inner| {
            let mut out = |piece: &[u8]| match send.blocking_send(piece.to_vec()) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            };
            logs::cut(&|| inner.spool.reader(&place), &window, &mut out).map_err(|error| {
                let kind = match error {
                    logs::CutError::Timeless => PortErrorKind::Unsupported,
                    logs::CutError::Io(_) => PortErrorKind::Internal,
                };
                fail(kind, format!("the recorded log: {:#}", anyhow::Error::from(error)))
            })
        });
        // The receiver is dropped as soon as nobody listens, or the reading would wait for room for ever.
        let feeding = async move {
            while let Some(chunk) = receive.recv().await {
                if sink(&chunk).is_break() {
                    break;
                }
            }
        };
        let (done, ()) = tokio::join!(reading, feeding);
        done
    }

    async fn may(&self, verb: &str, group: &str, resource: &str, _: Option<&str>) -> Result<bool, PortError> {
        let is_read = matches!(verb, "get" | "list");
        let is_there = || self.0.catalog.resources().iter().any(|r| r.group == group && r.plural == resource);
        // Logs stand beside the objects, so that pods/log is asked for by that name.
        Ok(is_read && (resource == "pods/log" || is_there()))
    }
}

impl Inner {
    fn kind(&self, resource: &ApiResource) -> Result<&KindEntry, PortError> {
        self.catalog.kind(resource).ok_or_else(|| {
            let plural = &resource.plural;
            fail(
                PortErrorKind::Unsupported,
                format!(
                    "the recording {} has no {plural}; whether the cluster had any is not known",
                    self.name
                ),
            )
        })
    }

    fn object(&self, stored: &Stored) -> Result<Value, PortError> {
        let broken =
            |why: String| fail(PortErrorKind::Internal, format!("an object of the recording: {why}"));
        let text = self.spool.get(&stored.place).map_err(|error| broken(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))
    }

    fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        let entry = self.kind(resource)?;
        let invalid = |why: String| fail(PortErrorKind::Invalid, why);
        let labels = options.label_selector.as_deref().unwrap_or_default();
        let labels = Selector::parse(labels).map_err(|error| invalid(error.to_string()))?;
        let fields = fields(options.field_selector.as_deref().unwrap_or_default()).map_err(invalid)?;
        let after = match options.continue_token.as_deref() {
            None => Bound::Unbounded,
            Some(token) => Bound::Excluded(begin(token).ok_or_else(|| {
                fail(
                    PortErrorKind::Expired,
                    "the continue token is none of this recording; begin again".to_owned(),
                )
            })?),
        };
        let limit = usize::try_from(options.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let selects = !labels.is_empty() || !fields.is_empty();
        let rest = entry.objects.range::<ObjectKey, _>((after, Bound::Unbounded));
        let mut rest = rest.filter(|((ns, _), _)| namespace.is_none_or(|wanted| **ns == *wanted));
        let mut page = ObjectPage::default();
        let mut last = None;
        for (key, stored) in rest.by_ref() {
            let object = self.object(stored)?;
            if !matches(&object, &labels, &fields) {
                continue;
            }
            if page.items.len() == limit {
                page.continue_token = last;
                // The one that did not fit was taken off the rest.
                page.remaining = (!selects).then(|| u64::try_from(rest.count() + 1).unwrap_or(u64::MAX));
                return Ok(page);
            }
            last = Some(format!("{}/{}", key.0, key.1));
            page.items.push(object);
        }
        Ok(page)
    }

    /// Where the asked log is, and which part of it.
    fn log(&self, request: &LogRequest) -> Result<(Place, Window), PortError> {
        let LogRequest { namespace, pod, container, .. } = request;
        let of_pod = || {
            let from = (Box::from(namespace.as_str()), Box::from(pod.as_str()), None);
            self.catalog.logs.range(from..).take_while(|((ns, p, _), _)| **ns == **namespace && **p == **pod)
        };
        let found = match container {
            Some(container) => of_pod().find(|((.., c), _)| c.as_deref().is_none_or(|c| c == container)),
            None if of_pod().count() > 1 => {
                let names: Vec<&str> = of_pod().filter_map(|((.., c), _)| c.as_deref()).collect();
                let why = format!(
                    "pod {namespace}/{pod} has several recorded logs; name the container: {}",
                    names.join(", ")
                );
                return Err(fail(PortErrorKind::Invalid, why));
            }
            None => of_pod().next(),
        };
        let place =
            found.and_then(|(_, logs)| if request.previous { &logs.previous } else { &logs.current }.clone());
        let place = place.ok_or_else(|| {
            let which = if request.previous { "previous log" } else { "log" };
            let of = container.as_ref().map(|c| format!("container {c} of ")).unwrap_or_default();
            let other = match found {
                Some(_) if request.previous => "; the current one was recorded",
                Some(_) => "; the previous one was recorded",
                None => "; a recording has the logs that were saved with it, and no others",
            };
            let why =
                format!("the recording {} has no {which} of {of}pod {namespace}/{pod}{other}", self.name);
            fail(PortErrorKind::Unsupported, why)
        })?;
        let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
        let since = request
            .since_seconds
            .map(|s| self.at.saturating_sub(SignedDuration::from_secs(s)).unwrap_or(self.at));
        let sectioned = found.is_some_and(|((.., c), _)| c.is_none());
        let section = container.clone().filter(|_| sectioned);
        Ok((
            place,
            Window { since, tail: number(request.tail_lines), limit: number(request.limit_bytes), section },
        ))
    }
}

fn begin(token: &str) -> Option<ObjectKey> {
    let (namespace, name) = token.split_once('/')?;
    Some((namespace.into(), name.into()))
}

/// One condition of a field selector: path, value, and whether it must be equal.
type Field<'a> = (Vec<&'a str>, &'a str, bool);

fn fields(selector: &str) -> Result<Vec<Field<'_>>, String> {
    let parts = selector.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (path, value, equal) = [("!=", false), ("==", true), ("=", true)]
                .into_iter()
                .find_map(|(sign, equal)| part.split_once(sign).map(|(path, value)| (path, value, equal)))
                .ok_or_else(|| {
                    format!("field selector {part:?} is not of the form metadata.name=x or a!=b")
                })?;
            Ok((path.trim().split('.').collect(), value.trim(), equal))
        })
        .collect()
}

fn matches(object: &Value, labels: &Selector, fields: &[Field<'_>]) -> bool {
    fields.iter().all(|(path, wanted, equal)| {
        let value = path.iter().try_fold(object, |value, part| value.get(part));
        let text = match value {
            Some(Value::String(text)) => text.clone(),
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        (text == *wanted) == *equal
    }) && (labels.is_empty() || labels.matches(&labels_of(object)))
}

fn labels_of(object: &Value) -> LabelSet {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let pairs = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((Name::from(key.as_str()), Name::from(value.as_str()?))));
    let mut pairs: Vec<(Name, Name)> = pairs.collect();
    pairs.sort();
    LabelSet(pairs.into())
}
