//! The ConfigMap of the kill switch: what it says, and what its silence says.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use serde_json::json;

use super::*;
use crate::{
    coordination::Coordination as _,
    coordinator::world::{MINUTE, World, ann},
    error::PortError,
    ports::{Cluster, ListOptions, LogRequest, ObjectPage},
    settings::Settings,
    testing::FakeCluster,
};

/// A cluster that can be made not to answer.
#[derive(Default)]
struct Flaky {
    inner: FakeCluster,
    is_down: AtomicBool,
    reads: AtomicUsize,
}

#[async_trait]
impl Cluster for Flaky {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        self.inner.resources().await
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.is_down.load(Ordering::Relaxed) {
            return Err(PortError::new(PortErrorKind::Timeout, "it does not answer"));
        }
        self.inner.get(resource, namespace, name).await
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        self.inner.list(resource, namespace, options).await
    }

    async fn logs(
        &self,
        request: &LogRequest,
        sink: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        self.inner.logs(request, sink).await
    }

    async fn may(
        &self,
        verb: &str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<bool, PortError> {
        self.inner.may(verb, group, resource, namespace).await
    }
}

fn world() -> (World, Arc<Flaky>) {
    let cluster = Arc::new(Flaky { inner: FakeCluster::new(), ..Flaky::default() });
    let kill_switch = Some(("aiops".to_owned(), "control".to_owned()));
    let settings = Settings { kill_switch, ..Settings::default() };
    (World::over(settings, Some(Arc::<Flaky>::clone(&cluster))), cluster)
}

fn say(cluster: &Flaky, data: Value) {
    let meta = json!({"namespace": "aiops", "name": "control"});
    cluster.inner.put("configmaps", json!({"kind": "ConfigMap", "metadata": meta, "data": data}));
}

async fn switch(world: &World) -> KillSwitch {
    world.pass(1_000);
    world.inner().step_figures(&[], None).await.unwrap().kill_switch
}

#[tokio::test]
async fn what_the_config_map_says_counts_within_a_second() {
    let (world, cluster) = world();
    assert_eq!(switch(&world).await, KillSwitch::Run, "there is none");
    for (data, want) in [
        (json!({"mode": "pause", "reason": "change freeze"}), KillSwitch::Pause),
        (json!({"mode": " stop "}), KillSwitch::Stop),
        (json!({"mode": "off"}), KillSwitch::Stop),
        (json!({"mode": "run"}), KillSwitch::Run),
        (json!({}), KillSwitch::Run),
    ] {
        say(&cluster, data.clone());
        assert_eq!(switch(&world).await, want, "{data}");
    }
    say(&cluster, json!({"mode": "pause", "reason": "change freeze"}));
    world.pass(1_000);
    let shown = world.coordinator.controls(&ann()).await.unwrap();
    assert_eq!(shown.kill_switch, "pause");
    assert_eq!(shown.kill_switch_reason.as_deref(), Some("set in ConfigMap aiops/control: change freeze"));
}

#[tokio::test]
async fn one_that_cannot_be_read_is_trusted_for_a_minute() {
    let (world, cluster) = world();
    say(&cluster, json!({"mode": "run"}));
    assert_eq!(switch(&world).await, KillSwitch::Run);
    cluster.is_down.store(true, Ordering::Relaxed);
    world.pass(MINUTE - 2_000);
    assert_eq!(switch(&world).await, KillSwitch::Run);
    world.pass(MINUTE);
    assert_eq!(switch(&world).await, KillSwitch::Pause);
    let why = world.coordinator.controls(&ann()).await.unwrap().kill_switch_reason.unwrap();
    assert!(why.contains("cannot be read") && why.contains("does not answer"), "{why}");
    cluster.is_down.store(false, Ordering::Relaxed);
    assert_eq!(switch(&world).await, KillSwitch::Run);
    // By a clock that was set back it is not trusted until then.
    cluster.is_down.store(true, Ordering::Relaxed);
    world.pass(-30 * MINUTE);
    assert_eq!(switch(&world).await, KillSwitch::Pause);
    // One that was never read is not trusted at all.
    let (fresh, silent) = self::world();
    silent.is_down.store(true, Ordering::Relaxed);
    assert_eq!(switch(&fresh).await, KillSwitch::Pause);
}

#[tokio::test]
async fn it_is_not_read_more_often_than_it_can_change() {
    let (world, cluster) = world();
    for _ in 0..10 {
        world.inner().step_figures(&[], None).await.unwrap();
    }
    assert_eq!(cluster.reads.load(Ordering::Relaxed), 1);
    let without = World::new();
    assert_eq!(switch(&without).await, KillSwitch::Run);
}
