//! Which tools are offered, with what clients read of them, made once.
//!
//! The configuration decides for the whole life of the process (toolsets, read-only, prefix), and so does whether there
//! is a coordination; whether a cluster is configured at all decides at each look. It calls nothing.

use std::{collections::HashMap, sync::Arc};

use aiops_engine::{
    Engine, Error,
    answer::near,
    member::{OBSERVE, PERFORM},
};
use aiops_inventory::inventory::Source;
use rmcp::model::{Tool as WireTool, ToolAnnotations};
use serde_json::{Map, Value};

use super::{
    desk::NO_MEMBER,
    tool::{AnyTool, Meta, Toolset},
};
use crate::config;

/// The tool that orders a repair; tasks end with its answers.
pub(super) const ORDERS: &str = "trigger-remediation";

/// A tool that is offered.
#[derive(Clone)]
pub(super) struct Offer {
    pub(super) tool: &'static dyn AnyTool,
    /// What clients read of it, but for the schema of its answers.
    pub(super) wire: WireTool,
    /// The schema of its answers as JSON: read once a session, and as a tree ten times as large.
    output: Box<str>,
}

impl Offer {
    fn new(tool: &'static dyn AnyTool, prefix: &str) -> Self {
        let output = Value::Object(tool.output_schema()).to_string().into();
        Self { tool, wire: wire(tool, prefix), output }
    }

    /// Whether a call of it begins a workflow: these alone ask about a plan, and are answered with tasks.
    pub(super) fn begins_workflow(&self) -> bool {
        let meta = self.tool.meta();
        meta.name == ORDERS || meta.toolset == Toolset::Actions
    }

    fn whole(&self) -> WireTool {
        // It was written from such a tree, so it can be read as one.
        let output: Map<String, Value> = serde_json::from_str(&self.output).unwrap_or_default();
        self.wire.clone().with_raw_output_schema(Arc::new(output))
    }
}

/// The tools that are offered, in the order of the list.
pub(super) struct Catalogue {
    offers: Vec<Offer>,
    by_name: HashMap<String, usize>,
    /// Names of tools that are wanted and that nothing here could answer.
    unanswered: Vec<&'static str>,
}

impl Catalogue {
    /// The offered ones of `tools`; those that ask the coordination or the member only where there is one.
    pub(super) fn new(
        tools: &[&'static dyn AnyTool],
        settings: &config::Mcp,
        has_coordination: bool,
        is_member: bool,
    ) -> Self {
        let wanted = |meta: &Meta| {
            let toolset = match meta.toolset {
                // The configuration of acting says whether there are any.
                Toolset::Member => return meta.hints.read_only || !settings.read_only,
                Toolset::Cluster => config::Toolset::Cluster,
                Toolset::Remediation => config::Toolset::Remediation,
                Toolset::Actions => config::Toolset::Actions,
            };
            settings.toolsets.contains(&toolset) && (meta.hints.read_only || !settings.read_only)
        };
        let prefix = settings.tool_prefix.as_str();
        let (offered, unanswered): (Vec<_>, Vec<_>) =
            tools.iter().copied().filter(|tool| wanted(tool.meta())).partition(|tool| {
                (has_coordination || !tool.is_coordinated()) && (is_member || !tool.is_membered())
            });
        let unanswered = unanswered.into_iter().map(|tool| tool.meta().name).collect();
        let offered = offered.into_iter();
        // What an engine calls, it calls by its bare name.
        let prefix_of = |tool: &dyn AnyTool| if tool.is_membered() { "" } else { prefix };
        let mut offers: Vec<Offer> = offered.map(|tool| Offer::new(tool, prefix_of(tool))).collect();
        offers.sort_by(|a, b| a.wire.name.cmp(&b.wire.name));
        let by_name =
            offers.iter().enumerate().map(|(at, offer)| (offer.wire.name.to_string(), at)).collect();
        Self { offers, by_name, unanswered }
    }

    /// The tools that are listed now: those that read the live cluster only while one is configured, those of a member only
    /// for an engine.
    pub(super) fn listed(&self, live: bool, for_engine: bool) -> impl Iterator<Item = WireTool> {
        let is_shown = move |offer: &&Offer| {
            (live || !offer.tool.meta().needs_live) && (for_engine || !offer.tool.is_membered())
        };
        self.offers.iter().filter(is_shown).map(Offer::whole)
    }

    /// Whether any tool is offered that begins a workflow.
    pub(super) fn begins_workflows(&self) -> bool {
        self.offers.iter().any(Offer::begins_workflow)
    }

    /// The offer of this name. A tool that is not listed now is found too: called, it says what it lacks.
    pub(super) fn find(&self, name: &str) -> Option<&Offer> {
        self.by_name.get(name).and_then(|at| self.offers.get(*at))
    }

    /// Why there is no tool of this name.
    pub(super) fn unknown(&self, name: &str) -> Error {
        if self.unanswered.contains(&name) && [OBSERVE, PERFORM].contains(&name) {
            return Error::NotInThisMode { what: format!("tool {name}"), why: NO_MEMBER.to_owned() };
        }
        if self.unanswered.contains(&name) {
            return Error::NotInThisMode {
                what: format!("tool {name}"),
                why: "there is no coordination engine in this process; start aiops with --mode full on a live cluster"
                    .to_owned(),
            };
        }
        let hint = near(name, self.by_name.keys().map(String::as_str));
        let hint = if hint.is_empty() { "; tools/list names those that exist".to_owned() } else { hint };
        let shown: String = name.chars().take(64).collect();
        Error::NotFound { what: format!("tool {shown:?}"), hint }
    }

    /// How a tool is called here, when it is offered: prompts and instructions name no others.
    pub(super) fn name(&self, bare: &str) -> Option<&str> {
        let named = |offer: &&Offer| offer.tool.meta().name == bare;
        self.offers.iter().find(named).map(|offer| offer.wire.name.as_ref())
    }
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.offers.iter().map(|offer| &offer.wire.name)).finish()
    }
}

/// Whether tools that read the live cluster can be of use: a cluster (or a recording's files) is behind the engine.
pub(super) fn is_live(engine: &Engine) -> bool {
    engine.has_cluster() && !matches!(engine.look().info().source, Source::None { .. })
}

fn wire(tool: &'static dyn AnyTool, prefix: &str) -> WireTool {
    let meta = tool.meta();
    let hints = ToolAnnotations::new()
        .read_only(meta.hints.read_only)
        .destructive(meta.hints.destructive)
        .idempotent(meta.hints.idempotent)
        .open_world(meta.hints.open_world);
    let schema = Arc::new(tool.input_schema());
    let wire = if prefix.is_empty() {
        WireTool::new(meta.name, meta.description, schema)
    } else {
        WireTool::new(format!("{prefix}{}", meta.name), meta.description, schema)
    };
    wire.with_title(meta.title).with_annotations(hints)
}
