//! What the log says of requests, and how much.

use serde_json::Value;

use crate::support::measured::start_with;
use crate::support::process::Running;
use crate::support::{FakeAzure, TestDatabase};

/// The line that tells the answer to the request that had this id.
async fn line_of(server: &mut Running, id: &str) -> Value {
    loop {
        let line = server.line_with(&format!(r#""request_id":"{id}""#)).await;
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "request" {
            return line;
        }
    }
}

#[tokio::test]
async fn refused_request_line_names_caller_and_organization() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let pat = azure.pat(&ada);
    let database = TestDatabase::new().await;
    let folder = tempfile::tempdir().unwrap();
    let upstream = azure.variables("contoso");
    let mut variables = vec![("AUTH_ENABLED", "true"), ("RATE_LIMIT_ENABLED", "false")];
    variables.extend(upstream.iter().map(|(name, value)| (*name, value.as_str())));
    let (mut server, api, _) = start_with(&database, folder.path(), &variables).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |id: &'static str, path: &str, token: &str| {
        let request = client.get(format!("{api}/api/v1/{path}"));
        let request = request.header("x-request-id", id).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };

    assert_eq!(ask("r-403", "organization-pats", &pat).await, 403);
    let line = line_of(&mut server, "r-403").await;
    assert_eq!(
        (&line["status"], &line["caller"]),
        (&403.into(), &ada.id.to_string().into())
    );
    assert_eq!(line["organizacoes"], "contoso");
    assert!(!line.to_string().contains(&pat));

    let unknown = uuid::Uuid::now_v7();
    assert_eq!(ask("r-404", &format!("atividades/{unknown}"), &pat).await, 404);
    assert_eq!(line_of(&mut server, "r-404").await["caller"], ada.id.to_string());

    assert_eq!(ask("r-200", "user", &pat).await, 200);
    assert_eq!(line_of(&mut server, "r-200").await.get("caller"), None);

    assert_eq!(ask("r-401", "user", "made-up").await, 401);
    assert_eq!(line_of(&mut server, "r-401").await.get("caller"), None);
    server.signal("TERM").await;
}

#[tokio::test]
async fn lines_beyond_the_budget_of_an_address_are_counted() {
    let database = TestDatabase::new().await;
    let folder = tempfile::tempdir().unwrap();
    let variables = [("LOG_REQUESTS_PER_SECOND", "5"), ("RATE_LIMIT_ENABLED", "false")];
    let (mut server, api, _) = start_with(&database, folder.path(), &variables).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for n in 0..400 {
        let request = client.get(format!("{api}/openapi.json"));
        request
            .header("x-request-id", format!("r-{n}"))
            .send()
            .await
            .unwrap();
    }
    // The address goes quiet for a window, then its next line says what is missing.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let last = client
        .get(format!("{api}/openapi.json"))
        .header("x-request-id", "last");
    last.send().await.unwrap();
    let (mut written, mut omitted) = (0, 0);
    loop {
        let line = server.line_with("\"request_id\"").await;
        let line: Value = serde_json::from_str(&line).unwrap();
        omitted += line["omitted"].as_u64().unwrap_or(0);
        if line["request_id"] == "last" {
            break;
        }
        written += 1;
    }
    assert_eq!(written + omitted, 400);
    assert!(omitted > 300, "{omitted}");
    server.signal("TERM").await;
}
