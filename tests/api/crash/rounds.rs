//! What a round of the crash test is like: whose credential writes, and what Azure DevOps does to its writes.

use std::path::Path;
use std::time::Duration;

use azure_devops_fake::Fault;

use crate::support::Logging;
use crate::support::process::{Running, aponta};

/// Rounds of the short form.
const ROUNDS: usize = 6;
/// Time limit of a call to Azure DevOps.
const TIMEOUT_MS: u64 = 800;
/// Delay of a throttled call, longer than the time limit; the first one is that of the short form.
const DELAYS: [Duration; 2] = [Duration::from_millis(TIMEOUT_MS + 200), Duration::from_secs(12)];
/// Writes of a round that meet its fault.
const FAULTY_WRITES: usize = 2;

/// Whose credential writes to Azure DevOps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The PAT of the organisation.
    Service,
    /// The PAT of another account, which replaced it.
    Successor,
    /// The organisation has no PAT: each caller writes with a credential of their own.
    Callers,
}

/// The rounds of a run.
#[derive(Debug)]
pub struct Rounds {
    pub count: usize,
    delay: Duration,
    /// PAT of the account that replaces the service's.
    successor: String,
}

impl Rounds {
    /// As many as `APONTA_CRASH_ROUNDS` says, with delays of 12 s; without it a few, with short ones.
    pub fn new(logging: &Logging) -> Self {
        #[expect(clippy::disallowed_methods, reason = "asked for on the command line")]
        let asked = std::env::var("APONTA_CRASH_ROUNDS").ok();
        let count = asked
            .as_ref()
            .map(|text| text.parse().expect("a number of rounds"));
        let successor = logging.azure().person("Service 2", &["contoso", "fabrikam"]);
        Self {
            count: count.unwrap_or(ROUNDS),
            delay: DELAYS[usize::from(asked.is_some())],
            successor: logging.azure().pat(&successor),
        }
    }

    pub fn writer(round: usize) -> Writer {
        [Writer::Service, Writer::Callers, Writer::Successor][round % 3]
    }

    /// Has Azure DevOps fail as it does in this round: eight faults in turn, so that each meets each writer.
    pub fn begin(&self, logging: &Logging, round: usize) {
        let azure = logging.azure();
        azure.heal();
        let late = |then: Fault| Fault::late(self.delay, then);
        let fault = match round % 8 {
            0 => Fault::applied(Fault::Hang),
            1 => late(Fault::Nothing),
            2 => Fault::Status(503, None),
            3 => Fault::applied(late(Fault::Nothing)),
            4 => Fault::applied(Fault::Reset),
            5 => Fault::Hang,
            6 => late(Fault::Status(503, None)),
            // One credential is throttled, the others are not.
            _ => {
                let token = match Self::writer(round) {
                    Writer::Service => &logging.tenants.service_pat,
                    Writer::Successor => &self.successor,
                    Writer::Callers => &logging.tenants.member,
                };
                azure.answer_token_at(token, "update_work_item", late(Fault::applied(Fault::Reset)));
                return;
            }
        };
        azure.fault_times("contoso", "update_work_item", fault, FAULTY_WRITES);
    }

    /// Starts the service on a port of its own; returns where it is.
    pub async fn serve(&self, logging: &Logging, folder: &Path, writer: Writer) -> (Running, String) {
        let pats = match writer {
            Writer::Service => format!("contoso={}", logging.tenants.service_pat),
            Writer::Successor => format!("contoso={}", self.successor),
            Writer::Callers => String::new(),
        };
        let mut command = aponta(folder, &["serve"]);
        command
            .envs(logging.azure().variables("contoso"))
            .env("DATABASE_URL", logging.tenants.app.database_url())
            .env("AZURE_DEVOPS_ORG_PATS", pats)
            .env("AZURE_DEVOPS_TIMEOUT_MS", TIMEOUT_MS.to_string())
            .env("AZURE_DEVOPS_BREAKER_OPEN_MS", "50")
            .env("WRITEBACK_BUDGET", "0.2")
            .env("RATE_LIMIT_ENABLED", "false")
            .env("DATABASE_POOL_MAX", "6")
            .env("API_HOST", "127.0.0.1")
            .env("API_PORT", "0")
            .env("LOG_FORMAT", "text")
            // The test reads no further than the line that says where it listens.
            .env("RUST_LOG", "error,aponta::cli=info");
        let mut running = Running::start(command);
        let line = running.line_with("serving").await;
        let port: String = line
            .split("127.0.0.1:")
            .nth(1)
            .expect("an address")
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        (running, format!("http://127.0.0.1:{port}"))
    }
}
