//! A PostgreSQL server of its own for a test: a throw-away cluster on a Unix socket, ended by its process id.
//!
//! It takes what is on PATH or where Debian puts it, else what `tests/live/postgres` unpacks into `.cache`. It opens no
//! port.

use std::{
    fs::OpenOptions,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use sqlx::{Connection as _, Executor as _, PgConnection};

/// Longest that a server may take to begin or to end, on a machine that has no time for it.
const SOON: Duration = Duration::from_secs(120);
/// PostgreSQL refuses to run as root; Debian's `nobody`.
const NOBODY: u32 = 65_534;

/// A server.
pub(crate) struct Postgres {
    programs: PathBuf,
    folder: tempfile::TempDir,
    server: Option<Child>,
    schemas: AtomicU32,
}

impl Postgres {
    /// Makes a cluster and starts a server on it.
    pub(crate) async fn start() -> Self {
        let programs = programs();
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut initdb = command(&programs.join("initdb"));
        initdb.args(["-U", "aiops", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]);
        let made = initdb.arg(folder.path().join("data")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut postgres = Self { programs, folder, server: None, schemas: AtomicU32::new(0) };
        postgres.go_on().await;
        postgres
    }

    /// Starts the server again, and waits until it answers.
    pub(crate) async fn go_on(&mut self) {
        let mut postgres = command(&self.programs.join("postgres"));
        postgres.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path()).args([
            "-h",
            "",
            "-c",
            "max_connections=100",
            "-c",
            "log_min_messages=fatal",
        ]);
        let log = OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        self.server = Some(postgres.stderr(log).spawn().unwrap());
        let until = Instant::now() + SOON;
        while let Err(error) = PgConnection::connect(&self.url()).await {
            assert!(Instant::now() < until, "the server does not answer: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the server at once, as a crash does: `QUIT` aborts every session, and what was committed is in the log.
    pub(crate) fn crash(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let _ = Command::new("kill").args(["-QUIT", &server.id().to_string()]).status();
        let until = Instant::now() + SOON;
        while server.try_wait().unwrap().is_none() {
            if Instant::now() > until {
                let _ = server.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where its socket is.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
    }

    /// Its URL, through the socket in this folder.
    pub(crate) fn url_through(folder: &Path) -> String {
        let folder = folder.to_string_lossy().replace('/', "%2F");
        format!("postgres://aiops@{folder}/postgres")
    }

    fn url(&self) -> String {
        Self::url_through(self.folder.path())
    }

    /// An empty schema of its own; the words that lead to it behind any URL of this server.
    pub(crate) async fn schema(&self) -> String {
        let name = format!("s{}", self.schemas.fetch_add(1, Ordering::Relaxed));
        let mut conn = PgConnection::connect(&self.url()).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {name}"));
        conn.execute(sqlx::raw_sql(create)).await.unwrap();
        conn.close().await.unwrap();
        format!("?options[search_path]={name}")
    }

    /// The URL of an empty schema.
    pub(crate) async fn place(&self) -> String {
        format!("{}{}", self.url(), self.schema().await)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.crash();
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).current_dir("/").env_remove("PGDATA");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// The folder of `initdb` and `postgres`.
fn programs() -> PathBuf {
    let fetch = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/postgres");
    let told = Command::new(&fetch).output().unwrap_or_else(|error| panic!("{}: {error}", fetch.display()));
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    PathBuf::from(String::from_utf8_lossy(&told.stdout).trim())
}
