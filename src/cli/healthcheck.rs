//! Checks a running server; for containers without curl.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::config::{Config, Env};

/// Timeout; a slower server counts as unhealthy.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Length of the start of a status line (RFC 9112, 4): `HTTP/1.1 200`.
const STATUS_LINE_START: usize = "HTTP/1.1 200".len();

/// Checks that the server of this configuration responds with 200.
pub(super) fn run(env: &Env, ready: bool) -> anyhow::Result<()> {
    // Exit code 1 even for an invalid configuration, because Docker reserves 2.
    let config = Config::load_http(env).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let address = SocketAddr::new(reachable(config.host), config.port);
    let path = if ready { "/ready" } else { "/health" };
    let status = get(address, path).with_context(|| format!("no answer from http://{address}{path}"))?;
    if status != 200 {
        bail!("http://{address}{path} answers {status}");
    }
    Ok(())
}

/// Returns the address to connect to: loopback for a server that listens on all addresses.
fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        host => host,
    }
}

fn get(address: SocketAddr, path: &str) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut head = [0; STATUS_LINE_START];
    stream.read_exact(&mut head)?;
    let head = std::str::from_utf8(&head)?;
    let (version, status) = head.split_once(' ').context("not an HTTP response")?;
    if !version.starts_with("HTTP/1.") {
        bail!("not an HTTP response");
    }
    Ok(status.parse()?)
}
