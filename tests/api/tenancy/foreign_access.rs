//! Every table of the schema, found in the catalogue and read by every role: the login, which owns
//! the tables and is no superuser, the application's role and maintenance.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgPool};

use super::installation::{BOTH, Installation, plant, pool, run};

/// Tables whose rows belong to no tenant.
const TENANTLESS: [&str; 2] = ["_sqlx_migrations", "atividades_versao"];
/// Tables of tenants that are closed to the application's role altogether.
const CLOSED: [&str; 1] = ["organization_pats"];
/// Whose a row is, where no column says so.
const OWNERS: [(&str, &str); 3] = [
    (
        "atividade_projeto",
        "(SELECT p.organizacao FROM projetos p WHERE p.id = id_projeto)",
    ),
    ("atividades", "nome"),
    ("organizacoes", "chave"),
];

impl Installation {
    /// All tables, and whether a tenant owns their rows: by a column of its own, or by keys that lead to a
    /// table with one.
    async fn tables(&self) -> Vec<(String, bool)> {
        sqlx::query_as(
            "WITH RECURSIVE tenant (oid) AS (
                 SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                  WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') 
                    AND (a.attname = 'organizacao' OR (c.relname, a.attname) = ('organizacoes', 'chave'))
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

/// Places of the rows that a transaction sees that sets this role and these organisations, with no condition
/// in the statement.
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

#[tokio::test]
async fn tenant_tables_refuse_every_foreign_access() {
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
            // An administrator of one organisation works under maintenance, which then sees that one's rows.
            let bound = ask(Some(&maintenance), Some("contoso")).await.unwrap();
            let of_contoso = owners.iter().filter(|(_, owner)| *owner == "contoso");
            assert_eq!(
                bound,
                of_contoso.map(|(place, _)| place.clone()).collect(),
                "{table}: bound"
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
async fn login_without_tables_reads_none_without_a_role() {
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

/// Releases before this one let the login inherit; the next start mends it.
#[tokio::test]
async fn login_that_inherits_stops_with_the_next_migration() {
    let installation = Installation::migrated().await;
    let (name, app, maintenance) = (&installation.name, installation.app(), installation.maintenance());
    let inherit = format!(
        "DO $$ BEGIN
             IF current_setting('server_version_num')::int >= 160000 THEN
                 EXECUTE 'GRANT {app}, {maintenance} TO {name} WITH SET TRUE, INHERIT TRUE';
             ELSE
                 ALTER ROLE {name} INHERIT;
             END IF;
         END $$"
    );
    run(&installation.login, &inherit).await.unwrap();
    plant(&installation.admin, "contoso").await;
    let count = async || {
        seen(&installation.login, None, None, "projetos")
            .await
            .unwrap()
            .len()
    };
    assert_eq!(count().await, 1, "maintenance's rows are the login's");
    installation.migrate().await;
    assert_eq!(count().await, 0);
}

/// An activity with no link at all is every caller's; one whose links are all hidden is not.
#[tokio::test]
async fn free_activity_is_seen_by_every_organisation_that_is_named() {
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
