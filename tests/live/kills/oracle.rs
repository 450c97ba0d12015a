//! What aiops did to the cluster, counted from the API server's audit log alone.
//!
//! An effect is a request of a workflow that was accepted and was no dry run. What tells two effects of a workflow apart is
//! what reached the API server: the object, and the key of the step that the request sets as a marker, or takes away. A
//! request whose client was killed may have taken effect though the API server tells of none: it counts here where no other
//! request of its step was accepted, and whether it had one is told by [`super::standing`].

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Audited, Plane};

/// The annotation in which a step leaves its key.
pub(super) const MARKER: &str = "aiops.io/effect";

/// Effects by workflow and by what they are.
#[derive(Debug, Default)]
pub(super) struct Effects(BTreeMap<(String, String), Vec<String>>);

impl Effects {
    /// Takes over what only lost requests tell of.
    fn with_lost(mut self, lost: Self) -> Self {
        for (what, mut requests) in lost.0 {
            requests.truncate(1);
            self.0.entry(what).or_insert(requests);
        }
        self
    }
}

/// The key that a body sets, if it sets one. JSON patches name it in a path.
fn marked(body: &Value) -> Option<String> {
    match body {
        Value::Array(all) => all.iter().find_map(marked),
        Value::Object(members) => {
            let is_there =
                |path: &Value| path.as_str().is_some_and(|path| path.ends_with("aiops.io~1effect"));
            let by_path =
                members.get("path").filter(|path| is_there(path)).and_then(|_| members.get("value"));
            let found = by_path.or_else(|| members.get(MARKER)).and_then(Value::as_str).map(str::to_owned);
            found.or_else(|| members.values().find_map(marked))
        }
        _ => None,
    }
}

fn workflow_of(request: &Audited) -> Option<&str> {
    let (name, id) = request.agent.split_once(" wf/")?;
    name.starts_with("aiops/").then_some(id)
}

impl Effects {
    /// Everything since a place in the log. Reasons for people (Events) are no effects.
    pub(super) fn since(plane: &Plane, place: u64) -> Self {
        Self::among(plane.audit_since(place))
    }

    fn among(requests: Vec<Audited>) -> Self {
        let (mut effects, mut lost) = (Self::default(), Self::default());
        for request in requests {
            let Some(id) = workflow_of(&request) else { continue };
            let is_dry = request.uri.contains("dryRun") || request.body.get("dryRun").is_some();
            if !request.writes() || is_dry || !request.is_accepted_or_lost() || request.resource == "events" {
                continue;
            }
            let how = match marked(&request.body) {
                Some(key) if key.contains(id) => format!("sets {key}"),
                _ if request.verb == "patch" => "takes its marker away".to_owned(),
                _ => request.verb.clone(),
            };
            let what = format!("{how} on {} {}/{}", request.resource, request.namespace, request.name);
            let of = if request.status < 300 { &mut effects } else { &mut lost };
            of.0.entry((id.to_owned(), what)).or_default().push(request.id);
        }
        effects.with_lost(lost)
    }

    /// The same once it holds an effect of each of these workflows: a line follows what it tells of.
    pub(super) async fn with_all(plane: &Plane, place: u64, ids: &BTreeSet<String>) -> Self {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let effects = Self::since(plane, place);
            if ids.iter().all(|id| effects.of(id) > 0) {
                return effects;
            }
            let missing: Vec<&String> = ids.iter().filter(|id| effects.of(id) == 0).collect();
            assert!(Instant::now() < deadline, "no effect in the audit log of {missing:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How many a workflow had.
    pub(super) fn of(&self, id: &str) -> usize {
        self.0.iter().filter(|((of, _), _)| of == id).map(|(_, requests)| requests.len()).sum()
    }

    pub(super) fn all(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Whose they are.
    pub(super) fn workflows(&self) -> BTreeSet<&str> {
        self.0.keys().map(|(id, _)| id.as_str()).collect()
    }

    /// Those that happened more than once.
    pub(super) fn twice(&self) -> Vec<String> {
        let twice = self.0.iter().filter(|(_, requests)| requests.len() > 1);
        twice.map(|((id, what), requests)| format!("{id} {what}: {requests:?}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A step's request as the log tells of it.
    fn request(status: u64, number: u32) -> Audited {
        let body = json!({"metadata": {"annotations": {MARKER: "wf-1/0/do"}}, "spec": {"replicas": 3}});
        Audited {
            user: "admin".to_owned(),
            verb: "patch".to_owned(),
            uri: "/apis/apps/v1/namespaces/shop/deployments/web".to_owned(),
            resource: "deployments".to_owned(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            status,
            agent: "aiops/0 wf/wf-1".to_owned(),
            id: format!("audit-{number}"),
            at: jiff::Timestamp::UNIX_EPOCH,
            body,
        }
    }

    #[test]
    fn a_lost_request_counts_once_where_none_was_accepted_and_an_accepted_one_always() {
        let of = |statuses: &[u64]| {
            let requests = statuses.iter().zip(0..).map(|(status, number)| request(*status, number));
            Effects::among(requests.collect())
        };
        for (statuses, effects, twice) in [
            (&[200][..], 1, 0),
            (&[409, 200], 1, 0),
            (&[504], 1, 0),
            (&[504, 504], 1, 0),
            (&[504, 200], 1, 0),
            (&[409], 0, 0),
            (&[200, 200], 2, 1),
        ] {
            let found = of(statuses);
            assert_eq!((found.of("wf-1"), found.twice().len()), (effects, twice), "{statuses:?}");
        }
        let dry = Audited { uri: "/apis/x?dryRun=All".to_owned(), ..request(200, 0) };
        let of_others = Audited { agent: "kubectl/1".to_owned(), ..request(200, 0) };
        assert_eq!(Effects::among(vec![dry, of_others]).all(), 0);
    }
}
