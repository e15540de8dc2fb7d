//! Revisions of the FastAPI service's schema, and what is none.

use super::{HEAD, SEED, counts, everything, execute, import, import_into, line_about, load};
use crate::support::TestDatabase;
use crate::support::process::{aponta, run};

#[tokio::test]
async fn first_revision_has_the_project_in_the_activity() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, SEED).await;
    let out = import(&database.url, &["--organizacao", "contoso"]).await;
    assert_eq!(counts(&out, "projetos"), [2, 2, 0, 0, 0, 0], "{out}");
    assert_eq!(counts(&out, "atividades"), [3, 3, 0, 0, 0, 0], "{out}");
    assert_eq!(counts(&out, "atividade_projeto"), [3, 2, 0, 0, 0, 1], "{out}");
    assert_eq!(counts(&out, "apontamentos"), [0; 6], "{out}");
    assert_eq!(counts(&out, "organization_pats"), [0; 6], "{out}");
    let about = line_about(&out, "atividade_projeto a0000000-0000-4000-8000-000000000003");
    assert!(
        about.ends_with("project e0000000-0000-4000-8000-0000000000ff is not here"),
        "{about}"
    );
    // By the GUID of Azure DevOps and by the project's own key.
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT right(ap.id_atividade::text, 1), ap.id_projeto::text,
         p.organizacao || ' ' || (a.criado_em AT TIME ZONE 'UTC')
           FROM atividade_projeto ap JOIN projetos p ON p.id = ap.id_projeto JOIN atividades a ON a.id = ap.id_atividade
          ORDER BY 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let row = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        rows,
        [
            row(
                "1",
                "10000000-0000-4000-8000-000000000001",
                "contoso 2026-01-12 16:00:00.123456"
            ),
            row(
                "2",
                "10000000-0000-4000-8000-000000000002",
                "contoso 2026-01-12 23:30:00"
            ),
        ]
    );
    let before = everything(&pool).await;
    let out = import(&database.url, &["--organizacao", "contoso"]).await;
    assert_eq!(counts(&out, "atividade_projeto"), [3, 0, 2, 0, 0, 1], "{out}");
    assert_eq!(everything(&pool).await, before);
}

/// Revision c3d4e5f6g7h8: hours and minutes in two columns, no organisation of projects, no vault.
#[tokio::test]
async fn revision_in_between_is_read_as_it_is() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, HEAD).await;
    execute(
        &pool,
        "DELETE FROM legado.apontamentos WHERE duracao !~ '^[0-9]{1,2}:[0-9]{2}$';
         ALTER TABLE legado.apontamentos ADD horas integer, ADD minutos integer;
         UPDATE legado.apontamentos SET horas = split_part(duracao, ':', 1)::int,
         minutos = split_part(duracao, ':', 2)::int;
         ALTER TABLE legado.apontamentos DROP duracao;
         ALTER TABLE legado.projetos DROP organizacao;
         ALTER TABLE legado.atividades DROP criado_por;
         DROP TABLE legado.organization_pats",
    )
    .await;
    let out = import(&database.url, &[]).await;
    assert_eq!(counts(&out, "projetos"), [4, 4, 0, 0, 0, 0], "{out}");
    // A project of no organisation is of that which its first entry names: entry 15 finds one, entry 16 one
    // that fabrikam has by then.
    assert_eq!(counts(&out, "apontamentos"), [14, 7, 0, 0, 0, 7], "{out}");
    let about = line_about(&out, "c0000000-0000-4000-8000-000000000016");
    assert!(
        about.ends_with("is not one of contoso, but of another organisation"),
        "{about}"
    );
    let about = line_about(&out, "c0000000-0000-4000-8000-000000000013");
    assert!(
        about.ends_with("24 hours and 59 minutes are not 00:01 to 24:00"),
        "{about}"
    );
    let minutos: i64 = sqlx::query_scalar("SELECT sum(minutos) FROM apontamentos WHERE work_item_id = 101")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(minutos, 1_625 + 60);
}

/// More rows than one page holds.
#[tokio::test]
async fn long_history_comes_page_by_page() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, HEAD).await;
    execute(
        &pool,
        "INSERT INTO legado.apontamentos SELECT gen_random_uuid(), 1000 + n % 700, project_id, organization_name,
                data_apontamento - n, id_atividade, comentario, usuario_id, usuario_nome, usuario_email, criado_em,
                atualizado_em,
                '00:20'
           FROM legado.apontamentos, generate_series(1, 2300) n WHERE id = 'c0000000-0000-4000-8000-000000000001'",
    )
    .await;
    let out = import(&database.url, &[]).await;
    assert_eq!(counts(&out, "apontamentos"), [2_315, 2_306, 0, 0, 0, 9], "{out}");
    assert!(out.contains("count as written to Azure DevOps: 703\n"), "{out}");
    let (days, hours): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT sum(minutos) FROM minutos_do_dia)::bigint, (SELECT sum(contribuicao) FROM write_back
          WHERE work_item_id = 1000)::bigint",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(
        (days, hours),
        (2_300 * 20 + 1_705, 1_000_000),
        "the minutes of all days, three entries of one work item"
    );
}

#[tokio::test]
async fn wrong_source_is_refused_without_its_password() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let (code, _, err) = import_into(&database.url, &[]).await;
    assert_eq!(code, 1);
    assert!(err.contains("schema legado has no table projetos"), "{err}");
    // D-43: a migration that logged success and kept nothing.
    execute(
        &pool,
        "CREATE SCHEMA legado; CREATE TABLE legado.alembic_version (version_num text)",
    )
    .await;
    assert!(
        import_into(&database.url, &[])
            .await
            .2
            .contains("schema legado has no table projetos")
    );

    let folder = tempfile::tempdir().unwrap();
    let refused = async |from: &str, schema: &str| {
        let mut command = aponta(
            folder.path(),
            &["import-legacy", "--schema", schema, "--from", from],
        );
        command
            .env("DATABASE_URL", &database.url)
            .env("AZURE_DEVOPS_ORG_URL", "http://127.0.0.1:1/contoso");
        let (code, out, err) = run(command).await;
        assert!(!out.contains("segredo") && !err.contains("segredo"), "{out}{err}");
        (code, err)
    };
    let ours = refused(&database.url, "api_aponta").await;
    assert!(
        ours.0 == 1 && ours.1.contains("is a schema of this service"),
        "{}",
        ours.1
    );
    let nobody = refused("postgresql+psycopg2://a:segredo@127.0.0.1:1/a", "legado").await;
    assert!(
        nobody.0 == 1 && nobody.1.contains("source database: 127.0.0.1:1: "),
        "{}",
        nobody.1
    );
    let wrong = refused("mysql://a:segredo@db/a", "legado").await;
    assert!(
        wrong.0 == 1 && wrong.1.contains("is not an address of a PostgreSQL database"),
        "{}",
        wrong.1
    );
    let quoted = refused(&database.url, "legado\"; DROP SCHEMA api_aponta").await;
    assert!(
        quoted.0 == 2 && quoted.1.contains("is not a lower-case identifier"),
        "{}",
        quoted.1
    );
}
