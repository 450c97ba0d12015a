//! Who is told: an HTTP receiver that keeps each message, and checks its signature with a key of its own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

const SECRET: &str = "a secret of the receiver's own";
const PATIENCE: Duration = Duration::from_secs(240);

/// A message as it was received.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) event: String,
    pub(super) delivery: String,
    pub(super) body: Value,
}

/// A receiver on a free port.
pub(super) struct Receiver {
    pub(super) address: String,
    came: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let came = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&came);
        // It ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if let Some(message) = take(stream.unwrap()) {
                    kept.lock().unwrap().push(message);
                }
            }
        });
        Self { address, came }
    }

    /// Writes the secret into a folder, and answers where.
    pub(super) fn secret(folder: &Path) -> PathBuf {
        let path = folder.join("notify.secret");
        std::fs::write(&path, SECRET).unwrap();
        path
    }

    pub(super) fn messages(&self) -> Vec<Message> {
        self.came.lock().unwrap().clone()
    }

    /// Waits for a message of this kind, about something that holds `part`.
    pub(super) async fn hears(&self, event: &str, part: &str) -> Message {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let messages = self.messages();
            let is_it = |m: &&Message| m.event == event && m.body.to_string().contains(part);
            if let Some(message) = messages.iter().find(is_it) {
                return message.clone();
            }
            assert!(Instant::now() < deadline, "no {event} about {part:?}: {messages:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Reads one message; `None` when the sender hung up.
fn take(stream: TcpStream) -> Option<Message> {
    let mut reader = BufReader::new(&stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let header = |wanted: &str| {
        let found = head.lines().filter_map(|line| line.split_once(": "));
        let mut found = found.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.next().map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{}.", header("x-aiops-timestamp")).as_bytes());
    mac.update(&body);
    let own: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header("x-aiops-signature"), format!("sha256={own}"), "{head}");
    let (event, delivery) = (header("x-aiops-event"), header("x-aiops-delivery"));
    let body = serde_json::from_slice(&body).unwrap();
    let mut stream = &stream;
    stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").ok()?;
    Some(Message { event, delivery, body })
}
