//! The member room: lines to another aiops that stands at the cluster, and what is told of it while it is reached or not.
//!
//! What passes over a line and what it means the engine decides ([`MemberCluster`]). A line carries a call once or says what
//! is certain; it knows no cluster, no door and no workflow.

mod duplex;
mod http;
mod watch;

use std::{io, path::PathBuf, sync::Arc};

use aiops_engine::{
    SharedInventory,
    member::{Line, MemberCluster},
};

pub use self::duplex::duplex;
use crate::{config::Loaded, ids::SystemIds, shutdown::Tasks};

/// Why the member that is configured cannot be spoken to at all.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Its token cannot be read.
    #[error(
        "the token file {path} of cluster.member.tokenFile cannot be read; check the path and its permissions"
    )]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What it holds is no token.
    #[error(
        "the token file {path} of cluster.member.tokenFile holds no token: one line of visible characters is wanted"
    )]
    NoToken {
        /// The file.
        path: PathBuf,
    },
    /// It is no URL.
    #[error("cluster.member.url is no URL of an aiops; write https://HOST:PORT")]
    Url,
    /// There are no root certificates.
    #[error("this system has no root certificates, which cluster.member.url with https needs")]
    Roots(#[source] io::Error),
}

/// The cluster behind the member of the configuration. Whether it is reached is told in the inventory's info, and asked
/// again every few seconds; rows are not kept here.
///
/// # Errors
/// No line can be made: the URL, the token file or the system's certificates are unusable.
pub fn start(
    loaded: &Loaded,
    inventory: SharedInventory,
    tasks: &Tasks,
) -> Result<Arc<MemberCluster>, MemberError> {
    let line: Arc<dyn Line> = Arc::new(line(loaded)?);
    let place = line.place().to_owned();
    let cluster = Arc::new(MemberCluster::new(line, Arc::new(SystemIds)));
    watch::start(Arc::clone(&cluster), inventory, place, tasks);
    Ok(cluster)
}

/// The cluster at the end of a line that stands already, such as one within this process.
pub fn at(line: Arc<dyn Line>) -> Arc<MemberCluster> {
    Arc::new(MemberCluster::new(line, Arc::new(SystemIds)))
}

fn line(loaded: &Loaded) -> Result<http::Http, MemberError> {
    let member = &loaded.config.cluster.member;
    http::Http::new(member.url.as_deref().unwrap_or_default(), member.token_file.clone())
}

/// What `doctor` says of the member: how it is, or what is wrong and what to do about it.
///
/// # Errors
/// It is not reached, or does not let us act; two sentences: what and the fix.
pub async fn doctor(loaded: &Loaded) -> Result<String, (String, String)> {
    let chain = |error: &MemberError| {
        let source =
            std::error::Error::source(error).map(|source| format!(" ({source})")).unwrap_or_default();
        format!("{error}{source}")
    };
    let line = line(loaded).map_err(|error| (chain(&error), "correct the configuration".to_owned()))?;
    let place = line.place().to_owned();
    let cluster = MemberCluster::new(Arc::new(line), Arc::new(SystemIds));
    match cluster.greet(watch::WITHIN).await {
        Ok(seen) if seen.cluster.is_empty() => Err((
            format!("the member at {place} answers and has not read its cluster yet"),
            "run `aiops doctor` where the member runs".to_owned(),
        )),
        Ok(seen) => Ok(format!(
            "the member at {place} answers for the cluster {} ({}) and grants us observing and acting; rows stay there",
            seen.cluster, seen.version
        )),
        Err(error) => Err((
            error.message,
            "start the member with acting.enabled, name our token in its acting.grantedTo, and check cluster.member.url \
             and tokenFile here"
                .to_owned(),
        )),
    }
}
