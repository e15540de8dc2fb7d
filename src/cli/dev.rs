//! Commands of the feature `dev`: the development server, and databases for tests.

use std::path::PathBuf;

use clap::Args;

use super::block_on;
use crate::config::{Config, Env};
use crate::dev::{self, DevOptions, Organization, test_databases};

/// Options of `aponta dev`.
#[derive(Debug, Args)]
pub(super) struct DevArgs {
    #[arg(long, help = "Port of the API [default: API_PORT, or 8000]")]
    port: Option<u16>,
    /// Throw the data away at the end
    #[arg(long, conflicts_with = "data_dir")]
    ephemeral: bool,
    #[arg(
        long,
        value_name = "FOLDER",
        help = "Where the data are kept [default: APONTA_DATA_DIR, or a folder that is printed at start]"
    )]
    data_dir: Option<PathBuf>,
    /// Use this database instead of one of our own; it is migrated and gets sample data
    #[arg(long, value_name = "URL", conflicts_with_all = ["ephemeral", "data_dir", "only_database"])]
    database_url: Option<String>,
    #[arg(
        long,
        conflicts_with = "only_database",
        help = "Authenticate callers, against the organisation that comes along or that of AZURE_DEVOPS_ORG_URL"
    )]
    auth: bool,
    #[command(flatten)]
    organization: OrganizationArgs,
    /// Only run the database, print its address, serve nothing
    #[arg(long)]
    only_database: bool,
}

/// The organisation of `aponta dev`.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct OrganizationArgs {
    #[arg(
        long,
        help = "Bring no organisation along; one is brought along unless AZURE_DEVOPS_ORG_URL or --org-url names one"
    )]
    no_demo: bool,
    /// Serve this organisation of Azure DevOps instead of the one that comes along
    #[arg(long, value_name = "URL")]
    org_url: Option<String>,
}

/// Options of `aponta test-databases`.
#[derive(Debug, Args)]
pub(super) struct LenderArgs {
    /// Where to listen
    socket: PathBuf,
}

/// Runs the development server until Ctrl-C.
pub(super) fn run(args: DevArgs, env: &Env) -> anyhow::Result<()> {
    let port = match args.port {
        Some(port) => port,
        None => Config::load_http(&dev::overlay(env, args.auth))?.port,
    };
    let options = DevOptions {
        port,
        ephemeral: args.ephemeral,
        data_dir: args.data_dir,
        database_url: args.database_url,
        auth: args.auth,
        only_database: args.only_database,
        organization: match args.organization {
            OrganizationArgs { no_demo: true, .. } => Organization::Configured,
            OrganizationArgs {
                org_url: Some(url), ..
            } => Organization::Named(url),
            OrganizationArgs { .. } => Organization::Demo,
        },
    };
    block_on(dev::run(options, env))
}

/// Lends databases to tests until no test needs one.
pub(super) fn lend(args: &LenderArgs, env: &Env) -> anyhow::Result<()> {
    block_on(test_databases::lend(&args.socket, env))
}
