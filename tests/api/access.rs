//! Role x operation x tenant: every operation of the OpenAPI document against the table in
//! `tests/data/access.txt`.

use std::collections::BTreeSet;

use axum::http::Method;
use azure_devops_fake::NewWorkItem;
use serde_json::{Value, json};

use crate::support::{Request, Tenants};

const TABLE: &str = include_str!("../data/access.txt");

/// Method, path, and the statuses for each caller, as the table has them.
fn rows() -> Vec<(String, String, [u16; 7])> {
    let lines = TABLE
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let row = |line: &str| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let statuses: Vec<u16> = cells[2..].iter().map(|cell| cell.parse().unwrap()).collect();
        (
            cells[0].to_owned(),
            cells[1].to_owned(),
            statuses.try_into().unwrap(),
        )
    };
    lines.map(row).collect()
}

#[test]
fn access_table_names_exactly_the_operations() {
    let document = serde_json::to_value(aponta::app::openapi()).unwrap();
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations.insert((method.to_uppercase(), path.clone()));
        }
    }
    let named: BTreeSet<(String, String)> = rows()
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let missing: Vec<_> = operations.difference(&named).collect();
    let stale: Vec<_> = named.difference(&operations).collect();
    assert!(missing.is_empty(), "tests/data/access.txt lacks {missing:?}");
    assert!(
        stale.is_empty(),
        "tests/data/access.txt names {stale:?}, which are gone"
    );
}

#[tokio::test]
async fn every_operation_matches_the_access_table() {
    let tenants = Tenants::new().await;
    for (method, path, statuses) in rows() {
        let callers = [
            ("nobody", None),
            ("a member of another organisation", Some(tenants.other.as_str())),
            ("a member", Some(tenants.member.as_str())),
            ("an administrator", Some(tenants.admin.as_str())),
            (
                "an administrator of another organisation",
                Some(tenants.other_admin.as_str()),
            ),
            ("an administrator bound to it", Some(tenants.bound.as_str())),
            (
                "a member who administers another organisation alone",
                Some(tenants.bound_elsewhere.as_str()),
            ),
        ];
        for ((who, token), expected) in callers.into_iter().zip(statuses) {
            let mut request = prepare(&tenants, &method, &path).await;
            if let Some(token) = token {
                request = request.bearer(token);
            }
            let reply = tenants.app.send(request).await;
            // A list must not leak either.
            if token == Some(tenants.other.as_str()) && reply.status.is_success() {
                assert!(
                    !reply.text().contains(&tenants.projeto.to_string()),
                    "{method} {path} tells {who} of a project"
                );
            }
            assert_eq!(
                reply.status.as_u16(),
                expected,
                "{method} {path} by {who}: {}",
                reply.text()
            );
        }
    }
}

/// A valid request about an object of contoso, made anew for each caller.
async fn prepare(tenants: &Tenants, method: &str, path: &str) -> Request {
    sqlx::query("DELETE FROM organization_pats")
        .execute(&tenants.app.pool)
        .await
        .unwrap();
    let mut filled = path.to_owned();
    if path.contains("{atividade_id}") {
        let id = tenants.atividade(&tenants.admin, "A", &[tenants.projeto]).await;
        filled = filled.replace("{atividade_id}", &id.to_string());
    }
    if path.contains("{pat_id}") {
        filled = filled.replace("{pat_id}", &tenants.stored_pat().await.to_string());
    }
    if path.contains("{work_item_id}") {
        let item = tenants.azure.work_item("contoso", NewWorkItem::task("P000"));
        filled = filled.replace("{work_item_id}", &item.to_string());
    }
    if path.contains("{iteration_id}") {
        let id = tenants.azure.iteration("contoso", "S", "current", &[]);
        filled = filled.replace("{iteration_id}", &id.to_string());
    }
    let reads_azure = [
        "/timesheet",
        "/iterations",
        "/teams",
        "/work-items",
        "{work_item_id}",
    ];
    if reads_azure.iter().any(|part| path.contains(part)) {
        let place = format!(
            "?organization_name=Contoso&project_id={}&query=abc&work_item_ids=1&work_item_type=Custom.Task",
            tenants.projeto
        );
        filled.push_str(&place);
    }
    if path.contains("{apontamento_id}") {
        let create = Request::post("/api/v1/apontamentos")
            .bearer(&tenants.admin)
            .json(&apontamento(tenants).await);
        let entry = tenants.app.send(create).await.expect(201);
        filled = filled.replace("{apontamento_id}", entry["id"].as_str().unwrap());
    }
    if path == "/api/v1/integracao/projetos" {
        filled += "?organization_name=Contoso";
    }
    let request = Request::new(method.parse::<Method>().unwrap(), &filled);
    let body = match (method, path) {
        ("POST", "/api/v1/apontamentos") => apontamento(tenants).await,
        _ => body(tenants, method, path),
    };
    match body {
        Value::Null => request,
        body => request.json(&body),
    }
}

/// Hours on a new work item of contoso.
async fn apontamento(tenants: &Tenants) -> Value {
    let item = tenants.azure.work_item("contoso", NewWorkItem::task("P000"));
    let atividade = tenants.atividade(&tenants.admin, "A", &[tenants.projeto]).await;
    json!({
        "data_apontamento": "2026-01-12", "duracao": "00:01", "id_atividade": atividade, "work_item_id": item,
        "project_id": tenants.projeto, "organization_name": "Contoso"
    })
}

fn body(tenants: &Tenants, method: &str, path: &str) -> Value {
    match (method, path) {
        ("POST", "/api/v1/atividades") => json!({"nome": "A", "ids_projetos": [tenants.projeto]}),
        ("POST", "/api/v1/organization-pats" | "/api/v1/organization-pats/validate") => {
            json!({"organization_name": "contoso", "pat": tenants.service_pat})
        }
        ("POST", "/api/v1/integracao/sincronizacao/repetir") => json!({"organization_name": "contoso"}),
        ("POST", "/api/v1/integracao/reconciliar") => {
            json!({"organization_name": "contoso", "work_item_id": 1})
        }
        ("PUT" | "PATCH", "/api/v1/apontamentos/{apontamento_id}") => json!({"comentario": "c"}),
        ("PUT" | "PATCH", _) => json!({"descricao": "d"}),
        _ => Value::Null,
    }
}
