//! Clients that send a byte now and then, and clients that only hold a connection: all others are served as
//! if they were not there, and the server ends them by its own deadlines.
//!
//! `APONTA_IDLE_CONNECTIONS=10000 cargo test --test api slow_clients` is the long form.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::get;
use crate::support::process::{Running, aponta, open_folder};
use crate::support::{TestDatabase, eventually};

/// Idle connections by default.
const IDLE: usize = 500;
/// Clients that never finish what they send, of each kind.
const SLOW: usize = 200;
/// As many connect at once as the smallest queue of a listener holds.
const SOME: usize = 100;
/// Between two bytes of theirs.
const DRIP: Duration = Duration::from_millis(250);
/// What the server grants them, in seconds; long enough that all are there at once.
const DEADLINE: &str = "15";
/// What a busy machine may add to that.
const PATIENCE: Duration = Duration::from_secs(50);

fn idle_connections() -> usize {
    #[expect(clippy::disallowed_methods, reason = "asked for on the command line")]
    let asked = std::env::var("APONTA_IDLE_CONNECTIONS");
    asked.map_or(IDLE, |text| text.parse().expect("a number of connections"))
}

/// The program over the database, and where it listens.
pub async fn serve(url: &str, folder: &Path, variables: &[(&str, &str)]) -> (Running, String) {
    let mut command = aponta(folder, &["serve"]);
    command
        .env("DATABASE_URL", crate::support::pooler::through_pooler(url))
        .env("DATABASE_POOL_MAX", "4")
        .env("API_HOST", "127.0.0.1")
        .env("API_PORT", "0")
        .env("AUTH_ENABLED", "false")
        .env("RATE_LIMIT_ENABLED", "false")
        .env("METRICS_ADDR", "off")
        .env("LOG_FORMAT", "text")
        // The test reads no further than the line with the address.
        .env("RUST_LOG", "error,aponta::cli=info")
        .envs(variables.iter().copied());
    let mut running = Running::start(command);
    let line = running.line_with("serving").await;
    let (_, port) = line.split_once("127.0.0.1:").expect("an address");
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    (running, format!("127.0.0.1:{port}"))
}

/// Lets this process, and those that it starts, open so many files. Whether that is allowed.
fn may_open(files: usize) -> bool {
    let mut limit = getrlimit(Resource::Nofile);
    let files = files as u64;
    let enough = |limit: Option<u64>| limit.is_none_or(|most| most >= files);
    if enough(limit.current) {
        return true;
    }
    if !enough(limit.maximum) {
        return false;
    }
    limit.current = Some(files);
    setrlimit(Resource::Nofile, limit).is_ok()
}

/// Sends `head`, then a byte now and then; returns what the server said when it ended that.
async fn drip(mut stream: TcpStream, head: &'static str) -> String {
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut from, mut to) = stream.split();
    let dripping = async {
        // Until the connection is gone.
        while to.write_all(b"x").await.is_ok() {
            tokio::time::sleep(DRIP).await;
        }
        std::future::pending::<()>().await;
    };
    let mut text = Vec::new();
    let reading = async {
        // A reset is an end too.
        let _ = from.read_to_end(&mut text).await;
    };
    tokio::select! {
        () = reading => {}
        () = dripping => {}
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Holds a connection that made a request before, or never; returns once the server ended it.
async fn idle(mut stream: TcpStream, used: bool) -> String {
    if used {
        let request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
    }
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

/// Longest time to serve a client that does not dawdle.
async fn slowest_answer(client: &reqwest::Client, list: &str, health: &str) -> Duration {
    let mut slowest = Duration::ZERO;
    for url in [list, health].into_iter().cycle().take(40) {
        // On a connection that is kept, and on a new one.
        for client in [client, &reqwest::Client::new()] {
            let seen = get(client, url).await;
            assert_eq!(seen.status, 200);
            slowest = slowest.max(seen.took);
        }
    }
    slowest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_delay_no_request_and_are_cut() {
    let idle_connections = idle_connections();
    let all = idle_connections + 2 * SLOW;
    if !may_open(all + 500) {
        println!("skipped: {all} connections need more open files than `ulimit -Hn` allows");
        return;
    }
    let database = TestDatabase::new().await;
    let folder = open_folder();
    let settings = [
        ("API_HEADER_READ_TIMEOUT_SECONDS", DEADLINE),
        ("API_REQUEST_TIMEOUT_SECONDS", DEADLINE),
        // All of them come from one address here.
        ("API_MAX_CONNECTIONS_PER_ADDRESS", "1000000"),
    ];
    let (running, address) = serve(&database.url, folder.path(), &settings).await;
    let client = reqwest::Client::new();
    let list = format!("http://{address}/api/v1/atividades");
    let health = format!("http://{address}/health");
    get(&client, &list).await;

    let started = Instant::now();
    let dawdling = Dawdling::start(&address, idle_connections).await;
    let slowest = slowest_answer(&client, &list, &health).await;
    let still = all - dawdling.ended.load(Ordering::Relaxed);
    println!(
        "{all} dawdlers since {:?}, {still} still there; slowest answer {slowest:?}",
        started.elapsed()
    );
    assert!(
        still > all / 2,
        "the machine is too slow to have them all there at once"
    );
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");

    let [heads, bodies, silent, used] = dawdling.clients;
    let ended = async |what: &str, dawdlers: JoinSet<String>| {
        let all = timeout(PATIENCE.saturating_sub(started.elapsed()), dawdlers.join_all()).await;
        println!("{what} ended after {:?}", started.elapsed());
        all.unwrap_or_else(|_| panic!("the server lets {what} dawdle for ever"))
    };
    let silent = ended("silent ones", silent).await;
    let used = ended("ones kept after a request", used).await;
    let heads = ended("slow heads", heads).await;
    let bodies = ended("slow bodies", bodies).await;
    assert_ended(&heads, &bodies, &silent, &used);
    assert_eq!(get(&client, &list).await.status, 200);
    assert_eq!(running.signal("TERM").await, 0);
}

/// Clients that dawdle: slow heads, slow bodies, silent ones, ones kept after a request.
struct Dawdling {
    clients: [JoinSet<String>; 4],
    ended: Arc<AtomicUsize>,
}

impl Dawdling {
    /// Connects all of them, some at a time.
    async fn start(address: &str, idle_connections: usize) -> Self {
        let open = Arc::new(AtomicUsize::new(0));
        let mut dawdling = Self {
            clients: Default::default(),
            ended: Arc::default(),
        };
        let counts = [SLOW, SLOW, idle_connections / 2, idle_connections.div_ceil(2)];
        let mut expected = 0;
        for (kind, mut left) in counts.into_iter().enumerate() {
            while left > 0 {
                let some = left.min(SOME);
                left -= some;
                expected += some;
                for _ in 0..some {
                    let (open, ended) = (Arc::clone(&open), Arc::clone(&dawdling.ended));
                    dawdling.clients[kind].spawn(dawdle(address.to_owned(), kind, open, ended));
                }
                eventually("they are connected", async || {
                    open.load(Ordering::Relaxed) >= expected
                })
                .await;
                // A later connection is accepted after them.
                get(&reqwest::Client::new(), &format!("http://{address}/health")).await;
            }
        }
        dawdling
    }
}

/// Dawdles on one connection until the server ends it, and returns its answer.
async fn dawdle(address: String, kind: usize, open: Arc<AtomicUsize>, ended: Arc<AtomicUsize>) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    open.fetch_add(1, Ordering::Relaxed);
    let said = match kind {
        0 => drip(stream, "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ").await,
        1 => {
            drip(
                stream,
                "POST /api/v1/atividades HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
            )
            .await
        }
        2 => idle(stream, false).await,
        _ => idle(stream, true).await,
    };
    ended.fetch_add(1, Ordering::Relaxed);
    said
}

/// Panics unless every kind of client was answered as it should be.
fn assert_ended(heads: &[String], bodies: &[String], silent: &[String], used: &[String]) {
    let first_line = |text: &String| text.lines().next().unwrap_or_default().to_owned();
    assert!(
        heads.iter().all(|said| !first_line(said).contains("200")),
        "{:?}",
        first_line(&heads[0])
    );
    assert!(
        bodies
            .iter()
            .all(|said| said.is_empty() || said.starts_with("HTTP/1.1 504")),
        "{bodies:?}"
    );
    assert!(
        bodies.iter().any(|said| said.starts_with("HTTP/1.1 504")),
        "nobody was told"
    );
    assert!(silent.iter().all(String::is_empty));
    assert!(used.iter().all(|said| said.starts_with("HTTP/1.1 200")));
}

/// Connections beyond those that are served wait in the kernel's queue; beyond that, handshakes are dropped
/// and sent again later.
#[tokio::test]
async fn burst_of_connections_is_queued_not_dropped() {
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let burst: usize = most.trim().parse::<usize>().unwrap().min(1_000);
    if !may_open(burst + 500) {
        println!("skipped: {burst} connections need more open files than `ulimit -Hn` allows");
        return;
    }
    let database = TestDatabase::new().await;
    let folder = open_folder();
    let (running, address) = serve(&database.url, folder.path(), &[("API_MAX_CONNECTIONS", "1")]).await;
    let mut clients: JoinSet<TcpStream> = JoinSet::new();
    for _ in 0..burst {
        let address = address.clone();
        clients.spawn(async move { TcpStream::connect(address).await.unwrap() });
    }
    // The service accepts one of them and the kernel all others.
    let connected = timeout(Duration::from_secs(10), clients.join_all()).await;
    assert_eq!(connected.expect("handshakes were dropped").len(), burst);
    assert_eq!(running.signal("TERM").await, 0);
}
