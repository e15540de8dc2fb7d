//! Which address a request really comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The client's address: the peer's, or behind trusted proxies the last one in `X-Forwarded-For` that is not a
/// trusted proxy itself. What stands further left was written by the client and proves nothing.
#[must_use]
pub fn client_ip(headers: &HeaderMap, peer: SocketAddr, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip));
    let mut client = canonical(peer.ip());
    if !is_trusted(client) {
        return client;
    }
    let headers: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    for entry in headers.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Some(ip) = parse(entry.trim()) else { break };
        client = ip;
        if !is_trusted(ip) {
            break;
        }
    }
    client
}

/// An address, perhaps in brackets or with a port.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse()
        .or_else(|_| entry.parse::<SocketAddr>().map(|a| a.ip()))
        .ok()
        .map(canonical)
}

/// `::ffff:192.0.2.1` is 192.0.2.1.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// What a limit per client counts: the address, or the /64 that a single IPv6 subscriber owns.
#[must_use]
pub fn network_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip_of(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|t| t.parse().unwrap()).collect();
        client_ip(&headers, peer.parse().unwrap(), &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        assert_eq!(ip_of("203.0.113.9:5", &["1.2.3.4"], &[]), "203.0.113.9");
        assert_eq!(
            ip_of("203.0.113.9:5", &["1.2.3.4"], &["10.0.0.0/8"]),
            "203.0.113.9"
        );
    }

    #[test]
    fn behind_proxies_the_last_untrusted_address_counts() {
        let trusted = ["10.0.0.0/8", "172.16.0.0/12"];
        assert_eq!(ip_of("10.0.0.2:5", &["1.2.3.4"], &trusted), "1.2.3.4");
        assert_eq!(
            ip_of("10.0.0.2:5", &["6.6.6.6, 1.2.3.4, 172.18.0.3"], &trusted),
            "1.2.3.4"
        );
        assert_eq!(ip_of("10.0.0.2:5", &["6.6.6.6", "1.2.3.4"], &trusted), "1.2.3.4");
        assert_eq!(ip_of("10.0.0.2:5", &["6.6.6.6, rubbish"], &trusted), "10.0.0.2");
        assert_eq!(ip_of("10.0.0.2:5", &[], &trusted), "10.0.0.2");
        assert_eq!(
            ip_of("[::ffff:10.0.0.2]:5", &["[2001:db8::1]:443"], &trusted),
            "2001:db8::1"
        );
    }

    #[test]
    fn an_ipv6_subscriber_is_one_client() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
