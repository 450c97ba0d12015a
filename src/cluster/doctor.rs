//! The checks that `aiops doctor` prints about the cluster: one line each, with the fix.
//!
//! It connects for itself, keeps nothing, and waits at most a second and a half for anything but a credential plugin.

mod helm;

use std::time::Duration;

use aiops_inventory::Kind;
use futures::{StreamExt as _, stream};
use http::header;
use jiff::{Timestamp, fmt::rfc2822};

use super::{
    api::{Api, Call},
    connect::{self, Connection},
    discovery,
    failure::{Failure, Trouble},
    feed,
    kubeconfig::Settings,
    reach::{self, Reach},
};
use crate::{config::Loaded, telemetry::Metrics};

/// Longest for one check.
const WITHIN: Duration = Duration::from_millis(1_500);
/// Longest for reading the kubeconfig and running its plugin.
const LOGIN: Duration = Duration::from_secs(3);
/// Clocks further apart than this make ages wrong and tokens invalid.
const SKEW: i64 = 5;
/// The oldest Kubernetes whose API has every kind in the versions that are read.
const OLDEST: u32 = 23;
/// The first Kubernetes that streams lists.
const STREAMING: u32 = 32;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, with less than there could be.
    Warn,
    /// It does not work.
    Fail,
}

/// One line of `aiops doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, such as `kubeconfig`.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// What to do about it; `None` when nothing has to be done.
    pub fix: Option<String>,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, detail: impl Into<String>, fix: Option<String>) -> Self {
        Self { name, verdict, detail: detail.into(), fix }
    }

    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Verdict::Ok, detail, None)
    }

    /// A sentence of ours ends in what to do, after a semicolon.
    fn failed(name: &'static str, why: &str) -> Self {
        let (detail, fix) = why.split_once("; ").unwrap_or((why, "see the log with --log-level debug"));
        Self::new(name, Verdict::Fail, detail, Some(fix.to_owned()))
    }
}

/// Looks at kubeconfig, connection, version, clock and rights.
pub async fn doctor(loaded: &Loaded) -> Vec<Check> {
    let settings = Settings::new(loaded);
    let shared = super::shared(loaded, std::sync::Arc::new(Metrics::new()));
    let made = tokio::time::timeout(LOGIN, connect::connect(&settings, &shared)).await;
    let connection = match made {
        Ok(Ok(connection)) => connection,
        Ok(Err(fault)) => return vec![Check::failed("kubeconfig", &fault.reason)],
        Err(_) => {
            let why =
                "the credential plugin is still running after 3 s; run it by hand to see what it waits for";
            return vec![Check::failed("kubeconfig", why)];
        }
    };
    let mut checks = vec![found(&settings, &connection)];
    let begun = tokio::time::Instant::now();
    let (version, clock) = tokio::join!(feed::version(&connection.api, WITHIN), clock(&connection.api));
    match version {
        Ok(version) => {
            let took = begun.elapsed().as_millis();
            checks.push(Check::ok("connection", format!("{} answers in {took} ms", connection.api.server())));
            checks.push(of_version(&version));
        }
        Err(failure) => {
            checks.push(Check::failed("connection", &failure.why));
            return checks;
        }
    }
    checks.push(clock);
    let namespaces = &loaded.config.cluster.namespaces;
    let rights = async {
        let (mut rights, helm) =
            tokio::join!(rights(&connection, namespaces), helm::helm(&connection, loaded));
        rights.extend(helm);
        rights
    };
    checks.extend(match tokio::time::timeout(WITHIN, rights).await {
        Ok(rights) => rights,
        Err(_) => vec![Check::failed(
            "rights",
            "the API server did not say within 1.5 s what is allowed; ask again when it is less busy",
        )],
    });
    checks
}

fn found(settings: &Settings, connection: &Connection) -> Check {
    let detail = if connection.context.is_empty() {
        format!("the pod's service account, server {}", connection.api.server())
    } else {
        format!(
            "context {:?} of {}, server {}, namespace {:?}, login by {}",
            connection.context,
            settings.places(),
            connection.api.server(),
            connection.namespace,
            connection.login
        )
    };
    if connection.login == "no credentials" {
        let fix = "add a user with a token, a certificate or a plugin to the context".to_owned();
        return Check::new("kubeconfig", Verdict::Warn, detail, Some(fix));
    }
    Check::ok("kubeconfig", detail)
}

fn of_version(version: &str) -> Check {
    if version.is_empty() {
        return Check::new("version", Verdict::Warn, "the API server does not tell its version", None);
    }
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    match minor {
        Some(minor) if minor < OLDEST => Check::new(
            "version",
            Verdict::Warn,
            format!("{version} is older than 1.{OLDEST}: some kinds are not served as they are read"),
            Some("upgrade the cluster".to_owned()),
        ),
        Some(minor) if minor < STREAMING => Check::ok(
            "version",
            format!("{version}; lists come in pages, which takes more memory for a moment"),
        ),
        _ => Check::ok("version", version),
    }
}

async fn clock(api: &Api) -> Check {
    let read = async {
        let response = api.open(&Call::read("get", "/version".to_owned()), WITHIN).await?;
        let date =
            response.headers().get(header::DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        Ok::<_, Failure>(date)
    };
    let begun = Timestamp::now();
    let date = match read.await {
        Ok(date) => date,
        Err(failure) => return Check::failed("clock", &failure.why),
    };
    let server = date.and_then(|date| rfc2822::parse(&date).ok()).map(|at| at.timestamp().as_second());
    let Some(server) = server else {
        return Check::new("clock", Verdict::Warn, "the API server does not tell the time", None);
    };
    // The answer was written at some moment between the two, and its time is cut to whole seconds.
    let (begun, ended) = (begun.as_second(), Timestamp::now().as_second());
    let skew = if server < begun - 1 {
        begun - 1 - server
    } else if server > ended {
        ended - server
    } else {
        0
    };
    if skew.abs() > SKEW {
        let way = if skew > 0 { "ahead of" } else { "behind" };
        let detail = format!("this machine's clock is {} s {way} the API server's", skew.abs());
        let fix = "synchronise the clock (NTP); ages are wrong and tokens may be refused".to_owned();
        return Check::new("clock", Verdict::Warn, detail, Some(fix));
    }
    Check::ok("clock", "within a few seconds of the API server's")
}

/// What is wanted of one kind.
struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    namespaced: bool,
}

async fn rights(connection: &Connection, namespaces: &[String]) -> Vec<Check> {
    let api = &connection.api;
    let (reach, served) =
        tokio::join!(reach::reach(api, namespaces, &connection.candidates), discovery::all(api, WITHIN),);
    let reach = match reach {
        Ok(reach) => reach,
        Err(failure) => return vec![Check::failed("rights", &failure.why)],
    };
    let served = served.unwrap_or_default();
    let kinds: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| {
            let wanted = kind.resource();
            !kind.is_optional() || served.iter().any(|r| r.group == wanted.group && r.plural == wanted.plural)
        })
        .collect();
    let of_kind = |kind: &Kind| {
        let resource = kind.resource();
        ["list", "watch"].map(|verb| Right {
            verb,
            group: resource.group,
            resource: resource.plural,
            namespaced: resource.namespaced,
        })
    };
    let logs = Right { verb: "get", group: "", resource: "pods/log", namespaced: true };
    let wanted: Vec<Right> = kinds.iter().flat_map(of_kind).chain([logs]).collect();
    let count = kinds.len();
    // Rights in one namespace stand for those in the others.
    let place = match &reach {
        Reach::Cluster => None,
        Reach::Namespaces(names) => names.first().cloned(),
    };
    let asked: Vec<(Right, Result<bool, Failure>)> = stream::iter(wanted)
        .map(|right| {
            let place = place.clone().filter(|_| right.namespaced);
            async move {
                let allowed =
                    reach::may(api, right.verb, right.group, right.resource, place.as_deref()).await;
                (right, allowed)
            }
        })
        .buffered(12)
        .collect()
        .await;
    let mut checks = Vec::new();
    if let Reach::Namespaces(names) = &reach {
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        let detail = format!("only these namespaces are seen: {}", names.join(", "));
        let fix = if namespaces.is_empty() {
            "grant list and watch cluster-wide, or name other namespaces in cluster.namespaces".to_owned()
        } else {
            "they are those of cluster.namespaces; empty it to see all".to_owned()
        };
        checks.push(Check::new("scope", Verdict::Warn, detail, Some(fix)));
    }
    let mut missing: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for (right, allowed) in &asked {
        match allowed {
            Ok(true) => {}
            Ok(false) => match missing.iter_mut().find(|(_, resource, _)| *resource == right.resource) {
                Some((_, _, verbs)) => verbs.push(right.verb),
                None => missing.push((right.group, right.resource, vec![right.verb])),
            },
            Err(failure) if failure.trouble == Trouble::Denied => {
                checks.push(Check::new("rights", Verdict::Warn, failure.why.clone(), None));
                return checks;
            }
            Err(failure) => {
                checks.push(Check::failed("rights", &failure.why));
                return checks;
            }
        }
    }
    for (group, resource, verbs) in &missing {
        let name = if group.is_empty() { (*resource).to_owned() } else { format!("{resource}.{group}") };
        let granted: Vec<&str> = ["get", "list", "watch"]
            .into_iter()
            .filter(|verb| *verb == "get" || verbs.contains(verb))
            .collect();
        let granted = granted.join(",");
        let detail =
            format!("may not {} {name}; what rests on it is answered as unknown", verbs.join(" or "));
        let fix = format!(
            "kubectl create clusterrole aiops-{} --verb={granted} --resource={name}, and bind it to who runs aiops",
            resource.replace('/', "-")
        );
        checks.push(Check::new("rights", Verdict::Warn, detail, Some(fix)));
    }
    if missing.is_empty() {
        checks.push(Check::ok("rights", format!("may list and watch all {count} kinds, and read logs")));
    }
    checks
}
