//! Authentication: accepted callers, calls upstream, and refusals.

mod administrators;
mod app_tokens;
mod credentials;
mod partial;
mod proof_limit;
mod secrets;

use azure_devops_fake::{FakeAzure, Fault};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::app_token::{self, app_token};
use crate::support::{Reply, Request, TestApp, eventually};

/// A protected route that asks Azure DevOps for nothing itself.
const PATH: &str = "/api/v1/projetos";
const ABSENT: &str = "Token de autenticação não fornecido";
const REFUSED: &str = "Token inválido ou expirado. Detalhes: ";

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

async fn with_header(app: &TestApp, authorization: &str) -> Reply {
    app.send(Request::get(PATH).header("authorization", authorization))
        .await
}

#[tokio::test]
async fn without_credentials_the_answer_is_401_before_any_validation() {
    let azure = FakeAzure::contoso().await;
    let app = TestApp::over(&azure, []).await;
    let reply = app.get("/api/v1/atividades?limit=0").await;
    let problem = reply.problem(401);
    assert_eq!(problem["detail"], ABSENT);
    assert_eq!(problem["code"], "nao_autenticado");
    let challenges: Vec<&str> = reply
        .headers
        .get_all("www-authenticate")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    assert_eq!(
        challenges,
        ["Bearer", "Basic realm=\"API Aponta\", charset=\"UTF-8\""]
    );
    // A browser would ask for a password and attach it to requests of other sites.
    for (name, value) in [
        ("origin", "https://dev.azure.com"),
        ("sec-fetch-site", "same-origin"),
    ] {
        let request = Request::get("/api/v1/atividades").header(name, value);
        let of_page = app.send(request).await;
        assert_eq!(
            of_page.headers.get_all("www-authenticate").iter().count(),
            1,
            "{name}"
        );
    }
    for absent in ["Bearer", "Bearer  ", "Digest x", ""] {
        assert_eq!(
            with_header(&app, absent).await.problem(401)["detail"],
            ABSENT,
            "{absent}"
        );
    }
    assert_eq!(azure.seen().len(), 0);
}

/// D-04: a PAT gets in as Bearer and as the password of Basic, an access token as Bearer; each in the form in
/// which Azure DevOps takes it, guessed by its shape.
#[tokio::test]
async fn d_04_pats_and_access_tokens_get_in_in_every_documented_form() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let app = TestApp::over(&azure, []).await;
    // The header, and how many questions upstream it costs: the first guess is right.
    let cases = [
        (format!("Bearer {}", azure.pat(&ada)), 1),
        (format!("bearer {}", azure.pat(&ada)), 1),
        (basic("", &azure.pat(&ada)), 1),
        (basic("ada", &azure.pat(&ada)), 1),
        (format!("Bearer {}", azure.access_token(&ada)), 1),
    ];
    for (header, calls) in cases {
        azure.forget_requests();
        with_header(&app, &header).await.expect(200);
        assert_eq!(azure.seen().len(), calls, "{header}");
        let seen = &azure.seen()[0];
        assert_eq!(seen.path, "/contoso/_apis/connectionData");
        assert!(seen.query.contains("api-version=7.1-preview.1"), "{}", seen.query);
        assert!(seen.suppress, "the redirect to the sign-in page is suppressed");
        assert!(seen.user_agent.starts_with("aponta/"));
        with_header(&app, &header).await.expect(200);
        assert_eq!(azure.seen().len(), calls, "remembered");
    }
}

/// The table of what a bad credential looks like: status, sentence and upstream calls of each.
#[tokio::test]
async fn bad_credentials_are_401_for_every_upstream_status() {
    let azure = FakeAzure::contoso().await;
    let app = TestApp::over(&azure, []).await;
    let cases: [(Fault, &str); 6] = [
        (Fault::Redirect, "Token OAuth inválido ou expirado (redirect 302)"),
        (Fault::SignIn, "Status 203"),
        (Fault::Unauthorized, "Status 401"),
        (Fault::ExpiredPat, "Status 401"),
        (Fault::MissingScope, "Status 401"),
        (Fault::Status(403, None), "Status 403"),
    ];
    for (number, (fault, reason)) in cases.into_iter().enumerate() {
        azure.forget_requests();
        let token = format!("pat-{number}");
        azure.answer_token(&token, fault.clone());
        let reply = app.get_as(&token, PATH).await;
        assert_eq!(
            reply.problem(401)["detail"],
            format!("{REFUSED}{reason}"),
            "{fault:?}"
        );
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        assert_eq!(
            azure.count("connection_data"),
            2,
            "{fault:?}: as PAT, then as Bearer"
        );
        app.get_as(&token, PATH).await.problem(401);
        assert_eq!(
            azure.count("connection_data"),
            2,
            "{fault:?}: the refusal is remembered"
        );
    }
    // An HTML page under 200 is a sign-in page too; a PAT in Basic has one form only.
    azure.forget_requests();
    azure.answer_token("page", Fault::Html);
    with_header(&app, &basic("", "page")).await.problem(401);
    assert_eq!(azure.count("connection_data"), 1);
    let malformed = ["Basic ???", "Basic cGF0", "Bearer a b", "Bearer ção"];
    for header in malformed {
        let detail = with_header(&app, header).await.problem(401)["detail"].clone();
        assert_eq!(detail, format!("{REFUSED}credencial malformada"), "{header}");
    }
    let long = format!("Bearer {}", "x".repeat(9_000));
    with_header(&app, &long).await.problem(401);
    assert_eq!(
        azure.seen().len(),
        1,
        "what cannot be a token is not sent anywhere"
    );
}

/// Faults of the proof of a caller: the status and code of the answer, and its `Retry-After`.
const TROUBLE: [(Fault, u16, &str, &str); 16] = [
    (
        Fault::Status(429, Some("7")),
        503,
        "azure_devops_indisponivel",
        "7",
    ),
    // A throttled identity may be turned away as if unknown.
    (
        Fault::Status(401, Some("9")),
        503,
        "azure_devops_indisponivel",
        "9",
    ),
    (
        Fault::Status(503, Some("5")),
        503,
        "azure_devops_indisponivel",
        "5",
    ),
    (Fault::Status(503, None), 503, "azure_devops_indisponivel", ""),
    (
        Fault::Status(500, None),
        502,
        "azure_devops_resposta_invalida",
        "",
    ),
    (
        Fault::Status(404, None),
        502,
        "azure_devops_resposta_invalida",
        "",
    ),
    (
        Fault::Status(400, None),
        502,
        "azure_devops_resposta_invalida",
        "",
    ),
    (Fault::HalfJson, 502, "azure_devops_resposta_invalida", ""),
    (Fault::WrongShape, 502, "azure_devops_resposta_invalida", ""),
    (Fault::WrongContentType, 502, "azure_devops_resposta_invalida", ""),
    (Fault::NoContent, 502, "azure_devops_resposta_invalida", ""),
    (Fault::Huge(10 << 20), 502, "azure_devops_resposta_invalida", ""),
    (Fault::Reset, 503, "azure_devops_indisponivel", ""),
    (Fault::CutOff, 503, "azure_devops_indisponivel", ""),
    (Fault::Hang, 504, "azure_devops_tempo_esgotado", ""),
    (Fault::Trickle, 504, "azure_devops_tempo_esgotado", ""),
];

/// Answers that say nothing about the token: never 401, never let in.
#[tokio::test]
async fn d_15_upstream_outage_is_not_401() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    for (fault, status, code, retry_after) in TROUBLE {
        // Only a request that is kept waiting may run out of time, however busy the machine is.
        let timeout = if status == 504 { "800" } else { "20000" };
        let app = TestApp::over(&azure, [("AZURE_DEVOPS_TIMEOUT_MS", timeout)]).await;
        let token = azure.pat(&ada);
        azure.answer_token(&token, fault.clone());
        let reply = app.get_as(&token, PATH).await;
        assert_eq!(reply.problem(status)["code"], code, "{fault:?}");
        assert_eq!(reply.header("retry-after"), retry_after, "{fault:?}");
        assert_eq!(reply.header("www-authenticate"), "", "{fault:?}");
        azure.heal();
        // Nothing of it sticks, but for the wait that was asked for.
        if retry_after.is_empty() {
            eventually("the same token gets in", async || {
                app.get_as(&token, PATH).await.status == 200
            })
            .await;
        }
    }
}

/// A slow organisation is waited for once and for a moment; what it says in the end counts.
#[tokio::test]
async fn slow_organisation_delays_no_caller_and_is_cached() {
    let azure = FakeAzure::contoso().await;
    azure.organization("fabrikam");
    let ada = azure.person("Ada Example", &["contoso", "fabrikam"]);
    let token = azure.pat(&ada);
    let variables = [
        ("AZURE_DEVOPS_ORG_PATS", "fabrikam=x"),
        ("AZURE_DEVOPS_TIMEOUT_MS", "20000"),
    ];
    let app = TestApp::over(&azure, variables).await;
    let release = azure.hold("fabrikam");
    app.get_as(&token, PATH).await.expect(200);
    let live = "/api/v1/integracao/projetos?organization_name=fabrikam";
    app.get_as(&token, live).await.problem(504);
    assert_eq!(
        azure.seen().iter().filter(|seen| seen.org == "fabrikam").count(),
        1
    );
    drop(release);
    eventually("the membership is known", async || {
        app.get_as(&token, live).await.status == 200
    })
    .await;
}

/// What cannot be told is neither a no nor another organisation.
#[tokio::test]
async fn undecided_organisation_is_an_outage_not_a_refusal() {
    let azure = FakeAzure::contoso().await;
    azure.organization("fabrikam");
    azure.projects("fabrikam", 1);
    let ada = azure.person("Ada Example", &["contoso", "fabrikam"]);
    let token = azure.pat(&ada);
    let app = TestApp::over(&azure, [("AZURE_DEVOPS_ORG_PATS", "fabrikam=x")]).await;
    azure.fault("contoso", "*", Fault::Status(503, None));
    let live = "/api/v1/integracao/projetos";
    app.get_as(&token, &format!("{live}?organization_name=contoso"))
        .await
        .problem(503);
    app.get_as(&token, live).await.problem(503);
    let listed = app
        .get_as(&token, &format!("{live}?organization_name=fabrikam"))
        .await
        .expect(200);
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

/// The first request may be cancelled: the question is asked once all the same.
#[tokio::test]
async fn cancelled_request_leaves_the_proof_running() {
    let azure = FakeAzure::contoso().await;
    let token = azure.pat(&azure.person("Ada Example", &["contoso"]));
    let app = TestApp::over(&azure, [("AZURE_DEVOPS_TIMEOUT_MS", "20000")]).await;
    let release = azure.hold("contoso");
    for _ in 0..3 {
        tokio::select! {
            _ = app.get_as(&token, PATH) => panic!("nobody answers yet"),
            () = eventually("it was asked", async || azure.seen().len() == 1) => {}
        }
    }
    drop(release);
    app.get_as(&token, PATH).await.expect(200);
    assert_eq!(azure.seen().len(), 1);
}

/// D-15: one question for any number of simultaneous requests, none while the answer is fresh, and again
/// afterwards.
#[tokio::test]
async fn d_15_fifty_simultaneous_first_requests_cause_one_validation() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let app = TestApp::over(&azure, [("AUTH_CACHE_TTL", "1")]).await;
    let token = azure.pat(&ada);
    let replies = join_all((0..50).map(|_| app.get_as(&token, "/api/v1/atividades?limit=1"))).await;
    for reply in replies {
        reply.expect(200);
    }
    assert_eq!(azure.seen().len(), 1);
    eventually("the proof expires and is asked for again", async || {
        app.get_as(&token, PATH).await.expect(200);
        azure.seen().len() == 2
    })
    .await;
    azure.revoke(&token);
    eventually("a revoked token is refused", async || {
        app.get_as(&token, PATH).await.status == 401
    })
    .await;
}

/// D-06: the anonymous identity, with which public organisations answer, proves no identity; nor does a
/// stranger.
#[tokio::test]
async fn d_06_only_members_of_the_organisation_get_in() {
    let azure = FakeAzure::contoso().await;
    azure.organization("fabrikam");
    azure.make_public("contoso");
    let stranger = azure.person("Stranger", &["fabrikam"]);
    let app = TestApp::over(&azure, []).await;
    let reply = app.get_as("made-up", PATH).await;
    assert_eq!(
        reply.problem(401)["detail"],
        format!("{REFUSED}identidade anônima")
    );
    app.get_as(&azure.pat(&stranger), PATH).await.problem(401);
    app.get_as(&azure.access_token(&stranger), PATH)
        .await
        .problem(401);
}

#[tokio::test]
async fn outage_of_one_organisation_spares_others() {
    let azure = FakeAzure::contoso().await;
    azure.organization("fabrikam");
    let ada = azure.person("Ada Example", &["contoso"]);
    let bob = azure.person("Bob", &["fabrikam"]);
    let variables = [("AZURE_DEVOPS_ORG_PATS", "fabrikam=x")];
    let app = TestApp::over(&azure, variables).await;
    app.get_as(&azure.pat(&bob), PATH).await.expect(200);
    azure.fault("fabrikam", "*", Fault::Status(503, None));
    app.get_as(&azure.pat(&ada), PATH).await.expect(200);
    // Whether a stranger to contoso belongs to fabrikam cannot be told.
    app.get_as(&azure.pat(&bob), PATH).await.problem(503);
}

/// A wrong name in the vault, or an organisation that was deleted: it has no members.
#[tokio::test]
async fn missing_organisation_is_ignored() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let app = TestApp::over(&azure, [("AZURE_DEVOPS_ORG_PATS", "ghost=x")]).await;
    app.get_as("made-up", PATH).await.problem(401);
    let token = azure.pat(&ada);
    app.get_as(&token, PATH).await.expect(200);
    let unknown = format!("/api/v1/atividades/{}", uuid::Uuid::new_v4());
    app.get_as(&token, &unknown).await.problem(404);
    let live = "/api/v1/integracao/projetos?organization_name=ghost";
    app.get_as(&token, live).await.problem(403);
}

/// D-05: the caller is the actor; what is remembered of one caller never serves another. (The timesheet,
/// where the defect was seen, reads this identity.)
#[tokio::test]
async fn d_05_every_caller_acts_as_themselves() {
    let azure = FakeAzure::contoso().await;
    let service = azure.pat(&azure.person("Service", &["contoso"]));
    let variables = app_token::VARIABLES
        .into_iter()
        .chain([("AZURE_DEVOPS_PAT", service.as_str())]);
    let app = TestApp::over(&azure, variables).await;
    let projeto = crate::support::data::projeto(&app.pool, "P").await;
    let mut callers = Vec::new();
    for nome in ["Ada", "Bob", "Eve"] {
        let person = azure.person(nome, &["contoso"]);
        let tokens = [
            azure.pat(&person),
            azure.access_token(&person),
            app_token(person.id),
        ];
        callers.extend(tokens.map(|token| (token, person.clone())));
    }
    // Twice: first proved, then remembered; all of them at once.
    for _ in 0..2 {
        let requests = callers.iter().map(async |(token, person)| {
            let shown = app.get_as(token, "/api/v1/user").await.expect(200);
            assert_eq!(shown["id"], json!(person.id));
            let body = json!({"nome": "a", "id_projeto": projeto});
            let create = Request::post("/api/v1/atividades").bearer(token).json(&body);
            assert_eq!(
                app.send(create).await.expect(201)["criado_por"],
                json!(person.email)
            );
        });
        join_all(requests).await;
    }
}

/// D-09: what callers name never leads a request elsewhere.
#[tokio::test]
async fn d_09_organisation_names_are_checked_before_use() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let app = TestApp::over(&azure, []).await;
    let token = azure.pat(&ada);
    app.get_as(&token, PATH).await.expect(200);
    azure.forget_requests();
    for name in [
        "..",
        "X%2F..%2Fz",
        "contoso%2F_apis",
        "a%00b",
        "@evil.example",
        "contoso%3Fx",
    ] {
        let path = format!("/api/v1/integracao/projetos?organization_name={name}");
        assert_eq!(
            app.get_as(&token, &path).await.failures(),
            ["query.organization_name value_error"],
            "{name}"
        );
    }
    assert_eq!(azure.seen().len(), 0);
}

/// Were another part to look at the last one, a caller could be limited as one person and served as another.
#[tokio::test]
async fn of_two_credentials_the_first_counts() {
    let azure = FakeAzure::contoso().await;
    let app = TestApp::over(&azure, []).await;
    let (ada, bea) = (
        azure.person("Ada", &["contoso"]),
        azure.person("Bea", &["contoso"]),
    );
    let (ada_pat, bea_pat) = (azure.pat(&ada), azure.pat(&bea));
    let ask = async |first: &str, second: &str| {
        let request = Request::get("/api/v1/user").bearer(first).bearer(second);
        app.send(request).await
    };
    assert_eq!(ask(&ada_pat, &bea_pat).await.expect(200)["id"], json!(ada.id));
    assert_eq!(ask(&bea_pat, &ada_pat).await.expect(200)["id"], json!(bea.id));
    ask("nobody", &ada_pat).await.problem(401);
}

#[tokio::test]
async fn mock_user_signs_what_it_creates() {
    let app = TestApp::new().await;
    let projeto = crate::support::data::projeto(&app.pool, "P").await;
    let body = json!({"nome": "a", "id_projeto": projeto});
    assert_eq!(
        app.post("/api/v1/atividades", body).await.expect(201)["criado_por"],
        "dev@localhost"
    );
}
