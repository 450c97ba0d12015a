//! Lists a kind in pages, for API servers that do not stream lists (before Kubernetes 1.32, and with the feature off).
//!
//! A page is held as it came while its objects are read one by one; how many objects it may have is fitted to how large
//! they turn out to be. The watch that follows is not begun here.

use std::time::Duration;

use aiops_inventory::{Change, decode};
use serde_json::value::RawValue;

use super::{board::Part, session::Session};
use crate::cluster::{
    api::Call,
    failure::{Failure, Trouble},
    now,
    path::{Query, collection},
};

/// Objects on a page to begin with, at least, and bytes that a page should have.
const FIRST: usize = 500;
const LEAST: usize = 50;
const GOOD_SIZE: usize = 2 * 1024 * 1024;
/// Most bytes of one page.
const LARGEST: usize = 64 * 1024 * 1024;
/// Longest for one page.
const WITHIN: Duration = Duration::from_secs(30);
/// Objects taken in under one lock, some tenths of a millisecond.
const BATCH: usize = 32;

/// Lists everything; the answer is the version from which to watch.
pub(super) async fn list(session: &Session, part: &Part) -> Result<String, Failure> {
    let (kind, namespace) = (part.0, part.1.as_deref());
    let resource = kind.resource();
    let path = collection(resource.group, resource.version, resource.plural, namespace)
        .map_err(|error| Failure::new(Trouble::Refused, error.message))?;
    let _list = session.list_lock(kind).await;
    // Pages are the largest things we ever hold: few at a time.
    let _page = session.pages.acquire().await;
    session.inventory.change(|inventory| inventory.begin(kind));
    let mut next = String::new();
    let mut limit = FIRST;
    loop {
        let token = (!next.is_empty()).then_some(next.as_str());
        let query = Query::default().with("limit", limit).maybe("continue", token);
        let mut call = Call::read("list", query.after(path.clone()));
        call.compressed = true;
        let page = session.api.read(&call, LARGEST, WITHIN).await?;
        session.pulse.heard();
        let mut batch: Vec<&RawValue> = Vec::with_capacity(BATCH);
        let take = |batch: &mut Vec<&RawValue>| {
            session.inventory.change(|inventory| {
                for object in batch.drain(..) {
                    if let Err(error) = inventory.apply(kind, Change::Applied(object.get().as_bytes())) {
                        // Counted by the inventory.
                        tracing::debug!(%kind, error = %error.source, "an object cannot be read");
                    }
                }
                inventory.heard(kind, now());
            });
        };
        let mut objects = 0;
        let head = decode::items(&page, |object| {
            objects += 1;
            batch.push(object);
            if batch.len() == BATCH {
                take(&mut batch);
            }
        });
        take(&mut batch);
        let head = head.map_err(|error| {
            Failure::new(
                Trouble::Server,
                format!("the API server sent a page that is no list ({})", error.source),
            )
        })?;
        if head.continue_token.is_empty() {
            session.inventory.change(|inventory| inventory.complete(kind, namespace));
            return Ok(head.resource_version);
        }
        if let Some(each) = page.len().checked_div(objects) {
            limit = (GOOD_SIZE / each.max(1)).clamp(LEAST, FIRST);
        }
        next = head.continue_token;
        // Others have their turn between two pages.
        tokio::task::yield_now().await;
    }
}
