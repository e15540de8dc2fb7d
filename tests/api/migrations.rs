//! Migrations: one by one over sample data, so that each one meets the rows of the one before.

use std::path::{Path, PathBuf};

use aponta::config::{Config, Env};
use aponta::schema::migrate::{self, MIGRATOR};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::TestDatabase;
use crate::support::data::count;
use crate::support::process::{aponta, run};

fn sample_of(migration: &sqlx::migrate::Migration) -> PathBuf {
    let name = format!(
        "{}_{}.sql",
        migration.version,
        migration.description.replace(' ', "_")
    );
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/migrations")
        .join(name)
}

async fn empty_schema() -> (TestDatabase, PgPool) {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    sqlx::raw_sql("DROP SCHEMA api_aponta CASCADE; CREATE SCHEMA api_aponta")
        .execute(&pool)
        .await
        .unwrap();
    (database, pool)
}

#[tokio::test]
async fn each_migration_applies_to_the_data_before_it() {
    let (_database, pool) = empty_schema().await;
    for migration in MIGRATOR.iter() {
        let one = Migrator::with_migrations(
            MIGRATOR
                .iter()
                .take_while(|m| m.version <= migration.version)
                .cloned()
                .collect(),
        );
        one.run(&pool)
            .await
            .unwrap_or_else(|e| panic!("{}: {e}", migration.description));
        let sample = sample_of(migration);
        let sql =
            std::fs::read_to_string(&sample).unwrap_or_else(|_| panic!("{} is missing", sample.display()));
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&pool)
            .await
            .unwrap_or_else(|e| panic!("{}: {e}", sample.display()));
    }
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = 'api_aponta' ORDER BY tablename",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(tables.len() > 8, "{tables:?}");
    for table in tables {
        let any = format!("SELECT EXISTS (SELECT FROM {table})");
        let any: bool = sqlx::query_scalar(AssertSqlSafe(any))
            .fetch_one(&pool)
            .await
            .unwrap();
        assert!(any, "no sample fills {table}");
    }
}

#[tokio::test]
async fn everything_is_inside_the_schema() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let outside: Vec<String> = sqlx::query_scalar(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname NOT IN ('api_aponta', 'pg_catalog', 'information_schema', 'pg_toast')
          UNION ALL
         SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
          WHERE n.nspname NOT IN ('api_aponta', 'pg_catalog', 'information_schema')",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(outside, Vec::<String>::new());
    assert!(count(&pool, "api_aponta._sqlx_migrations").await > 0);
}

#[tokio::test]
async fn every_constraint_has_a_chosen_name() {
    let database = TestDatabase::new().await;
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT conname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
          WHERE connamespace = 'api_aponta'::regnamespace AND t.relname <> '_sqlx_migrations'
            -- PostgreSQL 18 stores NOT NULL here too, under names of its own.
            -- A trigger has no name but the chosen one.
            AND contype NOT IN ('n', 't')",
    )
    .fetch_all(&database.pool().await)
    .await
    .unwrap();
    let sql = MIGRATOR.iter().map(|m| m.sql.as_str()).collect::<String>();
    assert!(names.len() >= 8);
    for name in names {
        let chosen = sql
            .split("CONSTRAINT ")
            .skip(1)
            .any(|rest| rest.split_whitespace().next() == Some(&name));
        assert!(chosen, "{name} was named by PostgreSQL");
    }
}

#[tokio::test]
async fn replicas_that_start_together_migrate_once() {
    let (database, pool) = empty_schema().await;
    sqlx::raw_sql("DROP SCHEMA api_aponta")
        .execute(&pool)
        .await
        .unwrap();
    let env = Env::from_pairs([("DATABASE_URL", database.url.as_str())]);
    let (config, _) = Config::load_database(&env).unwrap();
    let mut replicas = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let config = config.clone();
        replicas.spawn(async move { migrate::migrate(&config).await });
    }
    for outcome in replicas.join_all().await {
        outcome.unwrap();
    }
    let applied = count(&pool, "_sqlx_migrations").await;
    assert_eq!(usize::try_from(applied).unwrap(), MIGRATOR.iter().count());
}

#[tokio::test]
async fn migrate_of_a_locked_table_fails_with_advice() {
    let (database, folder) = (TestDatabase::new().await, tempfile::tempdir().unwrap());
    let pool = database.pool().await;
    let mut locking = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *locking)
        .await
        .unwrap();
    let mut migrate = aponta(folder.path(), &["migrate"]);
    migrate
        .env("DATABASE_URL", &database.url)
        .env("DATABASE_LOCK_TIMEOUT_MS", "300");
    let (code, out, err) = run(migrate).await;
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        err.contains("more than 300 ms (DATABASE_LOCK_TIMEOUT_MS)"),
        "{out}{err}"
    );
}

#[tokio::test]
async fn another_schema_can_be_chosen() {
    let database = TestDatabase::new().await;
    let env = Env::from_pairs([
        ("DATABASE_URL", database.url.as_str()),
        ("DATABASE_SCHEMA", "aponta_sefaz"),
    ]);
    let (config, _) = Config::load_database(&env).unwrap();
    migrate::migrate(&config).await.unwrap();
    let pool = database.pool().await;
    assert_eq!(count(&pool, "aponta_sefaz.atividades").await, 0);
    assert!(count(&pool, "aponta_sefaz._sqlx_migrations").await > 0);
}

#[tokio::test]
async fn newer_schema_does_not_stop_an_older_binary() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (99990101000000, 'from the future', true, '', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let env = Env::from_pairs([("DATABASE_URL", database.url.as_str())]);
    let (config, _) = Config::load_database(&env).unwrap();
    migrate::migrate(&config).await.unwrap();
}

/// A column that is NOT NULL without a default cannot be added to a table with rows.
#[test]
fn added_columns_have_a_default_or_are_nullable() {
    for migration in MIGRATOR.iter() {
        let found = columns_without_value(migration.sql.as_str());
        assert_eq!(found, Vec::<String>::new(), "{}", migration.description);
    }
}

/// Returns the definitions of added columns that rows of before have no value for.
fn columns_without_value(sql: &str) -> Vec<String> {
    let code: Vec<&str> = sql
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .collect();
    let code = code.join(" ").to_uppercase();
    let definitions = code.split("ADD COLUMN").skip(1);
    definitions
        // Of a type with parameters, the comma within them ends no definition.
        .map(|rest| rest.split(';').next().unwrap().trim().to_owned())
        .filter(|column| column.contains("NOT NULL"))
        .filter(|column| !column.contains("DEFAULT") && !column.contains("GENERATED"))
        .collect()
}

#[test]
fn column_without_a_default_is_found_beside_others() {
    let sql = "ALTER TABLE t ADD COLUMN a integer NOT NULL DEFAULT 0,\n  -- NOT NULL\n  ADD COLUMN b text,\n\
               ADD COLUMN c numeric(3, 1) NOT NULL;";
    assert_eq!(columns_without_value(sql), ["C NUMERIC(3, 1) NOT NULL"]);
}
