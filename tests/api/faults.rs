//! What networks, databases and clients do to a service, one fault a test, each with what must hold meanwhile
//! and afterwards. Faults of Azure DevOps stand in `azure_devops.rs` and `outbox/faults.rs`, kills in
//! `crash.rs` and `outage.rs`.

mod busy_pool;
mod interrupted;
mod reset;
mod restart;
mod shutdown;
pub mod slow_clients;
mod slow_database;
mod unread_log;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::{RunningServer, eventually};

/// Connections of each server here.
const POOL: u32 = 4;
/// Soon enough for a service to be back after its database is.
const RECOVERY: Duration = Duration::from_secs(5);

/// A small pool that is always full, and short patience; but to log in takes a debug build long on a busy
/// machine.
const SETTINGS: [(&str, &str); 4] = [
    ("DATABASE_POOL_MAX", "4"),
    ("DATABASE_POOL_MIN", "4"),
    ("DATABASE_ACQUIRE_TIMEOUT_MS", "2000"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "1000"),
];
/// The longest that [`SETTINGS`] let a request take: it waits for a connection, then for one statement, and
/// the database gets a second to end that itself. The rest is for a machine that has other things to do.
const LONGEST: Duration = Duration::from_secs(2 + 1 + 1 + 2);

/// Clients that never pause.
struct Load {
    clients: JoinSet<Vec<Seen>>,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    served: AtomicUsize,
    refused: AtomicUsize,
    stop: AtomicBool,
}

/// An answer.
#[derive(Debug, Clone, Copy)]
struct Seen {
    status: u16,
    took: Duration,
}

impl Load {
    fn start(url: &str, clients: usize) -> Self {
        let mut load = Self {
            clients: JoinSet::new(),
            tally: Arc::default(),
        };
        for _ in 0..clients {
            let (url, tally) = (url.to_owned(), Arc::clone(&load.tally));
            load.clients.spawn(async move {
                let client = reqwest::Client::new();
                let mut seen = Vec::new();
                while !tally.stop.load(Ordering::Relaxed) {
                    let one = get(&client, &url).await;
                    let counter = if one.status == 200 {
                        &tally.served
                    } else {
                        &tally.refused
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                    seen.push(one);
                }
                seen
            });
        }
        load
    }

    /// Waits for so many more answers with 200.
    async fn serves(&self, more: usize) {
        let before = self.tally.served.load(Ordering::Relaxed);
        eventually("the load is served", async || {
            self.tally.served.load(Ordering::Relaxed) >= before + more
        })
        .await;
    }

    /// Waits for so many more refusals.
    async fn is_refused(&self, more: usize) {
        let before = self.tally.refused.load(Ordering::Relaxed);
        eventually("the load is refused", async || {
            self.tally.refused.load(Ordering::Relaxed) >= before + more
        })
        .await;
    }

    async fn stop(self) -> Vec<Seen> {
        self.tally.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await.concat()
    }
}

/// A request whose answer is either what was asked for or a proper refusal.
async fn get(client: &reqwest::Client, url: &str) -> Seen {
    let started = Instant::now();
    let reply = client
        .get(url)
        .send()
        .await
        .expect("the service dropped a request");
    let status = check(&reply);
    reply.bytes().await.expect("an answer was cut");
    Seen {
        status,
        took: started.elapsed(),
    }
}

/// The status, which is a success or a proper refusal.
fn check(reply: &reqwest::Response) -> u16 {
    let status = reply.status().as_u16();
    if status >= 400 {
        assert_eq!(status, 503, "the database's trouble is told as such");
        assert_eq!(reply.headers()["content-type"], "application/problem+json");
        assert_eq!(reply.headers()["retry-after"], "1");
    }
    status
}

/// The process itself is well, whatever it depends on.
async fn is_healthy(server: &RunningServer) {
    let seen = get(&reqwest::Client::new(), &server.url("/health")).await;
    assert_eq!(seen.status, 200);
    assert!(seen.took < Duration::from_secs(1), "{:?}", seen.took);
}

async fn status(server: &RunningServer, path: &str) -> u16 {
    let reply = reqwest::get(server.url(path)).await.unwrap();
    reply.status().as_u16()
}

/// Waits until the service answers and is ready, which is no later than [`RECOVERY`] after `healed`.
async fn recovers(server: &RunningServer, path: &str, healed: Instant) {
    eventually("the service answers", async || status(server, path).await == 200).await;
    eventually("the service is ready", async || {
        status(server, "/ready").await == 200
    })
    .await;
    let took = healed.elapsed();
    eprintln!("back after {took:?}");
    assert!(took < RECOVERY, "{took:?}");
}

/// The pool fills up again, and every place in it can be taken: none was lost with a connection (sqlx#4349).
async fn pool_is_whole(server: &RunningServer, size: u32) {
    eventually("every connection can be had at once", async || {
        let all = futures_util::future::join_all((0..size).map(|_| server.db.acquire())).await;
        all.iter().all(Result::is_ok)
    })
    .await;
}
