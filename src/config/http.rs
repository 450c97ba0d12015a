//! `http`: the one listener, and who may speak to it.
//!
//! It binds nothing. Serving beyond loopback without tokens is refused here, before anything listens.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration;

/// The one listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Http {
    /// ADDRESS:PORT to listen at; port 0 takes a free one. Beyond loopback a tokenFile is needed.
    #[serde(with = "listen")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// What a `Host` header may say: names with or without a port, or `*` for any behind a proxy that checks.
    pub allowed_hosts: Vec<String>,
    /// What an `Origin` header may say, such as `https://console.example.com` or `http://localhost:*`. Requests without one pass.
    pub allowed_origins: Vec<String>,
    /// Bytes of a request's body, 1024 to 67108864.
    #[schemars(range(min = 1024, max = 67_108_864))]
    pub max_body_bytes: usize,
    /// Time for one request, such as `30s`; streams are not bound by it.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub request_timeout: Duration,
    /// Requests at the same time, 1 to 65536; more are answered 503.
    #[schemars(range(min = 1, max = 65_536))]
    pub max_concurrent_requests: usize,
    /// File of bearer tokens: `[[token]]` entries with `name`, `sha256`, `groups` and optionally `expires`.
    pub token_file: Option<PathBuf>,
    /// Serve without tokens beyond loopback. Anyone who reaches the port may read the cluster through it; nobody may act.
    pub insecure_anonymous: bool,
}

impl Default for Http {
    fn default() -> Self {
        let loopback = ["localhost", "127.0.0.1", "[::1]"];
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allowed_hosts: loopback.map(str::to_owned).to_vec(),
            allowed_origins: loopback.map(|host| format!("http://{host}:*")).to_vec(),
            max_body_bytes: 1 << 20,
            request_timeout: Duration::from_secs(30),
            max_concurrent_requests: 1024,
            token_file: None,
            insecure_anonymous: false,
        }
    }
}

impl Http {
    /// Why this must not be served, with the fix; `None` when it may.
    pub fn refusal(&self) -> Option<String> {
        let open = !self.listen.ip().is_loopback() && self.token_file.is_none() && !self.insecure_anonymous;
        open.then(|| {
            format!(
                "{} is reachable from other machines and there are no tokens, so anyone could read the cluster; set \
                 http.tokenFile, listen at 127.0.0.1:{}, or set http.insecureAnonymous = true where something in \
                 front asks who is there",
                self.listen,
                self.listen.port()
            )
        })
    }
}

/// `HOST:PORT` as text; `localhost` is 127.0.0.1.
mod listen {
    use std::net::SocketAddr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(address: &SocketAddr, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(address)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
        let text = String::deserialize(from)?;
        let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        numeric.as_deref().unwrap_or(&text).parse().map_err(|_| {
            de::Error::custom(format!(
                "{text:?} is not ADDRESS:PORT; write 127.0.0.1:8080, [::1]:8080, or 0.0.0.0:8080 for all addresses"
            ))
        })
    }
}
