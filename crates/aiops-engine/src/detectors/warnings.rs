//! What warnings of the last hour say of an object, looked up only when a row leaves the cause open.
//!
//! The index is made once a question and only when somebody asks: a cluster that is well costs nothing.

use std::{cell::OnceCell, collections::HashMap};

use aiops_inventory::rows::{EventRow, Seconds};

use super::View;

/// A warning older than this says nothing of now. It is what the kubelet and the controllers repeat at least once in.
const FRESH: Seconds = 3_600;
/// Enough for any storm; the newest are looked at first.
const MOST: usize = 20_000;

/// Namespace, kind and name.
type About<'a> = (&'a str, &'a str, &'a str);

/// Warnings by the object they are about.
#[derive(Debug, Default)]
pub(super) struct Warnings<'a> {
    by_object: OnceCell<HashMap<About<'a>, Vec<&'a EventRow>>>,
}

impl<'a> Warnings<'a> {
    /// The newest warning about this object that fits.
    pub(super) fn find(
        &self,
        view: View<'a>,
        about: (&str, &str, &str),
        fits: impl Fn(&EventRow) -> bool,
    ) -> Option<&'a EventRow> {
        let by_object = self.by_object.get_or_init(|| {
            let mut index: HashMap<About<'a>, Vec<&'a EventRow>> = HashMap::new();
            let fresh =
                view.inventory.events().warnings().take_while(|e| view.now - e.last < FRESH).take(MOST);
            for event in fresh.filter(|e| view.namespace.is_none_or(|ns| e.namespace == ns)) {
                index.entry((&event.namespace, &event.kind, &event.object)).or_default().push(event);
            }
            index
        });
        by_object.get(&about)?.iter().copied().find(|event| fits(event))
    }
}
