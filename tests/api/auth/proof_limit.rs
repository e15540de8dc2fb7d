//! Unknown tokens take time from their senders alone.

use std::time::{Duration, Instant};

use azure_devops_fake::{FakeAzure, Fault};
use futures_util::future::join_all;

use crate::support::{Request, TestApp, eventually};

const USER: &str = "/api/v1/user";

async fn contoso(variables: &[(&str, &str)]) -> (FakeAzure, TestApp, String) {
    let azure = FakeAzure::contoso().await;
    let app = TestApp::over(&azure, variables.iter().copied()).await;
    let member = azure.pat(&azure.person("Ada Example", &["contoso"]));
    (azure, app, member)
}

#[tokio::test]
async fn tokens_that_fail_upstream_open_no_breaker() {
    let (azure, app, member) = contoso(&[("AZURE_DEVOPS_BREAKER_OPEN_MS", "60000")]).await;
    for n in 0..10 {
        let token = format!("made-up-{n}");
        azure.answer_token(&token, Fault::Status(503, None));
        app.get_as(&token, USER).await.problem(503);
    }
    app.get_as(&member, USER).await.expect(200);
    app.get_as(&member, "/api/v1/integracao/projetos")
        .await
        .expect(200);
}

#[tokio::test]
async fn known_member_does_not_wait_behind_hanging_tokens() {
    let variables = [("AUTH_CACHE_TTL", "1"), ("AZURE_DEVOPS_TIMEOUT_MS", "20000")];
    let (azure, app, member) = contoso(&variables).await;
    app.get_as(&member, USER).await.expect(200);
    let tokens: Vec<String> = (0..40).map(|n| format!("made-up-{n}")).collect();
    for token in &tokens {
        azure.answer_token(token, Fault::Hang);
    }
    // Each from an address of its own, because one address has only two turns.
    let strangers = join_all(tokens.iter().enumerate().map(|(n, token)| {
        let address = format!("203.0.113.{n}:1");
        app.send(Request::get(USER).from(&address).bearer(token))
    }));
    let proofs = || {
        azure
            .seen()
            .iter()
            .filter(|seen| seen.authorization.is_some())
            .count()
    };
    let member = async {
        eventually("all turns of strangers are taken", async || azure.busy() >= 4).await;
        let before = proofs();
        let began = Instant::now();
        // The proof ends meanwhile, and is renewed, again and again.
        while began.elapsed() < Duration::from_secs(3) || proofs() < before + 2 {
            let asked = Instant::now();
            app.get_as(&member, USER).await.expect(200);
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = strangers => panic!("the strangers should hang"),
        () = member => {}
    }
}

#[tokio::test]
async fn revoked_token_stops_within_the_ttl() {
    let (azure, app, member) = contoso(&[("AUTH_CACHE_TTL", "2")]).await;
    app.get_as(&member, USER).await.expect(200);
    azure.revoke(&member);
    let revoked = Instant::now();
    eventually("the token is refused", async || {
        app.get_as(&member, USER).await.status == 401
    })
    .await;
    assert!(
        revoked.elapsed() < Duration::from_secs(4),
        "{:?}",
        revoked.elapsed()
    );
}

#[tokio::test]
async fn address_with_too_many_unknown_tokens_gets_429() {
    let (azure, app, member) = contoso(&[("AUTH_PROOFS_PER_SECOND", "1")]).await;
    let from = |token: &str, peer: &str| app.send(Request::get(USER).bearer(token).from(peer));
    let known = azure.pat(&azure.person("Bia", &["contoso"]));
    from(&known, "203.0.113.9:1").await.expect(200);
    azure.forget_requests();
    let mut statuses = Vec::new();
    for n in 0..20 {
        statuses.push(
            from(&format!("made-up-{n}"), "203.0.113.9:1")
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(statuses[..3], [401, 401, 401]);
    assert!(statuses.contains(&429), "{statuses:?}");
    let refused = from("one-more", "203.0.113.9:1").await;
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(refused.problem(429)["code"], "muitas_requisicoes");
    // A token that is known, and another address, are served.
    from(&known, "203.0.113.9:2").await.expect(200);
    from(&member, "203.0.113.10:1").await.expect(200);
}

#[tokio::test]
async fn hanging_tokens_leave_permits_to_other_addresses() {
    let (azure, app, _) = contoso(&[("AZURE_DEVOPS_TIMEOUT_MS", "4000")]).await;
    let tokens: Vec<String> = (0..8).map(|n| format!("hangs-{n}")).collect();
    let hanging = join_all(tokens.iter().map(|token| {
        azure.answer_token(token, Fault::Hang);
        app.send(Request::get(USER).from("203.0.113.1:1").bearer(token))
    }));
    let newcomer = async {
        eventually("two tokens are asked about", async || {
            azure.count("connection_data") >= 2
        })
        .await;
        let newcomer = azure.pat(&azure.person("Newcomer", &["contoso"]));
        let request = Request::get(USER).from("198.51.100.7:1").bearer(&newcomer);
        app.send(request).await.expect(200);
    };
    let (answers, ()) = tokio::join!(hanging, newcomer);
    // The tokens beyond the two waited for a turn, and were told to come back.
    let refused = answers.iter().filter(|reply| reply.status == 429).count();
    assert_eq!(refused, 6);
}
