//! The outgoing webhook against a receiver that is played: each kind arrives, signed, also when the receiver was down.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
        mpsc,
    },
    time::Duration,
};

use aiops::{
    config::Notify,
    notify::{Notifier, Receiver},
};
use aiops_engine::{
    model::caller::Via,
    ports::{
        Clock,
        store::{Control, Entry, Notice, Store as _},
    },
    testing::memory_store::MemoryStore,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::process::{aiops, output, text as text_of};

const BEGIN: i64 = 1_790_000_000_000;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// A request as it came in: head (lower case), body.
type Came = (String, String);

/// Answers each request with the next of these status lines, then stops listening.
fn receiver(answers: Vec<&'static str>) -> (String, mpsc::Receiver<Came>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks/T0/B0?token=x", listener.local_addr().unwrap());
    let (came, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            came.send(read(&stream)).unwrap();
            let mut stream = stream;
            write!(stream, "HTTP/1.1 {answer}\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").unwrap();
        }
    });
    (url, receive)
}

fn read(stream: &TcpStream) -> Came {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    let head = head.lines().map(|l| {
        l.split_once(':').map_or_else(|| l.to_owned(), |(n, v)| format!("{}:{v}", n.to_lowercase()))
    });
    let head = head.collect::<Vec<_>>().join("\n");
    let length = header(&head, "content-length").parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or_default()
}

fn to(url: &str) -> Option<Receiver> {
    Receiver::of(&config(url)).unwrap()
}

struct World {
    store: Arc<MemoryStore>,
    clock: Arc<Hands>,
    notifier: Notifier,
}

impl World {
    fn new(config: &Notify) -> Self {
        let clock = Arc::new(Hands(AtomicI64::new(BEGIN)));
        let store = Arc::new(MemoryStore::new(Arc::<Hands>::clone(&clock)));
        let notifier = Notifier::new(
            Receiver::of(config).unwrap(),
            Arc::<MemoryStore>::clone(&store),
            Arc::<Hands>::clone(&clock),
            "me".to_owned(),
        );
        Self { store, clock, notifier }
    }

    async fn tell(&self, kind: &str, body: Value) {
        let at = self.clock.now().as_millisecond();
        let control = Control {
            name: kind.to_owned(),
            mode: "x".to_owned(),
            reason: None,
            set_by: "ann".to_owned(),
            at,
        };
        let entry = Entry {
            at,
            actor: "ann".to_owned(),
            via: Via::Cli,
            action: "control".to_owned(),
            object: "x".to_owned(),
            body: json!({}),
        };
        let notice = Notice { kind: kind.to_owned(), workflow: None, at, body };
        self.store.set_control(&control, &entry, Some(&notice)).await.unwrap();
    }

    fn pass(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }

    async fn due(&self) -> usize {
        self.store.due_notices(i64::MAX, 100).await.unwrap().len()
    }
}

fn config(url: &str) -> Notify {
    Notify { url: Some(url.to_owned()), ..Notify::default() }
}

fn next(came: &mpsc::Receiver<Came>) -> Came {
    came.recv_timeout(Duration::from_secs(10)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_arrives_in_a_body_that_slack_takes() {
    let kinds = [
        "approval_requested",
        "parked",
        "rolled_back",
        "breaker_open",
        "breaker_eased",
        "breaker_closed",
        "kill_switch",
    ];
    let (url, came) = receiver(vec!["200 OK"; kinds.len()]);
    let mut world = World::new(&config(&url));
    for kind in kinds {
        world.tell(kind, json!({"reason": "6 of 10 <b>nodes</b> & more", "mode": "stop", "by": "ann"})).await;
    }
    assert_eq!(world.notifier.deliver_due().await, kinds.len());
    for (number, kind) in kinds.into_iter().enumerate() {
        let (head, body) = next(&came);
        assert!(head.starts_with("POST /hooks/T0/B0?token=x HTTP/1.1"), "{head}");
        assert_eq!(header(&head, "content-type"), "application/json");
        assert_eq!(header(&head, "x-aiops-event"), kind);
        assert_eq!(header(&head, "x-aiops-delivery"), (number + 1).to_string());
        assert_eq!(header(&head, "x-aiops-signature"), "", "nothing to sign with");
        let body: Value = serde_json::from_str(&body).unwrap();
        let text = body["text"].as_str().unwrap();
        assert!(text.starts_with("aiops: "), "{text}");
        assert!(text.contains("6 of 10 &lt;b&gt;nodes&lt;/b&gt; &amp; more"), "{text}");
        assert_eq!((body["event"].as_str(), body["at"].as_str()), (Some(kind), Some("2026-09-21T14:13:20Z")));
        assert_eq!(body["details"]["by"], "ann");
    }
    assert_eq!(world.notifier.deliver_due().await, 0, "nothing is sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_covers_time_and_body() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "a secret of some length\n").unwrap();
    let (url, came) = receiver(vec!["204 No Content"]);
    let mut world = World::new(&Notify { secret_file: Some(path), ..config(&url) });
    world.tell("parked", json!({"reason": "x"})).await;
    assert_eq!(world.notifier.deliver_due().await, 1);
    let (head, body) = next(&came);
    assert_eq!(header(&head, "x-aiops-timestamp"), (BEGIN / 1_000).to_string());
    let mut mac = Hmac::<Sha256>::new_from_slice(b"a secret of some length").unwrap();
    mac.update(format!("{}.{body}", BEGIN / 1_000).as_bytes());
    let want: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header(&head, "x-aiops-signature"), format!("sha256={want}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_receiver_did_not_take_is_sent_again_with_growing_waits() {
    let (url, came) = receiver(vec!["500 Oops", "302 Found\r\nlocation: http://127.0.0.1:1/", "200 OK"]);
    let mut world = World::new(&config(&url));
    world.tell("breaker_open", json!({"reason": "storm"})).await;
    assert_eq!(world.notifier.deliver_due().await, 0);
    assert_eq!(world.notifier.deliver_due().await, 0, "not before its time");
    world.pass(2_000);
    // A redirect is no delivery, and is not followed.
    assert_eq!(world.notifier.deliver_due().await, 0);
    world.pass(3_999);
    assert_eq!(world.notifier.deliver_due().await, 0);
    assert_eq!(world.due().await, 1);
    world.pass(1);
    assert_eq!(world.notifier.deliver_due().await, 1);
    assert_eq!(world.due().await, 0);
    let bodies: Vec<String> = (0..3).map(|_| next(&came).1).collect();
    assert_eq!((&bodies[0], &bodies[1]), (&bodies[1], &bodies[2]));
    assert!(came.recv_timeout(Duration::from_millis(50)).is_err(), "three requests and no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_down_gets_everything_in_order() {
    // A port that nobody listens at.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut world = World::new(&config(&format!("http://{free}/x")));
    for n in 0..3 {
        world.tell(&format!("kind_{n}"), json!({})).await;
    }
    assert_eq!(world.notifier.deliver_due().await, 0);
    assert_eq!(world.due().await, 3);
    // The process starts again, and the receiver is back.
    let (url, came) = receiver(vec!["200 OK"; 3]);
    let clock: Arc<dyn Clock> = Arc::<Hands>::clone(&world.clock);
    let store = Arc::<MemoryStore>::clone(&world.store);
    let mut again = Notifier::new(to(&url), store, clock, "again".to_owned());
    assert_eq!(again.deliver_due().await, 0, "the duty is another's");
    world.pass(61_000);
    assert_eq!(again.deliver_due().await, 3);
    let events: Vec<String> = (0..3).map(|_| header(&next(&came).0, "x-aiops-event").to_owned()).collect();
    assert_eq!(events, ["kind_0", "kind_1", "kind_2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_down_is_asked_once_a_look_and_one_bad_message_stops_no_other() {
    let (url, came) = receiver(vec!["400 Bad", "200 OK", "200 OK"]);
    let mut world = World::new(&config(&url));
    for n in 0..3 {
        world.tell(&format!("kind_{n}"), json!({})).await;
    }
    assert_eq!(world.notifier.deliver_due().await, 0);
    assert_eq!(world.notifier.deliver_due().await, 2);
    let events: Vec<String> = (0..3).map(|_| header(&next(&came).0, "x-aiops-event").to_owned()).collect();
    assert_eq!(events, ["kind_0", "kind_1", "kind_2"]);
    assert_eq!(world.due().await, 1);
}

/// The clock of this machine says when a message is signed, and never whether it is due or too old.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_days_off_delays_no_message_and_gives_none_up() {
    const DAYS: i64 = 3 * 24 * 3_600_000;
    for off in [-DAYS, DAYS] {
        let (url, came) = receiver(vec!["503 Busy", "200 OK"]);
        let world = World::new(&config(&url));
        world.tell("parked", json!({})).await;
        let clock: Arc<dyn Clock> = Arc::new(Hands(AtomicI64::new(BEGIN + off)));
        let store = Arc::<MemoryStore>::clone(&world.store);
        let mut elsewhere = Notifier::new(to(&url), store, clock, "elsewhere".to_owned());
        assert_eq!(elsewhere.deliver_due().await, 0, "{off}: the receiver is busy");
        assert_eq!(elsewhere.deliver_due().await, 0, "{off}: it is left alone for a moment");
        world.pass(2_000);
        assert_eq!(elsewhere.deliver_due().await, 1, "{off}");
        for _ in 0..2 {
            assert_eq!(header(&next(&came).0, "x-aiops-event"), "parked");
        }
        assert_eq!(world.due().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_that_died_left_is_told_soon() {
    let (url, came) = receiver(vec!["200 OK"]);
    let mut world = World::new(&config(&url));
    assert_eq!(world.notifier.deliver_due().await, 0, "it has the duty, and dies");
    world.tell("parked", json!({})).await;
    let clock: Arc<dyn Clock> = Arc::<Hands>::clone(&world.clock);
    let store = Arc::<MemoryStore>::clone(&world.store);
    let mut again = Notifier::new(to(&url), store, clock, "again".to_owned());
    world.pass(14_999);
    assert_eq!(again.deliver_due().await, 0);
    world.pass(1);
    assert_eq!(again.deliver_due().await, 1);
    assert_eq!(header(&next(&came).0, "x-aiops-event"), "parked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_yesterday_is_given_up_and_without_a_receiver_nothing_piles_up() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut world = World::new(&config(&format!("http://{free}/x")));
    world.tell("parked", json!({})).await;
    world.pass(24 * 3_600_000);
    world.notifier.deliver_due().await;
    assert_eq!(world.due().await, 1);
    world.pass(900_001);
    world.notifier.deliver_due().await;
    assert_eq!(world.due().await, 0);
    let mut silent = World::new(&Notify::default());
    silent.tell("parked", json!({})).await;
    assert_eq!(silent.notifier.deliver_due().await, 0);
    assert_eq!(silent.due().await, 0);
}

#[tokio::test]
async fn a_template_says_it_in_other_words_and_a_short_secret_is_refused() {
    let (url, came) = receiver(vec!["200 OK"]);
    let template = "{kind} {target} {{reason} {nothing}".to_owned();
    let mut world = World::new(&Notify { template, ..config(&url) });
    world.tell("parked", json!({"target": "Deployment shop/{reason}", "reason": "why\nnot"})).await;
    assert_eq!(world.notifier.deliver_due().await, 1);
    let body: Value = serde_json::from_str(&next(&came).1).unwrap();
    assert_eq!(body["text"], "parked Deployment shop/{reason}  ");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "short").unwrap();
    let refused = Receiver::of(&Notify { secret_file: Some(path), ..config(&url) });
    assert!(refused.unwrap_err().to_string().contains("shorter than 16"));
}

#[test]
fn a_secret_that_cannot_be_read_is_said_before_anything_begins() {
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = (folder.path().join("aiops.toml"), folder.path().join("state"));
    let (secret, state) = (folder.path().join("secret"), state.to_str().unwrap());
    let text = "deployment.mode = \"full\"\ncluster.kubeconfig = \"/does/not/exist\"\n[notify]\n\
                url = \"http://127.0.0.1:1/T0/B0-token\"\nsecretFile = \"secret\"\n";
    std::fs::write(&path, text).unwrap();
    let config = ["--config", path.to_str().unwrap(), "--state-dir", state];
    let run = |words: &[&str]| {
        let output = output(&mut aiops(&[&config, words].concat()));
        (output.status.success(), text_of(&output.stdout) + &text_of(&output.stderr))
    };
    for words in [&["config", "check"][..], &["doctor"], &["serve", "--http", "127.0.0.1:0"]] {
        let (is_good, said) = run(words);
        assert!(
            !is_good && said.contains("notify.secretFile") && said.contains("cannot be read"),
            "{words:?}: {said}"
        );
        assert!(!said.contains("B0-token"), "{words:?}: {said}");
    }
    // It ended before it made anything.
    assert!(!std::path::Path::new(state).exists());
    std::fs::write(&secret, "0123456789abcdef").unwrap();
    let (is_good, said) = run(&["config", "check"]);
    assert!(is_good && said.contains("notify.url, signed"), "{said}");
    assert!(run(&["doctor"]).1.contains("to notify.url, signed"));
}
