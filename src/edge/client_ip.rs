//! Address of the client of a request.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

/// Returns the client's address: the peer's, or behind trusted proxies the last one in `X-Forwarded-For` that
/// is not a trusted proxy. Entries further left were written by the client and prove nothing.
#[must_use]
pub fn client_ip(headers: &HeaderMap, peer: SocketAddr, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip));
    let mut client = canonical(peer.ip());
    if !is_trusted(client) {
        return client;
    }
    let lines: Vec<&HeaderValue> = headers.get_all("x-forwarded-for").iter().collect();
    // Split as bytes, not as text: invalid text from the client must not hide the proxy's entry in the same
    // line.
    let entries = lines
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for entry in entries {
        let Some(ip) = std::str::from_utf8(entry)
            .ok()
            .and_then(|entry| parse(entry.trim()))
        else {
            break;
        };
        client = ip;
        if !is_trusted(ip) {
            break;
        }
    }
    client
}

/// Parses an address, optionally in brackets or with a port.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse()
        .or_else(|_| entry.parse::<SocketAddr>().map(|a| a.ip()))
        .ok()
        .map(canonical)
}

/// Converts an IPv4-mapped address: `::ffff:192.0.2.1` becomes 192.0.2.1.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// Returns the key of a limit per client: the IPv4 address, or the /64 of a single IPv6 subscriber.
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

/// Returns the key of a limit per site: the IPv4 address, or the /48 of an IPv6 site.
#[must_use]
pub fn site_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    fn ip_of(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|t| t.parse().unwrap()).collect();
        client_ip(&headers, peer.parse().unwrap(), &trusted).to_string()
    }

    #[test]
    fn forwarded_header_of_untrusted_peer_is_ignored() {
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
    fn non_text_header_hides_no_address() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
        headers.append(
            "x-forwarded-for",
            HeaderValue::from_bytes(b"\xff, 1.2.3.4").unwrap(),
        );
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let ip = client_ip(&headers, "10.0.0.2:5".parse().unwrap(), &trusted);
        assert_eq!(
            ip.to_string(),
            "1.2.3.4",
            "neither the proxy's nor the one made up"
        );
    }

    #[test]
    fn ipv6_subscriber_is_one_client() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        let v4 = any::<[u8; 4]>().prop_map(|bytes| IpAddr::from([172, 15, bytes[2], bytes[3]]));
        let v6 = any::<[u8; 16]>().prop_map(|bytes| IpAddr::from(bytes).to_canonical());
        prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn untrusted_peer_has_the_connection_address(
            peer in address(),
            lines in prop::collection::vec(arbitrary::header_bytes(), 0..3),
        ) {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append("x-forwarded-for", HeaderValue::from_bytes(line).unwrap());
            }
            let trusted: Vec<IpNet> = ["10.0.0.0/8".parse().unwrap()].into();
            prop_assume!(!trusted[0].contains(&peer));
            prop_assert_eq!(client_ip(&headers, SocketAddr::new(peer, 1), &trusted), peer);
        }

        /// Appends the client's address as a proxy does: to the last line, or in a line of its own.
        #[test]
        fn any_forwarded_header_yields_the_proxy_seen_address(
            client in address(), lines in prop::collection::vec(arbitrary::header_bytes(), 0..3), own_line: bool,
            shape in prop::sample::select(&["IP", "[IP]", "IP:PORT"][..]), inner in prop::option::of(Just("10.9.9.9")),
        ) {
            let trusted: Vec<IpNet> = ["10.0.0.0/8".parse().unwrap()].into();
            prop_assume!(!trusted[0].contains(&client));
            let seen = match shape {
                "IP" => client.to_string(),
                "[IP]" => format!("[{client}]"),
                _ => SocketAddr::new(client, 443).to_string(),
            };
            let seen = inner.into_iter().fold(seen, |seen, proxy| format!("{seen}, {proxy}"));
            let mut lines = lines;
            match lines.last_mut() {
                Some(last) if !own_line => last.extend(format!(", {seen}").bytes()),
                _ => lines.push(seen.into_bytes()),
            }
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append("x-forwarded-for", HeaderValue::from_bytes(line).unwrap());
            }
            let peer = SocketAddr::from(([10, 0, 0, 2], 5));
            prop_assert_eq!(client_ip(&headers, peer, &trusted), client);
        }

        #[test]
        fn network_of_a_network_is_itself(ip in address()) {
            prop_assert_eq!(network_of(network_of(ip)), network_of(ip));
        }
    }
}
