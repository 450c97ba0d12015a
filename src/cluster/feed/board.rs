//! How fresh each kind is, put together from its watches: one over the whole cluster, or one a namespace.
//!
//! It keeps what outlives a connection: states and the versions from which watches are begun again. It watches nothing.

use std::collections::{BTreeMap, HashSet};

use aiops_engine::SharedInventory;
use aiops_inventory::{Kind, Name, Scope, Sync, rows::Seconds};
use parking_lot::Mutex;

/// A kind, and the namespace when it is watched in one only.
pub(super) type Part = (Kind, Option<Name>);

/// What is known of all watches.
#[derive(Debug)]
pub(super) struct Board {
    inventory: SharedInventory,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    parts: BTreeMap<Part, Sync>,
    versions: BTreeMap<Part, String>,
    /// Kinds whose streaming lists the API server refuses.
    paged: HashSet<Kind>,
}

impl Board {
    pub(super) fn new(inventory: SharedInventory) -> Self {
        Self { inventory, state: Mutex::default() }
    }

    /// From where this watch may be begun again.
    pub(super) fn version(&self, part: &Part) -> Option<String> {
        self.state.lock().versions.get(part).cloned()
    }

    /// Remembers how far a watch came; `None` when its list must be read again.
    pub(super) fn set_version(&self, part: &Part, version: Option<&str>) {
        let mut state = self.state.lock();
        match (version, state.versions.get_mut(part)) {
            (Some(version), Some(known)) if known == version => {}
            (Some(version), Some(known)) => version.clone_into(known),
            (Some(version), None) => drop(state.versions.insert(part.clone(), version.to_owned())),
            (None, _) => drop(state.versions.remove(part)),
        }
    }

    /// Whether this kind is listed in pages.
    pub(super) fn is_paged(&self, kind: Kind) -> bool {
        self.state.lock().paged.contains(&kind)
    }

    /// Remembers that the API server does not stream lists of this kind.
    pub(super) fn page(&self, kind: Kind) {
        self.state.lock().paged.insert(kind);
    }

    /// Another version of the API server may stream what the last one refused.
    pub(super) fn try_streaming_again(&self) {
        self.state.lock().paged.clear();
    }

    /// Says which watches there are from now on. Rows of namespaces that are not looked at any more leave.
    pub(super) fn lay_out(&self, parts: &[Part]) {
        let mut state = self.state.lock();
        let wanted: HashSet<&Part> = parts.iter().collect();
        let gone: Vec<Part> = state.parts.keys().filter(|part| !wanted.contains(part)).cloned().collect();
        for part in &gone {
            state.parts.remove(part);
            state.versions.remove(part);
        }
        for part in parts {
            state.parts.entry(part.clone()).or_default();
        }
        let kinds: HashSet<Kind> = gone.iter().map(|(kind, _)| *kind).collect();
        for kind in kinds {
            // The namespaces that stay are listed again: the rows of one list cannot be told from another's.
            state.versions.retain(|(of, _), _| *of != kind);
            state
                .parts
                .iter_mut()
                .filter(|((of, _), _)| *of == kind)
                .for_each(|(_, sync)| *sync = Sync::Warming);
            // Absent is the word that drops the rows.
            self.inventory.change(|inventory| {
                inventory.set_sync(kind, Sync::Absent);
                inventory.set_sync(kind, Sync::Warming);
            });
        }
    }

    /// Everything is of another cluster: nothing that is known holds any more.
    pub(super) fn forget(&self) {
        let mut state = self.state.lock();
        *state = State::default();
        self.inventory.change(|inventory| {
            for kind in Kind::ALL {
                inventory.set_sync(kind, Sync::Absent);
                inventory.set_sync(kind, Sync::Warming);
            }
        });
    }

    /// How one watch stands.
    pub(super) fn report(&self, part: &Part, sync: Sync) {
        let mut state = self.state.lock();
        self.set(&mut state, part, sync);
    }

    /// A watch is broken since then, if it was whole.
    pub(super) fn broken(&self, part: &Part, since: Seconds, reason: &str) {
        let mut state = self.state.lock();
        let next = match state.parts.get(part) {
            None | Some(Sync::Warming | Sync::Failing { .. } | Sync::Absent | Sync::Forbidden { .. }) => {
                Sync::Failing { reason: reason.into() }
            }
            Some(Sync::Synced) => Sync::Stale { since, reason: reason.into() },
            Some(Sync::Stale { since, .. }) => Sync::Stale { since: *since, reason: reason.into() },
        };
        self.set(&mut state, part, next);
    }

    /// All watches are broken since then: the API server does not answer.
    pub(super) fn all_broken(&self, since: Seconds, reason: &str) {
        let mut state = self.state.lock();
        let parts: Vec<Part> = if state.parts.is_empty() {
            Kind::ALL.into_iter().map(|kind| (kind, None)).collect()
        } else {
            state.parts.keys().cloned().collect()
        };
        for part in parts {
            let next = match state.parts.get(&part) {
                Some(Sync::Absent | Sync::Forbidden { .. }) => continue,
                Some(Sync::Synced) => Sync::Stale { since, reason: reason.into() },
                Some(Sync::Stale { since, .. }) => Sync::Stale { since: *since, reason: reason.into() },
                None | Some(Sync::Warming | Sync::Failing { .. }) => Sync::Failing { reason: reason.into() },
            };
            self.set(&mut state, &part, next);
        }
    }

    fn set(&self, state: &mut State, part: &Part, sync: Sync) {
        if state.parts.get(part) == Some(&sync) {
            return;
        }
        state.parts.insert(part.clone(), sync);
        let kind = part.0;
        let all: Vec<(&Part, &Sync)> = state.parts.iter().filter(|((of, _), _)| *of == kind).collect();
        let overall = overall(&all);
        let seen: Vec<Name> = all
            .iter()
            .filter(|(_, sync)| !matches!(sync, Sync::Forbidden { .. }))
            .filter_map(|((_, namespace), _)| namespace.clone())
            .collect();
        let is_whole = all.iter().any(|((_, namespace), _)| namespace.is_none());
        self.inventory.change(|inventory| {
            // What may not be seen any more in one namespace is not known any more; elsewhere it stays.
            if let (Some(namespace), Some(Sync::Forbidden { .. })) = (&part.1, state.parts.get(part)) {
                inventory.withdraw(kind, namespace);
            }
            inventory.set_kind_scope(kind, if is_whole { Scope::Cluster } else { Scope::Namespaces(seen) });
            inventory.set_sync(kind, overall);
        });
    }
}

/// One word for all watches of a kind: the least that is true of each. Namespaces that may not be seen do not count
/// against those that may.
fn overall(parts: &[(&Part, &Sync)]) -> Sync {
    const fn weight(sync: &Sync) -> u8 {
        match sync {
            Sync::Forbidden { .. } => 0,
            Sync::Absent => 1,
            Sync::Synced => 2,
            Sync::Stale { .. } => 3,
            Sync::Failing { .. } => 4,
            Sync::Warming => 5,
        }
    }
    let oldest = |a: &Sync, b: &Sync| match (a, b) {
        (Sync::Stale { since: a, .. }, Sync::Stale { since: b, .. }) => b.cmp(a),
        _ => std::cmp::Ordering::Equal,
    };
    let worst =
        parts.iter().map(|(_, sync)| *sync).max_by(|a, b| weight(a).cmp(&weight(b)).then(oldest(a, b)));
    worst.cloned().unwrap_or_default()
}
