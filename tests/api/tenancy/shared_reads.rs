//! Where requests queue for connections, reads of the same rows have one transaction after the other: what they share, and what they never do.

use std::collections::BTreeSet;

use aponta::db::{Conn, Db, DbError, ReadTx, Tx};
use aponta::models::organizacao::{ChaveOrganizacao, NomeOrganizacao, Scope};
use futures_util::future::join_all;
use futures_util::poll;
use serde_json::json;
use sqlx::FromRow;
use sqlx::error::DatabaseError;

use crate::support::app::config;
use crate::support::{Request, Tenants, TestDatabase, eventually};

/// How often something is tried that must never happen, if only everybody is quick.
const TRIES: usize = 20;

/// A database with one connection to it, straight to the server: a pooler between them lends backends as it likes.
async fn one_connection() -> (TestDatabase, Db) {
    let database = TestDatabase::new().await;
    let db = connect(&database);
    (database, db)
}

fn connect(database: &TestDatabase) -> Db {
    let size = [("DATABASE_POOL_MIN", "1"), ("DATABASE_POOL_MAX", "1")];
    let mut config = config(&database.url, size);
    config.database.url = database.url.clone().into();
    Db::connect_lazy(&config.database).unwrap()
}

fn of(organizacao: &str) -> Scope {
    Scope::Organizacoes {
        chaves: vec![ChaveOrganizacao::first_of(
            &NomeOrganizacao::parse(organizacao).unwrap(),
        )],
        and_unassigned: false,
    }
}

/// What the server knows of a transaction.
#[derive(Debug, PartialEq, FromRow)]
struct Seen {
    /// When it began: its name here.
    began: String,
    role: String,
    organizacoes: String,
    read_only: String,
}

async fn seen(conn: &mut Conn) -> Seen {
    let seen = "SELECT now()::text AS began, current_user::text AS role, current_setting('transaction_read_only') AS read_only,
                       coalesce(current_setting('aponta.organizacoes', true), '') AS organizacoes";
    sqlx::query_as(seen).fetch_one(conn).await.unwrap()
}

/// A read of `first`, then, by somebody who waited for its connection, `second`: what each was in.
async fn one_after_the_other(db: &Db, first: &Scope, second: &Scope) -> (Seen, Seen) {
    let (before, mut after) = wait_for(db, first, db.begin_read(second)).await;
    let second = seen(after.conn()).await;
    after.end();
    (before, second)
}

/// What comes of `waiting`, which waits while somebody reads the rows of `first`.
async fn wait_for<T>(db: &Db, first: &Scope, waiting: impl Future<Output = Result<T, DbError>>) -> (Seen, T) {
    let mut reading = db.begin_read(first).await.unwrap();
    let before = seen(reading.conn()).await;
    let mut waiting = Box::pin(waiting);
    assert!(poll!(&mut waiting).is_pending());
    reading.end();
    (before, waiting.await.unwrap())
}

#[tokio::test]
async fn who_waits_for_the_connection_of_a_read_goes_on_with_its_transaction() {
    let (_database, db) = one_connection().await;
    for scope in [of("contoso"), Scope::Everything, Scope::Maintenance] {
        // A busy machine may take longer than a transaction is shared.
        eventually("one is shared", async || {
            let (first, second) = one_after_the_other(&db, &scope, &scope).await;
            first == second
        })
        .await;
    }
}

#[tokio::test]
async fn nobody_goes_on_with_a_transaction_that_sees_other_rows_than_theirs() {
    let (_database, db) = one_connection().await;
    let unassigned = Scope::Organizacoes {
        chaves: vec![ChaveOrganizacao::first_of(
            &NomeOrganizacao::parse("contoso").unwrap(),
        )],
        and_unassigned: true,
    };
    let scopes = [
        (of("contoso"), "api_aponta_app", "contoso"),
        (of("fabrikam"), "api_aponta_app", "fabrikam"),
        (unassigned, "api_aponta_app", "contoso,"),
        (Scope::Everything, "api_aponta_app", "*"),
        (Scope::Maintenance, "api_aponta_maintenance", ""),
    ];
    for _ in 0..TRIES {
        for (first, ..) in &scopes {
            for (second, role, organizacoes) in scopes.iter().filter(|(second, ..)| second != first) {
                let (before, after) = one_after_the_other(&db, first, second).await;
                assert_ne!(before.began, after.began, "{first:?}, {second:?}");
                assert_eq!((&*after.role, &*after.organizacoes), (*role, *organizacoes));
            }
        }
    }
}

#[tokio::test]
async fn a_shared_transaction_sees_what_was_committed_meanwhile() {
    let (database, db) = one_connection().await;
    let others = database.pool().await;
    let count = async |tx: &mut ReadTx| -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM atividades");
        count.fetch_one(tx.conn()).await.unwrap()
    };
    eventually("one is shared", async || {
        let mut reading = db.begin_read(&Scope::Maintenance).await.unwrap();
        let (began, before) = (seen(reading.conn()).await.began, count(&mut reading).await);
        let mut waiting = Box::pin(db.begin_read(&Scope::Maintenance));
        assert!(poll!(&mut waiting).is_pending());
        reading.end();
        sqlx::query("INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), gen_random_uuid())")
            .execute(&others)
            .await
            .unwrap();
        let mut next = waiting.await.unwrap();
        assert_eq!(count(&mut next).await, before + 1);
        let shared = seen(next.conn()).await.began == began;
        next.end();
        shared
    })
    .await;
}

#[tokio::test]
async fn each_statement_has_its_own_snapshot_whatever_the_database_is_set_to() {
    let database = TestDatabase::new().await;
    let others = database.pool().await;
    let set = "DO $$ BEGIN
                   EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''repeatable read''', current_database());
               END $$";
    sqlx::query(set).execute(&others).await.unwrap();
    let db = connect(&database);
    let level = async |conn: &mut Conn| -> String {
        let level = sqlx::query_scalar("SELECT current_setting('transaction_isolation')");
        level.fetch_one(conn).await.unwrap()
    };
    let scope = of("contoso");
    let mut reading = db.begin_read(&scope).await.unwrap();
    assert_eq!(level(reading.conn()).await, "read committed");
    reading.end();
    let mut changing = db.begin(&scope).await.unwrap();
    assert_eq!(level(changing.conn()).await, "read committed");
}

#[tokio::test]
async fn a_change_has_a_transaction_of_its_own_and_a_read_cannot_change_anything() {
    let (_database, db) = one_connection().await;
    let scope = Scope::Maintenance;
    let change = "INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), gen_random_uuid())";
    for _ in 0..TRIES {
        let (before, mut changing): (_, Tx) = wait_for(&db, &scope, db.begin(&scope)).await;
        let after = seen(changing.conn()).await;
        assert_ne!(before.began, after.began);
        assert_eq!((&*before.read_only, &*after.read_only), ("on", "off"));
        sqlx::query(change).execute(changing.conn()).await.unwrap();
        changing.commit().await.unwrap();
    }
    let mut reading = db.begin_read(&scope).await.unwrap();
    let refused = sqlx::query(change).execute(reading.conn()).await.unwrap_err();
    let code = refused.as_database_error().and_then(DatabaseError::code);
    assert_eq!(code.as_deref(), Some("25006"), "read_only_sql_transaction");
}

#[tokio::test]
async fn a_connection_without_scope_is_outside_any_transaction() {
    let (_database, db) = one_connection().await;
    for _ in 0..TRIES {
        let (before, mut conn) = wait_for(&db, &of("contoso"), db.acquire()).await;
        let now = seen(&mut conn).await;
        assert_ne!(before.began, now.began);
        assert_eq!((&*now.read_only, &*now.organizacoes), ("off", ""));
        assert!(!now.role.starts_with("api_aponta_"), "{now:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_failed_or_grew_old_is_not_gone_on_with() {
    let (_database, db) = one_connection().await;
    let scope = of("contoso");
    for (statement, succeeds) in [("SELECT 1 / 0", false), ("SELECT pg_sleep(0.02)", true)] {
        for _ in 0..TRIES {
            let mut reading = db.begin_read(&scope).await.unwrap();
            let before = seen(reading.conn()).await;
            let mut waiting = Box::pin(db.begin_read(&scope));
            assert!(poll!(&mut waiting).is_pending());
            let done = sqlx::query(statement).execute(reading.conn()).await;
            assert_eq!(done.is_ok(), succeeds);
            reading.end();
            let mut next = waiting.await.unwrap();
            assert_ne!(seen(next.conn()).await.began, before.began, "{statement}");
            next.end();
        }
    }
}

#[tokio::test]
async fn callers_of_two_organisations_who_queue_for_one_connection_see_their_own() {
    let tenants = Tenants::with(&[("DATABASE_POOL_MIN", "1"), ("DATABASE_POOL_MAX", "1")]).await;
    let (ours, theirs) = (&tenants.member, &tenants.other);
    let ours_id = tenants.atividade(ours, "ours", &[tenants.projeto]).await;
    let theirs_id = tenants.atividade(theirs, "theirs", &[tenants.foreign]).await;
    let asked = (0..60).map(|n| {
        // Not in turns: neighbours of one side share, those of two must not.
        let (token, own, foreign) = if n / 3 % 2 == 0 {
            (ours, ours_id, theirs_id)
        } else {
            (theirs, theirs_id, ours_id)
        };
        let id = if n % 3 == 2 { foreign } else { own };
        let projects = Request::get("/api/v1/projetos").bearer(token);
        let one = Request::get(&format!("/api/v1/atividades/{id}")).bearer(token);
        let tenants = &tenants;
        async move {
            let projects = tenants.app.send(projects).await.expect(200);
            let project = if token == ours {
                tenants.projeto
            } else {
                tenants.foreign
            };
            assert_eq!(projects.as_array().unwrap().len(), 1);
            assert_eq!(projects[0]["id"], json!(project));
            tenants
                .app
                .send(one)
                .await
                .expect(if id == own { 200 } else { 404 });
            project
        }
    });
    let seen: BTreeSet<_> = join_all(asked).await.into_iter().collect();
    assert_eq!(seen, BTreeSet::from([tenants.projeto, tenants.foreign]));
}
