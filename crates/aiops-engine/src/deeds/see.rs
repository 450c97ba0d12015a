//! Reads what a deed looks at, live, through the port.
//!
//! It judges nothing, and answers no list that it could not read to the end: half a list would make an autoscaler or a
//! revision seem not to be there.

use serde_json::Value;

use super::{Look, Sight};
use crate::{
    error::{PortError, PortErrorKind},
    model::target::Target,
    planner::value,
    ports::{ApiResource, Cluster, ListOptions},
};

/// Objects a page.
const PAGE: u32 = 500;
/// Most objects of one list.
const MOST: usize = 10_000;

/// What stands where a deed looks, in the order of `looks`.
///
/// # Errors
/// The cluster cannot be read, or it serves no such kind; an object that does not exist is no error.
pub async fn see(cluster: &dyn Cluster, looks: &[Look]) -> Result<Vec<Sight>, PortError> {
    let kinds = cluster.resources().await?;
    let mut seen: Vec<Sight> = Vec::with_capacity(looks.len());
    for look in looks {
        let sight = match look {
            Look::Object(target) => match known(looks, &seen, target) {
                Some(sight) => sight,
                None => object(cluster, &kinds, target).await?,
            },
            Look::List { group, kind, namespace, selector } => {
                let selector = (selector.clone(), None);
                Sight::List(list(cluster, &kinds, (group, kind), namespace, selector).await?)
            }
            Look::OnNode { node } => {
                let on_node = (None, Some(format!("spec.nodeName={node}")));
                let mut pods = list(cluster, &kinds, ("", "Pod"), "", on_node).await?;
                // Not every port narrows a list by fields.
                pods.retain(|pod| value::text(pod, "/spec/nodeName") == node);
                Sight::List(pods)
            }
            Look::Selected { by, group, kind } => {
                let workload = match known(looks, &seen, by) {
                    Some(sight) => sight,
                    None => object(cluster, &kinds, by).await?,
                };
                match workload {
                    Sight::Object(workload) => {
                        let selector = selector(&workload).ok_or_else(|| {
                            let why =
                                format!("the selector of {by} cannot be read, so its {kind}s are not known");
                            PortError::new(PortErrorKind::Invalid, why)
                        })?;
                        let selector = (Some(selector), None);
                        let found = list(cluster, &kinds, (group, kind), &by.namespace, selector).await?;
                        Sight::List(found)
                    }
                    _ => Sight::List(Vec::new()),
                }
            }
            Look::Release { release, revision } => {
                let read = cluster.release(&release.namespace, &release.name, *revision).await?;
                Sight::Release { status: read.status, objects: read.objects, has_hooks: read.has_hooks }
            }
        };
        seen.push(sight);
    }
    Ok(seen)
}

/// What was already seen of an object.
fn known(looks: &[Look], seen: &[Sight], target: &Target) -> Option<Sight> {
    let at = looks.iter().position(|look| matches!(look, Look::Object(of) if of == target))?;
    seen.get(at).cloned()
}

/// A kind as the cluster serves it.
fn kind<'a>(kinds: &'a [ApiResource], group: &str, kind: &str) -> Option<&'a ApiResource> {
    kinds.iter().find(|known| known.group == group && known.kind == kind && !known.plural.contains('/'))
}

async fn object(cluster: &dyn Cluster, kinds: &[ApiResource], target: &Target) -> Result<Sight, PortError> {
    let Some(resource) = kind(kinds, &target.group, &target.kind) else {
        let group = if target.group.is_empty() { "the core group" } else { &target.group };
        let why = format!("get {target}: the cluster serves no {} in {group}", target.kind);
        return Err(PortError::new(PortErrorKind::NotFound, why));
    };
    let namespace = resource.namespaced.then_some(target.namespace.as_str());
    match cluster.get(resource, namespace, &target.name).await {
        Ok(object) => Ok(Sight::Object(object)),
        Err(error) if error.kind == PortErrorKind::NotFound => Ok(Sight::Absent),
        Err(error) => Err(error),
    }
}

/// All objects of a kind; none of a kind that the cluster does not serve.
async fn list(
    cluster: &dyn Cluster,
    kinds: &[ApiResource],
    (group, name): (&str, &str),
    namespace: &str,
    (label_selector, field_selector): (Option<String>, Option<String>),
) -> Result<Vec<Value>, PortError> {
    let Some(resource) = kind(kinds, group, name) else { return Ok(Vec::new()) };
    let namespace = (resource.namespaced && !namespace.is_empty()).then_some(namespace);
    let mut options = ListOptions { label_selector, field_selector, limit: PAGE, continue_token: None };
    let mut all = Vec::new();
    loop {
        let page = cluster.list(resource, namespace, &options).await?;
        all.extend(page.items);
        if page.continue_token.is_none() {
            return Ok(all);
        }
        if all.len() >= MOST {
            let why = format!("list {}: there are more than {MOST}, too many to judge", resource.plural);
            return Err(PortError::new(PortErrorKind::Invalid, why));
        }
        options.continue_token = page.continue_token;
    }
}

/// A workload's `spec.selector` as a query.
fn selector(workload: &Value) -> Option<String> {
    value::selector(workload.pointer("/spec/selector"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::FakeCluster;

    #[test]
    fn a_selector_is_written_as_a_query() {
        let workload = json!({"spec": {"selector": {"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "x", "operator": "NotIn", "values": ["y"]},
            {"key": "p", "operator": "Exists"}, {"key": "q", "operator": "DoesNotExist"}]}}});
        assert_eq!(selector(&workload).unwrap(), "app=web,tier in (a,b),x notin (y),p,!q");
        // An empty selector would select everything.
        assert_eq!(selector(&json!({"spec": {"selector": {}}})), None);
        assert_eq!(selector(&json!({"spec": {}})), None);
    }

    #[tokio::test]
    async fn what_a_selector_names_is_seen_and_nothing_else() {
        let cluster = FakeCluster::new();
        let web = json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}}});
        cluster.put("deployments", web);
        for (name, app) in [("a", "web"), ("b", "web"), ("c", "other")] {
            cluster.put(
                "pods",
                json!({"metadata": {"name": name, "namespace": "shop", "labels": {"app": app}}}),
            );
        }
        let target = Target::known("Deployment", "shop", "web");
        let pods = |by: Target| Look::Selected { by, group: String::new(), kind: "Pod".to_owned() };
        let looks = [Look::Object(target.clone()), pods(target)];
        let seen = see(&cluster, &looks).await.unwrap();
        assert!(matches!(&seen[0], Sight::Object(_)));
        assert!(matches!(&seen[1], Sight::List(pods) if pods.len() == 2), "{seen:?}");
        assert_eq!(cluster.calls.lock().iter().filter(|call| call.starts_with("get")).count(), 1);

        let gone = Target::known("Deployment", "shop", "gone");
        let seen = see(&cluster, &[Look::Object(gone.clone()), pods(gone)]).await.unwrap();
        assert_eq!(seen, [Sight::Absent, Sight::List(Vec::new())]);
    }

    #[tokio::test]
    async fn a_kind_that_is_not_served_has_no_objects_and_no_object() {
        let cluster = FakeCluster::new();
        let (group, kind) = ("keda.sh".to_owned(), "ScaledObject".to_owned());
        let list = Look::List { group, kind, namespace: "shop".to_owned(), selector: None };
        assert_eq!(see(&cluster, &[list]).await.unwrap(), [Sight::List(Vec::new())]);
        let target = Target::new("argoproj.io", "Application", "argocd", "web");
        let error = see(&cluster, &[Look::Object(target)]).await.unwrap_err();
        assert_eq!(error.kind, PortErrorKind::NotFound);
        assert!(error.message.contains("serves no Application in argoproj.io"), "{error}");
    }
}
