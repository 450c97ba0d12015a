//! A connection that is cut between a commit and its answer: whether it was made is not known, and the store says so.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use aiops::store::{Options, open};
use aiops_engine::{
    model::ids::WorkflowId,
    ports::store::{Store as _, StoreError, Taken},
};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

use super::{Wall, acceptance, opened, options};
use crate::support::Postgres;

/// When the next commit is cut.
#[derive(Default)]
pub(super) struct Scissors {
    pub(super) before: AtomicBool,
    pub(super) after: AtomicBool,
    pub(super) cuts: AtomicU32,
    /// Counted up: the lines of before are cut without a word.
    pub(super) silence: AtomicU32,
}

/// Stands between the store and the server, and lets everything through until it is told to cut.
pub(super) async fn stand_between(listener: UnixListener, server: PathBuf, scissors: Arc<Scissors>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, scissors) = (server.clone(), Arc::clone(&scissors));
        tokio::spawn(async move {
            let Ok(upstream) = UnixStream::connect(server).await else { return };
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = upstream.into_split();
            let mut up = vec![0; 65_536];
            let mut down = vec![0; 65_536];
            let era = scissors.silence.load(Ordering::SeqCst);
            loop {
                if scissors.silence.load(Ordering::SeqCst) != era {
                    // Both ends believe that the other one is there.
                    return std::future::pending().await;
                }
                tokio::select! {
                    read = from_client.read(&mut up) => {
                        let Ok(n @ 1..) = read else { return };
                        if scissors.silence.load(Ordering::SeqCst) != era {
                            continue;
                        }
                        let is_commit = up[..n].windows(6).any(|window| window == b"COMMIT");
                        if is_commit && scissors.before.swap(false, Ordering::SeqCst) {
                            scissors.cuts.fetch_add(1, Ordering::SeqCst);
                            return;
                        }
                        if to_server.write_all(&up[..n]).await.is_err() {
                            return;
                        }
                        if is_commit && scissors.after.swap(false, Ordering::SeqCst) {
                            // The server has made it when it begins to answer.
                            let _ = from_server.read(&mut down).await;
                            scissors.cuts.fetch_add(1, Ordering::SeqCst);
                            return;
                        }
                    }
                    read = from_server.read(&mut down) => {
                        let Ok(n @ 1..) = read else { return };
                        if to_client.write_all(&down[..n]).await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_unknown() {
    let server = Postgres::start().await;
    let schema = server.schema().await;
    let between = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(between.path().join(".s.PGSQL.5432")).unwrap();
    let scissors = Arc::new(Scissors::default());
    let proxy = tokio::spawn(stand_between(listener, server.socket(), Arc::clone(&scissors)));
    let url = format!("{}{schema}", Postgres::url_through(between.path()));
    let short = Options { busy_timeout: Duration::from_secs(3), ..options(&url) };
    let store = Arc::clone(open(&short, Arc::new(Wall)).await.unwrap().store());
    assert!(matches!(store.accept(&acceptance("whole", 1)).await.unwrap(), Taken::New { .. }));
    for (name, is_there) in [("made", true), ("lost", false), ("made-2", true), ("lost-2", false)] {
        if is_there { &scissors.after } else { &scissors.before }.store(true, Ordering::SeqCst);
        let cut = store.accept(&acceptance(name, 1)).await;
        assert!(matches!(cut, Err(StoreError::Unknown(_))), "{name}: {cut:?}");
        let record = store.workflow(&WorkflowId::of(name)).await.unwrap();
        assert_eq!(record.is_some(), is_there, "{name}");
        // Asking again finds out.
        let again = store.accept(&acceptance(name, 1)).await.unwrap();
        match is_there {
            true => assert_eq!(again, Taken::Duplicate(WorkflowId::of(name))),
            false => assert!(matches!(again, Taken::New { .. }), "{again:?}"),
        }
    }
    assert_eq!(scissors.cuts.load(Ordering::SeqCst), 4);
    proxy.abort();
    let direct =
        opened(&format!("{}{schema}", Postgres::url_through(server.socket().parent().unwrap()))).await;
    assert!(direct.workflow(&WorkflowId::of("whole")).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_cut_without_a_word_are_given_up_and_others_taken() {
    let server = Postgres::start().await;
    let schema = server.schema().await;
    let between = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(between.path().join(".s.PGSQL.5432")).unwrap();
    let scissors = Arc::new(Scissors::default());
    let proxy = tokio::spawn(stand_between(listener, server.socket(), Arc::clone(&scissors)));
    let url = format!("{}{schema}", Postgres::url_through(between.path()));
    let short = Options { busy_timeout: Duration::from_secs(4), ..options(&url) };
    let store = Arc::clone(open(&short, Arc::new(Wall)).await.unwrap().store());
    let at_once = async |from: u32| {
        let mut all = tokio::task::JoinSet::new();
        for n in from..from + 24 {
            let store = Arc::clone(&store);
            all.spawn(async move { store.accept(&acceptance(&format!("w{n}"), 1)).await });
        }
        all.join_all().await
    };
    // As many connections as there may be, most of them idle and some in use when they fall silent.
    assert!(at_once(0).await.into_iter().all(|taken| taken.is_ok()));
    let (caught, ()) = tokio::join!(at_once(100), async {
        scissors.silence.fetch_add(1, Ordering::SeqCst);
    });
    println!("{} of {} that were under way were kept", caught.iter().flatten().count(), caught.len());
    // A time later than any wait for the old ones, and long before TCP would give them up.
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    while let Err(error) = store.accept(&acceptance("after", 1)).await {
        assert!(tokio::time::Instant::now() < until, "the pool keeps what is dead: {error}");
    }
    // All of them are new by now, or there is room for new ones.
    let again = at_once(200).await;
    assert!(again.iter().all(Result::is_ok), "{again:?}");
    // Idle ones cost nobody an error.
    scissors.silence.fetch_add(1, Ordering::SeqCst);
    store.accept(&acceptance("idle", 1)).await.unwrap();
    proxy.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_a_time_when_nothing_could_be_written_are_given_up() {
    let server = Postgres::start().await;
    let url = server.place().await;
    let warm = opened(&url).await;
    warm.accept(&acceptance("first", 1)).await.unwrap();
    let mut operator =
        PgConnection::connect(&Postgres::url_through(server.socket().parent().unwrap())).await.unwrap();
    // As a standby answers: each session that begins now refuses to write, for as long as it lasts.
    operator.execute("ALTER ROLE aiops SET default_transaction_read_only = on").await.unwrap();
    let store = opened(&url).await;
    for n in 0..3 {
        let refused = store.accept(&acceptance(&format!("refused-{n}"), 1)).await;
        assert!(
            matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("read-only")),
            "{refused:?}"
        );
    }
    operator.execute("ALTER ROLE aiops RESET default_transaction_read_only").await.unwrap();
    store.accept(&acceptance("second", 1)).await.unwrap();
    assert!(warm.workflow(&WorkflowId::of("second")).await.unwrap().is_some());
}
