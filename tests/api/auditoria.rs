//! `/api/v1/auditoria` and the trail behind it.

use serde_json::{Value, json};

use crate::support::{Request, Tenants};

const PATH: &str = "/api/v1/auditoria";

async fn trail(tenants: &Tenants, query: &str) -> Vec<Value> {
    let listed = tenants
        .app
        .get_as(&tenants.admin, &format!("{PATH}{query}"))
        .await
        .expect(200);
    listed["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_write_leaves_an_entry_with_both_sides_and_the_request() {
    let tenants = Tenants::new().await;
    let body = json!({"nome": "a", "ids_projetos": [tenants.projeto]});
    let create = Request::post("/api/v1/atividades")
        .bearer(&tenants.member)
        .header("x-request-id", "req-1")
        .json(&body);
    let id = tenants.app.send(create).await.expect(201)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/v1/atividades/{id}");
    let change = |body: Value| Request::put(&path).bearer(&tenants.member).json(&body);
    tenants.app.send(change(json!({"nome": "b"}))).await.expect(200);
    tenants.app.send(change(json!({"nome": "b"}))).await.expect(200);
    tenants
        .app
        .send(Request::delete(&path).bearer(&tenants.member))
        .await
        .expect(204);

    let entries = trail(&tenants, &format!("?objeto_tipo=atividade&objeto_id={id}")).await;
    let acoes: Vec<&Value> = entries.iter().map(|entry| &entry["acao"]).collect();
    assert_eq!(
        acoes,
        ["excluir", "alterar", "criar"],
        "the newest first; what changed nothing left nothing"
    );
    let (deleted, changed, created) = (&entries[0], &entries[1], &entries[2]);
    let side =
        |nome: &str| json!({"nome": nome, "descricao": null, "ativo": true, "projetos": [tenants.projeto]});
    assert_eq!(
        (&created["antes"], &created["depois"]),
        (&Value::Null, &side("a"))
    );
    assert_eq!((&changed["antes"], &changed["depois"]), (&side("a"), &side("b")));
    assert_eq!(
        (&deleted["antes"], &deleted["depois"]),
        (&side("b"), &Value::Null)
    );
    assert_eq!(created["request_id"], "req-1");
    assert_eq!(
        (&created["usuario_nome"], &created["organizacao"]),
        (&json!("Ada Example"), &json!("contoso"))
    );

    let sync = trail(&tenants, "?acao=sincronizar").await;
    assert_eq!(
        sync[0]["depois"],
        json!({"listados": 1, "criados": 1, "removidos": 0})
    );
}

#[tokio::test]
async fn change_that_fails_leaves_no_entry() {
    let tenants = Tenants::new().await;
    let before = trail(&tenants, "").await.len();
    let body = json!({"nome": "a", "ids_projetos": [tenants.foreign]});
    tenants
        .app
        .send(
            Request::post("/api/v1/atividades")
                .bearer(&tenants.member)
                .json(&body),
        )
        .await
        .problem(400);
    assert_eq!(trail(&tenants, "").await.len(), before);
}

#[tokio::test]
async fn trail_is_paged_by_a_cursor() {
    let tenants = Tenants::new().await;
    for n in 0..5 {
        tenants
            .atividade(&tenants.member, &format!("a{n}"), &[tenants.projeto])
            .await;
    }
    let query = "?objeto_tipo=atividade&limit=2";
    let first = tenants
        .app
        .get_as(&tenants.admin, &format!("{PATH}{query}"))
        .await
        .expect(200);
    // What is added meanwhile does not move the pages.
    tenants
        .atividade(&tenants.member, "late", &[tenants.projeto])
        .await;
    let mut names: Vec<Value> = Vec::new();
    let mut page = first;
    loop {
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|item| item["depois"]["nome"].clone()));
        let Some(cursor) = page["next_cursor"].as_i64() else {
            break;
        };
        page = tenants
            .app
            .get_as(&tenants.admin, &format!("{PATH}{query}&cursor={cursor}"))
            .await
            .expect(200);
    }
    assert_eq!(names, ["a4", "a3", "a2", "a1", "a0"]);
}

#[tokio::test]
async fn trail_is_filtered_by_time_person_and_organisation() {
    let tenants = Tenants::new().await;
    for n in 0..6 {
        tenants
            .atividade(&tenants.member, &format!("a{n}"), &[tenants.projeto])
            .await;
    }
    let entry = &trail(&tenants, "?limit=1").await[0];
    let (em, who) = (
        entry["em"].as_str().unwrap(),
        entry["usuario_id"].as_str().unwrap(),
    );
    assert_eq!(
        trail(&tenants, &format!("?ate={em}")).await.len(),
        6,
        "five activities and one organisation"
    );
    assert_eq!(trail(&tenants, &format!("?desde={em}")).await.len(), 1);
    assert_eq!(trail(&tenants, &format!("?usuario_id={who}")).await.len(), 6);
    let foreign = format!("{PATH}?organization_name=FABRIKAM");
    tenants.app.get_as(&tenants.admin, &foreign).await.problem(403);
    assert_eq!(trail(&tenants, "?organization_name=CONTOSO").await.len(), 7);
    assert_eq!(
        tenants
            .app
            .get_as(&tenants.admin, &format!("{PATH}?desde=ontem&limit=0&cursor=x"))
            .await
            .failures(),
        [
            "query.desde datetime_parsing",
            "query.cursor int_parsing",
            "query.limit greater_than_equal"
        ]
    );
}

/// Neither role of the application nor the owner of the table may change what was written.
#[tokio::test]
async fn entries_cannot_be_changed_or_removed() {
    let tenants = Tenants::new().await;
    for role in ["api_aponta_app", "api_aponta_maintenance", "current_user"] {
        for statement in [
            "UPDATE auditoria SET usuario_id = 'x'",
            "DELETE FROM auditoria",
            "TRUNCATE auditoria",
        ] {
            let mut tx = tenants.app.pool.begin().await.unwrap();
            if role != "current_user" {
                let set = format!("SET LOCAL ROLE {role}; SET LOCAL aponta.organizacoes = 'contoso,'");
                sqlx::raw_sql(sqlx::AssertSqlSafe(set))
                    .execute(&mut *tx)
                    .await
                    .unwrap();
            }
            let refused = sqlx::query(statement).execute(&mut *tx).await.unwrap_err();
            let code = refused
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code)
                .unwrap()
                .into_owned();
            assert_eq!(code, "42501", "{role}: {statement}");
        }
    }
}

/// A change that concerns two organisations is told to each in its own words.
#[tokio::test]
async fn each_organisation_reads_its_own_side_of_a_change() {
    let tenants = Tenants::new().await;
    let both = tenants
        .azure
        .pat(&tenants.azure.person("Eve", &["contoso", "fabrikam"]));
    tenants
        .atividade(&both, "shared", &[tenants.projeto, tenants.foreign])
        .await;
    tenants.atividade(&both, "theirs", &[tenants.foreign]).await;
    let entries = trail(&tenants, "?objeto_tipo=atividade").await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["organizacao"], "contoso");
    assert_eq!(entries[0]["depois"]["projetos"], json!([tenants.projeto]));
    let theirs = tenants
        .app
        .get_as(&tenants.other_admin, &format!("{PATH}?objeto_tipo=atividade"))
        .await
        .expect(200);
    let names: Vec<Value> = theirs["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["depois"]["nome"].clone())
        .collect();
    assert_eq!(names, ["theirs", "shared"]);
    assert!(!theirs.to_string().contains(&tenants.projeto.to_string()));
}
