//! Runs the fake from the command line: the organisation `contoso` with one person, until Ctrl-C.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use azure_devops_fake::FakeAzure;
use clap::Parser;

/// Stand-in for Azure DevOps with the organisation `contoso` and one person
#[derive(Debug, Parser)]
#[command(version, about)]
struct Options {
    /// Port on loopback; 0 is a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "azure-devops-fake: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until Ctrl-C.
async fn run(options: &Options) -> io::Result<()> {
    let fake = FakeAzure::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).await?;
    fake.organization("contoso");
    let person = fake.person("Ana Lima", &["contoso"]);
    let pat = fake.pat(&person);
    print(&fake, &person.name, &pat)?;
    tokio::signal::ctrl_c().await
}

/// Prints the address, the person with the PAT, and the environment variables with which the service uses the
/// fake.
fn print(fake: &FakeAzure, name: &str, pat: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "Address  http://{}/contoso", fake.address())?;
    writeln!(out, "Person   {name}")?;
    writeln!(out, "PAT      {pat}")?;
    let mut variables: Vec<_> = fake.variables("contoso").into_iter().collect();
    variables.sort();
    for (variable, value) in variables {
        writeln!(out, "         {variable}={value}")?;
    }
    writeln!(out, "Stop     Ctrl-C")?;
    out.flush()
}
