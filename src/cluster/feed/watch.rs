//! One watch: a kind, in the whole cluster or in one namespace, for as long as the session lasts.
//!
//! It lists (streaming, or in pages where that is refused), watches, and begins again from where it was. It never
//! decides whether the API server is alive: the pulse does.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use aiops_inventory::{Kind, Sync};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout};

use super::{
    board::Part,
    intake::{Intake, News},
    order::tier,
    pages,
    session::Session,
};
use crate::cluster::{
    api::Call,
    connect,
    failure::{Failure, Trouble},
    jitter, now,
    path::{Query, collection},
};

/// Longest until a watch is accepted, or a list begins to stream: the API server may first bring its cache up to date.
const ACCEPT: Duration = Duration::from_secs(12);
/// Why rows are old while a watch is not accepted.
const SLOW: &str = "the API server is slow to accept the watch";
/// A streaming list that pauses for so long will not be ended by its bookmark: the server does not know of it.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A watch may end this much before or after the time that was agreed.
const SLACK: Duration = Duration::from_secs(15);
/// A watch that lived for so long was a good one; the next trouble is a new one.
const GOOD: Duration = Duration::from_secs(5);
/// A break that is mended within this time is none.
const MOMENT: Duration = Duration::from_secs(1);
/// A version that the API server has forgotten is told within this time after a watch was accepted.
const PROOF: Duration = Duration::from_millis(300);
/// Why rows are old while a list is read again.
const FORGOTTEN: &str = "the API server has forgotten the version that was seen last; the list is read again";
/// When a refused list is tried again.
const REFUSED: (Duration, Duration) = (Duration::from_secs(55), Duration::from_secs(65));
/// How often in a row it is tried sooner when it was granted before this connection.
const NEWS: u32 = 4;

/// What a turn was.
enum Done {
    /// All pages of a list.
    Listed,
    /// A watch, for as long as was agreed.
    Watched,
}

/// One watch.
pub(super) struct Watch<'s> {
    session: &'s Session,
    part: Part,
    settled: AtomicBool,
}

impl<'s> Watch<'s> {
    pub(super) const fn new(session: &'s Session, part: Part) -> Self {
        Self { session, part, settled: AtomicBool::new(false) }
    }

    const fn kind(&self) -> Kind {
        self.part.0
    }

    fn namespace(&self) -> Option<&str> {
        self.part.1.as_deref()
    }

    fn settle(&self) {
        // Nobody waits for kinds that may not exist.
        if !self.kind().is_optional() && !self.settled.swap(true, Ordering::Relaxed) {
            self.session.order.settled(self.kind());
        }
    }

    fn report(&self, sync: Sync) {
        self.session.board.report(&self.part, sync);
        self.settle();
    }

    /// Watches until it is dropped, or until the API server says that it does not serve an optional kind.
    pub(super) async fn run(&self) {
        let mut tries = 0_u32;
        let was_known = self.session.inventory.look().status(self.kind()).sync.is_known();
        loop {
            let begun = Instant::now();
            let failure = match self.turn().await {
                Ok(Done::Watched) => {
                    tries = 0;
                    continue;
                }
                // What comes of it is seen by the watch that follows.
                Ok(Done::Listed) => continue,
                Err(failure) => failure,
            };
            if begun.elapsed() > GOOD {
                tries = 0;
            }
            tracing::debug!(kind = %self.kind(), namespace = self.namespace(), why = failure.why, "a watch broke");
            match failure.trouble {
                Trouble::Gone => {
                    // The rows stay until the new list is complete; they are as old as the watch that ended.
                    self.session.board.set_version(&self.part, None);
                    self.session.board.broken(&self.part, now(), FORGOTTEN);
                    if tries > 0 {
                        self.settle();
                    }
                    let most = if tier(self.kind()) == 0 { 300 } else { 1_000 };
                    tokio::time::sleep(jitter::up_to(Duration::from_millis(most)) + pause(tries)).await;
                }
                Trouble::Denied => {
                    self.session.board.set_version(&self.part, None);
                    self.report(Sync::Forbidden { reason: failure.why.as_str().into() });
                    // An API server that has just come back refuses everybody until it has read its roles.
                    let is_news = was_known && tries < NEWS;
                    let wait = if is_news { pause(tries + 1) } else { jitter::between(REFUSED.0, REFUSED.1) };
                    tokio::time::sleep(wait).await;
                    if self.kind() == Kind::Pod {
                        self.session.ask_for_rights();
                    }
                }
                Trouble::NotFound => {
                    self.session.board.set_version(&self.part, None);
                    self.report(Sync::Absent);
                    if self.kind().is_optional() {
                        return;
                    }
                    tokio::time::sleep(jitter::between(REFUSED.0, REFUSED.1)).await;
                }
                Trouble::Refused if self.streams_lists() => self.session.board.page(self.kind()),
                Trouble::Throttled => {
                    self.wait(failure.after.unwrap_or_default() + pause(tries + 1), &failure, tries > 0)
                        .await;
                }
                _ => {
                    self.mend(&failure, tries).await;
                }
            }
            tries += 1;
        }
    }

    /// Whether the next turn begins with a streaming list.
    fn streams_lists(&self) -> bool {
        self.session.board.version(&self.part).is_none() && !self.session.board.is_paged(self.kind())
    }

    /// Waits until the API server is known to answer, and a little longer each time.
    async fn mend(&self, failure: &Failure, tries: u32) {
        let since = now();
        if tries > 0 {
            self.session.board.broken(&self.part, since, &failure.why);
            self.settle();
        }
        let answered = async {
            self.session.pulse.check().await;
            tokio::time::sleep(pause(tries)).await;
        };
        tokio::pin!(answered);
        if timeout(MOMENT, &mut answered).await.is_err() {
            self.session.board.broken(&self.part, since, &failure.why);
            answered.await;
        }
    }

    async fn wait(&self, time: Duration, failure: &Failure, is_broken: bool) {
        if is_broken || time > MOMENT {
            self.session.board.broken(&self.part, now(), &failure.why);
            self.settle();
        }
        tokio::time::sleep(time).await;
    }

    /// One list or one watch. `Ok` when it ended as agreed.
    async fn turn(&self) -> Result<Done, Failure> {
        let Session { board, .. } = self.session;
        match board.version(&self.part) {
            None if board.is_paged(self.kind()) => {
                let version = pages::list(self.session, &self.part).await?;
                board.set_version(&self.part, Some(&version));
                Ok(Done::Listed)
            }
            version => self.stream(version.as_deref()).await.map(|()| Done::Watched),
        }
    }

    async fn stream(&self, version: Option<&str>) -> Result<(), Failure> {
        let (kind, session) = (self.kind(), self.session);
        let agreed = jitter::between(Duration::from_secs(240), Duration::from_secs(480));
        let call = self.call(version, agreed)?;
        // Lists of one kind come one after the other: the inventory tells old rows from new ones by the list.
        let mut list = match version {
            None => Some(session.list_lock(kind).await),
            Some(_) => None,
        };
        let opening = session.api.open(&call, ACCEPT);
        tokio::pin!(opening);
        let opened = match timeout(MOMENT, &mut opening).await {
            Ok(opened) => opened,
            Err(_) => {
                if version.is_some() {
                    session.board.broken(&self.part, now(), SLOW);
                }
                opening.await
            }
        };
        let mut body = opened?.into_body();
        let begun = Instant::now();
        session.pulse.heard();
        // A watch that is begun again is believed when it has said something, or nothing for a moment: that its version
        // is forgotten is its first line.
        let mut is_proven = version.is_none();
        if version.is_none() {
            session.inventory.change(|inventory| inventory.begin(kind));
        }
        let mut intake = Intake::new(kind, version);
        loop {
            let quiet = match (&list, is_proven) {
                (Some(_), _) => LONGEST_PAUSE,
                (None, false) => PROOF,
                (None, true) => agreed + SLACK,
            };
            let frame = match timeout(quiet, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Err(connect::failure(session.api.server(), &error)),
                Ok(None) => break,
                Err(_) if !is_proven => {
                    is_proven = true;
                    self.report(Sync::Synced);
                    continue;
                }
                Err(_) if list.is_some() => {
                    // A server that is silent altogether ends the session here instead.
                    session.pulse.check().await;
                    session.board.page(kind);
                    return Err(Failure::new(
                        Trouble::Server,
                        "the API server does not end its streaming list",
                    ));
                }
                Err(_) => return Err(Failure::timeout(session.api.server(), quiet)),
            };
            let Some(chunk) = frame.data_ref() else { continue };
            session.pulse.heard();
            let News { listed, end } = session.inventory.change(|inventory| {
                let news = intake.take(chunk, inventory, now());
                if news.listed {
                    inventory.complete(kind, self.namespace());
                }
                news
            });
            if let Some(version) = intake.version() {
                session.board.set_version(&self.part, Some(version));
            }
            if listed {
                list = None;
                self.report(Sync::Synced);
            }
            if let Some(failure) = end {
                return Err(failure);
            }
            if !is_proven {
                is_proven = true;
                self.report(Sync::Synced);
            }
        }
        if list.is_some() || begun.elapsed() + SLACK < agreed {
            let why = format!("{} ended a watch before its time", session.api.server());
            return Err(Failure::new(Trouble::Unreachable, why));
        }
        Ok(())
    }

    fn call(&self, version: Option<&str>, agreed: Duration) -> Result<Call, Failure> {
        let resource = self.kind().resource();
        let path = collection(resource.group, resource.version, resource.plural, self.namespace())
            .map_err(|error| Failure::new(Trouble::Refused, error.message))?;
        let query = Query::default()
            .with("watch", "true")
            .with("allowWatchBookmarks", "true")
            .with("timeoutSeconds", agreed.as_secs());
        let query = match version {
            Some(version) => query.with("resourceVersion", version),
            None => query.with("sendInitialEvents", "true").with("resourceVersionMatch", "NotOlderThan"),
        };
        // Watches are never compressed: a server that compresses them does so line by line, which costs it more than it
        // saves, and decoders disagree about streams of many members.
        Ok(Call::read("watch", query.after(path)))
    }
}

/// How long to wait after so many failures in a row: 0–0.2 s, then 1, 2, 4 … 30 s, each up to half as long again.
fn pause(tries: u32) -> Duration {
    match tries {
        0 => jitter::up_to(Duration::from_millis(200)),
        _ => {
            let base = Duration::from_secs(2_u64.saturating_pow(tries.min(6) - 1).min(30));
            base + jitter::up_to(base / 2)
        }
    }
}
