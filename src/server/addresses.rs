//! Limits the connections per address, so that one client cannot occupy all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::edge::client_ip::network_of;
use crate::telemetry::metrics;

/// Interval between two log lines about refused connections.
const LOG_PAUSE: Duration = Duration::from_mins(1);

/// Number of connections by address.
#[derive(Debug)]
pub(super) struct Addresses {
    most: usize,
    /// Networks of proxies, whose connections are not counted, because a proxy connects for all its clients.
    exempt: Box<[IpNet]>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    open: HashMap<IpAddr, usize>,
    refused: Refused,
}

/// Log state of refused connections.
#[derive(Debug, Default)]
struct Refused {
    logged: Option<Instant>,
    /// Number of refusals since the last log line.
    left_out: u64,
}

/// Permit of a connection of its address; released when dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot(Option<Counted>);

#[derive(Debug)]
struct Counted {
    addresses: Arc<Addresses>,
    network: IpAddr,
}

impl Addresses {
    /// Allows `most` connections per address, except for `exempt` networks.
    pub(super) fn new(most: usize, exempt: &[IpNet]) -> Arc<Self> {
        Arc::new(Self {
            most,
            exempt: exempt.into(),
            counts: Mutex::default(),
        })
    }

    /// Takes a slot for a connection from this address; `None`, counted and logged, if none is left.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<ConnectionSlot> {
        let peer = peer.to_canonical();
        if self.exempt.iter().any(|net| net.contains(&peer)) {
            return Some(ConnectionSlot(None));
        }
        let network = network_of(peer);
        if self.try_take(network) {
            let addresses = Arc::clone(self);
            return Some(ConnectionSlot(Some(Counted { addresses, network })));
        }
        metrics::connection_refused();
        if let Some(left_out) = self.counts().refused.line_at(Instant::now()) {
            tracing::warn!(
                address = %network,
                most = self.most,
                left_out,
                "connection refused: connection limit of the address reached"
            );
        }
        None
    }

    fn try_take(&self, network: IpAddr) -> bool {
        let mut counts = self.counts();
        let open = counts.open.entry(network).or_default();
        let free = *open < self.most;
        *open += usize::from(free);
        free
    }

    fn give_back(&self, network: IpAddr) {
        let mut counts = self.counts();
        let Some(open) = counts.open.get_mut(&network) else {
            return;
        };
        *open -= 1;
        // Removes addresses without connections; otherwise the map would grow with every client.
        if *open == 0 {
            counts.open.remove(&network);
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        if let Some(Counted { addresses, network }) = &self.0 {
            addresses.give_back(*network);
        }
    }
}

impl Refused {
    /// Records a refusal. Returns the number of unlogged refusals before it if it is to be logged, else
    /// `None`.
    fn line_at(&mut self, now: Instant) -> Option<u64> {
        let quiet = |logged| now.saturating_duration_since(logged) < LOG_PAUSE;
        if self.logged.is_some_and(quiet) {
            self.left_out += 1;
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn address_at_its_bound_gets_no_slot_until_one_is_freed() {
        let addresses = Addresses::new(2, &[]);
        let first = addresses.admit(ip("192.0.2.1")).unwrap();
        let _second = addresses.admit(ip("192.0.2.1")).unwrap();
        assert!(addresses.admit(ip("192.0.2.1")).is_none());
        let _other = addresses.admit(ip("192.0.2.2")).unwrap();
        drop(first);
        assert!(addresses.admit(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn ipv6_addresses_of_one_64_share_a_bound() {
        let addresses = Addresses::new(1, &[]);
        let _held = addresses.admit(ip("2001:db8:1:2::1")).unwrap();
        assert!(addresses.admit(ip("2001:db8:1:2:ffff::9")).is_none());
        assert!(addresses.admit(ip("2001:db8:1:3::1")).is_some());
    }

    #[test]
    fn mapped_ipv4_address_counts_as_ipv4() {
        let addresses = Addresses::new(1, &["10.0.0.0/8".parse().unwrap()]);
        let _held = addresses.admit(ip("::ffff:192.0.2.1")).unwrap();
        assert!(addresses.admit(ip("192.0.2.1")).is_none());
        assert!(addresses.admit(ip("::ffff:192.0.2.2")).is_some());
        let _proxies = [(); 3].map(|()| addresses.admit(ip("::ffff:10.1.2.3")).unwrap());
    }

    #[test]
    fn trusted_proxies_have_no_bound() {
        let addresses = Addresses::new(1, &["10.0.0.0/8".parse().unwrap()]);
        let _proxies = [(); 3].map(|()| addresses.admit(ip("10.1.2.3")).unwrap());
        let _held = addresses.admit(ip("11.1.2.3")).unwrap();
        assert!(addresses.admit(ip("11.1.2.3")).is_none());
    }

    #[test]
    fn closed_connections_leave_nothing_in_the_map() {
        let addresses = Addresses::new(1, &[]);
        for last in 0..100 {
            let client = IpAddr::from([192, 0, 2, last]);
            let held = addresses.admit(client);
            assert!(addresses.admit(client).is_none());
            drop(held);
        }
        assert!(addresses.counts().open.is_empty());
    }

    #[test]
    fn refusals_are_logged_once_a_minute_with_a_count() {
        let mut refused = Refused::default();
        let start = Instant::now();
        assert_eq!(refused.line_at(start), Some(0));
        for seconds in 1..60 {
            assert_eq!(refused.line_at(start + Duration::from_secs(seconds)), None);
        }
        assert_eq!(refused.line_at(start + LOG_PAUSE), Some(59));
        assert_eq!(refused.line_at(start + LOG_PAUSE), None);
    }
}
