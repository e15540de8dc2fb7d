//! Tests of a negotiation with many callers, failures and expiry.

use std::sync::atomic::AtomicUsize;

use futures_util::future::join_all;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn organisations_of_one_address_share_their_host() {
    let hosts = Hosts::default();
    let contoso = hosts.of(&url("https://dev.azure.com/contoso"));
    assert!(Arc::ptr_eq(
        &contoso,
        &hosts.of(&url("https://dev.azure.com/fabrikam"))
    ));
    for other in [
        "https://vssps.dev.azure.com/contoso",
        "https://dev.azure.com/tfs/contoso",
    ] {
        assert!(!Arc::ptr_eq(&contoso, &hosts.of(&url(other))), "{other}");
    }
    assert_eq!(contoso.server(), "dev.azure.com");
}

#[tokio::test]
async fn negotiate_of_many_callers_asks_once() {
    let host = HostVersions::new("tfs");
    let calls = AtomicUsize::new(0);
    let ask = || async {
        calls.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        Negotiated::Versions(Arc::new(Versions::assumed()))
    };
    join_all((0..50).map(|_| host.negotiate(false, ask()))).await;
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert!(host.current().is_some());
    host.negotiate(false, ask()).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2, "a flight ends with its answer");
}

#[tokio::test]
async fn negotiate_survives_a_cancelled_caller() {
    let host = HostVersions::new("tfs");
    let gone = host.negotiate(false, std::future::pending());
    assert!(
        tokio::time::timeout(Duration::from_millis(5), gone)
            .await
            .is_err()
    );
    host.negotiate(false, async { Negotiated::Failed("timeout") })
        .await;
    assert!(host.current().is_some());
}

#[tokio::test]
async fn negotiate_unsigned_refusal_decides_nothing() {
    let host = HostVersions::new("tfs");
    host.negotiate(false, async { Negotiated::Refused }).await;
    assert!(host.wants_credential() && host.current().is_none());
    host.negotiate(true, async { Negotiated::NotSent }).await;
    assert!(host.current().is_none());
    host.negotiate(true, async { Negotiated::Refused }).await;
    assert_eq!(host.current().unwrap().server(), None);
}

#[tokio::test]
async fn failed_refresh_keeps_the_versions_and_waits_a_minute() {
    let host = HostVersions::new("tfs");
    let versions = Arc::new(Versions::assumed());
    *host.write() = Some(CachedVersions::new(Arc::clone(&versions), Duration::ZERO));
    assert!(host.take_refresh());
    assert!(!host.take_refresh(), "one call refreshes");
    host.negotiate(false, async { Negotiated::Failed("timeout") })
        .await;
    assert!(Arc::ptr_eq(&versions, &host.current().unwrap()));
    assert!(!host.take_refresh(), "it waits");
}

#[tokio::test]
async fn refresh_that_was_not_sent_ends_all_the_same() {
    let host = HostVersions::new("tfs");
    *host.write() = Some(CachedVersions::new(Arc::new(Versions::assumed()), Duration::ZERO));
    assert!(host.take_refresh());
    host.negotiate(false, async { Negotiated::NotSent }).await;
    host.end_refresh();
    assert!(!host.take_refresh());
    let known = host.read().unwrap();
    assert!(!known.refreshing.load(Ordering::Relaxed));
    assert!(known.until > Instant::now() + RETRY / 2);
}

#[test]
fn forget_keeps_newer_versions() {
    let host = HostVersions::new("tfs");
    let (old, new) = (Arc::new(Versions::assumed()), Arc::new(Versions::assumed()));
    host.set(&new);
    host.forget(&old);
    assert!(host.current().is_some());
    host.forget(&new);
    assert!(host.current().is_none());
}
