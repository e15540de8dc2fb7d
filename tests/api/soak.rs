//! A soak: people work while everything that can fail is switched on and off at random. At the end nothing is
//! pending, each figure is exact, no answer was a 500, and the process holds no more memory than before.
//!
//! `APONTA_SOAK_SECONDS=600 cargo test --test api soak` is the long form; `APONTA_SOAK_SEED` repeats the
//! choices of a run.

mod end;
mod people;
mod service;
mod trouble;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use azure_devops_fake::{FakeAzure, NewWorkItem};
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::logging::PROJECT;
use crate::support::process::open_folder;
use crate::support::{Logging, within};
use people::Person;
use service::Service;
use trouble::Trouble;

/// Length of the short form, in seconds.
const SHORT: u64 = 8;
/// Work items of each organisation, and the hours that people typed there before.
const ITEMS: usize = 12;
const START: f64 = 100.0;
/// Share of the time after which memory is warm.
const WARM_UP: f64 = 0.2;
/// Growth of resident memory that the long form allows, in KiB.
const MOST_GROWTH_KIB: u64 = 20 << 10;
/// More patches of one work item between two steps of the trouble than this are a loop without a pause.
const MOST_PATCHES: usize = 100;

/// An organisation in which people log hours.
#[derive(Debug)]
struct Place {
    org: &'static str,
    projeto: Uuid,
    atividade: Uuid,
    items: Vec<i32>,
    /// PAT of an administrator of the organisation.
    admin: String,
    /// Key of the organisation's PAT in the vault.
    vault: Uuid,
    /// PATs of two accounts that the vault may hold.
    pats: [String; 2],
}

impl Place {
    async fn new(logging: &Logging, org: &'static str, projeto: Uuid, atividade: Uuid, admin: &str) -> Self {
        let azure = logging.azure();
        let new = || {
            NewWorkItem::task(PROJECT)
                .estimate(400.0)
                .remaining(300.0)
                .completed(START)
        };
        let successor = azure.person("Service 2", &[org]);
        // Revisions name this account otherwise than `connectionData` does.
        azure.edit_person(successor.id, |person| person.changes_as = Some(Uuid::new_v4()));
        Self {
            org,
            projeto,
            atividade,
            items: (0..ITEMS).map(|_| azure.work_item(org, new())).collect(),
            admin: admin.to_owned(),
            vault: logging.tenants.stored_pat_of(org).await,
            pats: [logging.tenants.service_pat.clone(), azure.pat(&successor)],
        }
    }

    /// Makes every work item an open task again; deleted ones come back from the recycle bin.
    fn reopen(&self, azure: &FakeAzure) {
        azure.edit_work_items(self.org, |items| {
            for &item in &self.items {
                items.restore(item);
                items.edit(item, "System.WorkItemType", json!("Task"));
                items.edit(item, "System.State", json!("Doing"));
            }
        });
    }

    /// Changes the organisation's PAT in the vault; returns the answer.
    async fn change_vault(&self, service: &Service, body: &Value) -> (u16, Value) {
        let path = format!("/api/v1/organization-pats/{}?validate_first=false", self.vault);
        let request = service.http.put(service.url(&path)).bearer_auth(&self.admin);
        service.send("vault", request.json(body)).await
    }
}

/// Seconds of the long form, if it is asked for.
fn soak_seconds() -> Option<u64> {
    variable("APONTA_SOAK_SECONDS")
}

fn variable(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "asked for on the command line")]
    let asked = std::env::var(name);
    asked.ok().map(|text| text.parse().expect("a number"))
}

/// Waits until `condition` holds; panics after a minute.
async fn patiently<F: AsyncFnMut() -> bool>(what: &str, condition: F) {
    within(Duration::from_mins(1), what, condition).await;
}

/// Three people of contoso, two of fabrikam, one of both.
fn people<'a>(azure: &FakeAzure, places: &'a [Place], seed: u64) -> Vec<Person<'a>> {
    let [contoso, fabrikam] = places else {
        unreachable!()
    };
    let both = vec![contoso, fabrikam];
    let of = [
        vec![contoso],
        vec![contoso],
        vec![contoso],
        vec![fabrikam],
        vec![fabrikam],
        both,
    ];
    let person = |(n, places): (usize, Vec<&'a Place>)| {
        let orgs: Vec<&str> = places.iter().map(|place| place.org).collect();
        let account = azure.person(&format!("Person{n} Example"), &orgs);
        Person::new(azure.pat(&account), places, seed + n as u64)
    };
    of.into_iter().enumerate().map(person).collect()
}

/// Resident memory after the warm-up, in KiB.
async fn after_warm_up(service: &Service, time: Duration) -> Option<u64> {
    tokio::time::sleep(time.mul_f64(WARM_UP)).await;
    service.resident_kib()
}

#[tokio::test]
async fn soak_with_random_faults_ends_with_exact_figures() {
    let seed = variable("APONTA_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    let time = Duration::from_secs(soak_seconds().unwrap_or(SHORT));
    println!("soak of {time:?} with seed {seed}");
    let logging = Logging::new().await;
    let tenants = &logging.tenants;
    let theirs = tenants
        .atividade(&tenants.other, "Deles", &[tenants.foreign])
        .await;
    let places = [
        Place::new(
            &logging,
            "contoso",
            tenants.projeto,
            logging.atividade,
            &tenants.admin,
        )
        .await,
        Place::new(
            &logging,
            "fabrikam",
            tenants.foreign,
            theirs,
            &tenants.other_admin,
        )
        .await,
    ];
    let folder = open_folder();
    let service = Service::start(&logging, folder.path()).await;
    let mut people = people(logging.azure(), &places, seed);
    let mut trouble = Trouble {
        azure: logging.azure(),
        pool: &tenants.app.pool,
        places: &places,
        rng: fastrand::Rng::with_seed(seed),
        caused: BTreeMap::new(),
        most_patches: 0,
    };

    let stop = AtomicBool::new(false);
    let working = join_all(people.iter_mut().map(|person| person.work(&service, &stop)));
    let troubled = async {
        trouble.run(&service, Instant::now() + time).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (_, (), warm) = tokio::join!(working, troubled, after_warm_up(&service, time));
    println!("trouble: {:?}", trouble.caused);
    println!("{} answers: {}", service.answered(), service.report());

    end::heal(&logging, &places, &service).await;
    if let Some(of_both) = people.last_mut() {
        of_both.want_one_more_everywhere();
    }
    for person in &mut people {
        person.finish(&service).await;
    }
    end::everything_settles(&logging, &places, &service).await;
    let stored = end::stored(&logging).await;
    let found: usize = people.iter().map(|person| person.check(&stored)).sum();
    assert_eq!(found, stored.len(), "entries that no person asked for");
    end::figures_are_exact(&logging, &places).await;
    end::nothing_is_asked_any_more(&logging).await;
    assert_eq!(service.strange(), Vec::<String>::new());
    let most_patches = trouble.most_patches;
    assert!(
        most_patches < MOST_PATCHES,
        "{most_patches} patches of one work item"
    );
    let cold = service.resident_kib();
    println!(
        "{found} entries, memory {warm:?} -> {cold:?} KiB, at most {most_patches} patches of one item in a row"
    );
    if let (Some(warm), Some(end), Some(_)) = (warm, cold, soak_seconds()) {
        assert!(
            end < warm + MOST_GROWTH_KIB,
            "memory grew from {warm} to {end} KiB"
        );
    }
    service.stop().await;
}
