//! The audit log of the API server: what reached it, by whom, and with which body.
//!
//! Requests of the control plane's own parts are not in it.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use serde_json::Value;

/// One request that the API server answered.
#[derive(Debug, Clone)]
pub(crate) struct Audited {
    pub(crate) user: String,
    pub(crate) verb: String,
    pub(crate) uri: String,
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) status: u64,
    /// How the client named itself.
    pub(crate) agent: String,
    pub(crate) id: String,
    /// When it came in.
    pub(crate) at: jiff::Timestamp,
    /// The body of what writes; null for what reads.
    pub(crate) body: Value,
}

impl Audited {
    fn read(line: &str) -> Self {
        let event: Value = serde_json::from_str(line).unwrap();
        let text =
            |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            user: text("/user/username"),
            verb: text("/verb"),
            uri: text("/requestURI"),
            resource: text("/objectRef/resource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            agent: text("/userAgent"),
            id: text("/auditID"),
            at: text("/requestReceivedTimestamp").parse().unwrap(),
            status: event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default(),
            body: event.get("requestObject").cloned().unwrap_or_default(),
        }
    }

    /// Whether it could change an object: neither reads, nor dry runs, nor questions about somebody's rights.
    pub(crate) fn changes(&self) -> bool {
        self.writes() && !self.uri.contains("dryRun") && !self.resource.ends_with("reviews")
    }

    /// Whether it took effect for all one knows: it was accepted, or its client went away meanwhile. The API server then
    /// answers nobody with 504 (or 500), also where the object had been written already.
    pub(crate) fn is_accepted_or_lost(&self) -> bool {
        self.status < 300 || self.status >= 500
    }

    pub(crate) fn writes(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

/// Where the log ends now.
pub(crate) fn end(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |found| found.len())
}

/// Everything after a place in the log; a line that is being written is left for the next time.
pub(crate) fn since(log: &Path, place: u64) -> Vec<Audited> {
    let mut file = File::open(log).unwrap();
    file.seek(SeekFrom::Start(place)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(Audited::read).collect()
}
