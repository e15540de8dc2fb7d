//! Tenants do not see each other: in the application, and in PostgreSQL if the application should forget.

use base64::Engine;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, Row};
use uuid::Uuid;

use crate::support::{NewWorkItem, Request, RunningServer, Tenants, TestApp, TestDatabase};

const APP_ROLE: &str = "api_aponta_app";

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
async fn activities_are_seen_through_their_projects_and_changed_by_their_owners_only() {
    let tenants = Tenants::new().await;
    let both = tenants
        .azure
        .pat(&tenants.azure.person("Eve", &["contoso", "fabrikam"]));
    tenants
        .atividade(&tenants.member, "ours", &[tenants.projeto])
        .await;
    tenants
        .atividade(&tenants.other, "theirs", &[tenants.foreign])
        .await;
    let shared = tenants
        .atividade(&both, "shared", &[tenants.foreign, tenants.projeto])
        .await;
    sqlx::query("INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), 'free')")
        .execute(&tenants.app.pool)
        .await
        .unwrap();

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

    // A shared one shows each side its own project, and is changed by those who belong to both.
    let path = format!("{list}/{shared}");
    let seen = tenants.app.get_as(&tenants.member, &path).await.expect(200);
    assert_eq!(seen["projetos"].as_array().unwrap().len(), 1);
    assert_eq!(seen["id_projeto"], json!(tenants.projeto));
    let change = |token: &str| Request::put(&path).bearer(token).json(&json!({"nome": "taken"}));
    tenants.app.send(change(&tenants.member)).await.problem(403);
    tenants
        .app
        .send(Request::delete(&path).bearer(&tenants.other))
        .await
        .problem(403);
    tenants.app.send(change(&both)).await.expect(200);
    // A project of somebody else does not exist.
    let body = json!({"nome": "a", "ids_projetos": [tenants.projeto, tenants.foreign]});
    let steal = Request::post(list).bearer(&tenants.member).json(&body);
    let problem = tenants.app.send(steal).await.problem(400);
    assert_eq!(
        problem["detail"],
        format!("Projetos não encontrados: {}", tenants.foreign)
    );
}

#[tokio::test]
async fn the_role_that_writes_activities_can_be_restricted() {
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
async fn a_synchronisation_names_only_the_callers_organisations() {
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

/// Every table with an organisation, by the catalogue: whoever adds one without a wall is found here.
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

/// What a transaction of the run-time role sees that names these organisations, with no condition in the statement: the
/// application's own check is not there.
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
async fn row_level_security_is_a_second_wall_around_every_table_with_an_organisation() {
    let tenants = Tenants::new().await;
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

#[tokio::test]
async fn row_level_security_refuses_to_write_for_others() {
    let tenants = Tenants::new().await;
    tenants.stored_pat().await;
    for (statement, what) in [
        (
            "UPDATE projetos SET organizacao = 'fabrikam'",
            "giving a project away",
        ),
        (
            "INSERT INTO projetos (id, external_id, nome, organizacao)
          VALUES (gen_random_uuid(), gen_random_uuid(), 'x', 'fabrikam')",
            "a project of others",
        ),
        (
            "UPDATE organization_pats SET organizacao = 'fabrikam'",
            "giving a PAT away",
        ),
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
        let error = sqlx::query(statement).execute(&mut *tx).await.expect_err(what);
        assert!(
            error.to_string().contains("row-level security"),
            "{what}: {error}"
        );
    }
    // Rows of others are not even there to be changed.
    let mut tx = tenants.app.pool.begin().await.unwrap();
    let set = format!("SET LOCAL ROLE {APP_ROLE}; SET LOCAL aponta.organizacoes = 'contoso,'");
    sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *tx).await.unwrap();
    let deleted = sqlx::query("DELETE FROM projetos WHERE organizacao = 'fabrikam'")
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(deleted.rows_affected(), 0);
}

#[tokio::test]
async fn the_roles_own_nothing_and_bypass_nothing() {
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
    let gaps = app.app.db.security_gaps().await.unwrap();
    assert!(gaps.len() == 1 && gaps[0].starts_with("the login "), "{gaps:?}");
    sqlx::query("ALTER TABLE projetos NO FORCE ROW LEVEL SECURITY")
        .execute(&app.pool)
        .await
        .unwrap();
    let gaps = app.app.db.security_gaps().await.unwrap();
    assert_eq!(gaps[1..], ["the table projetos has no forced row-level security"]);
}

/// A login that may do nothing but log in: it must find the roles prepared, and then serves as well as any.
#[tokio::test]
async fn a_login_that_owns_nothing_can_serve() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let login = format!("aponta_login_{}", Uuid::new_v4().simple());
    let create = format!(
        "CREATE ROLE {login} LOGIN PASSWORD 'segredo-{login}' IN ROLE api_aponta_app, api_aponta_maintenance;"
    );
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&pool).await.unwrap();
    let (_, rest) = database.url.split_once("://").unwrap();
    let place = rest.split_once('@').unwrap().1;
    let url = format!("postgres://{login}:segredo-{login}@{place}");
    let server = RunningServer::start(&url, [("AUTO_MIGRATE", "false")]).await;
    let reply = reqwest::get(server.url("/api/v1/atividades")).await.unwrap();
    assert_eq!(reply.status(), 200);
    let ready: Value = reqwest::get(server.url("/ready"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(ready["checks"]["migrations"], "ok");
    server.stop().await;
    sqlx::raw_sql(AssertSqlSafe(format!("DROP ROLE {login}")))
        .execute(&pool)
        .await
        .unwrap();
}

/// Rows of older databases, which had one organisation, are those of the default one until a sync gives them theirs.
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

/// Another organisation may let its people choose their e-mail; it names no administrator of the installation.
#[tokio::test]
async fn an_e_mail_of_another_organisation_makes_no_administrator() {
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

/// An ordinary owner with CREATEROLE, as hosted databases give it, can do everything by itself.
#[tokio::test]
async fn an_owner_with_createrole_migrates_and_serves() {
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
        aponta::db::migrate::migrate(&config.database).await.unwrap();
    }
    let server = RunningServer::start(&url, [("DATABASE_SCHEMA", name.as_str())]).await;
    let reply = reqwest::get(server.url("/api/v1/atividades")).await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(server.db.security_gaps().await.unwrap(), Vec::<String>::new());
    server.stop().await;
}

/// What may be there is not denied while its organisation cannot say whether it knows the caller.
#[tokio::test]
async fn what_an_undecided_organisation_may_own_is_trouble_and_not_absence() {
    let tenants = Tenants::new().await;
    let eve = tenants.azure.person("Eve", &["contoso", "fabrikam"]);
    let id = tenants
        .atividade(&tenants.other, "theirs", &[tenants.foreign])
        .await;
    tenants
        .azure
        .fault("fabrikam", "*", crate::support::Fault::Status(503, None));
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
