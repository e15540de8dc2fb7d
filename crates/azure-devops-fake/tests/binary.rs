//! Test of the binary, run as a user would run it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Process that is killed when the value is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn binary_started_answers_connection_data() {
    let child = Command::new(env!("CARGO_BIN_EXE_azure-devops-fake"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let lines: Vec<String> = BufReader::new(running.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .take_while(|line| !line.starts_with("Stop"))
        .collect();
    let value = |name: &str| {
        let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].trim().to_owned()
    };
    let url = format!(
        "{}/_apis/connectionData?api-version=7.1-preview",
        value("Address")
    );
    let client = reqwest::Client::new();

    let refused = client.get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 401);

    let reply = client
        .get(&url)
        .basic_auth("", Some(value("PAT")))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    let text = reply.text().await.unwrap();
    let body: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    assert_eq!(
        body["authenticatedUser"]["providerDisplayName"],
        value("Person").as_str()
    );
}
