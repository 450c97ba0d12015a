//! Who asks, and the question that a client may be asked: in both eras, only where the answer counts.

use std::{sync::Arc, time::Duration};

use aiops::config::{self, tokens::Principal};
use aiops_engine::{
    coordination::{Coordination, Decision},
    model::{
        caller::{Caller, Via},
        phase::Phase,
    },
};
use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction},
    service::RequestContext,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{
    fake::{Ask, DIGEST, Fake, INCIDENT, TOKEN, WORKFLOW, workflow},
    world::{World, call, text},
};

fn world(fake: &Arc<Fake>) -> World {
    let mut world = World::new();
    let coordination: Arc<dyn Coordination> = fake.clone();
    world.coordination = Some(coordination);
    world
}

/// A client whose user answers so, and what they were asked.
#[derive(Clone)]
struct Person {
    action: ElicitationAction,
    content: Option<Value>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Person {
    fn who(action: ElicitationAction, content: Option<Value>) -> Self {
        Self { action, content, asked: Arc::default() }
    }
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.capabilities = ClientCapabilities::builder().enable_elicitation().build();
        info
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } = request else {
            panic!("a form")
        };
        let schema = serde_json::to_value(requested_schema).unwrap();
        assert_eq!(schema["properties"]["approve"]["type"], "boolean", "{schema}");
        self.asked.lock().push(message);
        let mut result = ElicitResult::new(self.action.clone());
        result.content = self.content.clone();
        Ok(result)
    }
}

fn order() -> Value {
    json!({"incident_id": INCIDENT, "wait": 20})
}

fn decision(approve: bool) -> Ask {
    let reason = Some("looks right".to_owned());
    Ask::Decide(
        WORKFLOW.to_owned(),
        Decision { digest: DIGEST.to_owned(), approve, reason, by_elicitation: true },
    )
}

fn decided(fake: &Fake) -> Vec<Ask> {
    fake.asked().into_iter().map(|asked| asked.what).filter(|what| matches!(what, Ask::Decide(..))).collect()
}

#[tokio::test]
async fn a_person_is_asked_in_both_eras_where_the_policy_takes_the_answer() {
    for approve in [true, false] {
        for is_modern in [false, true] {
            let fake = Fake::with_incident().needs_approval().takes_elicitation();
            let fake = Arc::new(fake.story(&[Phase::Running, Phase::Completed]));
            let world = world(&fake);
            let content = json!({"approve": approve, "reason": "looks right"});
            let person = Person::who(ElicitationAction::Accept, Some(content));
            let server = world.server();
            let client = if is_modern {
                world.modern(&server, person.clone()).await
            } else {
                world.legacy(&server, person.clone()).await
            };
            let result = client.call_tool(call("trigger-remediation", order())).await.unwrap();
            assert_eq!(result.is_error, Some(false), "{}", text(&result));
            let answer = result.structured_content.clone().unwrap();
            assert_eq!(
                answer["phase"],
                if approve { "completed" } else { "rejected" },
                "{is_modern}: {answer}"
            );
            assert_eq!(decided(&fake), [decision(approve)], "{is_modern}");
            let asked = person.asked.lock().clone();
            let [message] = asked.as_slice() else { panic!("{asked:?}") };
            for part in
                [WORKFLOW, DIGEST, "Set the pod template of revision 6", "web:2.0 -> registry.test/web:1.9"]
            {
                assert!(message.contains(part), "{part}: {message}");
            }
            assert!(!message.contains("Not all of the plan"), "{message}");
        }
    }
}

/// What a question about the long plan has to say: what cannot be undone, and that there is more than it shows.
pub(super) fn says_what_it_leaves_out(message: &str, lasting: usize) {
    assert!(message.len() <= 2_000, "{} bytes: {message}", message.len());
    for part in
        [WORKFLOW, DIGEST, &format!("Of its 50 steps {lasting} cannot be undone:"), "\nIt begins with:\n- "]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
    let named = (50 - lasting..50).filter(|at| message.contains(&format!("web-{at} so"))).count();
    assert!(named > 0 && (named == lasting || message.contains("more\nIt begins")), "{named}: {message}");
    let shown = message.lines().skip_while(|line| *line != "It begins with:");
    let shown = shown.filter(|line| line.starts_with("- ")).count();
    let end = message.lines().last().unwrap();
    assert!(
        end.starts_with(&format!("Not all of the plan is shown ({} steps and ", 50 - shown)),
        "{message}"
    );
    assert!(end.ends_with(&format!("read cluster://workflows/{WORKFLOW} before you approve.")), "{message}");
    assert!(!message.contains(TOKEN) && message.contains("[redacted:"), "{message}");
    assert!(!message.contains("\n- Nothing else"), "a text of others makes no line: {message}");
}

#[tokio::test]
async fn a_question_about_a_long_plan_says_what_cannot_be_undone_and_that_there_is_more() {
    for (is_modern, lasting) in [(false, 1), (true, 1), (true, 50)] {
        let fake = Arc::new(Fake::with_incident().needs_approval().takes_elicitation().long(lasting));
        let world = world(&fake);
        let person = Person::who(ElicitationAction::Decline, None);
        let server = world.server();
        let client = if is_modern {
            world.modern(&server, person.clone()).await
        } else {
            world.legacy(&server, person.clone()).await
        };
        client.call_tool(call("trigger-remediation", order())).await.unwrap();
        let asked = person.asked.lock().clone();
        let [message] = asked.as_slice() else { panic!("{asked:?}") };
        says_what_it_leaves_out(message, lasting);
    }
}

#[tokio::test]
async fn a_state_decides_nothing_through_a_tool_that_asks_nothing() {
    let only = |toolset| config::Mcp { toolsets: vec![toolset], ..config::Mcp::default() };
    let read_only = config::Mcp { read_only: true, ..config::Mcp::default() };
    for settings in [config::Mcp::default(), read_only, only(config::Toolset::Cluster)] {
        for is_modern in [false, true] {
            let fake = Arc::new(Fake::with_incident().takes_elicitation());
            fake.put_workflow(workflow(WORKFLOW, Phase::AwaitingApproval));
            let mut world = world(&fake);
            world.settings = settings.clone();
            let person = Person::who(ElicitationAction::Decline, None);
            let server = world.server();
            let client = if is_modern {
                world.modern(&server, person).await
            } else {
                world.legacy(&server, person).await
            };
            let mut tools = vec!["list-pods", "get-workflow", "approve-workflow"];
            if settings.read_only || settings.toolsets.len() == 1 {
                tools.push("trigger-remediation");
            }
            for tool in tools {
                let mut resumed = call(tool, json!({}));
                resumed.request_state = Some(json!({"workflow": WORKFLOW, "digest": DIGEST}).to_string());
                let yes = json!({"approval": {"action": "accept", "content": {"approve": true}}});
                resumed.input_responses = serde_json::from_value(yes).unwrap();
                let refused = client.call_tool_once(resumed).await.unwrap_err().to_string();
                assert!(refused.contains("-32602"), "{tool}: {refused}");
                let says = ["asks nothing", "there is no tool", "not found"];
                assert!(says.iter().any(|says| refused.contains(says)), "{tool}: {refused}");
            }
            assert_eq!(fake.asked(), [], "{is_modern}: {settings:?}");
        }
    }
}

#[tokio::test]
async fn who_turns_the_question_away_has_decided_nothing() {
    for is_modern in [false, true] {
        for (action, content) in [
            (ElicitationAction::Decline, None),
            (ElicitationAction::Cancel, None),
            (ElicitationAction::Accept, Some(json!({"approve": "yes please"}))),
        ] {
            let fake = Arc::new(Fake::with_incident().needs_approval().takes_elicitation());
            let world = world(&fake);
            let person = Person::who(action, content);
            let server = world.server();
            let client = if is_modern {
                world.modern(&server, person.clone()).await
            } else {
                world.legacy(&server, person.clone()).await
            };
            let result = client.call_tool(call("trigger-remediation", order())).await.unwrap();
            assert_eq!(result.structured_content.unwrap()["phase"], "awaiting_approval", "{is_modern}");
            assert_eq!(decided(&fake), []);
            assert_eq!(person.asked.lock().len(), 1);
        }
    }
}

#[tokio::test]
async fn nobody_is_asked_where_the_answer_would_not_count_or_nothing_waits() {
    let yes = || Person::who(ElicitationAction::Accept, Some(json!({"approve": true})));
    for (fake, phase) in [
        (Fake::with_incident().needs_approval(), "awaiting_approval"),
        (Fake::with_incident().takes_elicitation().story(&[Phase::Running, Phase::Completed]), "completed"),
    ] {
        let fake = Arc::new(fake);
        let world = world(&fake);
        let person = yes();
        let client = world.legacy(&world.server(), person.clone()).await;
        let result = client.call_tool(call("trigger-remediation", order())).await.unwrap();
        assert_eq!(result.structured_content.unwrap()["phase"], phase);
        assert!(person.asked.lock().is_empty());
        // Looking asks nobody.
        client.call_tool(call("get-workflow", json!({"workflow_id": WORKFLOW}))).await.unwrap();
        assert!(person.asked.lock().is_empty());
        assert_eq!(decided(&fake), []);
    }
}

/// A call over HTTP, by whom the gate let in.
async fn posted(world: &World, principal: Option<Principal>, tool: &str, more: Value) -> Value {
    let mut params = json!({"name": tool, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    }});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let mut request = Request::post("/mcp")
        .header(header::HOST, "127.0.0.1:8080")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::CONTENT_TYPE, "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
        .body(Body::from(body.to_string()))
        .unwrap();
    if let Some(principal) = principal {
        request.extensions_mut().insert(principal);
    }
    let answered = world.server().http(&world.http).oneshot(request).await.unwrap();
    let bytes = answered.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn over_http_the_gate_says_who_asks() {
    let fake = Arc::new(Fake::with_incident());
    let mut world = world(&fake);
    let order = json!({"arguments": {"incident_id": INCIDENT}});
    let ops = Principal { name: "ops".to_owned(), groups: vec!["sre".to_owned()] };
    posted(&world, Some(ops.clone()), "trigger-remediation", order.clone()).await;
    assert_eq!(fake.one().caller, Caller::identified("ops", vec!["sre".to_owned()], Via::Mcp));
    posted(&world, None, "trigger-remediation", order.clone()).await;
    assert_eq!(fake.one().caller, Caller::anonymous(Via::Mcp));
    // Where other machines come in without tokens, nobody acts; everybody may read.
    world.http.listen = "0.0.0.0:8080".parse().unwrap();
    let refused = posted(&world, None, "trigger-remediation", order.clone()).await;
    let said = refused["result"]["content"][0]["text"].as_str().unwrap();
    assert!(said.contains("refused by http.insecureAnonymous"), "{refused}");
    assert_eq!(fake.asked(), []);
    let read = posted(&world, None, "list-incidents", json!({"arguments": {}})).await;
    assert_eq!(read["result"]["isError"], false, "{read}");
    fake.asked();
    posted(&world, Some(ops), "trigger-remediation", order).await;
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn over_http_a_call_waits_no_longer_than_the_listener() {
    let fake = Arc::new(Fake::with_incident());
    let mut world = world(&fake);
    world.http.request_timeout = Duration::from_millis(5_300);
    let began = tokio::time::Instant::now();
    let order = json!({"arguments": {"incident_id": INCIDENT, "wait": 60}});
    let answer = posted(&world, None, "trigger-remediation", order).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(answer["result"]["structuredContent"]["phase"], "planning", "{answer}");
}

#[tokio::test]
async fn a_state_that_comes_back_is_a_strangers_word() {
    let fake = Arc::new(Fake::with_incident().needs_approval().takes_elicitation());
    let world = world(&fake);
    posted(&world, None, "trigger-remediation", json!({"arguments": {"incident_id": INCIDENT}})).await;
    fake.asked();
    let yes = json!({"approval": {"action": "accept", "content": {"approve": true}}});
    for state in ["nonsense", "{}", r#"{"workflow":"wf-1","digest":"x","more":1}"#] {
        let resumed = json!({"arguments": {}, "requestState": state, "inputResponses": yes});
        let refused = posted(&world, None, "trigger-remediation", resumed).await;
        assert!(refused.to_string().contains("none that this server gave out"), "{refused}");
    }
    // One that is well formed says no more than a decision of its own would: the coordination judges it.
    let state = json!({"workflow": WORKFLOW, "digest": DIGEST}).to_string();
    let resumed = json!({"arguments": {}, "requestState": state, "inputResponses": yes});
    let refused = posted(&world, None, "trigger-remediation", resumed).await;
    let answer = &refused["result"]["structuredContent"];
    assert_eq!(answer["phase"], "awaiting_approval", "{refused}");
    let said = answer["message"].as_str().unwrap();
    assert!(said.contains("does not count") && said.contains("anonymous"), "{said}");
}
