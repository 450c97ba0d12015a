//! `aiops doctor`: is everything there? One line each, with what to do about it.
//!
//! It changes nothing and takes no longer than five seconds. The lines about the cluster come from `cluster/`.

use std::{net::TcpListener, path::Path, time::Duration};

use clap::Args;
use serde::Serialize;

use super::{Failure, Global, Output, print, run, table::clean};
use crate::{
    boot, cluster,
    config::{Environment, Loaded, tokens::Tokens},
    notify::Receiver,
    recording,
    shutdown::Tasks,
    store::{self, Location, Options},
    telemetry,
};

/// How to print the lines.
#[derive(Debug, Args)]
#[command(after_help = "Exit code 1 when something fails; a warning is none.")]
pub struct DoctorArgs {
    /// How to print them
    #[arg(short, long, value_enum, default_value_t, hide_default_value = true)]
    output: Output,
}

/// One line.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    verdict: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

const OK: &str = "ok";
const WARN: &str = "warn";
const FAIL: &str = "fail";

/// The whole must be over in five seconds.
const CLUSTER_WITHIN: Duration = Duration::from_millis(4_500);

impl Line {
    fn new(name: &str, verdict: &'static str, detail: impl Into<String>, fix: Option<&str>) -> Self {
        Self { name: name.to_owned(), verdict, detail: detail.into(), fix: fix.map(str::to_owned) }
    }
}

pub(super) fn doctor(args: &DoctorArgs, global: &Global, environment: Environment) -> Result<(), Failure> {
    let loaded = global.load(environment, Vec::new())?;
    run::within(2, async {
        let tasks = Tasks::new();
        let mut quiet = loaded.config.telemetry.clone();
        quiet.log_level = crate::config::LogLevel::Error;
        quiet.otlp_endpoint = None;
        let telemetry = telemetry::init(&quiet, &loaded.environment, &tasks);
        let lines = examine(&loaded).await;
        telemetry.end(Duration::ZERO).await;
        let text = match args.output {
            Output::Json => serde_json::to_string_pretty(&lines)?,
            Output::Yaml => serde_saphyr::to_string(&lines)?,
            Output::Text | Output::Wide => written(&lines),
        };
        print::out(&text)?;
        let failed = lines.iter().filter(|line| line.verdict == FAIL).count();
        if failed > 0 {
            return Err(anyhow::anyhow!("{failed} of {} checks failed", lines.len()).into());
        }
        Ok(())
    })
}

async fn examine(loaded: &Loaded) -> Vec<Line> {
    let config = &loaded.config;
    let mut lines = vec![Line::new(
        "configuration",
        OK,
        format!("{} mode, aiops {}", config.deployment.mode, env!("CARGO_PKG_VERSION")),
        None,
    )];
    lines.extend(loaded.notes.iter().map(|note| {
        Line::new(
            "configuration",
            WARN,
            note.clone(),
            Some("`aiops config show` says where each value came from"),
        )
    }));
    match &config.cluster.recording {
        Some(path) => lines.push(recorded(path)),
        None if config.cluster.member.url.is_some() => lines.push(through_member(loaded).await),
        None => lines.extend(live(loaded).await),
    }
    if config.is_member() {
        let names = config.acting.granted_to.join(", ");
        let detail = format!("observes and acts for engines elsewhere that are granted it: {names}");
        lines.push(Line::new("member", OK, detail, None));
    }
    lines.extend(config.missing().iter().map(|missing| {
        Line::new(
            missing.adapter.as_str(),
            WARN,
            missing.why,
            Some("take --mode standalone to be without it, or a later version"),
        )
    }));
    lines.push(port(loaded));
    lines.extend(tokens(loaded));
    lines.extend(receiver(loaded));
    lines.push(state(loaded));
    lines
}

fn recorded(path: &Path) -> Line {
    match recording::open(path, &aiops_engine::SharedInventory::default()) {
        Ok(opened) if opened.notes.is_empty() => {
            Line::new("recording", OK, format!("{}, as of {}", path.display(), opened.at), None)
        }
        Ok(opened) => {
            Line::new("recording", WARN, opened.notes.join("; "), Some("export it again to have all of it"))
        }
        Err(error) => Line::new(
            "recording",
            FAIL,
            format!("{error:#}"),
            Some("name a folder or archive of `kubectl get -A -o json` files, or a must-gather"),
        ),
    }
}

async fn live(loaded: &Loaded) -> Vec<Line> {
    match tokio::time::timeout(CLUSTER_WITHIN, cluster::doctor(loaded)).await {
        Ok(checks) => checks
            .into_iter()
            .map(|check| Line {
                name: check.name.to_owned(),
                verdict: match check.verdict {
                    cluster::doctor::Verdict::Ok => OK,
                    cluster::doctor::Verdict::Warn => WARN,
                    cluster::doctor::Verdict::Fail => FAIL,
                },
                detail: check.detail,
                fix: check.fix,
            })
            .collect(),
        Err(_) => vec![Line::new(
            "cluster",
            FAIL,
            "the API server did not answer everything within 4.5 s",
            Some("try `kubectl version` with the same kubeconfig; a proxy or a firewall may swallow packets"),
        )],
    }
}

async fn through_member(loaded: &Loaded) -> Line {
    match boot::member_doctor(loaded).await {
        Ok(detail) => Line::new("member", OK, detail, None),
        Err((detail, fix)) => Line::new("member", FAIL, detail, Some(&fix)),
    }
}

fn port(loaded: &Loaded) -> Line {
    let listen = loaded.config.http.listen;
    if let Err(error) = loaded.may_serve_http() {
        return Line::new("port", FAIL, error.to_string(), None);
    }
    match TcpListener::bind(listen) {
        Ok(_) => Line::new("port", OK, format!("{listen} is free"), None),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Line::new(
            "port",
            WARN,
            format!("{listen} is in use, perhaps by aiops itself"),
            Some("`aiops serve --http 127.0.0.1:0` takes a free one; --stdio needs none"),
        ),
        Err(error) => Line::new(
            "port",
            FAIL,
            format!("{listen}: {error}"),
            Some("set another address with http.listen"),
        ),
    }
}

fn tokens(loaded: &Loaded) -> Option<Line> {
    let path = loaded.config.http.token_file.as_ref()?;
    Some(match Tokens::read(path) {
        Err(error) => Line::new(
            "tokens",
            FAIL,
            super::chain(&error),
            Some("a token's hash: printf %s TOKEN | sha256sum"),
        ),
        Ok(tokens) => {
            let over = tokens.expired(jiff::Timestamp::now());
            if over.is_empty() {
                Line::new("tokens", OK, format!("{} in {}", tokens.len(), path.display()), None)
            } else {
                Line::new(
                    "tokens",
                    WARN,
                    format!("these are over: {}", over.join(", ")),
                    Some("give their holders new ones and take them out of the file"),
                )
            }
        }
    })
}

/// Whether messages could be sent; none is.
fn receiver(loaded: &Loaded) -> Option<Line> {
    if !loaded.config.has_engine() {
        return None;
    }
    match Receiver::of(&loaded.config.notify) {
        Ok(receiver) => Some(Line::new("notify", OK, format!("to notify.url, {}", receiver?.shown()), None)),
        Err(error) => Some(Line::new(
            "notify",
            FAIL,
            format!("{error:#}"),
            Some(
                "put 16 random characters or more into the file, readable for aiops; it does not start without",
            ),
        )),
    }
}

/// Whether state could be kept, and who executes on it. Where none is kept in it, it is no failure that it could not be.
fn state(loaded: &Loaded) -> Line {
    let Some(folder) = loaded.state_dir() else {
        return Line::new("state", WARN, "no home folder is known", Some("name a folder with --state-dir"));
    };
    // The folder is not made here: the nearest one that exists tells whether it could be.
    let existing = folder.ancestors().find(|path| path.exists());
    let options = Options::of(loaded);
    if existing.is_some_and(takes_files) {
        let is_held = options.is_ok_and(|options| store::is_held(&options));
        let holder = store::holder(&folder).filter(|_| is_held);
        let executes =
            holder.map(|process| format!("; process {process} executes on it")).unwrap_or_default();
        Line::new("state", OK, format!("{}{executes}", folder.display()), None)
    } else {
        // The engine of a recording has a folder of its own, and PostgreSQL needs none.
        let is_needed = loaded.config.has_engine()
            && loaded.config.cluster.recording.is_none()
            && options.is_ok_and(|options| matches!(options.location, Location::Folder(_)));
        Line::new(
            "state",
            if is_needed { FAIL } else { WARN },
            format!("{} cannot be written", folder.display()),
            Some("name another folder with --state-dir, or give this one to the user of aiops"),
        )
    }
}

/// Whether this process may make files in there. The system is asked, as only it knows who may: nothing is tried.
#[cfg(unix)]
fn takes_files(path: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    path.is_dir() && accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

#[cfg(not(unix))]
fn takes_files(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_dir() && !data.permissions().readonly())
}

fn written(lines: &[Line]) -> String {
    let wide = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        text.push_str(&format!("{:<4}  {:<wide$}  {}", line.verdict, clean(&line.name), clean(&line.detail)));
        if let Some(fix) = &line.fix {
            text.push_str(&format!(" → {}", clean(fix)));
        }
        text.push('\n');
    }
    text
}
