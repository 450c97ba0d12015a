//! Variables: which key each sets. `AIOPS_SECTION__KEY` first, the old pair's names below them.
//!
//! What Kubernetes injects for a Service of our name (`AIOPS_PORT=tcp://…`) is recognised and left alone. A name that
//! begins with `AIOPS_` and means nothing is refused: it is a typing error more often than not.

use aiops_engine::answer::near;
use serde_json::Value;

use super::{
    environment::Environment,
    error::Fault,
    old,
    shape::{self, shown},
};

/// Variables that the command line reads itself.
pub(super) const OF_THE_COMMAND_LINE: [&str; 3] = ["AIOPS_CONFIG", "AIOPS_SERVER", "AIOPS_TOKEN"];

/// One value that a variable gives.
#[derive(Debug)]
pub(super) struct Given {
    /// `variable NAME`.
    pub(super) origin: String,
    /// The key, by segments.
    pub(super) path: Vec<String>,
    /// Its value, typed.
    pub(super) value: Value,
}

/// What the variables say.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Values of old variables.
    pub(super) old: Vec<Given>,
    /// Values of our own, which win over the old ones.
    pub(super) own: Vec<Given>,
    /// What was accepted without being used.
    pub(super) notes: Vec<String>,
    /// What is wrong.
    pub(super) faults: Vec<Fault>,
}

/// Reads all of them. `listen` is `http.listen` as the layers below say it, of which an old variable sets one half.
pub(super) fn read(environment: &Environment, listen: &str) -> Read {
    let mut read = Read::default();
    let (mut host, mut port) = (None, None);
    for (name, raw) in environment.all() {
        let upper = name.to_ascii_uppercase();
        let own = upper.strip_prefix("AIOPS_");
        let what = old::find(&upper);
        if own.is_none() && what.is_none() {
            continue;
        }
        let Some(text) = raw.to_str() else {
            read.fault(name, String::new(), "is not Unicode text".to_owned());
            continue;
        };
        match (own, what) {
            _ if is_service_link(&upper, text) => {}
            (Some(rest), _) => read.own_variable(name, rest, text),
            (None, Some(old::Use::Listen)) if upper == "MCP_HTTP_HOST" => host = Some((name, text)),
            // The MCP server's name is the more exact one of the two.
            (None, Some(old::Use::Listen)) if upper == "MCP_HTTP_PORT" || port.is_none() => {
                port = Some((name, text))
            }
            (None, Some(what)) => read.old_variable(name, what, text),
            (None, None) => {}
        }
    }
    if let Some((last, _)) = port.or(host) {
        let origin = format!("variable {last}");
        match old::listen(listen, host, port) {
            Ok(value) => {
                read.old.push(Given { origin, path: vec!["http".to_owned(), "listen".to_owned()], value })
            }
            Err((name, problem)) => read.fault(&name, "http.listen".to_owned(), problem),
        }
    }
    read
}

impl Read {
    fn fault(&mut self, name: &str, key: String, problem: String) {
        self.faults.push(Fault { key, origin: format!("variable {name}"), problem });
    }

    fn own_variable(&mut self, name: &str, rest: &str, text: &str) {
        if OF_THE_COMMAND_LINE.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return;
        }
        let segments: Vec<&str> = rest.split("__").collect();
        let Some((path, leaf)) = shape::root().find(&segments) else {
            self.fault(name, String::new(), unknown(rest));
            return;
        };
        match leaf.typed(text) {
            Ok(value) => self.own.push(Given { origin: format!("variable {name}"), path, value }),
            Err(problem) => self.fault(name, path.join("."), problem),
        }
    }

    fn old_variable(&mut self, name: &str, what: old::Use, text: &str) {
        let key = match what {
            old::Use::Key(key) => key,
            old::Use::Later(adapter) => {
                self.notes.push(format!(
                    "variable {name}: accepted, not used by this version ({adapter} comes with a later one)"
                ));
                return;
            }
            old::Use::Never(why) => {
                self.notes.push(format!("variable {name}: accepted, not used: {why}"));
                return;
            }
            old::Use::Listen => return,
        };
        let segments: Vec<&str> = key.split('.').collect();
        let Some((path, leaf)) = shape::root().find(&segments) else { return };
        match leaf.typed(&old::respelt(key, text)) {
            Ok(value) => self.old.push(Given { origin: format!("variable {name}"), path, value }),
            Err(problem) => self.fault(name, key.to_owned(), problem),
        }
    }
}

/// What to say of `AIOPS_<rest>` that is no key.
fn unknown(rest: &str) -> String {
    let flat = shape::plain(rest);
    let keys = shape::root().leaves();
    // A forgotten `__` and a bare last segment are the common errors.
    let same = keys.iter().find(|key| {
        let joined = shape::plain(&key.replace('.', ""));
        joined == flat || key.rsplit('.').next().is_some_and(|last| shape::plain(last) == flat)
    });
    if let Some(key) = same {
        return format!("there is no such key; for {key} the variable is {}", spell(key));
    }
    let spelt: Vec<String> = keys.iter().map(|key| spell(key)).collect();
    let hint = near(&format!("AIOPS_{}", rest.to_uppercase()), spelt.iter().map(String::as_str));
    if hint.is_empty() {
        "there is no such key; `aiops config schema` lists them, AIOPS_SECTION__KEY is how they are spelt"
            .to_owned()
    } else {
        format!("there is no such key{hint}")
    }
}

/// The variable of a key: `http.maxBodyBytes` is `AIOPS_HTTP__MAX_BODY_BYTES`.
pub(super) fn spell(key: &str) -> String {
    let mut name = "AIOPS_".to_owned();
    for c in key.chars() {
        match c {
            '.' => name.push_str("__"),
            c if c.is_uppercase() => name.extend(['_', c]),
            c => name.extend(c.to_uppercase()),
        }
    }
    name
}

/// Whether Kubernetes injected this for a Service: `X_SERVICE_HOST`, `X_SERVICE_PORT[_NAME]`, `X_PORT` and
/// `X_PORT_<n>_<PROTO>[_PROTO|_PORT|_ADDR]`, each with a value of its kind.
pub(super) fn is_service_link(name: &str, value: &str) -> bool {
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_port = value.parse::<u16>().is_ok();
    let is_address = value.parse::<std::net::IpAddr>().is_ok();
    if name.ends_with("_SERVICE_HOST") {
        return is_address;
    }
    if name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return is_port;
    }
    if name == "PORT" || name.ends_with("_PORT") && !name.contains("_PORT_") {
        return is_url;
    }
    let Some((_, after)) = name.split_once("_PORT_") else { return false };
    let mut parts = after.split('_');
    let numbered = parts.next().is_some_and(|number| number.parse::<u16>().is_ok())
        && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"));
    numbered
        && match parts.next() {
            None => is_url,
            Some("PROTO") => matches!(value, "tcp" | "udp" | "sctp"),
            Some("PORT") => is_port,
            Some("ADDR") => is_address,
            Some(_) => false,
        }
}

/// A value for a message about a flag.
pub(super) fn flag_value(path: &str, text: &str) -> Result<(Vec<String>, Value), String> {
    let segments: Vec<&str> = path.split('.').collect();
    let Some((path, leaf)) = shape::root().find(&segments) else {
        return Err(format!("sets {}, which is no key", shown(path)));
    };
    leaf.typed(text).map(|value| (path, value))
}
