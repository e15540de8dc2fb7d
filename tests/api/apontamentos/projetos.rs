//! Which project a time entry names, however it is spelt, known here or not.

use azure_devops_fake::NewWorkItem;
use serde_json::json;
use uuid::Uuid;

use crate::support::logging::{APONTAMENTOS, PROJECT};
use crate::support::{Logging, Request};

#[tokio::test]
async fn d_31_any_spelling_finds_project_and_organisation() {
    let logging = Logging::new().await;
    let id: Uuid = logging.tenants.projeto;
    let spellings = [
        json!(id),
        json!(id.simple()),
        json!(id.to_string().to_uppercase()),
        json!(format!("{{{id}}}")),
        json!(PROJECT),
        json!(format!(" {} ", PROJECT.to_lowercase())),
    ];
    for (n, spelling) in spellings.iter().enumerate() {
        let organizacao = ["contoso", "Contoso", "CONTOSO"][n % 3];
        let body = logging.body_with(
            &json!({"project_id": spelling, "organization_name": organizacao, "duracao": "00:30"}),
        );
        let entry = logging.post(&body).await.expect(201);
        assert_eq!(
            (&entry["project_id"], &entry["organization_name"]),
            (&json!(id), &json!("contoso"))
        );
    }
    for spelling in spellings {
        let encoded: String =
            url::form_urlencoded::byte_serialize(spelling.as_str().unwrap().as_bytes()).collect();
        let under = |under: &str| {
            format!(
                "{APONTAMENTOS}/work-item/{}{under}?organization_name=ConToso&project_id={encoded}",
                logging.item
            )
        };
        assert_eq!(
            logging.get(&under("")).await.expect(200)["total_formatado"],
            "03:00"
        );
        assert_eq!(
            logging.get(&under("/resumo")).await.expect(200)["total_formatado"],
            "03:00"
        );
    }
    assert_eq!(logging.azure().hours(logging.item), (Some(6.5), Some(3.5)));
}

#[tokio::test]
async fn unknown_project_is_fetched_or_refused() {
    let logging = Logging::new().await;
    let fresh = logging.azure().projects("contoso", 3).pop().unwrap();
    logging.azure().edit_projects("contoso", |projects| {
        projects.last_mut().unwrap().json["name"] = json!("Novo - 2");
    });
    let item = logging
        .azure()
        .work_item("contoso", NewWorkItem::task("Novo - 2"));
    let anywhere = sqlx::query_scalar::<_, Uuid>(
        "INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), 'Livre') RETURNING id",
    )
    .fetch_one(&logging.tenants.app.pool)
    .await
    .unwrap();
    let body =
        logging.body_with(&json!({"project_id": "novo - 2", "work_item_id": item, "id_atividade": anywhere}));
    let entry = logging.post(&body).await.expect(201);
    assert_eq!(entry["project_id"], json!(fresh.id));
    let unknown = logging.body_with(&json!({"project_id": "Nenhum"}));
    assert_eq!(
        logging.post(&unknown).await.problem(400)["detail"],
        "Projeto não encontrado: Nenhum"
    );
    // A work item that moved there keeps its hours.
    let moved = logging.log("02:00").await;
    logging.azure().edit_work_items("contoso", |items| {
        items.edit(logging.item, "System.TeamProject", json!("Novo - 2"));
    });
    let body = logging.body_with(&json!({"project_id": fresh.id, "id_atividade": anywhere}));
    logging.post(&body).await.expect(201);
    let total = async |projeto: Uuid| {
        let resumo = logging
            .of_item("/resumo")
            .replace(&logging.tenants.projeto.to_string(), &projeto.to_string());
        logging.get(&resumo).await.expect(200)["total_formatado"].clone()
    };
    assert_eq!(total(fresh.id).await, "03:00");
    assert_eq!(total(logging.tenants.projeto).await, "00:00");
    assert_eq!(logging.situation(&moved).await["estado"], "sincronizado");
    // A project that was renamed is the same project.
    logging.azure().edit_projects("contoso", |projects| {
        projects[0].json["name"] = json!("Renomeado");
    });
    let renamed = logging
        .azure()
        .work_item("contoso", NewWorkItem::task("Renomeado"));
    let body = logging.body_with(&json!({"work_item_id": renamed}));
    logging.post(&body).await.expect(201);
}

/// Which project a name stands for is remembered for seconds.
#[tokio::test]
async fn renamed_project_is_found_by_its_new_name_only() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    let named = |nome: &str| {
        let of_item = logging.of_item("/resumo");
        of_item.replace(&logging.tenants.projeto.to_string(), nome)
    };
    let total = async |nome: &str| logging.get(&named(nome)).await.expect(200)["total_formatado"].clone();
    assert_eq!(
        (total(PROJECT).await, total("Renomeado").await),
        (json!("01:00"), json!("00:00"))
    );
    logging.azure().edit_projects("contoso", |projects| {
        projects[0].json["name"] = json!("Renomeado");
    });
    let sync = Request::post("/api/v1/integracao/sincronizar").bearer(&logging.tenants.admin);
    logging.tenants.app.send(sync).await.expect(200);
    assert_eq!(
        (total(PROJECT).await, total("Renomeado").await),
        (json!("00:00"), json!("01:00"))
    );
}
