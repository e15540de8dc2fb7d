//! One pool of connections: how it is set up, and what waiting for it costs. Which statements run is not its business.

use std::io::ErrorKind;
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, PoolError, QueueMode, RecycleResult};
use futures_util::future::join_all;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::{sleep, timeout};

use super::conn::Conn;
use super::session::Session;
use super::{keeper, replica};
use crate::config::DatabaseConfig;
use crate::supervisor::{Job, Supervisor};
use crate::telemetry::metrics::{self, PoolState};

/// Before a server that is just starting is asked again, at first and at the most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Whoever waited for a connection has it long before that, or gave up.
const LEFT_AFTER: Duration = Duration::from_secs(1);

/// What sets the pools of one process apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Name in metrics and log.
    pub(super) name: &'static str,
    /// The job that keeps it whole.
    pub(super) keeper: Job,
    /// Connections kept open.
    pub(super) min: u32,
    /// Connections at the most.
    pub(super) max: u32,
    /// How long somebody waits for a connection.
    pub(super) acquire_timeout: Duration,
    /// How long anything may take that is asked of a connection.
    pub(super) patience: Duration,
    /// A connection that rested for longer is pinged before use.
    pub(super) ping_after: Duration,
    /// Whether a server that is no standby is refused.
    pub(super) only_standby: bool,
}

/// Makes connections, and looks at those that are lent again.
#[derive(Debug)]
pub(super) struct Connector {
    options: PgConnectOptions,
    ping_after: Duration,
    only_standby: bool,
}

impl Manager for Connector {
    type Type = Session;
    type Error = sqlx::Error;

    /// Tries for as long as somebody waits while the server is starting.
    async fn create(&self) -> Result<Session, sqlx::Error> {
        let (mut pause, longest) = PAUSES;
        loop {
            match self.options.connect().await {
                Err(error) if is_starting(&error) => {
                    sleep(pause).await;
                    pause = longest.min(2 * pause);
                }
                connected => return self.checked(connected?).await,
            }
        }
    }

    /// A ping on each checkout costs up to 15 % of a small query; only a connection that rested may have died unnoticed.
    async fn recycle(&self, session: &mut Session, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.last_used() >= self.ping_after {
            session.conn.ping().await?;
        }
        Ok(())
    }
}

impl Connector {
    /// The address of a replica may lead to another server with each connection, and to one that was
    /// promoted.
    async fn checked(&self, mut conn: PgConnection) -> Result<Session, sqlx::Error> {
        if self.only_standby {
            replica::require_standby(&mut conn).await?;
        }
        Ok(Session::new(conn))
    }
}

/// Whether the server refuses for now: nobody listens yet, or it says so (`too_many_connections`, `cannot_connect_now`).
fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("53300" | "57P03")),
        _ => false,
    }
}

/// Connections to one server. Cheap to clone.
///
/// Whoever asks gets the one that was used last: a few that are busy keep what they know in the processor's caches, on both ends.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    name: &'static str,
    inner: deadpool::managed::Pool<Connector>,
    max: u32,
    acquire_timeout: Duration,
    max_lifetime: Duration,
    /// How long anything may take that is asked of a connection.
    patience: Duration,
    background: Supervisor,
}

impl Pool {
    /// Connects when first used; the server may still be away. Fails as a builder may; this one has nothing to refuse.
    pub(super) fn connect_lazy(
        config: &DatabaseConfig,
        options: PgConnectOptions,
        settings: Settings,
    ) -> Result<Self, sqlx::Error> {
        let connector = Connector {
            options,
            ping_after: settings.ping_after,
            only_standby: settings.only_standby,
        };
        let inner = deadpool::managed::Pool::builder(connector)
            .queue_mode(QueueMode::Lifo)
            .max_size(settings.max as usize)
            .build()
            .map_err(|error| sqlx::Error::Configuration(error.into()))?;
        let pool = Self {
            name: settings.name,
            inner,
            max: settings.max,
            acquire_timeout: settings.acquire_timeout,
            max_lifetime: config.max_lifetime,
            patience: settings.patience,
            background: Supervisor::default(),
        };
        let kept = pool.clone();
        pool.watch(settings.keeper, move || keeper::watch(kept.clone(), settings.min));
        Ok(pool)
    }

    /// A connection outside any transaction; fails when there is none within the acquire timeout.
    pub(super) async fn acquire(&self) -> Result<Conn, sqlx::Error> {
        Ok(Conn::new(self.lend().await?, self.patience))
    }

    /// A connection on which a transaction of reads may have been left open that began with these words.
    pub(super) async fn acquire_to_read(&self, beginning: &str) -> Result<Conn, sqlx::Error> {
        Ok(Conn::resumed(self.lend().await?, self.patience, beginning))
    }

    async fn lend(&self) -> Result<Object<Connector>, sqlx::Error> {
        let wait = metrics::pool_wait(self.name);
        let inner = self.inner.clone();
        let mut attempt = Box::pin(async move { inner.get().await });
        let acquired = timeout(self.acquire_timeout, &mut attempt).await;
        let acquired = acquired.map_or_else(
            |_| {
                // It may be about to log in. Given up by everybody in turn, no attempt would ever succeed while servers are slow.
                tokio::spawn(timeout(self.acquire_timeout, attempt));
                Err(sqlx::Error::PoolTimedOut)
            },
            |acquired| acquired.map_err(why_not),
        );
        match &acquired {
            Ok(_) => wait.served(),
            Err(sqlx::Error::PoolTimedOut) => wait.timed_out(),
            Err(_) => drop(wait),
        }
        acquired
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn state(&self) -> PoolState {
        let status = self.inner.status();
        let count = |connections: usize| u32::try_from(connections).unwrap_or(u32::MAX);
        PoolState {
            pool: self.name,
            max: self.max,
            idle: count(status.available),
            used: count(status.size - status.available),
        }
    }

    pub(super) fn size(&self) -> u32 {
        u32::try_from(self.inner.status().size).unwrap_or(u32::MAX)
    }

    /// Closes connections on which a transaction was left open although nobody is about to use them (see `Conn::end_read`), and one that has lived
    /// for as long as one may, if there is one that nobody uses: one at a time, so that not all of them are made anew at once.
    pub(super) async fn retire(&self) {
        let mut found = false;
        let retired = self.inner.retain(|session, metrics| {
            let left = session.is_left() && metrics.last_used() >= LEFT_AFTER;
            let spared = found || metrics.age() < self.max_lifetime;
            found |= !spared;
            spared && !left
        });
        self.end(retired.removed).await;
    }

    /// Closes what nobody uses; what somebody does goes when it comes back.
    pub(super) async fn close(&self) {
        self.background.stop();
        let idle = self.inner.retain(|_, _| false);
        self.inner.close();
        self.end(idle.removed).await;
    }

    async fn end(&self, sessions: Vec<Session>) {
        let ends = sessions
            .into_iter()
            .map(|session| timeout(self.patience, session.close()));
        // One that does not end by itself has been dropped.
        join_all(ends).await;
    }

    /// Goes on with a job until the pool is closed.
    pub(super) fn watch<F>(&self, job: Job, begin: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        self.background.spawn(job, begin);
    }
}

fn why_not(error: PoolError<sqlx::Error>) -> sqlx::Error {
    match error {
        PoolError::Backend(error) => error,
        PoolError::Timeout(_) => sqlx::Error::PoolTimedOut,
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            sqlx::Error::PoolClosed
        }
    }
}
