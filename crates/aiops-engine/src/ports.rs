//! What the engine asks of the rooms. Each trait is small, object-safe and held as `Arc<dyn …>`.
//!
//! A port says what is true when it returns; how long it may take is the adapter's (every call has a deadline there).

pub mod acting;
pub mod store;

use std::ops::ControlFlow;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    error::{PortError, PortErrorKind},
    model::Millis,
};

/// The time. A recording's clock stands still at the moment of the recording.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Lets time pass; for the work loop, which waits for nothing else.
#[async_trait]
pub trait Timer: Send + Sync {
    /// Milliseconds of a clock that never jumps, never goes back and counts while the machine is suspended
    /// (`CLOCK_BOOTTIME` on Linux). Where it began means nothing. How long a lease may be trusted is measured by it.
    fn ticks(&self) -> Millis;

    /// Returns as soon as [`ticks`](Self::ticks) is at least this.
    async fn sleep_until(&self, ticks: Millis);
}

/// Unique parts of ids.
pub trait Ids: Send + Sync {
    /// A text of lower-case letters and digits that nobody had before; later ones sort behind earlier ones, as far as
    /// the clock tells.
    fn unique(&self) -> String;
}

/// Live reads of one cluster (or of a recording), beside the inventory's rows. Nothing here writes.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Every kind the API serves, from discovery; cached by the adapter.
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError>;

    /// One object, as the API serves it. Secrets come without `data` and `stringData`; `managedFields` stay in.
    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError>;

    /// One page of objects, without `managedFields`; `namespace: None` means all namespaces.
    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError>;

    /// Feeds a container's log to `sink` in chunks of bytes, in order, until it ends or `sink` breaks. The lifetime of
    /// a chunk is spelt out because `async_trait` would tie it to that of the call.
    async fn logs(
        &self,
        request: &LogRequest,
        sink: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError>;

    /// How many requests were sent to the API server since the process began, and how many of them it failed (5xx, or no
    /// answer in time); `None` where nobody counts.
    fn counts(&self) -> Option<(u64, u64)> {
        None
    }

    /// Whether we ourselves may do this; `namespace: None` means in all namespaces.
    async fn may(
        &self,
        verb: &str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<bool, PortError>;

    /// One revision of a Helm 3 release, out of the Secret that holds it. Only where reading such Secrets was opted into:
    /// elsewhere, and where there are none, it is [`Unsupported`](PortErrorKind::Unsupported).
    async fn release(
        &self,
        namespace: &str,
        name: &str,
        revision: i64,
    ) -> Result<ReleaseRevision, PortError> {
        let what = format!("read revision {revision} of the Helm release {namespace}/{name}");
        Err(PortError::new(PortErrorKind::Unsupported, format!("{what}: releases are not read here")))
    }
}

/// What a revision of a Helm release holds, as far as the engine may know: no values, no chart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReleaseRevision {
    /// `deployed`, `superseded`, `failed`, …
    pub status: String,
    /// The objects of its manifest, in its order. A Secret comes as its kind, its name and a digest that is good for
    /// comparing it with the same Secret of another revision in this process, and for nothing else.
    pub objects: Vec<Value>,
    /// Whether it has hooks other than `test`: Helm runs those on upgrades and rollbacks.
    pub has_hooks: bool,
}

/// A kind as discovery tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiResource {
    /// API group, empty for core.
    pub group: String,
    /// Preferred version.
    pub version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Plural, as in paths.
    pub plural: String,
    /// Singular; may be empty.
    pub singular: String,
    /// Short names, such as `deploy`.
    pub short_names: Vec<String>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs that are served.
    pub verbs: Vec<String>,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Label selector, already validated.
    pub label_selector: Option<String>,
    /// Field selector, passed on as it is.
    pub field_selector: Option<String>,
    /// At most this many objects.
    pub limit: u32,
    /// The API server's own token of the page before.
    pub continue_token: Option<String>,
}

/// A page of objects.
#[derive(Debug, Clone, Default)]
pub struct ObjectPage {
    /// The objects.
    pub items: Vec<Value>,
    /// Token of the next page.
    pub continue_token: Option<String>,
    /// How many are left after this page, when the API server says so (it does not with a selector).
    pub remaining: Option<u64>,
}

/// Which log to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// Namespace of the pod.
    pub namespace: String,
    /// Pod.
    pub pod: String,
    /// Container; the API server wants it when there are several.
    pub container: Option<String>,
    /// The log of the instance before the last restart.
    pub previous: bool,
    /// Only what is younger than this many seconds.
    pub since_seconds: Option<i64>,
    /// Only the last lines.
    pub tail_lines: Option<i64>,
    /// Each line begins with the moment at which the kubelet read it, RFC 3339 with nanoseconds, and a blank. What a
    /// source cannot tell it leaves out.
    pub timestamps: bool,
    /// At most this many bytes, from the beginning of what is asked.
    pub limit_bytes: Option<i64>,
}
