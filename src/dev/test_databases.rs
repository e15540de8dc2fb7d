//! Lends empty, migrated databases to tests: one server for a whole test run with any number of processes.
//!
//! A test process connects to a Unix socket, reads the URL of its own database and holds the connection while
//! it needs the database. When the connection closes, because the test ended or its process died, the
//! database is dropped. Without a connection for `IDLE`, the server stops and its folder is removed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use dev_postgres::{Addresses, DataDir, Durability, EmbeddedPostgres, Progress};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{databases, folders};
use crate::config::{Config, Env, Identifier};
use crate::schema::migrate;

/// Time for which the idle server waits for the next test process.
const IDLE: Duration = Duration::from_secs(5);
/// Maximum number of concurrent database copies; further ones would only queue for the disk.
const PARALLEL_COPIES: usize = 4;

struct Lender {
    server: SecretString,
    template: Identifier,
    addresses: Addresses,
    next: AtomicU64,
    copies: Semaphore,
}

/// Serves at `socket` until no test needs the server.
///
/// # Errors
/// When the server does not start or the socket cannot be created.
pub async fn lend(socket: &Path, env: &Env) -> anyhow::Result<()> {
    let folder = DataDir::ephemeral()?;
    let programs = folders::program_folders(env);
    let starting = EmbeddedPostgres::start(
        folder.path(),
        Durability::Disposable,
        &programs,
        Progress::visible(),
    );
    let postgres = starting.await?;
    let outcome = lend_from(&postgres, socket).await;
    postgres.stop().await?;
    outcome
}

async fn lend_from(postgres: &EmbeddedPostgres, socket: &Path) -> anyhow::Result<()> {
    let template = name("aponta_template")?;
    let server = postgres.url("postgres");
    databases::create(&server, &template, None).await?;
    let url = postgres.url(template.as_str());
    let env = Env::from_pairs([("DATABASE_URL", url.expose_secret())]);
    let (config, _) = Config::load_database(&env)?;
    migrate::migrate(&config).await?;

    let lender = Arc::new(Lender {
        server,
        template,
        addresses: postgres.addresses(),
        next: AtomicU64::new(1),
        copies: Semaphore::new(PARALLEL_COPIES),
    });
    let listener =
        UnixListener::bind(socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
    let mut loans = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                loans.spawn(Arc::clone(&lender).serve(stream));
            }
            Some(_) = loans.join_next() => {}
            () = tokio::time::sleep(IDLE), if loans.is_empty() => break,
        }
    }
    // From now on a new process finds no socket and starts a server of its own.
    std::fs::remove_file(socket)?;
    Ok(())
}

impl Lender {
    /// Serves one loan, from the copy to the drop.
    async fn serve(self: Arc<Self>, mut stream: UnixStream) {
        if let Err(error) = self.lend_one(&mut stream).await {
            // The borrower detects a connection that ends without a URL.
            tracing::warn!("cannot create a test database: {error:#}");
        }
    }

    async fn lend_one(&self, stream: &mut UnixStream) -> anyhow::Result<()> {
        let database = name(&format!("test_{}", self.next.fetch_add(1, Ordering::Relaxed)))?;
        {
            let _copying = self.copies.acquire().await?;
            databases::create(&self.server, &database, Some(&self.template)).await?;
        }
        let url = self.addresses.url(database.as_str());
        stream
            .write_all(format!("{}\n", url.expose_secret()).as_bytes())
            .await?;
        // The borrower never sends; this waits for the connection to close.
        let mut nothing = [0];
        let _ = stream.read(&mut nothing).await;
        databases::drop(&self.server, &database).await?;
        Ok(())
    }
}

fn name(text: &str) -> anyhow::Result<Identifier> {
    Identifier::parse(text).map_err(anyhow::Error::msg)
}
