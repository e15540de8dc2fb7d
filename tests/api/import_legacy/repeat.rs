//! Imports that are repeated: what is here stays, what was deleted here stays away, what is new comes along.

use serde_json::json;

use super::{HEAD, LEGACY_KEY, counts, everything, execute, import, line_about, load};
use crate::support::data::{count, projeto_with_ids};
use crate::support::{TestApp, TestDatabase};
use uuid::Uuid;

#[tokio::test]
async fn second_run_changes_nothing() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, HEAD).await;
    import(&database.url, &["--legacy-key", LEGACY_KEY]).await;
    let audited: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT usuario_id, acao || ' ' || objeto_tipo, depois->>'apontamentos' FROM auditoria",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(
        audited,
        [(
            "sistema".to_owned(),
            "importar banco_legado".to_owned(),
            "6".to_owned()
        )]
    );
    let before = everything(&pool).await;
    let out = import(&database.url, &["--legacy-key", LEGACY_KEY]).await;
    assert_eq!(everything(&pool).await, before);
    assert_eq!(counts(&out, "projetos"), [4, 0, 3, 0, 0, 1], "{out}");
    assert_eq!(counts(&out, "atividades"), [4, 0, 4, 0, 0, 0], "{out}");
    assert_eq!(counts(&out, "atividade_projeto"), [4, 0, 3, 0, 0, 1], "{out}");
    assert_eq!(counts(&out, "apontamentos"), [15, 0, 6, 0, 0, 9], "{out}");
    assert_eq!(counts(&out, "organization_pats"), [4, 0, 2, 0, 0, 2], "{out}");
    assert!(out.contains("count as written to Azure DevOps: 0\n"), "{out}");
}

#[tokio::test]
async fn repeat_keeps_local_changes_and_deletions() {
    let app = TestApp::new().await;
    load(&app.pool, HEAD).await;
    import(app.database_url(), &[]).await;
    let entry = |n: u8| format!("/api/v1/apontamentos/c0000000-0000-4000-8000-{n:012}");
    let atividade = |n: u8| format!("/api/v1/atividades/a0000000-0000-4000-8000-{n:012}");
    app.put(&entry(1), json!({"comentario": "mudou"}))
        .await
        .expect(200);
    app.delete(&entry(4)).await.expect(204);
    app.delete(&atividade(4)).await.expect(204);
    let only = json!({"nome": "Codificação", "ids_projetos": ["10000000-0000-4000-8000-000000000001"]});
    app.put(&atividade(1), only).await.expect(200);
    let before = everything(&app.pool).await;
    let out = import(app.database_url(), &[]).await;
    assert_eq!(everything(&app.pool).await, before);
    assert_eq!(counts(&out, "apontamentos"), [15, 0, 4, 1, 1, 9], "{out}");
    assert_eq!(counts(&out, "atividades"), [4, 0, 2, 1, 1, 0], "{out}");
    assert_eq!(
        counts(&out, "atividade_projeto"),
        [4, 0, 2, 1, 0, 1],
        "the project taken off it stays off: {out}"
    );
}

#[tokio::test]
async fn repeat_imports_new_rows_and_queues_their_hours() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, HEAD).await;
    import(&database.url, &[]).await;
    execute(
        &pool,
        "INSERT INTO legado.apontamentos SELECT gen_random_uuid(), 101, project_id, organization_name, data_apontamento,
                id_atividade, comentario, usuario_id, usuario_nome, usuario_email, criado_em, atualizado_em, '00:20'
           FROM legado.apontamentos WHERE id = 'c0000000-0000-4000-8000-000000000001'",
    )
    .await;
    // A synchronisation found the project that entry 14 names.
    projeto_with_ids(&pool, Uuid::new_v4(), Uuid::new_v4(), "PROJETO sumido").await;
    let out = import(&database.url, &[]).await;
    assert_eq!(counts(&out, "apontamentos"), [16, 2, 6, 0, 0, 8], "{out}");
    let row: (i64, i64, i64, i64, i64, String) = sqlx::query_as(
        "SELECT contribuicao, considerado, descontado, versao, versao_escrita, estado FROM write_back
          WHERE organizacao = 'contoso' AND work_item_id = 101",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    let hours = 27_083_333 + 333_333;
    assert_eq!(row, (hours, hours, hours, 0, 0, "sincronizado".to_owned()));
}

#[tokio::test]
async fn import_while_hours_are_written_is_refused() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, HEAD).await;
    import(&database.url, &[]).await;
    execute(
        &pool,
        "DELETE FROM apontamentos; UPDATE write_back SET lease_ate = now() + interval '1 hour'
         WHERE work_item_id = 102",
    )
    .await;
    let (code, _, err) = super::import_into(&database.url, &[]).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("hours of 1 of the work items are being written"),
        "{err}"
    );
    assert_eq!(count(&pool, "apontamentos").await, 0);
}

/// A synchronisation made the project before: everything refers to the row that is here.
#[tokio::test]
async fn project_with_a_known_guid_is_the_same() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, HEAD).await;
    let guid = Uuid::parse_str("e0000000-0000-4000-8000-000000000001").unwrap();
    projeto_with_ids(&pool, guid, guid, "Portal do Contribuinte").await;
    let out = import(&database.url, &[]).await;
    assert_eq!(counts(&out, "projetos"), [4, 2, 0, 1, 0, 1], "{out}");
    assert!(
        line_about(&out, "projetos 10000000-0000-4000-8000-000000000001")
            .contains(&format!("is here under the key {guid}")),
        "{out}"
    );
    assert_eq!(counts(&out, "apontamentos"), [15, 6, 0, 0, 0, 9], "{out}");
    let referring: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM apontamentos WHERE id_projeto = $1),
         (SELECT count(*) FROM atividade_projeto WHERE id_projeto = $1)",
    )
    .bind(guid)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(referring, (4, 1));
    let before = everything(&pool).await;
    import(&database.url, &[]).await;
    assert_eq!(everything(&pool).await, before);
}
