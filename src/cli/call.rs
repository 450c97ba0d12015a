//! `aiops call` and `aiops tools`: any tool from a shell, at a running server or in this process.
//!
//! It knows no tool by name; what it prints is what the server answers.

use std::time::Duration;

use aiops_engine::{Engine, answer::near};
use aiops_inventory::{
    Kind, Sync,
    inventory::{Connection, Source},
};
use clap::Args;
use serde_json::{Map, Value};

use super::{
    Failure, Global, Output, arguments, print,
    remote::{Called, Reach, Remote, withheld},
    render, run,
    table::{Table, clean},
};
use crate::{
    boot::{Booted, Feed, boot_for_questions},
    config::{Environment, Flag, Loaded},
    mcp::{
        tool::{CallContext, Meta, Toolset},
        tools::TOOLS,
    },
    ordered::Node,
    shutdown::Tasks,
    telemetry,
};

/// Which tool, with which arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aiops call get-cluster-health
  aiops call list-pods -n shop limit=5
  aiops call get-workload namespace=shop kind=Deployment name=checkout -o json
  aiops call list-pods --recording ./must-gather

The tools and their arguments: aiops tools -o wide
Exit code 1 when the tool answers with an error.")]
pub struct CallArgs {
    /// The tool, as `aiops tools` lists it
    tool: String,
    /// Its arguments: NAME=VALUE, or NAME:=JSON for lists and objects
    #[arg(value_name = "NAME=VALUE")]
    arguments: Vec<String>,
    /// Its arguments as a JSON object; NAME=VALUE wins over it
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
    /// How to print the answer
    #[arg(short, long, value_enum, default_value_t, hide_default_value = true)]
    output: Output,
    #[command(flatten)]
    reach: Reach,
}

/// How to list the tools.
#[derive(Debug, Args)]
pub struct ToolsArgs {
    /// How to print them; wide has their arguments
    #[arg(short, long, value_enum, default_value_t, hide_default_value = true)]
    output: Output,
    #[command(flatten)]
    reach: Reach,
}

/// How long a call that runs alone waits for the first lists.
const WARM_WITHIN: Duration = Duration::from_secs(5);

/// Whoever answers.
enum Answerer {
    Remote(Box<Remote>),
    Here(Booted),
}

pub(super) fn call(args: &CallArgs, global: &Global, environment: Environment) -> Result<(), Failure> {
    within(global, environment, async |loaded, environment, tasks| {
        let answerer = Answerer::find(&args.reach, global, loaded, environment, tasks).await?;
        let tools = answerer.tools().await?;
        let named = |tool: &&Value| tool.get("name").and_then(Value::as_str) == Some(args.tool.as_str());
        let Some(tool) = tools.iter().find(named) else {
            let names = tools.iter().filter_map(|tool| tool.get("name")?.as_str());
            if let Some(meta) = TOOLS.iter().map(|tool| tool.meta()).find(|meta| meta.name == args.tool) {
                return Err(not_offered(meta, &answerer));
            }
            let hint = match near(&args.tool, names) {
                none if none.is_empty() => "; `aiops tools` lists them".to_owned(),
                close => close,
            };
            return Err(Failure::usage(anyhow::anyhow!("there is no tool {:?}{hint}", clean(&args.tool))));
        };
        if loaded.config.mcp.read_only && !changes_nothing(tool) {
            return Err(withheld(&args.tool));
        }
        let empty = Map::new();
        let schema = tool.get("inputSchema").and_then(Value::as_object).unwrap_or(&empty);
        let mut arguments =
            arguments::read(schema, args.args.as_deref(), &args.arguments).map_err(Failure::usage)?;
        // `-n shop` means here what it means to kubectl.
        let takes_namespace = schema.get("properties").is_some_and(|all| all.get("namespace").is_some());
        if let Some(namespace) = global.namespace.clone().filter(|_| takes_namespace) {
            arguments.entry("namespace").or_insert(Value::String(namespace));
        }
        let called = answerer.call(&args.tool, arguments).await?;
        if called.is_error {
            return Err(anyhow::anyhow!("{}", clean(&called.text)).into());
        }
        if let Answerer::Remote(remote) = &answerer
            && matches!(args.output, Output::Text | Output::Wide)
        {
            let reads = remote.reads().await.map(|what| format!(", which reads {what}")).unwrap_or_default();
            print::err(&format!("answered by {}{reads}", remote.base()))?;
        }
        Ok(print::out(&printed(&called, args.output)?)?)
    })
}

/// Why a tool that there is cannot be called here, and what to start for it.
fn not_offered(meta: &Meta, answerer: &Answerer) -> Failure {
    let (toolsets, also) = match meta.toolset {
        Toolset::Actions => (" --toolsets cluster,remediation,actions", " and the toolset `actions`"),
        Toolset::Cluster | Toolset::Remediation | Toolset::Member => ("", ""),
    };
    let name = meta.name;
    if meta.toolset == Toolset::Member {
        return Failure::from(anyhow::anyhow!(
            "{name} is for an engine elsewhere: a member (standalone with acting.enabled) offers it to whom \
             acting.grantedTo names, and to nobody else"
        ));
    }
    Failure::from(match answerer {
        Answerer::Here(_) => anyhow::anyhow!(
            "{name} needs a server with a coordination engine, and none runs here; start one in another shell with \
             `aiops serve --mode full{toolsets}`, or name one with --server or AIOPS_SERVER"
        ),
        Answerer::Remote(remote) => anyhow::anyhow!(
            "{} does not offer {name}: that takes --mode full{also}, and no --read-only",
            remote.base()
        ),
    })
}

pub(super) fn tools(args: &ToolsArgs, global: &Global, environment: Environment) -> Result<(), Failure> {
    within(global, environment, async |loaded, environment, tasks| {
        let mut tools =
            Answerer::find(&args.reach, global, loaded, environment, tasks).await?.tools().await?;
        if loaded.config.mcp.read_only {
            tools.retain(changes_nothing);
        }
        let text = match args.output {
            Output::Json => serde_json::to_string_pretty(&tools)?,
            Output::Yaml => serde_saphyr::to_string(&tools)?,
            Output::Text | Output::Wide => listing(&tools, args.output == Output::Wide),
        };
        Ok(print::out(&text)?)
    })
}

/// What the server says of it; what it does not say is not assumed.
fn changes_nothing(tool: &Value) -> bool {
    tool.pointer("/annotations/readOnlyHint") == Some(&Value::Bool(true))
}

/// Runs a command that may need a cluster, with a quiet log.
pub(super) fn within(
    global: &Global,
    environment: Environment,
    command: impl AsyncFnOnce(&Loaded, &Environment, &Tasks) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let quiet = Flag { flag: "call", key: "telemetry.logLevel", value: "error".to_owned() };
    let loaded = global.load(environment.clone(), vec![quiet])?;
    run::within(2, async {
        let tasks = Tasks::new();
        let telemetry = telemetry::init(&loaded.config.telemetry, &environment, &tasks);
        let done = command(&loaded, &environment, &tasks).await;
        tasks.drain(Duration::from_secs(1)).await;
        telemetry.end(Duration::from_secs(1)).await;
        done
    })
}

impl Answerer {
    async fn find(
        reach: &Reach,
        global: &Global,
        loaded: &Loaded,
        environment: &Environment,
        tasks: &Tasks,
    ) -> anyhow::Result<Self> {
        if let Some(remote) = reach.find(global, loaded, environment).await? {
            return Ok(Self::Remote(Box::new(remote)));
        }
        Ok(Self::Here(boot_for_questions(loaded, Feed::Configured, tasks)?))
    }

    async fn tools(&self) -> anyhow::Result<Vec<Value>> {
        match self {
            Self::Remote(remote) => remote.tools().await,
            Self::Here(booted) => {
                Ok(booted.server.tools().iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
            }
        }
    }

    async fn call(&self, name: &str, arguments: Map<String, Value>) -> anyhow::Result<Called> {
        match self {
            Self::Remote(remote) => remote.call(name, arguments).await,
            Self::Here(booted) => {
                warmed(&booted.engine).await;
                Ok(match booted.server.call(name, arguments, CallContext::of(booted.server.user())).await {
                    Ok(answer) => {
                        Called { is_error: false, text: answer.text, structured: Some(answer.structured) }
                    }
                    Err(error) => Called { is_error: true, text: super::chain(&error), structured: None },
                })
            }
        }
    }
}

/// Waits until every kind has come in or is known not to, or until there is nothing to wait for.
async fn warmed(engine: &Engine) {
    let mut changed = engine.changed();
    let settled = async {
        while !is_settled(engine) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    };
    // What is still missing then, the answer says.
    let _ = tokio::time::timeout(WARM_WITHIN, settled).await;
}

fn is_settled(engine: &Engine) -> bool {
    let look = engine.look();
    matches!(look.info().source, Source::None { .. })
        || matches!(look.info().connection, Connection::Down { .. })
        || Kind::ALL.into_iter().all(|kind| look.status(kind).sync != Sync::Warming)
}

fn printed(called: &Called, output: Output) -> anyhow::Result<String> {
    // The text has the members in the order in which the tool wrote them.
    let members = Node::object(&called.text).or_else(|| {
        let structured = serde_json::to_string(called.structured.as_ref()?).ok()?;
        Node::object(&structured)
    });
    let Some(members) = members else { return Ok(called.text.clone()) };
    Ok(match output {
        Output::Text | Output::Wide => render::text(&members, print::layout(output == Output::Wide)),
        Output::Json => serde_json::to_string_pretty(&Node::Object(members))?,
        Output::Yaml => serde_saphyr::to_string(&Node::Object(members))?,
    })
}

fn listing(tools: &[Value], wide: bool) -> String {
    let text = |tool: &Value, member: &str| {
        tool.get(member).and_then(Value::as_str).map(str::to_owned).unwrap_or_default()
    };
    if !wide {
        let first = |tool: &Value| {
            let description = text(tool, "description");
            (text(tool, "name"), description.split_inclusive(". ").next().unwrap_or_default().to_owned())
        };
        let rows: Vec<(String, String)> = tools.iter().map(first).collect();
        return render::glossary(["TOOL", "WHAT IT ANSWERS"], &rows, print::layout(false));
    }
    let mut out = String::new();
    for tool in tools {
        out.push_str(&format!("{}\n  {}\n", clean(&text(tool, "name")), clean(&text(tool, "description"))));
        let schema = tool.get("inputSchema");
        let required: Vec<&str> = schema
            .and_then(|schema| schema.get("required")?.as_array())
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut table = Table::new(["ARGUMENT", "", "MEANING"]);
        let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
        for (name, property) in properties.into_iter().flatten() {
            let need = if required.contains(&name.as_str()) { "required" } else { "" };
            let words = arguments::words(property);
            let words = if words.is_empty() { String::new() } else { format!(" [{}]", words.join("|")) };
            table.row([format!("{name}="), need.to_owned(), text(property, "description") + &words]);
        }
        if !table.is_empty() {
            for line in table.text().lines() {
                out.push_str(&format!("    {line}\n"));
            }
        }
        out.push('\n');
    }
    out
}
