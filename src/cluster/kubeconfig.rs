//! Finds out which cluster is meant, from kubeconfig files as people have them or from the pod's service account.
//!
//! It reads files and connects to nothing. Each fault is one sentence that says what was looked for and what to do.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aiops_engine::answer::near;
use futures::FutureExt as _;
use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::config::{AuthInfo, ExecInteractiveMode, KubeConfigOptions, Kubeconfig, KubeconfigError};

use super::{
    connect::is_loopback,
    failure::{chain, clean},
};
use crate::config::{Environment, Loaded};

/// What is looked for, and where.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    files: Vec<PathBuf>,
    /// Whether somebody named the files, rather than their being the usual place.
    named: bool,
    /// The context to use; the kubeconfig's current one otherwise.
    pub(super) context: Option<String>,
    namespace: Option<String>,
    environment: Environment,
}

/// A cluster that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) config: kube::Config,
    /// Empty in a pod.
    pub(super) context: String,
    /// Namespaces that contexts of the same cluster name, besides the chosen one's.
    pub(super) others: Vec<String>,
    /// The credential plugin that is run to log in.
    pub(super) plugin: Option<Plugin>,
    /// How we log in, in words for `doctor`.
    pub(super) login: &'static str,
}

/// A program that hands out credentials.
#[derive(Debug, Clone)]
pub(super) struct Plugin {
    /// As the kubeconfig names it.
    pub(super) command: String,
    /// What its vendor says about installing it.
    pub(super) hint: Option<String>,
}

/// Sizes and times of the files: equal stamps mean that reading again is of no use.
pub(super) type Stamp = Vec<Option<(u64, Option<SystemTime>)>>;

impl Settings {
    pub(super) fn new(loaded: &Loaded) -> Self {
        let (files, named) = loaded.kubeconfigs();
        Self {
            files,
            named,
            context: loaded.config.cluster.context.clone(),
            namespace: loaded.config.cluster.namespace.clone(),
            environment: loaded.environment.clone(),
        }
    }

    /// The files as they are now.
    pub(super) fn stamp(&self) -> Stamp {
        let stamp =
            |path: &PathBuf| std::fs::metadata(path).ok().map(|about| (about.len(), about.modified().ok()));
        self.files.iter().map(stamp).collect()
    }

    fn is_pod(&self) -> bool {
        self.environment.raw("KUBERNETES_SERVICE_HOST").is_some()
    }

    /// Where was looked, for sentences.
    pub(super) fn places(&self) -> String {
        let names: Vec<String> = self.files.iter().map(|path| path.display().to_string()).collect();
        if names.is_empty() {
            "~/.kube/config (no home folder is known)".to_owned()
        } else {
            names.join(", ")
        }
    }

    /// The cluster that is meant. Reads files; not to be called where nothing may block.
    pub(super) fn find(&self) -> Result<Found, String> {
        let Some(merged) = self.read()? else { return self.service_account() };
        let (context, mut merged) = self.choose(merged)?;
        let user = user_of(&mut merged, &context);
        let (plugin, login) = match user {
            Some(user) => (self.settle_plugin(user)?, login(user)),
            None => (None, "no credentials"),
        };
        let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let named_proxy = proxy_of(&merged, &context);
        let others = namespaces_beside(&merged, &context);
        let config = load(merged, &options).map_err(|error| self.sentence(&error))?;
        let config = self.finish(config, named_proxy);
        if config.cluster_url.host().is_none() || config.cluster_url.scheme().is_none() {
            return Err(format!(
                "the server {} of context {context:?} is no URL; it should read https://HOST:PORT",
                config.cluster_url
            ));
        }
        Ok(Found { config, context, others, plugin, login })
    }

    /// All files, merged as kubectl merges them; `None` when there is none and nobody named one.
    fn read(&self) -> Result<Option<Kubeconfig>, String> {
        let there: Vec<&PathBuf> = self.files.iter().filter(|path| path.exists()).collect();
        if there.is_empty() {
            return if self.named {
                Err(format!(
                    "the kubeconfig {} does not exist; correct --kubeconfig or KUBECONFIG",
                    self.places()
                ))
            } else {
                Ok(None)
            };
        }
        let mut merged = Kubeconfig::default();
        for path in there {
            let next = Kubeconfig::read_from(path).map_err(|error| of_file(path, &error))?;
            merged = merged.merge(next).map_err(|error| of_file(path, &error))?;
        }
        Ok(Some(merged))
    }

    fn choose(&self, merged: Kubeconfig) -> Result<(String, Kubeconfig), String> {
        let names = || merged.contexts.iter().map(|context| context.name.as_str());
        let wanted =
            self.context.as_ref().or(merged.current_context.as_ref()).filter(|name| !name.is_empty());
        let Some(wanted) = wanted.cloned() else {
            return Err(format!(
                "{} has no current-context; choose one with --context ({})",
                self.places(),
                names().take(5).collect::<Vec<_>>().join(", ")
            ));
        };
        if !names().any(|name| name == wanted) {
            let close = near(&wanted, names());
            let close = if close.is_empty() {
                format!("; it has {}", names().take(5).collect::<Vec<_>>().join(", "))
            } else {
                close
            };
            return Err(format!("the context {wanted:?} is not in {}{close}", self.places()));
        }
        Ok((wanted, merged))
    }

    /// Makes a credential plugin safe and findable. It must not read our stdin, which carries JSON-RPC, and desktop
    /// programs start us with a bare PATH on which no plugin stands.
    fn settle_plugin(&self, user: &mut AuthInfo) -> Result<Option<Plugin>, String> {
        let spawns = user.exec.is_some()
            || user.auth_provider.as_ref().is_some_and(|provider| provider.config.contains_key("cmd-path"));
        if spawns && self.is_pod() {
            return Err(
                "the kubeconfig wants a credential plugin, and in a pod aiops starts no programs; use the \
                        pod's service account, a token or a client certificate"
                    .to_owned(),
            );
        }
        let Some(exec) = &mut user.exec else { return Ok(None) };
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
        let Some(command) = exec.command.clone() else {
            return Err("the kubeconfig's user has an exec section without a command; add it".to_owned());
        };
        let plugin = Plugin { command: command.clone(), hint: exec.install_hint.as_deref().map(clean) };
        let path = self.search_path();
        let is_bare = !command.contains(['/', '\\']);
        let found = if is_bare { locate(&command, &path) } else { Some(PathBuf::from(&command)) };
        let Some(found) = found.filter(|found| found.exists()) else { return Err(plugin.missing()) };
        exec.command = Some(found.display().to_string());
        // The plugin starts others (gcloud, python) and needs to find them too.
        if let Ok(path) = std::env::join_paths(path)
            && let Ok(path) = path.into_string()
        {
            let env = exec.env.get_or_insert_with(Vec::new);
            if !env.iter().any(|entry| entry.get("name").is_some_and(|name| name == "PATH")) {
                let pair = |name: &str, value: String| (name.to_owned(), value);
                env.push([pair("name", "PATH".to_owned()), pair("value", path)].into());
            }
        }
        Ok(Some(plugin))
    }

    /// PATH, then where people's package installers put plugins.
    fn search_path(&self) -> Vec<PathBuf> {
        let own = self.environment.raw("PATH").unwrap_or_default();
        let mut path: Vec<PathBuf> = std::env::split_paths(own).collect();
        let usual = ["/usr/local/bin", "/opt/homebrew/bin", "/snap/bin", "/usr/bin", "/bin"];
        path.extend(usual.iter().map(PathBuf::from));
        if let Some(home) = self.environment.home() {
            let below = [".local/bin", "bin", ".krew/bin", "google-cloud-sdk/bin", "go/bin", ".asdf/shims"];
            path.extend(below.iter().map(|folder| home.join(folder)));
        }
        let mut seen = std::collections::HashSet::new();
        path.retain(|folder| !folder.as_os_str().is_empty() && seen.insert(folder.clone()));
        path
    }

    fn service_account(&self) -> Result<Found, String> {
        if !self.is_pod() {
            return Err(format!(
                "no cluster is configured: {} does not exist and this is no pod; name a kubeconfig with --kubeconfig, \
                 or look at a recorded cluster with `aiops demo`",
                self.places()
            ));
        }
        let config = kube::Config::incluster().map_err(|error| {
            format!(
                "the pod's service account cannot be used ({}); set automountServiceAccountToken",
                clean(&error.to_string())
            )
        })?;
        let config = self.finish(config, false);
        Ok(Found {
            config,
            context: String::new(),
            others: Vec::new(),
            plugin: None,
            login: "the pod's service account",
        })
    }

    fn finish(&self, mut config: kube::Config, named_proxy: bool) -> kube::Config {
        if let Some(namespace) = &self.namespace {
            config.default_namespace.clone_from(namespace);
        }
        if !named_proxy {
            config.proxy_url = self.proxy(&config.cluster_url);
        }
        // Retries are ours, see `api.rs`.
        config.default_retry = false;
        config
    }

    /// The environment's proxy for this server, by the rules of kubectl: NO_PROXY is asked for the server, and what is
    /// on this machine needs no proxy.
    fn proxy(&self, server: &Uri) -> Option<Uri> {
        if is_loopback(server) {
            return None;
        }
        let variable = |upper: &str, lower: &str| {
            self.environment
                .text(upper)
                .or_else(|| self.environment.text(lower))
                .unwrap_or_default()
                .to_owned()
        };
        let (https, http) = (variable("HTTPS_PROXY", "https_proxy"), variable("HTTP_PROXY", "http_proxy"));
        let no = variable("NO_PROXY", "no_proxy");
        let matcher = Matcher::builder().https(https.as_str()).http(http.as_str()).no(no).build();
        let found = matcher.intercept(server)?;
        // The matcher's URI is without user and password, which kube reads from it.
        let text = if server.scheme_str() == Some("http") { http } else { https };
        let whole =
            text.parse::<Uri>().ok().filter(|uri| uri.scheme().is_some() && uri.host() == found.uri().host());
        whole.or_else(|| Some(found.uri().clone()))
    }

    fn sentence(&self, error: &KubeconfigError) -> String {
        let places = self.places();
        match error {
            KubeconfigError::LoadClusterOfContext(name) => format!(
                "the cluster {name:?} of the context is not in {places}; add it or choose another --context"
            ),
            KubeconfigError::MissingClusterUrl => {
                format!("the context's cluster in {places} has no server; add its URL")
            }
            other => format!("{places} cannot be used ({}); correct it", reason(other)),
        }
    }
}

impl Plugin {
    /// The program is nowhere.
    fn missing(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default();
        format!(
            "the credential plugin {:?} of the kubeconfig is not on PATH; install it or write its full path into the \
             kubeconfig{hint}",
            self.command
        )
    }
}

fn load(merged: Kubeconfig, options: &KubeConfigOptions) -> Result<kube::Config, KubeconfigError> {
    // kube's loader is async in name only; were it to wait one day, there would be no path to say.
    let loaded = kube::Config::from_custom_kubeconfig(merged, options).now_or_never();
    loaded.unwrap_or(Err(KubeconfigError::FindPath))
}

fn of_file(path: &Path, error: &KubeconfigError) -> String {
    format!("the kubeconfig {} cannot be read ({}); correct the file", path.display(), reason(error))
}

/// The innermost reason, in one line.
fn reason(error: &KubeconfigError) -> String {
    let text = match error {
        KubeconfigError::Parse(source) => source.to_string(),
        other => chain(other).last().map(ToString::to_string).unwrap_or_default(),
    };
    clean(text.lines().next().unwrap_or_default())
}

fn user_of<'a>(merged: &'a mut Kubeconfig, context: &str) -> Option<&'a mut AuthInfo> {
    let context = merged.contexts.iter().find(|named| named.name == context)?.context.clone()?;
    let user = context.user?;
    merged.auth_infos.iter_mut().find(|named| named.name == user)?.auth_info.as_mut()
}

fn namespaces_beside(merged: &Kubeconfig, context: &str) -> Vec<String> {
    let chosen = merged.contexts.iter().find(|named| named.name == context).and_then(|n| n.context.as_ref());
    let contexts = merged.contexts.iter().filter_map(|named| named.context.as_ref());
    let same = contexts.filter(|other| chosen.is_some_and(|chosen| chosen.cluster == other.cluster));
    same.filter_map(|other| other.namespace.clone()).collect()
}

fn proxy_of(merged: &Kubeconfig, context: &str) -> bool {
    let context = merged.contexts.iter().find(|named| named.name == context).and_then(|n| n.context.as_ref());
    let cluster = context.and_then(|c| merged.clusters.iter().find(|named| named.name == c.cluster));
    let proxy = cluster.and_then(|named| named.cluster.as_ref()).and_then(|c| c.proxy_url.as_deref());
    proxy.is_some_and(|proxy| !proxy.is_empty())
}

fn login(user: &AuthInfo) -> &'static str {
    if user.exec.is_some() {
        "a credential plugin"
    } else if user.auth_provider.is_some() {
        "an auth provider"
    } else if user.token.is_some() {
        "a token"
    } else if user.token_file.is_some() {
        "a token file"
    } else if user.client_certificate.is_some() || user.client_certificate_data.is_some() {
        "a client certificate"
    } else if user.username.is_some() {
        "a password"
    } else {
        "no credentials"
    }
}

fn locate(command: &str, path: &[PathBuf]) -> Option<PathBuf> {
    let endings: &[&str] = if cfg!(windows) { &[".exe", ".cmd", ""] } else { &[""] };
    let files =
        path.iter().flat_map(|folder| endings.iter().map(move |e| folder.join(format!("{command}{e}"))));
    files.into_iter().find(|file| file.is_file())
}
