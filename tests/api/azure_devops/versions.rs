//! Servers of Azure DevOps of each version: what works on them, what they are asked and what of the ones too
//! old.

use std::collections::BTreeSet;

use aponta::azure_devops::{AzureDevOps, Credential, Error};
use aponta::models::organizacao::NomeOrganizacao;
use azure_devops_fake::{FakeAzure, Fault, Gaps, NewWorkItem, Person, Server};
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{call, client_with};
use crate::support::logging::PROJECT;
use crate::support::{Logging, Request, RunningServer, TestDatabase, eventually};

/// Name of the question for the versions among faults.
const LIST_VERSIONS: &str = "list_versions";
/// A machine under load answers late.
const PATIENT: [(&str, &str); 2] = [("AZURE_DEVOPS_TIMEOUT_MS", "20000"), ("WRITEBACK_BUDGET", "5")];

/// Everything that a member does in a week, on one server.
struct Week {
    logging: Logging,
    me: Person,
    token: String,
    iteration: Uuid,
    /// Logged on by the member.
    item: i32,
}

impl Week {
    async fn on(server: Server) -> Self {
        let logging = Logging::on(server, &PATIENT).await;
        let azure = logging.azure();
        let me = azure.person("Eva Silva", &["contoso"]);
        let token = azure.pat(&me);
        let mut projects = Vec::new();
        azure.edit_projects("contoso", |all| projects.clone_from(all));
        azure.team("contoso", &projects[0], "Time", &[me.id]);
        let new = NewWorkItem::task(PROJECT)
            .of(&me)
            .titled("Fechar o mês")
            .estimate(8.0);
        let item = azure.work_item("contoso", new);
        let iteration = azure.iteration("contoso", "Sprint 1", "current", &[item]);
        Self {
            logging,
            me,
            token,
            iteration,
            item,
        }
    }

    async fn get(&self, path: &str) -> Value {
        self.logging
            .tenants
            .app
            .get_as(&self.token, path)
            .await
            .expect(200)
    }

    async fn find(&self) {
        let found = self
            .get("/api/v1/work-items/search?query=fechar&organization_name=contoso")
            .await;
        assert_eq!(found["results"][0]["id"], self.item);
        let found = self
            .get(&format!(
                "/api/v1/iterations?organization_name=contoso&project_id={PROJECT}"
            ))
            .await;
        assert_eq!(found["current_iteration_id"], json!(self.iteration));
        let iteration = self.iteration;
        let planned = format!(
            "/api/v1/iterations/{iteration}/work-items?organization_name=contoso&project_id={PROJECT}"
        );
        assert_eq!(self.get(&planned).await["work_item_ids"], json!([self.item]));
        let teams = self
            .get(&format!(
                "/api/v1/teams?organization_name=contoso&project_id={PROJECT}"
            ))
            .await;
        assert_eq!(teams["teams"][0]["name"], "Time");
        assert_eq!(self.get("/api/v1/user").await["id"], json!(self.me.id));
    }

    async fn sheet(&self) {
        let projeto = self.logging.tenants.projeto;
        let place = format!("organization_name=contoso&project_id={projeto}");
        let week = self.get(&format!("/api/v1/timesheet?{place}")).await;
        let node = &week["work_items"][0];
        assert_eq!(
            (&node["id"], &node["state_category"]),
            (&json!(self.item), &json!("InProgress"))
        );
        assert!(
            node["icon_url"]
                .as_str()
                .unwrap()
                .starts_with("data:image/svg+xml"),
            "{node}"
        );
        let revisions = format!("/api/v1/timesheet/work-item/{}/revisions?{place}", self.item);
        assert!(!self.get(&revisions).await.is_null());
        let states = format!("/api/v1/timesheet/process-states?{place}&work_item_type=Custom.Task");
        assert_eq!(self.get(&states).await["state_map"]["Doing"], "InProgress");
    }

    /// An entry made, changed and deleted, and its hours in Azure DevOps.
    async fn log(&self) {
        let azure = self.logging.azure();
        let body = self
            .logging
            .body_with(&json!({"work_item_id": self.item, "duracao": "01:30"}));
        let entry = self.logging.post_as(&self.token, &body).await.expect(201);
        assert_eq!(
            entry["sincronizacao"],
            json!({"estado": "sincronizado", "motivo": null})
        );
        assert_eq!(azure.hours(self.item).0, Some(1.5));
        let path = crate::support::logging::path(&entry);
        let send = async |request: Request| self.logging.tenants.app.send(request.bearer(&self.token)).await;
        send(Request::put(&path).json(&json!({"duracao": "02:00"})))
            .await
            .expect(200);
        assert_eq!(azure.hours(self.item).0, Some(2.0));
        send(Request::delete(&path)).await.expect(204);
        assert_eq!(azure.hours(self.item).0, Some(0.0));
    }

    async fn sync(&self) {
        let request = Request::post("/api/v1/integracao/sincronizar").bearer(&self.logging.tenants.admin);
        let done = self.logging.tenants.app.send(request).await.expect(200);
        assert_eq!(done["status"], "success");
    }

    /// The api-versions of all calls.
    fn requested_versions(&self) -> BTreeSet<String> {
        let seen = self.logging.azure().seen();
        let queries = seen.iter().map(|seen| seen.query.clone());
        queries.filter_map(|query| api_version(&query)).collect()
    }
}

fn api_version(query: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(name, _)| name == "api-version")
        .map(|(_, value)| value.into_owned())
}

async fn everything_works(server: Server, expected: &[&str]) {
    let week = Week::on(server).await;
    let azure = week.logging.azure();
    // The first call meets a server of one's own that tells its versions to members only: its version is
    // assumed.
    azure.forget_requests();
    week.find().await;
    week.sheet().await;
    week.log().await;
    week.sync().await;
    let expected: BTreeSet<String> = expected.iter().map(|&version| version.to_owned()).collect();
    assert_eq!(week.requested_versions(), expected, "{server:?}");
    // One question without and one with a credential; Services have a host for identities besides.
    assert_eq!(
        azure.version_questions().len(),
        2,
        "{:?}",
        azure.version_questions()
    );
}

#[tokio::test]
async fn everything_on_server_2019_works_with_5_1() {
    everything_works(Server::V2019, &["5.1", "5.1-preview.1"]).await;
}

#[tokio::test]
async fn everything_on_server_2020_works_with_6_0() {
    everything_works(Server::V2020, &["6.0", "6.0-preview.1"]).await;
}

#[tokio::test]
async fn everything_on_server_2022_works_with_7_0() {
    everything_works(Server::V2022, &["7.0", "7.0-preview.1"]).await;
}

#[tokio::test]
async fn everything_on_server_2022_2_works_with_7_1() {
    everything_works(Server::V2022Update2, &["7.1", "7.1-preview.1"]).await;
}

#[tokio::test]
async fn everything_on_services_works_with_7_1() {
    everything_works(Server::Hosted, &["7.1", "7.1-preview.1"]).await;
}

#[tokio::test]
async fn states_of_a_type_on_server_2020_are_a_preview() {
    let (azure, _, credential) = server(Server::V2020).await;
    azure.projects("contoso", 1);
    let gaps = Gaps {
        states: true,
        also_by_name: true,
        ..Gaps::default()
    };
    azure.edit_work_items("contoso", |items| items.leave_out("Task", gaps));
    let client = patient_client(&azure);
    let types = client.tenants()[0]
        .organizacao
        .types(&credential, PROJECT)
        .await
        .unwrap();
    assert!(types.iter().any(|tipo| tipo.nome == "Task" && tipo.states_known));
    let seen = azure.seen();
    let request = seen
        .iter()
        .find(|seen| seen.operation == "list_type_states")
        .unwrap();
    assert_eq!(api_version(&request.query).as_deref(), Some("6.0-preview.1"));
}

/// A server of this version, a member and their PAT.
async fn server(server: Server) -> (FakeAzure, Person, Credential) {
    let azure = FakeAzure::contoso().await;
    azure.play(server);
    let ada = azure.person("Ada Example", &["contoso"]);
    let credential = Credential::pat(azure.pat(&ada).into());
    (azure, ada, credential)
}

fn patient_client(azure: &FakeAzure) -> AzureDevOps {
    client_with(azure, &[("AZURE_DEVOPS_TIMEOUT_MS", "20000")])
}

#[tokio::test]
async fn calls_at_once_to_all_organisations_ask_once() {
    let (azure, ada, credential) = server(Server::Hosted).await;
    azure.organization("fabrikam");
    azure.join(&ada, "fabrikam");
    let client = patient_client(&azure);
    let organizacoes =
        ["contoso", "fabrikam"].map(|nome| client.open(&NomeOrganizacao::parse(nome).unwrap()));
    let calls = (0..40).map(|n| organizacoes[n % 2].projects(&credential));
    for outcome in join_all(calls).await {
        outcome.unwrap();
    }
    assert_eq!(azure.version_questions(), [None]);
}

#[tokio::test]
async fn made_up_tokens_never_sign_the_negotiation() {
    let (azure, ada, credential) = server(Server::V2022).await;
    let client = patient_client(&azure);
    let tenant = &client.tenants()[0];
    for n in 0..5 {
        let made_up = Credential::pat(format!("made-up-{n}").into());
        let refused = call(tenant, &made_up, &ada, "connection_data").await;
        assert_eq!(refused, Err(Error::InvalidCredential { status: 401 }));
    }
    assert_eq!(azure.version_questions(), [None]);
    // The credential of a member does: its version was refused, so it was accepted itself.
    call(tenant, &credential, &ada, "connection_data").await.unwrap();
    assert_eq!(azure.version_questions().len(), 2);
    assert_eq!(tenant.organizacao.api_version().unwrap().to_string(), "7.0");
}

#[tokio::test]
async fn failed_negotiation_fails_no_call() {
    for fault in [
        Fault::Status(401, None),
        Fault::Status(404, None),
        Fault::Status(405, None),
        Fault::Status(429, Some("0")),
        Fault::Status(503, None),
        Fault::Html,
        Fault::SignIn,
        Fault::Hang,
        Fault::Reset,
        Fault::HalfJson,
        Fault::WrongShape,
        Fault::NoContent,
        Fault::Huge(10 << 20),
    ] {
        let (azure, ada, credential) = server(Server::Hosted).await;
        azure.fault("contoso", LIST_VERSIONS, fault.clone());
        let client = client_with(&azure, &[("AZURE_DEVOPS_TIMEOUT_MS", "4000")]);
        let tenant = &client.tenants()[0];
        for operation in ["connection_data", "list_projects"] {
            let outcome = call(tenant, &credential, &ada, operation).await;
            assert_eq!(outcome, Ok(()), "{fault:?} {operation}");
        }
        assert!(tenant.organizacao.is_healthy(), "{fault:?}");
        let questions = azure.version_questions().len();
        call(tenant, &credential, &ada, "list_projects").await.unwrap();
        assert_eq!(
            azure.version_questions().len(),
            questions,
            "{fault:?}: not each time"
        );
        assert_eq!(api_version(&azure.seen()[1].query).as_deref(), Some("7.1"));
    }
}

#[tokio::test]
async fn version_out_of_range_asks_anew_and_sends_once_more() {
    let (azure, ada, credential) = server(Server::V2022Update2).await;
    let client = patient_client(&azure);
    let tenant = &client.tenants()[0];
    call(tenant, &credential, &ada, "list_projects").await.unwrap();
    // Restored from a backup of an older version.
    azure.play(Server::V2020);
    azure.forget_requests();
    call(tenant, &credential, &ada, "list_projects").await.unwrap();
    let versions: Vec<_> = azure
        .seen()
        .iter()
        .filter_map(|seen| api_version(&seen.query))
        .collect();
    assert_eq!(versions, ["7.1", "6.0"]);
    assert_eq!(tenant.organizacao.api_version().unwrap().to_string(), "6.0");
}

#[tokio::test]
async fn first_failed_negotiation_on_an_old_server_is_repeated() {
    let (azure, ada, credential) = server(Server::V2020).await;
    azure.fault_times("contoso", LIST_VERSIONS, Fault::Status(503, None), 1);
    let client = patient_client(&azure);
    call(&client.tenants()[0], &credential, &ada, "list_projects")
        .await
        .unwrap();
}

#[tokio::test]
async fn version_refused_for_good_is_an_error_without_retry() {
    let (azure, ada, credential) = server(Server::V2020).await;
    azure.fault("contoso", LIST_VERSIONS, Fault::Status(404, None));
    let client = patient_client(&azure);
    let outcome = call(&client.tenants()[0], &credential, &ada, "list_projects").await;
    assert_eq!(outcome.unwrap_err().kind(), "rejected");
    assert_eq!(azure.count("list_projects"), 1);
}

#[tokio::test]
async fn picture_on_a_server_without_graph_is_none() {
    let (azure, ada, credential) = server(Server::V2022).await;
    let client = patient_client(&azure);
    let organizacao = &client.tenants()[0].organizacao;
    organizacao.projects(&credential).await.unwrap();
    let picture = organizacao.avatar(&credential, &ada.subject_descriptor()).await;
    assert_eq!(picture, Ok(None));
}

#[tokio::test]
async fn server_2018_is_refused_and_reported() {
    let (azure, ada, _) = server(Server::V2018).await;
    let pat = azure.pat(&ada);
    let database = TestDatabase::new().await;
    let variables = azure.variables("contoso");
    let variables = variables.iter().map(|(name, value)| (*name, value.as_str()));
    let more = [
        ("AZURE_DEVOPS_PAT", pat.as_str()),
        ("AZURE_DEVOPS_PROBE_INTERVAL", "1"),
    ];
    let server = RunningServer::start(&database.url, variables.chain(more)).await;
    let ready = async || -> Value {
        let reply = reqwest::get(server.url("/ready")).await.unwrap();
        assert_eq!(reply.status(), 200);
        reply.json().await.unwrap()
    };
    let told = async || ready().await["checks"]["azure_devops"] == "unsupported";
    eventually("it is told", told).await;
    let checks = ready().await["checks"].clone();
    assert_eq!(checks["versao_api"], "4.1");
    assert!(checks["motivo"].as_str().unwrap().contains("2019.1"), "{checks}");
    let request = reqwest::Client::new()
        .get(server.url("/api/v1/projetos"))
        .bearer_auth(&pat);
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), 503);
    let problem: Value = reply.json().await.unwrap();
    assert_eq!(problem["code"], "azure_devops_nao_suportado");
    assert!(
        problem["detail"].as_str().unwrap().contains("2019.1"),
        "{problem}"
    );
    assert_eq!(azure.count("list_projects"), 0);
    server.stop().await;
}

#[tokio::test]
async fn ready_reports_version_without_host_name() {
    let (azure, ada, _) = server(Server::V2022).await;
    let pat = azure.pat(&ada);
    let database = TestDatabase::new().await;
    let variables = azure.variables("contoso");
    let variables = variables.iter().map(|(name, value)| (*name, value.as_str()));
    let more = [
        ("AZURE_DEVOPS_PAT", pat.as_str()),
        ("AZURE_DEVOPS_PROBE_INTERVAL", "1"),
    ];
    let server = RunningServer::start(&database.url, variables.chain(more)).await;
    let ready = async || -> Value {
        reqwest::get(server.url("/ready"))
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    eventually("it is told", async || {
        ready().await["checks"]["versao_api"] == "7.0"
    })
    .await;
    let body = ready().await;
    assert_eq!(body["checks"]["azure_devops"], "ok");
    assert!(!body.to_string().contains("contoso"), "{body}");
    server.stop().await;
}
