//! Azure DevOps delays one identity: others are served meanwhile, and background work waits.

use std::time::{Duration, Instant};

use aponta::azure_devops::Credential;
use azure_devops_fake::{FakeAzure, Fault};
use futures_util::future::join_all;

use super::{call, client_with};
use crate::support::app_token::{self, app_token};
use crate::support::{Logging, Request, eventually};

/// Longer than calls of people may take here, shorter than those of the background.
const DELAY: Duration = Duration::from_millis(1_200);
const DELAYING: [(&str, &str); 2] = [
    ("AZURE_DEVOPS_BACKGROUND_TIMEOUT_SECONDS", "5"),
    // An open circuit would stay open to the end of the test.
    ("AZURE_DEVOPS_BREAKER_OPEN_MS", "60000"),
];

#[tokio::test]
async fn delayed_identity_opens_its_own_circuit_only() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let (slow, other) = (azure.pat(&ada), azure.pat(&ada));
    azure.delay_token(&slow, DELAY);
    let (slow, other) = (Credential::pat(slow.into()), Credential::pat(other.into()));
    let client = client_with(&azure, &DELAYING);
    let tenant = &client.tenants()[0];
    let calls = join_all((0..5).map(|_| call(tenant, &slow, &ada, "list_projects")));
    for outcome in calls.await {
        assert_eq!(outcome.unwrap_err().kind(), "timeout");
    }
    let refused = call(tenant, &slow, &ada, "list_projects").await.unwrap_err();
    assert_eq!(refused.kind(), "breaker_open");
    for operation in ["list_projects", "connection_data", "read_identity"] {
        call(tenant, &other, &ada, operation).await.unwrap();
    }
    let organizacao = &tenant.organizacao;
    assert!(organizacao.is_healthy());
    assert_eq!((organizacao.open_breakers(), organizacao.open_lanes()), (0, 1));
    // Background work is patient, and has a circuit of its own.
    organizacao.patient().projects(&slow).await.unwrap();
}

#[tokio::test]
async fn delayed_identity_leaves_permits_to_others() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let (slow, other) = (azure.pat(&ada), azure.pat(&ada));
    azure.answer_token(&slow, Fault::Hang);
    let (slow, other) = (Credential::pat(slow.into()), Credential::pat(other.into()));
    let variables = [
        ("AZURE_DEVOPS_CONCURRENCY", "1"),
        ("AZURE_DEVOPS_TIMEOUT_MS", "4000"),
    ];
    let client = client_with(&azure, &variables);
    let tenant = &client.tenants()[0];
    let hanging = join_all((0..4).map(|_| call(tenant, &slow, &ada, "list_projects")));
    let others = async {
        eventually("the turn is taken", async || azure.count("list_projects") == 1).await;
        let asked = Instant::now();
        call(tenant, &other, &ada, "list_projects").await.unwrap();
        asked.elapsed()
    };
    tokio::select! {
        _ = hanging => panic!("the calls should hang"),
        waited = others => assert!(waited < Duration::from_secs(2), "{waited:?}"),
    }
}

#[tokio::test]
async fn host_that_hangs_for_three_identities_is_not_asked() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let [a, b, c, d] = [(); 4].map(|()| Credential::pat(azure.pat(&ada).into()));
    let client = client_with(&azure, &DELAYING);
    let tenant = &client.tenants()[0];
    azure.fault("contoso", "*", Fault::Hang);
    let calls = [&a, &a, &b, &b, &c].map(|who| call(tenant, who, &ada, "list_projects"));
    for outcome in join_all(calls).await {
        assert_eq!(outcome.unwrap_err().kind(), "timeout");
    }
    azure.forget_requests();
    let refused = call(tenant, &d, &ada, "list_projects").await.unwrap_err();
    assert_eq!((refused.kind(), azure.seen().len()), ("breaker_open", 0));
    assert!(!tenant.organizacao.is_healthy());
}

#[tokio::test]
async fn callers_are_served_while_the_service_pat_is_delayed() {
    let logging = Logging::with(&DELAYING).await;
    let (azure, app) = (logging.azure(), &logging.tenants.app);
    let projects: Vec<_> = (0..5)
        .map(|n| azure.project("contoso", &format!("Q{n}")))
        .collect();
    let sync = Request::post("/api/v1/integracao/sincronizar").bearer(&logging.tenants.admin);
    app.send(sync).await.expect(200);
    azure.delay_token(&logging.tenants.service_pat, DELAY);
    // The types of a project are read with the PAT of the service.
    let sheet = async |id| {
        let path = format!("/api/v1/timesheet?organization_name=contoso&project_id={id}");
        logging.get(&path).await
    };
    for reply in join_all(projects.iter().map(|project| sheet(project.id))).await {
        reply.problem(504);
    }
    let newcomer = azure.pat(&azure.person("Newcomer", &["contoso"]));
    for path in [
        "/api/v1/user",
        "/api/v1/integracao/projetos?organization_name=contoso",
        "/api/v1/work-items/search?query=task&organization_name=contoso",
    ] {
        app.get_as(&newcomer, path).await.expect(200);
    }
    // The types come in the background.
    eventually("there is a sheet", async || {
        sheet(projects[0].id).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn hours_are_written_though_each_call_is_delayed() {
    let mut variables = DELAYING.to_vec();
    variables.push(("WRITEBACK_BUDGET", "0.3"));
    let logging = Logging::with(&variables).await;
    // Reads what rules need of the type.
    logging.log("01:00").await;
    eventually("the first hour is written", async || {
        logging.azure().hours(logging.item).0 == Some(4.5)
    })
    .await;
    let delayed = &logging.tenants.service_pat;
    logging.azure().delay_token(delayed, DELAY);
    let entry = logging.log("00:30").await;
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");
    eventually("the hours are noted as written", async || {
        logging.situation(&entry).await["estado"] == "sincronizado"
    })
    .await;
    assert_eq!(logging.azure().hours(logging.item).0, Some(5.0));
}

#[tokio::test]
async fn delayed_known_caller_stays_signed_in() {
    let mut variables = DELAYING.to_vec();
    variables.push(("AUTH_CACHE_TTL", "3"));
    let logging = Logging::with(&variables).await;
    let (azure, app) = (logging.azure(), &logging.tenants.app);
    let token = azure.pat(&azure.person("Bia", &["contoso"]));
    app.get_as(&token, "/api/v1/atividades").await.expect(200);
    azure.delay_token(&token, DELAY);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(4_500) {
        app.get_as(&token, "/api/v1/atividades").await.expect(200);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn known_person_stays_signed_in_by_a_delayed_service_pat() {
    let mut variables = DELAYING.to_vec();
    variables.extend(app_token::VARIABLES);
    variables.push(("AUTH_CACHE_TTL", "3"));
    let logging = Logging::with(&variables).await;
    let (azure, app) = (logging.azure(), &logging.tenants.app);
    let person = azure.person("Bia", &["contoso"]).id;
    app.get_as(&app_token(person), "/api/v1/atividades")
        .await
        .expect(200);
    azure.delay_token(&logging.tenants.service_pat, DELAY);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(4_500) {
        app.get_as(&app_token(person), "/api/v1/atividades")
            .await
            .expect(200);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn background_timeout_below_that_of_people_is_a_problem() {
    let env = aponta::config::Env::from_pairs([
        ("DATABASE_HOST", "db"),
        ("AUTH_ENABLED", "false"),
        ("API_HOST", "127.0.0.1"),
        ("AZURE_DEVOPS_TIMEOUT_MS", "6000"),
    ]);
    let config = aponta::config::Config::load(&env).unwrap().azure_devops;
    assert_eq!(config.client.background_timeout, Duration::from_secs(35));
    let name = "AZURE_DEVOPS_BACKGROUND_TIMEOUT_SECONDS";
    let problems = aponta::config::Config::load(&env.clone().with(name, "5")).unwrap_err();
    assert_eq!(problems.variables(), [name]);
    let patient = env.with("AZURE_DEVOPS_TIMEOUT_MS", "60000");
    let config = aponta::config::Config::load(&patient).unwrap().azure_devops;
    assert_eq!(
        config.client.background_timeout, config.client.timeout,
        "unset, it follows"
    );
}
