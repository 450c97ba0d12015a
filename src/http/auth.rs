//! Who calls: bearer tokens of a file, which is read again when it changes.
//!
//! It keeps hashes only and says nothing about a token that does not fit. What a principal may do is not decided here.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use parking_lot::RwLock;

use super::refusal::Refusal;
use crate::{
    config::tokens::{Principal, TokenFileError, Tokens},
    shutdown::Tasks,
};

/// The tokens in force.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: PathBuf,
    /// What the file held just before it was read: whatever it holds later is news.
    before: Option<Vec<u8>>,
    tokens: Arc<RwLock<Arc<Tokens>>>,
}

/// How often the file is looked at. A token that was taken out of it is refused after this at the latest.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl TokenFile {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be used; nobody could come in.
    pub fn open(path: PathBuf) -> Result<Self, TokenFileError> {
        let before = std::fs::read(&path).ok();
        let tokens = Arc::new(RwLock::new(Arc::new(Tokens::read(&path)?)));
        Ok(Self { path, before, tokens })
    }

    /// Reads it again whenever it changes. One that cannot be used leaves the tokens as they are, and is logged once.
    pub fn watch(&self, tasks: &Tasks) {
        let (file, ending) = (self.clone(), tasks.ending());
        tasks.spawn("watch the token file", async move {
            let mut known = file.before.clone();
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            loop {
                tokio::select! {
                    () = ending.cancelled() => return,
                    _ = ticks.tick() => {}
                }
                // The bytes are compared, because a mounted secret is swapped by a link and dates may stay.
                let seen = tokio::fs::read(&file.path).await.ok();
                if seen != known {
                    file.renew();
                    known = seen;
                }
            }
        });
    }

    fn renew(&self) {
        match Tokens::read(&self.path) {
            Ok(tokens) => {
                tracing::info!(tokens = tokens.len(), path = %self.path.display(), "the token file was read again");
                *self.tokens.write() = Arc::new(tokens);
            }
            Err(error) => {
                tracing::error!(%error, "the token file changed and cannot be used; the tokens before stay in force");
            }
        }
    }

    /// Who presents a token that is in force.
    pub(super) fn identify(&self, headers: &HeaderMap) -> Result<Principal, Refusal> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else {
            return Err(unauthorized(
                "a bearer token is needed: Authorization: Bearer TOKEN, one of http.tokenFile",
                r#"Bearer realm="aiops""#,
            ));
        };
        let tokens = Arc::clone(&*self.tokens.read());
        bearer(value.as_bytes()).and_then(|token| tokens.find(token, Timestamp::now()).cloned()).ok_or_else(
            || {
                unauthorized(
                    "the bearer token is unknown or over; ask whoever keeps http.tokenFile for a new one",
                    r#"Bearer realm="aiops", error="invalid_token""#,
                )
            },
        )
    }
}

fn unauthorized(message: &str, challenge: &'static str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
        .header(header::WWW_AUTHENTICATE, challenge)
}

/// The token of `Bearer TOKEN`.
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
