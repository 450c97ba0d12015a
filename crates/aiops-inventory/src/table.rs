//! The rows of one kind, ordered by namespace and name.
//!
//! A row is replaced whole and never changed in place, so a reader may keep an `Arc` of it and leave the lock.

use std::{borrow::Borrow, cmp::Ordering, collections::BTreeSet, ops::Bound, sync::Arc};

use crate::{Key, Name, Row};

/// Rows of one kind.
#[derive(Debug)]
pub struct Table<R: Row> {
    /// Ordered by the keys that stand in the rows: a second copy would cost 30 bytes a pod.
    rows: BTreeSet<Slot<R>>,
}

#[derive(Debug)]
struct Slot<R> {
    row: Arc<R>,
    /// The list in which the row was last seen; a row that a whole list did not name is gone.
    epoch: u32,
}

impl<R: Row> Borrow<Key> for Slot<R> {
    fn borrow(&self) -> &Key {
        &self.row.meta().key
    }
}

impl<R: Row> Ord for Slot<R> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.row.meta().key.cmp(&other.row.meta().key)
    }
}

impl<R: Row> PartialOrd for Slot<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R: Row> PartialEq for Slot<R> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<R: Row> Eq for Slot<R> {}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self { rows: BTreeSet::new() }
    }
}

impl<R: Row> Table<R> {
    /// Puts a row in and returns the one it replaces.
    pub(crate) fn insert(&mut self, row: Arc<R>, epoch: u32) -> Option<Arc<R>> {
        self.rows.replace(Slot { row, epoch }).map(|old| old.row)
    }

    /// Takes a row out.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<R>> {
        self.rows.take(key).map(|slot| slot.row)
    }

    /// Takes out the rows (of one namespace, when given) that no list since `epoch` has named.
    pub(crate) fn retain_seen(&mut self, epoch: u32, namespace: Option<&str>) -> Vec<Arc<R>> {
        let mut gone = Vec::new();
        self.rows.retain(|slot| {
            let elsewhere = namespace.is_some_and(|ns| slot.row.meta().key.namespace != ns);
            let keep = slot.epoch >= epoch || elsewhere;
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
        self.rows.iter().map(|slot| &slot.row)
    }

    /// The rows of one namespace, by name.
    pub fn in_namespace<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Arc<R>> + use<'a, R> {
        let from = Key::new(namespace, "");
        let namespace = from.namespace.clone();
        let rows = self.rows.range::<Key, _>(from..).map(|slot| &slot.row);
        rows.take_while(move |row| row.meta().key.namespace == namespace)
    }

    /// The rows of one namespace, or of all when it is `None`.
    pub fn scoped<'a>(&'a self, namespace: Option<&'a str>) -> Box<dyn Iterator<Item = &'a Arc<R>> + 'a> {
        match namespace {
            Some(namespace) => Box::new(self.in_namespace(namespace)),
            None => Box::new(self.iter()),
        }
    }

    /// The rows that come after `key`.
    pub fn after<'a>(&'a self, key: &Key) -> impl Iterator<Item = &'a Arc<R>> + use<'a, R> {
        self.rows.range::<Key, _>((Bound::Excluded(key), Bound::Unbounded)).map(|slot| &slot.row)
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
        self.in_namespace(namespace).map(|row| &row.meta().key.name)
    }
}
