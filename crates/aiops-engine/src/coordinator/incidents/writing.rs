//! Checks what a person writes as an incident: what is required, how long it may be, and which object it names.

use aiops_inventory::Kind;

use crate::{
    coordination::NewIncident,
    error::Error,
    issue::Severity,
    model::{incident::IncidentBody, target::Target},
    redact::Redactor,
};

/// Lengths are in bytes, as the Go engine counted them.
const TITLE: usize = 200;
const DESCRIPTION: usize = 2_000;
const TARGET: usize = 100;
/// Bounds that the Go engine did not have.
const ID: usize = 128;
const RESOURCE: usize = 300;
const RESOURCES: usize = 100;
const LABELS: usize = 64;
const LABEL_KEY: usize = 128;
const LABEL_VALUE: usize = 1_024;

/// What was written, checked.
#[derive(Debug)]
pub(super) struct Written {
    /// How bad.
    pub(super) severity: Severity,
    /// The namespace it is about, empty for the cluster.
    pub(super) namespace: String,
    /// The first object among those it affects.
    pub(super) object: Option<Target>,
    /// The issue that a label names.
    pub(super) issue: Option<String>,
    /// The rest.
    pub(super) body: IncidentBody,
}

/// Checks an incident, in the order in which the Go engine did. `field` and `why` of the error together make its
/// sentence, such as `title is required`.
pub(super) fn check(new: NewIncident) -> Result<Written, Error> {
    required("title", &new.title, TITLE)?;
    required("description", &new.description, DESCRIPTION)?;
    let severity = match new.severity.as_str() {
        "" => return Err(Error::invalid("severity", "is required")),
        "low" => Severity::Low,
        "medium" => Severity::Medium,
        "high" => Severity::High,
        "critical" => Severity::Critical,
        _ => return Err(Error::invalid("severity", "must be one of: low, medium, high, critical")),
    };
    let label = |key: &str| new.labels.get(key).filter(|value| !value.is_empty()).cloned();
    let target = new.target.filter(|target| !target.is_empty()).or_else(|| label("namespace"));
    let target = target.unwrap_or_else(|| "cluster".to_owned());
    within("target", &target, TARGET)?;
    if new.affected_resources.len() > RESOURCES {
        return Err(Error::invalid(
            "affected_resources",
            format!("must not have more than {RESOURCES} entries"),
        ));
    }
    for resource in &new.affected_resources {
        within("affected_resources", resource, RESOURCE)?;
    }
    if new.labels.len() > LABELS {
        return Err(Error::invalid("labels", format!("must not have more than {LABELS} entries")));
    }
    for (key, value) in &new.labels {
        within("labels", key, LABEL_KEY)?;
        within("labels", value, LABEL_VALUE)?;
    }
    let ids = [
        ("correlation_id", &new.correlation_id),
        ("external_id", &new.external_id),
        ("created_by", &new.created_by),
    ];
    for (field, id) in ids {
        within(field, id.as_deref().unwrap_or_default(), ID)?;
    }
    if new.confidence.is_some_and(|sure| !(0.0..=1.0).contains(&sure)) {
        return Err(Error::invalid("confidence", "must be between 0 and 1"));
    }
    let namespace = if target == "cluster" { String::new() } else { target.clone() };
    let object = new.affected_resources.iter().find_map(|text| object(text, &namespace));
    let issue = label("issue_type").or_else(|| label("issue"));
    let namespace = object.as_ref().map_or(namespace, |object| object.namespace.clone());
    let keep = |text: Option<String>| text.map(|text| kept(&text, ID)).filter(|text| !text.is_empty());
    let body = IncidentBody {
        title: kept(&new.title, TITLE),
        description: kept(&new.description, DESCRIPTION),
        reported_target: Some(kept(&target, TARGET)),
        affected_resources: new.affected_resources.iter().map(|text| kept(text, RESOURCE)).collect(),
        labels: new.labels.into_iter().map(|(key, value)| (key, kept(&value, LABEL_VALUE))).collect(),
        external_id: keep(new.external_id),
        correlation_id: keep(new.correlation_id),
        created_by: keep(new.created_by),
        confidence: new.confidence,
        ..IncidentBody::default()
    };
    Ok(Written { severity, namespace, object, issue, body })
}

fn required(field: &str, text: &str, most: usize) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::invalid(field, "is required"));
    }
    within(field, text, most)
}

fn within(field: &str, text: &str, most: usize) -> Result<(), Error> {
    if text.len() > most {
        return Err(Error::invalid(field, format!("must not exceed {most} characters")));
    }
    Ok(())
}

/// A text of others as it is kept: without credentials, and no longer than it may be.
pub(in crate::coordinator) fn kept(text: &str, most: usize) -> String {
    let mut kept = Redactor.redact(text).into_owned();
    if kept.len() > most {
        let end = (0..=most.saturating_sub('…'.len_utf8())).rev().find(|at| kept.is_char_boundary(*at));
        kept.truncate(end.unwrap_or(0));
        kept.push('…');
    }
    kept
}

/// The object that a text names: `Kind/namespace/name`, or `Kind/name` in the namespace that the incident is about. The
/// kind may be written as kubectl takes it.
fn object(text: &str, namespace: &str) -> Option<Target> {
    let parts: Vec<&str> = text.split('/').map(str::trim).collect();
    let (kind, namespace, name) = match parts.as_slice() {
        [kind, name] => (*kind, namespace, *name),
        [kind, namespace, name] => (*kind, *namespace, *name),
        _ => return None,
    };
    let is_name = |text: &str| {
        !text.is_empty()
            && text.len() <= 253
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c))
    };
    if !is_name(name) || !is_name(kind) || !(namespace.is_empty() || is_name(namespace)) {
        return None;
    }
    let known = Kind::ALL.into_iter().map(Kind::resource).find(|resource| {
        resource.kind.eq_ignore_ascii_case(kind) || resource.plural.eq_ignore_ascii_case(kind)
    });
    match known {
        Some(resource) if resource.namespaced && namespace.is_empty() => None,
        Some(resource) => {
            let namespace = if resource.namespaced { namespace } else { "" };
            Some(Target::known(resource.kind, namespace, name))
        }
        // Another kind is taken as it is written, when it is written as kinds are.
        None => {
            kind.starts_with(|c: char| c.is_ascii_uppercase()).then(|| Target::known(kind, namespace, name))
        }
    }
}
