//! A real Alertmanager as a child of the test, built by `tests/live/alertmanager/build`.
//!
//! It sends to one webhook, in many small groups, as fast as it may.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::relay::{Relay, words};
use crate::support::token;

const PATIENCE: Duration = Duration::from_secs(120);
/// Alerts of one request to it.
const BATCH: usize = 100;

/// A running Alertmanager; it is ended when dropped.
pub(super) struct Alertmanager {
    child: Child,
    address: String,
    /// When its alerts began.
    since: String,
}

impl Alertmanager {
    /// Starts it in a folder, with a webhook at this address.
    pub(super) fn start(webhook: &str, folder: &Path) -> Self {
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/alertmanager/build");
        let made = Command::new(&build).stderr(Stdio::inherit()).output();
        let made =
            made.unwrap_or_else(|e| panic!("cannot run {}: {e}; it needs bash and Go", build.display()));
        assert!(made.status.success(), "{} failed; it says above what is missing", build.display());
        let binary = String::from_utf8(made.stdout).unwrap();
        let config = format!(
            "route:\n  receiver: aiops\n  group_by: [namespace, alertname, shard]\n  group_wait: 200ms\n  \
             group_interval: 1s\n  repeat_interval: 1h\nreceivers:\n- name: aiops\n  webhook_configs:\n  \
             - url: http://{webhook}/api/v1/alerts\n    send_resolved: true\n    http_config:\n      \
             authorization: {{credentials: {}}}\n",
            token("alertmanager")
        );
        let file = folder.join("alertmanager.yml");
        std::fs::write(&file, config).unwrap();
        let mut child = Command::new(binary.trim())
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.join("alertmanager").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--log.format=json"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Ok(line) = serde_json::from_str::<Value>(&line)
                    && line["msg"] == "Listening on"
                {
                    let _ = tell.send(line["address"].as_str().unwrap().to_owned());
                }
            }
        });
        let address = told.recv_timeout(PATIENCE).unwrap_or_else(|e| {
            let _ = child.kill();
            panic!("Alertmanager does not say where it listens ({e})")
        });
        Self { child, address, since: jiff::Timestamp::now().to_string() }
    }

    /// Lets alerts with these labels fire.
    pub(super) async fn fire(&self, labels: &[Value]) {
        self.send(labels, &json!({})).await;
    }

    /// Resolves those with these labels.
    pub(super) async fn resolve(&self, labels: &[Value]) {
        self.send(labels, &json!({"endsAt": jiff::Timestamp::now().to_string()})).await;
    }

    async fn send(&self, labels: &[Value], more: &Value) {
        for batch in labels.chunks(BATCH) {
            let alerts: Vec<Value> = batch
                .iter()
                .map(|labels| {
                    let mut alert = json!({"labels": labels, "startsAt": self.since,
                        "annotations": {"summary": "it is not well", "description": "what was seen"}});
                    alert.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                    alert
                })
                .collect();
            let body = Value::from(alerts).to_string();
            let head = format!(
                "POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            stream.write_all((head + &body).as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }

    /// Waits until everything that these alerts being over has to say was said and acknowledged.
    pub(super) async fn told(&self, over: &[Value], relay: &Relay) {
        let deadline = Instant::now() + PATIENCE;
        let wanted = over.iter().map(words).collect();
        while !relay.resolved().is_superset(&wanted) {
            assert!(Instant::now() < deadline, "{} of {} were told", relay.resolved().len(), over.len());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
