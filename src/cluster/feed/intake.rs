//! Takes the bytes of one watch into the inventory, line by line, and remembers how far it came.
//!
//! It opens nothing and waits for nothing: bytes come in, rows go out.

use aiops_inventory::{
    Change, Inventory, Kind,
    decode::{self, WatchKind},
    rows::Seconds,
};

use crate::cluster::{
    failure::{Failure, Trouble, clean},
    lines::{LONGEST, Lines},
};

/// The reading end of one watch.
#[derive(Debug)]
pub(super) struct Intake {
    kind: Kind,
    lines: Lines,
    /// Newest version of which everything before has been taken in. Empty until a streaming list is complete.
    version: String,
    /// Whether the initial events of a streaming list are still coming.
    listing: bool,
}

/// What a chunk of bytes brought.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The streaming list is complete with this chunk.
    pub(super) listed: bool,
    /// The watch ends, for this reason.
    pub(super) end: Option<Failure>,
}

impl Intake {
    /// Of a watch that begins after `version`, or with a streaming list when there is none.
    pub(super) fn new(kind: Kind, version: Option<&str>) -> Self {
        let listing = version.is_none();
        Self { kind, lines: Lines::default(), version: version.unwrap_or_default().to_owned(), listing }
    }

    /// From where the watch may be begun again; `None` while a list is incomplete.
    pub(super) fn version(&self) -> Option<&str> {
        (!self.listing && !self.version.is_empty()).then_some(self.version.as_str())
    }

    /// Takes a chunk in. The caller holds the inventory's lock meanwhile, which is why chunks are small.
    pub(super) fn take(&mut self, chunk: &[u8], inventory: &mut Inventory, now: Seconds) -> News {
        let Self { kind, lines, version, listing } = self;
        let mut news = News::default();
        // Reading a version costs a walk through the object, so it is read of the chunk's last object only.
        let mut last: Option<String> = None;
        let line = |line: &[u8], is_last: bool| {
            if news.end.is_some() || line.is_empty() {
                return;
            }
            let read = match decode::watch_line(line) {
                Ok(read) => read,
                Err(error) => {
                    news.end = Some(garbled(&error));
                    return;
                }
            };
            let object = read.object.get().as_bytes();
            let change = match read.kind {
                WatchKind::Added | WatchKind::Modified => Change::Applied(object),
                WatchKind::Deleted => Change::Deleted(object),
                WatchKind::Bookmark { resource_version, initial_events_end } => {
                    if initial_events_end && *listing {
                        *listing = false;
                        news.listed = true;
                    }
                    last = Some(resource_version);
                    return;
                }
                WatchKind::Error { code, reason, message } => {
                    news.end = Some(refusal(code, &reason, &message));
                    return;
                }
            };
            if let Err(error) = inventory.apply(*kind, change) {
                // Counted by the inventory; its row is missing or older than the object.
                tracing::debug!(%kind, error = %error.source, "an object cannot be read");
            }
            if is_last && !*listing {
                last = decode::resource_version(object).map(std::borrow::Cow::into_owned);
            }
        };
        let cut = lines.push(chunk, line);
        inventory.heard(*kind, now);
        if let Some(last) = last.filter(|last| !last.is_empty()) {
            *version = last;
        }
        if cut.is_err() {
            let why = format!("the API server sent an object of more than {} MiB", LONGEST >> 20);
            news.end = Some(Failure::new(Trouble::Server, why));
        }
        news
    }
}

fn garbled(error: &decode::DecodeError) -> Failure {
    let why = format!("the API server sent a line that is no watch event ({})", error.source);
    Failure::new(Trouble::Server, why)
}

/// An ERROR line is a `Status` without the HTTP answer around it.
fn refusal(code: u16, reason: &str, message: &str) -> Failure {
    let trouble = match (code, reason) {
        (410, _) | (_, "Expired" | "Gone") => Trouble::Gone,
        (401, _) => Trouble::Unauthorized,
        (403, _) => Trouble::Denied,
        (429, _) => Trouble::Throttled,
        _ => Trouble::Server,
    };
    Failure::new(trouble, format!("the API server ended the watch: {}", clean(message)))
}
