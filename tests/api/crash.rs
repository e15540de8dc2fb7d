//! The service is killed while clients write and Azure DevOps fails now and then. A client does what a careful one does: a request
//! whose answer it did not get it sends again, with the same `Idempotency-Key`.
//!
//! `APONTA_CRASH_ROUNDS=50 cargo test --test api crash` is the long form.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::logging::{APONTAMENTOS, PROJECT, day};
use crate::support::process::{Running, aponta, open_folder};
use crate::support::{Fault, Logging, NewWorkItem, eventually};

/// Kills when nobody says otherwise.
const ROUNDS: usize = 4;
/// Clients that write at once, each by itself.
const CLIENTS: usize = 4;
/// Longest life of a process after it began to serve.
const LONGEST_LIFE_MS: u64 = 800;
/// Work items that they share, and the hours that people typed there before.
const ITEMS: usize = 5;
const START: f64 = 2.25;
/// Days over which entries are spread, so that no day is full.
const DAYS: i64 = 400;

/// How often to kill.
fn rounds() -> usize {
    #[expect(clippy::disallowed_methods, reason = "asked for on the command line")]
    let asked = std::env::var("APONTA_CRASH_ROUNDS");
    asked.map_or(ROUNDS, |text| text.parse().expect("a number of rounds"))
}

/// An entry that a client wants.
#[derive(Debug)]
struct Wish {
    key: String,
    body: Value,
    /// Its id, once it was acknowledged.
    id: Option<String>,
}

/// Somebody who logs hours and does not give up.
#[derive(Debug, Default)]
struct Client {
    http: reqwest::Client,
    wishes: Vec<Wish>,
    /// Wishes whose first request is said to be still under way; there are others.
    busy: Vec<usize>,
    /// How often any of them was told that an entry is stored.
    acknowledged: Arc<AtomicUsize>,
}

impl Client {
    /// Writes until the service is gone.
    async fn write(&mut self, base: &str, logging: &Logging, items: &[i32]) {
        self.busy.clear();
        loop {
            let open = (0..self.wishes.len())
                .rev()
                .find(|place| self.wishes[*place].id.is_none() && !self.busy.contains(place));
            let gone = match open {
                Some(open) => self.send(base, logging, open).await,
                None if fastrand::u8(..) < 50 => self.change(base, logging).await,
                None => {
                    self.wish(logging, items);
                    Ok(())
                }
            };
            if gone.is_err() {
                return;
            }
        }
    }

    fn wish(&mut self, logging: &Logging, items: &[i32]) {
        let body = logging.body_with(&json!({
            "work_item_id": items[fastrand::usize(..items.len())], "duracao": "00:15",
            "data_apontamento": day(-fastrand::i64(0..DAYS))
        }));
        self.wishes.push(Wish {
            key: Uuid::new_v4().to_string(),
            body,
            id: None,
        });
    }

    /// Sends a wish, for the first time or again. An error: nobody answered.
    async fn send(&mut self, base: &str, logging: &Logging, place: usize) -> reqwest::Result<()> {
        let wish = &mut self.wishes[place];
        let answer = self
            .http
            .post(format!("{base}{APONTAMENTOS}"))
            .bearer_auth(&logging.tenants.member)
            .header("idempotency-key", &wish.key)
            .json(&wish.body)
            .send()
            .await?;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await?;
        match status {
            201 => {
                wish.id = Some(body["id"].as_str().unwrap().to_owned());
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            // Azure DevOps fails, too; and the request of a process that died may still be rolled back.
            409 => self.busy.push(place),
            502..=504 => {}
            _ => panic!("{status}: {body}"),
        }
        Ok(())
    }

    /// Changes how long an entry is; whether that went through, the sums tell.
    async fn change(&self, base: &str, logging: &Logging) -> reqwest::Result<()> {
        let known: Vec<&String> = self.wishes.iter().filter_map(|wish| wish.id.as_ref()).collect();
        if known.is_empty() {
            return Ok(());
        }
        let id = known[fastrand::usize(..known.len())];
        let duracao = format!("00:{}", [15, 30, 45][fastrand::usize(..3)]);
        self.http
            .put(format!("{base}{APONTAMENTOS}/{id}"))
            .bearer_auth(&logging.tenants.member)
            .json(&json!({ "duracao": duracao }))
            .send()
            .await?;
        Ok(())
    }
}

/// Starts the service on a port of its own; returns where it is.
async fn serve(logging: &Logging, folder: &Path) -> (Running, String) {
    let mut command = aponta(folder, &["serve"]);
    command
        .envs(logging.azure().variables("contoso"))
        .env("DATABASE_URL", logging.tenants.app.database_url())
        .env(
            "AZURE_DEVOPS_ORG_PATS",
            format!("contoso={}", logging.tenants.service_pat),
        )
        .env("AZURE_DEVOPS_TIMEOUT_MS", "800")
        .env("AZURE_DEVOPS_BREAKER_OPEN_MS", "50")
        .env("WRITEBACK_BUDGET", "0.2")
        .env("RATE_LIMIT_ENABLED", "false")
        .env("DATABASE_POOL_MAX", "6")
        .env("API_HOST", "127.0.0.1")
        .env("API_PORT", "0")
        .env("LOG_FORMAT", "text")
        // Nobody reads further than the line that says where it listens.
        .env("RUST_LOG", "error,aponta::cli=info");
    let mut running = Running::start(command);
    let line = running.line_with("serving").await;
    let port: String = line
        .split("127.0.0.1:")
        .nth(1)
        .expect("an address")
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    (running, format!("http://127.0.0.1:{port}"))
}

#[tokio::test]
async fn a_service_that_is_killed_at_random_loses_and_doubles_nothing() {
    let logging = Logging::new().await;
    let items: Vec<i32> = (0..ITEMS)
        .map(|_| {
            let item = NewWorkItem::task(PROJECT).completed(START);
            logging.azure().work_item("contoso", item)
        })
        .collect();
    let folder = open_folder();
    let acknowledged = Arc::<AtomicUsize>::default();
    let client = || Client {
        acknowledged: Arc::clone(&acknowledged),
        ..Client::default()
    };
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| client()).collect();
    for round in 0..rounds() {
        let (running, base) = serve(&logging, folder.path()).await;
        let fault = match round % 4 {
            0 => Fault::Applied(Box::new(Fault::Hang)),
            1 => Fault::Hang,
            2 => Fault::Applied(Box::new(Fault::Reset)),
            _ => Fault::Status(503, None),
        };
        logging
            .azure()
            .fault_times("contoso", "update_work_item", fault, 2);
        let kill = async {
            let before = acknowledged.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..LONGEST_LIFE_MS))).await;
            if round % 2 == 0 {
                // However slow the machine is, there is something to lose.
                eventually("an entry is stored", async || {
                    acknowledged.load(Ordering::Relaxed) > before
                })
                .await;
            }
            running.signal("KILL").await;
        };
        let writes = join_all(
            clients
                .iter_mut()
                .map(|client| client.write(&base, &logging, &items)),
        );
        tokio::join!(kill, writes);
    }

    logging.azure().heal();
    let (running, base) = serve(&logging, folder.path()).await;
    for client in &mut clients {
        for place in 0..client.wishes.len() {
            // What was acknowledged is acknowledged again, with the same id.
            let before = client.wishes[place].id.take();
            eventually("it is acknowledged", async || {
                client.send(&base, &logging, place).await.unwrap();
                client.wishes[place].id.is_some()
            })
            .await;
            assert!(before.is_none() || before == client.wishes[place].id);
        }
    }
    let wishes: usize = clients.iter().map(|client| client.wishes.len()).sum();
    assert_eq!(logging.count().await, i64::try_from(wishes).unwrap());
    assert!(wishes > rounds(), "{wishes} entries in {} rounds", rounds());
    eprintln!("{} kills, {wishes} entries", rounds());

    // The dead hold their work items until their leases end; that minute is skipped.
    sqlx::query("UPDATE write_back SET lease_ate = now(), proxima_em = now()")
        .execute(&logging.tenants.app.pool)
        .await
        .unwrap();
    eventually("everything is written", async || {
        let status = logging.get("/api/v1/integracao/sincronizacao").await.expect(200);
        assert_eq!(status["falhas"], 0, "{status}");
        status["pendentes"] == 0
    })
    .await;
    for item in items {
        let minutes: i64 =
            sqlx::query_scalar("SELECT coalesce(sum(minutos), 0) FROM apontamentos WHERE work_item_id = $1")
                .bind(item)
                .fetch_one(&logging.tenants.app.pool)
                .await
                .unwrap();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand minutes")]
        let expected = START + minutes as f64 / 60.0;
        assert_eq!(logging.azure().hours(item).0, Some(expected), "work item {item}");
    }
    assert_eq!(running.signal("TERM").await, 0);
}
