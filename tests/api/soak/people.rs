//! People that create, change, delete and read entries, and remember what may have become of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::Place;
use super::service::Service;
use crate::support::logging::{APONTAMENTOS, day};

/// Days over which entries are spread, so that no day is full.
const DAYS: i64 = 400;
/// Longest pause of a person between two requests.
const PAUSE_MS: u64 = 150;

/// An entry that a person wants.
#[derive(Debug)]
struct Entry {
    key: String,
    body: Value,
    /// Its id, once it was acknowledged.
    id: Option<String>,
    /// Its minutes, as far as answers tell: several where an answer did not say what it did, 0 for deleted.
    minutes: BTreeSet<i64>,
}

/// A person with a PAT of their own.
#[derive(Debug)]
pub struct Person<'a> {
    token: String,
    /// Organisations that the person belongs to.
    places: Vec<&'a Place>,
    entries: Vec<Entry>,
    rng: fastrand::Rng,
}

impl<'a> Person<'a> {
    pub fn new(token: String, places: Vec<&'a Place>, seed: u64) -> Self {
        Self {
            token,
            places,
            entries: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Works until told to stop.
    pub async fn work(&mut self, service: &Service, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let open: Vec<usize> = (0..self.entries.len())
                .filter(|place| self.entries[*place].id.is_none())
                .collect();
            let open = self.rng.choice(open);
            match (self.rng.u32(..100), open) {
                (..25, Some(open)) => self.create(service, open).await,
                (..45, _) => {
                    let new = self.new_entry();
                    self.create(service, new).await;
                }
                (..65, _) => self.change(service).await,
                (..72, _) => self.delete(service).await,
                (..85, _) => self.read_entry(service).await,
                _ => self.read_lists(service).await,
            }
            tokio::time::sleep(Duration::from_millis(self.rng.u64(..PAUSE_MS))).await;
        }
    }

    fn new_entry(&mut self) -> usize {
        let place = self.places[self.rng.usize(..self.places.len())];
        let item = place.items[self.rng.usize(..place.items.len())];
        self.new_entry_on(place, item)
    }

    /// Wants one more entry on every work item of the person's organisations; the next entry finds what was
    /// restored.
    pub fn want_one_more_everywhere(&mut self) {
        for place in self.places.clone() {
            for &item in &place.items {
                self.new_entry_on(place, item);
            }
        }
    }

    fn new_entry_on(&mut self, place: &Place, item: i32) -> usize {
        let body = json!({
            "data_apontamento": day(-self.rng.i64(0..DAYS)), "duracao": "00:15", "id_atividade": place.atividade,
            "work_item_id": item, "project_id": place.projeto, "organization_name": place.org
        });
        self.entries.push(Entry {
            key: Uuid::from_u128(self.rng.u128(..)).to_string(),
            body,
            id: None,
            minutes: BTreeSet::new(),
        });
        self.entries.len() - 1
    }

    /// Sends an entry, for the first time or again.
    async fn create(&mut self, service: &Service, place: usize) {
        let entry = &mut self.entries[place];
        let request = service
            .http
            .post(service.url(APONTAMENTOS))
            .bearer_auth(&self.token)
            .header("idempotency-key", &entry.key)
            .json(&entry.body);
        let (status, answer) = service.send("create", request).await;
        if status == 201 {
            entry.id = Some(answer["id"].as_str().unwrap().to_owned());
            entry.minutes = BTreeSet::from([15]);
        }
    }

    /// A stored entry that was not deleted, as far as its owner knows, and its address.
    fn any_stored(&mut self, service: &Service) -> Option<(usize, String)> {
        let stored = |entry: &Entry| entry.id.is_some() && !entry.minutes.contains(&0);
        let place = self.rng.usize(..self.entries.len().max(1));
        let entry = self.entries.get(place).filter(|entry| stored(entry))?;
        let url = service.url(&format!("{APONTAMENTOS}/{}", entry.id.as_ref().unwrap()));
        Some((place, url))
    }

    async fn change(&mut self, service: &Service) {
        let Some((place, url)) = self.any_stored(service) else {
            return;
        };
        let minutes = [15, 30, 45][self.rng.usize(..3)];
        let body = json!({ "duracao": format!("00:{minutes}") });
        let request = service.http.put(url).bearer_auth(&self.token).json(&body);
        let (status, _) = service.send("change", request).await;
        let known = &mut self.entries[place].minutes;
        match status {
            200 => *known = BTreeSet::from([minutes]),
            500.. => _ = known.insert(minutes),
            _ => {}
        }
    }

    async fn delete(&mut self, service: &Service) {
        let Some((place, url)) = self.any_stored(service) else {
            return;
        };
        let request = service.http.delete(url).bearer_auth(&self.token);
        let (status, _) = service.send("delete", request).await;
        let known = &mut self.entries[place].minutes;
        match status {
            204 => *known = BTreeSet::from([0]),
            500.. => _ = known.insert(0),
            _ => {}
        }
    }

    async fn read_entry(&mut self, service: &Service) {
        let Some((place, url)) = self.any_stored(service) else {
            return;
        };
        let request = service.http.get(url).bearer_auth(&self.token);
        let (status, answer) = service.send("read", request).await;
        if status == 200 {
            let duracao = answer["duracao"].as_str().unwrap();
            let minutes: i64 = duracao.strip_prefix("00:").unwrap().parse().unwrap();
            let known = &self.entries[place].minutes;
            assert!(known.contains(&minutes), "{known:?}: {answer}");
        }
    }

    async fn read_lists(&mut self, service: &Service) {
        let place = self.places[self.rng.usize(..self.places.len())];
        let of_project = format!("organization_name={}&project_id={}", place.org, place.projeto);
        let item = place.items[self.rng.usize(..place.items.len())];
        let (operation, path) = match self.rng.u32(..3) {
            0 => ("timesheet", format!("/api/v1/timesheet?{of_project}")),
            1 => ("list", format!("{APONTAMENTOS}?limit=50")),
            _ => (
                "item",
                format!("{APONTAMENTOS}/work-item/{item}/resumo?{of_project}"),
            ),
        };
        let request = service.http.get(service.url(&path)).bearer_auth(&self.token);
        service.send(operation, request).await;
    }

    /// Sends again what was not answered, until everything is.
    pub async fn finish(&mut self, service: &Service) {
        for place in 0..self.entries.len() {
            super::patiently("an entry is acknowledged", async || {
                if self.entries[place].id.is_none() {
                    self.create(service, place).await;
                }
                self.entries[place].id.is_some()
            })
            .await;
        }
    }

    /// Compares what is stored with what the person was told. Returns how many entries are stored.
    pub fn check(&self, stored: &BTreeMap<String, i64>) -> usize {
        let mut found = 0;
        for entry in &self.entries {
            let minutes = stored.get(entry.id.as_ref().unwrap());
            found += usize::from(minutes.is_some());
            let minutes = minutes.copied().unwrap_or_default();
            assert!(entry.minutes.contains(&minutes), "{minutes} of {entry:?}");
        }
        found
    }
}
