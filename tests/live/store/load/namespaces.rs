//! A cluster of many namespaces, each of which is a model API server of its own. The model's scheduler and controllers look
//! at every object for every pod, and with thousands of workloads in one of them there would be time for nothing else.
//!
//! It decides nothing: what is in a namespace is asked of that namespace's model, everything else of all of them.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aiops_engine::{
    SharedInventory,
    error::PortError,
    ports::{
        ApiResource, Cluster, ListOptions, LogRequest, ObjectPage,
        acting::{Accepted, Acting, Announcement, Mutation, NotDone},
    },
    testing::model::{Model, build},
};
use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::Value;

use super::super::Wall;

/// Workloads in a namespace; its one node has room for 80 pods.
const IN_ONE: usize = 8;
/// Between two turns of the controllers.
const TURN: Duration = Duration::from_millis(200);

/// The cluster.
pub(super) struct Namespaces {
    models: Vec<Model>,
    done: AtomicUsize,
}

/// Namespace and name of a workload.
pub(super) fn place(n: usize) -> (String, String) {
    (format!("shop-{}", n / IN_ONE), format!("web-{n}"))
}

impl Namespaces {
    /// So many Deployments of one replica each, and everything that they need to run.
    pub(super) fn with(count: usize) -> Self {
        let mut models: Vec<Model> = Vec::new();
        for n in 0..count {
            let (namespace, name) = place(n);
            if n % IN_ONE == 0 {
                let model = Model::new(Arc::new(Wall));
                model.set_times(SignedDuration::ZERO, SignedDuration::ZERO);
                model.put("admin", build::namespace(&namespace));
                model.put("admin", build::node(&format!("node-of-{namespace}")));
                models.push(model);
            }
            models.last().unwrap().put("admin", build::deployment(&namespace, &name, "web:1", 1));
        }
        for model in &models {
            model.settle(50);
        }
        Self { models, done: AtomicUsize::new(0) }
    }

    /// The controllers, and the watches that tell an inventory what they do; for ever.
    pub(super) async fn live(self: Arc<Self>, inventory: SharedInventory) {
        loop {
            for model in &self.models {
                model.step();
                model.feed(&inventory);
            }
            tokio::time::sleep(TURN).await;
        }
    }

    /// Tells an inventory everything there is.
    pub(super) fn feed(&self, inventory: &SharedInventory) {
        for model in &self.models {
            model.feed(inventory);
        }
        inventory.change(|rows| rows.set_info(|info| info.uid = "model".into()));
    }

    /// How many changes were accepted so far.
    pub(super) fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// How often each step had its effect, by what the API servers wrote down.
    pub(super) fn effects(&self) -> BTreeMap<String, usize> {
        let mut effects = BTreeMap::new();
        for entry in self.models.iter().flat_map(Model::journal) {
            if entry.is_effect() && !entry.workflow.is_empty() {
                *effects.entry(entry.effect_key).or_default() += 1;
            }
        }
        effects
    }

    fn of(&self, namespace: &str) -> Option<&Model> {
        let number = namespace.strip_prefix("shop-")?.parse().ok()?;
        self.models.get::<usize>(number)
    }

    /// The model of a namespace; of another one the first, where nothing is in it.
    fn asked(&self, namespace: &str) -> &Model {
        self.of(namespace).unwrap_or(&self.models[0])
    }
}

#[async_trait]
impl Cluster for Namespaces {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        self.models[0].resources().await
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        if let Some(namespace) = namespace {
            return self.asked(namespace).get(resource, Some(namespace), name).await;
        }
        let mut found = self.models[0].get(resource, None, name).await;
        for model in self.models.iter().skip(1) {
            if found.is_ok() {
                break;
            }
            found = model.get(resource, None, name).await;
        }
        found
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        if let Some(namespace) = namespace {
            return self.asked(namespace).list(resource, Some(namespace), options).await;
        }
        let mut all = ObjectPage::default();
        for model in &self.models {
            let page = model.list(resource, None, options).await?;
            assert!(page.continue_token.is_none(), "no test asks for more {} than a page", resource.plural);
            all.items.extend(page.items);
        }
        Ok(all)
    }

    async fn logs(
        &self,
        request: &LogRequest,
        sink: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        self.asked(&request.namespace).logs(request, sink).await
    }

    async fn may(
        &self,
        verb: &str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<bool, PortError> {
        self.models[0].may(verb, group, resource, namespace).await
    }
}

#[async_trait]
impl Acting for Namespaces {
    async fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        let accepted = self.asked(&mutation.target.namespace).perform(mutation).await?;
        if !mutation.dry_run {
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(accepted)
    }

    async fn announce(&self, note: &Announcement) {
        self.asked(&note.about.namespace).announce(note).await;
    }
}
