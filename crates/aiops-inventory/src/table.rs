//! The rows of one kind, ordered by namespace and name.
//!
//! A row is replaced whole and never changed in place, so a reader may keep an `Arc` of it and leave the lock.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use crate::{Key, Name};

/// Rows of one kind.
#[derive(Debug)]
pub struct Table<R> {
    rows: BTreeMap<Key, Slot<R>>,
}

#[derive(Debug)]
struct Slot<R> {
    row: Arc<R>,
    /// The list in which the row was last seen; a row that a whole list did not name is gone.
    epoch: u32,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self { rows: BTreeMap::new() }
    }
}

impl<R> Table<R> {
    /// Puts a row in and returns the one it replaces.
    pub(crate) fn insert(&mut self, key: Key, row: Arc<R>, epoch: u32) -> Option<Arc<R>> {
        self.rows.insert(key, Slot { row, epoch }).map(|old| old.row)
    }

    /// Takes a row out.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<R>> {
        self.rows.remove(key).map(|slot| slot.row)
    }

    /// Takes out the rows (of one namespace, when given) that no list since `epoch` has named.
    pub(crate) fn retain_seen(&mut self, epoch: u32, namespace: Option<&str>) -> Vec<Arc<R>> {
        let mut gone = Vec::new();
        self.rows.retain(|key, slot| {
            let keep = slot.epoch >= epoch || namespace.is_some_and(|ns| key.namespace != ns);
            if !keep {
                gone.push(Arc::clone(&slot.row));
            }
            keep
        });
        gone
    }

    /// The row of this namespace and name; the namespace is empty for objects of the cluster.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<R>> {
        self.rows.get(&Key::new(namespace, name)).map(|slot| &slot.row)
    }

    /// All rows, by namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<R>> {
        self.rows.values().map(|slot| &slot.row)
    }

    /// The rows of one namespace, by name.
    pub fn in_namespace<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Arc<R>> + use<'a, R> {
        let from = Key::new(namespace, "");
        let namespace = from.namespace.clone();
        self.rows
            .range(from..)
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(_, slot)| &slot.row)
    }

    /// The rows of one namespace, or of all when it is `None`.
    pub fn scoped<'a>(&'a self, namespace: Option<&'a str>) -> Box<dyn Iterator<Item = &'a Arc<R>> + 'a> {
        match namespace {
            Some(namespace) => Box::new(self.in_namespace(namespace)),
            None => Box::new(self.iter()),
        }
    }

    /// The rows that come after `key`.
    pub fn after(&self, key: &Key) -> impl Iterator<Item = &Arc<R>> {
        self.rows.range((Bound::Excluded(key.clone()), Bound::Unbounded)).map(|(_, slot)| &slot.row)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The names of the rows in one namespace.
    pub fn names<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Name> {
        let from = Key::new(namespace, "");
        self.rows
            .range(from..)
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(key, _)| &key.name)
    }
}
