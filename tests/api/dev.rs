//! `aponta dev` as a newcomer runs it, crashes included.

mod answers;
mod demo;

use std::path::Path;

use azure_devops_fake::FakeAzure;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::process::{Running, aponta, open_folder, postmaster, run, send_signal};

/// A development server over `data` on a free port, once it listens. Returns its address too.
async fn start(home: &Path, data: &Path, more: &[&str]) -> (Running, String) {
    let data = data.to_str().unwrap();
    let mut arguments = vec!["dev", "--port", "0"];
    if !more.contains(&"--ephemeral") {
        arguments.extend(["--data-dir", data]);
    }
    arguments.extend(more);
    let mut server = Running::start(aponta(home, &arguments));
    let line = server.line_with("API      http").await;
    let address = line
        .split_whitespace()
        .nth(1)
        .unwrap()
        .strip_suffix("/api/v1")
        .unwrap()
        .to_owned();
    server.line_with("Stop     Ctrl-C").await;
    (server, address)
}

async fn get(address: &str, path: &str) -> Value {
    reqwest::get(format!("{address}{path}"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

async fn create(address: &str, nome: &str) {
    let body = json!({"nome": nome, "id_projeto": "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001"});
    let reply = reqwest::Client::new()
        .post(format!("{address}/api/v1/atividades"))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 201);
}

/// A dead process that is not collected yet has no command line any more.
fn is_running(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| !command.is_empty())
}

#[tokio::test]
async fn second_run_finds_the_data_of_the_first() {
    let folder = open_folder();
    let data = folder.path().join("d");
    let (server, address) = start(folder.path(), &data, &[]).await;
    let seeded = get(&address, "/api/v1/atividades").await;
    assert_eq!(seeded["total"], 8);
    assert_eq!(
        get(&address, "/api/v1/projetos").await.as_array().unwrap().len(),
        2
    );
    create(&address, "Minha atividade").await;
    let database = postmaster(&data).unwrap();
    // Ctrl-C reaches only us: the server has a process group of its own.
    assert_eq!(server.signal("INT").await, 0);
    assert!(!is_running(database), "the database outlived Ctrl-C");

    let (server, address) = start(folder.path(), &data, &[]).await;
    let again = get(&address, "/api/v1/atividades").await;
    assert_eq!(again["total"], 9, "kept, and not seeded twice");
    assert_eq!(server.signal("TERM").await, 0);
}

#[tokio::test]
async fn crash_of_everything_is_recovered() {
    let folder = open_folder();
    let data = folder.path().join("d");
    let (server, address) = start(folder.path(), &data, &[]).await;
    create(&address, "Sobrevive").await;
    let database = postmaster(&data).unwrap();
    server.signal("KILL").await;
    send_signal(database, "KILL").await;

    let (server, address) = start(folder.path(), &data, &[]).await;
    assert_eq!(get(&address, "/api/v1/atividades").await["total"], 9);
    assert_eq!(server.signal("INT").await, 0);
}

#[tokio::test]
async fn database_left_running_by_a_crash_is_stopped_first() {
    let folder = open_folder();
    let data = folder.path().join("d");
    let (server, _) = start(folder.path(), &data, &[]).await;
    let database = postmaster(&data).unwrap();
    server.signal("KILL").await;
    assert!(is_running(database));

    let (server, address) = start(folder.path(), &data, &[]).await;
    assert!(!is_running(database));
    assert_eq!(get(&address, "/api/v1/atividades").await["total"], 8);
    assert_eq!(server.signal("INT").await, 0);
}

#[tokio::test]
async fn stale_pid_file_of_another_program_is_ignored() {
    let folder = open_folder();
    let data = folder.path().join("d");
    let (server, _) = start(folder.path(), &data, &[]).await;
    let pid_file = data.join("pgdata/postmaster.pid");
    let text = std::fs::read_to_string(&pid_file).unwrap();
    assert_eq!(server.signal("INT").await, 0);
    // After a reboot the number belongs to another process: here, to this test.
    let rest = text.split_once('\n').unwrap().1;
    std::fs::write(&pid_file, format!("{}\n{rest}", std::process::id())).unwrap();

    let (server, _) = start(folder.path(), &data, &[]).await;
    assert_eq!(server.signal("INT").await, 0);
}

#[tokio::test]
async fn second_dev_server_gets_a_clear_error() {
    let folder = open_folder();
    let data = folder.path().join("d");
    let (server, _) = start(folder.path(), &data, &[]).await;
    let second = aponta(
        folder.path(),
        &["dev", "--port", "0", "--data-dir", data.to_str().unwrap()],
    );
    let (code, _, err) = run(second).await;
    assert_eq!(code, 1);
    assert!(err.contains("another `aponta dev` already uses"), "{err}");
    assert!(err.contains(&format!("process {}", server.pid())), "{err}");
    assert_eq!(server.signal("INT").await, 0);
}

#[tokio::test]
async fn taken_port_is_reported_before_anything_starts() {
    let folder = open_folder();
    let data = folder.path().join("d");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let command = aponta(
        folder.path(),
        &["dev", "--port", &port, "--data-dir", data.to_str().unwrap()],
    );
    let (code, _, err) = run(command).await;
    assert_eq!(code, 1);
    assert!(
        err.contains(&format!("cannot listen on port {port}")) && err.contains("--port"),
        "{err}"
    );
    assert!(!data.join("pgdata").exists());
}

#[tokio::test]
async fn ephemeral_leaves_nothing_behind() {
    let folder = open_folder();
    let (server, address) = start(folder.path(), folder.path(), &["--ephemeral"]).await;
    assert_eq!(get(&address, "/api/v1/atividades").await["total"], 8);
    let mine = server.pid().to_string();
    let folder_of = || {
        let entries = std::env::temp_dir()
            .read_dir()
            .unwrap()
            .filter_map(|e| Some(e.ok()?.path()));
        entries.into_iter().find(|path| {
            std::fs::read_to_string(path.join("lock"))
                .is_ok_and(|note| note.starts_with(&format!("process {mine}")))
        })
    };
    assert!(folder_of().is_some());
    assert_eq!(server.signal("INT").await, 0);
    assert_eq!(folder_of(), None);
}

#[tokio::test]
async fn interrupted_first_start_is_repeated() {
    let folder = open_folder();
    let data = folder.path().join("d");
    std::fs::create_dir_all(data.join("pgdata.new/base")).unwrap();
    std::fs::write(data.join("pgdata.new/PG_VERSION"), "15").unwrap();
    let (server, _) = start(folder.path(), &data, &[]).await;
    assert_eq!(server.signal("INT").await, 0);
}

#[tokio::test]
async fn environment_cannot_point_dev_at_another_database() {
    let folder = open_folder();
    std::fs::write(
        folder.path().join(".env"),
        "ENVIRONMENT=production\nAUTH_ENABLED=true\nDATABASE_URL=postgres://a@db.example/producao\nAPI_HOST=0.0.0.0\n\
         DATABASE_URL_FILE=/nowhere\nDATABASE_PASSWORD_FILE=/nowhere\n",
    )
    .unwrap();
    let (server, address) = start(folder.path(), &folder.path().join("d"), &[]).await;
    assert_eq!(get(&address, "/health").await["environment"], "development");
    assert_eq!(get(&address, "/api/v1/atividades").await["total"], 8);
    assert_eq!(server.signal("INT").await, 0);
}

#[tokio::test]
async fn auth_flag_proves_callers_by_azure_devops_of_env_file() {
    let azure = FakeAzure::contoso().await;
    azure.projects("contoso", 2);
    let service = azure.pat(&azure.person("Service", &["contoso"]));
    let folder = open_folder();
    let data = folder.path().join("d");
    let mut lines = vec![format!("AZURE_DEVOPS_PAT={service}")];
    let variables = azure.variables("contoso");
    lines.extend(variables.iter().map(|(name, value)| format!("{name}={value}")));
    std::fs::write(folder.path().join(".env"), lines.join("\n")).unwrap();
    let (server, address) = start(folder.path(), &data, &["--auth"]).await;
    let client = reqwest::Client::new();
    let sync = || client.post(format!("{address}/api/v1/integracao/sincronizar"));
    assert_eq!(sync().send().await.unwrap().status(), 401);
    let token = azure.pat(&azure.person("Ada", &["contoso"]));
    let done: Value = sync()
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(done["created"], 2);
    assert_eq!(server.signal("INT").await, 0);

    std::fs::remove_file(folder.path().join(".env")).unwrap();
    let command = aponta(
        folder.path(),
        &[
            "dev",
            "--auth",
            "--no-demo",
            "--port",
            "0",
            "--data-dir",
            data.to_str().unwrap(),
        ],
    );
    let (code, _, err) = run(command).await;
    assert_eq!(code, 2);
    assert!(err.contains("AZURE_DEVOPS_ORG_URL: is required"), "{err}");
}

#[tokio::test]
async fn data_of_another_version_are_not_touched() {
    let folder = open_folder();
    let data = folder.path().join("d");
    std::fs::create_dir_all(data.join("pgdata")).unwrap();
    std::fs::write(data.join("pgdata/PG_VERSION"), "99\n").unwrap();
    let command = aponta(
        folder.path(),
        &["dev", "--port", "0", "--data-dir", data.to_str().unwrap()],
    );
    let (code, _, err) = run(command).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("were written by PostgreSQL 99") && err.contains("--data-dir"),
        "{err}"
    );
}

#[tokio::test]
async fn only_database_prints_an_address_that_works() {
    let folder = open_folder();
    let data = folder.path().join("d");
    let arguments = ["dev", "--only-database", "--data-dir", data.to_str().unwrap()];
    let mut database = Running::start(aponta(folder.path(), &arguments));
    let url = database.line_with("postgres://").await;
    eventually("the address works", async || {
        sqlx::PgPool::connect(&url).await.is_ok()
    })
    .await;
    assert_eq!(database.signal("INT").await, 0);
}

#[tokio::test]
async fn folder_without_server_programs_is_named() {
    let folder = open_folder();
    let data = folder.path().join("d");
    let mut command = aponta(
        folder.path(),
        &["dev", "--port", "0", "--data-dir", data.to_str().unwrap()],
    );
    command.env("PG_BIN_DIR", folder.path());
    let (code, _, err) = run(command).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("PG_BIN_DIR=") && err.contains("holds no initdb and postgres"),
        "{err}"
    );
}

#[tokio::test]
async fn ctrl_c_during_the_start_leaves_nothing_running() {
    let folder = open_folder();
    let data = folder.path().join("d");
    let arguments = ["dev", "--port", "0", "--data-dir", data.to_str().unwrap()];
    let server = Running::start(aponta(folder.path(), &arguments));
    eventually("the start has begun", async || data.join("lock").exists()).await;
    let code = server.signal("INT").await;
    // It may have been done already; then it stopped as ever.
    assert!(code == 0 || code == 1, "{code}");
    eventually("no database is left", async || {
        postmaster(&data).is_none_or(|pid| !is_running(pid))
    })
    .await;
    let (server, _) = start(folder.path(), &data, &[]).await;
    assert_eq!(server.signal("INT").await, 0);
}
