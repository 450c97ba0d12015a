//! Lists in pages: the worst rows first, then everything else by name, each object once, and counts that add up.

use aiops_inventory::{
    Key,
    page::{Cursor, mark},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Error;

/// How many there are, how many are shown and how to see more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Page {
    /// All objects that match, of the kinds that are known; null when that is none of them (see missing).
    pub total: Option<usize>,
    /// Objects in this answer.
    pub shown: usize,
    /// Matching objects that neither this answer nor the pages before it showed; null when total is.
    pub omitted: Option<usize>,
    /// Pass as cursor to see the next ones; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl Page {
    /// The same page of a list whose kinds are known or not: what was not counted is null, never 0.
    pub(crate) fn known(self, known: bool) -> Self {
        let or_null = |count: Option<usize>| count.filter(|_| known);
        Self { total: or_null(self.total), omitted: or_null(self.omitted), ..self }
    }
}

/// A list on its way into a page.
#[derive(Debug)]
pub struct Listing {
    question: u64,
    limit: usize,
    cursor: Option<Cursor>,
    keys: Vec<Key>,
}

/// Rows in a page when nobody says how many: the budget in bytes ends it earlier.
const DEFAULT_LIMIT: u32 = 100;

impl Listing {
    /// A list of `keys`, in the order of their namespace and name. `question` is a digest of the filters, to which a
    /// cursor is bound.
    pub fn new(
        question: u64,
        limit: Option<u32>,
        cursor: Option<&str>,
        keys: Vec<Key>,
    ) -> Result<Self, Error> {
        let cursor = cursor
            .filter(|cursor| !cursor.is_empty())
            .map(|text| Cursor::decode(text, question))
            .transpose()
            .map_err(|e| Error::invalid("argument \"cursor\"", e.to_string()))?;
        let limit = usize::try_from(limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX).max(1);
        Ok(Self { question, limit, cursor, keys })
    }

    /// Makes the page. `badness` orders the first page (least first); `item` renders a key, `None` when the row left
    /// meanwhile; `bytes` is the budget.
    pub fn fill<T: Serialize, B: Ord>(
        self,
        badness: impl Fn(&Key) -> B,
        bytes: usize,
        item: impl Fn(&Key) -> Option<T>,
    ) -> (Vec<T>, Page) {
        let total = self.keys.len();
        let first_page = self.cursor.is_none();
        let cursor = self.cursor.unwrap_or(Cursor { after: None, shown: Vec::new() });
        let mut pending: Vec<&Key> = self
            .keys
            .iter()
            .filter(|key| {
                cursor.after.as_ref().is_none_or(|after| *key > after) && !cursor.shown.contains(&mark(key))
            })
            .collect();
        if first_page {
            pending.sort_by_cached_key(|key| (badness(key), (*key).clone()));
        }
        let mut items = Vec::new();
        let mut taken: Vec<&Key> = Vec::new();
        let mut used = 0;
        for key in &pending {
            if items.len() >= self.limit {
                break;
            }
            let Some(row) = item(key) else { continue };
            let size = serde_json::to_vec(&row).map_or(0, |json| json.len() + 1);
            if !items.is_empty() && used + size > bytes {
                break;
            }
            used += size;
            taken.push(key);
            items.push(row);
        }
        let omitted = pending.len() - items.len();
        let next_cursor = (omitted > 0).then(|| {
            let next = if first_page {
                Cursor { after: None, shown: taken.iter().map(|key| mark(key)).collect() }
            } else {
                let after = taken.last().map(|key| (*key).clone());
                let ahead = self.keys.iter().filter(|key| after.as_ref().is_none_or(|after| *key > after));
                let shown = ahead.map(mark).filter(|m| cursor.shown.contains(m)).collect();
                Cursor { after, shown }
            };
            next.encode(self.question)
        });
        let page = Page { total: Some(total), shown: items.len(), omitted: Some(omitted), next_cursor };
        (items, page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(limit: Option<u32>, bytes: usize) -> Vec<String> {
        let keys: Vec<Key> = (0..250).map(|i| Key::new(format!("ns{}", i % 7), format!("pod-{i}"))).collect();
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let mut keys = keys.clone();
            keys.sort();
            let listing = Listing::new(9, limit, cursor.as_deref(), keys).unwrap();
            // Badness changes between the pages, as it does in a cluster.
            let turn = seen.len();
            let (items, page) =
                listing.fill(|k| (k.name.len() + turn) % 5, bytes, |k| Some(k.name.to_string()));
            seen.extend(items);
            assert_eq!(page.omitted.map(|omitted| seen.len() + omitted), page.total);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return seen;
            }
        }
    }

    #[test]
    fn a_walk_names_each_object_once() {
        for (limit, bytes) in [(Some(7), 60_000), (Some(1), 60_000), (None, 900), (Some(500), 60_000)] {
            let mut seen = walk(limit, bytes);
            assert_eq!(seen.len(), 250);
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), 250);
        }
    }

    #[test]
    fn a_cursor_of_another_question_is_refused() {
        let keys: Vec<Key> = (0..9).map(|i| Key::new("", format!("n{i}"))).collect();
        let (_, page) = Listing::new(1, Some(2), None, keys.clone()).unwrap().fill(|_| 0, 9_999, |_| Some(1));
        assert!(Listing::new(2, Some(2), page.next_cursor.as_deref(), keys).is_err());
    }
}
