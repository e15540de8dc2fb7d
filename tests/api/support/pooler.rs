//! `PgBouncer` between the service and its test databases, when `APONTA_TEST_PGBOUNCER` names the program:
//! the suite then shows that the service keeps nothing in a session. `.ci/pgbouncer` does.

use std::collections::HashMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

const PROGRAM: &str = "APONTA_TEST_PGBOUNCER";

/// The same database through the pooler, if there is one.
#[expect(
    clippy::disallowed_methods,
    reason = "how the suite is run, not how the service is configured"
)]
pub fn through_pooler(url: &str) -> String {
    // The server of the test databases may have been another one a while ago.
    static PORTS: LazyLock<Mutex<HashMap<String, u16>>> = LazyLock::new(Mutex::default);
    let Ok(program) = std::env::var(PROGRAM) else {
        return url.to_owned();
    };
    // Only databases that were lent are pooled, and those only once; others are there to be seen failing.
    let server: PgConnectOptions = url.parse().unwrap();
    let lent = server
        .get_database()
        .is_some_and(|name| name.starts_with("test_"));
    let Some(socket) = server.get_socket().filter(|_| lent) else {
        return url.to_owned();
    };
    let host = socket.display().to_string();
    let mut ports = PORTS.lock().unwrap();
    let port = *ports
        .entry(host)
        .or_insert_with_key(|host| start(&program, url, host, server.get_port()));
    let (login, rest) = url.split_once('@').unwrap();
    let name = rest.split_once('/').unwrap().1;
    let name = name.split('?').next().unwrap();
    format!("{login}@127.0.0.1:{port}/{name}")
}

/// Starts it in front of the server of `url`, with what deploy/pgbouncer says of pooling.
fn start(program: &str, url: &str, host: &str, server_port: u16) -> u16 {
    let password = url.split_once("://").unwrap().1.split_once('@').unwrap().0;
    let (user, password) = password.split_once(':').unwrap();
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let ours = |line: &&str| {
        let set_below = ["%include", "listen_", "auth_", "unix_socket_dir", "["];
        !set_below.iter().any(|start| line.starts_with(start))
    };
    let pooling: Vec<&str> = include_str!("../../../deploy/pgbouncer/pgbouncer.ini")
        .lines()
        .filter(ours)
        .collect();
    let settings = connect_query();
    let ini = format!(
        "[databases]\n* = host={host} port={server_port} user={user} password={password} connect_query='{settings}'\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n{}\n\
         default_pool_size = 4\nserver_idle_timeout = 2\n",
        pooling.join("\n"),
    );
    let folder = tempfile::tempdir().unwrap().keep();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join("pgbouncer.ini"), ini).unwrap();
    let log = fs::File::create(folder.join("log")).unwrap();
    // It may not run as root; and it ends with this process, which closes the pipe whatever its end.
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(r#""$0" pgbouncer.ini & read -r _; kill -QUIT $!; rm -rf "$PWD""#)
        .arg(program)
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    if rustix::process::geteuid().is_root() {
        // The user of the database, which alone reaches its socket.
        let owner = fs::metadata(host).unwrap();
        shell.uid(owner.uid()).gid(owner.gid());
        chown(&folder, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let child = shell.spawn().expect("PgBouncer does not start");
    std::mem::forget(child);
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(Instant::now() < deadline, "PgBouncer does not listen: {}", log());
        std::thread::sleep(Duration::from_millis(10));
    }
    port
}

/// What deploy/pgbouncer/entrypoint tells every server connection, with the defaults of the service.
fn connect_query() -> String {
    let entrypoint = include_str!("../../../deploy/pgbouncer/entrypoint");
    let (_, rest) = entrypoint.split_once("connect_query='").unwrap();
    let (query, _) = rest.split_once('\'').unwrap();
    query
        .replace("$schema", "api_aponta")
        .replace("$timeout", "10000")
        .replace("$lock_wait", "2000")
}
