//! The program as an operator meets it: exit codes and what it prints.

use std::fs;

use azure_devops_fake::FakeAzure;
use serde_json::json;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::data::{PATIENT, a_query_waits, block_projetos};
use crate::support::process::{Running, aponta, run, send_signal};
use crate::support::{Logging, TestDatabase};

/// An address without a server.
const ORG: &str = "http://127.0.0.1:1/contoso";

#[tokio::test]
async fn wrong_configuration_names_every_variable_and_exits_2() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join(".env"),
        "API_PORT=eighty\nDATABASE_PASSWORD=segredo\n",
    )
    .unwrap();
    for command in ["serve", "check-config"] {
        let mut serve = aponta(folder.path(), &[command]);
        serve
            .env("ENVIRONMENT", "production")
            .env("AUTH_ENABLED", "false")
            .env("RATE_LIMIT_BURST", "-1");
        let (code, out, err) = run(serve).await;
        assert_eq!(code, 2, "{out}{err}");
        for variable in ["API_PORT", "AUTH_ENABLED", "RATE_LIMIT_BURST", "DATABASE_URL"] {
            assert!(err.contains(&format!("  {variable}: ")), "{err}");
            assert!(err.contains(&format!("(example: {variable}=")), "{err}");
        }
        assert!(!err.contains("segredo"), "{err}");
    }
}

#[tokio::test]
async fn environment_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join(".env"),
        format!("API_PORT=8001\nDATABASE_HOST=db\nAPI_HOST=127.0.0.1\nAZURE_DEVOPS_ORG_URL={ORG}\n"),
    )
    .unwrap();
    let mut check = aponta(folder.path(), &["check-config"]);
    check.env("API_PORT", "8002");
    let (code, out, err) = run(check).await;
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("listening on 127.0.0.1:8002") && out.contains("authentication on"),
        "{out}"
    );
}

#[tokio::test]
async fn check_config_takes_secrets_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n";
    fs::write(folder.path().join("key"), key).unwrap();
    fs::write(folder.path().join("url"), "postgres://ana:segredo@db/aponta\r\n").unwrap();
    // A path below the current folder, named in .env.
    fs::write(folder.path().join(".env"), "PAT_ENCRYPTION_KEYS_FILE=key\n").unwrap();
    let check = || {
        let mut check = aponta(folder.path(), &["check-config"]);
        check
            .env("DATABASE_URL_FILE", folder.path().join("url"))
            .env("AZURE_DEVOPS_ORG_URL", ORG);
        check
    };
    let (code, out, err) = run(check()).await;
    assert_eq!(code, 0, "{err}");
    assert!(!format!("{out}{err}").contains("segredo"), "{out}{err}");

    fs::write(folder.path().join("key"), "").unwrap();
    let mut wrong = check();
    wrong
        .env("DATABASE_URL", "postgres://ana:segredo@db/aponta")
        .env("AZURE_DEVOPS_PAT_FILE", "segredo");
    let (code, _, err) = run(wrong).await;
    assert_eq!(code, 2);
    for told in [
        "3 problem(s)",
        "  DATABASE_URL_FILE: is set, and so is DATABASE_URL",
        "  PAT_ENCRYPTION_KEYS_FILE: names an empty file",
        "  AZURE_DEVOPS_PAT_FILE: names a file that cannot be read",
    ] {
        assert!(err.contains(told), "{err}");
    }
    assert!(!err.contains("segredo"), "{err}");
}

#[tokio::test]
async fn check_config_warns_of_a_database_without_tls() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |environment: &str, parameters: &str| {
        let mut check = aponta(folder.path(), &["check-config"]);
        check
            .env("ENVIRONMENT", environment)
            .env(
                "DATABASE_URL",
                format!("postgres://a:segredo@db.example/a{parameters}"),
            )
            .env("AZURE_DEVOPS_ORG_URL", "https://dev.azure.com/contoso");
        let (code, out, err) = run(check).await;
        assert_eq!(code, 0, "{err}");
        assert!(!out.contains("segredo"), "{out}");
        out
    };
    let warned = check("production", "").await;
    assert!(
        warned.contains("warning: db.example: ") && warned.contains("sslmode=verify-full"),
        "{warned}"
    );
    for (environment, parameters) in [("production", "?sslmode=verify-full"), ("staging", "")] {
        let out = check(environment, parameters).await;
        assert!(!out.contains("warning"), "{environment} {parameters}: {out}");
    }
}

#[tokio::test]
async fn openapi_prints_the_document_without_any_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = run(aponta(folder.path(), &["openapi"])).await;
    assert_eq!(code, 0, "{err}");
    let printed: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(printed["info"]["title"], "API Aponta");
}

#[tokio::test]
async fn wrong_command_line_exits_2() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(aponta(folder.path(), &["fly"])).await.0, 2);
    assert_eq!(
        run(aponta(folder.path(), &["dev", "--ephemeral", "--data-dir", "x"]))
            .await
            .0,
        2
    );
}

#[tokio::test]
async fn healthcheck_without_a_server_exits_1() {
    let folder = tempfile::tempdir().unwrap();
    let mut check = aponta(folder.path(), &["healthcheck"]);
    // Port 1 is reserved; nothing of ours listens there.
    check.env("API_PORT", "1").env("API_HOST", "127.0.0.1");
    let (code, _, err) = run(check).await;
    assert_eq!(code, 1);
    assert!(err.contains("no answer from http://127.0.0.1:1/health"), "{err}");
}

/// A port that was free a moment ago.
fn free_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string()
}

#[tokio::test]
async fn serve_runs_is_healthy_and_stops_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await;
    let port = free_port();
    let command = |arguments: &[&str]| {
        let mut command = aponta(folder.path(), arguments);
        command
            .env("DATABASE_URL", &database.url)
            .env("API_HOST", "127.0.0.1")
            .env("AZURE_DEVOPS_ORG_URL", ORG)
            .env("API_PORT", &port);
        command
            .env("LOG_FORMAT", "json")
            .env("SHUTDOWN_DELAY_SECONDS", "0");
        command
    };
    let mut server = Running::start(command(&["serve"]));
    let warned = server.line_with("could bypass row-level security").await;
    assert!(
        warned.contains("the login "),
        "the tests serve with a superuser: {warned}"
    );
    let line = server.line_with("\"serving\"").await;
    let line: serde_json::Value = serde_json::from_str(&line).expect("production logs are JSON");
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
    if let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", server.pid())) {
        assert!(
            !status.contains("THP_enabled:\t1"),
            "huge pages would double its memory"
        );
    }

    assert_eq!(run(command(&["healthcheck"])).await.0, 0);
    assert_eq!(run(command(&["healthcheck", "--ready"])).await.0, 0);
    let url = format!("http://127.0.0.1:{port}/api/v1/projetos");
    let reply = reqwest::Client::new()
        .get(url)
        .header("x-request-id", "do-log")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 401, "authentication is on by default");
    let logged: serde_json::Value = serde_json::from_str(&server.line_with("do-log").await).unwrap();
    assert_eq!(
        (&logged["status"], &logged["code"]),
        (&401.into(), &"nao_autenticado".into()),
        "{logged}"
    );
    assert_eq!(logged["request_id"], "do-log");

    assert_eq!(server.signal("TERM").await, 0);
    assert_eq!(run(command(&["healthcheck"])).await.0, 1);
}

#[tokio::test]
async fn serve_without_auto_migrate_refuses_a_schema_that_is_behind() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await;
    sqlx::raw_sql("DROP SCHEMA api_aponta CASCADE")
        .execute(&database.pool().await)
        .await
        .unwrap();
    let command = |arguments: &[&str]| {
        let mut command = aponta(folder.path(), arguments);
        command
            .env("DATABASE_URL", &database.url)
            .env("API_HOST", "127.0.0.1")
            .env("AZURE_DEVOPS_ORG_URL", ORG)
            .env("API_PORT", "0");
        command
            .env("AUTO_MIGRATE", "false")
            .env("SHUTDOWN_DELAY_SECONDS", "0");
        command
    };
    let (code, _, err) = run(command(&["serve"])).await;
    assert_eq!(code, 1);
    assert!(err.contains("run `aponta migrate` first"), "{err}");

    let (code, out, err) = run(command(&["migrate"])).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("schema is up to date"), "{out}");
    let mut server = Running::start(command(&["serve"]));
    server.line_with("serving").await;
    assert_eq!(server.signal("INT").await, 0);
}

#[tokio::test]
async fn serve_gives_up_on_a_database_that_never_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = aponta(folder.path(), &["serve"]);
    serve
        .env("DATABASE_URL", "postgres://a:segredo@127.0.0.1:1/a")
        .env("AZURE_DEVOPS_ORG_URL", ORG)
        .env("DATABASE_STARTUP_TIMEOUT_SECONDS", "1");
    serve
        .env("DATABASE_ACQUIRE_TIMEOUT_MS", "200")
        .env("API_PORT", "0")
        .env("API_HOST", "127.0.0.1");
    let (code, out, err) = run(serve).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("the database does not answer: 127.0.0.1:1: "),
        "{err}"
    );
    assert!(!format!("{out}{err}").contains("segredo"), "{out}{err}");
}

#[tokio::test]
async fn serve_leaves_no_core_dump() {
    let folder = tempfile::tempdir().unwrap();
    // From the highest limit that this machine allows: where it is 0, the test shows nothing.
    let raised = r#"ulimit -c unlimited 2>/dev/null || ulimit -S -c "$(ulimit -H -c)"; exec "$0" serve"#;
    let mut serve = tokio::process::Command::new("sh");
    serve
        .args(["-c", raised, env!("CARGO_BIN_EXE_aponta")])
        .current_dir(folder.path())
        .env_clear()
        .env("DATABASE_URL", "postgres://a:segredo@127.0.0.1:1/a")
        .env("AZURE_DEVOPS_ORG_URL", ORG);
    serve
        .env("API_PORT", "0")
        .env("API_HOST", "127.0.0.1")
        .kill_on_drop(true);
    let mut server = Running::start(serve);
    server.line_with("waiting for the database").await;
    if let Ok(limits) = fs::read_to_string(format!("/proc/{}/limits", server.pid())) {
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        let words: Vec<&str> = core.split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "{core}");
    }
    assert_eq!(server.signal("TERM").await, 0);
}

#[tokio::test]
async fn password_that_is_wrong_ends_serve_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await;
    let (start, rest) = database.url.split_once("://aponta:").unwrap();
    let url = format!("{start}://aponta:segredo@{}", rest.split_once('@').unwrap().1);
    let mut serve = aponta(folder.path(), &["serve"]);
    serve
        .env("DATABASE_URL", &url)
        .env("AZURE_DEVOPS_ORG_URL", ORG)
        .env("API_PORT", "0")
        .env("API_HOST", "127.0.0.1");
    let (code, out, err) = run(serve).await;
    assert_eq!(code, 1);
    assert!(err.contains("password authentication failed"), "{err}");
    assert!(
        !out.contains("waiting for the database") && !err.contains("segredo"),
        "{out}{err}"
    );
}

/// A client that is gone looks like one that closed its writing side and waits.
#[tokio::test]
async fn abandoned_request_runs_until_the_shutdown_cuts_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await;
    let mut serve = aponta(folder.path(), &["serve"]);
    serve
        .env("DATABASE_URL", &database.url)
        .env("API_HOST", "127.0.0.1")
        .env("API_PORT", "0");
    serve
        .env("AUTH_ENABLED", "false")
        .env("LOG_FORMAT", "json")
        .env("SHUTDOWN_DELAY_SECONDS", "0")
        .env("SHUTDOWN_TIMEOUT_SECONDS", "1")
        .envs(PATIENT);
    let mut server = Running::start(serve);
    let started: serde_json::Value = serde_json::from_str(&server.line_with("\"serving\"").await).unwrap();
    let pool = database.pool().await;
    let abandon = async |request_id: &str| {
        let blocker = block_projetos(&pool).await;
        let mut client = TcpStream::connect(started["address"].as_str().unwrap())
            .await
            .unwrap();
        let request =
            format!("GET /api/v1/projetos HTTP/1.1\r\nHost: x\r\nX-Request-Id: {request_id}\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        a_query_waits(&pool).await;
        drop(client);
        blocker
    };
    abandon("answered").await.rollback().await.unwrap();
    let line = server.line_with("\"status\":200").await;
    let logged: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(logged["request_id"], "answered");

    let blocker = abandon("cut").await;
    send_signal(server.pid(), "TERM").await;
    let line = server.line_with("connection ended before the response").await;
    let logged: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(logged["request_id"], "cut");
    blocker.rollback().await.unwrap();
}

#[tokio::test]
async fn adopt_organization_stores_a_new_key() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await;
    let azure = FakeAzure::contoso().await;
    let pat = azure.pat(&azure.person("Stranger", &["contoso"]));
    sqlx::query(
        "INSERT INTO organizacoes (chave, nome, instance_id) VALUES ('contoso', 'contoso', gen_random_uuid())",
    )
    .execute(&database.pool().await)
    .await
    .unwrap();
    let adopt = |nome: &str| {
        let mut command = aponta(folder.path(), &["adopt-organization", nome]);
        command
            .env("DATABASE_URL", &database.url)
            .env("AZURE_DEVOPS_PAT", &pat)
            .envs(azure.variables("contoso"));
        command
    };
    let (code, out, err) = run(adopt("Contoso")).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("has the key contoso~2 now"), "{out}");
    let (code, _, err) = run(adopt("fabrikam")).await;
    assert_eq!(code, 1);
    assert!(err.contains("fabrikam is not configured, or has no PAT"), "{err}");
}

#[tokio::test]
async fn mark_restored_pauses_every_row_and_says_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let logging = Logging::new().await;
    let entry = logging.log("01:00").await;
    let mut command = aponta(folder.path(), &["mark-restored"]);
    command
        .env("DATABASE_URL", logging.tenants.app.database_url())
        .envs(logging.azure().variables("contoso"));
    let (code, out, err) = run(command).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("the write-back of 1 work items is paused"), "{out}");
    logging
        .put(&entry, &json!({"duracao": "02:00"}))
        .await
        .expect(200);
    assert_eq!(logging.write_due().await, 0);
    assert_eq!(logging.azure().hours(logging.item).0, Some(4.5));
}
