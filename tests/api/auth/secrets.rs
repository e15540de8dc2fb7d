//! What callers show and the service owns stays secret.

use azure_devops_fake::{FakeAzure, Fault};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::basic;
use crate::support::app_token::{self, SECRET, app_token};
use crate::support::process::{aponta, send_signal};
use crate::support::tenants::KEY;
use crate::support::{TestDatabase, eventually};

/// The whole program at its most talkative: whatever a caller shows or the service owns, no log line and no
/// answer has it.
#[tokio::test]
async fn no_secret_is_ever_logged_or_answered() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let service = azure.pat(&azure.person("Service", &["contoso"]));
    let root = azure.person("Root", &["contoso"]);
    let admin = root.id.to_string();
    let database = TestDatabase::new().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut serve = aponta(folder.path(), &["serve"]);
    let port = free_port();
    serve
        .envs(azure.variables("contoso"))
        .env("DATABASE_URL", format!("{}&passwort={MISTYPED}", database.url))
        .env("API_HOST", "127.0.0.1")
        .env("API_PORT", port.to_string())
        .env("AZURE_DEVOPS_PAT", &service)
        .env("PAT_ENCRYPTION_KEYS", KEY)
        .env("ADMIN_USERS", &admin)
        .env("AZURE_DEVOPS_TIMEOUT_MS", "500")
        .env("SHUTDOWN_DELAY_SECONDS", "0")
        .env("RUST_LOG", "trace")
        .envs(app_token::VARIABLES)
        .stdout(std::fs::File::create(&log).unwrap())
        .stderr(std::fs::File::create(folder.path().join("err")).unwrap());
    let mut server = serve.spawn().unwrap();
    let base = format!("http://127.0.0.1:{port}");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    eventually("it serves", async || client.get(&base).send().await.is_ok()).await;

    let (pat, access, app) = (azure.pat(&ada), azure.access_token(&ada), app_token(ada.id));
    let (bad, slow) = ("canary-refused-token".to_owned(), "canary-slow-token".to_owned());
    azure.answer_token(&slow, Fault::Hang);
    let proved = [&pat, &access, &app];
    let mut answers = ask_with_each(&client, &base, &proved, &[&bad, &slow], &access).await;
    let sync = client
        .post(format!("{base}/api/v1/integracao/sincronizar"))
        .bearer_auth(&pat);
    let sync = sync.send().await.unwrap();
    assert_eq!(sync.status(), 200);
    answers.push(sync.text().await.unwrap());
    let (vaulted, root_pat) = (azure.pat(&ada), azure.pat(&root));
    let vault = format!("{base}/api/v1/organization-pats");
    answers.extend(fill_vault(&client, &vault, &root_pat, &vaulted).await);
    send_signal(server.id().unwrap(), "TERM").await;
    server.wait().await.unwrap();

    let written =
        std::fs::read_to_string(&log).unwrap() + &std::fs::read_to_string(folder.path().join("err")).unwrap();
    assert!(written.contains("TRACE"), "the log is not talkative");
    assert!(
        written.contains("connection_data"),
        "the client's calls are in the log"
    );
    let secrets: [&str; 12] = [
        &pat, &access, &app, &bad, &slow, &service, &vaulted, &root_pat, SECRET, UNKNOWN, KEY, MISTYPED,
    ];
    assert_nowhere(&secrets, &written, &answers);
}

/// Calls three paths with each token in each form, and returns headers and bodies of the answers.
async fn ask_with_each(
    client: &reqwest::Client,
    base: &str,
    proved: &[&String],
    refused: &[&String],
    access: &String,
) -> Vec<String> {
    let mut answers: Vec<String> = Vec::new();
    for token in proved.iter().chain(refused) {
        for path in [
            "/api/v1/user",
            "/api/v1/integracao/projetos",
            "/api/v1/projetos?limit=x",
        ] {
            for header in [format!("Bearer {token}"), basic("", token)] {
                let header_is_basic = header.starts_with("Basic");
                let request = client
                    .get(format!("{base}{path}"))
                    .header("authorization", header);
                let reply = request
                    .header("x-azure-access-token", access)
                    .send()
                    .await
                    .unwrap();
                let expected: &[u16] = match path {
                    _ if refused.contains(token) => &[401, 504],
                    "/api/v1/projetos?limit=x" => &[422],
                    _ => &[200],
                };
                // An access token is no password.
                let basic_access = *token == access && header_is_basic;
                assert!(
                    basic_access || expected.contains(&reply.status().as_u16()),
                    "{path} {}",
                    reply.status()
                );
                answers.push(format!("{:?}", reply.headers()));
                answers.push(reply.text().await.unwrap());
            }
        }
    }
    answers
}

/// Panics if a secret, as it is or in Base64, is in the log or in an answer.
fn assert_nowhere(secrets: &[&str], written: &str, answers: &[String]) {
    for secret in secrets {
        for form in [
            (*secret).to_owned(),
            STANDARD.encode(secret),
            STANDARD.encode(format!(":{secret}")),
        ] {
            let lines: Vec<&str> = written.lines().filter(|line| line.contains(&form)).collect();
            assert_eq!(lines, Vec::<&str>::new(), "{form} is in the log");
            assert!(
                answers.iter().all(|text| !text.contains(&form)),
                "{form} is in an answer"
            );
        }
    }
}

/// Of a parameter of the database's address that is unknown.
const MISTYPED: &str = "canary-mistyped-password";

/// A PAT that Azure DevOps does not know.
const UNKNOWN: &str = "canary-vaulted-token";

/// What is put into the vault, whether it is taken or refused, and in whichever field it ends up. Returns the
/// answers.
async fn fill_vault(client: &reqwest::Client, vault: &str, admin: &str, pat: &str) -> Vec<String> {
    let mut answers = Vec::new();
    for (path, body, expected) in [
        (
            "/validate",
            json!({"organization_name": "contoso", "pat": pat}),
            200,
        ),
        (
            "/validate",
            json!({"organization_name": "contoso", "pat": UNKNOWN}),
            200,
        ),
        (
            "",
            json!({"organization_name": "contoso", "pat": UNKNOWN, "expira_em": "x"}),
            422,
        ),
        ("", json!({"organization_name": UNKNOWN, "pat": [pat]}), 422),
        (
            "?validate_first=true",
            json!({"organization_name": "contoso", "pat": pat}),
            201,
        ),
    ] {
        let request = client
            .post(format!("{vault}{path}"))
            .bearer_auth(admin)
            .json(&body);
        let reply = request.send().await.unwrap();
        let (status, text) = (reply.status(), reply.text().await.unwrap());
        assert_eq!(status, expected, "{path} {text}");
        answers.push(text);
    }
    answers
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
