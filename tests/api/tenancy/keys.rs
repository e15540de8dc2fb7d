//! Rows that name an organisation and a project name a project of that organisation.

use aponta::schema::migrate;
use azure_devops_fake::NewWorkItem;
use serde_json::json;

use super::installation::{BOTH, Installation, plant, run};
use crate::support::{Request, Tenants, TestApp};

#[tokio::test]
async fn key_refuses_a_project_of_another_organisation() {
    let app = TestApp::new().await;
    plant(&app.pool, "contoso").await;
    let foreign = plant(&app.pool, "fabrikam").await;
    for (table, statement) in [
        (
            "apontamentos",
            "INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos,
             id_atividade,
                                       usuario_id, usuario_nome)
             SELECT gen_random_uuid(), 'contoso', $1, 2, '2026-01-12', 60, id, 'a', 'a' FROM atividades LIMIT 1",
        ),
        (
            "write_back",
            "INSERT INTO write_back (organizacao, work_item_id, id_projeto) VALUES ('contoso', 2, $1)",
        ),
    ] {
        // As the superuser: no other wall applies.
        let refused = sqlx::query(statement).bind(foreign).execute(&app.pool).await.unwrap_err();
        let refused = refused.as_database_error().unwrap();
        let key = format!("{table}_organizacao_id_projeto_fkey");
        assert_eq!(refused.constraint(), Some(key.as_str()), "{refused}");
    }
}

/// What docs/database.md tells an operator to do, as the owner of the tables.
#[tokio::test]
async fn organisation_moves_to_another_name_with_its_rows() {
    let installation = Installation::migrated().await;
    plant(&installation.admin, "contoso").await;
    let document = include_str!("../../../docs/database.md");
    let (_, rest) = document.split_once("```sql\n").unwrap();
    let (statements, _) = rest.split_once("```").unwrap();
    let statements = statements.replace("antigo", "contoso");
    run(&installation.login, &statements).await.unwrap();
    let moved: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM projetos p JOIN apontamentos a ON (a.organizacao, a.id_projeto) = (p.organizacao, p.id)
           JOIN write_back w ON (w.organizacao, w.id_projeto) = (p.organizacao, p.id) WHERE p.organizacao = 'novo'",
    )
    .fetch_one(&installation.admin)
    .await
    .unwrap();
    assert_eq!(moved, 1);
}

/// Rows of older databases have no organisation until a synchronisation or an entry names one.
#[tokio::test]
async fn entry_gives_its_project_the_organisation() {
    let tenants = Tenants::new().await;
    let unassign = "UPDATE projetos SET organizacao = NULL WHERE organizacao = 'contoso'";
    run(&tenants.app.pool, unassign).await.unwrap();
    let atividade = tenants.atividade(&tenants.member, "A", &[tenants.projeto]).await;
    let item = tenants.azure.work_item("contoso", NewWorkItem::task("P000"));
    let body = json!({
        "data_apontamento": "2026-01-12", "duracao": "01:00", "id_atividade": atividade, "work_item_id": item,
        "project_id": tenants.projeto, "organization_name": "contoso"
    });
    let log = Request::post("/api/v1/apontamentos")
        .bearer(&tenants.member)
        .json(&body);
    tenants.app.send(log).await.expect(201);
    let organizacao: Option<String> = sqlx::query_scalar("SELECT organizacao FROM projetos WHERE id = $1")
        .bind(tenants.projeto)
        .fetch_one(&tenants.app.pool)
        .await
        .unwrap();
    assert_eq!(organizacao.as_deref(), Some("contoso"));
}

/// Rows from before the keys, as the owner meets them, which must see them all to judge.
#[tokio::test]
async fn rows_that_break_a_key_stay_and_do_not_stop_the_migration() {
    const KEYS: i64 = 20_261_130_100_100;
    let installation = Installation::new().await;
    let (name, app, maintenance) = (&installation.name, installation.app(), installation.maintenance());
    let prepare = format!(
        "CREATE ROLE {app}; CREATE ROLE {maintenance}; GRANT {app}, {maintenance} TO {name};
         ALTER ROLE {name} NOINHERIT"
    );
    run(&installation.admin, &prepare).await.unwrap();
    let upto = |last: i64| {
        let steps = migrate::MIGRATOR.iter().filter(move |step| step.version < last);
        sqlx::migrate::Migrator::with_migrations(steps.cloned().collect())
    };
    upto(KEYS).run(&installation.login).await.unwrap();
    for organizacao in BOTH {
        plant(&installation.admin, organizacao).await;
    }
    run(
        &installation.admin,
        "UPDATE projetos SET organizacao = NULL;
         UPDATE projetos SET nome = 'of contoso'
         WHERE id IN (SELECT id_projeto FROM write_back WHERE organizacao = 'contoso');
         UPDATE apontamentos SET organizacao = 'contoso'",
    )
    .await
    .unwrap();
    upto(i64::MAX).run(&installation.login).await.unwrap();
    let projetos: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT nome, organizacao FROM projetos ORDER BY nome DESC")
            .fetch_all(&installation.admin)
            .await
            .unwrap();
    let of_contoso = ("of contoso".to_owned(), Some("contoso".to_owned()));
    // The other one's entry and outbox name two organisations.
    assert_eq!(projetos, [of_contoso, ("P".to_owned(), None)]);
    let valid: Vec<(String, bool)> = sqlx::query_as(
        "SELECT conname::text, convalidated FROM pg_constraint
         WHERE conname LIKE '%\\_organizacao\\_id\\_projeto\\_fkey'
            AND connamespace = current_schema()::regnamespace ORDER BY 1",
    )
    .fetch_all(&installation.admin)
    .await
    .unwrap();
    let broken = |table: &str| (format!("{table}_organizacao_id_projeto_fkey"), false);
    assert_eq!(valid, [broken("apontamentos"), broken("write_back")]);
}
