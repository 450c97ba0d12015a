//! The configuration: embedded defaults, then a file, then variables, then flags; and where each value came from.
//!
//! It refuses what it does not understand, all of it at once, with the key, the origin and the fix. It opens no port
//! and no cluster, and it is the only room that reads the environment ([`Environment`]).

mod acting;
mod check;
mod cluster;
mod deployment;
mod duration;
mod environment;
mod error;
mod http;
mod layers;
mod mcp;
mod notify;
mod old;
pub mod policy;
mod shape;
mod show;
mod store;
mod telemetry;
pub mod tokens;
mod variables;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use acting::{Acting, ActingBreaker, ActingLimits, ActingTimes};
pub use cluster::{Cluster, Member};
pub use deployment::{
    CoordinationEngine, CustomService, Deployment, Integrations, Kserve, Kubernetes, MlServices, Prometheus,
};
pub use environment::Environment;
pub use error::{ConfigError, Fault};
pub use http::Http;
pub use mcp::{Mcp, Toolset};
pub use notify::{Notify, PLACEHOLDERS};
pub use old::{OLD, Use};
pub use policy::Policy;
pub use show::Entry;
pub use store::Store;
pub use telemetry::{LogFormat, LogLevel, Telemetry};

use crate::mode::{MissingAdapter, Wants, missing};

/// The defaults with their comments, as `aiops config defaults` prints them.
pub const DEFAULTS: &str = include_str!("../config/aiops.default.toml");

/// Everything that can be configured, one member per room.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Where aiops keeps its state. Unset: $XDG_STATE_HOME/aiops, else ~/.local/state/aiops.
    pub state_dir: Option<PathBuf>,
    /// The mode.
    pub deployment: Deployment,
    /// Single adapters, over what the mode says.
    pub integrations: Integrations,
    /// The one listener.
    pub http: Http,
    /// The MCP door.
    pub mcp: Mcp,
    /// Which cluster, and how much of it.
    pub cluster: Cluster,
    /// Changing the cluster.
    pub acting: Acting,
    /// Who has to agree to what.
    pub policy: Policy,
    /// The outgoing webhook.
    pub notify: Notify,
    /// Where incidents and workflows are kept, and for how long.
    pub store: Store,
    /// Logs, spans and metrics of aiops itself.
    pub telemetry: Telemetry,
}

impl Config {
    /// The adapters that the mode and the switches ask for together.
    pub fn wants(&self) -> Wants {
        deployment::wants(self.deployment.mode, &self.integrations)
    }

    /// Those of them that this build does not have, with a sentence for health, log and `doctor`.
    pub fn missing(&self) -> Vec<MissingAdapter> {
        missing(self.wants(), !self.integrations.coordination_engine.builtin)
    }

    /// Whether this process acts for an engine elsewhere: it has none of its own, may act, and says for whom.
    pub fn is_member(&self) -> bool {
        let has_cluster = self.cluster.recording.is_none() && self.cluster.member.url.is_none();
        let acts = self.acting.enabled && !self.acting.granted_to.is_empty() && !self.mcp.read_only;
        has_cluster && acts && !self.wants().engine
    }

    /// Whether the coordination engine of this process is asked for.
    pub fn has_engine(&self) -> bool {
        self.wants().engine && self.integrations.coordination_engine.builtin
    }
}

/// Where the values come from, beside the embedded defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML or YAML file.
    pub file: Option<PathBuf>,
    /// Variables.
    pub environment: Environment,
    /// Flags that were given.
    pub flags: Vec<Flag>,
}

/// A flag that sets a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// As it was written, `--mode`.
    pub flag: &'static str,
    /// The dotted key, `deployment.mode`.
    pub key: &'static str,
    /// Its text.
    pub value: String,
}

impl Flag {
    fn origin(&self) -> String {
        // `demo` and its like set keys without a flag.
        let kind = if self.flag.starts_with('-') { "flag" } else { "command" };
        format!("{kind} {}", self.flag)
    }
}

/// A configuration that may be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// What was accepted without effect, or is likely not meant; each a sentence for the log and `doctor`.
    pub notes: Vec<String>,
    /// The environment it was read from.
    pub environment: Environment,
    origins: layers::Origins,
}

/// Reads all sources.
///
/// # Errors
/// Everything that is wrong, at once: unknown keys, wrong types, values out of bounds, combinations that cannot be.
pub fn load(sources: Sources) -> Result<Loaded, ConfigError> {
    let layers::Merged { mut config, origins, mut notes } = layers::merge(&sources)?;
    check::settle_paths(&mut config, &origins, &sources);
    let own_namespace = own_namespace(&sources.environment);
    check::combinations(&config, &origins, own_namespace.as_deref(), &mut notes)?;
    Ok(Loaded { config, notes, environment: sources.environment, origins })
}

/// JSON Schema of a configuration file.
pub fn schema() -> serde_json::Value {
    shape::json_schema()
}

impl Loaded {
    /// Where the value of a dotted key came from: `flag --x`, `variable NAME`, `file PATH` or `default`.
    pub fn origin(&self, key: &str) -> String {
        self.origins.of(key)
    }

    /// Whether a person or a manifest set the key, rather than the embedded defaults.
    pub fn is_set(&self, key: &str) -> bool {
        self.origins.is_set(key)
    }

    /// Every key with its value, as text that holds no secret, and where it came from.
    pub fn entries(&self) -> Vec<Entry> {
        show::entries(self)
    }

    /// Refuses to serve HTTP to other machines without tokens. To be asked before anything listens there.
    ///
    /// # Errors
    /// The listener's address is not loopback, there is no token file and nobody allowed anonymous readers.
    pub fn may_serve_http(&self) -> Result<(), ConfigError> {
        match self.config.http.refusal() {
            Some(problem) => Err(ConfigError::one("http.listen", self.origin("http.listen"), problem)),
            None => Ok(()),
        }
    }

    /// Where state lives: `stateDir`, else `$XDG_STATE_HOME/aiops`, else `~/.local/state/aiops`
    /// (`%LOCALAPPDATA%\aiops` on Windows). `None` when no home folder is known.
    pub fn state_dir(&self) -> Option<PathBuf> {
        self.config.state_dir.clone().or_else(|| default_state_dir(&self.environment))
    }

    /// What the engine acts by: policy and limits.
    ///
    /// # Errors
    /// The policy file cannot be read or used.
    pub fn settings(&self) -> Result<aiops_engine::settings::Settings, ConfigError> {
        let policy = self.config.policy.read().map_err(|error| {
            ConfigError::one("policy.file", self.origin("policy.file"), error.to_string())
        })?;
        let mut settings = self.config.acting.settings(policy, self.own_namespace());
        // What a process finds accepted that may not act is refused by that rule, as with acting.enabled = false.
        settings.is_enabled &= !self.config.mcp.read_only;
        settings.timing.retention = self.config.store.retention();
        Ok(settings)
    }

    /// The namespace of the pod that this process runs in; `None` outside of a cluster.
    pub fn own_namespace(&self) -> Option<String> {
        own_namespace(&self.environment)
    }

    /// The kubeconfig files in the order in which they are merged, and whether somebody named them.
    pub fn kubeconfigs(&self) -> (Vec<PathBuf>, bool) {
        let named = self.config.cluster.kubeconfig_files();
        if !named.is_empty() {
            return (named, true);
        }
        (self.environment.home().map(|home| home.join(".kube").join("config")).into_iter().collect(), false)
    }
}

/// The namespace of the pod, as its manifest or its service account tells it.
fn own_namespace(environment: &Environment) -> Option<String> {
    const MOUNTED: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
    let named = environment.text("POD_NAMESPACE").map(str::to_owned);
    let mounted =
        || environment.text("KUBERNETES_SERVICE_HOST").and_then(|_| std::fs::read_to_string(MOUNTED).ok());
    named.or_else(mounted).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Where state lives when no key says it.
pub fn default_state_dir(environment: &Environment) -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    if let Some(state) = environment.path("XDG_STATE_HOME").filter(absolute) {
        return Some(state.join("aiops"));
    }
    if cfg!(windows)
        && let Some(local) = environment.path("LOCALAPPDATA").filter(absolute)
    {
        return Some(local.join("aiops"));
    }
    environment.home().map(|home| home.join(".local").join("state").join("aiops"))
}

/// `~/x` below `home`; other paths as they are.
fn expand_home(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
