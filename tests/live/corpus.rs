//! What is not to change anything changes nothing, by the API server's own audit log: every tool, every route and every
//! command that can act, in a dry run, read-only in three ways, stopped, and as a member of another aiops.
//!
//! The same calls in normal mode change what they are about, so the calls were real. A tool, a route or a command that is
//! not in the corpus fails the test. Access reviews and server-side dry runs change nothing and are not counted.

mod server;
mod table;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::Value;

use self::{
    server::Server,
    table::{Call, How},
    world::World,
};
use crate::support::{Audited, Dice, Options, Plane, is_proof};

/// How long everything that was ordered may take to be done.
const PATIENCE: Duration = Duration::from_secs(180);

/// How the server is started and asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Every call says `dry_run` where its door has the word.
    Dry,
    /// `mcp.readOnly`.
    ReadOnly,
    /// `acting.enabled = false`.
    Disabled,
    /// Another mode, which has no engine.
    Standalone,
    /// The kill switch says `stop`.
    Stopped,
    /// It acts for an engine elsewhere, which asks for a dry run.
    MemberDry,
    /// Nothing holds it.
    Normal,
    /// The engine elsewhere asks for the deed.
    Member,
}

impl Stage {
    const QUIET: [Self; 6] =
        [Self::Dry, Self::ReadOnly, Self::Disabled, Self::Standalone, Self::Stopped, Self::MemberDry];

    const fn settings(self) -> &'static str {
        match self {
            Self::ReadOnly => "deployment.mode = \"full\"\nmcp.readOnly = true",
            Self::Disabled => "deployment.mode = \"full\"\nacting.enabled = false",
            Self::Standalone => "deployment.mode = \"standalone\"",
            Self::MemberDry | Self::Member => {
                "deployment.mode = \"standalone\"\nacting.grantedTo = [\"ann\"]"
            }
            Self::Dry | Self::Stopped | Self::Normal => "deployment.mode = \"full\"",
        }
    }
}

/// Whether a request was to change the cluster, however it was answered: not a review, and not one that the API server is
/// only to judge.
fn is_meant(request: &Audited) -> bool {
    let is_review = request.resource.ends_with("reviews");
    let is_dry = request.uri.contains("dryRun=All") || request.body["dryRun"] == serde_json::json!(["All"]);
    request.writes() && !is_review && !is_dry
}

/// Whether it did.
fn changes(request: &Audited) -> bool {
    is_meant(request) && request.status < 400
}

/// What the server's user asked for since then, once the log has everything that was answered before now.
async fn since(plane: &Plane, world: &World, place: u64) -> Vec<Audited> {
    let fence = format!("/api/v1/namespaces/{}", Dice::new().name());
    let _ = plane.get(&fence).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut audited = plane.audit_since(place);
        if audited.iter().any(|request| request.uri == fence) {
            audited.retain(|request| request.user == world.user);
            return audited;
        }
        assert!(Instant::now() < deadline, "the audit log does not say that {fence} was read");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn every_tool_route_and_command_is_in_the_corpus() {
    let known: BTreeSet<String> = table::rows().into_iter().collect();
    let mut wanted: BTreeSet<String> =
        aiops::mcp::tools::TOOLS.iter().map(|tool| format!("mcp {}", tool.meta().name)).collect();
    wanted.extend(table::routes().into_iter().map(|(method, path)| format!("{method} {path}")));
    let commands = table::commands();
    let local: BTreeSet<String> = table::LOCAL.iter().map(|(command, _)| (*command).to_owned()).collect();
    assert!(local.is_subset(&commands), "not a command any more: {:?}", local.difference(&commands));
    wanted.extend(commands.difference(&local).map(|command| format!("aiops {command}")));
    let missing: Vec<_> = wanted.difference(&known).collect();
    let gone: Vec<_> = known.difference(&wanted).collect();
    assert!(missing.is_empty(), "add them to tests/live/corpus/table.rs: {missing:#?}");
    assert!(gone.is_empty(), "the corpus calls what is not there: {gone:#?}");
    assert!(wanted.len() > 60, "{}", wanted.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_change_nothing_changes_nothing_and_the_same_calls_do_change() {
    let rounds = if is_proof() { 24 } else { 2 };
    let nodes = u32::try_from(3 * rounds + 4).unwrap();
    let plane = Plane::own(&Options { nodes, ..Options::default() }).await;
    let world = World::make(&plane, rounds).await;
    let mut asked = 0;
    for stage in Stage::QUIET {
        let place = plane.audit_end();
        let told = ask(&plane, &world, stage).await;
        let audited = since(&plane, &world, place).await;
        let wrong: Vec<String> = audited
            .iter()
            .filter(|request| is_meant(request))
            .map(|request| {
                format!("{} {} {} by {}", request.verb, request.uri, request.status, request.agent)
            })
            .collect();
        assert!(wrong.is_empty(), "{stage:?} changed the cluster: {wrong:#?}");
        assert!(audited.len() > 20, "{stage:?}: {} requests only: it was not at work", audited.len());
        let dry = audited.iter().filter(|request| request.uri.contains("dryRun=All")).count();
        if matches!(stage, Stage::Dry | Stage::MemberDry) {
            assert!(dry > 0, "{stage:?} asked for no server-side dry run");
        }
        println!(
            "corpus, {stage:?}: {} calls ({:?}), {} requests to the API server, {dry} server-side dry runs, 0 changes",
            told.values().sum::<usize>(),
            told,
            audited.len()
        );
        asked += told.values().sum::<usize>();
    }
    let place = plane.audit_end();
    let mut told = ask(&plane, &world, Stage::Normal).await;
    for (word, count) in ask(&plane, &world, Stage::Member).await {
        *told.entry(word).or_default() += count;
    }
    asked += told.values().sum::<usize>();
    let audited = since(&plane, &world, place).await;
    let made: Vec<&Audited> = audited.iter().filter(|request| changes(request)).collect();
    let mut by: BTreeMap<String, usize> = BTreeMap::new();
    for request in &made {
        *by.entry(format!("{} {}", request.verb, request.resource)).or_default() += 1;
    }
    // An Event tells of a change and is none.
    let of_objects = made.iter().filter(|request| request.resource != "events").count();
    println!(
        "corpus, Normal: {told:?}, {} changes, {of_objects} of them of other objects than Events: {by:?}; {asked} calls in all",
        made.len()
    );
    assert!(of_objects >= if is_proof() { 500 } else { 40 }, "{of_objects} changes only: {by:?}");
}

/// Asks everything of a server of its own; answers how many calls were accepted, refused, and so on.
async fn ask(plane: &Plane, world: &World, stage: Stage) -> BTreeMap<&'static str, usize> {
    let server = Server::start(world, stage.settings()).await;
    if stage == Stage::Stopped {
        let set = server.rest("PUT", "/api/v1/control", &serde_json::json!({"mode": "stop"})).await;
        assert_eq!(set.status, 200, "{}", set.text);
    }
    let place = plane.audit_end();
    let mut told: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut calls: Vec<Call> = Vec::new();
    for round in 0..world.rounds.len() {
        for mut call in table::calls(plane, world, &server, round, stage).await {
            let word = call.ask(&server, stage).await;
            *told.entry(word).or_default() += 1;
            calls.push(call);
        }
    }
    if matches!(stage, Stage::Normal | Stage::Member) {
        finished(plane, world, &server, place, &calls).await;
    } else {
        // What was accepted though it must not act has time to be found out.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    told
}

/// Waits until every call that is to change something has changed it.
async fn finished(plane: &Plane, world: &World, server: &Server, place: u64, calls: &[Call]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let audited = since(plane, world, place).await;
        let changed: BTreeSet<(String, String, String)> = audited
            .iter()
            .filter(|request| changes(request))
            .map(|request| (request.resource.clone(), request.namespace.clone(), request.name.clone()))
            .collect();
        let left: Vec<&Call> = calls
            .iter()
            .filter(|call| call.touches.as_ref().is_some_and(|touched| !changed.contains(touched)))
            .collect();
        if left.is_empty() {
            return;
        }
        if Instant::now() >= deadline {
            let told = server.rest("GET", "/api/v1/workflows?limit=500", &Value::Null).await.json();
            let open = told["workflows"].as_array().into_iter().flatten();
            let open: Vec<String> = open
                .filter(|workflow| workflow["phase"] != "completed")
                .map(|workflow| format!("{} {}: {}", workflow["id"], workflow["phase"], workflow["reason"]))
                .collect();
            panic!("these changed nothing: {left:#?}; workflows that are not completed: {open:#?}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

impl Call {
    /// Sends it, and says in a word what came of it. Where it has to come to something, what is unavailable for a moment (a
    /// store under load, most often) is asked for again.
    async fn ask(&mut self, server: &Server, stage: Stage) -> &'static str {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (word, is_unavailable) = self.once(server).await;
            let is_to_come = stage == Stage::Normal && self.touches.is_some() && is_unavailable;
            if !is_to_come || Instant::now() > deadline {
                return word;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The word, and whether asking again is worth it.
    async fn once(&mut self, server: &Server) -> (&'static str, bool) {
        match &self.how {
            How::Mcp(tool, arguments) => {
                let reply =
                    server.mcp("tools/call", serde_json::json!({"name": tool, "arguments": arguments})).await;
                let result = &reply["result"];
                self.said = if result.is_null() { reply.to_string() } else { result["content"].to_string() };
                let is_unavailable = result["_meta"]["aiops.io/code"] == "dependency_unavailable";
                match &result["isError"] {
                    Value::Bool(true) => ("refused by MCP", is_unavailable),
                    _ if result.is_null() => ("error of MCP", false),
                    _ => ("answered by MCP", false),
                }
            }
            How::Rest(method, path, body) => {
                let answer = server.rest(method, path, body).await;
                self.said = answer.text;
                match answer.status {
                    200..300 => ("answered by REST", false),
                    400..500 => ("refused by REST", false),
                    status => ("error of REST", status == 503),
                }
            }
            How::Command(arguments) => {
                let (is_well, said) = server.command(arguments).await;
                let is_unavailable = !is_well && said.contains("unavailable");
                self.said = said;
                (if is_well { "exit 0" } else { "another exit" }, is_unavailable)
            }
        }
    }
}
