//! Values that many rows share, kept once.
//!
//! Like the interner it keeps nothing alive for longer than one sweep, and it sweeps by itself when it has doubled.

use std::{borrow::Borrow, collections::HashSet, hash::Hash, sync::Arc};

use crate::{
    Name,
    labels::{LabelSet, Selector},
    rows::{ContainerSpec, Owner, Taint, pod::Resources},
};

/// Values that many rows share: label sets, container specs, owners, selectors.
#[derive(Debug, Default)]
pub struct Shared {
    pub(super) labels: Pool<LabelSet>,
    pub(super) specs: Pool<ContainerSpec>,
    pub(super) templates: Pool<[Arc<ContainerSpec>]>,
    pub(super) owners: Pool<Owner>,
    pub(super) selectors: Pool<Selector>,
    /// Claims of pods, roles of nodes, ports of services.
    pub(super) names: Pool<[Name]>,
    pub(super) taints: Pool<[Taint]>,
    /// What whole pods request, and their limits.
    pub(super) resources: Pool<Resources>,
}

impl Shared {
    /// Forgets what no row holds any more.
    pub fn sweep(&mut self) {
        // Templates hold specs: they go first.
        self.templates.sweep();
        self.specs.sweep();
        self.labels.sweep();
        self.owners.sweep();
        self.selectors.sweep();
        self.names.sweep();
        self.taints.sweep();
        self.resources.sweep();
    }

    /// How many distinct values are held.
    pub fn len(&self) -> usize {
        self.labels.held.len()
            + self.specs.held.len()
            + self.templates.held.len()
            + self.owners.held.len()
            + self.selectors.held.len()
            + self.names.held.len()
            + self.taints.held.len()
            + self.resources.held.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Below this many values a sweep would free too little to be worth its pass.
const SMALLEST_SWEEP: usize = 1_024;

/// One copy of each value of a type.
#[derive(Debug)]
pub(super) struct Pool<T: ?Sized> {
    held: HashSet<Arc<T>>,
    sweep_at: usize,
}

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self { held: HashSet::new(), sweep_at: 0 }
    }
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    /// The shared copy of `value`.
    pub(super) fn share<V: Borrow<T> + Into<Arc<T>>>(&mut self, value: V) -> Arc<T> {
        if let Some(known) = self.held.get(value.borrow()) {
            return Arc::clone(known);
        }
        if self.held.len() >= self.sweep_at.max(SMALLEST_SWEEP) {
            self.sweep();
        }
        let shared: Arc<T> = value.into();
        self.held.insert(Arc::clone(&shared));
        shared
    }

    fn sweep(&mut self) {
        self.held.retain(|value| Arc::strong_count(value) > 1);
        self.held.shrink_to(self.held.len() * 2);
        self.sweep_at = self.held.len() * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_unused_ones_leave() {
        let mut shared = Shared::default();
        let names = |text: &str| vec![Name::from(text)];
        let (first, second) = (shared.names.share(names("a")), shared.names.share(names("a")));
        assert!(Arc::ptr_eq(&first, &second));
        drop(shared.names.share(names("b")));
        assert_eq!(shared.len(), 2);
        shared.sweep();
        assert_eq!(shared.len(), 1);
        drop((first, second));
        shared.sweep();
        assert!(shared.is_empty());
    }

    #[test]
    fn churn_alone_keeps_a_pool_small() {
        let mut shared = Shared::default();
        for n in 0..50_000 {
            drop(shared.names.share(vec![Name::from(n.to_string())]));
        }
        assert!(shared.len() <= SMALLEST_SWEEP, "{}", shared.len());
    }
}
