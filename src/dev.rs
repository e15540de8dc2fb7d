//! `aponta dev`: starts and stops a complete development environment with one command.

mod databases;
mod demo;
pub mod folders;
pub mod seed;
pub mod test_databases;
mod vault;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use dev_postgres::{DataDir, Durability, EmbeddedPostgres, Progress, SUPERUSER};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::{App, MetricsListener};
use crate::config::{AuthMode, Config, Env, Identifier};
use crate::lifecycle::StopSignals;
use crate::models::clock::Clock;
use crate::schema::migrate;
use crate::server::ServerOptions;
use crate::state::VERSION;
use crate::telemetry;
use azure_devops_fake::demo::SECOND_ORGANIZATION;
use demo::Demo;
use seed::PlantedPat;

/// Name of the development database.
const DATABASE: &str = "aponta";

/// Command-line options.
#[derive(Debug, Clone, Default)]
pub struct DevOptions {
    /// Port of the API.
    pub port: u16,
    /// `true` if the data are deleted at the end.
    pub ephemeral: bool,
    /// Folder of the data.
    pub data_dir: Option<PathBuf>,
    /// URL of an existing database, instead of an embedded one.
    pub database_url: Option<String>,
    /// `true` if callers are authenticated against Azure DevOps; otherwise every caller is the mock user.
    pub auth: bool,
    /// `true` if only the database is started, not the server.
    pub only_database: bool,
    /// Organisation of Azure DevOps.
    pub organization: Organization,
}

/// Organisation that a development server serves.
#[derive(Debug, Clone, Default)]
pub enum Organization {
    /// The one that comes along, unless the environment names one.
    #[default]
    Demo,
    /// The one that the environment names, if any.
    Configured,
    /// The one at this address.
    Named(String),
}

/// Runs until Ctrl-C, then stops everything.
///
/// # Errors
/// With a text for the terminal.
pub async fn run(options: DevOptions, env: &Env) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let mut signals = StopSignals::listen()?;
    let signalled = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        signalled.cancel();
    });
    let env = match &options.organization {
        Organization::Named(url) => &env.clone().with("AZURE_DEVOPS_ORG_URL", url),
        Organization::Demo | Organization::Configured => env,
    };
    let Some(url) = &options.database_url else {
        return run_with_own_database(&options, env, &stop).await;
    };
    let url = SecretString::from(url.as_str());
    // Without a folder the organisation would forget hours that the database remembers.
    let (config, demo) = prepare(env, &url, &options, None).await?;
    telemetry::init(&config.log);
    let listener = listen(options.port).await?;
    let place = Place {
        data: "the database of --database-url".to_owned(),
        psql: None,
        demo,
    };
    serve(&config, listener, &place, &stop).await
}

async fn run_with_own_database(
    options: &DevOptions,
    env: &Env,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut folder = open_folder(options, env).await?;
    // Before the slow steps, so that a port in use is reported at once.
    let listener = if options.only_database {
        None
    } else {
        Some(listen(options.port).await?)
    };
    let address = match &listener {
        Some(listener) => format!(", http://{}", listener.local_addr()?),
        None => String::new(),
    };
    folder.sign(&format!("process {}{address}", std::process::id()))?;
    let durability = if options.ephemeral {
        Durability::Disposable
    } else {
        Durability::Durable
    };

    let programs = folders::program_folders(env);
    let starting = EmbeddedPostgres::start(folder.path(), durability, &programs, Progress::visible());
    let postgres = tokio::select! {
        started = starting => started?,
        () = stop.cancelled() => bail!("stopped before the database had started"),
    };
    let outcome = match listener {
        Some(listener) => serve_from(&postgres, &folder, env, listener, options, stop).await,
        None => wait_with_database(&postgres, stop).await,
    };
    // In every case, so that the database server does not outlive the process.
    let stopped = postgres.stop().await;
    outcome.and(stopped)?;
    drop(folder);
    say(&["aponta: stopped"]);
    Ok(())
}

async fn open_folder(options: &DevOptions, env: &Env) -> anyhow::Result<DataDir> {
    if !options.ephemeral {
        let path = options
            .data_dir
            .clone()
            .map_or_else(|| folders::data_folder(env), Ok)?;
        return DataDir::open(&path);
    }
    for abandoned in dev_postgres::abandoned() {
        dev_postgres::stop_abandoned(abandoned.path()).await?;
    }
    DataDir::ephemeral()
}

async fn serve_from(
    postgres: &EmbeddedPostgres,
    folder: &DataDir,
    env: &Env,
    listener: TcpListener,
    options: &DevOptions,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let database = Identifier::parse(DATABASE).map_err(anyhow::Error::msg)?;
    databases::create(&postgres.url("postgres"), &database, None).await?;
    let (config, demo) = prepare(env, &postgres.url(DATABASE), options, Some(folder.path())).await?;
    telemetry::init(&config.log);
    let fate = if folder.is_ephemeral() {
        "thrown away at the end"
    } else {
        "kept between runs"
    };
    let data = format!(
        "{}  (PostgreSQL {}, {fate})",
        folder.path().display(),
        postgres.version()
    );
    let psql = format!(
        "PGPASSWORD=$(cat {}) psql -h {} -U {SUPERUSER} {DATABASE}",
        folder.path().join("password").display(),
        postgres.socket_folder().display()
    );
    let place = Place {
        data,
        psql: Some(psql),
        demo,
    };
    serve(&config, listener, &place, stop).await
}

/// Describes the data and the organisation of a development server.
struct Place {
    /// Location and fate of the data.
    data: String,
    /// Command that opens the database.
    psql: Option<String>,
    demo: Option<Demo>,
}

/// Migrates the database, inserts the sample data, prints the addresses and serves until `stop` is cancelled.
async fn serve(
    config: &Config,
    listener: TcpListener,
    place: &Place,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let prepare = async {
        migrate::migrate(&config.database)
            .await
            .context("cannot migrate the database")?;
        let app = App::new(config)?;
        let today = Clock::new(config.apontamentos.timezone).today();
        let pat = place.demo.as_ref().map(|_| Demo::second_pat());
        let pat = pat.as_ref().map(|pat| PlantedPat {
            organizacao: SECOND_ORGANIZATION,
            pat,
            vault: &config.vault,
        });
        // Sample data must not get near the work items of a real organisation.
        let is_real = place.demo.is_none() && !config.azure_devops.client.organizacoes.is_empty();
        if place.demo.is_none() {
            seed::remove_pat(&app.db).await?;
        }
        if config.seed_initial_data && !is_real && seed::plant(&app.db, today, pat.as_ref()).await? {
            say(&["aponta: inserted sample data (two projects, eight activities and a week of hours)"]);
        }
        let has_examples = seed::has_examples(&app.db).await?;
        anyhow::Ok((app, has_examples))
    };
    let (app, has_examples) = tokio::select! {
        prepared = prepare => prepared?,
        () = stop.cancelled() => return Ok(()),
    };
    say(&greeting(config, listener.local_addr()?, place, has_examples));
    let metrics = MetricsListener::bind(&config.telemetry).await?;
    app.run(listener, metrics, ServerOptions::from(&config.http), stop.clone())
        .await;
    Ok(())
}

async fn wait_with_database(postgres: &EmbeddedPostgres, stop: &CancellationToken) -> anyhow::Result<()> {
    let database = Identifier::parse(DATABASE).map_err(anyhow::Error::msg)?;
    databases::create(&postgres.url("postgres"), &database, None).await?;
    say(&[postgres.url(DATABASE).expose_secret()]);
    stop.cancelled().await;
    Ok(())
}

/// Adapts the environment to a development server: database of its own, authentication only if requested,
/// loopback only, quick shutdown.
#[must_use]
pub fn overlay(env: &Env, auth: bool) -> Env {
    let or = |name, default| env.get(name).unwrap_or(default).to_owned();
    env.clone()
        .without_prefix("DATABASE_")
        .with("METRICS_ADDR", or("METRICS_ADDR", "off"))
        // The dates in the examples of the OpenAPI document grow old.
        .with("ENTRY_MAX_AGE_DAYS", or("ENTRY_MAX_AGE_DAYS", "3652059"))
        .with("ENVIRONMENT", "development")
        .with("AUTH_ENABLED", if auth { "true" } else { "false" })
        .with("API_HOST", "127.0.0.1")
        .with("SHUTDOWN_DELAY_SECONDS", "0")
        .with("SHUTDOWN_TIMEOUT_SECONDS", "5")
}

/// Returns the configuration, and the organisation that comes along if it is wanted. `folder` holds its hours
/// and the key of the vault.
async fn prepare(
    env: &Env,
    database: &SecretString,
    options: &DevOptions,
    folder: Option<&Path>,
) -> anyhow::Result<(Config, Option<Demo>)> {
    let mut env = overlay(env, options.auth)
        .with("DATABASE_URL", database.expose_secret())
        .with("API_PORT", options.port.to_string());
    if let Some(folder) = folder {
        env = vault::with_key(env, folder)?;
    }
    let wanted = matches!(options.organization, Organization::Demo) && folder.is_some();
    if !wanted || !Demo::is_wanted(&env) {
        return Ok((Config::load(&env)?, None));
    }
    let mut demo = Demo::start().await?;
    let config = Config::load(&demo.overlay(env))?;
    demo.plant(folder, Clock::new(config.apontamentos.timezone).today())?;
    Ok((config, Some(demo)))
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)))
        .await
        .with_context(|| format!("cannot listen on port {port}; choose another one with --port"))
}

/// Returns the lines that say where everything is.
fn greeting(config: &Config, address: SocketAddr, place: &Place, has_examples: bool) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!("API Aponta {VERSION}, development server"),
        format!("  API      http://{address}/api/v1"),
    ];
    if config.http.docs_enabled {
        lines.push(format!(
            "  Docs     http://{address}/docs  (Swagger UI), http://{address}/redoc"
        ));
    }
    lines.push(format!("  Data     {}", place.data));
    lines.extend(place.psql.iter().map(|psql| format!("  psql     {psql}")));
    let names: Vec<&str> = config
        .azure_devops
        .client
        .organizacoes
        .iter()
        .map(|o| o.nome.as_str())
        .collect();
    lines.push(match config.auth.mode {
        AuthMode::Off => {
            "  Auth     off: every caller is dev-user-001 (--auth: callers need a PAT)".to_owned()
        }
        AuthMode::Required => "  Auth     on: send a PAT, an access token or an app token".to_owned(),
    });
    match &place.demo {
        Some(demo) => {
            let auth = config.auth.mode == AuthMode::Required;
            lines.extend(demo.greeting(address, auth, has_examples));
        }
        None if names.is_empty() => {}
        None => lines.push(format!("  Azure    {}", names.join(", "))),
    }
    lines.push("  Stop     Ctrl-C".to_owned());
    lines.push(String::new());
    lines
}

/// Prints lines to the terminal.
fn say(lines: &[impl AsRef<str>]) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        // Errors of a closed terminal are ignored.
        let _ = writeln!(out, "{}", line.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_announced_only_when_they_are_served() {
        let env = overlay(&Env::default(), false).with("DATABASE_URL", "postgres://db/a");
        let announced = |env: &Env| {
            let config = Config::load(env).unwrap();
            let place = Place {
                data: "here".to_owned(),
                psql: None,
                demo: None,
            };
            greeting(&config, config.http.address(), &place, true).join("\n")
        };
        assert!(announced(&env).contains("/docs"));
        let without = announced(&env.with("DOCS_ENABLED", "false"));
        assert!(
            !without.contains("/docs") && without.contains("/api/v1"),
            "{without}"
        );
    }
}
