//! Starts, restarts and second processes on one state directory.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use aiops::store::{Opened, Role};
use aiops_engine::{
    model::{ids::WorkflowId, phase::Verdict, workflow::CheckRecord},
    ports::store::{Store as _, StoreError, Write},
    testing::store_contract::Bench as _,
};

use super::bench::{SqliteBench, entry, keep, opened, reopened};

const TTL: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn what_was_kept_is_there_after_a_restart_and_due_at_once() {
    let bench = SqliteBench::new().await;
    keep(&*bench.store, "web", bench.now()).await.unwrap();
    let lease = bench.store.claim("me", TTL).await.unwrap().unwrap();
    assert!(bench.store.hold_duty("sweep", "me", TTL).await.unwrap());
    let SqliteBench { folder, store, .. } = bench;
    // As a process that is killed: nothing is closed in order.
    drop(store);
    let store = reopened(folder.path()).await;
    assert_eq!(store.role(), Role::Sole);
    store.writable().unwrap();
    let again = store.claim("you", TTL).await.unwrap().expect("it is due at once");
    assert!(again.epoch > lease.epoch);
    assert!(store.hold_duty("sweep", "you", TTL).await.unwrap());
    let old = store.commit(&lease.workflow, Some(&lease), &[Write::Audit(entry("old", 1))]).await;
    assert!(matches!(old, Err(StoreError::Fenced)), "{old:?}");
}

#[tokio::test]
async fn a_second_process_reads_and_takes_over_when_the_first_has_ended() {
    let bench = SqliteBench::new().await;
    keep(&*bench.store, "web", bench.now()).await.unwrap();
    let second = opened(bench.folder.path()).await;
    let Opened::Second(second) = second else { panic!("both execute: {second:?}") };
    let refused = second.writable().unwrap_err().to_string();
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    assert!(second.workflow(&WorkflowId::of("web")).await.unwrap().is_some());
    assert!(keep(&*second, "db", 1).await.is_err());
    // What the first writes, the second reads.
    keep(&*bench.store, "db", bench.now()).await.unwrap();
    assert!(second.workflow(&WorkflowId::of("db")).await.unwrap().is_some());
    bench.store.close().await;
    let SqliteBench { folder, store, .. } = bench;
    drop(store);
    second.close().await;
    let Opened::Sole(third) = opened(folder.path()).await else { panic!("nobody took over") };
    keep(&*third, "third", 1).await.unwrap();
}

#[tokio::test]
async fn what_the_first_commits_while_a_second_opens_is_no_loss() {
    let bench = SqliteBench::new().await;
    let is_over = AtomicBool::new(false);
    let write = async {
        let mut commits = 0;
        while !is_over.load(Ordering::SeqCst) {
            keep(&*bench.store, &format!("web-{commits}"), bench.now()).await.unwrap();
            commits += 1;
        }
        commits
    };
    let open = async {
        for n in 0..30 {
            let Opened::Second(second) = opened(bench.folder.path()).await else { panic!("both execute") };
            let refused = second.writable().unwrap_err().to_string();
            assert!(refused.contains("another aiops"), "open {n}: {refused}");
            second.close().await;
        }
        is_over.store(true, Ordering::SeqCst);
    };
    let (commits, ()) = tokio::join!(write, open);
    assert!(commits > 30, "{commits} commits meanwhile are no test");
}

#[cfg(unix)]
#[tokio::test]
async fn its_files_are_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("state").join("aiops");
    let store = reopened(&folder).await;
    keep(&*store, "web", 1).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut names = Vec::new();
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    names.sort();
    assert_eq!(names, ["aiops.db", "aiops.db-shm", "aiops.db-wal", "aiops.lock", "aiops.mark"]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let outer = tempfile::tempdir().unwrap();
    let file = outer.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let store = reopened(&file.join("state")).await;
    let why = store.writable().unwrap_err().to_string();
    assert!(why.contains("cannot be made"), "{why}");
    assert!(store.workflow(&WorkflowId::of("web")).await.is_err());
    assert!(keep(&*store, "web", 1).await.is_err());
}

#[tokio::test]
async fn a_folder_with_a_strange_name_works() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("a b?c#d%20é");
    let store = reopened(&folder).await;
    keep(&*store, "web", 1).await.unwrap();
    assert!(folder.join("aiops.db").exists());
    assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn what_is_read_is_one_moment() {
    let bench = SqliteBench::new().await;
    let id = keep(&*bench.store, "web", bench.now()).await.unwrap().id;
    let is_over = AtomicBool::new(false);
    let write = async {
        let mut workflow = bench.store.workflow(&id).await.unwrap().unwrap().workflow;
        for n in 1..60 {
            workflow.version += 1;
            workflow.cursor = n;
            let check = CheckRecord {
                after_order: n,
                name: "c".to_owned(),
                verdict: Verdict::Passed,
                evidence: None,
                at: None,
            };
            let writes = [Write::Workflow(Box::new(workflow.clone())), Write::Check(check)];
            bench.store.commit(&id, None, &writes).await.unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
    };
    let read = async {
        let mut moments = 0;
        while !is_over.load(Ordering::SeqCst) {
            let record = bench.store.workflow(&id).await.unwrap().unwrap();
            let checks = u32::try_from(record.checks.len()).unwrap();
            assert_eq!(checks, record.workflow.cursor, "the workflow and its checks are of two moments");
            moments += 1;
        }
        moments
    };
    let ((), moments) = tokio::join!(write, read);
    assert!(moments > 5, "it was read {moments} times only");
}
