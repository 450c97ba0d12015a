//! A fault at each read of a planning: what had no answer now is neither planned on nor a reason to refuse.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::{
    fixtures::{NOW, World, problem},
    *,
};
use crate::{
    error::{PortError, PortErrorKind},
    ports::{ApiResource, Cluster, ListOptions, LogRequest, ObjectPage},
    testing::{self, FakeCluster},
};

/// A cluster of which one read fails.
struct Failing {
    cluster: FakeCluster,
    at: usize,
    kind: PortErrorKind,
    asked: AtomicUsize,
}

impl Failing {
    fn meet(&self) -> Result<(), PortError> {
        if self.asked.fetch_add(1, Ordering::SeqCst) == self.at {
            return Err(PortError::new(self.kind, "nothing came back"));
        }
        Ok(())
    }
}

#[async_trait]
impl Cluster for Failing {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        self.cluster.calls.lock().push("kinds".to_owned());
        self.meet()?;
        self.cluster.resources().await
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        let got = self.cluster.get(resource, namespace, name).await;
        self.meet()?;
        got
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        let got = self.cluster.list(resource, namespace, options).await;
        self.meet()?;
        got
    }

    async fn logs(
        &self,
        _: &LogRequest,
        _: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        Ok(())
    }

    async fn may(&self, _: &str, _: &str, _: &str, _: Option<&str>) -> Result<bool, PortError> {
        Ok(true)
    }
}

/// What is planned when this read fails, and what was asked.
async fn told(
    world: World,
    problem: &Problem,
    at: usize,
    kind: PortErrorKind,
) -> (Result<Planned, Error>, Vec<String>) {
    let cluster = Arc::new(Failing { cluster: world.0, at, kind, asked: AtomicUsize::default() });
    let engine = testing::engine(&[], Some(Arc::clone(&cluster) as Arc<dyn Cluster>), NOW);
    let planned = super::planned(&engine, problem, &Order::default()).await;
    let calls = cluster.cluster.calls.lock().clone();
    (planned, calls)
}

fn synced() -> World {
    let world = World::crashing().mark(
        "annotations",
        "argocd.argoproj.io/tracking-id",
        "store:apps/Deployment:shop/web",
    );
    world.put(
        "applications",
        json!({"metadata": {"name": "store", "namespace": "argocd", "uid": "u-app"}, "spec": {}, "status": {}}),
    );
    world
}

fn released() -> World {
    World::crashing().mark("annotations", "meta.helm.sh/release-name", "shop-web")
}

fn noded() -> World {
    let world = World::crashing();
    world.put(
        "nodes",
        json!({"metadata": {"name": "node-1", "uid": "u-n", "resourceVersion": "3"}, "spec": {}}),
    );
    world
}

type Case = (&'static str, fn() -> World, Problem);

fn cases() -> Vec<Case> {
    vec![
        ("a workload", World::crashing, problem("Deployment", "web", "crash_loop")),
        ("a pod of it", World::crashing, problem("Pod", "web-2-a", "crash_loop")),
        ("one of Argo CD", synced, problem("Deployment", "web", "crash_loop")),
        ("one of Helm", released, problem("Deployment", "web", "crash_loop")),
        ("one that is well", World::healthy, problem("Deployment", "web", "crash_loop")),
        ("a node", noded, problem("Node", "node-1", "node_drain")),
    ]
}

#[tokio::test]
async fn what_had_no_answer_is_to_be_asked_again_wherever_it_was() {
    let mut struck = 0;
    for (name, world, problem) in cases() {
        let (plain, calls) = told(world(), &problem, usize::MAX, PortErrorKind::Internal).await;
        let plain = plain.unwrap();
        assert!(calls.len() >= 3, "{name}: {calls:?}");
        for (at, call) in calls.iter().enumerate() {
            for kind in [PortErrorKind::Unavailable, PortErrorKind::Timeout, PortErrorKind::Expired] {
                struck += 1;
                let (made, _) = told(world(), &problem, at, kind).await;
                // Events only make evidence better: a plan that was made without them stands.
                let is_evidence = call.starts_with("list events") && matches!(plain, Planned::Plan(_));
                match made {
                    Ok(made) => assert!(is_evidence && made == plain, "{name}, {call}: {made:?}"),
                    Err(error @ (Error::Unavailable { .. } | Error::Timeout { .. })) => {
                        assert!(!is_evidence, "{name}, {call}: {error}");
                        assert!(error.to_string().contains("nothing came back"), "{error}");
                    }
                    Err(error) => panic!("{name}, {call}: {error}"),
                }
            }
        }
    }
    assert!(struck > 150, "{struck}");
}

#[tokio::test]
async fn what_may_never_be_read_is_no_reason_to_wait() {
    for (name, world, problem) in cases() {
        let (_, calls) = told(world(), &problem, usize::MAX, PortErrorKind::Internal).await;
        for (at, call) in calls.iter().enumerate() {
            let (made, _) = told(world(), &problem, at, PortErrorKind::Denied).await;
            let waits = matches!(made, Err(Error::Unavailable { .. } | Error::Timeout { .. }));
            assert!(!waits, "{name}, {call}: {made:?}");
        }
    }
}
