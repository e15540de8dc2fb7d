//! `aponta import-legacy`: the program over databases of the FastAPI service. `tests/data/legacy/` has those.

mod layouts;
mod outbox;
mod repeat;
mod vault;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::data::{block_projetos, count};
use crate::support::process::{aponta, run};
use crate::support::tenants::KEY;
use crate::support::{TestApp, TestDatabase};

const HEAD: &str = include_str!("../data/legacy/head.sql");
const SEED: &str = include_str!("../data/legacy/seed.sql");
/// What the vault of `head.sql` is encrypted with.
const LEGACY_KEY: &str = "Y2hhdmUtbGVnYWRhLWRlLXRlc3RlLTMyLWJ5dGVzISE=";

/// Puts a database of the FastAPI service beside ours.
async fn load(pool: &PgPool, sql: &'static str) {
    let mut conn = pool.acquire().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut *conn).await.unwrap();
    // Its search_path goes with it.
    conn.close().await.unwrap();
}

async fn execute(pool: &PgPool, sql: &'static str) {
    sqlx::raw_sql(sql).execute(pool).await.unwrap();
}

/// Exit code, standard output, standard error of an import with these arguments besides.
async fn import_into(url: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec!["import-legacy", "--schema", "legado"];
    all.extend_from_slice(arguments);
    let mut command = aponta(folder.path(), &all);
    command
        .env("DATABASE_URL", url)
        .env("LEGACY_DATABASE_URL", url)
        .env("AZURE_DEVOPS_ORG_URL", "http://127.0.0.1:1/contoso")
        .env("PAT_ENCRYPTION_KEYS", KEY);
    run(command).await
}

/// What a successful import prints.
async fn import(url: &str, arguments: &[&str]) -> String {
    let (code, out, err) = import_into(url, arguments).await;
    assert_eq!(code, 0, "{out}{err}");
    out
}

/// Read, imported, unchanged, differing, deleted, not imported.
fn counts(out: &str, table: &str) -> [u64; 6] {
    let line = out
        .lines()
        .find(|line| line.starts_with(&format!("{table} ")) && !line.contains(':'));
    let numbers = line
        .unwrap_or_else(|| panic!("no line of {table}: {out}"))
        .split_whitespace()
        .skip(1);
    numbers
        .map(|n| n.parse().unwrap())
        .collect::<Vec<u64>>()
        .try_into()
        .unwrap()
}

/// The line about a row.
fn line_about<'a>(out: &'a str, id: &str) -> &'a str {
    out.lines()
        .find(|line| line.contains(id))
        .unwrap_or_else(|| panic!("nothing about {id}: {out}"))
}

/// Every row of our tables, but not when a project was last seen.
async fn everything(pool: &PgPool) -> Vec<String> {
    let mut all = Vec::new();
    for table in [
        "projetos",
        "atividades",
        "atividade_projeto",
        "apontamentos",
        "minutos_do_dia",
        "write_back",
        "organization_pats",
        "auditoria",
    ] {
        let sql = format!("SELECT '{table} ' || t::text FROM {table} t ORDER BY 1");
        all.extend(
            sqlx::query_scalar::<_, String>(AssertSqlSafe(sql))
                .fetch_all(pool)
                .await
                .unwrap(),
        );
    }
    all
}

#[tokio::test]
async fn import_of_a_locked_table_fails_with_advice() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, HEAD).await;
    let _blocker = block_projetos(&pool).await;
    let (code, out, err) = import_into(&database.url, &[]).await;
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        err.contains("more than 2000 ms (DATABASE_LOCK_TIMEOUT_MS)"),
        "{out}{err}"
    );
}

/// Rows of `head.sql` that do not come along as they are, and what is told of each.
const TOLD: [(&str, &str); 15] = [
    (
        "projetos 10000000-0000-4000-8000-000000000004",
        "not imported: its organisation \"contoso/../x\" is not the name",
    ),
    (
        "atividades a0000000-0000-4000-8000-000000000002",
        "note: its name \"  Reunião \" became \"Reunião\"",
    ),
    (
        "atividades a0000000-0000-4000-8000-000000000003",
        "note: its name \"   \" became \"(sem nome)\"",
    ),
    (
        "atividade_projeto a0000000-0000-4000-8000-000000000003",
        "project 10000000-0000-4000-8000-000000000004 is not here",
    ),
    (
        "c0000000-0000-4000-8000-000000000011",
        "not imported: its duration \"00:00\" is nothing",
    ),
    (
        "c0000000-0000-4000-8000-000000000012",
        "its duration \"7:5\" is not HH:mm",
    ),
    (
        "c0000000-0000-4000-8000-000000000013",
        "its duration \"24:59\" is more than 24:00",
    ),
    (
        "c0000000-0000-4000-8000-000000000014",
        "contoso has no project \"Projeto Sumido\" here",
    ),
    (
        "c0000000-0000-4000-8000-000000000015",
        "project e0000000-0000-4000-8000-000000000004 of contoso is not here",
    ),
    (
        "c0000000-0000-4000-8000-000000000016",
        "is not one of contoso, but of another organisation",
    ),
    ("c0000000-0000-4000-8000-000000000017", "0 is no work item"),
    (
        "c0000000-0000-4000-8000-000000000018",
        "its organisation \"https://dev.azure.com/contoso\" is not the name",
    ),
    (
        "c0000000-0000-4000-8000-000000000019",
        "activity a0000000-0000-4000-8000-0000000000ff is not here",
    ),
    (
        "d0000000-0000-4000-8000-000000000003",
        "the PAT of tailspin: it does not decrypt",
    ),
    (
        "d0000000-0000-4000-8000-000000000004",
        "contoso has another PAT, which comes first",
    ),
];

#[tokio::test]
async fn import_keeps_each_row_id_or_reports_it() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, HEAD).await;
    let out = import(&database.url, &["--legacy-key", LEGACY_KEY]).await;
    assert_eq!(counts(&out, "projetos"), [4, 3, 0, 0, 0, 1], "{out}");
    assert_eq!(counts(&out, "atividades"), [4, 4, 0, 0, 0, 0], "{out}");
    assert_eq!(counts(&out, "atividade_projeto"), [4, 3, 0, 0, 0, 1], "{out}");
    assert_eq!(counts(&out, "apontamentos"), [15, 6, 0, 0, 0, 9], "{out}");
    assert_eq!(counts(&out, "organization_pats"), [4, 2, 0, 0, 0, 2], "{out}");
    assert!(out.contains("count as written to Azure DevOps: 3\n"), "{out}");
    assert!(
        out.contains("above MAX_MINUTES_PER_DAY, kept as they are: 1\n"),
        "{out}"
    );
    for (row, why) in TOLD {
        assert!(line_about(&out, row).contains(why), "{row} {why}: {out}");
    }
}

/// One query a table finds what differs between the two.
#[tokio::test]
async fn import_keeps_every_value_and_instant() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, HEAD).await;
    import(&database.url, &[]).await;
    for (table, columns) in [
        (
            "projetos",
            // The third has no organisation there, and that of its entries here.
            "id, external_id, nome, descricao, url, estado, last_sync_at,
             CASE WHEN nome LIKE 'Nota%' THEN coalesce(organizacao, 'contoso')
                  ELSE lower(organizacao) END AS organizacao",
        ),
        ("atividade_projeto", "id, id_atividade, id_projeto"),
    ] {
        let sql = format!(
            "SELECT (t.*)::text FROM (SELECT {columns} FROM api_aponta.{table} 
                               EXCEPT SELECT {columns} FROM legado.{table}) t"
        );
        let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&pool)
            .await
            .unwrap();
        assert_eq!(found, Vec::<String>::new(), "{table}");
    }
    let differing: Vec<String> = sqlx::query_scalar(
        "SELECT a.id::text FROM api_aponta.atividades a JOIN legado.atividades b USING (id)
          WHERE (a.nome, a.descricao, a.ativo, a.criado_por, a.criado_em, a.atualizado_em) IS DISTINCT FROM
                (coalesce(nullif(btrim(b.nome), ''), '(sem nome)'), b.descricao, b.ativo, b.criado_por,
                 b.criado_em AT TIME ZONE 'UTC', b.atualizado_em AT TIME ZONE 'UTC')
         UNION ALL
         SELECT a.id::text FROM api_aponta.apontamentos a JOIN legado.apontamentos b USING (id)
          WHERE (a.work_item_id, a.data_apontamento, a.id_atividade, a.comentario, a.usuario_id, a.usuario_nome,
                 a.usuario_email, a.organizacao, a.criado_em, a.atualizado_em) IS DISTINCT FROM
                (b.work_item_id, b.data_apontamento, b.id_atividade, b.comentario, lower(b.usuario_id), b.usuario_nome,
                 b.usuario_email, lower(b.organization_name), b.criado_em AT TIME ZONE 'UTC',
                 b.atualizado_em AT TIME ZONE 'UTC')
             OR a.minutos <> extract(epoch FROM b.duracao::interval) / 60",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(differing, Vec::<String>::new());
    let projetos: Vec<(i32, i64)> = sqlx::query_as(
        "SELECT right(id_projeto::text, 1)::int, count(*) FROM apontamentos GROUP BY 1 ORDER BY 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(
        projetos,
        [(1, 4), (2, 1), (3, 1)],
        "however clients spelt the project"
    );
}

/// The service answers with what was imported, in its own terms.
#[tokio::test]
async fn service_serves_imported_rows() {
    let app = TestApp::new().await;
    load(&app.pool, HEAD).await;
    import(app.database_url(), &["--organizacao", "Contoso"]).await;
    let entry = app
        .get("/api/v1/apontamentos/c0000000-0000-4000-8000-000000000001")
        .await
        .expect(200);
    assert_eq!(entry["duracao"], "02:30");
    assert_eq!(entry["project_id"], "e0000000-0000-4000-8000-000000000001");
    assert_eq!(
        entry["criado_em"], "2026-01-19T23:30:00.123456Z",
        "the FastAPI service stored UTC"
    );
    assert_eq!(
        entry["sincronizacao"],
        json!({"estado": "sincronizado", "motivo": null})
    );
    let atividade = app
        .get("/api/v1/atividades/a0000000-0000-4000-8000-000000000001")
        .await
        .expect(200);
    let names = |value: &Value| -> Vec<String> {
        let projetos = value["projetos"].as_array().unwrap();
        projetos
            .iter()
            .map(|projeto| projeto["nome"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&atividade),
        ["Nota Fiscal – Eletrônica 🧾", "Portal do Contribuinte"],
        "in the order in which they were added"
    );
    let projetos = app.get("/api/v1/projetos").await.expect(200);
    let unassigned = projetos
        .as_array()
        .unwrap()
        .iter()
        .find(|projeto| projeto["nome"] == "Nota Fiscal – Eletrônica 🧾");
    assert_eq!(unassigned.unwrap()["organizacao"], "contoso", "--organizacao");
    let path =
        "/api/v1/apontamentos/work-item/101?organization_name=contoso&project_id=Portal%20do%20Contribuinte";
    let listed = app.get(path).await.expect(200);
    assert_eq!(
        (&listed["total"], &listed["total_formatado"]),
        (&json!(4), &json!("27:05"))
    );
}

#[tokio::test]
async fn dry_run_reports_everything_and_stores_nothing() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, HEAD).await;
    let before = everything(&pool).await;
    let out = import(&database.url, &["--dry-run", "--legacy-key", LEGACY_KEY]).await;
    assert_eq!(counts(&out, "apontamentos"), [15, 6, 0, 0, 0, 9], "{out}");
    assert!(
        out.ends_with("dry run: rolled back, nothing was imported\n"),
        "{out}"
    );
    assert_eq!(everything(&pool).await, before);
    let real = import(&database.url, &["--legacy-key", LEGACY_KEY]).await;
    assert_eq!(
        out.trim_end_matches("dry run: rolled back, nothing was imported\n"),
        real,
        "the rehearsal told the truth"
    );
}

#[tokio::test]
async fn failed_import_leaves_nothing() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, HEAD).await;
    // The vault comes last.
    execute(
        &pool,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no more room'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON organization_pats FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await;
    let before = everything(&pool).await;
    let (code, _, err) = import_into(&database.url, &["--legacy-key", LEGACY_KEY]).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("nothing was imported: cannot write to the target database")
            && err.contains("no more room"),
        "{err}"
    );
    assert_eq!(everything(&pool).await, before);
    assert_eq!(count(&pool, "apontamentos").await, 0);
}
