//! Clients that log hours and do not give up, each with an account of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::Logging;
use crate::support::logging::{APONTAMENTOS, day};

/// Days over which entries are spread, so that no day is full.
const DAYS: i64 = 400;

/// An entry that a client wants.
#[derive(Debug)]
pub struct Wish {
    key: String,
    body: Value,
    /// Its id, once it was acknowledged.
    pub id: Option<String>,
}

/// A client that sends a request again until it is answered.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    /// PAT of its owner.
    token: String,
    pub wishes: Vec<Wish>,
    /// Wishes whose first request is said to be still under way; there are others.
    busy: Vec<usize>,
    /// How often any client was told that an entry is stored.
    acknowledged: Arc<AtomicUsize>,
}

impl Client {
    pub fn new(token: &str, acknowledged: &Arc<AtomicUsize>) -> Self {
        Self {
            http: reqwest::Client::new(),
            token: token.to_owned(),
            wishes: Vec::new(),
            busy: Vec::new(),
            acknowledged: Arc::clone(acknowledged),
        }
    }

    /// Writes until the service is gone.
    pub async fn write(&mut self, base: &str, logging: &Logging, items: &[i32]) {
        self.busy.clear();
        loop {
            let open = (0..self.wishes.len())
                .rev()
                .find(|place| self.wishes[*place].id.is_none() && !self.busy.contains(place));
            let gone = match open {
                Some(open) => self.send(base, open).await,
                None if fastrand::u8(..) < 50 => self.change(base).await,
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

    /// Sends a wish, for the first time or again. An error: no answer came.
    pub async fn send(&mut self, base: &str, place: usize) -> reqwest::Result<()> {
        let wish = &mut self.wishes[place];
        let answer = self
            .http
            .post(format!("{base}{APONTAMENTOS}"))
            .bearer_auth(&self.token)
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
    async fn change(&self, base: &str) -> reqwest::Result<()> {
        let known: Vec<&String> = self.wishes.iter().filter_map(|wish| wish.id.as_ref()).collect();
        if known.is_empty() {
            return Ok(());
        }
        let id = known[fastrand::usize(..known.len())];
        let duracao = format!("00:{}", [15, 30, 45][fastrand::usize(..3)]);
        self.http
            .put(format!("{base}{APONTAMENTOS}/{id}"))
            .bearer_auth(&self.token)
            .json(&json!({ "duracao": duracao }))
            .send()
            .await?;
        Ok(())
    }
}
