//! What every session has, whatever the role and the database are set to.

use aponta::db::{Conn, Db};
use aponta::models::organizacao::Scope;

use crate::support::TestDatabase;
use crate::support::app::config;

async fn setting(conn: &mut Conn, name: &str) -> String {
    let current = sqlx::query_scalar("SELECT current_setting($1)").bind(name);
    current.fetch_one(conn).await.unwrap()
}

/// Without it, a crash of the server loses an intention whose hours are at Azure DevOps already.
#[tokio::test]
async fn commit_with_role_setting_off_is_synchronous() {
    let database = TestDatabase::new().await;
    let others = database.pool().await;
    let set = "DO $$ BEGIN
                   EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());
                   EXECUTE format('ALTER ROLE %I IN DATABASE %I SET synchronous_commit = off',
                                  session_user, current_database());
               END $$";
    sqlx::query(set).execute(&others).await.unwrap();
    let plain = database.pool().await;
    let fooled: String = sqlx::query_scalar("SHOW synchronous_commit")
        .fetch_one(&plain)
        .await
        .unwrap();
    assert_eq!(fooled, "off", "the role is set otherwise");
    let db = Db::connect_lazy(&config(&database.url, []).database).unwrap();
    let mut changing = db.begin(&Scope::Everything).await.unwrap();
    assert_eq!(setting(changing.conn(), "synchronous_commit").await, "on");
    assert_eq!(setting(changing.conn(), "lock_timeout").await, "2s");
}
