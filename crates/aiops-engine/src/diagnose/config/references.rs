//! Where the spec of a pod names ConfigMaps, Secrets and their keys: environments, volumes, projected volumes.

use serde_json::Value;

use crate::diagnose::document::Document;

/// A place in the spec that names a ConfigMap or a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) is_secret: bool,
    pub(crate) name: String,
    /// The key it wants; without one the whole object.
    pub(crate) key: Option<String>,
    pub(crate) optional: bool,
    /// Path of the name.
    pub(super) name_at: String,
    /// Path of the key.
    pub(super) key_at: Option<String>,
    /// The container whose environment needs it; without one a volume does.
    pub(crate) container: Option<String>,
    /// Name of the environment variable, when one does.
    pub(super) variable: Option<String>,
}

impl Reference {
    pub(super) fn kind(&self) -> &'static str {
        if self.is_secret { "Secret" } else { "ConfigMap" }
    }
}

/// Everything a pod points at. At most 200: a spec may name thousands, and each costs a look.
pub(crate) fn references(pod: &Document) -> Vec<Reference> {
    let mut found = Vec::new();
    for (list, _) in [("spec.initContainers", ()), ("spec.containers", ())] {
        for (index, spec) in pod.list(list).iter().enumerate() {
            let name = spec.get("name").and_then(Value::as_str).unwrap_or_default();
            of_container(pod, &format!("{list}[{index}]"), name, &mut found);
        }
    }
    for index in 0..pod.list("spec.volumes").len() {
        let volume = format!("spec.volumes[{index}]");
        of_volume(pod, &format!("{volume}.configMap"), "name", false, &mut found);
        of_volume(pod, &format!("{volume}.secret"), "secretName", true, &mut found);
        for source in 0..pod.list(&format!("{volume}.projected.sources")).len() {
            let source = format!("{volume}.projected.sources[{source}]");
            of_volume(pod, &format!("{source}.configMap"), "name", false, &mut found);
            of_volume(pod, &format!("{source}.secret"), "name", true, &mut found);
        }
    }
    found.truncate(200);
    found
}

fn of_container(pod: &Document, at: &str, container: &str, found: &mut Vec<Reference>) {
    let is_optional = |path: &str| pod.at(&format!("{path}.optional")) == &Value::Bool(true);
    for index in 0..pod.list(&format!("{at}.env")).len() {
        let env = format!("{at}.env[{index}]");
        for (member, is_secret) in [("configMapKeyRef", false), ("secretKeyRef", true)] {
            let path = format!("{env}.valueFrom.{member}");
            if pod.at(&path).is_object() {
                let key_at = format!("{path}.key");
                found.push(Reference {
                    is_secret,
                    name: pod.text(&format!("{path}.name")).to_owned(),
                    key: Some(pod.text(&key_at).to_owned()),
                    optional: is_optional(&path),
                    name_at: format!("{path}.name"),
                    key_at: Some(key_at),
                    container: Some(container.to_owned()),
                    variable: Some(pod.text(&format!("{env}.name")).to_owned()),
                });
            }
        }
    }
    for index in 0..pod.list(&format!("{at}.envFrom")).len() {
        for (member, is_secret) in [("configMapRef", false), ("secretRef", true)] {
            let path = format!("{at}.envFrom[{index}].{member}");
            if pod.at(&path).is_object() {
                found.push(Reference {
                    is_secret,
                    name: pod.text(&format!("{path}.name")).to_owned(),
                    key: None,
                    optional: is_optional(&path),
                    name_at: format!("{path}.name"),
                    key_at: None,
                    container: Some(container.to_owned()),
                    variable: None,
                });
            }
        }
    }
}

fn of_volume(pod: &Document, path: &str, name: &str, is_secret: bool, found: &mut Vec<Reference>) {
    if !pod.at(path).is_object() {
        return;
    }
    let whole = Reference {
        is_secret,
        name: pod.text(&format!("{path}.{name}")).to_owned(),
        key: None,
        optional: pod.at(&format!("{path}.optional")) == &Value::Bool(true),
        name_at: format!("{path}.{name}"),
        key_at: None,
        container: None,
        variable: None,
    };
    let items = pod.list(&format!("{path}.items")).len();
    for index in 0..items {
        let key_at = format!("{path}.items[{index}].key");
        found.push(Reference {
            key: Some(pod.text(&key_at).to_owned()),
            key_at: Some(key_at),
            ..whole.clone()
        });
    }
    if items == 0 {
        found.push(whole);
    }
}
