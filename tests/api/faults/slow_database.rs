//! The database is slow, silent or gone, and comes back.

use std::time::{Duration, Instant};

use super::{LONGEST, Load, POOL, RECOVERY, SETTINGS, get, is_healthy, pool_is_whole, recovers, status};
use crate::support::chaos::{Chaos, Toxic};
use crate::support::data::projeto;
use crate::support::{RunningServer, TestDatabase, eventually, fill};

const LIST: &str = "/api/v1/atividades";

async fn start(settings: &[(&str, &str)]) -> (TestDatabase, Chaos, RunningServer) {
    let database = TestDatabase::new().await;
    let chaos = Chaos::before(&database.url);
    let server = RunningServer::start(chaos.url(), settings.iter().copied()).await;
    (database, chaos, server)
}

#[tokio::test]
async fn slow_database_delays_correct_answers() {
    let (database, chaos, server) = start(&[]).await;
    let client = reqwest::Client::new();
    let projeto = projeto(&database.pool().await, "P").await;
    let create = client
        .post(server.url(LIST))
        .json(&serde_json::json!({"nome": "Codificação", "ids_projetos": [projeto]}));
    assert_eq!(get(&client, &server.url(LIST)).await.status, 200);
    for (before, toxic) in [
        Toxic::Latency(Duration::from_millis(300)),
        Toxic::Slicer(20, Duration::from_millis(5)),
    ]
    .into_iter()
    .enumerate()
    {
        chaos.set(toxic);
        let started = Instant::now();
        let created = create.try_clone().unwrap().send().await.unwrap();
        assert_eq!(created.status(), 201);
        let list: serde_json::Value = client
            .get(server.url(LIST))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let took = started.elapsed();
        println!("{toxic:?}: {took:?}");
        assert_eq!(list["total"], before + 1, "{list}");
        assert!(took >= Duration::from_millis(300), "the toxic does nothing");
        assert!(took < Duration::from_secs(20), "{took:?}");
        is_healthy(&server).await;
    }
    server.stop().await;
}

/// Under load, `toxic` makes the database useless; every request is told so in time, and everything is as
/// before once it is over.
async fn useless_for_a_while(toxic: Toxic) {
    let (_database, chaos, server) = start(&SETTINGS).await;
    fill(&server.db, POOL).await;
    let load = Load::start(&server.url(LIST), 8);
    load.serves(20).await;

    chaos.set(toxic);
    // More than the connections that were busy: later ones get none, and those idle meet a ping that is not
    // answered.
    load.is_refused(24).await;
    eventually("readiness is red", async || {
        status(&server, "/ready").await == 503
    })
    .await;
    is_healthy(&server).await;

    chaos.heal();
    recovers(&server, LIST, Instant::now()).await;
    load.serves(20).await;
    let seen = load.stop().await;
    let longest = seen.iter().map(|seen| seen.took).max().unwrap();
    eprintln!("{toxic:?}: {} answers, the last after {longest:?}", seen.len());
    assert!(longest < LONGEST, "{longest:?}");
    pool_is_whole(&server, POOL).await;
    server.stop().await;
}

#[tokio::test]
async fn silent_database_is_503_in_time() {
    useless_for_a_while(Toxic::BlackHole).await;
}

#[tokio::test]
async fn database_slower_than_timeouts_is_503_in_time() {
    useless_for_a_while(Toxic::Latency(Duration::from_secs(5))).await;
}

#[tokio::test]
async fn trickling_database_is_503_in_time() {
    useless_for_a_while(Toxic::Slicer(1, Duration::from_millis(200))).await;
}

/// What waits between attempts to connect must not have learnt to wait long.
#[tokio::test]
async fn long_outage_recovers_as_fast_as_a_short_one() {
    let (_database, chaos, server) = start(&SETTINGS).await;
    fill(&server.db, POOL).await;
    let load = Load::start(&server.url(LIST), 8);
    load.serves(20).await;
    chaos.set(Toxic::Refuse);
    load.is_refused(8).await;
    load.stop().await;
    // The outage itself, without a request.
    tokio::time::sleep(2 * RECOVERY + Duration::from_secs(1)).await;
    is_healthy(&server).await;
    chaos.heal();
    recovers(&server, LIST, Instant::now()).await;
    pool_is_whole(&server, POOL).await;
    server.stop().await;
}
