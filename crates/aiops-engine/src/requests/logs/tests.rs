//! Logs on the fake cluster, and the report on hostile ones.

use std::{sync::Arc, time::Instant};

use serde_json::json;

use super::{
    report::{self, Search, report},
    *,
};
use crate::{
    testing::{FakeCluster, engine},
    text::estimate_tokens,
};

fn search(grep: Option<&str>, context: usize, first_error: bool) -> Search {
    Search { grep: grep.map(|g| pattern(g).unwrap()), context, first_error, tokens: TOKENS }
}

fn plain(log: &str) -> Report {
    checked(log.as_bytes(), &search(None, 0, false))
}

/// Makes a report and checks what must hold of every one.
fn checked(log: &[u8], search: &Search) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let report = runtime.block_on(report(log, search));
    let w = &report.window;
    assert_eq!(w.lines, w.shown + w.folded + w.skipped, "{w:?}");
    assert_eq!(w.bytes, log.len());
    let json = serde_json::to_string(&(&report.first_error, &report.entries, w)).unwrap();
    assert!(estimate_tokens(&json) < 1_900, "{}", estimate_tokens(&json));
    assert!(!json.chars().any(char::is_control));
    report
}

fn texts(report: &Report) -> Vec<&str> {
    report.entries.iter().map(|entry| entry.text.as_str()).collect()
}

#[test]
fn repetitions_are_folded_and_errors_stand_out() {
    let mut log = String::new();
    for i in 0..500 {
        log.push_str(&format!(
            "2026-07-01T12:{:02}:{:02}.000000001Z INFO handled request {i} in {i}ms\n",
            i / 60,
            i % 60
        ));
        if i == 100 {
            log.push_str("2026-07-01T12:01:40.500000000Z ERROR cannot reach db-7: connection refused\n");
        }
        if i % 100 == 50 {
            log.push_str(&format!("2026-07-01T12:01:50.500000000Z WARN slow query {i}\n"));
        }
    }
    let report = plain(&log);
    let first = report.first_error.as_ref().unwrap();
    assert_eq!(
        (first.line, first.text.as_str(), first.repeats),
        (103, "ERROR cannot reach db-7: connection refused", None)
    );
    assert_eq!(first.at.as_deref(), Some("2026-07-01T12:01:40Z"));
    assert_eq!(texts(&report), ["WARN slow query 450", "INFO handled request 499 in 499ms"]);
    let folded = report.entries.last().unwrap();
    assert_eq!(
        (folded.repeats, folded.first_at.as_deref(), folded.last_at.as_deref()),
        (Some(500), Some("2026-07-01T12:00:00Z"), Some("2026-07-01T12:08:19Z"))
    );
    assert_eq!(
        (report.window.lines, report.window.shown, report.window.folded, report.window.skipped),
        (506, 3, 503, 0)
    );
}

#[test]
fn a_search_shows_matches_with_their_surroundings() {
    let words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"];
    let log: String = words.iter().map(|word| format!("{word} line\n")).collect();
    let found = checked(log.as_bytes(), &search(Some("^(charlie|foxtrot)"), 1, false));
    assert_eq!(found.matches, Some(2));
    assert_eq!(texts(&found), ["charlie line", "foxtrot line"]);
    assert_eq!(
        (found.entries[0].before.as_slice(), found.entries[0].after.as_slice()),
        (["bravo line".to_owned()].as_slice(), ["delta line".to_owned()].as_slice())
    );
    assert_eq!((found.window.shown, found.window.skipped), (5, 1));
    let nothing = checked(log.as_bytes(), &search(Some("zulu"), 3, false));
    assert_eq!((nothing.matches, nothing.entries.len(), nothing.window.skipped), (Some(0), 0, 6));
    // Deep inside a long line the match is what is shown.
    let long = format!("{} NEEDLE {}\n", "hay ".repeat(5_000), "hay ".repeat(5_000));
    let found = checked(long.as_bytes(), &search(Some("NEEDLE"), 0, false));
    assert!(found.entries[0].text.contains("NEEDLE") && found.entries[0].text.len() < 600);
}

#[test]
fn the_first_error_comes_with_its_trace_and_surroundings() {
    let frames: String = (0..60).map(|i| format!("\tat com.example.C{i}.run(C.java:{i})\n")).collect();
    let log = format!(
        "boot\nconfig loaded\nException in thread \"main\" java.lang.IllegalStateException: no pool\n{frames}Caused by: java.net.ConnectException: refused\n{frames}bye\n"
    );
    let report = checked(log.as_bytes(), &search(None, 0, true));
    let first = report.first_error.unwrap();
    assert_eq!(first.line, 3);
    assert!(
        first.text.starts_with("Exception in thread")
            && first.text.contains("Caused by: java.net.ConnectException")
            && first.text.contains("more lines"),
        "{}",
        first.text
    );
    assert_eq!(
        (first.before.as_slice(), first.after.as_slice()),
        (["boot".to_owned(), "config loaded".to_owned()].as_slice(), ["bye".to_owned()].as_slice())
    );
}

#[test]
fn what_the_surroundings_cut_off_is_still_shown() {
    let log = "ERROR bad flag\nUsage:\n  -a int\n  -b int\n  -c int\n  -d int\n\t-e int\n";
    let report = checked(log.as_bytes(), &search(None, 0, true));
    let first = report.first_error.as_ref().unwrap();
    assert_eq!((first.text.as_str(), first.after.len()), ("ERROR bad flag", 4));
    assert_eq!(texts(&report), ["Usage:\n  -a int\n  -b int\n  -c int\n  -d int\n  -e int"]);
    assert_eq!((report.window.shown, report.window.skipped), (7, 0));
}

#[test]
fn a_weak_sign_is_the_first_error_only_when_there_is_no_strong_one() {
    let report = plain("could not open cache\nERROR disk gone\n");
    assert_eq!(report.first_error.unwrap().text, "ERROR disk gone");
    assert_eq!(plain("hello\ncould not open cache\n").first_error.unwrap().line, 2);
    assert!(plain("hello\nINFO 0 errors\n").first_error.is_none());
}

#[test]
fn secrets_are_neither_shown_nor_found_by_guessing() {
    let log = "start\nDB password=hunter2x connected\n-----BEGIN RSA PRIVATE KEY-----\nMIICXAIBAAKBgQCqGKukO1De7zhZj6EXAMPLE\n-----END RSA PRIVATE KEY-----\nERROR Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U\n\u{1b}[31mtoken=\u{1b}[0mghp_0123456789abcdefghijABCDEFGHIJ012345\n";
    for grep in [None, Some("."), Some("hunter"), Some("password=h")] {
        let json = serde_json::to_string(&{
            let report = checked(log.as_bytes(), &search(grep, 2, true));
            (report.first_error, report.entries)
        })
        .unwrap();
        for canary in ["hunter2x", "MIICXAIBAA", "dozjgNryP4J3", "ghp_0123"] {
            assert!(!json.contains(canary), "{canary} in {json}");
        }
    }
    assert_eq!(checked(log.as_bytes(), &search(Some("hunter"), 0, false)).matches, Some(0));
}

#[test]
fn hostile_logs_cost_little_and_hide_nothing() {
    let start = Instant::now();
    let binary: Vec<u8> = (0..50_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let logs: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\n".to_vec(),
        vec![b'a'; 1_000_000],
        vec![b'\n'; 100_000],
        vec![0xff; 100_000],
        vec![0; 50_000],
        binary,
        "\u{1b}[2J\u{1b}]0;title\u{7}\u{202e}ERROR \u{200b}x\r\n".repeat(2_000).into_bytes(),
        (0..100_000).map(|i| format!("{i:x} w{}\n", i % 977)).collect::<String>().into_bytes(),
        " \tindented\n".repeat(20_000).into_bytes(),
        "panic: x\n".repeat(20_000).into_bytes(),
        "Traceback (most recent call last):\n".repeat(20_000).into_bytes(),
        (0..5_000)
            .map(|i| format!("ERROR {}\n", ["a", "b", "c"][i % 3].repeat(i % 200)))
            .collect::<String>()
            .into_bytes(),
        format!("{{\"a\":{}\n", "[".repeat(500_000)).into_bytes(),
    ];
    for log in &logs {
        checked(log, &search(None, 0, false));
    }
    for log in logs.iter().filter(|log| log.len() < 400_000) {
        checked(log, &search(Some("(x+x+)+y|E"), 20, true));
    }
    // Debug builds on a busy machine; what takes longer is not linear.
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

const NOW: &str = "2026-07-01T12:00:00Z";

fn pod(name: &str, statuses: serde_json::Value) -> (Kind, serde_json::Value) {
    let containers = ["app", "proxy"].map(|name| json!({"name": name, "image": "x"}));
    let object = json!({
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"nodeName": "n1", "containers": containers, "initContainers": [{"name": "init", "image": "x"}]},
        "status": {"phase": "Running", "containerStatuses": statuses},
    });
    (Kind::Pod, object)
}

fn shop() -> (Engine, Arc<FakeCluster>) {
    let cluster = Arc::new(FakeCluster::new());
    let running = json!({"running": {"startedAt": "2026-07-01T10:00:00Z"}});
    let ended =
        json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-07-01T11:00:00Z"}});
    let crash = json!([
        {"name": "app", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended},
        {"name": "proxy", "restartCount": 0, "state": running, "ready": true},
    ]);
    let well = json!([{"name": "app", "state": running, "ready": true}, {"name": "proxy", "state": running, "ready": true}]);
    let pulling = json!([{"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"x\""}}}]);
    let objects = [
        (Kind::Namespace, json!({"metadata": {"name": "shop"}})),
        pod("web-1", crash),
        pod("well-1", well),
        pod("pull-1", pulling),
    ];
    let engine = engine(&objects, Some(Arc::<FakeCluster>::clone(&cluster)), NOW);
    (engine, cluster)
}

fn ask(pod: &str) -> PodLogs {
    PodLogs { namespace: "shop".to_owned(), pod: pod.to_owned(), ..PodLogs::default() }
}

/// A text in which a pattern that is made for it finds nothing to go by.
fn noise(bytes: usize) -> String {
    let mut seed = 12_345_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        char::from(b"abcdef 012XYZ"[usize::try_from(seed % 13).unwrap()])
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn a_line_is_searched_in_its_beginning_and_the_answer_says_so() {
    let hay = |bytes: usize| "hay ".chars().cycle().take(bytes).collect::<String>();
    let inside = format!("{} NEEDLE", hay(report::SEARCHED - 7));
    let beyond = format!("{} NEEDLE", hay(report::SEARCHED - 6));
    let log = format!("{inside}\n{beyond}\nNEEDLE\n");
    let found = checked(log.as_bytes(), &search(Some("NEEDLE"), 0, false));
    assert_eq!((found.matches, found.unsearched), (Some(2), 1));
    assert_eq!(
        note(&found, 200, true, false).unwrap(),
        "1 lines were searched in their first 32768 bytes only"
    );
    let said = note(&found, 3, true, false).unwrap();
    assert!(said.contains("only; only the last 3 lines were read"), "{said}");
    // Nothing is said where nothing was searched for.
    assert_eq!(note(&checked(log.as_bytes(), &search(None, 0, false)), 200, true, false), None);
}

/// However long a search takes: whoever waits beside it is not kept waiting for its end, and it ends with who asked.
#[test]
fn a_search_lets_others_have_their_turn() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let log: String = (0..32).map(|_| noise(8 * 1024) + "\n").collect();
    let search = search(Some("[ac][a-f ]{50}[XYZ]{9}"), 0, false);
    let turns = runtime.block_on(async {
        let mut turns = 0;
        let others = async {
            loop {
                turns += 1;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            report = report(log.as_bytes(), &search) => assert_eq!(report.window.lines, 32),
            () = others => {}
        }
        turns
    });
    // One for each 32 KiB of 256, a little less where something was redacted.
    assert!(turns >= 4, "{turns}");
}

#[test]
fn a_pattern_whose_search_would_take_long_is_refused() {
    for text in ["[a-f]*[ace][ -~]{5000}[QRS]", "[^A-Z]{0,500}[A-Z]{4}", "(a{500}){500}"] {
        let refused = pattern(text).unwrap_err();
        assert!(refused.to_string().contains("is not a regular expression"), "{refused}");
    }
    // What people search for is far below that.
    for text in [
        r"(?i)error.*timed? ?out",
        r"\w+@\w+\.\w{2,}",
        r"\b\d{1,3}(\.\d{1,3}){3}\b",
        r"level=(warn|error)\s+\S+",
    ] {
        pattern(text).unwrap();
    }
}

#[tokio::test]
async fn the_container_that_fails_is_read_and_the_choice_is_told() {
    let (engine, cluster) = shop();
    cluster.put_log(
        "shop",
        "web-1",
        "app",
        false,
        b"2026-07-01T11:00:00.5Z INFO a\n2026-07-01T11:00:01.5Z FATAL out of memory\n",
    );
    cluster.put_log("shop", "web-1", "app", true, b"INFO before\n");
    let answer = engine.pod_logs(&ask("web-1")).await.unwrap();
    assert_eq!(answer.container.as_deref(), Some("app"));
    assert!(answer.chosen.unwrap().contains("OOMKilled"));
    assert!(answer.state.unwrap().contains("exit code 137"));
    assert_eq!(answer.first_error.unwrap().text, "FATAL out of memory");
    assert_eq!((answer.window.unwrap().lines, answer.note), (2, None));
    let before = engine.pod_logs(&PodLogs { previous: true, ..ask("web-1") }).await.unwrap();
    assert_eq!((before.lines[0].text.as_str(), before.previous), ("INFO before", true));
}

#[tokio::test]
async fn where_there_is_no_log_the_answer_says_why_and_asks_nobody() {
    let (engine, cluster) = shop();
    for (request, part) in [
        (
            PodLogs { previous: true, ..ask("well-1") },
            "has never been restarted (running since 2026-07-01T10:00:00Z)",
        ),
        (ask("pull-1"), "has not started yet and has no log: ImagePullBackOff: Back-off pulling image"),
    ] {
        let answer = engine.pod_logs(&request).await.unwrap();
        assert!(answer.unavailable.as_ref().unwrap().contains(part), "{answer:?}");
        assert_eq!(answer.window, None);
    }
    assert!(cluster.calls.lock().is_empty());
    // What only the kubelet knows comes through too.
    let refusal = PortError::new(
        PortErrorKind::Invalid,
        "previous terminated container \"app\" in pod \"web-1\" not found",
    );
    let key = ("shop".to_owned(), "web-1".to_owned(), "app".to_owned(), true);
    cluster.logs.lock().insert(key, Err(refusal));
    let answer = engine.pod_logs(&PodLogs { previous: true, ..ask("web-1") }).await.unwrap();
    assert!(answer.unavailable.unwrap().contains("not found"));
}

#[tokio::test]
async fn bad_questions_are_refused_with_what_is_right() {
    let (engine, _) = shop();
    let grep = |text: &str| PodLogs { grep: Some(text.to_owned()), ..ask("web-1") };
    let since = |text: &str| PodLogs { since: Some(text.to_owned()), ..ask("web-1") };
    for (request, part) in [
        (ask("web-2"), "did you mean web-1?"),
        (ask("well"), "did you mean well-1?"),
        (ask("../x"), "cannot be the name"),
        (PodLogs { container: Some("ap".to_owned()), ..ask("web-1") }, "it has init, app, proxy"),
        (PodLogs { namespace: "shops".to_owned(), ..ask("web-1") }, "did you mean shop?"),
        (grep("("), "argument \"grep\": is not a regular expression"),
        (grep(&"x".repeat(501)), "at most 500 bytes"),
        (grep("(a{500}){500}"), "is not a regular expression"),
        (since("yesterday"), "neither a duration"),
        (since("2999-01-01T00:00:00Z"), "is later than now"),
        (since("15"), "neither a duration"),
        (since("-5m"), "neither a duration"),
        (since("99999999999999999999d"), "neither a duration"),
    ] {
        let error = engine.pod_logs(&request).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let now = NOW.parse().unwrap();
    for (text, want) in [
        ("90s", 90),
        ("15m", 900),
        ("2h", 7_200),
        ("1d", 86_400),
        ("2026-07-01T11:59:00Z", 60),
        ("2026-07-01T12:01:00Z", 1),
    ] {
        assert_eq!(since_seconds(text, now).unwrap(), want, "{text}");
    }
}

#[tokio::test]
async fn a_huge_log_is_cut_at_two_mebibytes_and_says_so() {
    let (engine, cluster) = shop();
    let line = format!("{}\n", "x".repeat(99_999));
    cluster.put_log("shop", "web-1", "app", false, line.repeat(60).as_bytes());
    let answer = engine.pod_logs(&ask("web-1")).await.unwrap();
    // 20 lines fit; so the last 10 are read instead of the first 20.
    assert_eq!(answer.window.unwrap().lines, 10);
    assert_eq!(cluster.calls.lock().len(), 2);
    cluster.put_log("shop", "web-1", "app", false, &vec![b'x'; 3 << 20]);
    let answer = engine.pod_logs(&ask("web-1")).await.unwrap();
    assert_eq!(answer.window.unwrap().bytes, MOST_BYTES);
    assert!(answer.note.unwrap().contains("reading stopped"));
}
