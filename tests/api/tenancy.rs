//! Tenants do not see each other: in the application, and in PostgreSQL if the application should forget.

mod foreign_access;
mod grants;
mod installation;
mod keys;
mod names;
mod row_level_security;
mod session;

use base64::Engine;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Request, Tenants};

async fn names(tenants: &Tenants, token: &str, path: &str) -> Vec<String> {
    let listed = tenants.app.get_as(token, path).await.expect(200);
    let items = listed.get("items").unwrap_or(&listed).as_array().unwrap().clone();
    items
        .iter()
        .map(|item| item["nome"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn projects_are_those_of_the_callers_organisations() {
    let tenants = Tenants::new().await;
    let ids = async |token: &str| {
        let listed = tenants.app.get_as(token, "/api/v1/projetos").await.expect(200);
        let ids: Vec<Uuid> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["id"].as_str().unwrap().parse().unwrap())
            .collect();
        ids
    };
    assert_eq!(ids(&tenants.member).await, [tenants.projeto]);
    assert_eq!(ids(&tenants.other).await, [tenants.foreign]);
    let both = tenants
        .azure
        .pat(&tenants.azure.person("Eve", &["contoso", "fabrikam"]));
    assert_eq!(ids(&both).await.len(), 2);
}

#[tokio::test]
async fn activities_are_seen_through_their_projects() {
    let tenants = Tenants::new().await;
    let (both, _, _) = activities(&tenants).await;
    let list = "/api/v1/atividades";
    assert_eq!(
        names(&tenants, &tenants.member, list).await,
        ["free", "ours", "shared"]
    );
    assert_eq!(
        names(&tenants, &tenants.other, list).await,
        ["free", "shared", "theirs"]
    );
    assert_eq!(names(&tenants, &both, list).await.len(), 4);
    let foreign = format!("{list}?id_projeto={}", tenants.foreign);
    assert_eq!(
        names(&tenants, &tenants.member, &foreign).await,
        Vec::<String>::new()
    );
    let page = tenants
        .app
        .get_as(&tenants.member, &format!("{list}?limit=1"))
        .await
        .expect(200);
    assert_eq!(page["total"], 3);
}

/// A member of both organisations, and activities `ours`, `theirs`, `shared` and one without a project,
/// `free`. Returns the member's token and the ids of `theirs` and `shared`.
async fn activities(tenants: &Tenants) -> (String, Uuid, Uuid) {
    let both = tenants
        .azure
        .pat(&tenants.azure.person("Eve", &["contoso", "fabrikam"]));
    tenants
        .atividade(&tenants.member, "ours", &[tenants.projeto])
        .await;
    let theirs = tenants
        .atividade(&tenants.other, "theirs", &[tenants.foreign])
        .await;
    let shared = tenants
        .atividade(&both, "shared", &[tenants.foreign, tenants.projeto])
        .await;
    sqlx::query("INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), 'free')")
        .execute(&tenants.app.pool)
        .await
        .unwrap();
    (both, theirs, shared)
}

#[tokio::test]
async fn shared_activity_is_changed_by_members_of_both_sides_only() {
    let tenants = Tenants::new().await;
    let (both, theirs, shared) = activities(&tenants).await;
    let list = "/api/v1/atividades";
    // It shows each side its own project.
    let path = format!("{list}/{shared}");
    let seen = tenants.app.get_as(&tenants.member, &path).await.expect(200);
    assert_eq!(seen["projetos"].as_array().unwrap().len(), 1);
    assert_eq!(seen["id_projeto"], json!(tenants.projeto));
    let seen = tenants.app.get_as(&tenants.other, &path).await.expect(200);
    assert_eq!(seen["id_projeto"], json!(tenants.foreign), "kept for another one");
    let seen = tenants.app.get_as(&both, &path).await.expect(200);
    assert_eq!(seen["projetos"].as_array().unwrap().len(), 2);
    // An activity that a caller may not see is not answered from the cache either.
    let theirs = format!("{list}/{theirs}");
    tenants.app.get_as(&tenants.other, &theirs).await.expect(200);
    tenants.app.get_as(&tenants.member, &theirs).await.problem(404);
    let change = |token: &str| Request::put(&path).bearer(token).json(&json!({"nome": "taken"}));
    tenants.app.send(change(&tenants.member)).await.problem(403);
    tenants
        .app
        .send(Request::delete(&path).bearer(&tenants.other))
        .await
        .problem(403);
    tenants.app.send(change(&both)).await.expect(200);
}

#[tokio::test]
async fn activity_with_a_foreign_project_is_refused() {
    let tenants = Tenants::new().await;
    let list = "/api/v1/atividades";
    let body = json!({"nome": "a", "ids_projetos": [tenants.projeto, tenants.foreign]});
    let steal = Request::post(list).bearer(&tenants.member).json(&body);
    let problem = tenants.app.send(steal).await.problem(400);
    assert_eq!(
        problem["detail"],
        format!("Projetos não encontrados: {}", tenants.foreign)
    );
}

#[tokio::test]
async fn role_that_writes_activities_can_be_restricted() {
    let tenants = Tenants::with(&[("ACTIVITY_WRITE_ROLE", "admin")]).await;
    let body = json!({"nome": "a", "ids_projetos": [tenants.projeto]});
    let create = |token: &str| Request::post("/api/v1/atividades").bearer(token).json(&body);
    tenants.app.send(create(&tenants.member)).await.problem(403);
    let id = tenants.app.send(create(&tenants.admin)).await.expect(201)["id"].clone();
    let path = format!("/api/v1/atividades/{}", id.as_str().unwrap());
    tenants
        .app
        .send(Request::delete(&path).bearer(&tenants.member))
        .await
        .problem(403);
    tenants.app.get_as(&tenants.member, &path).await.expect(200);
}

/// D-03: a role is proved by what Azure DevOps tells, never by what a client says.
#[tokio::test]
async fn d_03_administrators_are_named_by_id_or_by_a_proved_e_mail() {
    let tenants = Tenants::with(&[("ADMIN_USERS", "Carla@Contoso.example")]).await;
    let papel =
        async |token: &str| tenants.app.get_as(token, "/api/v1/user").await.expect(200)["papel"].clone();
    let carla = tenants.azure.pat(&tenants.azure.person("Carla", &["contoso"]));
    assert_eq!(papel(&carla).await, "admin");
    assert_eq!(papel(&tenants.member).await, "membro");
    let hints = base64::engine::general_purpose::STANDARD.encode(r#"{"User-Email":"carla@contoso.example"}"#);
    let request = Request::get("/api/v1/auditoria")
        .bearer(&tenants.member)
        .header("x-custom-header", &hints);
    tenants.app.send(request).await.problem(403);
}

#[tokio::test]
async fn synchronisation_names_only_the_callers_organisations() {
    let tenants = Tenants::new().await;
    let named = async |token: &str| {
        let sync = Request::post("/api/v1/integracao/sincronizar").bearer(token);
        let done = tenants.app.send(sync).await.expect(200);
        let names = done["organizations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| o["organization"].clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(named(&tenants.member).await, ["contoso"]);
    assert_eq!(named(&tenants.other).await, ["fabrikam"]);
    assert_eq!(named(&tenants.admin).await, ["contoso", "fabrikam"]);
}

/// Rows of older databases, which had one organisation, are those of the default one until a sync gives them
/// theirs.
#[tokio::test]
async fn rows_without_an_organisation_are_the_default_ones() {
    let tenants = Tenants::new().await;
    let old = Uuid::new_v4();
    crate::support::data::projeto_with_ids(&tenants.app.pool, old, old, "antigo").await;
    let list = "/api/v1/projetos";
    assert_eq!(names(&tenants, &tenants.member, list).await, ["antigo", "P000"]);
    assert_eq!(names(&tenants, &tenants.other, list).await, ["P000"]);
    let id = tenants.atividade(&tenants.member, "antiga", &[old]).await;
    let path = format!("/api/v1/atividades/{id}");
    tenants
        .app
        .send(Request::delete(&path).bearer(&tenants.other))
        .await
        .problem(404);
    tenants
        .app
        .send(Request::delete(&path).bearer(&tenants.member))
        .await
        .expect(204);
}

/// Another organisation may let its people choose their e-mail; it names no administrator of the
/// installation.
#[tokio::test]
async fn e_mail_of_another_organisation_makes_no_administrator() {
    let tenants = Tenants::with(&[("ADMIN_USERS", "ana@contoso.com")]).await;
    let guest = tenants.azure.person("Guest", &["fabrikam"]);
    tenants
        .azure
        .edit_person(guest.id, |person| person.email = "ana@contoso.com".to_owned());
    let token = tenants.azure.pat(&guest);
    assert_eq!(
        tenants.app.get_as(&token, "/api/v1/user").await.expect(200)["papel"],
        "membro"
    );
    tenants
        .app
        .get_as(&token, "/api/v1/organization-pats")
        .await
        .problem(403);
}

/// What may be there is not denied while its organisation cannot say whether it knows the caller.
#[tokio::test]
async fn read_of_an_undecided_organisation_is_503_not_404() {
    let tenants = Tenants::new().await;
    let eve = tenants.azure.person("Eve", &["contoso", "fabrikam"]);
    let id = tenants
        .atividade(&tenants.other, "theirs", &[tenants.foreign])
        .await;
    tenants
        .azure
        .fault("fabrikam", "*", azure_devops_fake::Fault::Status(503, None));
    let token = tenants.azure.pat(&eve);
    let path = format!("/api/v1/atividades/{id}");
    tenants.app.get_as(&token, &path).await.problem(503);
    tenants
        .app
        .send(Request::delete(&path).bearer(&token))
        .await
        .problem(503);
    let body = json!({"nome": "a", "ids_projetos": [tenants.foreign]});
    tenants
        .app
        .send(Request::post("/api/v1/atividades").bearer(&token).json(&body))
        .await
        .problem(503);
    // What is decided works on.
    assert_eq!(names(&tenants, &token, "/api/v1/projetos").await.len(), 1);
}
