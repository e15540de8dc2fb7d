//! The service under test: a process of its own, what it answers and how much memory it holds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use reqwest::RequestBuilder;
use serde_json::Value;

use crate::support::Logging;
use crate::support::process::{Running, aponta};
use crate::support::tenants::KEY;

/// Time limit of a call to Azure DevOps.
pub const TIMEOUT_MS: u64 = 800;
/// Statuses that a client may meet while Azure DevOps and the database fail.
const EXPECTED: [u16; 13] = [200, 201, 204, 401, 403, 404, 409, 412, 422, 429, 502, 503, 504];

/// A serving process and the answers that it gave.
#[derive(Debug)]
pub struct Service {
    running: Running,
    base: String,
    pub http: reqwest::Client,
    /// How often each operation was answered with each status.
    answers: Mutex<BTreeMap<(&'static str, u16), usize>>,
    /// Answers that no fault excuses.
    strange: Mutex<Vec<String>>,
}

impl Service {
    pub async fn start(logging: &Logging, folder: &Path) -> Self {
        let azure = logging.azure();
        let admin = |token: &str, org: &str| format!("{org}/{}", azure.person_of(token, org).id);
        let admins = [
            admin(&logging.tenants.admin, "contoso"),
            admin(&logging.tenants.other_admin, "fabrikam"),
        ];
        let mut command = aponta(folder, &["serve"]);
        command
            .envs(azure.variables("contoso"))
            .env("DATABASE_URL", logging.tenants.app.database_url())
            .env("DATABASE_POOL_MAX", "8")
            .env("ADMIN_USERS", admins.join(","))
            .env("PAT_ENCRYPTION_KEYS", KEY)
            .env("AZURE_DEVOPS_TIMEOUT_MS", TIMEOUT_MS.to_string())
            .env("AZURE_DEVOPS_BREAKER_OPEN_MS", "200")
            // A proof is asked for again often, so that sign-ins meet faults, too.
            .env("AUTH_CACHE_TTL", "5")
            .env("AUTH_PROOFS_PER_SECOND", "0")
            .env("WORK_ITEM_TYPES", "Task,Chore")
            .env("WRITEBACK_BUDGET", "0.3")
            .env("RATE_LIMIT_ENABLED", "false")
            .env("API_HOST", "127.0.0.1")
            .env("API_PORT", "0")
            .env("LOG_FORMAT", "text")
            .env("RUST_LOG", "error,aponta::cli=info");
        let mut running = Running::start(command);
        let line = running.line_with("serving").await;
        let (_, address) = line.split_once("127.0.0.1:").expect("an address");
        let port: String = address.chars().take_while(char::is_ascii_digit).collect();
        Self {
            running,
            base: format!("http://127.0.0.1:{port}"),
            http: reqwest::Client::new(),
            answers: Mutex::default(),
            strange: Mutex::default(),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request and notes how it was answered. No fault is a reason to leave a request without an
    /// answer.
    pub async fn send(&self, operation: &'static str, request: RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.expect("the service dropped a request");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("an answer was cut");
        *self
            .answers
            .lock()
            .unwrap()
            .entry((operation, status))
            .or_default() += 1;
        if !EXPECTED.contains(&status) {
            let strange = format!("{operation}: {status} {text}");
            self.strange.lock().unwrap().push(strange);
        }
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// How often each operation was answered with each status.
    pub fn report(&self) -> String {
        let answers = self.answers.lock().unwrap();
        let one =
            |((operation, status), count): (&(&str, u16), &usize)| format!("{operation} {status}: {count}");
        answers.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// How many requests were answered.
    pub fn answered(&self) -> usize {
        self.answers.lock().unwrap().values().sum()
    }

    /// Answers that no fault excuses.
    pub fn strange(&self) -> Vec<String> {
        self.strange.lock().unwrap().clone()
    }

    /// Resident memory in KiB; `None` where the system does not tell.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.running.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Stops the process, which must end well.
    pub async fn stop(self) {
        assert_eq!(self.running.signal("TERM").await, 0);
    }
}
