//! The database of the FastAPI service, seen in one read-only snapshot. Rows come in pages, so a long history
//! needs no memory.
#![expect(missing_docs, reason = "fields of rows are named after their columns")]

use std::io::ErrorKind;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, FromRow, PgPool, Postgres, Transaction};
use tokio::time::timeout;
use tracing::log::LevelFilter;
use uuid::Uuid;

use crate::layout::{Layout, NotLegacy};

/// Rows that are read, mapped and stored at once.
const PAGE: usize = 500;
/// How long the server may take to let us in.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ours, and a snapshot that does not move; a role's time limits are for the requests of a service.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// A database of the FastAPI service, in a snapshot.
#[derive(Debug)]
pub struct Source {
    pool: PgPool,
    tx: Transaction<'static, Postgres>,
    layout: Layout,
    /// Zone of that database's sessions; a name of the IANA tables.
    zone: &'static str,
    cursors: u32,
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The address is none.
    #[error("is not an address of a PostgreSQL database")]
    Address,
    /// The server does not answer, or refuses us. Tells the address, never the password.
    #[error("{place}: {text}")]
    Unreachable {
        /// Host and port.
        place: String,
        /// What the server or the network said.
        text: String,
    },
    /// Nothing to import.
    #[error("schema {0} {1}")]
    Schema(String, NotLegacy),
}

/// A project.
#[derive(Debug, FromRow)]
pub struct ProjetoRow {
    pub id: Uuid,
    pub external_id: Uuid,
    pub nome: String,
    pub descricao: Option<String>,
    pub url: Option<String>,
    pub estado: Option<String>,
    pub organizacao: Option<String>,
    pub last_sync_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// An activity.
#[derive(Debug, FromRow)]
pub struct AtividadeRow {
    pub id: Uuid,
    pub nome: String,
    pub descricao: Option<String>,
    pub ativo: bool,
    pub criado_por: Option<String>,
    pub criado_em: DateTime<Utc>,
    pub atualizado_em: DateTime<Utc>,
}

/// An activity of a project.
#[derive(Debug, FromRow)]
pub struct VinculoRow {
    /// `None` where the project was a column of the activity.
    pub id: Option<Uuid>,
    pub id_atividade: Uuid,
    /// Key or Azure DevOps GUID, depending on the client that wrote it.
    pub id_projeto: Uuid,
    pub posicao: i32,
    pub criado_em: DateTime<Utc>,
    /// When the activity last changed there; `None` when there is no such activity.
    pub atividade_atualizada_em: Option<DateTime<Utc>>,
}

/// A time entry.
#[derive(Debug, FromRow)]
pub struct ApontamentoRow {
    pub id: Uuid,
    pub work_item_id: i64,
    /// GUID in any spelling, our key, or a name.
    pub project_id: String,
    pub organization_name: String,
    pub data_apontamento: NaiveDate,
    pub id_atividade: Uuid,
    pub duracao: Option<String>,
    pub horas: Option<i64>,
    pub minutos: Option<i64>,
    pub comentario: Option<String>,
    pub usuario_id: String,
    pub usuario_nome: String,
    pub usuario_email: Option<String>,
    pub criado_em: DateTime<Utc>,
    pub atualizado_em: DateTime<Utc>,
}

/// A PAT of an organisation.
#[derive(Debug, FromRow)]
pub struct PatRow {
    pub id: Uuid,
    pub organization_name: String,
    pub organization_url: Option<String>,
    /// A Fernet token.
    pub pat_encrypted: String,
    pub descricao: Option<String>,
    pub expira_em: Option<DateTime<Utc>>,
    pub ativo: bool,
    pub criado_por: Option<String>,
    pub criado_em: DateTime<Utc>,
    pub atualizado_em: DateTime<Utc>,
}

/// A table that is read page by page; `None` inside when that revision has no such table.
#[derive(Debug, Clone)]
pub(super) struct Cursor(Option<String>);

impl Source {
    /// Connects to the database at an address that sqlx reads, and takes the snapshot. `zone` is that of its
    /// sessions, in which the expiry of PATs was stored.
    ///
    /// # Errors
    /// As [`Unusable`] says.
    pub async fn open(url: &SecretString, schema: &str, zone: &'static str) -> Result<Self, Unusable> {
        let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|_| Unusable::Address)?;
        let place = format!("{}:{}", options.get_host(), options.get_port());
        let explain = |error: sqlx::Error| Unusable::Unreachable {
            place: place.clone(),
            text: match error {
                sqlx::Error::Database(e) => e.message().to_owned(),
                other => other.to_string(),
            },
        };
        let options = options
            .application_name("aponta-import-legacy")
            .log_statements(LevelFilter::Off);
        // First outside the pool, which would try again for long and then only tell that it waited.
        let probe = timeout(PATIENCE, options.connect()).await;
        let probe = probe.unwrap_or_else(|_| Err(sqlx::Error::Io(ErrorKind::TimedOut.into())));
        probe.map_err(explain)?.close().await.map_err(explain)?;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .map_err(explain)?;
        let mut tx = pool.begin_with(BEGIN).await.map_err(explain)?;
        let columns: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT table_name::text, column_name::text, data_type::text
               FROM information_schema.columns WHERE table_schema = $1",
        )
        .bind(schema)
        .fetch_all(&mut *tx)
        .await
        .map_err(explain)?;
        let layout = Layout::new(schema, columns).map_err(|why| Unusable::Schema(schema.to_owned(), why))?;
        Ok(Self {
            pool,
            tx,
            layout,
            zone,
            cursors: 0,
        })
    }

    /// Its projects.
    pub(super) async fn projetos(&mut self) -> Result<Cursor, sqlx::Error> {
        self.declare(Some(self.layout.projetos())).await
    }

    /// Its activities.
    pub(super) async fn atividades(&mut self) -> Result<Cursor, sqlx::Error> {
        self.declare(Some(self.layout.atividades())).await
    }

    /// Which activities belong to which projects.
    pub(super) async fn vinculos(&mut self) -> Result<Cursor, sqlx::Error> {
        self.declare(self.layout.vinculos(self.zone)).await
    }

    /// Its time entries.
    pub(super) async fn apontamentos(&mut self) -> Result<Cursor, sqlx::Error> {
        self.declare(self.layout.apontamentos()).await
    }

    /// Its vault.
    pub(super) async fn pats(&mut self) -> Result<Cursor, sqlx::Error> {
        self.declare(self.layout.pats(self.zone)).await
    }

    async fn declare(&mut self, select: Option<String>) -> Result<Cursor, sqlx::Error> {
        let Some(select) = select else {
            return Ok(Cursor(None));
        };
        // A name of its own each: prepared statements remember what a name stood for.
        self.cursors += 1;
        let name = format!("legado_{}", self.cursors);
        // `select` holds identifiers of ours, a quoted schema and a zone of the IANA tables; see `layout`.
        let declare = AssertSqlSafe(format!("DECLARE {name} NO SCROLL CURSOR FOR {select}"));
        sqlx::raw_sql(declare).execute(&mut *self.tx).await?;
        Ok(Cursor(Some(name)))
    }

    /// The next rows; empty at the end.
    pub(super) async fn page<T>(&mut self, cursor: &Cursor) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let Some(name) = &cursor.0 else {
            return Ok(Vec::new());
        };
        let fetch = AssertSqlSafe(format!("FETCH {PAGE} FROM {name}"));
        sqlx::query_as(fetch).fetch_all(&mut *self.tx).await
    }

    /// Ends the snapshot.
    pub(super) async fn close(self) {
        drop(self.tx);
        self.pool.close().await;
    }
}
