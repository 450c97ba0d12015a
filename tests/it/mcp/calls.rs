//! The one call path: arguments, panics, slow tools, callers that go away, too many at once, and what is said of each.

use std::{sync::atomic::Ordering, time::Duration};

use rmcp::{
    ClientHandler, RoleClient,
    model::{
        CallToolRequest, ClientRequest, ErrorCode, NumberOrString, ProgressNotificationParam, ProgressToken,
        RequestMetaObject,
    },
    service::{NotificationContext, PeerRequestOptions, ServiceError},
};
use serde_json::json;

use super::{
    tools::{ALL, COUNTED, CURSOR, TOKEN},
    world::{World, call, text, until},
};

#[tokio::test]
async fn a_tool_answers_the_same_in_both_eras() {
    let world = World::new();
    let server = world.server();
    let legacy = world.legacy(&server, ()).await;
    let modern = world.modern(&server, ()).await;
    for arguments in
        [json!({}), json!({"include_details": false}), json!({"include_details": "false", "limit": "3"})]
    {
        let old = legacy.call_tool(call("get-cluster-health", arguments.clone())).await.unwrap();
        let new = modern.call_tool(call("get-cluster-health", arguments)).await.unwrap();
        assert_eq!(old.is_error, Some(false));
        assert_eq!(old.structured_content, new.structured_content);
        assert_eq!(text(&old), text(&new));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text(&new)).ok(), new.structured_content);
    }
}

#[tokio::test]
async fn wrong_arguments_are_a_failed_result_that_names_them() {
    let world = World::new();
    let server = world.server();
    let client = world.legacy(&server, ()).await;
    let long = "x".repeat(300);
    for (arguments, said) in [
        (json!({"limit": 0}), "argument \"limit\": must be between 1 and 200, not 0"),
        (json!({"limit": "many"}), "argument \"limit\": must be of type integer, not \"many\""),
        (json!({"name_space": "shop"}), "did you mean namespace?"),
        (json!({"namespace": "a\0b"}), "must not contain a NUL character"),
        (json!({"namespace": long}), "must be at most 253 bytes long, not 300"),
        (json!({"namespace": "../../etc"}), "namespace \"../../etc\" not found"),
    ] {
        let result = client.call_tool(call("get-cluster-health", arguments)).await.unwrap();
        assert_eq!(result.is_error, Some(true));
        assert!(result.structured_content.is_none());
        let text = text(&result);
        assert!(text.contains(said) && text.len() < 400, "{text}");
    }
    let result = client.call_tool(call("list-pods", json!({"cursor": "forged"}))).await.unwrap();
    assert!(text(&result).contains("not one that this server gave out"), "{}", text(&result));
    let result = client.call_tool(call("list-pods", json!({"label_selector": "a in (b"}))).await.unwrap();
    assert_eq!(result.is_error, Some(true));
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_protocol() {
    let world = World::new();
    let client = world.legacy(&world.server(), ()).await;
    let error = client.call_tool(call("list-pod", json!({}))).await.unwrap_err();
    let ServiceError::McpError(error) = error else { panic!("{error}") };
    assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
    assert!(error.message.contains("did you mean list-pods"), "{}", error.message);
}

#[tokio::test]
async fn a_panic_costs_one_call() {
    let world = World::new();
    let client = world.legacy(&world.server_of(ALL), ()).await;
    for _ in 0..2 {
        let result = client.call_tool(call("panics", json!({}))).await.unwrap();
        assert_eq!(result.is_error, Some(true));
        let text = text(&result);
        assert!(text.contains("report it with the request id mcp-"), "{text}");
        assert!(!text.contains("a test asks for"), "{text}");
        let fine = client.call_tool(call("tells", json!({}))).await.unwrap();
        assert_eq!(fine.is_error, Some(false));
    }
    let metrics = world.metrics.render();
    assert!(metrics.contains("aiops_tool_calls_total{tool=\"panics\",outcome=\"internal\"} 2"), "{metrics}");
    assert!(metrics.contains("aiops_tool_calls_total{tool=\"tells\",outcome=\"ok\"} 2"), "{metrics}");
}

#[tokio::test]
async fn a_slow_tool_is_ended_and_holds_up_no_other() {
    let mut world = World::new();
    world.settings.tool_timeout = Duration::from_millis(300);
    world.settings.max_concurrent_calls = 1;
    let server = world.server_of(ALL);
    let client = world.legacy(&server, ()).await;
    let (first, second) = tokio::join!(
        client.call_tool(call("hangs", json!({}))),
        // It gets its turn when the first is ended at its limit, or is told that there was none.
        client.call_tool(call("steps", json!({}))),
    );
    let first = text(&first.unwrap());
    assert!(first.contains("did not finish within"), "{first}");
    assert!(first.contains("mcp.toolTimeout"), "{first}");
    assert!(!text(&second.unwrap()).is_empty());
    let third = client.call_tool(call("steps", json!({}))).await.unwrap();
    assert_eq!(third.is_error, Some(false));
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_its_call() {
    let world = World::new();
    let client = world.legacy(&world.server_of(ALL), ()).await;
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(call("hangs", json!({}))));
    let handle = client.send_cancellable_request(request, PeerRequestOptions::default()).await.unwrap();
    handle.cancel(Some("not needed any more".to_owned())).await.unwrap();
    let metrics = || world.metrics.render();
    until("the call was counted", || metrics().contains("tool=\"hangs\",outcome=\"cancelled\"")).await;
}

#[tokio::test]
async fn equal_questions_of_one_moment_are_answered_once() {
    let world = World::new();
    let server = world.server_of(ALL);
    let client = world.legacy(&server, ()).await;
    let before = COUNTED.load(Ordering::SeqCst);
    let ask = || client.call_tool(call("counts", json!({})));
    let answers = futures::future::join_all((0..20).map(|_| ask())).await;
    let first = text(answers.first().unwrap().as_ref().unwrap());
    assert!(answers.iter().all(|answer| text(answer.as_ref().unwrap()) == first));
    assert_eq!(COUNTED.load(Ordering::SeqCst), before + 1);
    // A change and a second each make a new moment.
    world.put_pod("new", "Running");
    assert_ne!(text(&ask().await.unwrap()), first);
    world.clock.pass(1);
    ask().await.unwrap();
    assert_eq!(COUNTED.load(Ordering::SeqCst), before + 3);
}

#[tokio::test]
async fn secrets_do_not_leave_and_cursors_do() {
    let world = World::new();
    let client = world.legacy(&world.server_of(ALL), ()).await;
    let result = client.call_tool(call("tells", json!({}))).await.unwrap();
    let structured = result.structured_content.clone().unwrap();
    assert!(!text(&result).contains(TOKEN) && text(&result).contains("[redacted:"), "{}", text(&result));
    assert_eq!(structured["next_cursor"], CURSOR);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text(&result)).unwrap(), structured);
    let failed = text(&client.call_tool(call("fails", json!({}))).await.unwrap());
    assert!(!failed.contains(TOKEN) && !failed.contains('\u{1b}'), "{failed}");
    assert!(failed.contains("(ask again in 3 s)"), "{failed}");
}

#[tokio::test]
async fn a_real_cursor_survives_and_goes_on() {
    let world = World::new();
    for n in 0..40 {
        world.put_pod(&format!("web-{n}"), "Running");
    }
    let client = world.legacy(&world.server(), ()).await;
    let mut seen = std::collections::BTreeSet::new();
    let mut arguments = json!({"namespace": "shop", "limit": 7});
    loop {
        let result = client.call_tool(call("list-pods", arguments.clone())).await.unwrap();
        assert_eq!(result.is_error, Some(false), "{}", text(&result));
        let page = result.structured_content.unwrap();
        for pod in page["pods"].as_array().unwrap() {
            assert!(seen.insert(pod["name"].as_str().unwrap().to_owned()), "{pod} came twice");
        }
        match page.get("next_cursor") {
            Some(cursor) => arguments["cursor"] = cursor.clone(),
            None => break,
        }
    }
    assert!(seen.len() >= 40, "{seen:?}");
}

/// Collects what it is told of progress.
#[derive(Clone, Default)]
struct Watching(std::sync::Arc<parking_lot::Mutex<Vec<Report>>>);

type Report = (f64, Option<f64>, Option<String>);

impl ClientHandler for Watching {
    async fn on_progress(&self, report: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.lock().push((report.progress, report.total, report.message));
    }
}

#[tokio::test]
async fn progress_is_told_to_who_asked_for_it() {
    let world = World::new();
    let watching = Watching::default();
    let client = world.legacy(&world.server_of(ALL), watching.clone()).await;
    let mut asked = call("steps", json!({}));
    asked.meta = Some(RequestMetaObject::with_progress_token(ProgressToken(NumberOrString::Number(7))));
    client.call_tool(asked).await.unwrap();
    until("three reports", || watching.0.lock().len() == 3).await;
    let reports = watching.0.lock().clone();
    assert_eq!(reports[2], (3.0, Some(3.0), Some("step 3".to_owned())));
}

#[tokio::test]
async fn the_server_itself_calls_tools_on_the_same_path() {
    let world = World::new();
    let server = world.server();
    let context = aiops::mcp::tool::CallContext::detached();
    let answer = server.call("get-cluster-health", serde_json::Map::new(), context.clone()).await.unwrap();
    assert!(answer.structured.contains_key("status"));
    let error = server.call("get-cluster-helth", serde_json::Map::new(), context).await.unwrap_err();
    assert_eq!(error.code(), "not_found");
    assert!(error.to_string().contains("did you mean get-cluster-health"), "{error}");
    assert!(world.metrics.render().contains("tool=\"get-cluster-health\",outcome=\"ok\"} 1"));
}
