//! Names of organisations change hands: rows follow the organisation, never the name.

use aponta::models::organizacao::NomeOrganizacao;
use azure_devops_fake::{FakeAzure, Fault, NewWorkItem};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::logging::APONTAMENTOS;
use crate::support::{Logging, Reply, Request, TestApp};

/// The application of `logging` as an operator configures it after contoso was renamed.
fn configured_for(logging: &Logging, nome: &str, pat: &str) -> TestApp {
    let variables = logging.azure().variables(nome);
    let pats = format!("{nome}={pat}");
    logging.tenants.app.replica_as(&[
        ("AZURE_DEVOPS_ORG_URL", &variables["AZURE_DEVOPS_ORG_URL"]),
        ("AZURE_DEVOPS_ORG_PATS", &pats),
    ])
}

/// A process that has started: it knows the records, and the organisations that answer.
async fn started(app: TestApp) -> TestApp {
    app.app.tenants.refresh().await.unwrap();
    app.app.tenants.verify_all().await;
    app
}

async fn log(app: &TestApp, token: &str, body: &Value) -> Reply {
    app.send(Request::post(APONTAMENTOS).bearer(token).json(body))
        .await
}

async fn write_due(app: &TestApp) {
    sqlx::query("UPDATE write_back SET proxima_em = now() - interval '1 second'")
        .execute(&app.pool)
        .await
        .unwrap();
    app.app.outbox.write_due().await.unwrap();
}

fn completed(logging: &Logging, org: &str) -> Option<f64> {
    let item = logging.item;
    logging
        .azure()
        .edit_work_items(org, |items| items.hours(item, "CompletedWork"))
}

/// Strangers make an organisation of this name, with a work item of the same id. Returns a PAT of one of
/// them.
fn strangers(logging: &Logging, nome: &str) -> String {
    let azure = logging.azure();
    azure.organization(nome);
    azure.project(nome, "P000");
    assert_eq!(azure.work_item(nome, NewWorkItem::task("P000")), logging.item);
    azure.pat(&azure.person("Stranger", &[nome]))
}

async fn recorded(app: &TestApp) -> Vec<(String, Option<String>)> {
    sqlx::query_as("SELECT chave, nome FROM organizacoes WHERE chave <> 'fabrikam' ORDER BY chave")
        .fetch_all(&app.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn rename_keeps_every_row_under_the_new_name() {
    let logging = Logging::new().await;
    let member = &logging.tenants.member;
    logging.log("01:00").await;
    logging.azure().rename("contoso", "contoso-novo");
    let app = started(configured_for(
        &logging,
        "contoso-novo",
        &logging.tenants.service_pat,
    ))
    .await;
    assert_eq!(
        recorded(&app).await,
        [("contoso".to_owned(), Some("contoso-novo".to_owned()))]
    );

    let listed = app.get_as(member, APONTAMENTOS).await.expect(200);
    assert_eq!(listed["total"], 1);
    assert_eq!(listed["items"][0]["organization_name"], "contoso-novo");
    let projetos = app.get_as(member, "/api/v1/projetos").await.expect(200);
    assert_eq!(projetos[0]["organizacao"], "contoso-novo");
    let user = app.get_as(member, "/api/v1/user").await.expect(200);
    assert_eq!(user["organizacoes"], json!(["contoso-novo"]));

    // Both names mean it; its hours and the day's limit go on where they were.
    for nome in ["contoso", "Contoso-Novo"] {
        let body = logging.body_with(&json!({"organization_name": nome, "duracao": "00:30"}));
        let entry = log(&app, member, &body).await.expect(201);
        assert_eq!(entry["organization_name"], "contoso-novo");
        assert_eq!(entry["sincronizacao"]["estado"], "sincronizado");
    }
    assert_eq!(completed(&logging, "contoso-novo"), Some(5.5));
    let sync = Request::post("/api/v1/integracao/sincronizar").bearer(&logging.tenants.admin);
    let synced = app.send(sync).await.expect(200);
    assert_eq!((&synced["created"], &synced["deleted"]), (&json!(0), &json!(0)));

    let trail = "/api/v1/auditoria?acao=renomear";
    let trail = app.get_as(&logging.tenants.admin, trail).await.expect(200);
    let row = &trail["items"][0];
    assert_eq!(row["antes"]["nome"], "contoso");
    assert_eq!(row["depois"]["nome"], "contoso-novo");
}

#[tokio::test]
async fn former_name_works_for_90_days() {
    let logging = Logging::new().await;
    logging.azure().rename("contoso", "contoso-novo");
    let app = started(configured_for(
        &logging,
        "contoso-novo",
        &logging.tenants.service_pat,
    ))
    .await;
    let under = |nome: &str| format!("{APONTAMENTOS}?organization_name={nome}");
    let member = &logging.tenants.member;
    let age = async |days: i32| {
        sqlx::query(
            "UPDATE organizacoes SET nomes_anteriores = jsonb_build_array(jsonb_build_object('nome', 'contoso',
                 'ate', now() - make_interval(days => $1))) WHERE chave = 'contoso'",
        )
        .bind(days)
        .execute(&app.pool)
        .await
        .unwrap();
        app.app.tenants.refresh().await.unwrap();
    };
    age(89).await;
    app.get_as(member, &under("contoso")).await.expect(200);
    age(91).await;
    app.get_as(member, &under("contoso")).await.problem(403);
    app.get_as(member, &under("contoso-novo")).await.expect(200);
}

#[tokio::test]
async fn replaced_organisation_sees_and_writes_nothing() {
    let logging = Logging::with(&[("WRITEBACK_BUDGET", "0.2")]).await;
    let azure = logging.azure();
    // Hours are on their way when the name changes hands.
    azure.fault("contoso", "update_work_item", Fault::Status(503, None));
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");
    azure.heal();
    azure.rename("contoso", "contoso-novo");
    let stranger = strangers(&logging, "contoso");
    // The owner of the service's PAT is a member of both.
    let service = azure.person_of(&logging.tenants.service_pat, "contoso-novo");
    azure.join(&service, "contoso");

    let app = started(logging.tenants.app.replica()).await;
    azure.forget_requests();
    for path in [
        APONTAMENTOS.to_owned(),
        format!("{APONTAMENTOS}?organization_name=contoso"),
    ] {
        let problem = app.get_as(&stranger, &path).await.problem(503);
        assert_eq!(problem["code"], "organizacao_trocada");
    }
    app.get_as(&logging.tenants.member, APONTAMENTOS)
        .await
        .problem(401);
    write_due(&app).await;
    assert_eq!(azure.count("update_work_item"), 0);
    assert_eq!(completed(&logging, "contoso"), None);
    assert_eq!(
        recorded(&app).await,
        [("contoso".to_owned(), Some("contoso".to_owned()))]
    );

    // The name comes back, and with it the hours.
    azure.rename("contoso", "strangers");
    azure.rename("contoso-novo", "contoso");
    let app = started(logging.tenants.app.replica()).await;
    write_due(&app).await;
    assert_eq!(completed(&logging, "contoso"), Some(4.5));
    let listed = app
        .get_as(&logging.tenants.member, APONTAMENTOS)
        .await
        .expect(200);
    assert_eq!(listed["items"][0]["sincronizacao"]["estado"], "sincronizado");
}

#[tokio::test]
async fn adopted_organisation_gets_its_own_key() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    let azure = logging.azure();
    azure.rename("contoso", "contoso-novo");
    let stranger = strangers(&logging, "contoso");
    let app = started(configured_for(&logging, "contoso", &stranger)).await;
    app.get_as(&stranger, APONTAMENTOS).await.problem(503);
    let nome = NomeOrganizacao::parse("contoso").unwrap();
    assert_eq!(app.app.tenants.adopt(&nome).await.unwrap().as_str(), "contoso~2");
    assert_eq!(
        recorded(&app).await,
        [
            ("contoso".to_owned(), None),
            ("contoso~2".to_owned(), Some("contoso".to_owned()))
        ]
    );
    let adopted: Vec<String> = sqlx::query_scalar("SELECT organizacao FROM auditoria WHERE acao = 'adotar'")
        .fetch_all(&app.pool)
        .await
        .unwrap();
    assert_eq!(adopted, ["contoso~2"]);
    assert_eq!(app.get_as(&stranger, APONTAMENTOS).await.expect(200)["total"], 0);
    assert_eq!(
        app.get_as(&stranger, "/api/v1/projetos").await.expect(200),
        json!([])
    );

    // The organisation that had the name keeps its rows, and is found by its new name.
    let ours = started(configured_for(
        &logging,
        "contoso-novo",
        &logging.tenants.service_pat,
    ))
    .await;
    let member = &logging.tenants.member;
    assert_eq!(ours.get_as(member, APONTAMENTOS).await.expect(200)["total"], 1);
    let under = format!("{APONTAMENTOS}?organization_name=contoso");
    ours.get_as(member, &under).await.problem(403);
    assert_eq!(
        recorded(&app).await,
        [
            ("contoso".to_owned(), Some("contoso-novo".to_owned())),
            ("contoso~2".to_owned(), Some("contoso".to_owned()))
        ]
    );
}

#[tokio::test]
async fn returned_name_is_current_after_the_other_left() {
    let logging = Logging::new().await;
    logging.azure().rename("contoso", "contoso-novo");
    let novo = configured_for(&logging, "contoso-novo", &logging.tenants.service_pat);
    started(novo).await;
    logging.azure().rename("contoso-novo", "contoso");
    let app = started(logging.tenants.app.replica()).await;
    // A process that knows only the old name must not undo a rename while it rolls out.
    assert_eq!(
        recorded(&app).await,
        [("contoso".to_owned(), Some("contoso-novo".to_owned()))]
    );
    sqlx::query("UPDATE organizacoes SET visto_em = now() - interval '11 minutes'")
        .execute(&app.pool)
        .await
        .unwrap();
    let app = started(logging.tenants.app.replica()).await;
    assert_eq!(
        recorded(&app).await,
        [("contoso".to_owned(), Some("contoso".to_owned()))]
    );
    let body = logging.body();
    let entry = log(&app, &logging.tenants.member, &body).await.expect(201);
    assert_eq!(entry["organization_name"], "contoso");
}

#[tokio::test]
async fn project_never_changes_its_organisation() {
    let logging = Logging::new().await;
    let (ours, azure) = (logging.tenants.projeto, logging.azure());
    azure.edit_projects("fabrikam", |projects| {
        let mut claimed = projects[0].clone();
        claimed.id = ours;
        claimed.json["id"] = json!(ours);
        claimed.json["name"] = json!("Claimed");
        projects.push(claimed);
    });
    let sync = Request::post("/api/v1/integracao/sincronizar").bearer(&logging.tenants.other_admin);
    logging.tenants.app.send(sync).await.expect(200);
    let (organizacao, nome): (String, String) =
        sqlx::query_as("SELECT organizacao, nome FROM projetos WHERE external_id = $1")
            .bind(ours)
            .fetch_one(&logging.tenants.app.pool)
            .await
            .unwrap();
    assert_eq!((organizacao.as_str(), nome.as_str()), ("contoso", "P000"));
    let theirs = format!("/api/v1/apontamentos/work-item/1?organization_name=fabrikam&project_id={ours}");
    let listed = logging
        .tenants
        .app
        .get_as(&logging.tenants.other, &theirs)
        .await
        .expect(200);
    assert_eq!(listed["total"], 0);
}

#[tokio::test]
async fn simultaneous_first_proofs_hold_one_connection() {
    let azure = FakeAzure::contoso().await;
    let small = [
        ("DATABASE_POOL_MAX", "2"),
        ("DATABASE_ACQUIRE_TIMEOUT_MS", "2000"),
        ("AUTH_PROOFS_PER_SECOND", "0"),
    ];
    let app = TestApp::over(&azure, small).await;
    let tokens: Vec<String> = (0..40)
        .map(|n| azure.pat(&azure.person(&format!("Person{n}"), &["contoso"])))
        .collect();
    let answers = join_all(tokens.iter().map(|token| app.get_as(token, "/api/v1/user"))).await;
    for answer in answers {
        answer.expect(200);
    }
    assert_eq!(recorded(&app).await.len(), 1);
}
