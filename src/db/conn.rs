//! A connection on loan from a pool, and the end of our patience with it. A server that the network cut off ends no statement
//! at its own time limit, and sqlx waits for ever: for an answer, and for the ping with which a connection goes back.

use std::io;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use deadpool::managed::Object;
use futures_util::future::{self, BoxFuture, FutureExt};
use futures_util::stream::{self, BoxStream, StreamExt};
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTransactionManager, PgTypeInfo};
use sqlx::{
    AssertSqlSafe, Connection, Describe, Either, Error, Execute, Executor, PgConnection, Postgres,
    SqlSafeStr, SqlStr,
};
use sqlx_core::transaction::TransactionManager;
use tokio::time::{sleep, timeout};

use super::pool::Connector;
use super::session::Reading;

/// A connection that goes back to its pool when it is dropped, rolled back if need be; one that did not answer is closed.
#[derive(Debug)]
pub struct Conn {
    /// There until it is dropped.
    inner: Option<Object<Connector>>,
    /// How long anything may take that is asked of it.
    patience: Duration,
    state: State,
    /// Of a transaction that only reads.
    reading: Option<Reading>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// A transaction is about to begin, and may have begun for the server.
    Beginning,
    Transaction,
    /// A statement of its transaction failed; the server refuses all others.
    Failed,
    /// Its transaction is over, or will be before anything else that is asked.
    Over,
    /// It did not answer in time.
    Silent,
}

impl State {
    fn fail(&mut self) {
        if *self == Self::Transaction {
            *self = Self::Failed;
        }
    }
}

impl Conn {
    /// A connection outside any transaction.
    pub(super) fn new(mut inner: Object<Connector>, patience: Duration) -> Self {
        inner.end_left();
        Self {
            inner: Some(inner),
            patience,
            state: State::Idle,
            reading: None,
        }
    }

    /// A connection in the transaction of reads that was left open on it, if that began with these words; else outside any.
    pub(super) fn resumed(mut inner: Object<Connector>, patience: Duration, beginning: &str) -> Self {
        let reading = inner.resume(beginning);
        let mut conn = Self::new(inner, patience);
        if reading.is_some() {
            conn.state = State::Transaction;
            conn.reading = reading;
        }
        conn
    }

    /// Begins a transaction that only reads, unless it goes on with one.
    pub(super) async fn begin_read(&mut self, beginning: Arc<str>) -> Result<(), Error> {
        if self.reading.is_none() {
            let since = Instant::now();
            self.begin(Arc::clone(&beginning)).await?;
            self.reading = Some(Reading { beginning, since });
        }
        Ok(())
    }

    /// Begins a transaction with these words, which hold nothing that came from outside as it was.
    pub(super) async fn begin(&mut self, beginning: Arc<str>) -> Result<(), Error> {
        self.state = State::Beginning;
        let statement = AssertSqlSafe(beginning).into_sql_str();
        patiently(self, |inner| {
            PgTransactionManager::begin(inner, Some(statement)).boxed()
        })
        .await?;
        self.state = State::Transaction;
        Ok(())
    }

    pub(super) async fn commit(mut self) -> Result<(), Error> {
        patiently(&mut self, |inner| PgTransactionManager::commit(inner).boxed()).await?;
        self.state = State::Over;
        Ok(())
    }

    /// Ends a transaction that only read and whose statements are all answered. If somebody waits for a connection already, it stays open for
    /// them: who wants to see the same rows need not begin one. Otherwise its ROLLBACK goes out at once and is answered to whoever is lent the
    /// connection next: sqlx reads what is outstanding before it asks anything new.
    /// (`flush` is not in sqlx's documentation; its version is pinned.)
    pub(super) fn end_read(mut self) {
        let Some(inner) = self.inner.as_mut().filter(|_| self.state == State::Transaction) else {
            return;
        };
        let is_awaited = Object::pool(inner).is_some_and(|pool| pool.status().waiting > 0);
        if let Some(reading) = self.reading.take_if(|_| is_awaited) {
            inner.leave(reading);
            self.state = State::Over;
            return;
        }
        PgTransactionManager::start_rollback(&mut inner.conn);
        let sent = inner.conn.flush().now_or_never();
        // What could not be sent or was refused is the business of the one who drops it.
        if !matches!(sent, Some(Err(_))) && !inner.conn.should_flush() {
            self.state = State::Over;
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take() else {
            return;
        };
        let (state, patience) = (self.state, self.patience);
        match state {
            State::Silent => return close(inner),
            // Back in the pool at once.
            State::Over => return,
            // Goes out with the ping, in one round trip.
            State::Transaction | State::Failed => PgTransactionManager::start_rollback(&mut inner.conn),
            State::Idle | State::Beginning => {}
        }
        tokio::spawn(async move {
            let cleaned = async {
                if state == State::Beginning {
                    inner.conn.execute("ROLLBACK").await?;
                }
                inner.conn.ping().await
            };
            if !matches!(timeout(patience, cleaned).await, Ok(Ok(()))) {
                close(inner);
            }
        });
    }
}

/// Makes room in the pool at once; the server learns of it when it next writes.
fn close(conn: Object<Connector>) {
    drop(Object::take(conn));
}

impl<'c> Executor<'c> for &'c mut Conn {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Some(inner) = self.inner.as_mut() else {
            return stream::once(future::ready(Err(Error::PoolClosed))).boxed();
        };
        let state = &mut self.state;
        let mut steps = inner.conn.fetch_many(query);
        let mut patience = Box::pin(sleep(self.patience));
        // The clock is looked at only while there is nothing to do.
        stream::poll_fn(move |cx| match steps.poll_next_unpin(cx) {
            Poll::Pending => {
                ready!(patience.poll_unpin(cx));
                *state = State::Silent;
                Poll::Ready(Some(Err(no_answer())))
            }
            Poll::Ready(step) => {
                if matches!(step, Some(Err(_))) {
                    state.fail();
                }
                Poll::Ready(step)
            }
        })
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        patiently(self, |inner| inner.fetch_optional(query))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        patiently(self, |inner| inner.prepare_with(sql, parameters))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        patiently(self, |inner| inner.describe(sql))
    }
}

/// What the connection makes of it, if it does in time.
fn patiently<'e, T: Send + 'e>(
    conn: &'e mut Conn,
    work: impl FnOnce(&'e mut PgConnection) -> BoxFuture<'e, Result<T, Error>>,
) -> BoxFuture<'e, Result<T, Error>> {
    let Some(inner) = conn.inner.as_mut() else {
        return future::ready(Err(Error::PoolClosed)).boxed();
    };
    let (state, patience) = (&mut conn.state, conn.patience);
    let work = work(&mut inner.conn);
    async move {
        let Ok(done) = timeout(patience, work).await else {
            *state = State::Silent;
            return Err(no_answer());
        };
        if done.is_err() {
            state.fail();
        }
        done
    }
    .boxed()
}

fn no_answer() -> Error {
    Error::Io(io::Error::new(
        io::ErrorKind::TimedOut,
        "the database does not answer",
    ))
}
