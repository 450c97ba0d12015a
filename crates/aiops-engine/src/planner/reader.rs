//! Live reads for planning: one object, or a bounded list, each within a deadline.
//!
//! A list that was not read to its end says so; nothing here judges what was read. What was not answered now, and may be in
//! a moment, is remembered: it is no fact that a plan could rest on.

use std::{future::Future, time::Duration};

use aiops_inventory::Kind;
use parking_lot::Mutex;
use serde_json::Value;

use crate::{
    deeds::Sight,
    discovery,
    error::{Error, PortError, PortErrorKind},
    model::target::Target,
    ports::{ApiResource, Cluster, ListOptions},
};

/// A read that takes longer than this is given up.
const DEADLINE: Duration = Duration::from_secs(5);

/// Reads one cluster.
pub(crate) struct Reader<'a> {
    cluster: &'a dyn Cluster,
    kinds: Vec<ApiResource>,
    /// The first read that had no answer, though it may have one in a moment.
    unanswered: Mutex<Option<PortError>>,
    /// The same of reads that only make evidence better.
    unheard: Mutex<Option<PortError>>,
}

/// What a list was read of.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// The objects.
    pub(crate) items: Vec<Value>,
    /// Why it is not whole, when it is not.
    pub(crate) gap: Option<String>,
}

impl<'a> Reader<'a> {
    /// A reader of what the cluster serves.
    ///
    /// # Errors
    /// Discovery cannot be read.
    pub(crate) async fn new(cluster: &'a dyn Cluster, what: &str) -> Result<Self, Error> {
        let kinds = in_time(cluster.resources()).await.map_err(|error| Error::from_port(what, error))?;
        Ok(Self { cluster, kinds, unanswered: Mutex::default(), unheard: Mutex::default() })
    }

    /// Whether everything that was asked had its answer, if only that it is not there or may not be read. `is_enough`: what
    /// was found can do without the evidence that was not heard.
    ///
    /// # Errors
    /// The first read that may be answered in a moment.
    pub(crate) fn answered(&self, what: &str, is_enough: bool) -> Result<(), Error> {
        let unanswered = self.unanswered.lock().clone();
        let unheard = || self.unheard.lock().clone().filter(|_| !is_enough);
        unanswered.or_else(unheard).map_or(Ok(()), |error| Err(Error::from_port(what, error)))
    }

    /// Notes a read that had no answer.
    fn missed(&self, subject: &str, kind: &str, error: &PortError) {
        if !error.kind.is_passing() {
            return;
        }
        let place = if kind == "Event" { &self.unheard } else { &self.unanswered };
        let why = crate::text::line(&error.message, 300);
        let message =
            format!("{subject} could not be read now, and what is not known is not planned on: {why}");
        place.lock().get_or_insert_with(|| PortError { message, ..error.clone() });
    }

    /// The kind that a caller means, however spelt.
    pub(crate) fn kind(&self, spelt: &str) -> Result<&ApiResource, Error> {
        discovery::find(&self.kinds, spelt)
    }

    /// How the cluster serves a kind; `None` when it does not.
    pub(crate) fn resource(&self, group: &str, kind: &str) -> Option<ApiResource> {
        let served = self.kinds.iter().find(|known| known.group == group && known.kind == kind);
        served.cloned().or_else(|| built_in(group, kind))
    }

    /// Whether a kind of any version is served.
    pub(crate) fn serves(&self, group: &str, kind: &str) -> bool {
        self.kinds.iter().any(|known| known.group == group && known.kind == kind)
    }

    /// One object.
    pub(crate) async fn get(&self, target: &Target) -> Result<Value, PortError> {
        let Some(resource) = self.resource(&target.group, &target.kind) else {
            let why = format!("the cluster serves no {} of group {:?}", target.kind, target.group);
            return Err(PortError::new(PortErrorKind::NotFound, why));
        };
        // Names come from marks and owner references too, which are other people's text.
        discovery::check_name("name", &target.name)
            .map_err(|error| PortError::new(PortErrorKind::Invalid, error.to_string()))?;
        let namespace = (resource.namespaced && !target.namespace.is_empty()).then_some(&*target.namespace);
        let read = in_time(self.cluster.get(&resource, namespace, &target.name)).await;
        let mut object = read.inspect_err(|error| self.missed(&target.to_string(), &target.kind, error))?;
        name_kind(&mut object, &resource);
        Ok(object)
    }

    /// One revision of a Helm release.
    pub(crate) async fn release(
        &self,
        namespace: &str,
        name: &str,
        revision: i64,
    ) -> Result<Sight, PortError> {
        let read = in_time(self.cluster.release(namespace, name, revision)).await;
        let subject = || format!("revision {revision} of the Helm release {namespace}/{name}");
        let read = read.inspect_err(|error| self.missed(&subject(), "Release", error))?;
        Ok(Sight::Release { status: read.status, objects: read.objects, has_hooks: read.has_hooks })
    }

    /// At most `most` objects of a kind; none of a kind that is not served.
    pub(crate) async fn list(
        &self,
        (group, kind): (&str, &str),
        namespace: Option<&str>,
        (label_selector, field_selector): (Option<String>, Option<String>),
        most: u32,
    ) -> Listed {
        let Some(resource) = self.resource(group, kind) else { return Listed::default() };
        let options = ListOptions { label_selector, field_selector, limit: most, continue_token: None };
        match in_time(self.cluster.list(&resource, namespace, &options)).await {
            Ok(mut page) => {
                page.items.iter_mut().for_each(|item| name_kind(item, &resource));
                let gap = page
                    .continue_token
                    .map(|_| format!("more than {most} {} were not read", resource.plural));
                Listed { items: page.items, gap }
            }
            Err(error) if error.kind == PortErrorKind::NotFound => Listed::default(),
            Err(error) => {
                self.missed(&resource.plural, kind, &error);
                let why = crate::text::line(&error.message, 160);
                Listed {
                    items: Vec::new(),
                    gap: Some(format!("{} could not be read: {why}", resource.plural)),
                }
            }
        }
    }
}

/// Entries of a list come without `apiVersion` and `kind`, which marks are compared with.
fn name_kind(object: &mut Value, resource: &ApiResource) {
    if let Some(members) = object.as_object_mut() {
        members.entry("kind").or_insert_with(|| resource.kind.clone().into());
        members.entry("apiVersion").or_insert_with(|| discovery::api_version(resource).into());
    }
}

async fn in_time<T>(read: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
    tokio::time::timeout(DEADLINE, read).await.unwrap_or_else(|_| {
        let why = format!("the API server did not answer within {} s", DEADLINE.as_secs());
        let mut error = PortError::new(PortErrorKind::Timeout, why);
        error.after = Some(DEADLINE);
        Err(error)
    })
}

/// Kinds that every cluster serves, for one whose discovery leaves some out (a recording).
fn built_in(group: &str, kind: &str) -> Option<ApiResource> {
    let known = Kind::ALL
        .into_iter()
        .map(Kind::resource)
        .find(|r| r.group == group && r.kind == kind && !r.group.ends_with("openshift.io"));
    let (version, plural, namespaced) = match known {
        Some(known) => (known.version, known.plural, known.namespaced),
        None if (group, kind) == ("apps", "ControllerRevision") => ("v1", "controllerrevisions", true),
        None => return None,
    };
    Some(ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        singular: String::new(),
        short_names: Vec::new(),
        namespaced,
        verbs: Vec::new(),
    })
}
