//! The outgoing webhook: what the engine recorded to be told outside is posted, once it could be.
//!
//! At least once: a message is struck off only after the receiver answered 2xx, and carries its number so that a receiver
//! can tell a repetition. It goes to the one URL of the configuration, follows no redirect, reads next to nothing of the
//! answer, and nothing it receives changes what aiops does.

mod message;

use std::{path::Path, sync::Arc, time::Duration};

use aiops_engine::{
    model::Millis,
    ports::{
        Clock,
        store::{DueNotice, Store},
    },
};
use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Uri, header};

use self::message::{Signer, Template};
use crate::{config::Notify, outbound::Outbound, shutdown::Tasks};

/// One process at a time delivers.
const DUTY: &str = "notify";
/// So often it is held anew: each time is a commit.
const DUTY_EVERY: Millis = 5_000;
/// For how long it is held, beside the time that one delivery may take: what a process that died leaves is told after that.
const DUTY_TTL: Duration = Duration::from_secs(10);
/// How often is looked for messages that are due.
const EVERY: Duration = Duration::from_secs(1);
/// Messages of one look.
const BATCH: u32 = 20;
/// What is read of an answer: Slack says "ok".
const MOST_BYTES: usize = 4 * 1024;
/// The first wait after a delivery failed; each further one is twice as long, up to the longest.
const FIRST_WAIT: Millis = 2_000;
const LONGEST_WAIT: Millis = 15 * 60_000;
/// A message this old is given up: whoever was to act has seen it elsewhere.
const GIVE_UP: Millis = 24 * 3_600_000;

/// Delivers messages to one receiver.
pub struct Notifier {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    owner: String,
    receiver: Option<Receiver>,
    held_at: Option<Millis>,
    is_failing: bool,
}

/// Who is told.
pub struct Receiver {
    client: Outbound,
    url: Uri,
    signer: Option<Signer>,
    template: Template,
    patience: Duration,
}

impl Notifier {
    /// A notifier for this receiver. Without one messages are struck off unsent, so that one that is configured
    /// later is not told of last month. `owner` names this process among those that share the store.
    pub fn new(
        receiver: Option<Receiver>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        owner: String,
    ) -> Self {
        Self { store, clock, owner, receiver, held_at: None, is_failing: false }
    }

    /// Delivers until the process ends.
    pub fn start(mut self, tasks: &Tasks) {
        let ending = tasks.ending();
        tasks.spawn("notices", async move {
            loop {
                tokio::select! {
                    () = ending.cancelled() => return,
                    () = tokio::time::sleep(EVERY) => {}
                }
                // A delivery that is under way at the end is waited for: it has a deadline of its own.
                self.deliver_until(&|| ending.is_cancelled()).await;
            }
        });
    }

    /// Delivers what is due, once, up to the first that is not taken: a receiver that is down is asked for one message at a
    /// time, and one that refuses a message gets the next of them at the next look. How many were delivered.
    pub async fn deliver_due(&mut self) -> usize {
        self.deliver_until(&|| false).await
    }

    async fn deliver_until(&mut self, is_over: &(dyn Fn() -> bool + Sync)) -> usize {
        if !self.has_duty().await {
            return 0;
        }
        // By the time that messages were dated with: another machine's, or this one's without its jumps.
        let Ok(stored) = self.store.time().await else { return 0 };
        let Ok(due) = self.store.due_notices(stored, BATCH).await else { return 0 };
        let mut delivered = 0;
        for notice in due {
            // Each delivery takes its time, and the duty may have gone to another process meanwhile.
            if is_over() || !self.has_duty().await {
                break;
            }
            let again_at = match &self.receiver {
                None => None,
                Some(receiver) => match receiver.post(&notice, self.now()).await {
                    Ok(()) => {
                        delivered += 1;
                        if std::mem::take(&mut self.is_failing) {
                            tracing::info!("the receiver of notify.url takes messages again");
                        }
                        None
                    }
                    Err(why) => self.failed(&notice, &why).await,
                },
            };
            if let Err(error) = self.store.settle_notice(notice.seq, again_at).await {
                tracing::warn!(%error, notice = notice.seq, "whether a message was delivered could not be kept; it is sent again");
            }
            if again_at.is_some() {
                break;
            }
        }
        delivered
    }

    /// Another process may have it; with a store that is down nobody can be told what is in it.
    async fn has_duty(&mut self) -> bool {
        let now = self.now();
        if self.held_at.is_some_and(|at| (0..DUTY_EVERY).contains(&now.saturating_sub(at))) {
            return true;
        }
        let one = self.receiver.as_ref().map_or(Duration::ZERO, |receiver| receiver.patience);
        let held =
            self.store.hold_duty(DUTY, &self.owner, DUTY_TTL.saturating_add(one)).await.unwrap_or(false);
        self.held_at = held.then_some(now);
        held
    }

    /// When to try again; `None` when it is given up.
    async fn failed(&mut self, notice: &DueNotice, why: &str) -> Option<Millis> {
        // A store that tells no time keeps nothing either: it is due again as it was.
        let now = self.store.time().await.unwrap_or(notice.notice.at);
        if now.saturating_sub(notice.notice.at) > GIVE_UP {
            tracing::error!(
                notice = notice.seq,
                kind = notice.notice.kind,
                why,
                "a message was not delivered within a day and is given up"
            );
            return None;
        }
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(why, "the receiver of notify.url takes no messages; they are kept and sent again");
        }
        Some(now.saturating_add(wait(notice.attempts)))
    }

    /// By this machine's clock: what a receiver compares with its own.
    fn now(&self) -> Millis {
        self.clock.now().as_millisecond()
    }
}

/// How long after so many failed deliveries.
fn wait(attempts: u32) -> Millis {
    let doubled = 1_i64.checked_shl(attempts.min(20)).unwrap_or(i64::MAX);
    FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT)
}

impl Receiver {
    /// The receiver that a configuration names, if it names one. Nothing is sent to it.
    ///
    /// # Errors
    /// The secret cannot be read or is too short, or the system has no root certificates for an https URL: nobody should
    /// believe that somebody is told.
    pub fn of(config: &Notify) -> anyhow::Result<Option<Self>> {
        config.url.as_deref().map(|url| Self::at(config, url)).transpose()
    }

    /// What may be said of it to anybody.
    pub const fn shown(&self) -> &'static str {
        if self.signer.is_some() { "signed" } else { "unsigned" }
    }

    fn at(config: &Notify, url: &str) -> anyhow::Result<Self> {
        let url: Uri = url.parse().context("notify.url is no URL")?;
        let client = Outbound::to(&url).context("notify.url cannot be reached: no root certificates")?;
        let signer = config.secret_file.as_deref().map(secret).transpose()?;
        Ok(Self { client, url, signer, template: Template::new(&config.template), patience: config.timeout })
    }

    async fn post(&self, due: &DueNotice, now: Millis) -> Result<(), String> {
        let body = message::body(due, &self.template);
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("aiops/", env!("CARGO_PKG_VERSION")))
            .header("X-Aiops-Delivery", due.seq)
            .header("X-Aiops-Event", message::header_word(&due.notice.kind));
        if let Some(signer) = &self.signer {
            let seconds = now / 1_000;
            request = request
                .header("X-Aiops-Timestamp", seconds)
                .header("X-Aiops-Signature", signer.sign(seconds, &body));
        }
        let request = request.body(Bytes::from(body)).map_err(|error| error.to_string())?;
        let answer = self.client.send(request, self.patience, MOST_BYTES).await;
        let answer = answer.map_err(|error| error.to_string())?;
        // A redirect is not followed: the message may go to whom the operator named and nobody else.
        if answer.status().is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status())) }
    }
}

fn secret(path: &Path) -> anyhow::Result<Signer> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "the secret of notify.secretFile, {}, cannot be read: name a file that aiops may read, or unset the key to send \
             unsigned messages",
            path.display()
        )
    })?;
    let secret = text.trim();
    anyhow::ensure!(
        secret.len() >= 16,
        "the secret of notify.secretFile, {}, is shorter than 16 characters; write a random one",
        path.display()
    );
    Ok(Signer::new(secret))
}

impl std::fmt::Debug for Receiver {
    // The URL and the secret are as good as passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("is_signed", &self.signer.is_some()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier").field("tells", &self.receiver.is_some()).finish_non_exhaustive()
    }
}
