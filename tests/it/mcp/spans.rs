//! The span of a call: which tool, how it ended, the trace it belongs to; nothing of arguments or answers.

use std::{
    fmt::Write as _,
    sync::{Arc, atomic::AtomicU32, atomic::Ordering},
};

use parking_lot::Mutex;
use rmcp::model::RequestMetaObject;
use serde_json::json;
use tracing::{Event, Metadata, Subscriber, field, span};

use super::{
    tools::ALL,
    world::{World, call},
};

/// Writes down every span and event it sees.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<String>>, Arc<AtomicU32>);

struct Writing<'a>(&'a mut String);

impl field::Visit for Writing<'_> {
    fn record_debug(&mut self, field: &field::Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for Seen {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("aiops")
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut seen = self.0.lock();
        let _ = write!(seen, "\nspan {}", span.metadata().name());
        span.record(&mut Writing(&mut seen));
        span::Id::from_u64(u64::from(self.1.fetch_add(1, Ordering::SeqCst)) + 1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Writing(&mut self.0.lock()));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut seen = self.0.lock();
        seen.push_str("\nevent");
        event.record(&mut Writing(&mut seen));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_call_has_a_span_that_tells_nothing_of_its_content() {
    let seen = Seen::default();
    let _guard = tracing::subscriber::set_default(seen.clone());
    let world = World::new();
    let client = world.legacy(&world.server_of(ALL), ()).await;
    for (parent, shown) in [(PARENT, true), ("00-0-0-0\r\nforged", false)] {
        seen.0.lock().clear();
        let mut asked = call("tells", json!({}));
        let mut meta = RequestMetaObject::new();
        meta.set_traceparent(parent);
        asked.meta = Some(meta);
        client.call_tool(asked).await.unwrap();
        let said = seen.0.lock().clone();
        assert!(said.contains("span tools/call tool=\"tells\""), "{said}");
        assert!(said.contains("outcome=\"ok\""), "{said}");
        assert_eq!(said.contains(&format!("traceparent=\"{parent}\"")), shown, "{said}");
        assert_eq!(said.contains("traceparent"), shown, "{said}");
        assert!(!said.contains("token is"), "{said}");
    }
    seen.0.lock().clear();
    client.call_tool(call("panics", json!({"wrong": "a secret argument"}))).await.unwrap();
    client.call_tool(call("panics", json!({}))).await.unwrap();
    let said = seen.0.lock().clone();
    assert!(said.contains("outcome=\"invalid_request\"") && !said.contains("secret argument"), "{said}");
    assert!(said.contains("outcome=\"internal\"") && said.contains("request_id=mcp-"), "{said}");
    assert!(
        said.contains("a panic that a test asks for"),
        "the log says what the caller is not told: {said}"
    );
}
