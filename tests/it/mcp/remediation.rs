//! Incidents and workflows over MCP: what is handed to the coordination, what a model reads of its answers, how long a
//! call waits, and who may do what.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aiops::{config, mcp::tools::TOOLS};
use aiops_engine::{
    coordination::{Coordination, Decision, IncidentQuery, WorkloadName},
    issue::Severity,
    model::{
        action::{Action, Resources},
        caller::{Caller, Via},
        incident::IncidentStatus,
        phase::Phase,
        target::Target,
    },
};
use parking_lot::Mutex;
use rmcp::{
    ClientHandler, RoleClient,
    model::{
        CallToolRequest, ClientRequest, NumberOrString, ProgressNotificationParam, ProgressToken,
        RequestMetaObject,
    },
    service::{NotificationContext, PeerRequestOptions, RunningService},
};
use serde_json::{Value, json};

use super::{
    fake::{Ask, DIGEST, Fake, INCIDENT, WORKFLOW, incident, workflow},
    world::{World, call, text, until},
};

/// A world with this coordination and every toolset.
fn world(fake: &Arc<Fake>) -> World {
    let mut world = World::new();
    let coordination: Arc<dyn Coordination> = fake.clone();
    world.coordination = Some(coordination);
    world.settings.toolsets.push(config::Toolset::Actions);
    world
}

type Client = RunningService<RoleClient, ()>;

async fn client(world: &World) -> Client {
    world.legacy(&world.server(), ()).await
}

/// What a tool answers, when it does.
async fn answer(client: &Client, tool: &str, arguments: Value) -> Value {
    let result = client.call_tool(call(tool, arguments)).await.unwrap();
    assert_eq!(result.is_error, Some(false), "{tool}: {}", text(&result));
    let structured = result.structured_content.clone().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text(&result)).unwrap(), structured);
    structured
}

/// What it says when it does not.
async fn refusal(client: &Client, tool: &str, arguments: Value) -> String {
    let result = client.call_tool(call(tool, arguments)).await.unwrap();
    assert_eq!(result.is_error, Some(true), "{tool}: {}", text(&result));
    text(&result)
}

fn ada() -> Caller {
    Caller::identified("ada", Vec::new(), Via::Mcp)
}

fn trouble() -> Value {
    json!({"namespace": "shop", "resource_kind": "Deployment", "resource_name": "web", "issue_type": "image_pull"})
}

fn with(mut arguments: Value, more: Value) -> Value {
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    arguments
}

fn tokens(text: &str) -> usize {
    tiktoken_rs::o200k_base().unwrap().encode_ordinary(text).len()
}

#[tokio::test]
async fn tools_are_offered_where_they_can_be_answered_and_hidden_where_nothing_may_be_changed() {
    let names = |world: &World| -> BTreeSet<String> {
        world.server().tools().iter().map(|tool| tool.name.to_string()).collect()
    };
    let of = |wanted: &dyn Fn(&dyn aiops::mcp::tool::AnyTool) -> bool| -> BTreeSet<String> {
        TOOLS.iter().filter(|tool| wanted(**tool)).map(|tool| tool.meta().name.to_owned()).collect()
    };
    let fake = Arc::new(Fake::default());
    let mut full = world(&fake);
    assert_eq!(names(&full), of(&|_| true));
    full.settings.read_only = true;
    assert_eq!(names(&full), of(&|tool| tool.meta().hints.read_only));
    full.settings = config::Mcp::default();
    assert_eq!(names(&full), of(&|tool| tool.meta().toolset != aiops::mcp::tool::Toolset::Actions));

    let without = World::new();
    assert_eq!(names(&without), of(&|tool| !tool.is_coordinated()));
    let client = client(&without).await;
    let unknown = client.call_tool(call("trigger-remediation", trouble())).await.unwrap_err().to_string();
    assert!(unknown.contains("no coordination engine") && unknown.contains("--mode full"), "{unknown}");
    let resources = client.list_all_resources().await.unwrap();
    assert!(resources.iter().all(|resource| !resource.uri.contains("incident")), "{resources:?}");
    let prompts = client.list_all_prompts().await.unwrap();
    assert!(prompts.iter().all(|prompt| !prompt.name.contains("incident")), "{prompts:?}");
}

#[tokio::test]
async fn incidents_are_listed_with_the_old_arguments_and_members() {
    let fake = Arc::new(Fake::with_incident());
    fake.put_incident(incident("inc-2", "cart", IncidentStatus::Resolved));
    let world = world(&fake);
    let client = client(&world).await;
    let all = answer(&client, "list-incidents", json!({})).await;
    let query = |status: &str, severity: &str, limit, offset| IncidentQuery {
        namespace: None,
        severity: Some(severity.to_owned()),
        status: Some(status.to_owned()),
        limit: Some(limit),
        offset: Some(offset),
    };
    let asked = fake.one();
    assert_eq!((asked.caller, asked.what), (ada(), Ask::Incidents(query("all", "all", 1_000, 0))));
    assert_eq!(all["status"], "success");
    assert_eq!((&all["count"], &all["message"]), (&json!(2), &json!("2 of 2 incidents")));
    assert_eq!(all["summary"]["completed"], 1);
    assert_eq!(all["summary"]["by_severity"], json!({"high": 2}));
    assert_eq!(all["filters"], json!({"status": "all", "severity": "all", "limit": 100, "offset": 0}));
    assert!(all.get("omitted").is_none() && all.get("next_offset").is_none(), "{all}");
    let first = &all["incidents"][1];
    for member in
        ["id", "title", "description", "severity", "status", "target", "action_type", "source", "created_at"]
    {
        assert!(first[member].is_string(), "{member}: {first}");
    }
    assert_eq!((&first["status"], &first["target"]), (&json!("pending"), &json!("Deployment shop/web")));
    assert_eq!(all["incidents"][0]["status"], "completed");

    let page = json!({"status": "active", "severity": "high", "limit": 1, "offset": "1"});
    let none = answer(&client, "list-incidents", page).await;
    assert_eq!(fake.one().what, Ask::Incidents(query("active", "high", 1, 1)));
    assert_eq!((&none["count"], &none["incidents"]), (&json!(0), &json!([])));
    for (arguments, said) in [
        (json!({"status": "open"}), "must be one of all, active, completed, failed"),
        (json!({"limit": 1001}), "must be between 1 and 1000"),
        (json!({"offset": -1}), "\"offset\""),
    ] {
        let why = refusal(&client, "list-incidents", arguments).await;
        assert!(why.contains(said), "{why}");
    }
    assert_eq!(fake.asked(), []);
}

#[tokio::test]
async fn a_short_answer_begins_with_what_is_worst_and_a_limit_with_what_is_newest() {
    let fake = Arc::new(Fake::default());
    for (n, severity) in
        [Severity::Critical, Severity::Low, Severity::Critical, Severity::High].into_iter().enumerate()
    {
        let one = incident(&format!("inc-{n}"), "web", IncidentStatus::Active);
        fake.put_incident(aiops_engine::coordination::IncidentView { severity, ..one });
    }
    let world = world(&fake);
    let client = client(&world).await;
    let ids = async |arguments: Value| -> Vec<String> {
        let listed = answer(&client, "list-incidents", arguments).await;
        listed["incidents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(json!({})).await, ["inc-2", "inc-0", "inc-3", "inc-1"]);
    assert_eq!(ids(json!({"offset": 2})).await, ["inc-3", "inc-1"]);
    assert_eq!(ids(json!({"offset": 9})).await, Vec::<String>::new());
    assert_eq!(ids(json!({"limit": 2})).await, ["inc-3", "inc-2"]);
}

#[tokio::test]
async fn a_long_list_is_cut_and_the_counts_add_up() {
    let fake = Arc::new(Fake::default());
    for n in 0..90 {
        fake.put_incident(incident(&format!("inc-{n}"), "web", IncidentStatus::Active));
        fake.put_workflow(workflow(&format!("wf-{n}"), Phase::Completed));
    }
    let world = world(&fake);
    let client = client(&world).await;
    for (tool, rows, id) in
        [("list-incidents", "incidents", "id"), ("list-workflows", "workflows", "workflow_id")]
    {
        let first = answer(&client, tool, json!({})).await;
        assert!(tokens(&first.to_string()) <= 2_000, "{tool}: {} tokens", tokens(&first.to_string()));
        let mut seen = BTreeSet::new();
        let mut offset = Some(0);
        while let Some(from) = offset {
            let page = answer(&client, tool, json!({"offset": from})).await;
            let shown = page[rows].as_array().unwrap();
            assert!(!shown.is_empty());
            assert_eq!(page["omitted"].as_u64().unwrap_or(0), 90 - u64::try_from(shown.len()).unwrap());
            seen.extend(shown.iter().map(|row| row[id].as_str().unwrap().to_owned()));
            offset = page["next_offset"].as_u64();
        }
        assert_eq!(seen.len(), 90, "{tool}");
        let whole = answer(&client, tool, json!({"limit": 90})).await;
        assert_eq!(whole[rows].as_array().unwrap().len(), 90);
    }
}

#[tokio::test]
async fn an_incident_is_recorded_and_closed_with_the_old_members() {
    let fake = Arc::new(Fake::default());
    let world = world(&fake);
    let client = client(&world).await;
    let arguments = json!({"title": "Checkout is slow", "description": "p99 over 4 s since 10:00", "severity": "critical",
        "target": "shop", "affected_resources": ["Deployment/shop/web"], "labels": {"team": "shop"},
        "correlation_id": "inc-root", "external_id": "PD-7", "confidence": 0.5});
    let made = answer(&client, "create-incident", arguments).await;
    let Ask::Create(new) = fake.one().what else { panic!("it was created") };
    assert_eq!((new.title.as_str(), new.severity.as_str()), ("Checkout is slow", "critical"));
    assert_eq!((new.target.as_deref(), new.created_by.as_deref()), (Some("shop"), Some("ada")));
    assert_eq!((new.correlation_id.as_deref(), new.external_id.as_deref()), (Some("inc-root"), Some("PD-7")));
    assert_eq!((new.labels["team"].as_str(), new.confidence), ("shop", Some(0.5)));
    for member in ["incident_id", "title", "description", "severity", "status", "created_at", "message"] {
        assert!(made[member].is_string(), "{member}: {made}");
    }
    assert_eq!((&made["priority"], &made["status"]), (&json!(1), &json!("pending")));
    for (wrong, said) in [
        (
            json!({"title": "Slow", "description": "p99 over 4 s", "severity": "high"}),
            "\"title\": must be at least 5",
        ),
        (
            json!({"title": "Checkout", "description": "slow", "severity": "high"}),
            "\"description\": must be at least 10",
        ),
        (json!({"title": "Checkout", "description": "p99 over 4 s"}), "argument \"severity\""),
        (
            json!({"title": "Checkout", "description": "p99 over 4 s", "severity": "bad"}),
            "must be one of critical, high",
        ),
    ] {
        let why = refusal(&client, "create-incident", wrong).await;
        assert!(why.contains(said), "{why}");
    }
    assert_eq!(fake.asked(), []);
    let closed =
        answer(&client, "resolve-incident", json!({"incident_id": "inc-new", "resolution": "a new replica"}))
            .await;
    assert_eq!(fake.one().what, Ask::Resolve("inc-new".to_owned(), Some("a new replica".to_owned())));
    assert_eq!((&closed["status"], &closed["message"]), (&json!("completed"), &json!("inc-new is resolved")));
    let one = answer(&client, "get-incident", json!({"incident_id": "inc-new"})).await;
    assert_eq!((&one["id"], &one["resolved_at"]), (&json!("inc-new"), &json!("2026-11-24T10:05:00Z")));
    let why = refusal(&client, "get-incident", json!({"incident_id": "7; drop table"})).await;
    assert!(why.contains("is no id; one looks like inc-"), "{why}");
}

#[tokio::test]
async fn a_trigger_takes_the_old_arguments_and_answers_the_old_members() {
    let fake = Arc::new(Fake::with_incident());
    let world = world(&fake);
    let client = client(&world).await;
    let old = with(
        trouble(),
        json!({"incident_id": "PD-7", "severity": "high", "description": "pods wait", "dry_run": true}),
    );
    let dry = answer(&client, "trigger-remediation", old.clone()).await;
    let Ask::Trigger(trigger) = fake.one().what else { panic!("it was triggered") };
    assert_eq!(
        (trigger.kind.as_str(), trigger.name.as_str(), trigger.namespace.as_str()),
        ("Deployment", "web", "shop")
    );
    assert_eq!((trigger.issue.as_str(), trigger.severity), ("image_pull", Some(Severity::High)));
    assert_eq!((trigger.incident.as_deref(), trigger.description.as_str()), (Some("PD-7"), "pods wait"));
    assert!(trigger.dry_run && trigger.action.is_none() && trigger.digest.is_none());
    assert_eq!((&dry["dry_run"], &dry["incident_id"]), (&json!(true), &json!("PD-7")));
    let said = dry["message"].as_str().unwrap();
    assert!(said.starts_with("DRY RUN: Deployment shop/web"), "{said}");
    assert_eq!(dry["plan"]["digest"], DIGEST);
    assert!(dry.get("workflow_id").is_none(), "{dry}");

    let meant = with(old, json!({"dry_run": false, "idempotency_key": "k-1", "digest": DIGEST}));
    let begun = answer(&client, "trigger-remediation", meant).await;
    let Ask::Trigger(trigger) = fake.one().what else { panic!("it was triggered") };
    assert_eq!((trigger.idempotency_key.as_deref(), trigger.digest.as_deref()), (Some("k-1"), Some(DIGEST)));
    for member in
        ["status", "workflow_id", "incident_id", "deployment_method", "estimated_duration", "message"]
    {
        assert!(begun[member].is_string(), "{member}: {begun}");
    }
    assert!(begun.get("dry_run").is_none() && begun.get("steps").is_none(), "{begun}");
    assert!(begun["message"].as_str().unwrap().contains(WORKFLOW), "{begun}");
}

#[tokio::test]
async fn what_is_not_named_is_taken_from_the_incident() {
    let fake = Arc::new(Fake::with_incident());
    let mut nowhere = incident("inc-9", "web", IncidentStatus::Active);
    nowhere.resource = None;
    fake.put_incident(nowhere);
    let world = world(&fake);
    let client = client(&world).await;
    let plan = answer(&client, "plan-remediation", json!({"incident_id": INCIDENT})).await;
    let Ask::Plan(trigger) = fake.one().what else { panic!("it was planned") };
    assert_eq!(
        (trigger.kind.as_str(), trigger.name.as_str(), trigger.namespace.as_str()),
        ("Deployment", "web", "shop")
    );
    assert_eq!((trigger.issue.as_str(), trigger.incident.as_deref()), ("image_pull", Some(INCIDENT)));
    assert_eq!((&plan["digest"], &plan["approval"]), (&json!(DIGEST), &json!("approve")));
    let step = &plan["steps"][0];
    assert_eq!(
        (&step["allowed"], &step["accepted"], &step["undo"]),
        (&json!(true), &json!(true), &json!("exact"))
    );
    assert!(step["diff"][0].as_str().unwrap().contains("web:2.0 -> registry.test/web:1.9"), "{step}");
    for (arguments, said) in [
        (json!({}), "\"resource_kind\": is needed: name an incident that is about an object"),
        (json!({"resource_kind": "Node", "resource_name": "n1"}), "\"issue_type\": is needed"),
        (json!({"incident_id": "inc-9"}), "\"resource_kind\": is needed"),
        (json!({"incident_id": "inc-8"}), "incident inc-8 not found"),
        (json!({"incident_id": "PD-7"}), "is no id"),
    ] {
        for tool in ["plan-remediation", "trigger-remediation"] {
            let why = refusal(&client, tool, arguments.clone()).await;
            assert!(why.contains(said), "{tool}: {why}");
        }
    }
    assert_eq!(fake.asked(), []);
}

#[tokio::test]
async fn a_fault_goes_from_question_to_verified_fix_in_three_calls_and_few_tokens() {
    let story = [Phase::Queued, Phase::Running, Phase::Verifying, Phase::Completed];
    for needs_approval in [false, true] {
        let fake = Fake::with_incident().story(&story);
        let fake = Arc::new(if needs_approval { fake.needs_approval() } else { fake });
        let world = world(&fake);
        let client = client(&world).await;
        let mut answers = vec![answer(&client, "list-incidents", json!({"status": "active"})).await];
        let id = answers[0]["incidents"][0]["id"].clone();
        let last = if needs_approval {
            let waits = answer(&client, "trigger-remediation", json!({"incident_id": id, "wait": 60})).await;
            assert_eq!(waits["phase"], "awaiting_approval");
            assert!(waits["steps"][0]["diff"][0].is_string(), "the plan is shown: {waits}");
            let (workflow, digest) = (waits["workflow_id"].clone(), waits["awaiting"]["digest"].clone());
            answers.push(waits);
            let approval = json!({"workflow_id": workflow, "digest": digest, "wait": 60});
            answer(&client, "approve-workflow", approval).await
        } else {
            answers.push(answer(&client, "plan-remediation", json!({"incident_id": id})).await);
            let digest = answers[1]["digest"].clone();
            let order = json!({"incident_id": id, "digest": digest, "wait": 60});
            answer(&client, "trigger-remediation", order).await
        };
        assert_eq!((&last["phase"], &last["status"]), (&json!("completed"), &json!("completed")), "{last}");
        assert_eq!(last["message"], "Verified: the target was seen healthy.");
        assert_eq!(last["checks"][0]["status"], "passed");
        assert!(last["steps"][0]["result"].as_str().unwrap().contains("3 of 3 ready"), "{last}");
        answers.push(last);
        assert_eq!(answers.len(), 3);
        let counts: Vec<usize> = answers.iter().map(|answer| tokens(&answer.to_string())).collect();
        println!("approval {needs_approval}: {counts:?} tokens");
        assert!(counts.iter().sum::<usize>() <= 1_500, "{counts:?}");
    }
}

#[tokio::test]
async fn a_call_waits_until_a_person_is_needed_or_its_time_is_over() {
    let fake = Arc::new(Fake::with_incident().story(&[Phase::Running, Phase::NeedsOperator]));
    let world = world(&fake);
    let client = client(&world).await;
    let parked = answer(&client, "trigger-remediation", with(trouble(), json!({"wait": 60}))).await;
    assert_eq!((&parked["phase"], &parked["needs_operator"]), (&json!("needs_operator"), &json!(true)));
    assert_eq!(parked["reason"], "somebody else changed the template meanwhile");

    // One that goes on: the time ends the waiting and not the workflow.
    fake.advance(Phase::Running);
    let began = tokio::time::Instant::now();
    let running = answer(&client, "get-workflow", json!({"workflow_id": WORKFLOW, "wait": 1})).await;
    assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < Duration::from_secs(8));
    assert_eq!((&running["phase"], &running["status"]), (&json!("running"), &json!("in_progress")));

    // One that rests is waited for until it moves.
    fake.advance(Phase::AwaitingApproval);
    let (moved, ()) =
        tokio::join!(answer(&client, "get-workflow", json!({"workflow_id": WORKFLOW, "wait": 30})), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            fake.advance(Phase::Rejected);
        });
    assert_eq!(moved["phase"], "rejected");
    let why = refusal(&client, "get-workflow", json!({"workflow_id": WORKFLOW, "wait": 301})).await;
    assert!(why.contains("between 0 and 300"), "{why}");
}

/// Notes every progress report.
#[derive(Clone, Default)]
struct Watching(Arc<Mutex<Vec<Report>>>);

/// Its number and its words.
type Report = (f64, Option<String>);

impl ClientHandler for Watching {
    async fn on_progress(&self, report: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.lock().push((report.progress, report.message));
    }
}

#[tokio::test]
async fn who_waits_is_told_of_progress_and_going_away_cancels_no_workflow() {
    let fake = Arc::new(Fake::with_incident());
    let world = world(&fake);
    let watching = Watching::default();
    let client = world.legacy(&world.server(), watching.clone()).await;
    let mut asked = call("trigger-remediation", with(trouble(), json!({"wait": 60})));
    asked.meta = Some(RequestMetaObject::with_progress_token(ProgressToken(NumberOrString::Number(7))));
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(asked));
    let handle = client.send_cancellable_request(request, PeerRequestOptions::default()).await.unwrap();
    until("the first report", || !watching.0.lock().is_empty()).await;
    fake.advance(Phase::Running);
    until("the second report", || watching.0.lock().len() == 2).await;
    let reports = watching.0.lock().clone();
    assert_eq!(reports[0], (1.0, Some("planning".to_owned())));
    let (number, said) = reports[1].clone();
    assert_eq!(number, 2.0);
    assert!(said.unwrap().starts_with("running, 0 of 1 steps taken: Set the pod template"), "{reports:?}");
    handle.cancel(Some("the user went home".to_owned())).await.unwrap();
    let metrics = || world.metrics.render();
    until("the call was counted", || {
        metrics().contains("tool=\"trigger-remediation\",outcome=\"cancelled\"")
    })
    .await;
    let asked = fake.asked();
    assert!(matches!(asked.as_slice(), [one] if matches!(one.what, Ask::Trigger(_))), "{asked:?}");
}

#[tokio::test]
async fn waiting_calls_hold_up_no_other() {
    let fake = Arc::new(Fake::with_incident());
    let mut world = world(&fake);
    world.settings.max_concurrent_calls = 1;
    fake.put_workflow(workflow(WORKFLOW, Phase::Running));
    let client = client(&world).await;
    let wait = || client.call_tool(call("get-workflow", json!({"workflow_id": WORKFLOW, "wait": 30})));
    let others = async {
        answer(&client, "get-cluster-health", json!({})).await;
        answer(&client, "get-workflow", json!({"workflow_id": WORKFLOW})).await;
        fake.advance(Phase::Completed);
    };
    let (one, two, ()) = tokio::join!(wait(), wait(), others);
    for waited in [one, two] {
        assert_eq!(waited.unwrap().structured_content.unwrap()["phase"], "completed");
    }
}

#[tokio::test]
async fn a_plan_is_approved_denied_and_cancelled_as_it_is_said() {
    for (approve, phase) in [(true, "queued"), (false, "rejected")] {
        let fake = Arc::new(Fake::with_incident());
        fake.put_workflow(workflow(WORKFLOW, Phase::AwaitingApproval));
        let world = world(&fake);
        let client = client(&world).await;
        let waits = answer(&client, "get-workflow", json!({"workflow_id": WORKFLOW})).await;
        assert_eq!(waits["awaiting"]["digest"], DIGEST);
        let forged = json!({"workflow_id": WORKFLOW, "digest": "0".repeat(64)});
        assert!(refusal(&client, "approve-workflow", forged).await.contains("another plan"));
        fake.asked();
        let decision =
            json!({"workflow_id": WORKFLOW, "digest": DIGEST, "approve": approve, "reason": "seen"});
        let decided = answer(&client, "approve-workflow", decision).await;
        assert_eq!(decided["phase"], phase);
        let asked = fake.one();
        let decision = Decision {
            digest: DIGEST.to_owned(),
            approve,
            reason: Some("seen".to_owned()),
            by_elicitation: false,
        };
        assert_eq!((asked.caller, asked.what), (ada(), Ask::Decide(WORKFLOW.to_owned(), decision)));
        let stopped =
            answer(&client, "cancel-workflow", json!({"workflow_id": WORKFLOW, "reason": "no need"})).await;
        assert_eq!(stopped["phase"], "cancelled");
        assert_eq!(fake.one().what, Ask::Cancel(WORKFLOW.to_owned(), Some("no need".to_owned())));
    }
}

#[tokio::test]
async fn each_action_is_a_workflow_of_that_one_action() {
    let fake = Arc::new(Fake::default());
    let world = world(&fake);
    let client = client(&world).await;
    let web = Target::known("Deployment", "shop", "web");
    let node = Target::known("Node", "", "n1");
    let named = json!({"namespace": "shop", "kind": "Deployment", "name": "web"});
    let cases = [
        ("restart-workload", named.clone(), Action::RestartWorkload { target: web.clone() }),
        (
            "scale-workload",
            with(named.clone(), json!({"replicas": 5})),
            Action::ScaleWorkload { target: web.clone(), replicas: 5 },
        ),
        (
            "rollback-workload",
            with(named.clone(), json!({"revision": 6})),
            Action::RollbackWorkload { target: web.clone(), revision: 6, source: String::new() },
        ),
        (
            "set-resources",
            with(named.clone(), json!({"container": "app", "memory_limit": "512Mi"})),
            Action::SetResources {
                target: web,
                container: "app".to_owned(),
                resources: Resources { memory_limit: Some("512Mi".to_owned()), ..Resources::default() },
            },
        ),
        (
            "evict-pod",
            json!({"namespace": "shop", "name": "web-1"}),
            Action::EvictPod { target: Target::known("Pod", "shop", "web-1") },
        ),
        ("cordon-node", json!({"name": "n1"}), Action::CordonNode { target: node.clone() }),
        ("uncordon-node", json!({"name": "n1"}), Action::UncordonNode { target: node }),
        (
            "sync-application",
            json!({"namespace": "argocd", "name": "shop"}),
            Action::SyncApplication { target: Target::known("Application", "argocd", "shop") },
        ),
    ];
    for (tool, arguments, action) in cases {
        let more = json!({"dry_run": true, "reason": "asked for", "idempotency_key": "k"});
        let dry = answer(&client, tool, with(arguments.clone(), more)).await;
        assert_eq!(dry["dry_run"], true, "{tool}");
        let Ask::Trigger(trigger) = fake.one().what else { panic!("{tool}") };
        let target = action.target();
        assert_eq!(
            (&trigger.kind, &trigger.name, &trigger.namespace),
            (&target.kind, &target.name, &target.namespace)
        );
        assert_eq!(trigger.action.as_ref(), Some(&action), "{tool}");
        assert!(trigger.dry_run && trigger.issue.is_empty(), "{tool}");
        assert_eq!(
            (trigger.description.as_str(), trigger.idempotency_key.as_deref()),
            ("asked for", Some("k"))
        );
        let meant = answer(&client, tool, arguments).await;
        assert_eq!(meant["workflow_id"], WORKFLOW, "{tool}");
        let Ask::Trigger(trigger) = fake.one().what else { panic!("{tool}") };
        assert!(!trigger.dry_run, "{tool}");
    }
    let dry =
        answer(&client, "drain-node", json!({"name": "n1", "dry_run": true, "reason": "asked for"})).await;
    assert_eq!(dry["dry_run"], true);
    let Ask::Trigger(trigger) = fake.one().what else { panic!("drain-node") };
    assert_eq!(
        (trigger.kind.as_str(), trigger.name.as_str(), trigger.issue.as_str()),
        ("Node", "n1", "node_drain")
    );
    assert!(trigger.dry_run && trigger.action.is_none(), "a drain is a remedy of many steps");
    let why = refusal(&client, "set-resources", with(named.clone(), json!({"container": "app"}))).await;
    assert!(why.contains("at least one of cpu_request"), "{why}");
    let why =
        refusal(&client, "restart-workload", json!({"namespace": "shop", "kind": "Secret", "name": "x"}))
            .await;
    assert!(why.contains("must be one of Deployment, StatefulSet, DaemonSet"), "{why}");
    assert_eq!(fake.asked(), []);
}

#[tokio::test]
async fn a_deployment_method_is_told_with_its_evidence() {
    let fake = Arc::new(Fake::default());
    let world = world(&fake);
    let client = client(&world).await;
    let named = json!({"namespace": "shop", "kind": "Deployment", "name": "web"});
    let found = answer(&client, "detect-deployment-method", named).await;
    let name =
        WorkloadName { kind: "Deployment".to_owned(), namespace: "shop".to_owned(), name: "web".to_owned() };
    assert_eq!(fake.one().what, Ask::Method(name));
    assert_eq!((&found["method"], &found["confidence"]), (&json!("manual"), &json!(0.6)));
    assert_eq!(found["source"], "managedFields:kubectl-client-side-apply");
}

#[tokio::test]
async fn every_answer_fits_its_schema_and_nothing_of_ours_is_taken_for_a_credential() {
    let fake = Arc::new(Fake::with_incident().story(&[Phase::Running, Phase::Completed]));
    fake.put_workflow(workflow(WORKFLOW, Phase::AwaitingApproval));
    let world = world(&fake);
    let client = client(&world).await;
    let args: Value = serde_json::from_str(include_str!("../../clients/tool_args.json")).unwrap();
    let mut called = 0;
    for tool in world.server().tools() {
        if !TOOLS.iter().any(|known| known.meta().name == tool.name && known.is_coordinated()) {
            continue;
        }
        called += 1;
        fake.put_workflow(workflow(WORKFLOW, Phase::AwaitingApproval));
        let found = answer(&client, &tool.name, args["coordinated"][tool.name.as_ref()].clone()).await;
        let schema = Value::Object((**tool.output_schema.as_ref().unwrap()).clone());
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(&found).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?} in {found}", tool.name);
        assert!(!found.to_string().contains("[redacted:"), "{}: {found}", tool.name);
    }
    assert_eq!(called, TOOLS.iter().filter(|tool| tool.is_coordinated()).count());
}
