//! How a workload is deployed, from the marks on it and on its owners, with the evidence for each: whoever deployed it
//! owns it, and is asked instead of being fought.
//!
//! The methods and confidences are the Go engine's; unlike it, the whole owner chain counts, an Argo CD tracking id is
//! read and compared with the object that carries it, and the writers in `managedFields` are evidence. It reads nothing
//! and guesses nothing: what no mark says is `manual`, and what was not looked at is `unknown`.

mod marks;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use self::marks::{Tracking, custom_owner, is_written_by, managers, tracking};
pub use self::rows::from_rows;
use crate::{
    model::{
        method::{DeployMethod, Deployed},
        target::Target,
    },
    planner::value::{annotation, label, text},
    text::line,
};

/// Where KEDA says which of its objects made an autoscaler.
const KEDA: &str = "scaledobject.keda.sh/name";

/// Who owns what of a workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Ownership {
    /// The answer for doors and plans.
    pub deployed: Deployed,
    /// The Argo CD Application that manages the workload itself; its namespace is empty until it was looked for.
    pub application: Option<Target>,
    /// The Helm release that it belongs to: namespace and name.
    pub release: Option<(String, String)>,
    /// The Flux object that reconciles it.
    pub flux: Option<Target>,
    /// The operator's resource that controls it, by owner references.
    pub resource: Option<Target>,
    /// OLM installed it: the ClusterServiceVersion or subscription that says so.
    pub olm: Option<String>,
    /// The operator that its label names, where no owner reference does.
    pub operator: Option<String>,
    /// The autoscaler that owns its replicas.
    pub autoscaler: Option<Target>,
    /// The KEDA object behind that autoscaler.
    pub keda: Option<String>,
    /// The vertical autoscaler that owns its requests.
    pub vertical: Option<Target>,
}

/// Judges a workload by its own object and its owners, nearest first, and by the autoscalers of its namespace
/// (HorizontalPodAutoscalers and VerticalPodAutoscalers, in any order).
pub fn detect(chain: &[Value], autoscalers: &[Value]) -> Ownership {
    let Some(object) = chain.first() else {
        return Ownership::of(Deployed::unknown("the object was not read"));
    };
    let mut found = read_marks(object, chain);
    found.deployed = decide(object, &found);
    found.find_autoscalers(object, autoscalers);
    found.deployed.also = found.also(object, chain);
    let writers = managers(object);
    if !writers.is_empty() {
        found.deployed.details.insert("field_managers".to_owned(), line(&writers.join(", "), 120));
    }
    found
}

fn read_marks(object: &Value, chain: &[Value]) -> Ownership {
    let mut found = Ownership::of(Deployed::unknown("not judged yet"));
    let namespace = text(object, "/metadata/namespace");
    found.resource = chain.iter().find_map(custom_owner);
    if let Some(csv) = found.resource.take_if(|owner| owner.kind == "ClusterServiceVersion") {
        found.olm = Some(format!("ClusterServiceVersion {}", csv.name));
    } else if let Some(owner) = label(object, "olm.owner") {
        let kind = label(object, "olm.owner.kind").unwrap_or("ClusterServiceVersion");
        found.olm = Some(format!("{} {}", line(kind, 60), line(owner, 120)));
    }
    found.flux = marks::flux(object);
    found.application = application(object, found.resource.is_some());
    if let Some(name) = annotation(object, "meta.helm.sh/release-name") {
        let within = annotation(object, "meta.helm.sh/release-namespace").unwrap_or(namespace);
        // A release whose objects a custom resource controls was made by an operator that is built on Helm.
        if found.resource.is_none() {
            found.release = Some((within.to_owned(), name.to_owned()));
        }
    }
    let managed_by = label(object, "app.kubernetes.io/managed-by").unwrap_or_default();
    let lower = managed_by.to_ascii_lowercase();
    if lower.contains("operator") && !lower.contains("helm") {
        found.operator = Some(line(managed_by, 120));
    }
    found
}

/// The Application that manages this object: by a tracking id that names the object itself, by Argo CD's own label, or,
/// where Argo CD's controller wrote the object's spec, by the label that it tracks by.
fn application(object: &Value, is_controlled: bool) -> Option<Target> {
    let app = |namespace: &str, name: &str| Target::new("argoproj.io", "Application", namespace, name);
    if let Some(Tracking { namespace, name, is_its_own: true }) = tracking(object) {
        return Some(app(&namespace, &name));
    }
    // A label is copied to what an operator makes; a controlled object is the operator's.
    if is_controlled || tracking(object).is_some() {
        return None;
    }
    if let Some(name) = label(object, "argocd.argoproj.io/instance") {
        return Some(app("", name));
    }
    let by_argo = is_written_by(object, "argocd-controller");
    label(object, "app.kubernetes.io/instance").filter(|_| by_argo).map(|name| app("", name))
}

/// The method, in the Go engine's order: Argo CD, Helm, an operator, people.
fn decide(object: &Value, found: &Ownership) -> Deployed {
    let mut details = BTreeMap::new();
    let mut detail = |key: &str, value: &str| {
        if !value.is_empty() {
            details.insert(key.to_owned(), line(value, 200));
        }
    };
    let (method, source, owner) = if let Some(application) = &found.application {
        let source = if let Some(id) = annotation(object, marks::TRACKING) {
            detail("tracking_id", id);
            format!("annotation:{}", marks::TRACKING)
        } else if label(object, "argocd.argoproj.io/instance").is_some() {
            "label:argocd.argoproj.io/instance".to_owned()
        } else {
            "managedFields:argocd-controller".to_owned()
        };
        detail("argocd_app", &application.name);
        detail("app_name", label(object, "argocd.argoproj.io/instance").unwrap_or_default());
        (DeployMethod::Argocd, source, Some(application.clone()))
    } else if let Some((namespace, name)) = &found.release {
        detail("release_name", name);
        detail("release_namespace", namespace);
        detail("chart", label(object, "helm.sh/chart").unwrap_or_default());
        (DeployMethod::Helm, "annotation:meta.helm.sh/release-name".to_owned(), found.flux.clone())
    } else if let Some(flux) = found.flux.clone() {
        detail("operator", "Flux");
        detail("managed_by", &flux.to_string());
        // A HelmRelease makes a release, whose annotation may have been stripped.
        let method = if flux.kind == "HelmRelease" { DeployMethod::Helm } else { DeployMethod::Operator };
        (method, format!("label:{}/name", flux.group), Some(flux))
    } else if let Some(resource) = found.resource.clone() {
        detail("operator", &resource.kind);
        detail("managed_by", &resource.to_string());
        let source = format!("ownerReferences:{}/{}", resource.kind, resource.name);
        (DeployMethod::Operator, source, Some(resource))
    } else if let Some(olm) = &found.olm {
        detail("operator", "OLM");
        detail("managed_by", olm);
        let by_reference = label(object, "olm.owner").is_none();
        let source = if by_reference { "ownerReferences:ClusterServiceVersion" } else { "label:olm.owner" };
        (DeployMethod::Operator, source.to_owned(), None)
    } else if let Some(operator) = &found.operator {
        detail("operator", operator);
        detail("managed_by", operator);
        detail("operator_name", label(object, "app.kubernetes.io/name").unwrap_or_default());
        (DeployMethod::Operator, "label:app.kubernetes.io/managed-by".to_owned(), None)
    } else {
        detail("reason", "no mark of Argo CD, Helm, Flux, OLM or an operator on it or its owners");
        detail("app", label(object, "app").unwrap_or_default());
        detail("version", label(object, "version").unwrap_or_default());
        (DeployMethod::Manual, "default".to_owned(), None)
    };
    Deployed {
        method,
        confidence: confidence(method),
        source: line(&source, 200),
        details,
        owner,
        also: Vec::new(),
    }
}

/// The Go engine's confidence in a method.
pub const fn confidence(method: DeployMethod) -> f64 {
    match method {
        DeployMethod::Argocd => 0.95,
        DeployMethod::Helm => 0.9,
        DeployMethod::Operator => 0.8,
        DeployMethod::Manual => 0.6,
        DeployMethod::Unknown => 0.5,
    }
}

impl Ownership {
    /// Nobody owns anything, as far as is known.
    pub fn of(deployed: Deployed) -> Self {
        Self {
            deployed,
            application: None,
            release: None,
            flux: None,
            resource: None,
            olm: None,
            operator: None,
            autoscaler: None,
            keda: None,
            vertical: None,
        }
    }

    fn find_autoscalers(&mut self, object: &Value, autoscalers: &[Value]) {
        let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
        let namespace = text(object, "/metadata/namespace");
        for scaler in autoscalers {
            let horizontal = text(scaler, "/spec/scaleTargetRef/name") == name
                && text(scaler, "/spec/scaleTargetRef/kind") == kind;
            let vertical = text(scaler, "/spec/targetRef/name") == name
                && text(scaler, "/spec/targetRef/kind") == kind
                && !text(scaler, "/spec/updatePolicy/updateMode").eq_ignore_ascii_case("Off");
            let own = text(scaler, "/metadata/name");
            if horizontal {
                self.autoscaler = Some(Target::new("autoscaling", "HorizontalPodAutoscaler", namespace, own));
                self.keda = label(scaler, KEDA).map(|keda| line(keda, 120));
            } else if vertical {
                self.vertical =
                    Some(Target::new("autoscaling.k8s.io", "VerticalPodAutoscaler", namespace, own));
            }
        }
    }

    /// Who else owns part of it, each with what it was seen by.
    fn also(&self, object: &Value, chain: &[Value]) -> Vec<String> {
        let mut also = Vec::new();
        if let Some(scaler) = &self.autoscaler {
            let keda = self.keda.as_ref().map(|name| format!(", made by KEDA ScaledObject {name}"));
            also.push(format!("replicas: {scaler} (scaleTargetRef{})", keda.unwrap_or_default()));
        }
        if let Some(scaler) = &self.vertical {
            also.push(format!("requests: {scaler} (targetRef)"));
        }
        if let Some(flux) = self.flux.as_ref().filter(|flux| self.deployed.owner.as_ref() != Some(*flux)) {
            also.push(format!("Flux {flux} (label:{}/name)", flux.group));
        }
        if let Some(olm) = self.olm.as_ref().filter(|_| !self.deployed.source.contains("olm")) {
            also.push(format!("OLM {olm}"));
        }
        if let Some(resource) = self.resource.as_ref().filter(|r| self.deployed.owner.as_ref() != Some(*r)) {
            also.push(format!("{resource} (ownerReferences)"));
        }
        // Marks on an owner tell who deployed the owner, not the workload.
        for owner in chain.iter().skip(1) {
            if let Some(Tracking { name, is_its_own: true, .. }) = tracking(owner) {
                let (kind, own) = (text(owner, "/kind"), text(owner, "/metadata/name"));
                also.push(format!("Argo CD application {name} manages its owner {kind} {own}"));
            }
        }
        if tracking(object).is_some_and(|id| !id.is_its_own) {
            also.push(format!(
                "{} names another object, so it was copied and counts for nothing",
                marks::TRACKING
            ));
        }
        also.iter_mut().for_each(|line_of| *line_of = line(line_of, 200));
        also
    }
}
