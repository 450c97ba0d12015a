//! Logs that hold no credential stay as they are: those of the control plane itself, of the recorded cluster, and of
//! programs as they are met in clusters.

use std::path::Path;

use aiops_engine::redact::Redactor;

use crate::support::{Dice, Plane};

/// Of each hundred lines at most this many may lose something.
const MOST_PERCENT: f64 = 1.0;
/// Lines read of one file.
const LINES: usize = 20_000;

fn lines_of(path: &Path) -> Vec<String> {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    text.lines().take(LINES).map(str::to_owned).collect()
}

fn files_below(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            into.push(path);
        }
    }
}

/// Lines of ordinary programs, with what resembles credentials and is none: digests, ids, hashes, names, sizes.
fn program_lines(dice: &mut Dice, count: usize) -> Vec<String> {
    let hex = |dice: &mut Dice, length: usize| -> String {
        (0..length).map(|_| char::from_digit(u32::try_from(dice.number(16)).unwrap(), 16).unwrap()).collect()
    };
    let line = |dice: &mut Dice, at: usize| {
        let (name, tag, long, short) = (dice.name(), dice.tag(), hex(dice, 64), hex(dice, 10));
        let (id, trace, number) = (hex(dice, 12), hex(dice, 32), dice.number(100_000));
        match at % 20 {
            0 => format!(
                r#"10.0.{}.7 - - [24/Nov/2026:14:03:11 +0000] "GET /api/v1/items/{number}?page=2 HTTP/1.1" 200 {number} "-" "kube-probe/1.36""#,
                number % 250
            ),
            1 => format!(
                r#"{{"level":"info","ts":"2026-11-24T14:03:11.123Z","msg":"request","trace_id":"{trace}","user":"{name}","status":200,"ms":{number}}}"#
            ),
            2 => format!(
                "I1124 14:03:11.123456       1 controller.go:{} ] \"Reconciled\" object=\"{name}/{name}-{short}-x2x7k\" requeue=false",
                number % 999
            ),
            3 => format!(
                "Pulled image \"registry.example.com/{name}/app@sha256:{long}\" in 2.3s ({number} bytes)"
            ),
            4 => format!(
                "2026-11-24 14:03:11,123 INFO  [http-nio-8080-exec-{}] com.example.{}.OrderService : order {id}-{} accepted",
                number % 90,
                name.replace('-', ""),
                hex(dice, 4)
            ),
            5 => format!(
                "level=warn msg=\"slow query\" duration={number}ms rows={number} query=\"SELECT id, token_count FROM sessions WHERE key = $1\""
            ),
            6 => format!(
                "Mounting /var/run/secrets/kubernetes.io/serviceaccount from volume kube-api-access-{}",
                short.get(..5).unwrap()
            ),
            7 => format!(
                "E1124 14:03:11.123456 reflector.go:{} ] failed to list *v1.Secret: secrets is forbidden: User \"system:serviceaccount:{name}:builder\" cannot list resource",
                number % 999
            ),
            8 => format!("commit {}{} merged into main by {name}", hex(dice, 20), hex(dice, 20)),
            9 => format!("password authentication failed for user \"{name}\" from 10.0.0.{}", number % 250),
            10 => format!(
                "max_tokens={number} prompt_tokens: {number} completion_tokens={number} model=small-{tag}"
            ),
            11 => format!(
                "leader election: lock {name}/{name}-lock acquired by {name}-{short}-abcde_{id}-{}-{}-{}-{id}",
                hex(dice, 4),
                hex(dice, 4),
                hex(dice, 4)
            ),
            12 => format!(
                "token refreshed, expires in {number} s; session count {number}; cache key prefix {name}"
            ),
            13 => format!("at com.example.auth.TokenFilter.doFilter(TokenFilter.java:{})", number % 999),
            14 => format!(
                "Secret \"{name}-tls\" key \"tls.crt\" changed, reloading certificate serial {}",
                hex(dice, 20)
            ),
            15 => format!(
                "kafka: partition=orders-{} offset={number} key=order-{number} headers=[traceparent:00-{trace}-{}-01]",
                number % 30,
                hex(dice, 16)
            ),
            16 => format!("etag=\"{trace}\" cache-control=max-age={number} x-request-id={id}"),
            17 => {
                format!("auth: user {name} logged in with method oidc, groups [developers, {name}], roles 3")
            }
            18 => {
                format!("wrote checkpoint checksum={long} lsn=0/{} pid={number}", hex(dice, 8).to_uppercase())
            }
            _ => {
                format!("connecting to postgres://{name}.{name}.svc:5432/orders?sslmode=require as role app")
            }
        }
    };
    (0..count).map(|at| line(dice, at)).collect()
}

#[tokio::test]
async fn ordinary_logs_lose_nothing() {
    let plane = Plane::shared().await;
    let mut files = Vec::new();
    files_below(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clusters/checkout-outage/logs"),
        &mut files,
    );
    for log in ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kwok"] {
        files.push(plane.folder().join(format!("{log}.log")));
    }
    let mut corpora: Vec<(String, Vec<String>)> =
        vec![("programs".to_owned(), program_lines(&mut Dice::new(), 20_000))];
    let mut recorded = Vec::new();
    for file in &files {
        let lines = lines_of(file);
        if file.starts_with(plane.folder()) {
            corpora.push((file.file_name().unwrap().to_string_lossy().into_owned(), lines));
        } else {
            recorded.extend(lines);
        }
    }
    corpora.push(("the recorded cluster".to_owned(), recorded));
    let redactor = Redactor::new();
    let mut told = Vec::new();
    for (name, lines) in &corpora {
        let changed: Vec<(&String, String)> = lines
            .iter()
            .map(|line| (line, redactor.redact(line).into_owned()))
            .filter(|(line, shown)| *line != shown)
            .collect();
        let percent = 100.0 * changed.len() as f64 / lines.len().max(1) as f64;
        println!("{name}: {} of {} lines redacted ({percent:.2} %)", changed.len(), lines.len());
        for (line, shown) in changed.iter().take(5) {
            println!("  {line}\n  {shown}");
        }
        if percent > MOST_PERCENT {
            told.push(format!("{name}: {percent:.2} %"));
        }
    }
    let lines: usize = corpora.iter().map(|(_, lines)| lines.len()).sum();
    assert!(lines > 20_000, "{lines} lines are no corpus");
    assert!(told.is_empty(), "more than {MOST_PERCENT} % of: {told:?}");
}
