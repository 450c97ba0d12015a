//! Field selectors over pod rows: the fields the API server supports for pods, answered from memory.

use aiops_inventory::rows::PodRow;

use crate::error::Error;

/// One requirement on a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    path: &'static str,
    value: String,
    negated: bool,
}

const PATHS: [&str; 8] = [
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
    "spec.restartPolicy",
];
/// Supported by the API server, but not kept in rows.
const NOT_KEPT: [&str; 2] = ["status.nominatedNodeName", "spec.restartPolicy"];

/// Parses `status.phase=Running,spec.nodeName!=node-1`.
pub fn parse(text: Option<&str>) -> Result<Vec<Field>, Error> {
    let fail = |why: String| Error::invalid("argument \"field_selector\"", why);
    let mut fields = Vec::new();
    for part in text.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (path, value, negated) = if let Some((path, value)) = part.split_once("!=") {
            (path, value, true)
        } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            (path, value, false)
        } else {
            let shown: String = part.chars().take(80).collect();
            return Err(fail(format!("{shown:?} has no = or !=; write it as status.phase=Pending")));
        };
        let kept = PATHS.into_iter().find(|p| *p == path.trim() && !NOT_KEPT.contains(p));
        let Some(path) = kept else {
            let shown: String = path.chars().take(80).collect();
            let kept: Vec<&str> = PATHS.into_iter().filter(|p| !NOT_KEPT.contains(p)).collect();
            return Err(fail(format!(
                "field {shown:?} is not supported for pods; use one of {}",
                kept.join(", ")
            )));
        };
        fields.push(Field { path, value: value.trim().to_owned(), negated });
    }
    Ok(fields)
}

impl Field {
    /// Whether a pod fulfils the requirement.
    pub fn matches(&self, pod: &PodRow) -> bool {
        let ip = pod.ip.map(|ip| ip.to_string());
        let actual = match self.path {
            "metadata.name" => pod.meta.key.name.as_str(),
            "metadata.namespace" => pod.meta.key.namespace.as_str(),
            "spec.nodeName" => pod.node.as_deref().unwrap_or_default(),
            "spec.serviceAccountName" => pod.service_account.as_str(),
            "status.phase" => pod.phase.as_str(),
            _ => ip.as_deref().unwrap_or_default(),
        };
        (actual == self.value) != self.negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_parse_or_say_what_is_supported() {
        assert_eq!(parse(Some("status.phase=Pending, spec.nodeName!=a")).unwrap().len(), 2);
        assert!(parse(None).unwrap().is_empty());
        for bad in ["phase", "status.phase", "spec.restartPolicy=Always", "a.b=../x"] {
            assert!(parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
