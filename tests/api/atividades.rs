//! `/api/v1/atividades`: happy paths with whole bodies, each refusal, and what the tables hold afterwards.

mod changes;
mod lists;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::data::{count, projeto, projeto_with_ids};

const PATH: &str = "/api/v1/atividades";

async fn create(app: &TestApp, nome: &str, projeto: Uuid) -> Value {
    app.post(PATH, json!({"nome": nome, "ids_projetos": [projeto]}))
        .await
        .expect(201)
}

fn path_of(atividade: &Value) -> String {
    format!("{PATH}/{}", atividade["id"].as_str().unwrap())
}

#[tokio::test]
async fn created_activity_is_returned_and_found() {
    let app = TestApp::new().await;
    let (b, a) = (projeto(&app.pool, "B").await, projeto(&app.pool, "A").await);
    let body =
        json!({"nome": "  Revisão de código ", "descricao": "PRs", "ids_projetos": [b, a, b], "extra": 1});

    let created = app.post(PATH, body).await.expect(201);

    let expected = json!({
        "nome": "Revisão de código",
        "descricao": "PRs",
        "ativo": true,
        "id": created["id"],
        "projetos": [{"id": b, "nome": "B"}, {"id": a, "nome": "A"}],
        "criado_por": "dev@localhost",
        "criado_em": created["criado_em"],
        "atualizado_em": created["criado_em"],
        "id_projeto": b,
        "nome_projeto": "B",
    });
    assert_eq!(created, expected);
    assert!(created["criado_em"].as_str().unwrap().ends_with('Z'));
    assert_eq!(app.get(&path_of(&created)).await.expect(200), created);
}

#[tokio::test]
async fn create_with_the_single_project_of_old_clients() {
    let app = TestApp::new().await;
    let projeto = projeto(&app.pool, "P").await;
    // D-20: id_projeto alone is enough, also beside a null list; a list wins over it.
    let old = json!({"nome": "a", "descricao": null, "ativo": true, "id_projeto": projeto});
    assert_eq!(
        app.post(PATH, old).await.expect(201)["id_projeto"],
        json!(projeto)
    );
    let null_list = json!({"nome": "a", "ids_projetos": null, "id_projeto": projeto});
    assert_eq!(
        app.post(PATH, null_list).await.expect(201)["id_projeto"],
        json!(projeto)
    );
    let both = json!({"nome": "a", "ids_projetos": [projeto], "id_projeto": Uuid::new_v4()});
    assert_eq!(
        app.post(PATH, both).await.expect(201)["id_projeto"],
        json!(projeto)
    );
}

#[tokio::test]
async fn projects_are_named_by_key_or_azure_guid() {
    let app = TestApp::new().await;
    let (id, external) = (Uuid::new_v4(), Uuid::new_v4());
    projeto_with_ids(&app.pool, id, external, "Legado").await;
    let other = projeto(&app.pool, "Outro").await;

    let created = app
        .post(PATH, json!({"nome": "x", "ids_projetos": [external, id]}))
        .await
        .expect(201);
    assert_eq!(created["projetos"], json!([{"id": id, "nome": "Legado"}]));
    let spelled = external.simple().to_string().to_uppercase();
    let updated = app
        .put(&path_of(&created), json!({"id_projeto": spelled}))
        .await
        .expect(200);
    assert_eq!(updated["projetos"], json!([{"id": id, "nome": "Legado"}]));

    create(&app, "y", other).await;
    for name in [id, external] {
        // D-24: the filter of the old service knew only one of the two.
        let listed = app.get(&format!("{PATH}?id_projeto={name}")).await.expect(200);
        assert_eq!(
            (&listed["total"], &listed["items"][0]["nome"]),
            (&json!(1), &json!("x"))
        );
    }
}

#[tokio::test]
async fn create_with_unknown_projects_names_them_and_stores_nothing() {
    let app = TestApp::new().await;
    let known = projeto(&app.pool, "P").await;
    let (x, y) = (Uuid::new_v4(), Uuid::new_v4());
    let problem = app
        .post(PATH, json!({"nome": "a", "ids_projetos": [x, known, y]}))
        .await
        .problem(400);
    assert_eq!(problem["detail"], format!("Projetos não encontrados: {x}, {y}"));
    assert_eq!(count(&app.pool, "atividades").await, 0);
}

#[tokio::test]
async fn body_with_many_failures_lists_all() {
    let app = TestApp::new().await;
    let body = json!({"nome": "x".repeat(256), "descricao": 5, "ativo": "talvez", "ids_projetos": ["a", 7]});
    let reply = app.post(PATH, body).await;
    let expected = [
        "body.nome string_too_long",
        "body.descricao string_type",
        "body.ativo bool_parsing",
        "body.ids_projetos.0 uuid_parsing",
        "body.ids_projetos.1 uuid_parsing",
    ];
    assert_eq!(reply.failures(), expected);
    let detail = reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("nome: deve ter no máximo 255 caracteres"),
        "{detail}"
    );
}

#[tokio::test]
async fn create_refuses_each_bad_body_with_422() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    let cases = [
        (json!({}), vec!["body.nome missing", "body.ids_projetos missing"]),
        (
            json!({"nome": "a", "ids_projetos": null, "id_projeto": null}),
            vec!["body.ids_projetos missing"],
        ),
        (
            json!({"nome": "a", "ids_projetos": []}),
            vec!["body.ids_projetos too_short"],
        ),
        (
            json!({"nome": "a", "ids_projetos": vec![p; 1_001]}),
            vec!["body.ids_projetos too_long"],
        ),
        (
            json!({"nome": " \t\n ", "ids_projetos": [p]}),
            vec!["body.nome string_too_short"],
        ),
        (
            json!({"nome": "\u{200b}\u{1b}", "ids_projetos": [p]}),
            vec!["body.nome string_too_short"],
        ),
        (
            json!({"nome": null, "ids_projetos": [p]}),
            vec!["body.nome string_type"],
        ),
        (
            json!({"nome": "a\u{0}b", "ids_projetos": [p]}),
            vec!["body.nome value_error"],
        ),
        (
            json!({"nome": "a", "descricao": "\u{0}", "ids_projetos": [p]}),
            vec!["body.descricao value_error"],
        ),
        (
            json!({"nome": "a", "descricao": "x".repeat(100_001), "id_projeto": p}),
            vec!["body.descricao string_too_long"],
        ),
        (
            json!({"nome": "a", "ativo": null, "ids_projetos": [p]}),
            vec!["body.ativo bool_parsing"],
        ),
        (
            json!({"nome": "a", "id_projeto": "123"}),
            vec!["body.id_projeto uuid_parsing"],
        ),
        (json!(["a"]), vec!["body model_attributes_type"]),
    ];
    for (body, failures) in cases {
        assert_eq!(app.post(PATH, body.clone()).await.failures(), failures, "{body}");
    }
    assert_eq!(count(&app.pool, "atividades").await, 0);
}

#[tokio::test]
async fn longest_name_fits() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    let nome = "ã".repeat(255);
    assert_eq!(create(&app, &nome, p).await["nome"], nome);
}
