//! A program that is measured: started, asked the kernel about, ended by its id.
//!
//! It speaks no protocol but the one log line that says where the program listens.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::Value;

/// Mebibytes, as the kernel counts them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) rss: f64,
    /// Of it what is no file: heap and stacks.
    pub(crate) anonymous: f64,
    /// The most there ever was.
    pub(crate) peak: f64,
}

/// A child; ended when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) started: Instant,
}

/// One that listens.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// From before it was started until its line was read here.
    pub(crate) listening: Duration,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, started })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let mib = |name: &str| -> anyhow::Result<f64> {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .with_context(|| format!("no {name}"))?;
            let kib: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
            Ok(kib / 1024.0)
        };
        Ok(Memory { rss: mib("VmRSS")?, anonymous: mib("RssAnon")?, peak: mib("VmHWM")? })
    }

    /// Time on a processor so far, in steps of 10 ms.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit_once(')').context("no name in stat")?.1;
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap_or(0)).sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which its log says.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a program that says on stderr, in a line of JSON, that it is listening and at which address. Its log is kept.
    pub(crate) fn start(program: &Path, arguments: &[&str], log: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        // Loopback needs no proxy, and a log level from outside would change what is measured.
        command
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let mut lines = BufReader::new(process.child.stderr.take().context("no stderr")?);
        let mut kept = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut line = String::new();
        let address = loop {
            line.clear();
            anyhow::ensure!(
                lines.read_line(&mut line)? > 0,
                "{} ended before it listened; see {}",
                program.display(),
                log.display()
            );
            kept.write_all(line.as_bytes())?;
            let said: Value = serde_json::from_str(&line).unwrap_or_default();
            if said.get("message").is_some_and(|message| message == "listening") {
                let address = said.get("address").and_then(Value::as_str).context("it listens nowhere")?;
                break address.parse()?;
            }
        };
        let listening = process.started.elapsed();
        std::thread::spawn(move || std::io::copy(&mut lines, &mut kept));
        Ok(Self { process, address, listening })
    }
}
