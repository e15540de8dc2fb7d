//! The commands of feature `dev`: the development server, and databases for tests.

use std::path::PathBuf;

use clap::Args;

use super::block_on;
use crate::config::{Config, Env};
use crate::dev::{self, DevOptions, test_databases};

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
        help = "Authenticate callers against Azure DevOps; needs AZURE_DEVOPS_ORG_URL in the environment or in .env"
    )]
    auth: bool,
    /// Only run the database, print its address, serve nothing
    #[arg(long)]
    only_database: bool,
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
    };
    block_on(dev::run(options, env))
}

/// Lends databases to tests until no test needs one.
pub(super) fn lend(args: &LenderArgs, env: &Env) -> anyhow::Result<()> {
    block_on(test_databases::lend(&args.socket, env))
}
