//! Who asks, and what the head of a request says beside its path: parameters, the key of a repetition.
//!
//! The gate has identified the caller; nothing is proven here.

use aiops_engine::model::caller::{Caller, Via};
use axum::{
    extract::{FromRequestParts, Path},
    http::{HeaderName, request::Parts},
};
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;

use super::{
    Rest,
    body::plain,
    error::{self, Failure},
};
use crate::{config::tokens::Principal, http::RequestId};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key of a repetition.
const LONGEST_KEY: usize = 255;

/// Who asks.
#[derive(Debug)]
pub(super) struct Who {
    /// As the engine wants to know it.
    pub(super) caller: Caller,
    /// The id under which the answer goes out.
    pub(super) request_id: String,
    may_act: bool,
}

impl Who {
    /// Refuses strangers where strangers may not act.
    pub(super) fn acts(&self) -> Result<&Caller, Failure> {
        if self.caller.is_identified || self.may_act { Ok(&self.caller) } else { Err(error::stranger()) }
    }
}

impl FromRequestParts<Rest> for Who {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Self::Rejection> {
        let caller = match parts.extensions.get::<Principal>() {
            Some(principal) => Caller::identified(&principal.name, principal.groups.clone(), Via::Rest),
            None => Caller::anonymous(Via::Rest),
        };
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned());
        Ok(Self { caller, request_id: request_id.unwrap_or_default(), may_act: rest.strangers_act })
    }
}

/// The parts of the path.
#[derive(Debug)]
pub(super) struct At<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        let Path(path) = path.map_err(|rejection| Failure::invalid("path", rejection.body_text()))?;
        Ok(Self(path))
    }
}

/// What makes a repetition harmless: `Idempotency-Key`
/// (draft-ietf-httpapi-idempotency-key-header), 1 to 255 visible characters.
#[derive(Debug)]
pub(super) struct Key(pub(super) Option<String>);

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let mut given = parts.headers.get_all(&IDEMPOTENCY_KEY).iter();
        let (Some(value), next) = (given.next(), given.next()) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        let is_good = next.is_none()
            && (1..=LONGEST_KEY).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_good {
            return Err(error::header(
                &IDEMPOTENCY_KEY,
                "must be there once, with 1 to 255 visible ASCII characters",
            ));
        }
        Ok(Self(Some(text.to_owned())))
    }
}

/// The parameters behind `?`. What is not asked for is not looked at; of two with one name the first counts; one without
/// a value is absent.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let pairs = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (plain(&decoded(name)), decoded(value))
        };
        Ok(Self(pairs.map(pair).collect()))
    }
}

impl Query {
    /// Whether it is named at all, with a value or without.
    pub(super) fn has(&self, name: &str) -> bool {
        let name = plain(name);
        self.0.iter().any(|(given, _)| *given == name)
    }

    /// Its text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let plain = plain(name);
        let (_, value) = self.0.iter().find(|(given, _)| *given == plain)?;
        (!value.trim().is_empty()).then(|| value.trim().to_owned())
    }

    /// Its text, where `all` means none.
    pub(super) fn filter(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.eq_ignore_ascii_case("all"))
    }

    /// Its number.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            Failure::invalid(
                name,
                format!("{name} must be a whole number that is not negative, not {shown:?}"),
            )
        })?;
        Ok(Some(number))
    }

    /// How many to show: 0 counts as absent, because the old clients send it so.
    pub(super) fn limit(&self) -> Result<Option<u32>, Failure> {
        Ok(self.number("limit")?.filter(|limit| *limit > 0))
    }
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned()
}
