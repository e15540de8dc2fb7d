//! `aponta import-legacy`: arguments and output. The import is in [`crate::services::legacy`].

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono_tz::Tz;
use clap::Args;
use secrecy::SecretString;

use super::{block_on, database, print};
use crate::config::{Config, Env, Identifier};
use crate::db::Db;
use crate::models::organizacao::NomeOrganizacao;
use crate::services::legacy::{self, Mapping, Options};
use crate::telemetry;

/// Variable in place of `--from`.
const FROM: &str = "LEGACY_DATABASE_URL";
/// Variable in place of `--legacy-key`.
const KEY: &str = "LEGACY_KEY";
/// Statement timeout: the import is one transaction, for which the limits of requests are too short.
const PATIENCE: Duration = Duration::from_mins(10);

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[arg(
        long,
        value_name = "URL",
        help = "Address of the FastAPI service's database [default: LEGACY_DATABASE_URL, \
                which other users of this machine cannot see in `ps`]"
    )]
    from: Option<SecretString>,
    /// Its schema (its `DATABASE_SCHEMA`)
    #[arg(long, value_name = "NAME", value_parser = Identifier::parse)]
    schema: Identifier,
    #[arg(
        long,
        value_name = "KEY",
        help = "Its PAT_ENCRYPTION_KEY or, where it had none, its SECRET_KEY; without it \
                the stored PATs are not imported [default: LEGACY_KEY, which `ps` does not show]"
    )]
    legacy_key: Option<SecretString>,
    /// Organisation of projects that name none; without it members of the default organisation see them
    #[arg(long, value_name = "NAME", value_parser = NomeOrganizacao::parse)]
    organizacao: Option<NomeOrganizacao>,
    /// Time zone of its database, in which it stored the expiry of PATs
    #[arg(long, value_name = "ZONE", default_value = "America/Fortaleza")]
    timezone: Tz,
    /// Do everything, tell everything, keep nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: ImportArgs, env: &Env) -> anyhow::Result<()> {
    // First, because it reports an unusable `LEGACY_DATABASE_URL_FILE` or `LEGACY_KEY_FILE`.
    let mut config = Config::load(env)?;
    let secret = |name| env.get(name).map(SecretString::from);
    let Some(from) = args.from.or_else(|| secret(FROM)) else {
        bail!("no source database: set --from or {FROM}");
    };
    telemetry::init(&config.log);
    config.database.statement_timeout = PATIENCE;
    config.database.pool_min = 0;
    let options = Options {
        from,
        schema: args.schema,
        timezone: args.timezone,
        mapping: Mapping {
            organizacao: args.organizacao,
            legacy_key: args.legacy_key.or_else(|| secret(KEY)),
            max_minutes_per_day: config.apontamentos.max_minutes_per_day,
        },
        dry_run: args.dry_run,
    };
    block_on(async {
        let db = Db::connect_lazy(&config.database)?;
        database::prepare(&config.database, &db).await?;
        let mut out = std::io::stdout();
        // The reader may have closed the pipe; the import continues.
        let mut tell = |finding: &legacy::Finding| drop(writeln!(out, "{finding}"));
        let report = legacy::import(&db, &config.vault, &options, &mut tell).await;
        db.close().await;
        let report = report
            .map_err(|error| database::explain_lock(error.into(), &config.database))
            .context("nothing was imported")?;
        print(&report.to_string())?;
        if options.dry_run {
            print("dry run: rolled back, nothing was imported")?;
        }
        Ok(())
    })
}
