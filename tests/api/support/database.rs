//! A migrated database for one test, borrowed from the server that all test processes of a run share
//! (`aponta test-databases`, started by the first test).

use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

const PROGRAM: &str = env!("CARGO_BIN_EXE_aponta");

/// A database that is dropped with the value.
#[derive(Debug)]
pub struct TestDatabase {
    pub url: String,
    /// The loan ends when this connection closes.
    _loan: UnixStream,
}

impl TestDatabase {
    pub async fn new() -> Self {
        tokio::task::spawn_blocking(borrow).await.unwrap()
    }

    /// A small pool for looking at tables directly.
    pub async fn pool(&self) -> PgPool {
        let options: PgConnectOptions = self.url.parse().unwrap();
        let options = options.options([("search_path", "api_aponta")]);
        PgPoolOptions::new()
            .max_connections(2)
            .connect_with(options)
            .await
            .unwrap()
    }
}

fn borrow() -> TestDatabase {
    let socket = socket_path();
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(database) = try_borrow(&socket) {
            return database;
        }
        assert!(
            Instant::now() < deadline,
            "no test database; see {}",
            log_path().display()
        );
        start_lender(&socket);
    }
}

fn try_borrow(socket: &Path) -> Option<TestDatabase> {
    let stream = UnixStream::connect(socket).ok()?;
    let mut url = String::new();
    BufReader::new(&stream).read_line(&mut url).ok()?;
    let url = url.strip_suffix('\n')?.to_owned();
    Some(TestDatabase { url, _loan: stream })
}

/// Starts the lender unless another process just did; returns when its socket is there or it died.
fn start_lender(socket: &Path) {
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(shared_file("lock"))
        .unwrap();
    lock.lock().unwrap();
    if UnixStream::connect(socket).is_ok() {
        return;
    }
    // A socket without an answer is that of a lender that was killed.
    let _ = std::fs::remove_file(socket);
    let log = File::create(log_path()).unwrap();
    let mut lender = Command::new(PROGRAM)
        .arg("test-databases")
        .arg(socket)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .process_group(0)
        .spawn()
        .unwrap();
    while !socket.exists() {
        if let Some(status) = lender.try_wait().unwrap() {
            let log = std::fs::read_to_string(log_path()).unwrap_or_default();
            panic!("the test database server ended ({status}):\n{log}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // It may end before this process does, and must be collected.
    std::thread::spawn(move || lender.wait());
}

/// The log of the lender that was started last.
fn log_path() -> PathBuf {
    shared_file("log")
}

/// One socket per build of the program: a rebuilt one may have other migrations.
fn socket_path() -> PathBuf {
    let modified = std::fs::metadata(PROGRAM).unwrap().modified().unwrap();
    let mut hasher = DefaultHasher::new();
    (PROGRAM, modified).hash(&mut hasher);
    std::env::temp_dir().join(format!("aponta-test-{:016x}.sock", hasher.finish()))
}

/// A file that the test processes of this user share.
fn shared_file(extension: &str) -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    std::env::temp_dir().join(format!("aponta-test-{user}.{extension}"))
}
