//! The store on a real PostgreSQL: the contract of the port, and what it does when the server is taken away.

mod copies;
mod cut;
mod load;
mod restore;
mod told;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aiops::store::{Location, Options, SqlStore, backup, open};
use aiops_engine::{
    model::{Millis, ids::WorkflowId},
    ports::{
        Clock,
        store::{Lease, Store, StoreError, Taken, WorkflowFilter},
    },
    testing::store_contract::{Bench, ManualClock, checks},
};
use async_trait::async_trait;

use crate::{sample::acceptance, support::Postgres};

/// The system's time: PostgreSQL has its own, and no test here needs them to be one.
struct Wall;

impl Clock for Wall {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

fn options(url: &str) -> Options {
    let location = Location::Postgres(url.to_owned());
    Options { location, busy_timeout: Duration::from_secs(5), max_bytes: None }
}

fn in_folder(folder: &Path) -> Options {
    let location = Location::Folder(folder.to_owned());
    Options { location, busy_timeout: Duration::from_secs(1), max_bytes: None }
}

async fn opened(url: &str) -> Arc<SqlStore> {
    Arc::clone(open(&options(url), Arc::new(Wall)).await.unwrap().store())
}

struct PostgresBench(Arc<SqlStore>);

#[async_trait]
impl Bench for PostgresBench {
    fn store(&self) -> Arc<dyn Store> {
        Arc::<SqlStore>::clone(&self.0)
    }

    fn now(&self) -> Millis {
        Wall.now().as_millisecond()
    }

    /// The server's time cannot be moved.
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    let server = Postgres::start().await;
    let mut wrong = Vec::new();
    for check in checks() {
        let bench = Arc::new(PostgresBench(opened(&server.place().await).await));
        if let Err(found) = check.run(Arc::<PostgresBench>::clone(&bench)).await {
            wrong.push(found.to_string());
        }
        bench.0.close().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_migrate_and_claim_at_once() {
    let server = Postgres::start().await;
    let url = server.place().await;
    let mut running = tokio::task::JoinSet::new();
    for process in 0..3 {
        let url = url.clone();
        running.spawn(async move {
            let store = opened(&url).await;
            let mut leases: Vec<Lease> = Vec::new();
            for n in 0..20 {
                let name = format!("p{process}-{n}");
                let taken = store.accept(&acceptance(&name, Wall.now().as_millisecond())).await.unwrap();
                assert!(matches!(taken, Taken::New { .. }), "{taken:?}");
                leases.extend(store.claim(&format!("p{process}"), Duration::from_secs(60)).await.unwrap());
            }
            while let Some(lease) =
                store.claim(&format!("p{process}"), Duration::from_secs(60)).await.unwrap()
            {
                leases.push(lease);
            }
            store.close().await;
            leases
        });
    }
    let mut claimed: Vec<WorkflowId> = Vec::new();
    while let Some(leases) = running.join_next().await {
        let leases = leases.unwrap();
        assert!(leases.iter().all(|lease| lease.epoch == 1));
        claimed.extend(leases.into_iter().map(|lease| lease.workflow));
    }
    let all = claimed.len();
    claimed.sort();
    claimed.dedup();
    assert_eq!((all, claimed.len()), (60, 60), "each was claimed once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_loses_nothing_that_was_acknowledged() {
    let mut server = Postgres::start().await;
    let url = server.place().await;
    let store = opened(&url).await;
    store.prepare().await.unwrap();
    let (mut acknowledged, mut unknown, mut refused) = (Vec::new(), Vec::new(), 0);
    for round in 0..4 {
        let kept = Arc::new(AtomicUsize::new(0));
        let triggers = {
            let (store, kept) = (Arc::clone(&store), Arc::clone(&kept));
            tokio::spawn(async move {
                let (mut done, mut errors) = (Vec::new(), 0);
                while errors < 4 {
                    let name = format!("r{round}-{}", done.len());
                    let taken = store.accept(&acceptance(&name, 1)).await;
                    match taken {
                        Ok(_) => {
                            kept.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(_) => errors += 1,
                    }
                    done.push((name, taken));
                }
                done
            })
        };
        // Somewhere in the middle of it.
        while kept.load(Ordering::Relaxed) < 8 + 5 * round && !triggers.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.crash();
        for (name, taken) in triggers.await.unwrap() {
            match taken {
                Ok(Taken::New { .. }) => acknowledged.push(name),
                Ok(other) => panic!("{name} was taken as {other:?}"),
                Err(StoreError::Unknown(_)) => unknown.push(name),
                Err(StoreError::Unavailable(_)) => refused += 1,
                Err(other) => panic!("{name}: {other:?}"),
            }
        }
        server.go_on().await;
    }
    println!("{} acknowledged, {} unknown, {refused} refused", acknowledged.len(), unknown.len());
    assert!(acknowledged.len() > 20 && refused > 0, "{} acknowledged", acknowledged.len());
    let store = opened(&url).await;
    for name in &acknowledged {
        let record = store.workflow(&WorkflowId::of(name)).await.unwrap();
        assert!(record.is_some(), "{name} was acknowledged and is gone");
        let lines = store.audit(&format!("wf-{name}"), 0, 9).await.unwrap();
        assert_eq!(lines.len(), 1, "{name}");
    }
    // What is unknown is there whole or not at all.
    let all = store.workflows(&WorkflowFilter { limit: 5_000, ..WorkflowFilter::default() }).await.unwrap();
    assert!(all.total >= u64::try_from(acknowledged.len()).unwrap());
    assert!(all.total <= u64::try_from(acknowledged.len() + unknown.len()).unwrap());
    for workflow in all.rows {
        assert!(store.incident(&workflow.incident).await.unwrap().is_some(), "{}", workflow.id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_at_the_start_keeps_nobody_from_starting() {
    let mut server = Postgres::start().await;
    let url = server.place().await;
    server.crash();
    let short = Options { busy_timeout: Duration::from_millis(500), ..options(&url) };
    let store = Arc::clone(open(&short, Arc::new(Wall)).await.unwrap().store());
    let refused = store.accept(&acceptance("web", 1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(store.workflow(&WorkflowId::of("web")).await.is_err());
    server.go_on().await;
    assert!(matches!(store.accept(&acceptance("web", 1)).await.unwrap(), Taken::New { .. }));
    store.writable().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_moves_from_sqlite_to_postgres_and_back() {
    let server = Postgres::start().await;
    let url = server.place().await;
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let (first, second) = (folder.path().join("one"), folder.path().join("two"));
    let opened_first = open(&in_folder(&first), Arc::<ManualClock>::clone(&clock)).await.unwrap();
    let store = opened_first.store();
    for n in 0..25 {
        store.accept(&acceptance(&format!("w{n}"), clock.millis())).await.unwrap();
    }
    store.anchor(clock.millis()).await.unwrap().unwrap();
    store.close().await;
    let there = backup::copy(&in_folder(&first), &options(&url), Arc::new(Wall)).await.unwrap();
    assert_eq!((there.rows.of("workflow"), there.active), (25, 25));
    let again = backup::copy(&in_folder(&first), &options(&url), Arc::new(Wall)).await;
    assert!(matches!(again, Err(StoreError::Changed(_))), "{again:?}");
    let back = backup::copy(&options(&url), &in_folder(&second), Arc::new(Wall)).await.unwrap();
    assert_eq!(back.rows.of("workflow"), 25);
    // A backup of PostgreSQL is a file too, and goes anywhere.
    let file = folder.path().join("backup.db");
    let saved = backup::backup(&options(&url), &file, Arc::new(Wall)).await.unwrap();
    assert_eq!(saved.of("workflow"), 25);
    let refused = backup::restore(&options(&url), &file, false, Arc::new(Wall)).await;
    assert!(matches!(refused, Err(StoreError::Changed(_))), "{refused:?}");
    let restored = backup::restore(&options(&url), &file, true, Arc::new(Wall)).await.unwrap();
    assert_eq!(restored.active, 25);
    let postgres = opened(&url).await;
    let opened_second = open(&in_folder(&second), Arc::new(Wall)).await.unwrap();
    for store in [&postgres, opened_second.store()] {
        let all = store.workflows(&WorkflowFilter { limit: 99, ..WorkflowFilter::default() }).await.unwrap();
        assert_eq!(all.total, 25);
        for (chain, seq, hash) in store.audit_heads().await.unwrap() {
            let lines = store.audit(&chain, 0, 99).await.unwrap();
            let head = aiops_engine::audit::verify(&lines).unwrap();
            assert_eq!((head.seq, head.hash), (seq, hash), "{chain}");
        }
        assert!(store.claim("me", Duration::from_secs(9)).await.unwrap().unwrap().epoch > 100_000);
    }
    // What was restored is known by its epochs, what was copied is not.
    let of = async |store: &SqlStore| store.claim("me", Duration::from_secs(9)).await.unwrap().unwrap();
    assert!(of(&postgres).await.is_restored());
    assert!(!of(opened_second.store()).await.is_restored());
}
