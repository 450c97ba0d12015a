//! The transcript in README is printed again, on the scenario that it names, and compared.
//!
//! What differs from run to run (ids, digests, times, random parts of names) is replaced by words that do not.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::{SOON, top};
use crate::support::{Dice, Options, Plane, Scenario, Served};

const BEGIN: &str = "<!-- make transcript: live -->\n```console\n";
const END: &str = "\n```\n<!-- end -->";

/// What differs from run to run, by the word that stands for it.
#[derive(Default)]
struct Names {
    /// Words by what they stand for.
    words: BTreeMap<String, String>,
}

impl Names {
    /// The command with what its words stand for.
    fn real(&self, line: &str) -> String {
        self.words.iter().fold(line.to_owned(), |line, (real, word)| {
            line.split(' ')
                .map(|part| match part.split_once('=') {
                    Some((name, value)) if value == word => format!("{name}={real}"),
                    _ => part.to_owned(),
                })
                .collect::<Vec<_>>()
                .join(" ")
        })
    }

    /// The text with words in place of what differs; `known` names each incident by its object.
    fn stable(&mut self, text: &str) -> String {
        let mut out = String::new();
        for line in text.lines() {
            let mut rest = line;
            while let Some(at) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
                let (before, from) = rest.split_at(at);
                out.push_str(before);
                let end = from
                    .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.')))
                    .unwrap_or(from.len());
                let (token, after) = from.split_at(end);
                let shown = self.word(token);
                out.push_str(&shown);
                // A table keeps its columns.
                if after.starts_with("  ") && shown.chars().count() < token.chars().count() {
                    out.push_str(&" ".repeat(token.chars().count() - shown.chars().count()));
                }
                rest = after;
            }
            out.push_str(rest);
            out.push('\n');
        }
        out
    }

    fn word(&mut self, token: &str) -> String {
        let is_hex = |text: &str| text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
        if let Some(known) = self.words.get(token) {
            return known.clone();
        }
        let kind = if token.starts_with("inc-") {
            "inc"
        } else if token.starts_with("wf-") {
            "wf"
        } else if token.len() == 64 && is_hex(token) {
            "digest"
        } else if (token.len() == 36 && is_hex(&token.replace('-', "")))
            || (token.len() == 20 && token.ends_with('Z') && token.contains('T'))
        {
            return "…".to_owned();
        } else {
            return pod(token).unwrap_or_else(|| token.to_owned());
        };
        let number = self.words.values().filter(|word| word.starts_with(kind)).count() + 1;
        let word = format!("{kind}-{number}");
        self.words.insert(token.to_owned(), word.clone());
        word
    }
}

/// A pod's name without its random part: `web-759fcf4879-d9n8l` is `web-759fcf4879-…`.
fn pod(token: &str) -> Option<String> {
    let (front, random) = token.rsplit_once('-')?;
    let (_, hash) = front.rsplit_once('-')?;
    let is_made = |text: &str| text.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c));
    let fits = random.len() == 5 && is_made(random) && (8..=10).contains(&hash.len()) && is_made(hash);
    fits.then(|| format!("{front}-…"))
}

/// Runs a line of the transcript against this server; what it prints, up to the end that `head` makes.
fn said(line: &str, server: &str) -> String {
    let (call, most) = match line.split_once(" | head -") {
        Some((call, most)) => (call, most.parse().unwrap()),
        None => (line, usize::MAX),
    };
    let call = call.strip_prefix("aiops ").unwrap();
    // On a slow machine the end takes longer than a reader would wait.
    let call = call.replace("wait=25", "wait=55");
    let until = Instant::now() + SOON;
    loop {
        let ended = Command::new(env!("CARGO_BIN_EXE_aiops"))
            .args(call.split_whitespace())
            .args(["--server", server])
            .env_clear()
            .current_dir("/")
            .output()
            .unwrap();
        if ended.status.success() {
            let printed = String::from_utf8(ended.stdout).unwrap();
            return printed.lines().take(most).map(|line| format!("{line}\n")).collect();
        }
        let why = String::from_utf8_lossy(&ended.stderr);
        assert!(why.contains("ask again in") && Instant::now() < until, "{line}: {why}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transcript_of_a_live_incident_is_what_is_printed() {
    let plane = Plane::own(&Options { nodes: 3, ..Options::default() }).await;
    let given = [("namespace", "shop"), ("name", "checkout"), ("tag", "2.13.1")];
    Scenario::load_with("bad-image", &mut Dice::new(), &given).play(&plane).await;
    let home = tempfile::tempdir().unwrap();
    let environment = [
        ("KUBECONFIG", plane.kubeconfig("admin").to_str().unwrap()),
        ("HOME", home.path().to_str().unwrap()),
        ("AIOPS_HTTP__REQUESTTIMEOUT", "90s"),
    ];
    let served = Served::start(&["--mode", "full"], &environment);
    let mut open = served.open().await;
    let both = |told: &crate::support::Told| told.facts["count"] == 2;
    open.until("list-incidents", &serde_json::json!({}), "both", SOON, both).await;
    let server = format!("http://{}", served.address());

    let readme = fs::read_to_string(top("README.md")).unwrap();
    let (_, after) = readme.split_once(BEGIN).expect("README has the block");
    let (block, _) = after.split_once(END).expect("it ends");
    let mut names = Names::default();
    let mut again = String::new();
    for line in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let printed = said(&names.real(line), &server);
        writeln!(again, "$ {line}\n{}", names.stable(&printed)).unwrap();
    }
    let again = again.trim_end();
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(Path::new(&top("README.md")), readme.replace(block, again)).unwrap();
        return;
    }
    assert_eq!(block, again, "run  make transcript");
}
