//! The second wall: what PostgreSQL lets its roles do if the application should forget.

use aponta::schema;
use azure_devops_fake::NewWorkItem;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, Row};
use uuid::Uuid;

use crate::support::{Request, RunningServer, Tenants, TestApp, TestDatabase};

const APP_ROLE: &str = "api_aponta_app";

/// Every table with an organisation, by the catalogue: a new one without a wall is found here.
async fn tenant_tables(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
          WHERE c.relnamespace = 'api_aponta'::regnamespace AND c.relkind = 'r' AND a.attname = 'organizacao'
          ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// What a transaction of the run-time role sees that names these organisations, with no condition in the
/// statement: the application's own check is not there.
async fn seen(pool: &PgPool, table: &str, setting: Option<&str>) -> Vec<Option<String>> {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(AssertSqlSafe(format!("SET LOCAL ROLE {APP_ROLE}")))
        .execute(&mut *tx)
        .await
        .unwrap();
    if let Some(setting) = setting {
        let set = format!("SET LOCAL aponta.organizacoes = '{setting}'");
        sqlx::query(AssertSqlSafe(set)).execute(&mut *tx).await.unwrap();
    }
    let select = format!("SELECT organizacao FROM {table} ORDER BY organizacao");
    let rows = sqlx::query(AssertSqlSafe(select))
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn row_level_security_guards_every_tenant_table() {
    let tenants = Tenants::new().await;
    fill_every_table(&tenants).await;
    let pool = &tenants.app.pool;
    let tables = tenant_tables(pool).await;
    assert_eq!(
        tables,
        [
            "apontamentos",
            "auditoria",
            "idempotencia",
            "minutos_do_dia",
            "organization_pats",
            "projetos",
            "write_back"
        ]
    );
    for table in &tables {
        assert_walled(pool, table).await;
        if table == "organization_pats" {
            // Closed to this role: see `foreign_access`.
            continue;
        }
        assert_eq!(
            seen(pool, table, None).await,
            Vec::<Option<String>>::new(),
            "{table} unset"
        );
        assert_eq!(
            seen(pool, table, Some("")).await,
            Vec::<Option<String>>::new(),
            "{table} empty"
        );
        let own = seen(pool, table, Some("contoso,")).await;
        assert!(own.contains(&Some("contoso".to_owned())), "{table}: {own:?}");
        assert!(!own.contains(&Some("fabrikam".to_owned())), "{table}: {own:?}");
        let unknown = seen(pool, table, Some("unheard-of,")).await;
        assert!(unknown.iter().all(Option::is_none), "{table}: {unknown:?}");
        if table == "projetos" {
            assert_eq!(
                unknown.len(),
                1,
                "a row that has no organisation yet is every member's"
            );
        }
    }
}

/// Makes both organisations have rows in every table, and one project have no organisation yet.
async fn fill_every_table(tenants: &Tenants) {
    tenants.stored_pat().await;
    let pool = &tenants.app.pool;
    let body = json!({"organization_name": "fabrikam", "pat": tenants.service_pat});
    let create = Request::post("/api/v1/organization-pats")
        .bearer(&tenants.admin)
        .json(&body);
    tenants.app.send(create).await.expect(201);
    sqlx::query(
        "INSERT INTO projetos (id, external_id, nome) VALUES (gen_random_uuid(), gen_random_uuid(), 'old')",
    )
    .execute(pool)
    .await
    .unwrap();

    for (token, organizacao, projeto) in [
        (&tenants.member, "contoso", tenants.projeto),
        (&tenants.other, "fabrikam", tenants.foreign),
    ] {
        let item = tenants.azure.work_item(organizacao, NewWorkItem::task("P000"));
        let atividade = tenants.atividade(token, "A", &[projeto]).await;
        let body = json!({
            "data_apontamento": "2026-01-12", "duracao": "01:00", "id_atividade": atividade, "work_item_id": item,
            "project_id": projeto, "organization_name": organizacao
        });
        let log = Request::post("/api/v1/apontamentos")
            .bearer(token)
            .header("idempotency-key", "k")
            .json(&body);
        tenants.app.send(log).await.expect(201);
    }
}

/// Panics unless row-level security is forced on the table, by a policy for callers and one for maintenance.
async fn assert_walled(pool: &PgPool, table: &str) {
    let forced: bool = sqlx::query_scalar(
        "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = $1::regclass",
    )
    .bind(table)
    .fetch_one(pool)
    .await
    .unwrap();
    assert!(forced, "{table}");
    let checks: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_policies WHERE schemaname = 'api_aponta' AND tablename = $1
          AND qual IS NOT NULL AND with_check IS NOT NULL AND cmd = 'ALL'",
    )
    .bind(table)
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!(checks, 2, "{table}: one for callers, one for maintenance");
}

#[tokio::test]
async fn row_level_security_refuses_to_write_for_others() {
    let tenants = Tenants::new().await;
    tenants
        .atividade(&tenants.other, "theirs", &[tenants.foreign])
        .await;
    let link = format!(
        "INSERT INTO atividade_projeto (id_atividade, id_projeto) VALUES (gen_random_uuid(), '{}')",
        tenants.foreign
    );
    for (statement, what) in [
        (link.as_str(), "an activity in a project of others"),
        (
            "INSERT INTO write_back (organizacao, work_item_id, id_projeto)
             SELECT 'fabrikam', 1, id FROM projetos LIMIT 1",
            "hours of others",
        ),
        (
            "INSERT INTO idempotencia (organizacao, usuario_id, chave, impressao, resposta)
             VALUES ('fabrikam', 'a', 'k', '', '')",
            "an answer to others",
        ),
        (
            "INSERT INTO auditoria (usuario_id, usuario_nome, organizacao, acao, objeto_tipo)
          VALUES ('a', 'a', 'fabrikam', 'a', 'a')",
            "an entry of others",
        ),
    ] {
        let mut tx = tenants.app.pool.begin().await.unwrap();
        let set = format!("SET LOCAL ROLE {APP_ROLE}; SET LOCAL aponta.organizacoes = 'contoso,'");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *tx).await.unwrap();
        let error = sqlx::query(AssertSqlSafe(statement.to_owned()))
            .execute(&mut *tx)
            .await
            .expect_err(what);
        assert!(
            error.to_string().contains("row-level security"),
            "{what}: {error}"
        );
    }
    // Rows of others are not even there to be changed.
    let mut tx = tenants.app.pool.begin().await.unwrap();
    let set = format!("SET LOCAL ROLE {APP_ROLE}; SET LOCAL aponta.organizacoes = 'contoso,'");
    sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *tx).await.unwrap();
    let deleted = sqlx::query("DELETE FROM atividades")
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(deleted.rows_affected(), 0);
}

#[tokio::test]
async fn roles_own_nothing_and_bypass_nothing() {
    let app = TestApp::new().await;
    let rows = sqlx::query(
        "SELECT rolname::text, rolsuper OR rolbypassrls OR rolcreaterole OR rolcanlogin,
                EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid)
           FROM pg_roles r WHERE rolname LIKE 'api\\_aponta\\_%' ORDER BY 1",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    let found: Vec<(String, bool, bool)> = rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    assert_eq!(
        found,
        [
            ("api_aponta_app".to_owned(), false, false),
            ("api_aponta_maintenance".to_owned(), false, false)
        ]
    );
    // The tests' own login is a superuser; that is all that there is to say.
    let gaps = schema::security_gaps(&app.app.db).await.unwrap();
    assert!(gaps.len() == 1 && gaps[0].starts_with("the login "), "{gaps:?}");
    sqlx::query("ALTER TABLE projetos NO FORCE ROW LEVEL SECURITY")
        .execute(&app.pool)
        .await
        .unwrap();
    let gaps = schema::security_gaps(&app.app.db).await.unwrap();
    assert_eq!(gaps[1..], ["the table projetos has no forced row-level security"]);
}

/// A login that may do nothing but log in: it must find the roles prepared, and then serves as well as any.
#[tokio::test]
async fn login_that_owns_nothing_can_serve() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let login = format!("aponta_login_{}", Uuid::new_v4().simple());
    let create = format!(
        "CREATE ROLE {login} LOGIN NOINHERIT PASSWORD 'segredo-{login}' IN ROLE api_aponta_app, api_aponta_maintenance;"
    );
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&pool).await.unwrap();
    let (_, rest) = database.url.split_once("://").unwrap();
    let place = rest.split_once('@').unwrap().1;
    let url = format!("postgres://{login}:segredo-{login}@{place}");
    // A schema that is named keeps the test from the pooler, whose login is another one.
    let settings = [("AUTO_MIGRATE", "false"), ("DATABASE_SCHEMA", "api_aponta")];
    let server = RunningServer::start(&url, settings).await;
    let reply = reqwest::get(server.url("/api/v1/atividades")).await.unwrap();
    assert_eq!(reply.status(), 200);
    let ready: Value = reqwest::get(server.url("/ready"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(ready["checks"]["migrations"], "ok");
    assert_eq!(
        schema::security_gaps(&server.db).await.unwrap(),
        Vec::<String>::new()
    );
    server.stop().await;
    // Prepared without NOINHERIT, it would see every tenant wherever the service forgot to set a role.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "ALTER ROLE {login} INHERIT; REVOKE api_aponta_app, api_aponta_maintenance FROM {login};
         GRANT api_aponta_app, api_aponta_maintenance TO {login}"
    )))
    .execute(&pool)
    .await
    .unwrap();
    let server = RunningServer::start(&url, settings).await;
    let gaps = schema::security_gaps(&server.db).await.unwrap();
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert!(
        gaps.iter().all(|gap| gap.contains("inherits the rights of")),
        "{gaps:?}"
    );
    server.stop().await;
    sqlx::raw_sql(AssertSqlSafe(format!("DROP ROLE {login}")))
        .execute(&pool)
        .await
        .unwrap();
}

/// An ordinary owner with CREATEROLE, as hosted databases give it, can do everything by itself.
#[tokio::test]
async fn owner_with_createrole_migrates_and_serves() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let name = format!("alheio_{}", &Uuid::new_v4().simple().to_string()[..12]);
    let create = format!(
        "CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'segredo-{name}'; CREATE SCHEMA {name} AUTHORIZATION {name}"
    );
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&pool).await.unwrap();
    let (_, rest) = database.url.split_once("://").unwrap();
    let url = format!(
        "postgres://{name}:segredo-{name}@{}",
        rest.split_once('@').unwrap().1
    );
    let config = crate::support::app::config(&url, [("DATABASE_SCHEMA", name.as_str())]);
    // Twice: the second time everything is there.
    for _ in 0..2 {
        aponta::schema::migrate::migrate(&config.database).await.unwrap();
    }
    let server = RunningServer::start(&url, [("DATABASE_SCHEMA", name.as_str())]).await;
    let reply = reqwest::get(server.url("/api/v1/atividades")).await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(
        schema::security_gaps(&server.db).await.unwrap(),
        Vec::<String>::new()
    );
    server.stop().await;
}
