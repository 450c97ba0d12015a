//! `aiops client-config`: what each client's configuration needs to say, and putting it there.
//!
//! It prints what belongs into a file; with `--install` it merges that into the file. It starts no client and keeps
//! everything else in the file as it was.

mod install;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::{Failure, Global, print};
use crate::config::Environment;

pub use install::{Installed, install};

/// Print what a client needs to start or reach aiops, or install it there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aiops client-config claude-desktop --install
  aiops client-config claude-code --context production --read-only
  aiops client-config cursor --url http://127.0.0.1:8080/mcp
  aiops client-config lightspeed --url http://aiops.aiops.svc:8080/mcp | oc apply --server-side -f -

Flags such as --context, --kubeconfig or --read-only become part of what is printed.")]
pub struct ClientConfigArgs {
    /// The client
    #[arg(value_enum)]
    pub client: Client,
    /// Merge it into the client's own file, keeping a backup beside it
    #[arg(long)]
    pub install: bool,
    /// That file [default: where the client keeps it on this system]
    #[arg(long, value_name = "FILE", requires = "install")]
    pub file: Option<PathBuf>,
    /// Reach a running server here instead of starting one
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Binary that the client starts [default: this one]
    #[arg(long, value_name = "PATH", conflicts_with = "url")]
    pub command: Option<PathBuf>,
    /// What the client calls the server
    #[arg(long, value_name = "NAME", default_value = "aiops")]
    pub name: String,
}

/// A client that we can write for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Client {
    /// The desktop application; starts aiops itself.
    ClaudeDesktop,
    /// `.mcp.json` of a project.
    ClaudeCode,
    /// `mcp.json` of the user.
    Vscode,
    /// `~/.cursor/mcp.json`.
    Cursor,
    /// The OLSConfig of OpenShift Lightspeed; always by URL.
    Lightspeed,
}

/// How a client reaches the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It starts this, with these arguments and variables.
    Start {
        /// Absolute path.
        command: String,
        /// After `serve --stdio`.
        arguments: Vec<String>,
        /// By name.
        variables: Vec<(String, String)>,
    },
    /// It connects there.
    Url(String),
}

impl Client {
    /// The member of the client's file that holds its servers.
    const fn member(self) -> &'static str {
        match self {
            Self::Vscode => "servers",
            Self::ClaudeDesktop | Self::ClaudeCode | Self::Cursor | Self::Lightspeed => "mcpServers",
        }
    }

    /// The client's word for a server, as its file holds it.
    fn server(self, reach: &Reach) -> Value {
        match reach {
            Reach::Start { command, arguments, variables } => {
                let mut all = vec!["serve".to_owned(), "--stdio".to_owned()];
                all.extend(arguments.iter().cloned());
                let mut server = Map::new();
                if matches!(self, Self::ClaudeCode | Self::Vscode) {
                    server.insert("type".to_owned(), json!("stdio"));
                }
                server.insert("command".to_owned(), json!(command));
                server.insert("args".to_owned(), json!(all));
                if !variables.is_empty() {
                    let variables: Map<String, Value> =
                        variables.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                    server.insert("env".to_owned(), Value::Object(variables));
                }
                Value::Object(server)
            }
            Reach::Url(url) if self == Self::Cursor => json!({ "url": url }),
            Reach::Url(url) => json!({ "type": "http", "url": url }),
        }
    }

    /// The whole text that the client needs.
    pub fn text(self, name: &str, reach: &Reach) -> Result<String, serde_json::Error> {
        if let (Self::Lightspeed, Reach::Url(url)) = (self, reach) {
            return Ok(lightspeed(name, url));
        }
        let file = json!({ self.member(): { name: self.server(reach) } });
        serde_json::to_string_pretty(&file)
    }

    /// Where the client keeps its file on this system.
    fn file(self, environment: &Environment) -> Option<PathBuf> {
        let home = environment.home();
        let settings = || {
            if cfg!(windows) {
                environment.path("APPDATA")
            } else if cfg!(target_os = "macos") {
                home.as_ref().map(|home| home.join("Library").join("Application Support"))
            } else {
                environment
                    .path("XDG_CONFIG_HOME")
                    .filter(|path| path.is_absolute())
                    .or_else(|| home.as_ref().map(|home| home.join(".config")))
            }
        };
        match self {
            Self::ClaudeDesktop => Some(settings()?.join("Claude").join("claude_desktop_config.json")),
            Self::ClaudeCode => Some(PathBuf::from(".mcp.json")),
            Self::Vscode => Some(settings()?.join("Code").join("User").join("mcp.json")),
            Self::Cursor => Some(home?.join(".cursor").join("mcp.json")),
            Self::Lightspeed => None,
        }
    }
}

/// An OLSConfig. The token comes from a secret, because a call may take longer than its default of five seconds and
/// a server beyond loopback wants to know who asks.
fn lightspeed(name: &str, url: &str) -> String {
    let (name, url) = (json!(name), json!(url));
    format!(
        "\
# The token: oc -n openshift-lightspeed create secret generic aiops-token --from-literal=header=\"Bearer TOKEN\"
apiVersion: ols.openshift.io/v1alpha1
kind: OLSConfig
metadata:
  name: cluster
spec:
  featureGates:
    - MCPServer
  mcpServers:
    - name: {name}
      url: {url}
      timeout: 30
      headers:
        - name: Authorization
          valueFrom:
            type: secret
            secretRef:
              name: aiops-token"
    )
}

/// Prints or installs.
pub(super) fn run(
    args: &ClientConfigArgs,
    global: &Global,
    environment: &Environment,
) -> Result<(), Failure> {
    let reach = reach(args, global, environment)?;
    if !args.install {
        return Ok(print::out(&args.client.text(&args.name, &reach)?)?);
    }
    if args.client == Client::Lightspeed {
        return Err(Failure::usage(anyhow::anyhow!(
            "an OLSConfig lives in the cluster; apply what is printed: aiops client-config lightspeed | oc apply --server-side -f -"
        )));
    }
    let file = args.file.clone().or_else(|| args.client.file(environment)).ok_or_else(|| {
        Failure::usage(anyhow::anyhow!(
            "no home folder is known (HOME is not set); name the file with --file"
        ))
    })?;
    let installed = install(&file, args.client.member(), &args.name, &args.client.server(&reach))?;
    Ok(print::out(&installed.sentence(&file, &args.name))?)
}

fn reach(args: &ClientConfigArgs, global: &Global, environment: &Environment) -> Result<Reach, Failure> {
    if args.client == Client::ClaudeDesktop && args.url.is_some() {
        return Err(Failure::usage(anyhow::anyhow!(
            "Claude Desktop's file starts servers and knows no URLs; leave --url out, or add the URL as a custom \
             connector in its settings"
        )));
    }
    if let Some(url) = &args.url {
        return Ok(Reach::Url(url.clone()));
    }
    if args.client == Client::Lightspeed {
        return Ok(Reach::Url("http://aiops.aiops.svc:8080/mcp".to_owned()));
    }
    let command = match &args.command {
        Some(command) => command.clone(),
        None => std::env::current_exe()?,
    };
    let command = command.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::usage(anyhow::anyhow!(
            "the path {} is not Unicode, which JSON cannot hold; name another with --command",
            command.display()
        ))
    })?;
    // Clients start us in a folder of their own, so that a relative path would mean another file.
    let absolute = |text: &str| {
        std::path::absolute(Path::new(text)).ok().and_then(|path| path.to_str().map(str::to_owned))
    };
    let mut arguments = Vec::new();
    for flag in global.flags() {
        match flag.flag {
            "--read-only" => arguments.push(flag.flag.to_owned()),
            "--kubeconfig" | "--recording" | "--state-dir" => {
                arguments.extend([flag.flag.to_owned(), absolute(&flag.value).unwrap_or(flag.value)]);
            }
            _ => arguments.extend([flag.flag.to_owned(), flag.value]),
        }
    }
    if let Some(config) = global.config.as_deref().and_then(Path::to_str) {
        arguments.extend(["--config".to_owned(), absolute(config).unwrap_or_else(|| config.to_owned())]);
    }
    // A desktop session does not know what this shell's profile exported.
    let named =
        environment.text("KUBECONFIG").filter(|_| global.kubeconfig.is_none() && global.recording.is_none());
    let variables = named.map(|value| ("KUBECONFIG".to_owned(), value.to_owned())).into_iter().collect();
    Ok(Reach::Start { command, arguments, variables })
}
