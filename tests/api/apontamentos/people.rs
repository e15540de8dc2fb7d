//! Logging hours for other people, and the credential of reads.

use azure_devops_fake::{Fault, NewWorkItem};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::logging::{PROJECT, path};
use crate::support::{Logging, Request};

#[tokio::test]
async fn d_02_identity_comes_from_the_token() {
    let logging = Logging::new().await;
    let me = logging.get("/api/v1/user").await.expect(200);
    let said = json!({
        "usuario_id": me["id"].as_str().unwrap().to_uppercase(), "usuario_nome": "Como o navegador chama",
        "usuario_email": "ADA@contoso.example"
    });
    let entry = logging.post(&logging.body_with(&said)).await.expect(201);
    assert_eq!(
        (&entry["usuario_id"], &entry["usuario_nome"]),
        (&me["id"], &json!("Ada Example"))
    );
    for lie in [
        json!({"usuario_id": Uuid::new_v4()}),
        json!({"usuario_id": "unknown"}),
        json!({"usuario_email": "boss@contoso.example"}),
    ] {
        let refused = logging.post(&logging.body_with(&lie)).await.problem(403);
        assert_eq!(refused["code"], "acesso_negado");
    }
    assert_eq!(logging.count().await, 1);
}

/// OWASP API3:2023, mass assignment: clients send back whole entries.
#[tokio::test]
async fn server_set_fields_in_bodies_are_ignored() {
    let logging = Logging::new().await;
    let there = logging.log("02:00").await;
    let owned = json!({
        "id": there["id"], "criado_em": "2001-01-01T00:00:00Z", "atualizado_em": "2001-01-01T00:00:00Z",
        "registrado_por_id": Uuid::new_v4(), "registrado_por_nome": "Outra", "registrado_por": {"id": Uuid::new_v4()},
        "atividade_nome": "Outra", "nome_atividade": "Outra", "minutos": 9, "duracao_minutos": 9, "versao_escrita": 7,
        "sincronizacao": {"estado": "falhou", "motivo": "mentira"}, "organizacao": "fabrikam",
        "id_projeto": logging.tenants.foreign
    });
    let plain = logging.post(&logging.body()).await.expect(201);
    let told = logging.post(&logging.body_with(&owned)).await.expect(201);
    let decided = |entry: &Value| {
        let mut entry = entry.clone();
        for key in ["id", "criado_em", "atualizado_em"] {
            assert_ne!(entry[key], owned[key], "{key}");
            entry[key].take();
        }
        entry
    };
    assert_eq!(decided(&told), decided(&plain));
    let stored = logging.get(&path(&there)).await.expect(200);
    assert_eq!(stored["duracao"], "02:00", "another entry was overwritten");

    let changed = logging.put(&plain, &owned).await.expect(200);
    assert_eq!(decided(&changed), decided(&plain));
    assert_eq!(changed["id"], plain["id"]);
}

#[tokio::test]
async fn create_accepts_any_known_name_of_the_caller() {
    let logging = Logging::new().await;
    // A person that fabrikam knows by another id and another e-mail.
    let azure = logging.azure();
    let eve = azure.person("Eve", &["contoso"]);
    let there = azure.person("Eva", &["fabrikam"]);
    let token = azure.pat(&eve);
    azure.also(&token, &there);
    let foreign = logging.tenants.foreign;
    let item = azure.work_item("fabrikam", NewWorkItem::task(PROJECT));
    let atividade = logging
        .tenants
        .atividade(&logging.tenants.other, "Deles", &[foreign])
        .await;
    let me = logging
        .tenants
        .app
        .get_as(&token, "/api/v1/user")
        .await
        .expect(200);
    assert_eq!(me["id"], json!(eve.id));
    let body = logging.body_with(&json!({
        "organization_name": "fabrikam", "project_id": foreign, "work_item_id": item, "id_atividade": atividade,
        "usuario_id": me["id"], "usuario_nome": me["displayName"], "usuario_email": me["emailAddress"]
    }));
    let entry = logging.post_as(&token, &body).await.expect(201);
    assert_eq!(
        (&entry["usuario_id"], &entry["usuario_nome"]),
        (&json!(there.id), &json!("Eva"))
    );
    // Both are theirs, wherever they look; and each organisation has days of its own.
    logging
        .post_as(&token, &logging.body_with(&json!({"duracao": "24:00"})))
        .await
        .expect(201);
    let mine = logging
        .tenants
        .app
        .get_as(&token, "/api/v1/apontamentos")
        .await
        .expect(200);
    assert_eq!(
        (&mine["total"], &mine["total_formatado"]),
        (&json!(2), &json!("25:00"))
    );
    let delete = Request::delete(&path(&entry)).bearer(&token);
    logging.tenants.app.send(delete).await.expect(204);
}

#[tokio::test]
async fn d_03_others_entries_are_changed_by_administrators_only() {
    let logging = Logging::new().await;
    let entry = logging.log("01:00").await;
    let colleague = logging.azure().pat(&logging.azure().person("Bea", &["contoso"]));
    for (token, status) in [
        (&colleague, 403),
        (&logging.tenants.other, 404),
        (&logging.tenants.other_admin, 404),
    ] {
        let change = Request::put(&path(&entry))
            .bearer(token)
            .json(&json!({"duracao": "09:00"}));
        logging.tenants.app.send(change).await.problem(status);
        let delete = Request::delete(&path(&entry)).bearer(token);
        logging.tenants.app.send(delete).await.problem(status);
    }
    // To read it is enough to belong to the organisation.
    logging
        .tenants
        .app
        .get_as(&colleague, &path(&entry))
        .await
        .expect(200);
    let change = Request::put(&path(&entry))
        .bearer(&logging.tenants.admin)
        .json(&json!({"duracao": "02:00"}));
    let changed = logging.tenants.app.send(change).await.expect(200);
    assert_eq!(
        (&changed["duracao"], &changed["usuario_nome"]),
        (&json!("02:00"), &json!("Ada Example"))
    );
}

#[tokio::test]
async fn administrator_logs_for_others_and_both_ids_are_stored() {
    let logging = Logging::new().await;
    let bea = logging.azure().person("Bea Silva", &["contoso"]);
    let outsider = logging.azure().person("Eve", &["fabrikam"]);
    let for_bea = logging.body_with(&json!({"usuario_id": bea.id, "usuario_nome": "b"}));
    let entry = logging
        .post_as(&logging.tenants.admin, &for_bea)
        .await
        .expect(201);
    assert_eq!(
        (
            &entry["usuario_id"],
            &entry["usuario_nome"],
            &entry["registrado_por_nome"]
        ),
        (&json!(bea.id), &json!("Bea Silva"), &json!("Root"))
    );
    assert_ne!(entry["registrado_por_id"], Value::Null);
    for nobody in [outsider.id, Uuid::new_v4()] {
        let body = logging.body_with(&json!({"usuario_id": nobody}));
        let refused = logging.post_as(&logging.tenants.admin, &body).await.problem(400);
        assert_eq!(refused["detail"], format!("Usuário não encontrado: {nobody}"));
    }
    // It is hers now.
    let token = logging.azure().pat(&bea);
    let delete = Request::delete(&path(&entry)).bearer(&token);
    logging.tenants.app.send(delete).await.expect(204);
}

#[tokio::test]
async fn own_credential_reads_before_service_pat() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    let read_with = |n: usize| {
        let reads: Vec<String> = logging
            .azure()
            .seen()
            .into_iter()
            .filter(|seen| seen.operation == "read_work_item")
            .map(|seen| seen.authorization.unwrap())
            .collect();
        reads[n].clone()
    };
    let basic = |pat: &str| {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(format!(":{pat}"));
        format!("Basic {text}")
    };
    assert_eq!(read_with(0), basic(&logging.tenants.member));
    // Accepted as a member's, but without the scope for work items.
    logging.azure().forget_requests();
    logging
        .azure()
        .fault_times("contoso", "read_work_item", Fault::MissingScope, 1);
    logging.log("01:00").await;
    assert_eq!(read_with(1), basic(&logging.tenants.service_pat));
    // Not permitted is not found.
    logging
        .azure()
        .fault_times("contoso", "read_work_item", Fault::Status(403, None), 1);
    logging.post(&logging.body()).await.problem(404);
}
