//! Every table of the schema, found in the catalogue, and everyone who may ask it: the login, the two roles, and the columns of each.
//! The login owns the tables and is no superuser, as in an installation.

use std::collections::{BTreeMap, BTreeSet};

use aponta::db::migrate;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::support::app::config;
use crate::support::{NewWorkItem, Request, Tenants, TestApp, TestDatabase};

/// Tables whose rows belong to no tenant.
const TENANTLESS: [&str; 2] = ["_sqlx_migrations", "atividades_versao"];
/// Tables of tenants that are closed to the application's role altogether.
const CLOSED: [&str; 1] = ["organization_pats"];
/// Whose a row is, where no column says so.
const OWNERS: [(&str, &str); 2] = [
    (
        "atividade_projeto",
        "(SELECT p.organizacao FROM projetos p WHERE p.id = id_projeto)",
    ),
    ("atividades", "nome"),
];
const BOTH: [&str; 2] = ["contoso", "fabrikam"];

/// A schema of its own, whose owner is an ordinary login with CREATEROLE.
struct Installation {
    database: TestDatabase,
    /// The login's name, which is also the schema's.
    name: String,
    /// The superuser, to whom no wall applies.
    admin: PgPool,
    login: PgPool,
}

impl Installation {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let name = format!("dono_{}", &Uuid::new_v4().simple().to_string()[..12]);
        let create = format!(
            "CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'segredo'; CREATE SCHEMA {name} AUTHORIZATION {name}"
        );
        run(&database.pool().await, &create).await.unwrap();
        let admin = pool(database.url.parse().unwrap(), &name).await;
        let options: PgConnectOptions = database.url.parse().unwrap();
        let login = pool(options.username(&name).password("segredo"), &name).await;
        Self {
            database,
            name,
            admin,
            login,
        }
    }

    async fn migrated() -> Self {
        let installation = Self::new().await;
        installation.migrate().await;
        installation
    }

    async fn migrate(&self) {
        let (_, rest) = self.database.url.split_once("://").unwrap();
        let place = rest.split_once('@').unwrap().1;
        let url = format!("postgres://{}:segredo@{place}", self.name);
        let config = config(&url, [("DATABASE_SCHEMA", self.name.as_str())]);
        migrate::migrate(&config.database).await.unwrap();
    }

    fn app(&self) -> String {
        format!("{}_app", self.name)
    }

    fn maintenance(&self) -> String {
        format!("{}_maintenance", self.name)
    }

    /// All tables, and whether a tenant owns their rows: by a column of its own, or by keys that lead to a table with one.
    async fn tables(&self) -> Vec<(String, bool)> {
        sqlx::query_as(
            "WITH RECURSIVE tenant (oid) AS (
                 SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                  WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'organizacao'
                 UNION
                 SELECT CASE WHEN k.conrelid = t.oid THEN k.confrelid ELSE k.conrelid END
                   FROM tenant t JOIN pg_constraint k ON k.contype = 'f' AND t.oid IN (k.conrelid, k.confrelid))
             SELECT c.relname::text, c.oid IN (SELECT oid FROM tenant) FROM pg_class c
              WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1",
        )
        .bind(&self.name)
        .fetch_all(&self.admin)
        .await
        .unwrap()
    }

    /// The owner of each row of a table, by the row's place.
    async fn owners(&self, table: &str) -> BTreeMap<String, String> {
        let owner = OWNERS.iter().find(|(of, _)| *of == table);
        let owner = owner.map_or("organizacao", |(_, expression)| expression);
        let select = format!("SELECT ctid::text, {owner} FROM {table}");
        let rows: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(select))
            .fetch_all(&self.admin)
            .await
            .unwrap_or_else(|e| panic!("{table}: OWNERS must say whose its rows are: {e}"));
        rows.into_iter().collect()
    }
}

async fn pool(options: PgConnectOptions, schema: &str) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options.options([("search_path", schema)]))
        .await
        .unwrap()
}

async fn run(pool: &PgPool, statements: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(pool)
        .await
        .map(|_| ())
}

/// Places of the rows that a transaction sees that sets this role and these organisations, with no condition in the statement.
async fn seen(
    pool: &PgPool,
    role: Option<&str>,
    organizacoes: Option<&str>,
    table: &str,
) -> Result<BTreeSet<String>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let set = [
        role.map(|role| format!("SET LOCAL ROLE {role}")),
        organizacoes.map(|names| format!("SET LOCAL aponta.organizacoes = '{names}'")),
    ];
    for statement in set.into_iter().flatten() {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    }
    let select = format!("SELECT ctid::text FROM {table}");
    let places: Vec<String> = sqlx::query_scalar(AssertSqlSafe(select))
        .fetch_all(&mut *tx)
        .await?;
    Ok(places.into_iter().collect())
}

/// A row of an organisation in every table of tenants.
async fn plant(pool: &PgPool, organizacao: &str) -> Uuid {
    let (projeto, atividade) = (Uuid::new_v4(), Uuid::new_v4());
    let rows = format!(
        "INSERT INTO projetos (id, external_id, nome, organizacao) VALUES ('{projeto}', '{projeto}', 'P', '{organizacao}');
         INSERT INTO atividades (id, nome) VALUES ('{atividade}', '{organizacao}');
         INSERT INTO atividade_projeto (id_atividade, id_projeto) VALUES ('{atividade}', '{projeto}');
         INSERT INTO organization_pats (id, organizacao, organization_url, pat_cifrado, chave_id)
         VALUES (gen_random_uuid(), '{organizacao}', '', '', '');
         INSERT INTO auditoria (usuario_id, usuario_nome, organizacao, acao, objeto_tipo)
         VALUES ('a', 'a', '{organizacao}', 'a', 'a');
         INSERT INTO write_back (organizacao, work_item_id, id_projeto) VALUES ('{organizacao}', 1, '{projeto}');
         INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade,
                                   usuario_id, usuario_nome)
         VALUES (gen_random_uuid(), '{organizacao}', '{projeto}', 1, '2026-01-12', 60, '{atividade}', 'a', 'a');
         INSERT INTO idempotencia (organizacao, usuario_id, chave, impressao, resposta) VALUES ('{organizacao}', 'a', 'k', '', '')"
    );
    run(pool, &rows).await.unwrap();
    projeto
}

#[tokio::test]
async fn every_table_of_tenants_is_walled_from_every_side() {
    let installation = Installation::migrated().await;
    for organizacao in BOTH {
        plant(&installation.admin, organizacao).await;
    }
    let (login, app, maintenance) = (
        &installation.login,
        installation.app(),
        installation.maintenance(),
    );
    let tables = installation.tables().await;
    let tenantless: Vec<&str> = tables
        .iter()
        .filter(|(_, of_tenants)| !of_tenants)
        .map(|(table, _)| table.as_str())
        .collect();
    assert_eq!(tenantless, TENANTLESS, "another table must belong to a tenant");

    let nothing = BTreeSet::new();
    for (table, _) in tables.iter().filter(|(_, of_tenants)| *of_tenants) {
        let owners = installation.owners(table).await;
        let found: BTreeSet<&str> = owners.values().map(String::as_str).collect();
        assert_eq!(found, BTreeSet::from(BOTH), "{table}: plant() must fill it");
        let ask = async |role: Option<&str>, names: Option<&str>| seen(login, role, names, table).await;

        assert_eq!(
            ask(None, None).await.unwrap(),
            nothing,
            "{table}: the login alone"
        );
        let all = ask(Some(&maintenance), None).await.unwrap();
        assert_eq!(all, owners.keys().cloned().collect(), "{table}: maintenance");
        if CLOSED.contains(&table.as_str()) {
            let refused = ask(Some(&app), Some("contoso")).await.unwrap_err();
            assert!(
                refused.to_string().contains("permission denied"),
                "{table}: {refused}"
            );
            continue;
        }
        for names in [None, Some(""), Some("unheard-of"), Some("unheard-of,")] {
            let unnamed = ask(Some(&app), names).await.unwrap();
            assert_eq!(unnamed, nothing, "{table}: the application's role with {names:?}");
        }
        for organizacao in BOTH {
            let own = owners.iter().filter(|(_, owner)| *owner == organizacao);
            let own: BTreeSet<String> = own.map(|(place, _)| place.clone()).collect();
            let visible = ask(Some(&app), Some(organizacao)).await.unwrap();
            assert_eq!(visible, own, "{table}: the application's role with {organizacao}");
        }
    }
}

/// The other kind of login, which migrates nothing.
#[tokio::test]
async fn a_login_that_owns_nothing_may_read_no_table_alone() {
    let installation = Installation::migrated().await;
    let name = format!("{}_servidor", installation.name);
    let create = format!(
        "CREATE ROLE {name} LOGIN NOINHERIT PASSWORD 'segredo'; GRANT {}, {} TO {name}",
        installation.app(),
        installation.maintenance()
    );
    run(&installation.admin, &create).await.unwrap();
    let options: PgConnectOptions = installation.database.url.parse().unwrap();
    let login = pool(options.username(&name).password("segredo"), &installation.name).await;
    for (table, _) in installation.tables().await {
        let table = format!("{}.{table}", installation.name);
        let refused = seen(&login, None, None, &table).await.unwrap_err();
        assert!(
            refused.to_string().contains("permission denied"),
            "{table}: {refused}"
        );
        let role = installation.maintenance();
        seen(&login, Some(&role), None, &table).await.unwrap();
    }
}

/// An activity with no link at all is every caller's; one whose links are all hidden is not.
#[tokio::test]
async fn a_free_activity_is_seen_by_every_organisation_that_is_named() {
    let installation = Installation::migrated().await;
    let free = "INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), 'free')";
    run(&installation.admin, free).await.unwrap();
    plant(&installation.admin, "fabrikam").await;
    let (login, app) = (&installation.login, installation.app());
    let count = async |names: Option<&str>| seen(login, Some(&app), names, "atividades").await.unwrap().len();
    assert_eq!(count(Some("contoso")).await, 1);
    assert_eq!(count(Some("fabrikam")).await, 2);
    assert_eq!(count(Some("*")).await, 2);
    assert_eq!(count(None).await, 0);
}

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

/// What an earlier release granted is taken back, and nobody is let at a table by default.
#[tokio::test]
async fn each_migration_leaves_the_roles_what_the_release_names() {
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
async fn an_older_release_takes_back_no_grant_of_a_newer_one() {
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

#[tokio::test]
async fn a_key_refuses_a_project_of_another_organisation() {
    let app = TestApp::new().await;
    plant(&app.pool, "contoso").await;
    let foreign = plant(&app.pool, "fabrikam").await;
    for (table, statement) in [
        (
            "apontamentos",
            "INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade,
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

/// Rows of older databases have no organisation until a synchronisation or an entry names one.
#[tokio::test]
async fn an_entry_gives_its_project_the_organisation() {
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

/// Rows from before the keys, as the owner meets them, who must see them all to judge.
#[tokio::test]
async fn rows_that_break_a_key_stay_and_do_not_stop_the_migration() {
    const KEYS: i64 = 20_261_130_100_100;
    let installation = Installation::new().await;
    let (name, app, maintenance) = (&installation.name, installation.app(), installation.maintenance());
    let prepare = format!(
        "CREATE ROLE {app}; CREATE ROLE {maintenance}; GRANT {app}, {maintenance} TO {name}; ALTER ROLE {name} NOINHERIT"
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
         UPDATE projetos SET nome = 'of contoso' WHERE id IN (SELECT id_projeto FROM write_back WHERE organizacao = 'contoso');
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
        "SELECT conname::text, convalidated FROM pg_constraint WHERE conname LIKE '%\\_organizacao\\_id\\_projeto\\_fkey'
            AND connamespace = current_schema()::regnamespace ORDER BY 1",
    )
    .fetch_all(&installation.admin)
    .await
    .unwrap();
    let broken = |table: &str| (format!("{table}_organizacao_id_projeto_fkey"), false);
    assert_eq!(valid, [broken("apontamentos"), broken("write_back")]);
}
