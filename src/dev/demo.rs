//! The organisation that `aponta dev` brings along: a stand-in for Azure DevOps with people, sprints and work
//! items.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::Context;
use azure_devops_fake::FakeAzure;
use azure_devops_fake::demo::{ADMINISTRATOR, Login, ORGANIZATION, SECOND_PAT, SERVICE_PAT, plant};
use chrono::NaiveDate;
use secrecy::SecretString;

use super::seed::{FIRST_ATIVIDADE, PORTAL};
use crate::config::Env;
use crate::models::ids::AtividadeId;

/// File of the data folder with the changes of work items.
const STORE: &str = "contoso.json";
/// Work item of the printed commands.
const WORK_ITEM: i32 = 4711;

/// Holds the running organisation.
pub(super) struct Demo {
    fake: FakeAzure,
    people: Vec<Login>,
    today: NaiveDate,
}

impl Demo {
    /// Returns `true` if the environment names no organisation.
    pub(super) fn is_wanted(env: &Env) -> bool {
        ["AZURE_DEVOPS_ORG_URL", "AZURE_DEVOPS_ORG_PATS"]
            .iter()
            .all(|name| env.get(name).is_none())
    }

    /// Starts an empty stand-in on a free port.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let fake = FakeAzure::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .context("cannot start the organisation that comes along")?;
        Ok(Self {
            fake,
            people: Vec::new(),
            today: NaiveDate::default(),
        })
    }

    /// Adds the organisation with sprints around `today`. With a folder the hours of work items outlive the
    /// process.
    pub(super) fn plant(&mut self, folder: Option<&Path>, today: NaiveDate) -> anyhow::Result<()> {
        self.people = plant(&self.fake, today);
        self.today = today;
        if let Some(folder) = folder {
            let path = folder.join(STORE);
            self.fake
                .store_work_items(ORGANIZATION, &path)
                .with_context(|| format!("cannot read {}; remove it to begin anew", path.display()))?;
        }
        Ok(())
    }

    /// Returns the PAT of the service in the second organisation, for the vault.
    pub(super) fn second_pat() -> SecretString {
        SecretString::from(SECOND_PAT)
    }

    /// Returns the environment with the organisation, the service's PAT and an administrator.
    pub(super) fn overlay(&self, env: Env) -> Env {
        let address = self.fake.address();
        let administrators = env.get("ADMIN_USERS").unwrap_or(ADMINISTRATOR).to_owned();
        env.with("AZURE_DEVOPS_ORG_URL", format!("http://{address}/{ORGANIZATION}"))
            .with("AZURE_DEVOPS_BASE_URL", format!("http://{address}"))
            .with("AZURE_DEVOPS_IDENTITY_URL", format!("http://{address}/vssps"))
            .with("AZURE_DEVOPS_PAT", SERVICE_PAT)
            .with("ADMIN_USERS", administrators)
    }

    /// Returns the lines of the greeting: people with PATs if callers are authenticated, then three commands
    /// that log an hour and show it, or a hint if the database lacks the data of the examples.
    pub(super) fn greeting(&self, api: SocketAddr, auth: bool, has_examples: bool) -> Vec<String> {
        let mut lines = vec![format!(
            "  Azure    {ORGANIZATION}, a stand-in on http://{} (--no-demo leaves it out)",
            self.fake.address()
        )];
        let mut credential = String::new();
        if auth {
            let (administrators, members): (Vec<&Login>, Vec<&Login>) = self
                .people
                .iter()
                .partition(|login| login.account == ADMINISTRATOR);
            let printed = members.iter().take(2).chain(&administrators);
            lines.extend(printed.map(|login| {
                let role = if login.account == ADMINISTRATOR {
                    ", administrator"
                } else {
                    ""
                };
                format!("  PAT      {}  ({}{role})", login.pat, login.name)
            }));
            if let Some(first) = members.first() {
                credential = format!(" -u :{}", first.pat);
            }
        }
        lines.push(format!("  Try      open http://{api}/docs"));
        if has_examples {
            lines.push(format!("           {}", self.log_an_hour(api, &credential)));
            lines.push(format!("           {}", self.show(api, &credential)));
        } else {
            lines.push(
                "           --data-dir with a new folder has the data of the examples; this one has not"
                    .to_owned(),
            );
        }
        lines
    }

    /// Returns a command that logs an hour of today.
    fn log_an_hour(&self, api: SocketAddr, credential: &str) -> String {
        format!(
            "curl -s{credential} http://{api}/api/v1/apontamentos -H 'Content-Type: application/json' -d \
             '{{\"work_item_id\": {WORK_ITEM}, \"project_id\": \"{PORTAL}\", \"organization_name\": \
             \"{ORGANIZATION}\", \"id_atividade\": \"{}\", \"data_apontamento\": \"{}\", \"duracao\": \
             \"01:00\"}}'",
            AtividadeId(uuid::Uuid::from_u128(FIRST_ATIVIDADE)),
            self.today
        )
    }

    /// Returns a command that shows the day in the week, and the hours of the work item upstream.
    fn show(&self, api: SocketAddr, credential: &str) -> String {
        let sheet = format!(
            "http://{api}/api/v1/timesheet?organization_name={ORGANIZATION}&project_id={PORTAL}&week_start={}",
            self.today
        );
        let upstream = format!(
            "http://{}/{ORGANIZATION}/_apis/wit/workitems/{WORK_ITEM}?fields=\
             Microsoft.VSTS.Scheduling.CompletedWork&api-version=7.1",
            self.fake.address()
        );
        format!("curl -s{credential} '{sheet}'; curl -s -u :{SERVICE_PAT} '{upstream}'")
    }
}
