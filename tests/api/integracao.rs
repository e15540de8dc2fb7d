//! `/api/v1/integracao`.

mod tenants;

use std::collections::HashSet;

use azure_devops_fake::{FakeAzure, Fault, Project};
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::data::count;
use crate::support::{Request, RunningServer, TestApp, TestDatabase, eventually};

const SYNC: &str = "/api/v1/integracao/sincronizar";
const LIVE: &str = "/api/v1/integracao/projetos";

/// An application whose service has a PAT for each of these organisations; the first is the default one.
async fn app_over(azure: &FakeAzure, orgs: &[&str]) -> (TestApp, String) {
    let service = azure.pat(&azure.person("Service", orgs));
    let pats: Vec<String> = orgs.iter().map(|org| format!("{org}={service}")).collect();
    let app = TestApp::over(azure, [("AZURE_DEVOPS_ORG_PATS", pats.join(",").as_str())]).await;
    let caller = azure.pat(&azure.person("Ada Example", &orgs[..1]));
    (app, caller)
}

async fn sync(app: &TestApp, token: &str) -> Value {
    app.send(Request::post(SYNC).bearer(token)).await.expect(200)
}

/// D-25: every page is followed.
#[tokio::test]
async fn d_25_two_hundred_and_fifty_projects_arrive_over_three_pages() {
    let azure = FakeAzure::contoso().await;
    let projects = azure.projects("contoso", 250);
    let (app, token) = app_over(&azure, &["contoso"]).await;

    let first = sync(&app, &token).await;
    let expected = json!({
        "total_azure": 250, "synced": 250, "created": 250, "updated": 0, "deleted": 0,
        "organizations": [{"organization": "contoso", "count": 250, "status": "success", "source": "environment"}],
        "status": "success",
        "message": "Sincronização concluída: 250 projeto(s) (250 novo(s), 0 atualizado(s))",
        "projetos_sincronizados": 250, "projects_synced": 250, "projects_created": 250, "projects_updated": 0,
        "timestamp": first["timestamp"],
    });
    assert_eq!(first, expected);
    assert!(first["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(azure.count("list_projects"), 3);

    let listed = app.get_as(&token, "/api/v1/projetos").await.expect(200);
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 250);
    for (stored, project) in listed.iter().zip(&projects) {
        assert_eq!(
            (&stored["id"], &stored["external_id"]),
            (&json!(project.id), &json!(project.id))
        );
        assert_eq!(stored["nome"], project.json["name"]);
        assert_eq!(
            (&stored["organizacao"], &stored["estado"]),
            (&json!("contoso"), &json!("wellFormed"))
        );
    }

    let second = sync(&app, &token).await;
    assert_eq!((&second["created"], &second["updated"]), (&json!(0), &json!(250)));
    let changed = app.get_as(&token, "/api/v1/projetos?limit=1").await.expect(200)[0].clone();
    assert_eq!(changed["created_at"], listed[0]["created_at"]);
    assert_eq!(
        changed["updated_at"], listed[0]["updated_at"],
        "nothing changed but the time of the look"
    );
    assert!(changed["last_sync_at"].as_str() > listed[0]["last_sync_at"].as_str());
}

#[tokio::test]
async fn vanished_project_is_flagged_and_may_return() {
    let azure = FakeAzure::contoso().await;
    let projects = azure.projects("contoso", 3);
    let (app, token) = app_over(&azure, &["contoso"]).await;
    sync(&app, &token).await;
    let estado = async || {
        let listed = app.get_as(&token, "/api/v1/projetos").await.expect(200);
        listed[1]["estado"].clone()
    };
    azure.edit_projects("contoso", |all| {
        all.remove(1);
    });
    assert_eq!(sync(&app, &token).await["deleted"], 1);
    assert_eq!(estado().await, "deleted");
    assert_eq!(sync(&app, &token).await["deleted"], 0, "flagged once");
    azure.edit_projects("contoso", |all| all.push(projects[1].clone()));
    assert_eq!(sync(&app, &token).await["created"], 0);
    assert_eq!(estado().await, "wellFormed");
}

/// D-26: an organisation that fails is an error by name, the others go through; neither a broken element nor
/// a race spoils the rest.
#[tokio::test]
async fn d_26_failed_organisation_is_named() {
    let azure = FakeAzure::contoso().await;
    azure.organization("fabrikam");
    azure.organization("tailspin");
    for org in ["contoso", "fabrikam", "tailspin"] {
        azure.projects(org, 2);
    }
    let (app, _) = app_over(&azure, &["contoso", "fabrikam", "tailspin"]).await;
    let token = azure.pat(&azure.person("Eve", &["contoso", "fabrikam", "tailspin"]));
    sync(&app, &token).await;
    azure.fault("fabrikam", "list_projects", Fault::SignIn);

    let done = sync(&app, &token).await;
    assert_eq!((&done["status"], &done["synced"]), (&json!("partial"), &json!(4)));
    assert_eq!(
        done["organizations"],
        json!([
            {"organization": "contoso", "count": 2, "status": "success", "source": "environment"},
            {"organization": "fabrikam", "count": 0, "status": "error", "source": "environment",
             "error": "credencial recusada (status 203)"},
            {"organization": "tailspin", "count": 2, "status": "success", "source": "environment"},
        ])
    );
    assert_eq!(done["deleted"], 0, "what could not be listed has not vanished");
}

#[tokio::test]
async fn only_when_all_fail_the_answer_is_502_and_names_them() {
    let azure = FakeAzure::contoso().await;
    azure.organization("fabrikam");
    let (app, member) = app_over(&azure, &["contoso", "fabrikam"]).await;
    let token = azure.pat(&azure.person("Eve", &["contoso", "fabrikam"]));
    app.get_as(&member, "/api/v1/projetos").await.expect(200);
    app.get_as(&token, "/api/v1/projetos").await.expect(200);
    azure.fault("contoso", "list_projects", Fault::Status(429, Some("6")));
    azure.fault("fabrikam", "*", Fault::Status(500, None));
    let reply = app.send(Request::post(SYNC).bearer(&token)).await;
    let problem = reply.problem(502);
    assert_eq!(
        problem["detail"],
        "Erro ao listar projetos do Azure DevOps: contoso: limite de requisições atingido (status 429); \
         fabrikam: indisponível (status 500)"
    );
    assert_eq!(reply.header("retry-after"), "6");
    assert_eq!(count(&app.pool, "projetos").await, 0);
    // A member of one of them hears of that one.
    let detail = app.send(Request::post(SYNC).bearer(&member)).await.problem(502)["detail"].clone();
    assert!(!detail.as_str().unwrap().contains("fabrikam"), "{detail}");
}

/// An expired PAT still lists the public projects of a public organisation; that must not pass for success.
#[tokio::test]
async fn expired_pat_of_a_public_organisation_flags_nothing() {
    let azure = FakeAzure::contoso().await;
    azure.projects("contoso", 2);
    let service = azure.pat(&azure.person("Service", &["contoso"]));
    let app = TestApp::over(&azure, [("AZURE_DEVOPS_PAT", service.as_str())]).await;
    let token = azure.pat(&azure.person("Ada Example", &["contoso"]));
    sync(&app, &token).await;
    azure.make_public("contoso");
    azure.revoke(&service);
    let problem = app.send(Request::post(SYNC).bearer(&token)).await.problem(502);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("contoso: credencial recusada"),
        "{problem}"
    );
    let listed = app.get_as(&token, "/api/v1/projetos").await.expect(200);
    assert_eq!(listed[0]["estado"], "wellFormed");
}

#[tokio::test]
async fn broken_elements_are_skipped_and_odd_ones_taken() {
    let azure = FakeAzure::contoso().await;
    let good = Project::new(" Ação\u{0} ");
    let id = good.id;
    azure.edit_projects("contoso", |all| {
        all.extend([
            Project {
                json: Value::Null,
                ..Project::new("")
            },
            Project {
                json: json!({"id": Uuid::new_v4(), "name": null}),
                ..Project::new("")
            },
            Project {
                json: json!({"id": "7", "name": "x"}),
                ..Project::new("")
            },
            Project {
                json: json!({"id": Uuid::new_v4(), "name": "New", "state": "somethingNew"}),
                ..Project::new("")
            },
            good.clone(),
            good,
        ]);
    });
    let (app, token) = app_over(&azure, &["contoso"]).await;
    let done = sync(&app, &token).await;
    assert_eq!((&done["total_azure"], &done["synced"]), (&json!(5), &json!(2)));
    let listed = app.get_as(&token, "/api/v1/projetos").await.expect(200);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["nome"]),
        (&json!(id), &json!("Ação"))
    );
    assert_eq!(listed[1]["estado"], "somethingNew");
}

#[tokio::test]
async fn simultaneous_synchronisations_agree_on_one_outcome() {
    let azure = FakeAzure::contoso().await;
    azure.projects("contoso", 120);
    let (app, token) = app_over(&azure, &["contoso"]).await;
    let replica = app.replica();
    app.get_as(&token, "/api/v1/projetos").await.expect(200);
    replica.get_as(&token, "/api/v1/projetos").await.expect(200);
    azure.forget_requests();
    let outcomes = join_all((0..20).map(|n| sync(if n % 2 == 0 { &app } else { &replica }, &token))).await;
    let distinct: HashSet<String> = outcomes.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), 2, "those of one process join");
    let created: u64 = distinct
        .iter()
        .map(|text| {
            serde_json::from_str::<Value>(text).unwrap()["created"]
                .as_u64()
                .unwrap()
        })
        .sum();
    assert_eq!(created, 120, "each project is created once over all processes");
    assert_eq!(azure.count("list_projects"), 4);
    assert_eq!(count(&app.pool, "projetos").await, 120);
}

#[tokio::test]
async fn sync_without_pat_uses_own_credential_and_flags_none() {
    let azure = FakeAzure::contoso().await;
    azure.projects("contoso", 2);
    let app = TestApp::over(&azure, crate::support::app_token::VARIABLES).await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let token = azure.access_token(&ada);
    let done = sync(&app, &token).await;
    assert_eq!(done["organizations"][0]["source"], "caller");
    assert_eq!(done["created"], 2);
    azure.edit_projects("contoso", Vec::clear);
    assert_eq!(
        sync(&app, &token).await["deleted"],
        0,
        "others may see more than the caller"
    );
    let asked = azure
        .seen()
        .into_iter()
        .filter(|seen| seen.operation == "list_projects");
    assert!(
        asked
            .map(|seen| seen.authorization.unwrap())
            .all(|a| a == format!("Bearer {token}"))
    );
}

#[tokio::test]
async fn sync_without_any_organisation_does_nothing() {
    let app = TestApp::new().await;
    let done = app.send(Request::post(SYNC)).await.expect(200);
    assert_eq!(
        (&done["total_azure"], &done["organizations"]),
        (&json!(0), &json!([]))
    );
    assert_eq!(
        app.get(LIVE).await.problem(503)["code"],
        "azure_devops_nao_configurado"
    );
}

#[tokio::test]
async fn live_projects_pass_through_untouched_from_every_page() {
    let azure = FakeAzure::contoso().await;
    let projects = azure.projects("contoso", 101);
    let (app, token) = app_over(&azure, &["contoso"]).await;
    let listed = app.get_as(&token, LIVE).await.expect(200);
    let expected: Vec<Value> = projects.iter().map(|project| project.json.clone()).collect();
    assert_eq!(listed, Value::Array(expected));
    assert_eq!(count(&app.pool, "projetos").await, 0);
    azure.fault("contoso", "list_projects", Fault::Status(403, None));
    let problem = app.get_as(&token, LIVE).await.problem(502);
    assert_eq!(
        problem["detail"],
        "Erro ao listar projetos do Azure DevOps: sem permissão (status 403)"
    );
}

/// D-07: neither our PAT nor another organisation's projects serve a person that is not a member there.
#[tokio::test]
async fn d_07_live_projects_of_another_organisation_are_refused() {
    let azure = FakeAzure::contoso().await;
    azure.organization("fabrikam");
    azure.projects("fabrikam", 1);
    let (app, token) = app_over(&azure, &["contoso", "fabrikam"]).await;
    azure.forget_requests();
    for name in ["fabrikam", "FABRIKAM", "unheard-of"] {
        let path = format!("{LIVE}?organization_name={name}");
        assert_eq!(
            app.get_as(&token, &path).await.problem(403)["code"],
            "acesso_negado"
        );
    }
    assert_eq!(azure.count("list_projects"), 0);
    let both = azure.pat(&azure.person("Bob", &["contoso", "fabrikam"]));
    let listed = app
        .get_as(&both, &format!("{LIVE}?organization_name=Fabrikam"))
        .await
        .expect(200);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let asked = azure
        .seen()
        .into_iter()
        .find(|seen| seen.operation == "list_projects")
        .unwrap();
    assert_eq!(asked.org, "fabrikam");
}

#[tokio::test]
async fn with_an_interval_the_mirror_keeps_itself_up_to_date() {
    let azure = FakeAzure::contoso().await;
    azure.projects("contoso", 2);
    let service = azure.pat(&azure.person("Service", &["contoso"]));
    let database = TestDatabase::new().await;
    let variables = azure.variables("contoso");
    let variables = variables.iter().map(|(name, value)| (*name, value.as_str()));
    let more = [("SYNC_INTERVAL", "1"), ("AZURE_DEVOPS_PAT", service.as_str())];
    let server = RunningServer::start(&database.url, variables.chain(more)).await;
    let pool = database.pool().await;
    eventually("the first run", async || count(&pool, "projetos").await == 2).await;
    // A failing run is no end.
    azure.fault_times("contoso", "connection_data", Fault::Unauthorized, 1);
    azure.projects("contoso", 1);
    eventually("a later run", async || count(&pool, "projetos").await == 3).await;
    server.stop().await;
}

/// Of two looks the one that asked last counts, whichever writes last.
#[tokio::test]
async fn older_sync_neither_overwrites_nor_revives() {
    use aponta::models::organizacao::{ChaveOrganizacao, NomeOrganizacao, Scope};
    use aponta::models::projeto::ProjetoUpstream;
    use aponta::repositories::{clock, projetos};

    let app = TestApp::new().await;
    let contoso = ChaveOrganizacao::first_of(&NomeOrganizacao::parse("contoso").unwrap());
    let project = |nome: &str, id: Uuid| ProjetoUpstream {
        external_id: id,
        nome: nome.to_owned(),
        descricao: None,
        url: None,
        estado: Some("wellFormed".to_owned()),
        organizacao: contoso.clone(),
    };
    let (kept, gone) = (Uuid::new_v4(), Uuid::new_v4());
    let mut tx = app.app.db.begin(&Scope::Maintenance).await.unwrap();
    let older = clock::now(&mut tx).await.unwrap();
    let newer = clock::now(&mut tx).await.unwrap();
    projetos::upsert(&mut tx, &[project("old", kept), project("gone", gone)], older)
        .await
        .unwrap();
    projetos::upsert(&mut tx, &[project("new", kept)], newer)
        .await
        .unwrap();
    assert_eq!(
        projetos::flag_vanished(&mut tx, &contoso, &[kept], newer)
            .await
            .unwrap(),
        1
    );
    // The older one comes late.
    let late = projetos::upsert(&mut tx, &[project("old", kept), project("gone", gone)], older)
        .await
        .unwrap();
    assert_eq!((late.created, late.updated), (0, 0));
    assert_eq!(
        projetos::flag_vanished(&mut tx, &contoso, &[], older)
            .await
            .unwrap(),
        0
    );
    tx.commit().await.unwrap();
    let listed = app.get("/api/v1/projetos").await.expect(200);
    let state: Vec<(Value, Value)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["nome"].clone(), p["estado"].clone()))
        .collect();
    assert_eq!(
        state,
        [
            (json!("gone"), json!("deleted")),
            (json!("new"), json!("wellFormed"))
        ]
    );
}
