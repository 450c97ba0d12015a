//! What single values cannot tell: combinations that cannot be, URLs, names, and paths as they are meant.
//!
//! It contacts nothing; whether a URL answers is `doctor`'s question.

use std::{collections::HashSet, path::Path};

use super::{
    Config, Sources,
    error::{ConfigError, Fault},
    expand_home,
    layers::Origins,
    shape::shown,
    store::not_a_store,
};

/// Paths of a file are relative to that file, and `~` is the home folder: a desktop client starts us in `/`.
pub(super) fn settle_paths(config: &mut Config, origins: &Origins, sources: &Sources) {
    let home = sources.environment.home();
    let folder = sources.file.as_deref().and_then(Path::parent);
    let settle = |key: &str, path: &mut std::path::PathBuf| {
        *path = expand_home(path, home.as_deref());
        if let Some(folder) = folder.filter(|_| origins.of(key).starts_with("file ")) {
            *path = folder.join(&*path);
        }
    };
    if let Some(path) = &mut config.state_dir {
        settle("stateDir", path);
    }
    if let Some(path) = &mut config.http.token_file {
        settle("http.tokenFile", path);
    }
    if let Some(path) = &mut config.policy.file {
        settle("policy.file", path);
    }
    if let Some(path) = &mut config.notify.secret_file {
        settle("notify.secretFile", path);
    }
    if let Some(path) = &mut config.store.url_file {
        settle("store.urlFile", path);
    }
    if let Some(path) = &mut config.cluster.recording {
        settle("cluster.recording", path);
    }
    if let Some(path) = &mut config.cluster.member.token_file {
        settle("cluster.member.tokenFile", path);
    }
    if let Some(text) = &mut config.cluster.kubeconfig {
        let paths = std::env::split_paths(text.as_str()).map(|mut path| {
            settle("cluster.kubeconfig", &mut path);
            path
        });
        // Joining fails only for a path that holds the separator, which splitting has removed.
        if let Some(joined) = std::env::join_paths(paths).ok().and_then(|joined| joined.into_string().ok()) {
            *text = joined;
        }
    }
}

/// Refuses combinations that cannot be; what is only odd becomes a note.
pub(super) fn combinations(
    config: &Config,
    origins: &Origins,
    own_namespace: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let mut faults = Vec::new();
    let mut refuse = |key: &str, problem: String| {
        let parent = key.split('[').next().unwrap_or(key);
        faults.push(Fault { key: key.to_owned(), origin: origins.of(parent), problem });
    };
    let integrations = &config.integrations;
    let engine = &integrations.coordination_engine;
    if integrations.kubernetes.enabled == Some(false) {
        refuse(
            "integrations.kubernetes.enabled",
            "every mode needs Kubernetes; remove it or set true".to_owned(),
        );
    }
    if !engine.builtin && engine.url.is_none() {
        refuse(
            "integrations.coordinationEngine.builtin",
            "false needs integrations.coordinationEngine.url, the engine to speak to".to_owned(),
        );
    }
    for (key, url) in [
        ("integrations.prometheus.url", integrations.prometheus.url.as_deref()),
        ("integrations.coordinationEngine.url", engine.url.as_deref()),
        ("notify.url", config.notify.url.as_deref()),
        ("cluster.member.url", config.cluster.member.url.as_deref()),
        ("telemetry.otlpEndpoint", config.telemetry.otlp_endpoint.as_deref()),
    ] {
        if let Some(problem) = url.and_then(not_a_url) {
            refuse(key, problem);
        }
    }
    if let Some(problem) = config.store.url.as_deref().and_then(not_a_store) {
        refuse("store.url", problem);
    }
    let mut names = HashSet::new();
    for (index, service) in integrations.ml_services.custom.iter().enumerate() {
        let key = format!("integrations.mlServices.custom[{index}]");
        if service.name.is_empty() || service.name.len() > 63 {
            refuse(&key, "its name must have 1 to 63 characters".to_owned());
        } else if !names.insert(service.name.as_str()) {
            refuse(
                &key,
                format!("another one is called {} too; give each a name of its own", shown(&service.name)),
            );
        }
        if let Some(problem) = not_a_url(&service.url) {
            refuse(&key, format!("its url {problem}"));
        }
    }
    mcp(config, &mut refuse);
    member(config, &mut refuse);
    config.acting.check(own_namespace, &mut refuse);
    config.notify.check(&mut refuse);
    for (index, name) in config.cluster.namespaces.iter().enumerate() {
        if let Some(problem) = not_a_namespace(name) {
            refuse(&format!("cluster.namespaces[{index}]"), problem);
        }
    }
    if let Some(problem) = config.cluster.namespace.as_deref().and_then(not_a_namespace) {
        refuse("cluster.namespace", problem);
    }
    let listen = config.http.listen;
    if config.telemetry.metrics_port.is_some_and(|port| port == listen.port() && port != 0) {
        refuse(
            "telemetry.metricsPort",
            format!(
                "{} is http.listen's port, which serves /metrics too; take another or remove it",
                listen.port()
            ),
        );
    }
    if config.http.allowed_hosts.is_empty() {
        refuse("http.allowedHosts", "an empty list would allow nobody; write \"*\" for any".to_owned());
    }
    if !faults.is_empty() {
        return Err(ConfigError { faults });
    }
    oddities(config, origins, notes);
    Ok(())
}

fn mcp(config: &Config, refuse: &mut dyn FnMut(&str, String)) {
    let prefix = &config.mcp.tool_prefix;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if prefix.len() > 20 || !prefix.chars().all(fits) {
        refuse(
            "mcp.toolPrefix",
            format!("must be at most 20 lower-case letters, digits, - and _, not {}", shown(prefix)),
        );
    }
    if config.mcp.toolsets.is_empty() {
        refuse("mcp.toolsets", "an empty list would offer no tool; name at least cluster".to_owned());
    }
}

fn member(config: &Config, refuse: &mut dyn FnMut(&str, String)) {
    let (cluster, member) = (&config.cluster, &config.cluster.member);
    if member.url.is_some() && cluster.recording.is_some() {
        let why = "a recorded cluster has no member; remove one of cluster.recording and cluster.member.url"
            .to_owned();
        refuse("cluster.member.url", why);
    }
    if member.url.is_some() && member.in_process {
        let why = "true means this process itself; remove it or cluster.member.url".to_owned();
        refuse("cluster.member.inProcess", why);
    }
    if member.token_file.is_some() && member.url.is_none() {
        let why = "is the token for cluster.member.url, which is not set".to_owned();
        refuse("cluster.member.tokenFile", why);
    }
    if (member.url.is_some() || member.in_process) && !config.has_engine() {
        let key = if member.in_process { "cluster.member.inProcess" } else { "cluster.member.url" };
        refuse(
            key,
            "only an engine acts through a member; set deployment.mode = \"full\" or remove it".to_owned(),
        );
    }
}

/// Whether a URL sends what it carries over a network as it is.
fn is_open(url: &str) -> bool {
    url.parse::<::http::Uri>().is_ok_and(|uri| {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_here =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        uri.scheme_str() == Some("http") && !is_here
    })
}

fn oddities(config: &Config, origins: &Origins, notes: &mut Vec<String>) {
    let engine = &config.integrations.coordination_engine;
    if engine.builtin && engine.url.is_some() {
        notes.push(
            "integrations.coordinationEngine.url is not used: builtin is true, so the engine runs in this process"
                .to_owned(),
        );
    }
    if config.cluster.member.url.as_deref().is_some_and(is_open) {
        notes.push(
            "cluster.member.url is http: the token and the objects of the cluster cross the network unencrypted; put TLS in \
             front of the member"
                .to_owned(),
        );
    }
    if !config.http.listen.ip().is_loopback() && !origins.is_set("http.allowedHosts") {
        notes.push(format!(
            "http.listen is {}, but http.allowedHosts names only this machine: clients that use another name are \
             refused until it is listed there",
            config.http.listen
        ));
    }
    if config.http.insecure_anonymous && !config.http.listen.ip().is_loopback() {
        notes.push(
            "http.insecureAnonymous is set: whoever reaches the port reads the cluster with this process's rights"
                .to_owned(),
        );
    }
}

/// Why this is no base URL.
fn not_a_url(url: &str) -> Option<String> {
    let parsed: Result<::http::Uri, _> = url.parse();
    let fits = parsed.is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.host().is_empty())
    });
    // A URL may carry a password, so it is not repeated.
    (!fits).then(|| "must be a URL that begins with http:// or https:// and names a host".to_owned())
}

/// Why this is no namespace's name.
fn not_a_namespace(name: &str) -> Option<String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = !name.is_empty()
        && name.len() <= 63
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    (!fits).then(|| {
        format!(
            "{} is no namespace's name: lower-case letters, digits and -, at most 63, - not at an end",
            shown(name)
        )
    })
}
