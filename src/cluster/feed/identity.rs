//! Which cluster this is: the uid of `kube-system`, asked for until it is known or refused.
//!
//! It decides nothing about rows; the feed does when another cluster turns out to answer.

use std::time::Duration;

use aiops_engine::SharedInventory;
use serde::Deserialize;

use super::super::{
    api::{Api, Call},
    failure::{Failure, Trouble},
    jitter,
};

/// Between two tries, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

#[derive(Deserialize)]
struct Identified {
    metadata: IdentifiedMeta,
}

#[derive(Deserialize)]
struct IdentifiedMeta {
    uid: String,
}

/// What is known of the uid.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Known(String),
    /// It may not be read, or is not there.
    Withheld,
    /// It could not be read this time.
    Unread,
}

impl Identity {
    /// Empty when it is not known.
    pub(super) fn uid(&self) -> &str {
        match self {
            Self::Known(uid) => uid,
            Self::Withheld | Self::Unread => "",
        }
    }
}

/// Asks once.
pub(super) async fn identity(api: &Api, within: Duration) -> Identity {
    let call = Call::read("get", "/api/v1/namespaces/kube-system".to_owned());
    match api.read(&call, 1024 * 1024, within).await {
        Ok(body) => serde_json::from_slice::<Identified>(&body)
            .map_or(Identity::Unread, |object| Identity::Known(object.metadata.uid)),
        Err(Failure { trouble: Trouble::Denied | Trouble::NotFound, .. }) => Identity::Withheld,
        Err(_) => Identity::Unread,
    }
}

/// Asks again until the uid is in the inventory or withheld, and then rests for ever. Ends only when the API server is of
/// another cluster than the rows.
///
/// Nothing may be changed in a cluster that is not known, so one refused request must not cost the whole session.
pub(super) async fn find(api: &Api, inventory: &SharedInventory, within: Duration, first: &Identity) {
    let mut pause = AGAIN.0;
    let mut is_open = *first == Identity::Unread;
    while is_open {
        tokio::time::sleep(jitter::between(pause / 2, pause)).await;
        pause = (pause * 2).min(AGAIN.1);
        match identity(api, within).await {
            Identity::Unread => {}
            Identity::Withheld => is_open = false,
            Identity::Known(uid) => {
                let is_other = {
                    let rows = inventory.look();
                    !rows.info().uid.is_empty() && *rows.info().uid != *uid
                };
                if is_other {
                    return;
                }
                inventory.change(|inventory| inventory.set_info(|info| info.uid = uid.as_str().into()));
                is_open = false;
            }
        }
    }
    std::future::pending().await
}
