//! The command line: what can be said to the binary, and what becomes of it.
//!
//! Only this room prints to stdout and stderr. It knows no cluster: commands that need one are handed to `boot`.

pub mod arguments;
mod asking;
pub mod audit;
mod call;
pub mod client_config;
mod config;
mod db;
mod doctor;
mod incident;
mod policy;
pub mod print;
mod remote;
pub mod render;
mod run;
mod serve;
pub mod table;
mod workflow;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::{
    config::{Environment, Flag, Loaded, LogLevel, Sources, Toolset, load},
    mode::Mode,
};

/// Ask about a live Kubernetes cluster over MCP and get short, true answers.
#[derive(Debug, Parser)]
#[command(
    name = "aiops",
    version,
    propagate_version = true,
    max_term_width = 110,
    after_help = "\
Begin with:
  aiops demo                              a recorded cluster, no kubeconfig needed
  aiops doctor                            is everything there? one line each, with the fix
  aiops call get-cluster-health           any tool, from this shell
  aiops client-config claude-desktop --install

Every option is also a key of --config FILE and a variable AIOPS_SECTION__KEY; see `aiops config show`."
)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command, in kubectl's words.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// What runs: Kubernetes only, and Prometheus, or everything
    #[arg(long, global = true, value_enum, value_name = "MODE")]
    pub mode: Option<Mode>,
    /// Kubeconfig file [default: $KUBECONFIG, then ~/.kube/config, then the pod's service account]
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<String>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace meant when a question names none [default: the context's]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Read this recorded cluster instead of a live one: a folder or archive of `kubectl get -o json`, or a must-gather
    #[arg(long, global = true, value_name = "PATH", conflicts_with_all = ["kubeconfig", "context"])]
    pub recording: Option<String>,
    /// Offer only tools that change nothing
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Groups of tools to offer, separated by commas
    #[arg(long, global = true, value_enum, value_delimiter = ',', value_name = "LIST")]
    pub toolsets: Vec<Toolset>,
    /// Configuration file, TOML or YAML [default: $AIOPS_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where aiops keeps its state [default: $XDG_STATE_HOME/aiops, else ~/.local/state/aiops]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub state_dir: Option<String>,
    /// The least level that is logged to stderr
    #[arg(long, global = true, value_enum, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a cluster over MCP, by HTTP or on stdin and stdout
    Serve(serve::ServeArgs),
    /// Serve a recorded cluster with faults in it: everything to see, no kubeconfig needed
    Demo(serve::ServeArgs),
    /// Call a tool and print its answer
    Call(call::CallArgs),
    /// List the tools
    Tools(call::ToolsArgs),
    /// See, watch, approve and stop repairs of a running server
    Workflow(workflow::WorkflowArgs),
    /// See, record and close incidents of a running server
    Incident(incident::IncidentArgs),
    /// See what a running server may do by itself, and ask it about a case
    Policy(policy::PolicyArgs),
    /// See and set the kill switch of a running server
    Control(policy::ControlArgs),
    /// Check that everything is there: one line each, with the fix
    Doctor(doctor::DoctorArgs),
    /// Keep the store in order: schema, backups, copies
    Db(db::DbArgs),
    /// Prove that nobody changed the audit
    Audit(audit::AuditArgs),
    /// See, check and describe the configuration
    Config(config::ConfigArgs),
    /// Print what a client needs to start or reach aiops, or install it there
    ClientConfig(client_config::ClientConfigArgs),
    /// Print the OpenAPI 3.1 document of the REST API
    Openapi,
    /// Print a completion script for your shell
    ///
    /// bash: source <(aiops completions bash)
    /// zsh:  aiops completions zsh > ~/.zfunc/_aiops
    /// fish: aiops completions fish | source
    #[command(verbatim_doc_comment)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: tables and lines.
    #[default]
    Text,
    /// For people, with every column.
    Wide,
    /// The answer as the server gives it.
    Json,
    /// The same as YAML.
    Yaml,
}

/// Runs the command. 0: done. 1: it failed. 2: it was not asked for in a way that could be understood.
pub fn run(cli: Cli, environment: Environment) -> ExitCode {
    let done = match cli.command {
        Command::Serve(args) => serve::serve(&args, &cli.global, environment),
        Command::Demo(args) => serve::demo(&args, &cli.global, environment),
        Command::Call(args) => call::call(&args, &cli.global, environment),
        Command::Tools(args) => call::tools(&args, &cli.global, environment),
        Command::Workflow(args) => workflow::run(&args, &cli.global, environment),
        Command::Incident(args) => incident::run(&args, &cli.global, environment),
        Command::Policy(args) => policy::run(&args, &cli.global, environment),
        Command::Control(args) => policy::control(&args, &cli.global, environment),
        Command::Doctor(args) => doctor::doctor(&args, &cli.global, environment),
        Command::Openapi => openapi(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "aiops", &mut script);
            print::out(&String::from_utf8_lossy(&script)).map_err(Failure::from)
        }
        Command::ClientConfig(args) => client_config::run(&args, &cli.global, &environment),
        Command::Db(args) => db::db(&args, &cli.global, environment),
        Command::Audit(args) => audit::audit(&args, &cli.global, environment),
        Command::Config(args) => config::run(&args, cli.global.sources(environment)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn openapi() -> Result<(), Failure> {
    let document = serde_json::to_string_pretty(&crate::rest::openapi::document())?;
    print::out(&document).map_err(Failure::from)
}

impl Global {
    /// The sources of the configuration as these flags say them.
    pub fn sources(&self, environment: Environment) -> Sources {
        let file = self.config.clone().or_else(|| environment.path("AIOPS_CONFIG"));
        Sources { file, environment, flags: self.flags() }
    }

    /// The flags that were given and the keys they set.
    fn flags(&self) -> Vec<Flag> {
        let toolsets: Vec<&str> = self.toolsets.iter().map(|toolset| toolset.as_str()).collect();
        let flags = [
            ("--mode", "deployment.mode", self.mode.map(|mode| mode.as_str().to_owned())),
            ("--kubeconfig", "cluster.kubeconfig", self.kubeconfig.clone()),
            ("--context", "cluster.context", self.context.clone()),
            ("--namespace", "cluster.namespace", self.namespace.clone()),
            ("--recording", "cluster.recording", self.recording.clone()),
            ("--read-only", "mcp.readOnly", self.read_only.then(|| "true".to_owned())),
            ("--toolsets", "mcp.toolsets", (!toolsets.is_empty()).then(|| toolsets.join(","))),
            ("--state-dir", "stateDir", self.state_dir.clone()),
            ("--log-level", "telemetry.logLevel", self.log_level.map(|level| level.as_str().to_owned())),
        ];
        let given = |(flag, key, value): (_, _, Option<String>)| Some(Flag { flag, key, value: value? });
        flags.into_iter().filter_map(given).collect()
    }

    /// The configuration as these flags, the file and the variables say it.
    ///
    /// # Errors
    /// It cannot be used; the failure says why and asks for exit code 2.
    pub fn load(&self, environment: Environment, more: Vec<Flag>) -> Result<Loaded, Failure> {
        let mut sources = self.sources(environment);
        // What a command sets by being itself gives way to a flag that somebody wrote.
        sources.flags.splice(0..0, more);
        load(sources).map_err(|error| Failure::usage(error.into()))
    }
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    text
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    code: u8,
}

impl Failure {
    /// It was not asked for in a way that could be understood: exit code 2.
    pub fn usage(error: anyhow::Error) -> Self {
        Self { error, code: 2 }
    }

    /// Says it on stderr, with the chain of causes.
    fn report(self) -> ExitCode {
        let mut text = format!("aiops: {}", self.error);
        for cause in self.error.chain().skip(1) {
            text.push_str(&format!("\n  because {cause}"));
        }
        // Nobody is left to be told when stderr is gone.
        let _ = print::err(&text);
        ExitCode::from(self.code)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), code: 1 }
    }
}
