//! What `aiops doctor` says of a state directory that cannot be written.

use std::{
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::Path,
    process::Command,
};

use serde_json::Value;

use super::super::process::{aiops, output, text};

/// The line about the state directory.
fn state(command: &mut Command) -> Value {
    let ended = output(command.args(["doctor", "-o", "json", "--kubeconfig", "/does/not/exist"]));
    let lines: Vec<Value> = serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", text(&ended.stdout), text(&ended.stderr));
    });
    lines.into_iter().find(|line| line["name"] == "state").unwrap()
}

#[test]
fn a_state_directory_that_cannot_be_written_fails_where_the_engine_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (path, mode, url, verdict) in [
        (folder.path().join("new/er"), "full", "", "ok"),
        (file.clone(), "full", "", "fail"),
        (file.join("below"), "full", "", "fail"),
        (file.clone(), "standalone", "", "warn"),
        (file, "full", "postgres://db.test/aiops", "warn"),
    ] {
        let mut command = aiops(&["--mode", mode, "--state-dir", path.to_str().unwrap()]);
        if !url.is_empty() {
            command.env("AIOPS_STORE__URL", url);
        }
        let line = state(&mut command);
        assert_eq!(line["verdict"], verdict, "{path:?} {mode} {url}: {line}");
        assert_eq!(line["fix"].is_null(), verdict == "ok", "{line}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "it changes nothing");
}

/// The permissions of the folder alone do not tell: its owner may write to it.
#[test]
fn a_state_directory_of_another_user_fails() {
    let others = std::fs::metadata("/usr").unwrap();
    assert_eq!((others.uid(), others.mode() & 0o222), (0, 0o200), "the superuser alone may write there");
    let mut command = aiops(&["--mode", "full", "--state-dir", "/usr/aiops"]);
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        // The superuser may write everywhere, so that another user has to ask; in a private folder nobody else can start it.
        let is_for_all = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o001 != 0;
        if !Path::new(command.get_program()).ancestors().all(is_for_all) {
            eprintln!("not tested: {:?} is the superuser's alone", command.get_program());
            return;
        }
        command.uid(65_534).gid(65_534);
    }
    let line = state(&mut command);
    assert_eq!(line["verdict"], "fail", "{line}");
    assert_eq!(line["detail"], "/usr/aiops cannot be written");
}
