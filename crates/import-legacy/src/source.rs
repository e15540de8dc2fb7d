//! The database of the FastAPI service, read in one read-only snapshot. Rows are read in pages, so that a
//! long history needs little memory.
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

/// Number of rows that are read, mapped and stored at a time.
const PAGE: usize = 500;
/// Timeout of the connection attempt.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts a read-only snapshot without the time limits of the role, which are meant for the requests of a
/// service.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Database of the FastAPI service, in a snapshot.
#[derive(Debug)]
pub struct Source {
    pool: PgPool,
    tx: Transaction<'static, Postgres>,
    layout: Layout,
    /// Time zone of the sessions of that database; a name of the IANA tables.
    zone: &'static str,
    cursors: u32,
}

/// Reason why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The address is invalid.
    #[error("is not an address of a PostgreSQL database")]
    Address,
    /// The server does not respond or rejects the login. Contains the address without the password.
    #[error("{place}: {text}")]
    Unreachable {
        /// Host and port.
        place: String,
        /// Error of the server or the network.
        text: String,
    },
    /// The schema cannot be imported.
    #[error("schema {0} {1}")]
    Schema(String, NotLegacy),
}

/// Project.
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

/// Activity.
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

/// Pair of an activity and a project.
#[derive(Debug, FromRow)]
pub struct VinculoRow {
    /// `None` if the project is a column of the activity.
    pub id: Option<Uuid>,
    pub id_atividade: Uuid,
    /// Key or Azure DevOps GUID, depending on the client that wrote the row.
    pub id_projeto: Uuid,
    pub posicao: i32,
    pub criado_em: DateTime<Utc>,
    /// Time of the last change of the activity in the source; `None` if the activity does not exist.
    pub atividade_atualizada_em: Option<DateTime<Utc>>,
}

/// Time entry.
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

/// PAT of an organisation.
#[derive(Debug, FromRow)]
pub struct PatRow {
    pub id: Uuid,
    pub organization_name: String,
    pub organization_url: Option<String>,
    /// Fernet token.
    pub pat_encrypted: String,
    pub descricao: Option<String>,
    pub expira_em: Option<DateTime<Utc>>,
    pub ativo: bool,
    pub criado_por: Option<String>,
    pub criado_em: DateTime<Utc>,
    pub atualizado_em: DateTime<Utc>,
}

/// Cursor of a table that is read in pages; `None` if the revision has no such table.
#[derive(Debug, Clone)]
pub(super) struct Cursor(Option<String>);

impl Source {
    /// Connects to the database at an address in the syntax of sqlx, and starts the snapshot. `zone` is the
    /// time zone of its sessions, in which the expiry of PATs was stored.
    ///
    /// # Errors
    /// Returns an [`Unusable`] if the source cannot be read.
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
        // The first attempt is outside the pool, which would retry for long and then report only a timeout.
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

    /// Opens a cursor over the projects.
    pub(super) async fn projetos(&mut self) -> Result<Cursor, sqlx::Error> {
        self.declare(Some(self.layout.projetos())).await
    }

    /// Opens a cursor over the activities.
    pub(super) async fn atividades(&mut self) -> Result<Cursor, sqlx::Error> {
        self.declare(Some(self.layout.atividades())).await
    }

    /// Opens a cursor over the pairs of activities and projects.
    pub(super) async fn vinculos(&mut self) -> Result<Cursor, sqlx::Error> {
        self.declare(self.layout.vinculos(self.zone)).await
    }

    /// Opens a cursor over the time entries.
    pub(super) async fn apontamentos(&mut self) -> Result<Cursor, sqlx::Error> {
        self.declare(self.layout.apontamentos()).await
    }

    /// Opens a cursor over the vault.
    pub(super) async fn pats(&mut self) -> Result<Cursor, sqlx::Error> {
        self.declare(self.layout.pats(self.zone)).await
    }

    async fn declare(&mut self, select: Option<String>) -> Result<Cursor, sqlx::Error> {
        let Some(select) = select else {
            return Ok(Cursor(None));
        };
        // Each cursor has its own name, because prepared statements remember the first meaning of a name.
        self.cursors += 1;
        let name = format!("legado_{}", self.cursors);
        // `select` contains our identifiers, a quoted schema and a zone of the IANA tables; see `layout`.
        let declare = AssertSqlSafe(format!("DECLARE {name} NO SCROLL CURSOR FOR {select}"));
        sqlx::raw_sql(declare).execute(&mut *self.tx).await?;
        Ok(Cursor(Some(name)))
    }

    /// Returns the next rows; empty at the end.
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
