//! `/api/v1/organization-pats`.

mod changes;
mod rotation;
mod scopes;

use azure_devops_fake::Fault;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::process::{aponta, run};
use crate::support::tenants::{KEY, NEXT_KEY};
use crate::support::{Reply, Request, Tenants};

const PATH: &str = "/api/v1/organization-pats";

async fn send(tenants: &Tenants, request: Request) -> Reply {
    tenants.app.send(request.bearer(&tenants.admin)).await
}

async fn create(tenants: &Tenants, query: &str, body: Value) -> Reply {
    send(tenants, Request::post(&format!("{PATH}{query}")).json(&body)).await
}

/// FE's "Configuração de PATs", call for call (contract 4.1).
#[tokio::test]
async fn frontend_flow_stores_shows_and_changes_a_pat() {
    let tenants = Tenants::new().await;
    let listed = send(&tenants, Request::get(PATH)).await.expect(200);
    assert_eq!(listed, json!({"items": [], "total": 0}));

    let body = json!({
        "organization_name": " Contoso ", "organization_url": "", "pat": tenants.service_pat, "descricao": "Equipe",
        "expira_em": "2099-12-31T23:59:59.000Z", "ativo": true
    });
    let created = create(&tenants, "?validate_first=true", body).await.expect(201);
    let pat = &tenants.service_pat;
    let hidden = "*".repeat(pat.len() - 8);
    let masked = format!("{}{hidden}{}", &pat[..4], &pat[pat.len() - 4..]);
    let expected = json!({
        "id": created["id"], "organization_name": "contoso", "organization_url": "https://dev.azure.com/contoso",
        "pat_masked": masked, "descricao": "Equipe", "expira_em": "2099-12-31T23:59:59.000000Z", "ativo": true,
        "criado_por": "root@contoso.example", "criado_em": created["criado_em"],
        "atualizado_em": created["atualizado_em"], "status_validacao": "válido"
    });
    assert_eq!(created, expected);
    let one = format!("{PATH}/{}", created["id"].as_str().unwrap());
    assert_eq!(send(&tenants, Request::get(&one)).await.expect(200), expected);

    let body = json!({"organization_url": "https://contoso.example", "descricao": null, "expira_em": null,
        "ativo": null});
    let changed = send(&tenants, Request::put(&one).json(&body)).await.expect(200);
    assert_eq!(
        (&changed["descricao"], &changed["expira_em"]),
        (&Value::Null, &Value::Null),
        "D-34: null clears"
    );
    assert_eq!(changed["status_validacao"], "válido");
    assert!(changed["atualizado_em"].as_str() > created["atualizado_em"].as_str());
}

#[tokio::test]
async fn frontend_flow_tries_a_pat_before_and_after_storing() {
    let tenants = Tenants::new().await;
    let tried = json!({"organization_name": "contoso", "pat": tenants.service_pat});
    let validation = send(&tenants, Request::post(&format!("{PATH}/validate")).json(&tried))
        .await
        .expect(200);
    let valid = json!({
        "valid": true, "organization_name": "contoso", "message": "PAT válido. 1 projeto(s) encontrado(s).",
        "projects_count": 1, "projects": ["P000"], "scopes": validation["scopes"], "scopes_ausentes": []
    });
    assert_eq!(validation, valid);

    let one = stored(&tenants).await;
    let try_again = || Request::post(&format!("{one}/validate")).json(&json!({}));
    assert_eq!(send(&tenants, try_again()).await.expect(200), valid);
    tenants
        .azure
        .fault("contoso", "connection_data", Fault::Unauthorized);
    let refused = send(&tenants, try_again()).await.expect(200);
    assert_eq!(refused["valid"], false);
    tenants.azure.heal();
    let shown = send(&tenants, Request::get(&one)).await.expect(200);
    assert_eq!(shown["status_validacao"], "não verificado");
}

#[tokio::test]
async fn frontend_flow_switches_a_pat_off_and_deletes_it() {
    let tenants = Tenants::new().await;
    let one = stored(&tenants).await;
    let toggle = Request::post(&format!("{one}/toggle-active")).json(&json!({}));
    assert_eq!(send(&tenants, toggle).await.expect(200)["ativo"], false);
    let active = send(&tenants, Request::get(&format!("{PATH}?only_active=true"))).await;
    assert_eq!(active.expect(200)["total"], 0);
    assert_eq!(send(&tenants, Request::delete(&one)).await.status, 204);
    send(&tenants, Request::delete(&one)).await.problem(404);

    let trail = Request::get("/api/v1/auditoria?objeto_tipo=organization_pat");
    let trail = send(&tenants, trail).await;
    let body = trail.json();
    let entries = body["items"].as_array().unwrap().iter();
    let acoes: Vec<&Value> = entries.map(|entry| &entry["acao"]).collect();
    assert_eq!(acoes, ["excluir", "desativar", "criar"]);
    assert!(!trail.text().contains(tenants.service_pat.as_str()));
}

/// Stores a PAT and returns its path.
async fn stored(tenants: &Tenants) -> String {
    let body = json!({"organization_name": "contoso", "pat": tenants.service_pat});
    let created = create(tenants, "", body).await.expect(201);
    format!("{PATH}/{}", created["id"].as_str().unwrap())
}

#[tokio::test]
async fn refused_pat_has_the_documented_message() {
    let tenants = Tenants::new().await;
    let with = |pat: &str| json!({"organization_name": "contoso", "pat": pat});
    let refused = create(&tenants, "", with("made-up-token")).await.problem(400);
    assert_eq!(
        refused["detail"],
        "PAT inválido: PAT inválido ou expirado (401 Unauthorized)."
    );
    create(&tenants, "?validate_first=false", with("made-up-token"))
        .await
        .expect(201);
    let twice = create(&tenants, "", with(&tenants.service_pat))
        .await
        .problem(400);
    assert_eq!(
        twice["detail"],
        "Já existe um PAT cadastrado para a organização 'contoso'"
    );
}

#[tokio::test]
async fn invalid_fields_of_a_pat_are_all_listed() {
    let tenants = Tenants::new().await;
    let wrong = json!({"organization_name": "a/b", "pat": "short", "expira_em": "2026-12-31", "ativo": null});
    assert_eq!(
        create(&tenants, "?validate_first=talvez", wrong.clone())
            .await
            .failures(),
        ["query.validate_first bool_parsing"]
    );
    assert_eq!(
        create(&tenants, "", wrong).await.failures(),
        [
            "body.organization_name value_error",
            "body.pat string_too_short",
            "body.expira_em datetime_parsing",
            "body.ativo bool_parsing"
        ]
    );
    assert_eq!(
        create(&tenants, "", json!({})).await.failures(),
        ["body.organization_name missing", "body.pat missing"]
    );
}

#[tokio::test]
async fn unknown_pat_has_the_documented_message() {
    let tenants = Tenants::new().await;
    let unknown = format!("{PATH}/{}", Uuid::new_v4());
    assert_eq!(
        send(&tenants, Request::get(&unknown)).await.problem(404)["detail"],
        "PAT não encontrado"
    );
    let validation = send(&tenants, Request::post(&format!("{unknown}/validate")))
        .await
        .expect(200);
    assert_eq!(
        (&validation["valid"], &validation["message"]),
        (&json!(false), &json!("PAT não encontrado."))
    );
}

#[tokio::test]
async fn outage_while_validating_a_pat_is_reported() {
    let tenants = Tenants::new().await;
    for (fault, message) in [
        (
            Fault::SignIn,
            "PAT não tem acesso a esta organização (302 Redirect).",
        ),
        (
            Fault::Redirect,
            "PAT não tem acesso a esta organização (302 Redirect).",
        ),
        (Fault::Status(404, None), "Erro inesperado: HTTP 404"),
        (Fault::Hang, "Timeout ao conectar com Azure DevOps."),
    ] {
        tenants.azure.fault("contoso", "list_projects", fault);
        let tried = json!({"organization_name": "contoso", "pat": tenants.service_pat});
        let validation = send(&tenants, Request::post(&format!("{PATH}/validate")).json(&tried))
            .await
            .expect(200);
        assert_eq!(
            (&validation["valid"], &validation["message"]),
            (&json!(false), &json!(message))
        );
    }
    // Trouble upstream says nothing about the PAT.
    tenants.azure.fault("contoso", "list_projects", Fault::Hang);
    create(
        &tenants,
        "",
        json!({"organization_name": "contoso", "pat": tenants.service_pat}),
    )
    .await
    .problem(504);
}

/// D-49: of two at once, one is stored and the other told so.
#[tokio::test]
async fn d_49_simultaneous_posts_store_one() {
    let tenants = Tenants::new().await;
    let body = json!({"organization_name": "contoso", "pat": tenants.service_pat});
    let (one, two) = tokio::join!(
        create(&tenants, "", body.clone()),
        create(&tenants, "", body.clone())
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400]);
}

/// The vault counts before the configuration, adds organisations, and gives them up again.
#[tokio::test]
async fn stored_pats_take_part_and_expired_or_unused_ones_do_not() {
    let tenants = Tenants::with(&[("AZURE_DEVOPS_ORG_PATS", "")]).await;
    // Nothing but the default organisation is known, and no PAT at all.
    tenants
        .app
        .get_as(&tenants.other, "/api/v1/projetos")
        .await
        .problem(401);
    let body = json!({"organization_name": "fabrikam", "pat": tenants.service_pat});
    let id = create(&tenants, "", body).await.expect(201)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    tenants
        .app
        .get_as(&tenants.other, "/api/v1/projetos")
        .await
        .expect(200);
    let sync = async || {
        let done = send(&tenants, Request::post("/api/v1/integracao/sincronizar"))
            .await
            .expect(200);
        let first = &done["organizations"][0];
        (first["organization"].clone(), first["source"].clone())
    };
    assert_eq!(sync().await, (json!("fabrikam"), json!("database")));

    let one = format!("{PATH}/{id}");
    let past = json!({"expira_em": "2020-01-01T00:00:00-03:00"});
    let expired = send(&tenants, Request::put(&one).json(&past)).await.expect(200);
    assert_eq!(
        (&expired["status_validacao"], &expired["expira_em"]),
        (&json!("expirado"), &json!("2020-01-01T03:00:00.000000Z"))
    );
    assert_eq!(
        sync().await,
        (json!("contoso"), json!("caller")),
        "it is not used any more"
    );
    // Its members bring credentials of their own; they do not lose their organisation.
    let newcomer = tenants.azure.pat(&tenants.azure.person("New", &["fabrikam"]));
    tenants
        .app
        .get_as(&newcomer, "/api/v1/projetos")
        .await
        .expect(200);
    let tomorrow = crate::support::app_token::now() + 86_400;
    let soon = json!({"expira_em": (chrono::DateTime::from_timestamp(tomorrow, 0).unwrap())});
    let changed = send(&tenants, Request::put(&one).json(&soon)).await.expect(200);
    assert_eq!(changed["status_validacao"], "expira em breve");
    assert_eq!(sync().await.1, "database");
    send(&tenants, Request::post(&format!("{one}/toggle-active")))
        .await
        .expect(200);
    assert_eq!(sync().await.1, "caller");
    // One that is not to be used any more takes its organisation along.
    let late = tenants.azure.pat(&tenants.azure.person("Late", &["fabrikam"]));
    tenants.app.get_as(&late, "/api/v1/projetos").await.problem(401);
}

/// D-13: no default key; without one the vault says so and everything else works.
#[tokio::test]
async fn d_13_without_a_key_the_vault_is_503_and_the_rest_works() {
    let tenants = Tenants::with(&[("PAT_ENCRYPTION_KEYS", "")]).await;
    let problem = send(&tenants, Request::get(PATH)).await.problem(503);
    assert_eq!(problem["code"], "cofre_nao_configurado");
    let body = json!({"organization_name": "contoso", "pat": tenants.service_pat});
    create(&tenants, "", body).await.problem(503);
    tenants
        .app
        .get_as(&tenants.member, "/api/v1/projetos")
        .await
        .expect(200);
}

/// D-13: a row that cannot be read is marked, and spoils nothing else.
#[tokio::test]
async fn d_13_unreadable_and_tampered_rows_are_marked() {
    let tenants = Tenants::new().await;
    let id = tenants.stored_pat().await;
    let body = json!({"organization_name": "fabrikam", "pat": tenants.service_pat});
    create(&tenants, "", body).await.expect(201);
    let one = format!("{PATH}/{id}");
    let status = async || {
        let listed = send(&tenants, Request::get(PATH)).await.expect(200);
        let items = listed["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["status_validacao"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(status().await, ["válido", "válido"]);
    // A flipped bit, a ciphertext of another row, an unknown key.
    for tamper in [
        "UPDATE organization_pats SET pat_cifrado = set_byte(pat_cifrado, 20, get_byte(pat_cifrado, 20) # 1)
         WHERE organizacao = 'contoso'",
        "UPDATE organization_pats SET pat_cifrado = (SELECT pat_cifrado FROM organization_pats
         WHERE organizacao = 'fabrikam') WHERE organizacao = 'contoso'",
        "UPDATE organization_pats SET chave_id = 'ffffffffffffffff' WHERE organizacao = 'contoso'",
    ] {
        sqlx::query(tamper).execute(&tenants.app.pool).await.unwrap();
        assert_eq!(status().await, ["ilegível", "válido"], "{tamper}");
    }
    let marked = send(&tenants, Request::get(&one)).await.expect(200);
    assert_eq!(marked["pat_masked"], Value::Null);
    let validation = send(&tenants, Request::post(&format!("{one}/validate")))
        .await
        .expect(200);
    assert_eq!(validation["valid"], false);
    // A new PAT mends it.
    let body = json!({"pat": tenants.service_pat});
    let mended = send(&tenants, Request::put(&one).json(&body)).await.expect(200);
    assert_eq!(mended["status_validacao"], "válido");
}

#[tokio::test]
async fn read_of_a_pat_does_not_wait_for_a_change() {
    let tenants = Tenants::new().await;
    let id = tenants.stored_pat().await;
    let mut changing = tenants.app.pool.begin().await.unwrap();
    sqlx::query("UPDATE organization_pats SET descricao = 'not yet' WHERE id = $1")
        .bind(id)
        .execute(&mut *changing)
        .await
        .unwrap();
    let read = send(&tenants, Request::get(&format!("{PATH}/{id}"))).await;
    assert_eq!(read.expect(200)["descricao"], Value::Null);
    changing.rollback().await.unwrap();
}

/// Rotation re-encrypts everything while another process serves with both keys; nothing in the database is
/// clear text.
#[tokio::test]
async fn rotation_leaves_no_row_under_the_old_key_and_no_pat_in_clear() {
    let tenants = Tenants::with(&[("PAT_ENCRYPTION_KEYS", &format!("{NEXT_KEY},{KEY}"))]).await;
    let old = tenants.app.replica_with("PAT_ENCRYPTION_KEYS", KEY);
    let body = |org: &str| json!({"organization_name": org, "pat": tenants.service_pat});
    for org in ["contoso", "fabrikam"] {
        let create = Request::post(&format!("{PATH}?validate_first=false"))
            .bearer(&tenants.admin)
            .json(&body(org));
        old.send(create).await.expect(201);
    }
    let keys = async || {
        let keys = sqlx::query_scalar("SELECT DISTINCT chave_id::text FROM organization_pats");
        keys.fetch_all(&tenants.app.pool).await.unwrap()
    };
    let before: Vec<String> = keys().await;
    let folder = tempfile::tempdir().unwrap();
    let rotate = |keys: &str| {
        let mut command = aponta(folder.path(), &["rotate-pat-keys"]);
        command
            .env("DATABASE_URL", tenants.app.database_url())
            .env("AZURE_DEVOPS_ORG_URL", "http://127.0.0.1:1/contoso")
            .env("PAT_ENCRYPTION_KEYS", keys);
        run(command)
    };
    let (code, out, err) = rotate(NEXT_KEY).await;
    assert_eq!(
        (code, err.contains("2 PAT(s) cannot be decrypted")),
        (1, true),
        "{out}{err}"
    );
    assert_eq!(keys().await, before, "what cannot be read stays as it is");
    let (code, out, err) = rotate(&format!("{NEXT_KEY},{KEY}")).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("2 PAT(s) encrypted anew"), "{out}");
    let after: Vec<String> = keys().await;
    assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
    // The running server reads them still.
    let listed = send(&tenants, Request::get(PATH)).await.expect(200);
    assert!(
        listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| item["pat_masked"].is_string()),
        "{listed}"
    );
    assert_no_table_holds(&tenants.app.pool, &tenants.service_pat).await;
}

/// Panics if a table holds the PAT as text or as bytes.
async fn assert_no_table_holds(pool: &PgPool, pat: &str) {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'api_aponta'::regnamespace
            AND relkind = 'r'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for table in tables {
        let dump = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t");
        let text: String = sqlx::query_scalar(sqlx::AssertSqlSafe(dump))
            .fetch_one(pool)
            .await
            .unwrap();
        let hex = "SELECT encode(convert_to($1, 'UTF8'), 'hex')";
        let hex: String = sqlx::query_scalar(hex).bind(pat).fetch_one(pool).await.unwrap();
        assert!(
            !text.contains(pat) && !text.contains(&hex),
            "{table} holds the PAT"
        );
    }
}
