//! Command line. Exit codes: 0, 1 (failure) or 2 (invalid configuration).

mod database;
#[cfg(feature = "dev")]
mod dev;
mod healthcheck;
mod import_legacy;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio_util::sync::CancellationToken;

use crate::app::{self, App, MetricsListener};
use crate::auth;
use crate::azure_devops::AzureDevOps;
use crate::config::{AuthMode, Config, Env, Environment, Problems};
use crate::db::Db;
use crate::lifecycle::StopSignals;
use crate::models::organizacao::NomeOrganizacao;
use crate::schema::{self, migrate};
use crate::server::{self, ServerOptions};
use crate::services::organization_pats::OrganizationPatService;
use crate::services::outbox::pause_restored;
use crate::state::VERSION;
use crate::telemetry::trace::Exporter;
use crate::telemetry::{self, ServerLog};
use crate::tenants::Tenants;

/// Exit code of an invalid configuration, the same as clap's for an invalid command line.
const EXIT_CONFIG: u8 = 2;

/// API Aponta: hours worked on Azure DevOps work items
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a development server with a database of its own, no configuration needed
    #[cfg(feature = "dev")]
    Dev(dev::DevArgs),
    /// Serve in production, configured by the environment and .env
    Serve,
    /// Bring the database up to date and exit
    Migrate,
    #[command(about = "Encrypt all stored PATs with the first of PAT_ENCRYPTION_KEYS")]
    RotatePatKeys,
    /// Copy a database of the FastAPI service into ours; may be repeated (docs/import-legacy.md)
    ImportLegacy(import_legacy::ImportArgs),
    #[command(
        about = "Give a name that another organisation had to the one that answers under it now (docs/tenants.md)"
    )]
    AdoptOrganization {
        /// Name of the organisation, which must be configured with a PAT
        #[arg(value_name = "NAME", value_parser = NomeOrganizacao::parse)]
        nome: NomeOrganizacao,
    },
    #[command(
        about = "After a restore of the database: pause the write-back until it is reconciled (docs/backups.md)"
    )]
    MarkRestored,
    /// Print the OpenAPI document
    Openapi {
        /// Version of OpenAPI; 3.0 is for tools that do not read 3.1
        #[arg(long, default_value = "3.1", value_parser = ["3.0", "3.1"])]
        version: String,
    },
    /// Exit 0 if the server of this configuration answers, else 1
    Healthcheck {
        /// Ask whether the server is ready for traffic, not only alive
        #[arg(long)]
        ready: bool,
    },
    /// Check the configuration and say what is wrong with it
    CheckConfig,
    /// Lend databases to the test suite over a Unix socket
    #[cfg(feature = "dev")]
    #[command(hide = true)]
    TestDatabases(dev::LenderArgs),
}

impl Cli {
    /// Executes the command.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let env = Env::from_process();
        let outcome = match self.command {
            #[cfg(feature = "dev")]
            Command::Dev(args) => dev::run(args, &env),
            Command::Serve => run_serve(&env),
            Command::Migrate => run_migrate(&env),
            Command::RotatePatKeys => run_rotate(&env),
            Command::ImportLegacy(args) => import_legacy::run(args, &env),
            Command::AdoptOrganization { nome } => run_adopt(&nome, &env),
            Command::MarkRestored => run_mark_restored(&env),
            Command::Openapi { version } => print_openapi(&version),
            Command::Healthcheck { ready } => healthcheck::run(&env, ready),
            Command::CheckConfig => check_config(&env),
            #[cfg(feature = "dev")]
            Command::TestDatabases(args) => dev::lend(&args, &env),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => report(&error),
        }
    }
}

/// Prints an error to standard error.
fn report(error: &anyhow::Error) -> ExitCode {
    let mut err = std::io::stderr();
    if let Some(problems) = error.downcast_ref::<Problems>() {
        let _ = write!(err, "aponta: {problems}");
        return ExitCode::from(EXIT_CONFIG);
    }
    let _ = writeln!(err, "aponta: {error:#}");
    ExitCode::FAILURE
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Disables huge pages, which increase the process from 27 MiB to 47 MiB: the allocator requests them and
/// uses a small part of each one. Lists are no slower without them.
fn refuse_huge_pages() {
    #[cfg(target_os = "linux")]
    // A kernel without this option only costs memory.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Warning about a database that may be reached without encryption.
const IN_CLEAR: &str =
    "the address of the database does not demand TLS: set sslmode=verify-full (docs/database.md)";

/// Returns the hosts of databases without TLS. Outside production they are common and not reported.
fn hosts_in_clear(config: &Config) -> Vec<String> {
    match config.environment {
        Environment::Production => config.database.hosts_in_clear(),
        _ => Vec::new(),
    }
}

/// Disables core dumps, which would contain every secret of the process.
fn refuse_core_dumps() -> rustix::io::Result<()> {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, nothing)
}

fn run_serve(env: &Env) -> anyhow::Result<()> {
    refuse_huge_pages();
    let refused = refuse_core_dumps();
    let config = Config::load(env)?;
    let traces = config.telemetry.traces.as_ref();
    let exporter = traces
        .map(|traces| Exporter::start(traces, VERSION))
        .transpose()?;
    let log = Arc::new(telemetry::init_server(&config.log, exporter.as_ref()));
    if let Err(error) = refused {
        tracing::debug!(%error, "cannot disable core dumps");
    }
    if config.auth.mode == AuthMode::Off {
        tracing::warn!("authentication is off: every caller is an administrator");
    } else {
        auth::log_admin_users(&config.auth, config.azure_devops.client.organizacoes.len());
    }
    for host in hosts_in_clear(&config) {
        tracing::warn!(host, "{IN_CLEAR}");
    }
    let outcome = block_on(serve(config, Arc::clone(&log)));
    drop(exporter);
    outcome
}

async fn serve(config: Config, log: Arc<ServerLog>) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    // Before any slow step: as process 1 of a container, the process would otherwise ignore SIGTERM.
    tokio::spawn(stop_on_signal(StopSignals::listen()?, stop.clone(), log));
    let listener = server::listen(config.http.address())
        .with_context(|| format!("cannot listen on {}", config.http.address()))?;
    let metrics = MetricsListener::bind(&config.telemetry).await?;
    let app = App::new(&config)?;
    tokio::select! {
        prepared = database::prepare(&config.database, &app.db) => prepared?,
        () = stop.cancelled() => return Ok(()),
    }
    for gap in schema::security_gaps(&app.db).await? {
        tracing::warn!(gap, "row-level security is not effective");
    }
    tracing::info!(version = VERSION, environment = %config.environment, address = %listener.local_addr()?, "serving");
    app.run(listener, metrics, ServerOptions::from(&config.http), stop)
        .await;
    tracing::info!("stopped");
    Ok(())
}

/// Starts the drain at the first signal, and ends the process at the second one.
async fn stop_on_signal(mut signals: StopSignals, stop: CancellationToken, log: Arc<ServerLog>) {
    signals.next().await;
    tracing::info!("shutting down: draining requests in flight");
    stop.cancel();
    signals.next().await;
    tracing::warn!("second stop signal: exiting without draining");
    log.finish();
    std::process::exit(1);
}

fn run_migrate(env: &Env) -> anyhow::Result<()> {
    let (config, log) = Config::load_database(env)?;
    telemetry::init(&log);
    block_on(async {
        database::migrate(&config).await?;
        tracing::info!(schema = %config.schema, version = migrate::expected_version(), "schema is up to date");
        Ok(())
    })
}

fn run_rotate(env: &Env) -> anyhow::Result<()> {
    let config = Config::load(env)?;
    telemetry::init(&config.log);
    block_on(async {
        let db = Db::connect_lazy(&config.database)?;
        let azure = AzureDevOps::new(&config.azure_devops.client)?;
        let tenants = Tenants::new(db.clone(), azure);
        let vault = OrganizationPatService::new(db.clone(), tenants, &config.vault);
        let (rotated, unreadable) = vault.rotate().await?;
        db.close().await;
        print(&format!("{rotated} PAT(s) encrypted anew"))?;
        if unreadable > 0 {
            bail!("{unreadable} PAT(s) cannot be decrypted with the keys that are configured");
        }
        Ok(())
    })
}

fn run_mark_restored(env: &Env) -> anyhow::Result<()> {
    let config = Config::load(env)?;
    telemetry::init(&config.log);
    block_on(async {
        let db = Db::connect_lazy(&config.database)?;
        let paused = pause_restored(&db).await?;
        db.close().await;
        print(&format!(
            "the write-back of {paused} work items is paused until POST /integracao/reconciliar has compared them"
        ))
    })
}

fn run_adopt(nome: &NomeOrganizacao, env: &Env) -> anyhow::Result<()> {
    let config = Config::load(env)?;
    telemetry::init(&config.log);
    block_on(async {
        let db = Db::connect_lazy(&config.database)?;
        let tenants = Tenants::new(db.clone(), AzureDevOps::new(&config.azure_devops.client)?);
        // A PAT from the vault is sufficient, too.
        OrganizationPatService::new(db.clone(), tenants.clone(), &config.vault)
            .refresh()
            .await?;
        let chave = tenants.adopt(nome).await?;
        db.close().await;
        print(&format!(
            "the organisation that answers as {nome} has the key {chave} now"
        ))
    })
}

fn print_openapi(version: &str) -> anyhow::Result<()> {
    let text = match version {
        "3.0" => app::openapi_3_0_text(),
        _ => app::openapi_text(),
    };
    print(text?.trim_end())
}

fn check_config(env: &Env) -> anyhow::Result<()> {
    let config = Config::load(env)?;
    let auth = if config.auth.mode == AuthMode::Required {
        "on"
    } else {
        "OFF"
    };
    for host in hosts_in_clear(&config) {
        print(&format!("warning: {host}: {IN_CLEAR}"))?;
    }
    print(&format!(
        "the configuration is complete: environment {}, listening on {}, schema {}, authentication {auth}",
        config.environment,
        config.http.address(),
        config.database.schema
    ))
}

fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        // The reader closed the pipe (`aponta openapi | head`).
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}
