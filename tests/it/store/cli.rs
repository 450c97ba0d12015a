//! `aiops db` and `aiops audit verify`, as children that know nothing but a state directory.

use std::path::Path;

use aiops_engine::ports::store::Store as _;
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use super::bench::{keep, reopened};
use crate::process::{aiops, output, text};

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn run(folder: &Path, arguments: &[&str]) -> Said {
    let folder = folder.to_string_lossy().into_owned();
    let output = output(&mut aiops(&[&["--state-dir", &folder], arguments].concat()));
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

#[tokio::test]
async fn a_store_is_made_saved_and_restored_from_the_command_line() {
    let outer = tempfile::tempdir().unwrap();
    let state = outer.path().join("state");
    let made = run(&state, &["db", "migrate"]);
    assert_eq!((made.code, made.out.contains("at schema 1")), (0, true), "{}{}", made.out, made.err);
    let store = reopened(&state).await;
    keep(&*store, "web", 1).await.unwrap();
    let file = outer.path().join("backup.db");
    let name = file.to_string_lossy().into_owned();
    // While it is in use.
    let saved = run(&state, &["db", "backup", &name]);
    assert_eq!(saved.code, 0, "{}", saved.err);
    assert!(saved.out.starts_with("1 workflows, 1 incidents and 1 audit lines"), "{}", saved.out);
    let busy = run(&state, &["db", "restore", &name, "--force"]);
    assert_eq!((busy.code, busy.err.contains("end it first")), (1, true), "{}", busy.err);
    store.close().await;
    drop(store);
    let refused = run(&state, &["db", "restore", &name]);
    assert_eq!((refused.code, refused.err.contains("--force")), (1, true), "{}", refused.err);
    let restored = run(&state, &["db", "restore", &name, "--force"]);
    assert_eq!(restored.code, 0, "{}", restored.err);
    assert!(restored.out.contains("1 active workflows are looked at again"), "{}", restored.out);
    let copy = outer.path().join("copy").to_string_lossy().into_owned();
    let copied = run(&state, &["db", "copy", &copy]);
    assert_eq!(copied.code, 0, "{}", copied.err);
    let proven = run(Path::new(&copy), &["audit", "verify"]);
    // What was accepted, what was restored, what was copied.
    assert_eq!((proven.code, proven.out.contains("1 chains with 3 lines")), (0, true), "{}", proven.out);
}

#[tokio::test]
async fn a_changed_audit_is_found_and_its_place_named() {
    let outer = tempfile::tempdir().unwrap();
    let state = outer.path().join("state");
    let store = reopened(&state).await;
    for name in ["a", "b", "c"] {
        keep(&*store, name, 1).await.unwrap();
    }
    store.anchor(2).await.unwrap().unwrap();
    store.close().await;
    drop(store);
    let whole = run(&state, &["audit", "verify"]);
    assert_eq!(whole.code, 0, "{}{}", whole.out, whole.err);
    assert!(whole.out.contains("4 chains with 4 lines are whole; 3 anchored heads"), "{}", whole.out);
    let url = format!("sqlite://{}", state.join("aiops.db").display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    other.execute("UPDATE audit SET actor = 'eve' WHERE chain = 'wf-a'").await.unwrap();
    // A whole chain, written anew or cut off at its end, is caught by the anchor.
    other.execute("DELETE FROM audit WHERE chain = 'wf-b'").await.unwrap();
    other.execute("DELETE FROM audit_head WHERE chain = 'wf-b'").await.unwrap();
    let broken = run(&state, &["audit", "verify"]);
    assert_eq!(broken.code, 1, "{}", broken.out);
    for part in ["the audit chain wf-a is broken at line 1", "the audit chain wf-b had another line 1"] {
        assert!(broken.out.contains(part), "{part:?} is missing in {}", broken.out);
    }
    assert!(broken.err.contains("2 places"), "{}", broken.err);
    let one = run(&state, &["audit", "verify", "wf-c"]);
    assert_eq!(one.code, 0, "{}", one.out);
    let none = run(&state, &["audit", "verify", "wf-x"]);
    assert_eq!((none.code, none.err.contains("there is no chain wf-x")), (1, true), "{}", none.err);
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_looking_at_it() {
    let outer = tempfile::tempdir().unwrap();
    let state = outer.path().join("state");
    let told = run(&state, &["audit", "verify"]);
    assert_eq!((told.code, told.err.contains("there is no store in")), (1, true), "{}", told.err);
    assert!(!state.exists());
}

#[test]
fn a_password_is_not_repeated() {
    let outer = tempfile::tempdir().unwrap();
    let state = outer.path().to_string_lossy().into_owned();
    let mut command = aiops(&["--state-dir", &state, "db", "migrate"]);
    command
        .env("AIOPS_STORE__URL", "postgres://me:hunter2@%2Fnowhere/x")
        .env("AIOPS_STORE__BUSY_TIMEOUT", "200ms");
    let told = output(&mut command);
    let all = format!("{}{}", text(&told.stdout), text(&told.stderr));
    assert_eq!(told.status.code(), Some(1), "{all}");
    assert!(!all.contains("hunter2"), "{all}");
}
