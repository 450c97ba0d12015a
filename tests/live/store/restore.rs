//! Restores into PostgreSQL: what was there is there until the whole backup is, whatever happens in between.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use aiops::store::{SqlStore, backup};
use aiops_engine::{
    model::ids::WorkflowId,
    ports::store::{Store as _, StoreError, WorkflowFilter},
};
use tokio::net::UnixListener;

use super::{
    Wall, acceptance,
    cut::{Scissors, stand_between},
    in_folder, opened, options,
};
use crate::support::Postgres;

async fn keep(store: &SqlStore, names: &[&str]) {
    for name in names {
        store.accept(&acceptance(name, 1)).await.unwrap();
    }
}

async fn kept(store: &SqlStore) -> Vec<String> {
    let all = store.workflows(&WorkflowFilter { limit: 99, ..WorkflowFilter::default() }).await.unwrap();
    let mut names: Vec<String> = all.rows.iter().map(|workflow| workflow.id.to_string()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_replaces_everything_or_nothing() {
    let server = Postgres::start().await;
    let schema = server.schema().await;
    let direct = format!("{}{schema}", Postgres::url_through(server.socket().parent().unwrap()));
    let between = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(between.path().join(".s.PGSQL.5432")).unwrap();
    let scissors = Arc::new(Scissors::default());
    let proxy = tokio::spawn(stand_between(listener, server.socket(), Arc::clone(&scissors)));
    let through = options(&format!("{}{schema}", Postgres::url_through(between.path())));

    // The backup: of another store, in a file.
    let folder = tempfile::tempdir().unwrap();
    let other = in_folder(&folder.path().join("other"));
    let source = aiops::store::open(&other, Arc::new(Wall)).await.unwrap();
    keep(source.store(), &["new-1", "new-2", "new-3"]).await;
    source.store().close().await;
    drop(source);
    let file = folder.path().join("backup.db");
    backup::backup(&other, &file, Arc::new(Wall)).await.unwrap();

    let store = opened(&direct).await;
    keep(&store, &["old-1", "old-2"]).await;
    let old = kept(&store).await;

    // Somebody executes: a duty, and then a workflow.
    assert!(store.hold_duty("sweep", "somebody", Duration::from_secs(600)).await.unwrap());
    let refused = backup::restore(&options(&direct), &file, true, Arc::new(Wall)).await;
    let told = match refused {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(told.contains("sweep is held for") && told.contains("end every replica"), "{told}");
    assert!(store.hold_duty("sweep", "somebody", Duration::ZERO).await.unwrap());
    let lease = store.claim("somebody", Duration::from_secs(600)).await.unwrap().unwrap();
    let refused = backup::restore(&options(&direct), &file, true, Arc::new(Wall)).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains(lease.workflow.as_str())),
        "{refused:?}"
    );
    assert!(store.renew(&lease, Duration::ZERO).await.unwrap());

    // It dies with everything written and nothing committed.
    scissors.before.store(true, Ordering::SeqCst);
    let cut = backup::restore(&through, &file, true, Arc::new(Wall)).await;
    assert!(matches!(cut, Err(StoreError::Unknown(_))), "{cut:?}");
    assert_eq!(scissors.cuts.load(Ordering::SeqCst), 1);
    assert_eq!(kept(&store).await, old);
    for id in &old {
        let id = WorkflowId::parse(id).unwrap();
        assert!(store.workflow(&id).await.unwrap().is_some());
        assert_eq!(store.audit(id.as_str(), 0, 9).await.unwrap().len(), 1, "{id}");
    }
    // Whoever writes meanwhile waits or is refused, and what it wrote is there before or not at all.
    let writes = async {
        let mut written = Vec::new();
        for n in 0..40 {
            let name = format!("meanwhile-{n}");
            if store.accept(&acceptance(&name, 1)).await.is_ok() {
                written.push(format!("wf-{name}"));
            }
        }
        written
    };
    let to = options(&direct);
    let (restored, written) = tokio::join!(backup::restore(&to, &file, true, Arc::new(Wall)), writes);
    let restored = restored.unwrap();
    assert_eq!((restored.rows.of("workflow"), restored.active), (3, 3));
    let now = kept(&store).await;
    let (new, later): (Vec<_>, Vec<_>) = now.into_iter().partition(|id| id.starts_with("wf-new"));
    assert_eq!(new.len(), 3);
    assert!(later.iter().all(|id| written.contains(id)), "{later:?}");
    // The answer to the commit is lost: it is said not to be known, and all of it is there.
    scissors.after.store(true, Ordering::SeqCst);
    let cut = backup::restore(&through, &file, true, Arc::new(Wall)).await;
    assert!(matches!(cut, Err(StoreError::Unknown(_))), "{cut:?}");
    assert_eq!(kept(&store).await, ["wf-new-1", "wf-new-2", "wf-new-3"]);
    assert!(store.claim("me", Duration::from_secs(9)).await.unwrap().unwrap().is_restored());
    proxy.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_makes_nothing_in_the_database_that_it_reads() {
    let server = Postgres::start().await;
    let url = server.place().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    for _ in 0..2 {
        let refused = backup::backup(&options(&url), &file, Arc::new(Wall)).await;
        assert!(
            matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("no store of aiops")),
            "{refused:?}"
        );
        assert!(!file.exists());
    }
    keep(&*opened(&url).await, &["web"]).await;
    assert_eq!(backup::backup(&options(&url), &file, Arc::new(Wall)).await.unwrap().of("workflow"), 1);
}
