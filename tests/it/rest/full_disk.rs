//! A server whose disk becomes full: what it says then, what it still does, and that it goes on with room, unattended.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use super::{
    super::{
        process::{DEADLINE, Running, aiops, output, text},
        small_disk::{fill, folder, limit, on_a_disk},
    },
    processes::{Server, serve},
};

const EXECUTES: &str = "workflows are executed by this process";

/// Waits for a line of its log.
fn says(server: &Server, words: &str) -> bool {
    let end = Instant::now() + DEADLINE;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        if server.running.stderr.recv_timeout(left).is_ok_and(|line| line.contains(words)) {
            return true;
        }
    }
    false
}

async fn a_server_that_may_not_write_goes_on_when_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "trap '' XFSZ; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_aiops"),
        "serve",
        "--mode",
        "full",
    ]);
    shell.args(["--http", "127.0.0.1:0", "--kubeconfig", "/does/not/exist", "--state-dir"]);
    shell.arg(folder.path()).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    let (running, address) = Running::serving(&mut shell);
    let server = Server { running, address };
    assert!(says(&server, EXECUTES), "it never executed");
    server.recorded("before").await;
    let id = server.running.id();
    limit(id, &fs::metadata(folder.path().join("aiops.db-wal")).unwrap().len().to_string());
    for _ in 0..3 {
        let refused = server.record("meanwhile").await;
        assert_eq!(refused.status, 503, "{refused:?}");
    }
    limit(id, "unlimited");
    assert_eq!(server.record("after").await.status, 201);
    assert_eq!(server.titles().await.len(), 2);
}

#[tokio::test]
async fn what_a_server_may_not_write_it_writes_when_it_may() {
    a_server_that_may_not_write_goes_on_when_it_may().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_disk_is_full_says_so_and_goes_on_with_room() {
    let Some(disk) = folder() else {
        let test = "rest::full_disk::a_server_whose_disk_is_full_says_so_and_goes_on_with_room";
        if !on_a_disk(test) {
            a_server_that_may_not_write_goes_on_when_it_may().await;
        }
        return;
    };
    let (state, filler) = (disk.join("state"), disk.join("filler"));
    let server = serve(&state);
    server.recorded("with room").await;
    fill(&filler);
    let full = loop {
        let reply = server.record("on a full disk").await;
        if reply.status != 201 {
            break reply;
        }
    };
    assert_eq!(full.status, 507, "{full:?}");
    assert_eq!(full.json()["code"], "store_full", "{full:?}");
    let again = server.record("on a full disk").await;
    assert_eq!(again.status, 507, "{again:?}");
    assert!(again.json().to_string().contains("nothing new is taken on"), "{again:?}");
    let told = server.get("/health").await.json()["dependency_details"]["coordination_engine"].clone();
    assert_eq!(told["status"], "degraded", "{told}");
    // What stops is not new work.
    let stop = ["control", "pause", "--reason", "the disk", "--state-dir", state.to_str().unwrap()];
    let stopped = output(&mut aiops(&stop));
    assert!(stopped.status.success(), "{}", text(&stopped.stderr));
    fs::remove_file(&filler).unwrap();
    let end = Instant::now() + DEADLINE;
    loop {
        let reply = server.record("with room again").await;
        if reply.status == 201 {
            break;
        }
        assert_eq!(reply.status, 507, "{reply:?}");
        assert!(Instant::now() < end, "it was never taken: {reply:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Ended in order, and begun on a disk that is full: nobody asks it for anything until it executes.
    server.running.signal("TERM");
    let mut server = server;
    assert!(server.running.wait(DEADLINE).success());
    fs::remove_file(state.join("aiops.reserve")).unwrap();
    fill(&filler);
    let server = serve(&state);
    let end = Instant::now() + DEADLINE;
    loop {
        let reply = server.record("too early").await;
        if reply.status == 507 {
            break;
        }
        assert!(reply.status == 503 && Instant::now() < end, "{reply:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fs::remove_file(&filler).unwrap();
    assert!(says(&server, EXECUTES), "it never executed");
    assert_eq!(server.record("after the start").await.status, 201);
    assert!(state.join("aiops.reserve").exists());
}
