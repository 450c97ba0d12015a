//! The address that Alertmanager sends to, whatever port aiops has after a restart: each request is handed on whole, and
//! what was acknowledged is kept for the test.
//!
//! It answers nothing itself: where aiops does not, the connection breaks.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A relay to a server that changes its port.
pub(super) struct Relay {
    address: String,
    way: Arc<Way>,
    task: JoinHandle<()>,
}

struct Way {
    to: Mutex<String>,
    /// Bodies that were answered 200.
    told: Mutex<Vec<Value>>,
}

impl Relay {
    pub(super) async fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().to_string();
        let way = Arc::new(Way { to: Mutex::new(address.to_owned()), told: Mutex::default() });
        let led = Arc::clone(&way);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let way = Arc::clone(&led);
                tokio::spawn(async move { hand_on(stream, &way).await });
            }
        });
        Self { address: own, way, task }
    }

    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    pub(super) fn lead_to(&self, address: &str) {
        address.clone_into(&mut self.way.to.lock().unwrap());
    }

    /// How many messages were acknowledged.
    pub(super) fn messages(&self) -> usize {
        self.way.told.lock().unwrap().len()
    }

    /// Labels of the alerts that were told to be resolved, and acknowledged.
    pub(super) fn resolved(&self) -> BTreeSet<String> {
        let told = self.way.told.lock().unwrap();
        let alerts = told.iter().flat_map(|body| body["alerts"].as_array().unwrap());
        let resolved = alerts.filter(|alert| alert["status"] == "resolved");
        resolved.map(|alert| words(&alert["labels"])).collect()
    }
}

/// Labels as one text, in whichever order they came.
pub(super) fn words(labels: &Value) -> String {
    let mut all: Vec<String> =
        labels.as_object().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
    all.sort_unstable();
    all.join(",")
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request of a connection; the answer closes it. `None` when either side hung up.
async fn hand_on(mut from: TcpStream, way: &Way) -> Option<()> {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
            });
            if bytes.len() >= at + 4 + length? {
                break (head, bytes[at + 4..].to_vec());
            }
        }
        if from.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let address = way.to.lock().unwrap().clone();
    let mut to = TcpStream::connect(address).await.ok()?;
    to.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).await.ok()?;
    to.write_all(&body).await.ok()?;
    let mut answer = Vec::new();
    to.read_to_end(&mut answer).await.ok()?;
    if answer.starts_with(b"HTTP/1.1 200") {
        way.told.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    }
    from.write_all(&answer).await.ok()
}
