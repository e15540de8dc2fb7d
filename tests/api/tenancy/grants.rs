//! What each role may do with which columns, and that each start of a release leaves it at that.

use sqlx::AssertSqlSafe;

use super::installation::{BOTH, Installation, plant, run};
use crate::support::TestApp;

/// With every organisation named, so that the grants alone refuse.
#[tokio::test]
async fn columns_of_the_service_are_closed_to_callers() {
    let app = TestApp::new().await;
    for organizacao in BOTH {
        plant(&app.pool, organizacao).await;
    }
    let audit = "usuario_id, usuario_nome, acao, objeto_tipo";
    let of_callers = [
        format!("INSERT INTO auditoria ({audit}, em) VALUES ('a', 'a', 'a', 'a', now())"),
        format!("INSERT INTO auditoria ({audit}, id) OVERRIDING SYSTEM VALUE VALUES ('a', 'a', 'a', 'a', 1)"),
        "UPDATE auditoria SET em = now()".to_owned(),
        "DELETE FROM auditoria".to_owned(),
        "SELECT FROM organization_pats".to_owned(),
        "UPDATE organization_pats SET ativo = false".to_owned(),
        "DELETE FROM organization_pats".to_owned(),
        "UPDATE write_back SET contribuicao = 0".to_owned(),
        "UPDATE write_back SET lease = NULL".to_owned(),
        "UPDATE write_back SET intencao_rev = NULL".to_owned(),
        "DELETE FROM write_back".to_owned(),
        "UPDATE apontamentos SET usuario_id = 'b'".to_owned(),
        "UPDATE apontamentos SET organizacao = 'fabrikam'".to_owned(),
        "UPDATE apontamentos SET criado_em = now()".to_owned(),
        "DELETE FROM minutos_do_dia".to_owned(),
        "DELETE FROM idempotencia".to_owned(),
        "UPDATE projetos SET organizacao = 'fabrikam'".to_owned(),
        "DELETE FROM projetos".to_owned(),
        "UPDATE atividades SET criado_por = 'b'".to_owned(),
        "UPDATE atividade_projeto SET id_projeto = id_projeto".to_owned(),
        "DELETE FROM atividades_versao".to_owned(),
        "SELECT FROM _sqlx_migrations".to_owned(),
    ];
    let of_the_service = [&of_callers[0], &of_callers[1], &of_callers[2], &of_callers[3]];
    let more = "INSERT INTO _sqlx_migrations SELECT * FROM _sqlx_migrations".to_owned();
    let statements = of_callers.iter().map(|statement| ("app", statement));
    let of_the_service = of_the_service.into_iter().chain([&more]);
    for (role, statement) in statements.chain(of_the_service.map(|statement| ("maintenance", statement))) {
        let mut tx = app.pool.begin().await.unwrap();
        let set = format!("SET LOCAL ROLE api_aponta_{role}; SET LOCAL aponta.organizacoes = '*'");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *tx).await.unwrap();
        let outcome = sqlx::raw_sql(AssertSqlSafe(statement.clone()))
            .execute(&mut *tx)
            .await;
        let refused = outcome.expect_err(statement).to_string();
        assert!(
            refused.contains("permission denied"),
            "{role}: {statement}: {refused}"
        );
    }
}

/// What an earlier release granted is taken back, and no role has a right on a table by default.
#[tokio::test]
async fn each_migration_keeps_the_grants_of_the_release() {
    let installation = Installation::migrated().await;
    let (app, maintenance) = (installation.app(), installation.maintenance());
    let before = format!(
        "CREATE TABLE novidade (); GRANT ALL ON ALL TABLES IN SCHEMA {} TO {app}",
        installation.name
    );
    run(&installation.login, &before).await.unwrap();
    installation.migrate().await;
    let may: (bool, bool, bool, bool) = sqlx::query_as(
        "SELECT has_table_privilege($1, 'novidade', 'SELECT'), has_table_privilege($2, 'novidade', 'SELECT'),
                has_table_privilege($1, 'projetos', 'UPDATE'), has_table_privilege($1, 'projetos', 'SELECT')",
    )
    .bind(&app)
    .bind(&maintenance)
    .fetch_one(&installation.admin)
    .await
    .unwrap();
    assert_eq!(may, (false, true, false, true));
}

/// An older release that restarts during a rolling update knows nothing of what the newer one needs.
#[tokio::test]
async fn older_release_takes_back_no_grant_of_a_newer_one() {
    let installation = Installation::migrated().await;
    let newer = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (99990101000000, 'from the future', true, '', 0);
         CREATE TABLE novidade (); GRANT SELECT ON novidade TO {}",
        installation.app()
    );
    run(&installation.login, &newer).await.unwrap();
    installation.migrate().await;
    let kept: bool = sqlx::query_scalar("SELECT has_table_privilege($1, 'novidade', 'SELECT')")
        .bind(installation.app())
        .fetch_one(&installation.admin)
        .await
        .unwrap();
    assert!(kept);
}
