//! Texts: requests and Azure DevOps may send them decomposed, with control characters or too long. One form
//! is stored, and lengths count that form.

use azure_devops_fake::NewWorkItem;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app_token::{self, app_token};
use crate::support::logging::{APONTAMENTOS, PROJECT};
use crate::support::{Logging, Request};

/// `é` in two characters, which NFC composes.
const DECOMPOSED: &str = "e\u{301}";

/// A name that no column can store as it is: decomposed, with U+0000 and control characters, and longer than
/// 255 characters.
fn wild(name: &str) -> String {
    format!(" \u{200b}{name}\0 {DECOMPOSED}\u{7}\u{1b}{}\n", "x".repeat(5_000))
}

/// The first 255 characters of that name in the form that is stored.
fn tame(name: &str) -> String {
    let text = format!("{name} é{}", "x".repeat(255));
    text.chars().take(255).collect()
}

#[tokio::test]
async fn create_counts_the_characters_of_the_stored_text() {
    let logging = Logging::new().await;
    let body = logging.body_with(&json!({
        "comentario": format!(" \n{}\t\u{200b}", DECOMPOSED.repeat(500)),
        "usuario_nome": DECOMPOSED.repeat(255),
    }));
    let entry = logging.post(&body).await.expect(201);
    assert_eq!(entry["comentario"], "é".repeat(500));
    let longer = logging.body_with(&json!({"comentario": DECOMPOSED.repeat(501)}));
    assert_eq!(
        logging.post(&longer).await.failures(),
        ["body.comentario string_too_long"]
    );
    let change = json!({"comentario": format!("{}   ", "x".repeat(500))});
    let changed = logging.put(&entry, &change).await.expect(200);
    assert_eq!(changed["comentario"], "x".repeat(500));
    let blank = logging.put(&entry, &json!({"comentario": " \u{200b}\n"})).await;
    assert_eq!(blank.expect(200)["comentario"], Value::Null);
}

#[tokio::test]
async fn activity_is_stored_composed() {
    let logging = Logging::new().await;
    let member = &logging.tenants.member;
    let body = json!({
        "nome": format!("\u{feff}{} ", DECOMPOSED.repeat(255)), "descricao": DECOMPOSED.repeat(100_000),
        "ids_projetos": [logging.tenants.projeto],
    });
    let create = Request::post("/api/v1/atividades").bearer(member).json(&body);
    let created = logging.tenants.app.send(create).await.expect(201);
    assert_eq!(created["nome"], "é".repeat(255));
    assert_eq!(created["descricao"], "é".repeat(100_000));
}

#[tokio::test]
async fn vault_notes_are_stored_composed() {
    let logging = Logging::new().await;
    let body = json!({
        "organization_name": "contoso", "pat": logging.tenants.service_pat,
        "descricao": DECOMPOSED.repeat(10_000),
    });
    let create = Request::post("/api/v1/organization-pats")
        .bearer(&logging.tenants.admin)
        .json(&body);
    let created = logging.tenants.app.send(create).await.expect(201);
    assert_eq!(created["descricao"], "é".repeat(10_000));
}

#[tokio::test]
async fn project_is_found_by_its_decomposed_name() {
    let logging = Logging::new().await;
    logging
        .azure()
        .rename_project("contoso", logging.tenants.projeto, "Caf\u{e9}");
    let sync = Request::post("/api/v1/integracao/sincronizar").bearer(&logging.tenants.admin);
    logging.tenants.app.send(sync).await.expect(200);
    let body = logging.body_with(&json!({"project_id": format!("Caf{DECOMPOSED}")}));
    let entry = logging.post(&body).await.expect(201);
    assert_eq!(entry["project_id"], json!(logging.tenants.projeto));
}

/// Names of the projects of contoso, as stored and as listed live.
async fn project_names(logging: &Logging) -> [Vec<Value>; 2] {
    let stored = logging.get("/api/v1/projetos").await.expect(200);
    let live = logging
        .get("/api/v1/integracao/projetos?organization_name=contoso")
        .await;
    let live = live.expect(200);
    let live = live
        .get("projetos")
        .or_else(|| live.get("value"))
        .unwrap_or(&live);
    let names = |list: &Value, key: &str| {
        let list = list.as_array().unwrap().iter();
        list.map(|project| project[key].clone()).collect()
    };
    [names(&stored, "nome"), names(live, "name")]
}

#[tokio::test]
async fn project_name_is_cleaned_by_a_sync() {
    let logging = Logging::new().await;
    logging.azure().edit_projects("contoso", |projects| {
        projects[0].json["name"] = json!(wild("Portal"));
        projects[0].json["description"] = json!(wild("Texto"));
        projects[0].json["state"] = json!(wild("wellFormed"));
    });
    let sync = Request::post("/api/v1/integracao/sincronizar").bearer(&logging.tenants.admin);
    logging.tenants.app.send(sync).await.expect(200);
    let expected = vec![json!(tame("Portal"))];
    assert_eq!(project_names(&logging).await, [expected.clone(), expected]);
}

#[tokio::test]
async fn project_name_is_cleaned_by_a_live_lookup() {
    let logging = Logging::new().await;
    let fresh = logging.azure().projects("contoso", 2).pop().unwrap();
    logging.azure().edit_projects("contoso", |projects| {
        let project = projects.last_mut().unwrap();
        project.json["name"] = json!(wild("Novo"));
        project.json["description"] = json!(wild("Texto"));
    });
    let task = NewWorkItem::task(&wild("Novo"));
    let item = logging.azure().work_item("contoso", task);
    let anywhere = sqlx::query_scalar::<_, Uuid>(
        "INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), 'Livre') RETURNING id",
    )
    .fetch_one(&logging.tenants.app.pool)
    .await
    .unwrap();
    let body =
        logging.body_with(&json!({"project_id": fresh.id, "work_item_id": item, "id_atividade": anywhere}));
    let entry = logging.post(&body).await.expect(201);
    assert_eq!(entry["project_id"], json!(fresh.id));
    assert_eq!(entry["projeto_nome"], tame("Novo"));
    let [stored, live] = project_names(&logging).await;
    assert!(stored.contains(&json!(tame("Novo"))), "{stored:?}");
    assert!(live.contains(&json!(tame("Novo"))), "{live:?}");
}

#[tokio::test]
async fn name_of_a_person_is_cleaned_on_each_path() {
    let logging = Logging::with(&app_token::VARIABLES).await;
    let azure = logging.azure();
    let eva = azure.person("Eva", &["contoso"]);
    azure.edit_person(eva.id, |person| person.name = wild("Eva"));
    let admin = &logging.tenants.admin;
    let for_eva = logging.body_with(&json!({"usuario_id": eva.id}));
    for (token, body) in [
        (azure.pat(&eva), logging.body()),
        (app_token(eva.id), logging.body()),
        (admin.clone(), for_eva),
    ] {
        let entry = logging.post_as(&token, &body).await.expect(201);
        assert_eq!(entry["usuario_nome"], tame("Eva"));
    }
    let user = Request::get("/api/v1/user").bearer(&azure.pat(&eva));
    let user = logging.tenants.app.send(user).await.expect(200);
    assert!(user.to_string().contains(&tame("Eva")), "{user}");
    // The administrator's own name stands beside the hours of another person.
    azure.edit_person(azure.person_of(admin, "contoso").id, |person| {
        person.name = wild("Root");
    });
    let replica = logging.tenants.app.replica_with("WRITEBACK_BUDGET", "4");
    let body = logging.body_with(&json!({"usuario_id": eva.id}));
    let request = Request::post(APONTAMENTOS).bearer(admin).json(&body);
    let entry = replica.send(request).await.expect(201);
    assert_eq!(entry["registrado_por_nome"], tame("Root"));
}

#[tokio::test]
async fn upstream_texts_are_shown_clean() {
    let logging = Logging::new().await;
    let azure = logging.azure();
    let eva = azure.person("Eva", &["contoso"]);
    azure.edit_person(eva.id, |person| person.name = wild("Eva"));
    let task = NewWorkItem::task(PROJECT)
        .titled(&wild("Título"))
        .of(&azure.person_of(&azure.pat(&eva), "contoso"));
    let item = azure.work_item("contoso", task);
    let mut project = None;
    azure.edit_projects("contoso", |projects| project = Some(projects[0].clone()));
    azure.team("contoso", &project.unwrap(), &wild("Equipe"), &[eva.id]);
    azure.iteration("contoso", &wild("Sprint"), "current", &[item]);
    let token = azure.pat(&eva);
    let body = logging.body_with(&json!({"work_item_id": item}));
    let entry = logging.post_as(&token, &body).await.expect(201);
    assert_eq!(entry["work_item_titulo"], tame("Título"));
    let app = &logging.tenants.app;
    let get = async |path: &str| {
        let of = format!("organization_name=contoso&project_id={PROJECT}");
        app.get_as(&token, &format!("/api/v1/{path}{of}"))
            .await
            .expect(200)
    };
    let week = get("timesheet?").await;
    assert_eq!(week["work_items"][0]["title"], tame("Título"));
    assert_eq!(week["work_items"][0]["assigned_to"], tame("Eva"));
    let found = get(&format!("work-items/search?query={item}&")).await;
    assert!(found.to_string().contains(&tame("Título")), "{found}");
    assert_eq!(get("teams?").await["teams"][0]["name"], tame("Equipe"));
    assert_eq!(get("iterations?").await["iterations"][0]["name"], tame("Sprint"));
}
