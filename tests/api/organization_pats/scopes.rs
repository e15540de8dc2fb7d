//! Which scopes a PAT has, as `validate` tells it, and what their lack means elsewhere.

use azure_devops_fake::{Fault, NewWorkItem};
use serde_json::{Value, json};

use super::{PATH, create, send};
use crate::support::app_token::{self, app_token};
use crate::support::{Request, Tenants};

const PROJECTS: &str = "Project and Team (Read)";
const IDENTITY: &str = "Identity (Read)";
const READ: &str = "Work Items (Read)";
const WRITE: &str = "Work Items (Read & Write)";
const GRAPH: &str = "Graph (Read)";

/// `contoso` with a work item to try things on.
async fn with_a_work_item() -> Tenants {
    let tenants = Tenants::new().await;
    tenants.azure.work_item("contoso", NewWorkItem::task("P000"));
    tenants.azure.forget_requests();
    tenants
}

async fn validate(tenants: &Tenants) -> Value {
    let body = json!({"organization_name": "contoso", "pat": tenants.service_pat});
    let request = Request::post(&format!("{PATH}/validate")).json(&body);
    send(tenants, request).await.expect(200)
}

/// `estado` of each scope, in their order.
fn states(validation: &Value) -> Vec<(String, String)> {
    let scopes = validation["scopes"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    scopes
        .iter()
        .map(|scope| (text(&scope["scope"]), text(&scope["estado"])))
        .collect()
}

/// All `ok` but these.
fn all_but(others: &[(&str, &str)]) -> Vec<(String, String)> {
    let state = |scope: &str| {
        others
            .iter()
            .find(|(name, _)| *name == scope)
            .map_or("ok", |(_, state)| state)
    };
    [PROJECTS, IDENTITY, READ, WRITE, GRAPH]
        .map(|scope| (scope.to_owned(), state(scope).to_owned()))
        .to_vec()
}

#[tokio::test]
async fn validate_tries_each_scope_and_changes_nothing() {
    let tenants = with_a_work_item().await;
    let validation = validate(&tenants).await;
    assert_eq!(states(&validation), all_but(&[]));
    assert_eq!(validation["scopes_ausentes"], json!([]));
    assert_eq!(
        validation["scopes"][1],
        json!({
            "scope": IDENTITY, "estado": "ok", "usado_para": "reconhecer quem entra pela extensão", "opcional": false
        })
    );
    let counts = [
        "list_projects",
        "list_teams",
        "read_identity",
        "read_avatar",
        "query_work_items",
    ]
    .map(|operation| tenants.azure.count(operation));
    assert_eq!(counts, [1; 5]);
    let writes = ["validate_work_item", "update_work_item"].map(|operation| tenants.azure.count(operation));
    assert_eq!(writes, [1, 0], "the write is checked and not made");
}

#[tokio::test]
async fn validate_names_each_missing_scope() {
    let tenants = with_a_work_item().await;
    let table: [(&str, &[(&str, &str)]); 5] = [
        ("list_teams", &[(PROJECTS, "ausente")]),
        ("read_identity", &[(IDENTITY, "ausente")]),
        ("query_work_items", &[(READ, "ausente"), (WRITE, "ausente")]),
        ("validate_work_item", &[(WRITE, "ausente")]),
        ("read_avatar", &[(GRAPH, "ausente")]),
    ];
    for (operation, expected) in table {
        for fault in [Fault::MissingScope, Fault::Status(403, None)] {
            tenants.azure.fault("contoso", operation, fault);
            let validation = validate(&tenants).await;
            tenants.azure.heal();
            assert_eq!(validation["valid"], true, "{operation}");
            assert_eq!(states(&validation), all_but(expected), "{operation}");
            // Pictures are an extra.
            let missing: Vec<&str> = expected
                .iter()
                .map(|(scope, _)| *scope)
                .filter(|s| *s != GRAPH)
                .collect();
            assert_eq!(validation["scopes_ausentes"], json!(missing), "{operation}");
            let message = validation["message"].as_str().unwrap();
            assert_eq!(
                message.contains("Escopos ausentes"),
                !missing.is_empty(),
                "{message}"
            );
            assert!(message.contains(&missing.join(", ")), "{message}");
        }
    }
}

#[tokio::test]
async fn validate_without_project_scope_names_it() {
    let tenants = with_a_work_item().await;
    tenants
        .azure
        .fault("contoso", "list_projects", Fault::MissingScope);
    tenants
        .azure
        .fault("contoso", "read_identity", Fault::MissingScope);
    let validation = validate(&tenants).await;
    let message = "O PAT foi aceito, mas não tem os escopos necessários. \
                   Escopos ausentes: Project and Team (Read), Identity (Read).";
    assert_eq!(
        (&validation["valid"], &validation["message"]),
        (&json!(false), &json!(message))
    );
    assert_eq!(validation["scopes_ausentes"], json!([PROJECTS, IDENTITY]));
    let body = json!({"organization_name": "contoso", "pat": tenants.service_pat});
    let refused = create(&tenants, "", body).await.problem(400);
    assert_eq!(refused["detail"], format!("PAT inválido: {message}"));
}

#[tokio::test]
async fn validate_outage_of_one_scope_is_not_missing() {
    let tenants = with_a_work_item().await;
    let table: [(&str, &[&str]); 5] = [
        ("list_teams", &[PROJECTS]),
        ("read_identity", &[IDENTITY]),
        ("query_work_items", &[READ, WRITE]),
        ("validate_work_item", &[WRITE]),
        ("read_avatar", &[GRAPH]),
    ];
    let faults = [
        Fault::Status(503, None),
        Fault::Hang,
        Fault::SignIn,
        Fault::HalfJson,
        Fault::RuleViolation("x"),
    ];
    for (operation, expected) in table {
        for fault in &faults {
            tenants.azure.fault("contoso", operation, fault.clone());
            let validation = validate(&tenants).await;
            tenants.azure.heal();
            let expected: Vec<_> = expected.iter().map(|scope| (*scope, "nao_verificado")).collect();
            assert_eq!(states(&validation), all_but(&expected), "{operation} {fault:?}");
            assert_eq!(
                (&validation["valid"], &validation["scopes_ausentes"]),
                (&json!(true), &json!([])),
                "{operation} {fault:?}"
            );
        }
    }
}

#[tokio::test]
async fn validate_of_a_refused_pat_tries_no_scope() {
    let tenants = with_a_work_item().await;
    let body = json!({"organization_name": "contoso", "pat": "made-up-token"});
    let request = Request::post(&format!("{PATH}/validate")).json(&body);
    let validation = send(&tenants, request).await.expect(200);
    assert_eq!(
        (
            &validation["valid"],
            &validation["scopes"],
            &validation["scopes_ausentes"]
        ),
        (&json!(false), &json!([]), &json!([]))
    );
    assert_eq!(
        validation["message"],
        "PAT inválido ou expirado (401 Unauthorized)."
    );
    assert_eq!(tenants.azure.count("list_projects"), 0);
}

#[tokio::test]
async fn stored_pat_without_a_scope_stays_valid() {
    let tenants = with_a_work_item().await;
    tenants
        .azure
        .fault("contoso", "read_identity", Fault::MissingScope);
    let one = format!("{PATH}/{}", tenants.stored_pat().await);
    let validation = send(&tenants, Request::post(&format!("{one}/validate")))
        .await
        .expect(200);
    assert_eq!(validation["scopes_ausentes"], json!([IDENTITY]));
    let stored = send(&tenants, Request::get(&one)).await.expect(200);
    assert_eq!(stored["status_validacao"], "válido");
}

#[tokio::test]
async fn app_token_login_names_the_scope_that_the_pat_lacks() {
    let tenants = Tenants::with(&app_token::VARIABLES).await;
    let ada = tenants.azure.person("Ada", &["contoso"]);
    for org in ["contoso", "fabrikam"] {
        tenants.azure.fault(org, "read_identity", Fault::MissingScope);
    }
    let problem = tenants
        .app
        .get_as(&app_token(ada.id), "/api/v1/user")
        .await
        .problem(502);
    assert_eq!(
        (&problem["code"], &problem["detail"]),
        (
            &json!("azure_devops_resposta_invalida"),
            &json!(
                "O PAT da organização foi recusado ou não tem o escopo Identity (Read); avise o administrador"
            )
        )
    );
}
