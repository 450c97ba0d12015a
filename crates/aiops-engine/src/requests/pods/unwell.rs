//! Workloads with unwell pods, so that a short list names each of them: rows of one workload's pods must not crowd out
//! another workload's.
//!
//! It knows of pods only what their rows say, and judges none of them itself.

use std::collections::{HashMap, HashSet};

use aiops_inventory::{Inventory, Key};
use schemars::JsonSchema;
use serde::Serialize;

use super::{PodItem, rank};
use crate::{issue::Object, owners};

/// A workload with unwell pods of which no row is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct UnwellWorkload {
    /// Kind and name, to hand to diagnose-pod, such as `Deployment shop/checkout`.
    pub workload: String,
    /// Its worst pod's one word.
    pub status: String,
    /// Unwell pods.
    pub pods: usize,
}

/// The worst pod of each workload, the worst first.
#[derive(Debug, Default)]
pub(super) struct Worst {
    workloads: Vec<(u8, Key, UnwellWorkload)>,
    firsts: HashSet<Key>,
}

impl Worst {
    /// Looks through the pods of an answer.
    pub(super) fn of(inventory: &Inventory, keys: &[Key]) -> Self {
        let mut places: HashMap<Object, usize> = HashMap::new();
        let mut workloads: Vec<(u8, Key, UnwellWorkload)> = Vec::new();
        for key in keys {
            let Some(pod) = inventory.pods().get(&key.namespace, &key.name) else { continue };
            let rank = rank(pod);
            if rank > 3 || !pod.is_suspect() {
                continue;
            }
            let top = owners::top(inventory, "Pod", &pod.meta);
            let new = || {
                let workload = top.to_string();
                UnwellWorkload { workload, status: pod.status().to_owned(), pods: 0 }
            };
            let place = *places.entry(top.clone()).or_insert_with(|| {
                workloads.push((rank, key.clone(), new()));
                workloads.len() - 1
            });
            let Some((worst, first, workload)) = workloads.get_mut(place) else { continue };
            workload.pods += 1;
            if rank < *worst {
                (*worst, *first) = (rank, key.clone());
                pod.status().clone_into(&mut workload.status);
            }
        }
        workloads.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let firsts = workloads.iter().map(|(_, key, _)| key.clone()).collect();
        Self { workloads, firsts }
    }

    /// Whether another pod of the same workload comes before this one.
    pub(super) fn repeats(&self, key: &Key) -> bool {
        !self.firsts.contains(key)
    }

    /// How many of `bytes` the rows may take, so that workloads without a row can still be named.
    pub(super) fn room(&self, bytes: usize, row: impl Fn(&Key) -> Option<PodItem>) -> usize {
        let rows: usize = self.workloads.iter().filter_map(|(_, key, _)| Some(size(&row(key)?))).sum();
        if rows <= bytes {
            return bytes;
        }
        let named: usize = self.workloads.iter().map(|(_, _, workload)| size(workload)).sum();
        bytes - named.min(bytes * 3 / 4)
    }

    /// The workloads that no row shows, as many as fit, and how many do not.
    pub(super) fn rest(self, shown: &[PodItem], bytes: usize) -> (Vec<UnwellWorkload>, usize) {
        let used: usize = shown.iter().map(size).sum();
        let has_row: HashSet<(&str, &str)> =
            shown.iter().map(|item| (item.namespace.as_str(), item.name.as_str())).collect();
        let mut left = bytes.saturating_sub(used);
        let without = self
            .workloads
            .into_iter()
            .filter(|(_, key, _)| !has_row.contains(&(key.namespace.as_str(), key.name.as_str())));
        let (mut named, mut omitted) = (Vec::new(), 0);
        for (_, _, workload) in without {
            match left.checked_sub(size(&workload)) {
                Some(rest) if omitted == 0 => {
                    left = rest;
                    named.push(workload);
                }
                _ => omitted += 1,
            }
        }
        (named, omitted)
    }
}

fn size(item: &impl Serialize) -> usize {
    serde_json::to_vec(item).map_or(0, |json| json.len() + 1)
}
