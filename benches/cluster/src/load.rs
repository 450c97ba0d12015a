//! Callers: each holds one connection open, asks, waits, checks the answer, asks again.
//!
//! They share the processors with what they measure, so requests are made once and only the id is written into them, and
//! an answer that is the same bytes as one that was read already is not read again. Every other answer is parsed and its
//! counts are compared.

use std::{
    cell::RefCell,
    collections::HashSet,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::{JoinSet, LocalSet},
};

/// A question, and what must stand in its answer.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) tool: &'static str,
    pub(crate) arguments: Value,
    /// JSON pointers into the answer, with the values that the API server has.
    pub(crate) expected: Vec<(&'static str, Value)>,
}

/// How the calls went.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) calls: usize,
    pub(crate) seconds: f64,
    /// Answers that were parsed; the others were equal to one of them.
    pub(crate) parsed: usize,
    pub(crate) bytes: usize,
    times: Vec<Duration>,
}

impl Tally {
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let at = (self.times.len() * percent / 100).min(self.times.len().saturating_sub(1));
        self.times.get(at).copied().unwrap_or_default()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.calls as f64 / self.seconds
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.parsed += other.parsed;
        self.bytes = self.bytes.max(other.bytes);
        self.times.extend(other.times);
    }
}

/// Ids have nine digits, so that one can be written over another.
const FIRST_ID: u64 = 100_000_000;
const BEFORE_ID: &str = r#"{"jsonrpc":"2.0","id":"#;
const DIGITS: usize = 9;

/// A question as it goes over the wire.
struct Prepared {
    question: Question,
    bytes: Vec<u8>,
    id: usize,
    /// Answers that were read, without their ids.
    known: RefCell<HashSet<Vec<u8>>>,
}

impl Prepared {
    fn new(address: SocketAddr, question: Question) -> Self {
        let params = json!({"name": question.tool, "arguments": question.arguments});
        let body = format!(r#"{BEFORE_ID}{FIRST_ID},"method":"tools/call","params":{params}}}"#);
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: {address}\r\naccept: application/json, text/event-stream\r\n\
             content-type: application/json\r\nmcp-protocol-version: 2025-11-25\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let id = head.len() + BEFORE_ID.len();
        Self { question, bytes: (head + &body).into_bytes(), id, known: RefCell::default() }
    }

    /// Reads an answer unless the same was read before. True when it was read.
    fn check(&self, id: u64, answer: &[u8]) -> anyhow::Result<bool> {
        let is_ours =
            answer.get(BEFORE_ID.len()..BEFORE_ID.len() + DIGITS) == Some(id.to_string().as_bytes());
        let rest = answer.get(BEFORE_ID.len() + DIGITS..).unwrap_or_default();
        if is_ours && self.known.borrow().contains(rest) {
            return Ok(false);
        }
        let parsed = self.parse(id, answer).with_context(|| {
            let answer = String::from_utf8_lossy(answer);
            format!("{} {}: {answer}", self.question.tool, self.question.arguments)
        });
        parsed?;
        let mut known = self.known.borrow_mut();
        if known.len() > 32 {
            known.clear();
        }
        known.insert(rest.to_vec());
        Ok(true)
    }

    fn parse(&self, id: u64, answer: &[u8]) -> anyhow::Result<()> {
        let answer: Value = serde_json::from_slice(answer)?;
        anyhow::ensure!(answer.get("id").and_then(Value::as_u64) == Some(id), "it answers another question");
        let result = answer.get("result").context("it is no result")?;
        anyhow::ensure!(result.get("isError").is_none_or(|error| error == false), "it is an error");
        let facts = result.get("structuredContent").context("no structuredContent")?;
        let text = result.pointer("/content/0/text").and_then(Value::as_str).context("no text")?;
        let said: Value = serde_json::from_str(text)?;
        anyhow::ensure!(said == *facts, "text and structuredContent differ");
        for (pointer, wanted) in &self.question.expected {
            let got = facts.pointer(pointer);
            anyhow::ensure!(got == Some(wanted), "{pointer} is {got:?}, the API server has {wanted}");
        }
        Ok(())
    }
}

/// One caller's connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    id: u64,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 256 * 1024], id: FIRST_ID })
    }

    /// Asks, and gives the body of the answer.
    async fn ask(&mut self, prepared: &Prepared) -> anyhow::Result<(u64, std::ops::Range<usize>)> {
        self.id += 1;
        // 70 bytes of copy are cheaper than a second write.
        let mut request = prepared.bytes.clone();
        request.splice(prepared.id..prepared.id + DIGITS, self.id.to_string().into_bytes());
        self.stream.write_all(&request).await?;
        Ok((self.id, self.read().await?))
    }

    async fn read(&mut self) -> anyhow::Result<std::ops::Range<usize>> {
        let mut have = 0;
        let mut body: Option<std::ops::Range<usize>> = None;
        loop {
            if have == self.buffer.len() {
                self.buffer.resize(have * 2, 0);
            }
            let read = self.stream.read(self.buffer.get_mut(have..).unwrap_or_default()).await?;
            anyhow::ensure!(read > 0, "the connection was closed");
            have += read;
            if body.is_none() {
                body = head(self.buffer.get(..have).unwrap_or_default())?;
            }
            if let Some(body) = &body
                && have >= body.end
            {
                return Ok(body.clone());
            }
        }
    }

    /// The answer of a question that is asked once.
    pub(crate) async fn call(&mut self, tool: &'static str, arguments: Value) -> anyhow::Result<Value> {
        let address = self.stream.peer_addr()?;
        let prepared = Prepared::new(address, Question { tool, arguments, expected: Vec::new() });
        let (id, body) = self.ask(&prepared).await?;
        let bytes = self.buffer.get(body).unwrap_or_default();
        prepared.parse(id, bytes).with_context(|| {
            format!("{tool} {}: {}", prepared.question.arguments, String::from_utf8_lossy(bytes))
        })?;
        let mut answer: Value = serde_json::from_slice(bytes)?;
        Ok(answer.pointer_mut("/result/structuredContent").map(Value::take).unwrap_or_default())
    }

    /// Posts JSON to a path that answers JSON.
    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (address, body) = (self.stream.peer_addr()?, body.to_string());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        let answer = self.read().await?;
        Ok(serde_json::from_slice(self.buffer.get(answer).unwrap_or_default())?)
    }

    /// Reads a path that answers JSON.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.stream.peer_addr()?);
        self.stream.write_all(request.as_bytes()).await?;
        let body = self.read().await?;
        Ok(serde_json::from_slice(self.buffer.get(body).unwrap_or_default())?)
    }
}

/// Where the body stands, once the head is there.
fn head(bytes: &[u8]) -> anyhow::Result<Option<std::ops::Range<usize>>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
    let is_good = ["HTTP/1.1 200 ", "HTTP/1.1 202 "].iter().any(|good| head.starts_with(good));
    if !is_good {
        let said = String::from_utf8_lossy(bytes.get(end..).unwrap_or_default());
        anyhow::bail!("refused: {head}{said}");
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, value)| {
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        })
        .context("no content-length")??;
    Ok(Some(end + 4..end + 4 + length))
}

/// So many callers ask these questions in turn, for so long.
pub(crate) async fn run(
    address: SocketAddr,
    callers: usize,
    questions: &[Question],
    length: Duration,
) -> anyhow::Result<Tally> {
    let prepared: Rc<Vec<Prepared>> =
        Rc::new(questions.iter().map(|question| Prepared::new(address, question.clone())).collect());
    let mut connections = Vec::with_capacity(callers);
    for _ in 0..callers {
        connections.push(Connection::open(address).await?);
    }
    let local = LocalSet::new();
    let begun = Instant::now();
    let until = begun + length;
    let mut set: JoinSet<anyhow::Result<Tally>> = JoinSet::new();
    for (caller, mut connection) in connections.into_iter().enumerate() {
        let prepared = Rc::clone(&prepared);
        set.spawn_local_on(
            async move {
                let mut tally = Tally::default();
                // Each begins elsewhere, so that at any moment they ask for different things.
                let turn = prepared.iter().cycle().skip(caller * 7 % prepared.len());
                for question in turn {
                    let asked = Instant::now();
                    if asked >= until {
                        break;
                    }
                    let (id, body) = connection.ask(question).await?;
                    tally.times.push(asked.elapsed());
                    let answer = connection.buffer.get(body).unwrap_or_default();
                    tally.bytes = tally.bytes.max(answer.len());
                    tally.parsed += usize::from(question.check(id, answer)?);
                    tally.calls += 1;
                }
                Ok(tally)
            },
            &local,
        );
    }
    let mut all = Tally::default();
    local
        .run_until(async {
            while let Some(done) = set.join_next().await {
                all.add(done??);
            }
            anyhow::Ok(())
        })
        .await?;
    all.seconds = begun.elapsed().as_secs_f64();
    all.times.sort_unstable();
    Ok(all)
}
