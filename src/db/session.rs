//! One connection to the server, between those whom it is lent to: the transaction of reads that one left open for the next. The connection on
//! loan is in `conn`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::PgTransactionManager;
use sqlx::{Connection, PgConnection};
use sqlx_core::transaction::TransactionManager;

/// How old a transaction of reads may be when somebody goes on with it. So much older than the statement is what `now()` says in it, and for so
/// long a pooler lends its backend to nobody else.
const SHARED_FOR: Duration = Duration::from_millis(10);

/// A connection as the pool keeps it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) conn: PgConnection,
    left: Option<Reading>,
}

/// A transaction that only reads: the words that began it, which hold the role and the rows that it sees, and when.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) beginning: Arc<str>,
    pub(super) since: Instant,
}

impl Session {
    pub(super) fn new(conn: PgConnection) -> Self {
        Self { conn, left: None }
    }

    /// Leaves the transaction to whoever is lent the connection next. Its statements are all answered.
    pub(super) fn leave(&mut self, reading: Reading) {
        self.left = Some(reading);
    }

    /// Whether there is a transaction that nobody has gone on with.
    pub(super) fn is_left(&self) -> bool {
        self.left.is_some()
    }

    /// Goes on with the transaction that was left, if it is young and began with these very words; ends any other.
    pub(super) fn resume(&mut self, beginning: &str) -> Option<Reading> {
        let same = |left: &mut Reading| *left.beginning == *beginning && left.since.elapsed() < SHARED_FOR;
        let resumed = self.left.take_if(same);
        self.end_left();
        resumed
    }

    /// Ends the transaction that was left. Its ROLLBACK goes out together with what is asked next, and is answered before that.
    pub(super) fn end_left(&mut self) {
        if self.left.take().is_some() {
            PgTransactionManager::start_rollback(&mut self.conn);
        }
    }

    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        self.conn.close().await
    }
}
