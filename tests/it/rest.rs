//! The REST door over real sockets, on a strict fake of the coordination engine.
//!
//! What the engine does with a request is tested with the engine; here it is what is asked of it, and how it is told.
//! `real`, `engine`, `refused` and the files with processes have the engine itself behind the door.

mod bodies;
mod contract;
mod coordination;
mod document;
mod engine;
mod errors;
mod examples;
#[cfg(target_os = "linux")]
mod full_disk;
mod incidents;
mod others;
mod processes;
mod real;
mod refused;
mod schema;
mod workflows;

use std::sync::Arc;

use aiops::{
    boot::{Booted, Feed, boot},
    config::{Http, Sources, load},
    http::{About, Door, Listening, Open, TokenFile},
    mode::Mode,
    rest::Rest,
    shutdown::Tasks,
};
use serde_json::Value;

use super::{
    support::coordination::{Asked, Fake},
    wire::{Reply, ask, send},
};

/// A listener in this process.
struct World {
    address: String,
    fake: Arc<Fake>,
    tasks: Tasks,
    open: Open,
    _booted: Booted,
}

/// A door to the fake, on loopback, without tokens.
async fn world() -> World {
    of(Http::default(), None, true).await
}

async fn of(settings: Http, tokens: Option<TokenFile>, has_engine: bool) -> World {
    let loaded = load(Sources::default()).unwrap();
    let tasks = Tasks::new();
    let booted = boot(&loaded, Feed::Demo, &tasks).unwrap();
    let about = About {
        engine: booted.engine.clone(),
        metrics: booted.metrics.clone(),
        mode: Mode::Full,
        missing: Vec::new(),
    };
    let fake = Fake::new();
    let rest = has_engine.then(|| Rest::new(fake.clone(), tasks.ending()));
    let door = Door::new(about, &settings, tokens, rest);
    let port = Listening::bind("127.0.0.1:0".parse().unwrap(), "--http").await.unwrap();
    let open = port.serve(&door, door.router(booted.server.http(&settings)), &tasks);
    World { address: open.address.to_string(), fake, tasks, open, _booted: booted }
}

impl World {
    async fn get(&self, path: &str) -> Reply {
        ask(&self.address, &format!("GET {path}"), "").await
    }

    async fn post(&self, path: &str, body: impl AsRef<str>) -> Reply {
        self.send("POST", path, "content-type: application/json\r\n", body.as_ref()).await
    }

    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}");
        send(&self.address, &format!("{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}"))
            .await
    }

    /// Posts what must be accepted, and what was asked of the engine then.
    #[track_caller]
    fn one(&self) -> Asked {
        self.fake.one()
    }
}

/// A refusal has all members of the one form, and the id of its header.
#[track_caller]
fn is_refusal(reply: &Reply, status: u16, code: &str) -> Value {
    assert_eq!(reply.status, status, "{reply:?}");
    let body = reply.json();
    assert_eq!(body["status"], "error");
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["success"], false);
    assert_eq!(body["error"], body["message"]);
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()));
    assert!(body.get("details").is_some());
    assert_eq!(body["request_id"].as_str(), reply.header("x-request-id"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    body
}

/// Every member of `wanted` stands in `given`, equal and of the same type; more may be there.
#[track_caller]
fn holds(given: &Value, wanted: &Value) {
    holds_at(given, wanted, "");
}

#[track_caller]
fn holds_at(given: &Value, wanted: &Value, path: &str) {
    match (given, wanted) {
        (Value::Object(given), Value::Object(wanted)) => {
            for (name, wanted) in wanted {
                let path = format!("{path}/{name}");
                let given = given.get(name).unwrap_or_else(|| panic!("{path} is missing"));
                holds_at(given, wanted, &path);
            }
        }
        (Value::Array(given), Value::Array(wanted)) => {
            assert_eq!(given.len(), wanted.len(), "{path}");
            for (at, (given, wanted)) in given.iter().zip(wanted).enumerate() {
                holds_at(given, wanted, &format!("{path}/{at}"));
            }
        }
        _ => assert_eq!(given, wanted, "{path}"),
    }
}
