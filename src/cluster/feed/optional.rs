//! Which of the kinds that only some clusters have (OpenShift's) are served now.
//!
//! The question doubles as the heartbeat: one conditional request that the API server answers with 304 and no body as
//! long as nothing changed. Where CustomResourceDefinitions may be watched, the question is asked again as soon as one
//! that matters comes or goes.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use aiops_engine::SharedInventory;
use aiops_inventory::Kind;
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{sync::watch, time::Instant};

use super::{pulse::Pulse, session::Session};
use crate::cluster::{
    api::{Api, Call},
    connect,
    discovery::{self, AGGREGATED},
    failure::{Failure, Trouble},
    jitter,
    lines::Lines,
    path::Query,
};

/// The group that makes a cluster an OpenShift one.
const OPENSHIFT: &str = "config.openshift.io";
/// Between two questions at rest, so that they stay below six a minute.
const REST: Duration = Duration::from_secs(12);
/// The same where nothing tells of new kinds: they are to be found within about ten seconds.
const REST_ALONE: Duration = Duration::from_secs(10);
/// An API server that has just come back refuses everybody until it has read its roles: pauses after the first refusals in
/// a row, in milliseconds. Who is refused longer may not ask.
static REFUSED: [u64; 4] = [500, 1_000, 2_000, 4_000];
/// Discovery follows a definition after a while: pauses between the questions, in milliseconds.
static AGAIN: [u64; 6] = [200, 500, 1_000, 2_000, 3_000, 4_000];

/// What is known of the optional kinds.
#[derive(Debug)]
pub(super) struct Optional {
    /// `None` until discovery has answered.
    served: watch::Sender<Option<BTreeSet<Kind>>>,
    /// The document that was read last.
    etag: Mutex<Option<String>>,
    hash: Mutex<Option<u64>>,
    /// Whether definitions are watched.
    told: watch::Sender<bool>,
    /// How often in a row the question was refused.
    refused: AtomicUsize,
}

impl Optional {
    pub(super) fn new() -> Self {
        Self {
            served: watch::Sender::new(None),
            etag: Mutex::default(),
            hash: Mutex::default(),
            told: watch::Sender::new(false),
            refused: AtomicUsize::new(0),
        }
    }

    /// How long to wait until the next question.
    pub(super) fn pause(&self) -> Duration {
        let times = self.refused.load(Ordering::Relaxed);
        let soon = times.checked_sub(1).and_then(|before| REFUSED.get(before));
        match soon {
            Some(pause) => Duration::from_millis(*pause),
            None if *self.told.borrow() => REST,
            None => REST_ALONE,
        }
    }

    /// Waits until a kind is served (or not), as discovery tells.
    pub(super) async fn until(&self, kind: Kind, is_served: bool) {
        let mut served = self.served.subscribe();
        let is_so = |served: &Option<BTreeSet<Kind>>| {
            served.as_ref().is_some_and(|kinds| kinds.contains(&kind) == is_served)
        };
        // The sender lives as long as we do.
        let _ = served.wait_for(is_so).await;
    }

    fn is_served(&self, kind: Kind) -> bool {
        self.served.borrow().as_ref().is_some_and(|kinds| kinds.contains(&kind))
    }

    /// Asks which kinds are served. An answer of any sort means that the API server is there.
    pub(super) async fn ask(
        &self,
        api: &Api,
        inventory: &SharedInventory,
        within: Duration,
    ) -> Result<(), Failure> {
        let mut call = Call::read("discover", "/apis".to_owned());
        call.accept = AGGREGATED;
        call.compressed = true;
        call.unless = self.etag.lock().clone();
        let response = match api.open(&call, within).await {
            Ok(response) => response,
            Err(failure) => {
                if matches!(failure.trouble, Trouble::Denied | Trouble::NotFound) {
                    self.publish_all();
                }
                if failure.trouble == Trouble::Denied {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                return Err(failure);
            }
        };
        self.refused.store(0, Ordering::Relaxed);
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(());
        }
        let etag =
            response.headers().get(header::ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = response.into_body();
        let whole = tokio::time::timeout(within, api.collect(body, discovery::LARGEST)).await;
        let whole = whole.map_err(|_| Failure::timeout(api.server(), within))??;
        // Old API servers know no etags, and asking on group by group each time would cost them.
        let mut hasher = DefaultHasher::new();
        whole.hash(&mut hasher);
        let hash = Some(hasher.finish());
        if *self.hash.lock() == hash {
            return Ok(());
        }
        api.note_discovery();
        match self.read(api, inventory, &whole).await {
            Ok(()) => {
                *self.etag.lock() = etag;
                *self.hash.lock() = hash;
            }
            Err(failure) => {
                tracing::debug!(
                    why = failure.why,
                    "discovery cannot be read; optional kinds are asked for themselves"
                );
                self.publish_all();
            }
        }
        Ok(())
    }

    async fn read(&self, api: &Api, inventory: &SharedInventory, document: &[u8]) -> Result<(), Failure> {
        let groups = discovery::groups(api, document, |group| {
            Kind::ALL.into_iter().any(|kind| kind.is_optional() && kind.resource().group == group)
        })
        .await?;
        let served = Kind::ALL.into_iter().filter(|kind| {
            let wanted = kind.resource();
            kind.is_optional()
                && groups.resources.iter().any(|r| {
                    r.group == wanted.group
                        && r.plural == wanted.plural
                        && r.verbs.iter().any(|v| v == "watch")
                })
        });
        self.publish(Some(served.collect()));
        let is_openshift = Some(groups.names.contains(OPENSHIFT));
        if inventory.look().info().is_openshift != is_openshift {
            inventory.change(|inventory| inventory.set_info(|info| info.is_openshift = is_openshift));
        }
        Ok(())
    }

    /// Nobody tells, so that each kind is asked for itself.
    fn publish_all(&self) {
        self.publish(Some(Kind::ALL.into_iter().filter(|kind| kind.is_optional()).collect()));
    }

    fn publish(&self, kinds: Option<BTreeSet<Kind>>) {
        self.served.send_if_modified(|known| {
            let news = *known != kinds;
            *known = kinds;
            news
        });
    }

    /// Watches definitions for as long as the session lasts, when that is allowed.
    pub(super) async fn watch_definitions(&self, session: &Session) {
        loop {
            let end = self.definitions(&session.api, &session.pulse).await;
            self.told.send_replace(false);
            let wait = match end {
                Ok(()) => Duration::from_secs(1),
                Err(failure) if matches!(failure.trouble, Trouble::Denied | Trouble::NotFound) => {
                    Duration::from_secs(600)
                }
                Err(_) => Duration::from_secs(20),
            };
            tokio::time::sleep(wait + jitter::up_to(wait)).await;
        }
    }

    async fn definitions(&self, api: &Api, pulse: &Pulse) -> Result<(), Failure> {
        let agreed = jitter::between(Duration::from_secs(240), Duration::from_secs(480));
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions".to_owned();
        let query = Query::default().with("watch", "true").with("timeoutSeconds", agreed.as_secs());
        let mut call = Call::read("watch", query.after(path));
        call.accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        let mut body = api.open(&call, Duration::from_secs(5)).await?.into_body();
        self.told.send_replace(true);
        let mut lines = Lines::default();
        // When to ask after the news that came last; kinds that go and come in turns begin anew each time.
        let mut due: Option<(Instant, &'static [u64])> = None;
        loop {
            let mut news = false;
            let (asking, rest) = due.unwrap_or_else(|| (Instant::now(), &[]));
            let frame = tokio::select! {
                frame = tokio::time::timeout(agreed + Duration::from_secs(15), body.frame()) => frame,
                () = tokio::time::sleep_until(asking), if due.is_some() => {
                    pulse.ask();
                    due = after(rest);
                    continue;
                }
            };
            match frame {
                Ok(Some(Ok(frame))) => {
                    let Some(chunk) = frame.data_ref() else { continue };
                    let cut = lines.push(chunk, |line, _| news |= self.is_news(line));
                    if cut.is_err() {
                        return Err(Failure::new(Trouble::Server, "a definition is too large"));
                    }
                }
                Ok(Some(Err(error))) => return Err(connect::failure(api.server(), &error)),
                Ok(None) | Err(_) => return Ok(()),
            }
            if news {
                *self.hash.lock() = None;
                due = after(&AGAIN);
            }
        }
    }

    /// Whether this line tells of a definition that matters and that discovery does not show as it is.
    fn is_news(&self, line: &[u8]) -> bool {
        let Ok(line) = serde_json::from_slice::<Definition<'_>>(line) else { return false };
        let is_gone = line.r#type == "DELETED";
        let kind = Kind::ALL.into_iter().find(|kind| {
            let resource = kind.resource();
            kind.is_optional()
                && line
                    .object
                    .metadata
                    .name
                    .strip_prefix(resource.plural)
                    .and_then(|rest| rest.strip_prefix('.'))
                    == Some(resource.group)
        });
        kind.is_some_and(|kind| self.is_served(kind) == is_gone)
    }
}

/// The next of these pauses, and those that follow it.
fn after(pauses: &'static [u64]) -> Option<(Instant, &'static [u64])> {
    let (pause, rest) = pauses.split_first()?;
    Some((Instant::now() + Duration::from_millis(*pause), rest))
}

/// A line about a definition, as far as it matters.
#[derive(Deserialize)]
struct Definition<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    object: Partial<'a>,
}

#[derive(Deserialize)]
struct Partial<'a> {
    #[serde(borrow)]
    metadata: PartialMeta<'a>,
}

#[derive(Deserialize)]
struct PartialMeta<'a> {
    name: &'a str,
}
