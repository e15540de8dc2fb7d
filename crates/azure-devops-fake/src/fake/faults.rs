//! Faults, delays and held responses of the fake.

use std::time::Duration;

use tokio::sync::watch;

use super::FakeAzure;
use crate::fault::Fault;

/// Holds responses back until it is dropped.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "its end is the signal")] watch::Sender<()>);

impl FakeAzure {
    /// Adds a fault to all requests of an operation (`*`: all operations) of an organisation.
    pub fn fault(&self, org: &str, operation: &str, fault: Fault) {
        self.fault_times(org, operation, fault, usize::MAX);
    }

    /// Adds a fault to the next `times` requests of an operation.
    pub fn fault_times(&self, org: &str, operation: &str, fault: Fault, times: usize) {
        let operation = operation.to_owned();
        self.with_org(org, |org| org.faults.insert(operation, (fault, times)));
    }

    /// Returns the number of requests of an operation that its fault still affects.
    #[must_use]
    pub fn faults_left(&self, org: &str, operation: &str) -> usize {
        self.with_org(org, |org| {
            org.faults.get(operation).map_or(0, |(_, times)| *times)
        })
    }

    /// Adds a fault to all requests with a token.
    pub fn answer_token(&self, token: &str, fault: Fault) {
        self.answer_token_at(token, "*", fault);
    }

    /// Adds a fault to all requests with a token for an operation.
    pub fn answer_token_at(&self, token: &str, operation: &str, fault: Fault) {
        let key = (token.to_owned(), operation.to_owned());
        self.shared.world().token_faults.insert(key, fault);
    }

    /// Delays the responses to requests with a token; the requests are executed immediately. Azure DevOps
    /// delays an identity that sends too many requests.
    pub fn delay_token(&self, token: &str, delay: Duration) {
        self.shared.world().token_delays.insert(token.to_owned(), delay);
    }

    /// Holds all responses of an organisation back until the returned value is dropped.
    #[must_use]
    pub fn hold(&self, org: &str) -> Hold {
        self.hold_operation(org, "*")
    }

    /// Holds the responses of one operation back until the returned value is dropped. Requests are executed
    /// immediately.
    #[must_use]
    pub fn hold_operation(&self, org: &str, operation: &str) -> Hold {
        let (sender, held) = watch::channel(());
        self.with_org(org, |org| org.held.insert(operation.to_owned(), held));
        Hold(sender)
    }

    /// Removes all faults and delays.
    pub fn heal(&self) {
        let mut world = self.shared.world();
        world.token_faults.clear();
        world.token_delays.clear();
        world.orgs.values_mut().for_each(|org| org.faults.clear());
    }
}
