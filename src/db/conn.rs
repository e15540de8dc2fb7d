//! A pooled connection with a timeout for every answer. A server that is cut off by the network enforces no
//! statement timeout, and sqlx would wait indefinitely.

use std::io;
use std::task::{Poll, ready};
use std::time::Duration;

use futures_util::future::{self, BoxFuture, FutureExt};
use futures_util::stream::{self, BoxStream, StreamExt};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{AssertSqlSafe, Describe, Either, Error, Execute, Executor, PgConnection, Postgres, SqlStr};
use tokio::time::{sleep, timeout};

/// A connection that is rolled back if necessary and returned to its pool when dropped. A connection that did
/// not answer in time is closed.
#[derive(Debug)]
pub struct Conn {
    /// `Some` until dropped.
    inner: Option<PoolConnection<Postgres>>,
    /// Timeout of an answer.
    patience: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Outside any transaction.
    Idle,
    /// In a transaction, or about to begin one.
    Transaction,
    /// The server did not answer in time.
    Silent,
}

impl Conn {
    /// Wraps a connection outside any transaction.
    pub(super) fn new(inner: PoolConnection<Postgres>, patience: Duration) -> Self {
        Self {
            inner: Some(inner),
            patience,
            state: State::Idle,
        }
    }

    /// Begins a transaction with these statements, which must not contain unvalidated input.
    pub(super) async fn begin(&mut self, statements: String) -> Result<(), Error> {
        self.state = State::Transaction;
        (&mut *self).execute(AssertSqlSafe(statements)).await?;
        Ok(())
    }

    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        (&mut *self).execute("COMMIT").await?;
        self.state = State::Idle;
        Ok(())
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take() else {
            return;
        };
        let (state, patience) = (self.state, self.patience);
        if state == State::Silent {
            return drop(inner.detach());
        }
        tokio::spawn(async move {
            let is_idle = state == State::Idle
                || matches!(timeout(patience, inner.execute("ROLLBACK")).await, Ok(Ok(_)));
            if is_idle {
                // A dropped connection would wait for its ping indefinitely and occupy its place in the pool
                // (sqlx#4349).
                let _ = timeout(patience, inner.return_to_pool()).await;
            } else {
                drop(inner.detach());
            }
        });
    }
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
        let mut steps = inner.fetch_many(query);
        let mut patience = Box::pin(sleep(self.patience));
        // The timer is polled only while there is no result.
        stream::poll_fn(move |cx| match steps.poll_next_unpin(cx) {
            Poll::Pending => {
                ready!(patience.poll_unpin(cx));
                *state = State::Silent;
                Poll::Ready(Some(Err(no_answer())))
            }
            step @ Poll::Ready(_) => step,
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

/// Runs `work` on the connection; fails if there is no answer in time.
fn patiently<'e, T: Send + 'e>(
    conn: &'e mut Conn,
    work: impl FnOnce(&'e mut PgConnection) -> BoxFuture<'e, Result<T, Error>>,
) -> BoxFuture<'e, Result<T, Error>> {
    let Some(inner) = conn.inner.as_mut() else {
        return future::ready(Err(Error::PoolClosed)).boxed();
    };
    let (state, patience) = (&mut conn.state, conn.patience);
    let work = work(inner);
    async move {
        timeout(patience, work).await.unwrap_or_else(|_| {
            *state = State::Silent;
            Err(no_answer())
        })
    }
    .boxed()
}

pub(super) fn no_answer() -> Error {
    Error::Io(io::Error::new(
        io::ErrorKind::TimedOut,
        "the database does not answer",
    ))
}
