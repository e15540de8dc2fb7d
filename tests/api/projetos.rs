//! `/api/v1/projetos`.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::data::{projeto, projeto_with_ids};

const PATH: &str = "/api/v1/projetos";

#[tokio::test]
async fn list_is_a_bare_array_with_the_keys_of_every_client() {
    let app = TestApp::new().await;
    let (id, external) = (Uuid::new_v4(), Uuid::new_v4());
    projeto_with_ids(&app.pool, id, external, "Portal").await;
    sqlx::query(
        "UPDATE projetos SET descricao = 'd', url = 'u', estado = 'wellFormed', organizacao = 'contoso'",
    )
    .execute(&app.pool)
    .await
    .unwrap();

    let listed = app.get(PATH).await.expect(200);

    let only = &listed[0];
    let expected = json!([{
        "id": id,
        "external_id": external,
        "azure_project_id": external,
        "nome": "Portal",
        "descricao": "d",
        "url": "u",
        "estado": "wellFormed",
        "state": "wellFormed",
        "organizacao": "contoso",
        "last_sync_at": only["last_sync_at"],
        "created_at": only["created_at"],
        "updated_at": only["updated_at"],
        "criado_em": only["created_at"],
        "atualizado_em": only["updated_at"],
    }]);
    assert_eq!(listed, expected);
    assert!(
        only["updated_at"].as_str() > only["created_at"].as_str(),
        "the database keeps updated_at"
    );
    assert!(only["created_at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn list_is_ordered_by_name_and_whole_unless_a_page_is_asked_for() {
    let app = TestApp::new().await;
    for n in 0..120 {
        projeto(&app.pool, &format!("P{n:03}")).await;
    }
    projeto(&app.pool, "ábaco").await;
    let names = async |query: &str| {
        let listed = app.get(&format!("{PATH}{query}")).await.expect(200);
        let names = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["nome"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let all = names("").await;
    assert_eq!(
        (all.len(), all[0].as_str(), all[1].as_str()),
        (121, "ábaco", "P000")
    );
    assert_eq!(names("?skip=1&limit=2").await, ["P000", "P001"]);
    assert_eq!(names("?skip=119").await, ["P118", "P119"]);
    assert_eq!(names("?limit=1").await, ["ábaco"]);
    let failures = app.get(&format!("{PATH}?skip=x&limit=0")).await.failures();
    assert_eq!(
        failures,
        ["query.skip int_parsing", "query.limit greater_than_equal"]
    );
}

#[tokio::test]
async fn no_project_is_an_empty_array() {
    let app = TestApp::new().await;
    assert_eq!(app.get(PATH).await.expect(200), Value::Array(Vec::new()));
}
