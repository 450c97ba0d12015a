//! What can go wrong between us and an API server, in one clear sentence each, with what to do.
//!
//! It decides nothing about retries of watches and repeats no body and no credential.

use std::{error::Error as StdError, fmt, io, time::Duration};

use aiops_engine::{
    error::{PortError, PortErrorKind},
    redact::Redactor,
    text,
};
use serde::Deserialize;

/// Stands in the answer of a server that wants TLS.
const PLAIN: &[u8] = b"HTTP request to an HTTPS server";

/// The kinds of failure, by what the feed does about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The credentials are not accepted (401), or there are none to send.
    Unauthorized,
    /// 403.
    Denied,
    /// 404 and 405: no such object or kind.
    NotFound,
    /// 410, or a continue token that expired.
    Gone,
    /// 400 and 422: the API server does not take the request.
    Refused,
    /// 429.
    Throttled,
    /// 5xx, and answers that no API server gives.
    Server,
}

impl Trouble {
    /// The word under which requests are counted.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Unauthorized => "unauthorized",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Gone => "expired",
            Self::Refused => "invalid",
            Self::Throttled => "throttled",
            Self::Server => "failed",
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) trouble: Trouble,
    /// One sentence, without a full stop.
    pub(super) why: String,
    /// When the API server wants to be asked again; for a timeout, the limit that passed.
    pub(super) after: Option<Duration>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// The part of a `Status` that says why.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatusBody {
    kind: String,
    message: String,
    reason: String,
}

impl Failure {
    pub(super) fn new(trouble: Trouble, why: impl Into<String>) -> Self {
        Self { trouble, why: why.into(), after: None }
    }

    /// Nothing came back within `limit`.
    pub(super) fn timeout(server: &str, limit: Duration) -> Self {
        let why = format!(
            "{server} did not answer within {} s; check the network, the VPN and the proxy on the way, and how busy \
             the API server is",
            limit.as_secs_f32()
        );
        Self { trouble: Trouble::Timeout, why, after: Some(limit) }
    }

    /// Its turn did not come within `limit`: more is asked at once than we let ourselves ask.
    pub(super) fn crowded(limit: Duration) -> Self {
        let why = format!(
            "the API server was not asked: within {} s its turn did not come, for more is asked at once than cluster.qps and \
             cluster.burst let aiops ask; ask again, or raise them",
            limit.as_secs_f32()
        );
        Self { trouble: Trouble::Throttled, why, after: Some(limit) }
    }

    /// No connection was had in time.
    fn unconnected(server: &str) -> Self {
        let why = format!(
            "{server} did not answer within the time for a connection; check the network, the VPN, the firewall and the \
             proxy on the way, and that the cluster runs"
        );
        Self::new(Trouble::Timeout, why)
    }

    /// The answer's status is not a success.
    pub(super) fn of_status(server: &str, code: u16, after: Option<Duration>, body: &[u8]) -> Self {
        let status: StatusBody = serde_json::from_slice(body).unwrap_or_default();
        let said = clean(&status.message);
        let trouble = match (code, status.reason.as_str()) {
            (410, _) | (_, "Expired") => Trouble::Gone,
            (401, _) => Trouble::Unauthorized,
            // A gateway's 403 says nothing about rights in the cluster.
            (403, _) if status.kind == "Status" => Trouble::Denied,
            (404 | 405, _) => Trouble::NotFound,
            (400 | 406 | 409 | 413..=422, _) => Trouble::Refused,
            (429, _) => Trouble::Throttled,
            _ => Trouble::Server,
        };
        // How Go's servers answer those who forgot TLS.
        if code == 400 && body.windows(PLAIN.len()).any(|part| part == PLAIN) {
            let why = format!(
                "{server} speaks TLS and was asked without; write https:// in the kubeconfig's server"
            );
            return Self::new(Trouble::Server, why);
        }
        let why = match trouble {
            Trouble::Unauthorized => format!(
                "{server} does not accept the credentials (401); log in again or refresh the kubeconfig's user"
            ),
            _ if status.kind != "Status" => {
                format!("{server} answered {code} with something that no Kubernetes API server sends")
            }
            _ if said.is_empty() => format!("the API server answered {code} without a reason"),
            _ => said,
        };
        Self { trouble, why, after }
    }

    /// The request did not get through, or its answer broke off.
    pub(super) fn of_transport(server: &str, error: &(dyn StdError + 'static)) -> Self {
        let texts: Vec<String> = chain(error).map(|e| e.to_string()).collect();
        let all = texts.join(": ");
        let is = |part: &str| all.contains(part);
        let refused = chain(error)
            .filter_map(|e| e.downcast_ref::<io::Error>())
            .any(|e| e.kind() == io::ErrorKind::ConnectionRefused);
        if is("deadline has elapsed") {
            return Self::unconnected(server);
        }
        let why = if refused || is("Connection refused") {
            format!(
                "nothing listens at {server} (connection refused); check that the cluster runs and that the kubeconfig's server and port are right"
            )
        } else if is("failed to lookup address") || is("dns error") {
            format!("the host name of {server} does not resolve; check the name, the VPN and the DNS")
        } else if is("UnknownIssuer") {
            format!(
                "the certificate of {server} is signed by an authority the kubeconfig does not know; set the right certificate-authority, or fetch the kubeconfig again"
            )
        } else if is("NotValidForName") || is("not valid for") {
            format!(
                "the certificate of {server} is for another name; set tls-server-name in the kubeconfig, or use the name in the certificate"
            )
        } else if is("invalid peer certificate: Expired") || is("certificate expired") {
            format!(
                "a certificate between us and {server} has expired; renew it, and check the clock of this machine"
            )
        } else if is("invalid peer certificate") {
            format!(
                "the certificate of {server} is not acceptable ({})",
                clean(texts.last().map_or("", |t| t))
            )
        } else if is("InvalidContentType") || is("InvalidMessage") || is("corrupt message") {
            format!("{server} does not speak TLS; check the port, or write http:// if that is meant")
        } else if is("received fatal alert") {
            format!(
                "{server} refused the TLS handshake ({}); the client certificate may be missing, expired or of another cluster",
                clean(texts.last().map_or("", |t| t))
            )
        } else if is("invalid HTTP version") || is("invalid HTTP") {
            format!("{server} answers, but not in HTTP/1.1; it may want https://, or is no API server")
        } else if is("close_notify") || is("reset by peer") || is("before message completed") {
            format!("{server} closed the connection; it may be restarting")
        } else if is("unreachable") {
            format!("there is no route to {server}; check the network and the VPN")
        } else if is("tunnel") || is("proxy") {
            format!(
                "the proxy on the way to {server} did not let the request through ({})",
                clean(texts.last().map_or("", |t| t))
            )
        } else {
            format!(
                "the connection to {server} broke ({})",
                clean(texts.last().map_or("no reason given", |t| t))
            )
        };
        Self::new(Trouble::Unreachable, why)
    }

    /// What a port's caller is told; `what` says what was attempted on what.
    pub(super) fn for_port(self, what: &str) -> PortError {
        let kind = match self.trouble {
            Trouble::Unreachable | Trouble::Throttled | Trouble::Server => PortErrorKind::Unavailable,
            Trouble::Timeout => PortErrorKind::Timeout,
            Trouble::Unauthorized | Trouble::Denied => PortErrorKind::Denied,
            Trouble::NotFound => PortErrorKind::NotFound,
            Trouble::Gone => PortErrorKind::Expired,
            Trouble::Refused => PortErrorKind::Invalid,
        };
        PortError { kind, message: format!("{what}: {}", self.why), after: self.after }
    }
}

/// An error and its sources.
pub(super) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |e: &&'a (dyn StdError + 'static)| (*e).source())
}

/// Other people's text for one of our sentences: one line, short, without credentials.
pub(super) fn clean(text: &str) -> String {
    const LONGEST: usize = 400;
    text::show(&Redactor::new(), text.trim().trim_end_matches('.'), LONGEST).text
}
