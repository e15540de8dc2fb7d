//! What the log says of requests, and how much.

use azure_devops_fake::FakeAzure;
use serde_json::Value;

use crate::support::TestDatabase;
use crate::support::measured::start_with;
use crate::support::process::Running;

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
    // One request after the other, so that all with a lower number are answered before a line is written.
    let sending = tokio::spawn(async move {
        for n in 0_u64.. {
            let request = client.get(format!("{api}/openapi.json"));
            let request = request.header("x-request-id", format!("r-{n}"));
            request.send().await.unwrap();
        }
    });
    let mut written = 0;
    let (number, omitted) = loop {
        let line = server.line_with(r#""request_id":"r-"#).await;
        let line: Value = serde_json::from_str(&line).unwrap();
        let number: u64 = line["request_id"].as_str().unwrap()[2..].parse().unwrap();
        match line["omitted"].as_u64() {
            Some(omitted) => break (number, omitted),
            None => written += 1,
        }
    };
    sending.abort();
    assert!(written >= 5, "{written} lines in the first second");
    assert_eq!(written + omitted, number);
    server.signal("TERM").await;
}
