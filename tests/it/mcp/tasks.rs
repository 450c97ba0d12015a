//! Workflows as tasks: a client that knows tasks is answered at once, and asks, answers and cancels by the workflow's id.

use std::sync::Arc;

use aiops::config;
use aiops_engine::{coordination::Coordination, model::phase::Phase};
use rmcp::{
    ClientHandler, RoleClient,
    model::{
        CallToolResponse, CancelTaskParams, ClientCapabilities, ClientConfig, ClientRequest, CustomRequest,
        DetailedTask, GetTaskParams, TaskPayload, TaskStatus, UpdateTaskParams,
    },
    service::RunningService,
};
use serde_json::{Value, json};

use super::{
    approving::says_what_it_leaves_out,
    fake::{Ask, DIGEST, Fake, INCIDENT, WORKFLOW},
    world::{World, call},
};

/// A client that knows tasks, and whose user can be asked.
#[derive(Clone)]
struct Knowing;

impl ClientHandler for Knowing {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.capabilities = ClientCapabilities::builder().enable_tasks().enable_elicitation().build();
        info
    }
}

type Client = RunningService<RoleClient, Knowing>;

async fn client(fake: Fake) -> (World, Arc<Fake>, Client) {
    let fake = Arc::new(fake);
    let mut world = World::new();
    let coordination: Arc<dyn Coordination> = fake.clone();
    world.coordination = Some(coordination);
    let client = world.modern(&world.server(), Knowing).await;
    (world, fake, client)
}

async fn begun(client: &Client, more: Value) -> CallToolResponse {
    let mut arguments = json!({"incident_id": INCIDENT, "wait": 60});
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call_tool_once(call("trigger-remediation", arguments)).await.unwrap()
}

async fn task(client: &Client) -> DetailedTask {
    client.get_task(GetTaskParams::new(WORKFLOW)).await.unwrap().task
}

#[tokio::test]
async fn a_workflow_is_the_task_and_ends_with_the_tools_answer() {
    let (_world, fake, client) = client(Fake::with_incident()).await;
    let CallToolResponse::Task(made) = begun(&client, json!({})).await else { panic!("a task") };
    assert_eq!((made.task.task_id.as_str(), made.task.status), (WORKFLOW, TaskStatus::Working));
    assert_eq!((made.task.created_at.as_str(), made.task.ttl_ms), ("2026-11-24T10:00:00Z", None));
    fake.advance(Phase::Running);
    let seen = task(&client).await;
    assert_eq!(seen.payload, TaskPayload::Working);
    assert!(seen.task.status_message.unwrap().starts_with("running, 1 steps."), "it says how far it is");
    // What needs a person elsewhere is still under way.
    for phase in [Phase::NeedsOperator, Phase::AwaitingApproval, Phase::RollingBack] {
        fake.advance(phase);
        assert_eq!(task(&client).await.payload, TaskPayload::Working, "{phase}");
    }
    for phase in [Phase::Completed, Phase::RolledBack, Phase::Rejected] {
        fake.advance(phase);
        let TaskPayload::Completed { result } = task(&client).await.payload else { panic!("{phase}") };
        assert_eq!(result["structuredContent"]["phase"], phase.as_str());
        assert_eq!(result["structuredContent"]["workflow_id"], WORKFLOW);
        assert_eq!(result["isError"], false);
    }
    fake.advance(Phase::Cancelled);
    assert_eq!(task(&client).await.payload, TaskPayload::Cancelled);
    for id in ["wf-9", "nonsense", "inc-1"] {
        let unknown = client.get_task(GetTaskParams::new(id)).await.unwrap_err().to_string();
        assert!(unknown.contains("-32602"), "{id}: {unknown}");
    }
}

#[tokio::test]
async fn a_dry_run_and_a_refusal_are_no_tasks() {
    let (_world, _, client) = client(Fake::with_incident()).await;
    let CallToolResponse::Complete(dry) = begun(&client, json!({"dry_run": true})).await else { panic!() };
    assert_eq!(dry.structured_content.unwrap()["dry_run"], true);
    let CallToolResponse::Complete(refused) = begun(&client, json!({"digest": "other"})).await else {
        panic!()
    };
    assert_eq!(refused.is_error, Some(true));
    let looked = client.call_tool_once(call("list-workflows", json!({}))).await.unwrap();
    assert!(matches!(looked, CallToolResponse::Complete(_)), "{looked:?}");
}

#[tokio::test]
async fn a_plan_that_waits_is_a_question_of_the_task_where_the_answer_counts() {
    for approve in [true, false] {
        let (_world, fake, client) = client(Fake::with_incident().needs_approval().takes_elicitation()).await;
        let CallToolResponse::Task(_) = begun(&client, json!({})).await else { panic!("a task") };
        let TaskPayload::InputRequired { input_requests } = task(&client).await.payload else {
            panic!("it asks")
        };
        let question = serde_json::to_value(&input_requests["approval"]).unwrap();
        assert!(question["params"]["message"].as_str().unwrap().contains(DIGEST), "{question}");
        fake.asked();
        let answers = |content: Value| {
            UpdateTaskParams::new(WORKFLOW, std::iter::once(("approval".to_owned(), content)).collect())
        };
        client.update_task(answers(json!({"action": "decline"}))).await.unwrap();
        assert_eq!(fake.asked(), [], "who turns away decides nothing");
        client
            .update_task(answers(json!({"action": "accept", "content": {"approve": approve}})))
            .await
            .unwrap();
        let Ask::Decide(id, decision) = fake.one().what else { panic!("it was decided") };
        assert_eq!((id.as_str(), decision.digest.as_str()), (WORKFLOW, DIGEST));
        assert_eq!((decision.approve, decision.by_elicitation), (approve, true));
        let again = answers(json!({"action": "accept", "content": {"approve": approve}}));
        let late = client.update_task(again).await.unwrap_err().to_string();
        assert!(late.contains("waits for none any more"), "{late}");
        assert_eq!(fake.asked(), []);
    }
}

#[tokio::test]
async fn the_question_of_a_task_says_what_it_leaves_out() {
    let fake = Fake::with_incident().needs_approval().takes_elicitation().long(1);
    let (_world, _, client) = client(fake).await;
    let CallToolResponse::Task(_) = begun(&client, json!({})).await else { panic!("a task") };
    let TaskPayload::InputRequired { input_requests } = task(&client).await.payload else {
        panic!("it asks")
    };
    let question = serde_json::to_value(&input_requests["approval"]).unwrap();
    says_what_it_leaves_out(question["params"]["message"].as_str().unwrap(), 1);
}

#[tokio::test]
async fn params_of_a_wrong_form_are_said_to_be_that_where_there_are_tasks() {
    let (_world, _, client) = client(Fake::with_incident()).await;
    let without = World::new();
    let none = without.modern(&without.server(), Knowing).await;
    for (method, params) in [
        ("tasks/get", json!({})),
        ("tasks/get", json!({"taskId": 7})),
        ("tasks/update", json!({"taskId": WORKFLOW})),
        ("tasks/update", json!({"taskId": WORKFLOW, "inputResponses": []})),
        ("tasks/cancel", json!({"taskId": null})),
    ] {
        let request = || ClientRequest::CustomRequest(CustomRequest::new(method, Some(params.clone())));
        let wrong = client.send_request(request()).await.unwrap_err().to_string();
        assert!(wrong.contains("-32602") && wrong.contains("of a wrong type"), "{method}: {wrong}");
        let unknown = none.send_request(request()).await.unwrap_err().to_string();
        assert!(unknown.contains("-32601"), "{method}: {unknown}");
    }
    let other = ClientRequest::CustomRequest(CustomRequest::new("tasks/list", Some(json!({}))));
    assert!(client.send_request(other).await.unwrap_err().to_string().contains("-32601"));
}

#[tokio::test]
async fn cancelling_a_task_asks_its_workflow_to_stop() {
    let (_world, fake, client) = client(Fake::with_incident()).await;
    let CallToolResponse::Task(_) = begun(&client, json!({})).await else { panic!("a task") };
    fake.asked();
    client.cancel_task(CancelTaskParams::new(WORKFLOW)).await.unwrap();
    assert_eq!(fake.one().what, Ask::Cancel(WORKFLOW.to_owned(), Some("its task was cancelled".to_owned())));
    assert_eq!(task(&client).await.payload, TaskPayload::Cancelled);
}

#[tokio::test]
async fn who_may_only_read_cancels_and_answers_nothing() {
    // The policy would take the answer; where it would be refused there is no question.
    let fake = Arc::new(Fake::with_incident().takes_elicitation());
    fake.put_workflow(super::fake::workflow(WORKFLOW, Phase::AwaitingApproval));
    let mut world = World::new();
    let coordination: Arc<dyn Coordination> = fake.clone();
    world.coordination = Some(coordination);
    world.settings.read_only = true;
    let client = world.modern(&world.server(), Knowing).await;
    assert_eq!(task(&client).await.payload, TaskPayload::Working);
    let refused = client.cancel_task(CancelTaskParams::new(WORKFLOW)).await.unwrap_err().to_string();
    assert!(refused.contains("refused by mcp.readOnly"), "{refused}");
    let yes = json!({"action": "accept", "content": {"approve": true}});
    let yes = UpdateTaskParams::new(WORKFLOW, std::iter::once(("approval".to_owned(), yes)).collect());
    assert!(client.update_task(yes.clone()).await.unwrap_err().to_string().contains("mcp.readOnly"));
    assert_eq!(fake.asked(), []);
    // The same where every tool that begins a task is left out.
    world.settings = config::Mcp { toolsets: vec![config::Toolset::Cluster], ..config::Mcp::default() };
    let client = world.modern(&world.server(), Knowing).await;
    assert_eq!(task(&client).await.payload, TaskPayload::Working);
    let refused = client.cancel_task(CancelTaskParams::new(WORKFLOW)).await.unwrap_err().to_string();
    assert!(refused.contains("mcp.toolsets"), "{refused}");
    assert!(client.update_task(yes).await.unwrap_err().to_string().contains("mcp.toolsets"));
    assert_eq!(fake.asked(), []);
    // Without a coordination there are no tasks at all.
    let without = World::new();
    let client = without.modern(&without.server(), Knowing).await;
    let none = client.get_task(GetTaskParams::new(WORKFLOW)).await.unwrap_err().to_string();
    assert!(none.contains("-32601"), "{none}");
}
