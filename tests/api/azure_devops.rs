//! The client of Azure DevOps against a service that misbehaves in every way we know of.

mod delays;
mod versions;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aponta::azure_devops::{AzureDevOps, CallRecord, Credential, Error, Hook, Tenant, Unavailability};
use aponta::config::{Config, Env};
use azure_devops_fake::{FakeAzure, Fault, Person};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::support::{RunningServer, TestDatabase, eventually};

/// Longest call of these tests, and how much longer than that an answer may take on a busy machine.
const TIMEOUT: Duration = Duration::from_millis(600);
const SLACK: Duration = Duration::from_secs(2);

const OPERATIONS: [&str; 4] = ["connection_data", "list_projects", "read_identity", "read_avatar"];

fn client_with(azure: &FakeAzure, variables: &[(&str, &str)]) -> AzureDevOps {
    AzureDevOps::new(&config_with(azure, variables).azure_devops.client).unwrap()
}

fn config_with(azure: &FakeAzure, variables: &[(&str, &str)]) -> Config {
    let mut env = Env::from_pairs([
        ("DATABASE_HOST", "unused"),
        ("AZURE_DEVOPS_CONNECT_TIMEOUT_MS", "300"),
        ("AZURE_DEVOPS_TIMEOUT_MS", "600"),
        ("AZURE_DEVOPS_BREAKER_OPEN_MS", "200"),
    ]);
    for (name, value) in azure.variables("contoso") {
        env = env.with(name, value);
    }
    for (name, value) in variables {
        env = env.with(name, *value);
    }
    Config::load(&env).unwrap()
}

/// Makes one call and says how it went: `ok` or the kind of the error.
async fn call(
    tenant: &Tenant,
    credential: &Credential,
    person: &Person,
    operation: &str,
) -> Result<(), Error> {
    let organizacao = &tenant.organizacao;
    match operation {
        "connection_data" => organizacao.authenticated_user(credential).await.map(drop),
        "list_projects" => organizacao.projects(credential).await.map(drop),
        "read_identity" => organizacao.identity(credential, person.id).await.map(drop),
        "read_avatar" => organizacao
            .avatar(credential, &person.subject_descriptor())
            .await
            .map(drop),
        other => panic!("no call {other}"),
    }
}

/// Every fault on every call: the documented error, within the time allowed, and nothing left behind.
#[tokio::test]
async fn any_fault_on_any_call_has_its_error_and_no_effect() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    azure.edit_person(ada.id, |person| person.avatar = Some(b"\x89PNG".to_vec()));
    let credential = Credential::pat(azure.pat(&ada).into());
    let table = faults();
    for operation in OPERATIONS {
        for (fault, expected) in &table {
            // Only a request that is kept waiting may run out of time, however busy the machine is.
            let timeout = match expected {
                Err(Error::Timeout) => "600",
                _ => "20000",
            };
            // One turn only: a leaked one would block the next call.
            let variables = [
                ("AZURE_DEVOPS_CONCURRENCY", "1"),
                ("AZURE_DEVOPS_TIMEOUT_MS", timeout),
            ];
            let client = client_with(&azure, &variables);
            let tenant = &client.tenants()[0];
            azure.fault("contoso", operation, fault.clone());
            let started = Instant::now();
            let outcome = call(tenant, &credential, &ada, operation).await;
            assert!(
                started.elapsed() < TIMEOUT + SLACK,
                "{operation} {fault:?}: {:?}",
                started.elapsed()
            );
            // A person without a picture is an answer.
            let none = operation == "read_avatar" && *expected == Err(Error::NotFound);
            assert_eq!(
                outcome,
                if none { Ok(()) } else { expected.clone() },
                "{operation} {fault:?}"
            );
            azure.heal();
            // An identity that was told to wait does.
            if !matches!(expected, Err(Error::Throttled { .. })) {
                eventually("the breaker lets through again", async || {
                    call(tenant, &credential, &ada, operation).await.is_ok()
                })
                .await;
            }
        }
    }
    eventually("no request is left open", async || azure.busy() == 0).await;
}

/// Returns the faults of an answer, with what the client makes of each.
fn faults() -> [(Fault, Result<(), Error>); 18] {
    let unavailable = |status| Error::Unavailable {
        reason: Unavailability::Status(status),
        retry_after: None,
    };
    let throttled = |seconds| Error::Throttled {
        retry_after: Some(Duration::from_secs(seconds)),
    };
    let refused = |status| Error::InvalidCredential { status };
    [
        (Fault::Unauthorized, Err(refused(401))),
        (Fault::ExpiredPat, Err(refused(401))),
        (Fault::SignIn, Err(refused(203))),
        (Fault::Redirect, Err(refused(302))),
        (Fault::Html, Err(refused(200))),
        (Fault::Status(403, None), Err(Error::Forbidden)),
        (Fault::Status(404, None), Err(Error::NotFound)),
        (Fault::Status(429, Some("30")), Err(throttled(30))),
        (Fault::Status(500, None), Err(unavailable(500))),
        (Fault::Status(503, None), Err(unavailable(503))),
        (Fault::Hang, Err(Error::Timeout)),
        (Fault::Trickle, Err(Error::Timeout)),
        (
            Fault::HalfJson,
            Err(Error::Nonsense("the JSON does not have the expected shape")),
        ),
        (
            Fault::NoContent,
            Err(Error::Nonsense("the answer is not of the expected type")),
        ),
        (
            Fault::WrongContentType,
            Err(Error::Nonsense("the answer is not of the expected type")),
        ),
        (
            Fault::InvalidUtf8,
            Err(Error::Nonsense("the JSON does not have the expected shape")),
        ),
        (
            Fault::Huge(10 << 20),
            Err(Error::Nonsense("the answer is too large")),
        ),
        (
            Fault::Bomb(10 << 20),
            Err(Error::Nonsense("the answer is too large")),
        ),
    ]
}

#[tokio::test]
async fn broken_connection_on_any_call_is_unavailable() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    azure.edit_person(ada.id, |person| person.avatar = Some(b"\x89PNG".to_vec()));
    let credential = Credential::pat(azure.pat(&ada).into());
    for operation in OPERATIONS {
        for fault in [Fault::Reset, Fault::CutOff] {
            let client = client_with(&azure, &[("AZURE_DEVOPS_CONCURRENCY", "1")]);
            azure.fault("contoso", operation, fault.clone());
            let outcome = call(&client.tenants()[0], &credential, &ada, operation).await;
            assert_eq!(
                outcome.map_err(|e| e.kind()),
                Err("connection"),
                "{operation} {fault:?}"
            );
            azure.heal();
            call(&client.tenants()[0], &credential, &ada, operation)
                .await
                .unwrap();
        }
    }
    eventually("no request is left open", async || azure.busy() == 0).await;
}

#[tokio::test]
async fn transient_errors_are_retried_and_others_not() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let credential = Credential::pat(azure.pat(&ada).into());
    let client = client_with(&azure, &[("AZURE_DEVOPS_TIMEOUT_MS", "5000")]);
    let tenant = &client.tenants()[0];
    for (fault, attempts) in [
        (Fault::Status(503, None), 3),
        (Fault::Reset, 3),
        (Fault::Status(429, Some("0")), 3),
        (Fault::Status(404, None), 1),
        (Fault::HalfJson, 1),
    ] {
        azure.forget_requests();
        azure.fault_times("contoso", "list_projects", fault.clone(), attempts);
        let outcome = call(tenant, &credential, &ada, "list_projects").await;
        assert_eq!(
            (outcome.is_err(), azure.seen().len()),
            (true, attempts),
            "{fault:?}"
        );
        azure.heal();
        call(tenant, &credential, &ada, "list_projects").await.unwrap();
    }
    azure.forget_requests();
    azure.fault_times("contoso", "list_projects", Fault::Status(503, Some("0.1")), 2);
    call(tenant, &credential, &ada, "list_projects").await.unwrap();
    assert_eq!(azure.seen().len(), 3, "the third attempt succeeded");
}

#[tokio::test]
async fn retry_after_on_any_status_holds_one_identity() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let (slow, other) = (azure.pat(&ada), azure.pat(&ada));
    let (slow, other) = (Credential::pat(slow.into()), Credential::pat(other.into()));
    let client = client_with(&azure, &[]);
    let tenant = &client.tenants()[0];
    azure.fault_times("contoso", "list_projects", Fault::RetryAfterOnSuccess("30"), 1);
    call(tenant, &slow, &ada, "list_projects").await.unwrap();
    azure.forget_requests();
    let Err(Error::Throttled { retry_after }) = call(tenant, &slow, &ada, "connection_data").await else {
        panic!("it was not held back");
    };
    assert!(
        retry_after.is_some_and(|wait| wait > Duration::from_secs(25)),
        "{retry_after:?}"
    );
    assert_eq!(azure.seen().len(), 0);
    call(tenant, &other, &ada, "connection_data").await.unwrap();
}

#[tokio::test]
async fn breaker_opens_for_a_failing_organisation_and_closes() {
    let azure = FakeAzure::contoso().await;
    azure.organization("fabrikam");
    let ada = azure.person("Ada Example", &["contoso", "fabrikam"]);
    let token = azure.pat(&ada);
    let credential = Credential::pat(token.clone().into());
    let client = client_with(&azure, &[("AZURE_DEVOPS_ORG_PATS", &format!("fabrikam={token}"))]);
    let tenants = client.tenants();
    let [contoso, fabrikam] = &*tenants else {
        panic!("two organisations")
    };
    azure.fault("contoso", "*", Fault::Status(503, None));
    for _ in 0..2 {
        call(contoso, &credential, &ada, "list_projects")
            .await
            .unwrap_err();
    }
    azure.forget_requests();
    let error = call(contoso, &credential, &ada, "connection_data")
        .await
        .unwrap_err();
    assert_eq!((error.kind(), azure.seen().len()), ("breaker_open", 0));
    assert!(error.retry_after().is_some());
    assert!(!contoso.organizacao.is_healthy());
    call(fabrikam, &credential, &ada, "list_projects").await.unwrap();
    azure.heal();
    eventually("it is found back", async || {
        call(contoso, &credential, &ada, "list_projects").await.is_ok()
    })
    .await;
    assert!(contoso.organizacao.is_healthy());
}

#[tokio::test]
async fn calls_to_one_organisation_are_limited() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let credential = Credential::pat(azure.pat(&ada).into());
    let client = client_with(&azure, &[("AZURE_DEVOPS_CONCURRENCY", "3")]);
    let tenant = &client.tenants()[0];
    azure.fault("contoso", "list_projects", Fault::Hang);
    let calls = join_all((0..10).map(|_| call(tenant, &credential, &ada, "list_projects")));
    let watch = async {
        eventually("three run", async || azure.busy() == 3).await;
        azure.seen().len()
    };
    let (outcomes, seen) = tokio::join!(calls, watch);
    assert_eq!(seen, 3);
    let kinds: Vec<&str> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_err().kind())
        .collect();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "timeout").count(),
        3,
        "{kinds:?}"
    );
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "busy").count(),
        7,
        "{kinds:?}"
    );
    eventually("no request is left open", async || azure.busy() == 0).await;
}

#[tokio::test]
async fn endless_pages_are_malformed() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    azure.projects("contoso", 3);
    let credential = Credential::pat(azure.pat(&ada).into());
    let client = client_with(&azure, &[]);
    azure.fault("contoso", "list_projects", Fault::SameContinuation);
    let outcome = call(&client.tenants()[0], &credential, &ada, "list_projects").await;
    assert_eq!(outcome, Err(Error::Nonsense("the same continuation token again")));
}

#[tokio::test]
async fn hook_gets_every_call() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let credential = Credential::pat(azure.pat(&ada).into());
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook: Hook = {
        let told = Arc::clone(&told);
        Arc::new(move |record: &CallRecord<'_>| {
            let organizacao = record.organizacao.to_owned();
            let row = (organizacao, record.operation, record.outcome, record.attempts);
            told.lock().unwrap().push(row);
        })
    };
    let config = config_with(&azure, &[]).azure_devops.client;
    let client = AzureDevOps::with_hook(&config, &hook).unwrap();
    let tenant = &client.tenants()[0];
    call(tenant, &credential, &ada, "list_projects").await.unwrap();
    azure.fault_times("contoso", "read_identity", Fault::Status(500, None), 1);
    tenant
        .organizacao
        .identity(&credential, Uuid::new_v4())
        .await
        .unwrap();
    azure.fault("contoso", "connection_data", Fault::SignIn);
    call(tenant, &credential, &ada, "connection_data")
        .await
        .unwrap_err();
    let contoso = || "contoso".to_owned();
    let expected = [
        (contoso(), "list_versions", "ok", 1),
        (contoso(), "list_projects", "ok", 1),
        // Identities have a host of their own.
        (contoso(), "list_versions", "ok", 1),
        (contoso(), "read_identity", "ok", 2),
        (contoso(), "connection_data", "invalid_credential", 1),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

/// The background probe is the only caller here; it needs no credential, and 401 is an answer.
#[tokio::test]
async fn readiness_with_degraded_azure_devops_stays_ready() {
    let azure = FakeAzure::contoso().await;
    let database = TestDatabase::new().await;
    let variables = azure.variables("contoso");
    let variables = variables.iter().map(|(name, value)| (*name, value.as_str()));
    let probing = [
        ("AZURE_DEVOPS_PROBE_INTERVAL", "1"),
        ("AZURE_DEVOPS_BREAKER_OPEN_MS", "50"),
    ];
    let server = RunningServer::start(&database.url, variables.chain(probing)).await;
    let state = async || {
        let reply = reqwest::get(server.url("/ready")).await.unwrap();
        assert_eq!(reply.status(), 200);
        let body: serde_json::Value = reply.json().await.unwrap();
        body["checks"]["azure_devops"].as_str().unwrap().to_owned()
    };
    eventually("a probe comes by", async || azure.count("connection_data") > 0).await;
    assert_eq!(state().await, "ok");
    azure.fault("contoso", "*", Fault::Status(503, None));
    eventually("the outage is seen", async || state().await == "degraded").await;
    azure.heal();
    eventually("the recovery is seen", async || state().await == "ok").await;
    assert!(azure.seen().iter().all(|seen| seen.authorization.is_none()));
    server.stop().await;
}
