//! Administrators: entries of `ADMIN_USERS`, bound to an organisation or not.

use azure_devops_fake::{FakeAzure, Fault, NewWorkItem, Person};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app_token::{self, app_token};
use crate::support::process::{Running, aponta};
use crate::support::{Logging, Reply, Request, Tenants, TestApp};

const VAULT: &str = "/api/v1/organization-pats";
const AUDITORIA: &str = "/api/v1/auditoria";
const ENTRIES: &str = "/api/v1/apontamentos";
const ATIVIDADES: &str = "/api/v1/atividades";

async fn papel(app: &TestApp, token: &str) -> Value {
    app.get_as(token, "/api/v1/user").await.expect(200)["papel"].clone()
}

async fn send(app: &TestApp, token: &str, request: Request) -> Reply {
    app.send(request.bearer(token)).await
}

/// Both organisations, with this list of administrators.
async fn over(azure: &FakeAzure, admins: &str, more: &[(&str, &str)]) -> TestApp {
    let service = azure.pat(&azure.person("Service", &["contoso", "fabrikam"]));
    let pats = format!("contoso={service},fabrikam={service}");
    let own = [
        ("AZURE_DEVOPS_ORG_PATS", pats.as_str()),
        ("ADMIN_USERS", admins),
        ("PAT_ENCRYPTION_KEYS", crate::support::tenants::KEY),
    ];
    TestApp::over(azure, own.into_iter().chain(more.iter().copied())).await
}

async fn both() -> FakeAzure {
    let azure = FakeAzure::contoso().await;
    azure.organization("fabrikam");
    azure
}

fn edited(azure: &FakeAzure, person: Person, edit: impl Fn(&mut Person)) -> Person {
    azure.edit_person(person.id, &edit);
    let mut person = person;
    edit(&mut person);
    person
}

#[tokio::test]
async fn vault_of_a_bound_administrator_is_one_row() {
    let tenants = Tenants::new().await;
    let (theirs, own) = (
        tenants.stored_pat_of("contoso").await,
        tenants.stored_pat_of("fabrikam").await,
    );
    let token = &tenants.bound_elsewhere;
    let app = &tenants.app;
    assert_eq!(papel(app, token).await, "admin");
    let listed = app.get_as(token, VAULT).await.expect(200);
    assert_eq!(
        (&listed["total"], &listed["items"][0]["id"]),
        (&json!(1), &json!(own))
    );
    let all = app.get_as(&tenants.other_admin, VAULT).await.expect(200);
    assert_eq!(all["total"], 2, "an administrator of all sees all");

    let of = |id: Uuid, under: &str| format!("{VAULT}/{id}{under}");
    let change = json!({"descricao": "d"});
    send(app, token, Request::put(&of(own, "")).json(&change))
        .await
        .expect(200);
    send(app, token, Request::post(&of(own, "/toggle-active")))
        .await
        .expect(200);
    for request in [
        Request::get(&of(theirs, "")),
        Request::put(&of(theirs, "")).json(&change),
        Request::post(&of(theirs, "/toggle-active")),
        Request::delete(&of(theirs, "")),
    ] {
        send(app, token, request).await.problem(404);
    }
    let validated = send(app, token, Request::post(&of(theirs, "/validate")))
        .await
        .expect(200);
    assert_eq!(
        validated["message"], "PAT não encontrado.",
        "as for an unknown id"
    );
    for path in [VAULT.to_owned(), format!("{VAULT}/validate")] {
        let body = json!({"organization_name": "contoso", "pat": tenants.service_pat});
        send(app, token, Request::post(&path).json(&body))
            .await
            .problem(403);
    }
    send(app, token, Request::delete(&of(own, ""))).await.expect(204);
    let body = json!({"organization_name": "Fabrikam", "pat": tenants.service_pat});
    send(app, token, Request::post(VAULT).json(&body))
        .await
        .expect(201);
    let left = app.get_as(&tenants.admin, &of(theirs, "")).await.expect(200);
    assert_eq!((&left["ativo"], &left["descricao"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn trail_of_a_bound_administrator_is_their_organisation() {
    let tenants = Tenants::new().await;
    tenants
        .atividade(&tenants.member, "contoso's", &[tenants.projeto])
        .await;
    tenants
        .atividade(&tenants.other, "fabrikam's", &[tenants.foreign])
        .await;
    sqlx::query(
        "INSERT INTO auditoria (usuario_id, usuario_nome, acao, objeto_tipo) VALUES ('u', 'u', 'criar', 'x')",
    )
    .execute(&tenants.app.pool)
    .await
    .unwrap();
    let organisations = async |token: &str| {
        let trail = tenants.app.get_as(token, AUDITORIA).await.expect(200);
        let items = trail["items"].as_array().unwrap().clone();
        let names = items.iter().map(|item| item["organizacao"].clone());
        names.collect::<std::collections::HashSet<_>>()
    };
    let only = |nome: &str| [json!(nome)].into();
    assert_eq!(organisations(&tenants.bound_elsewhere).await, only("fabrikam"));
    assert_eq!(
        organisations(&tenants.bound).await,
        only("contoso"),
        "nor rows of no organisation"
    );
    assert!(organisations(&tenants.admin).await.contains(&Value::Null));
    let named = format!("{AUDITORIA}?organization_name=contoso");
    tenants
        .app
        .get_as(&tenants.bound_elsewhere, &named)
        .await
        .problem(403);
}

#[tokio::test]
async fn bound_administrator_edits_others_in_own_organisation() {
    let logging = Logging::new().await;
    let tenants = &logging.tenants;
    let azure = logging.azure();
    let eva = azure.person("Eva", &["contoso", "fabrikam"]);
    let token = azure.pat(&eva);
    let foreign = azure.work_item("fabrikam", NewWorkItem::task("P000"));
    let atividade = tenants.atividade(&tenants.other, "F", &[tenants.foreign]).await;
    let in_fabrikam = logging.body_with(&json!({
        "organization_name": "fabrikam", "project_id": tenants.foreign, "work_item_id": foreign,
        "id_atividade": atividade
    }));
    let here = logging.post_as(&token, &logging.body()).await.expect(201);
    let there = logging.post_as(&token, &in_fabrikam).await.expect(201);
    let (app, bound) = (&tenants.app, &tenants.bound_elsewhere);

    let mine = format!("{ENTRIES}?usuario_id={}", eva.id);
    let listed = app.get_as(bound, &mine).await.expect(200);
    assert_eq!(
        (&listed["total"], &listed["items"][0]["id"]),
        (&json!(1), &there["id"])
    );
    let braces = format!("{ENTRIES}?usuario_id=%7B{}%7D", eva.id.simple());
    assert_eq!(
        app.get_as(bound, &braces).await.expect(200)["total"],
        1,
        "an id is an id however it is written"
    );
    for (nome, status) in [("contoso", 403), ("fabrikam", 200)] {
        let reply = app
            .get_as(bound, &format!("{mine}&organization_name={nome}"))
            .await;
        assert_eq!(reply.status, status, "{nome}");
    }
    let change = json!({"comentario": "c"});
    for (entry, status) in [(&here, 403), (&there, 200)] {
        let path = format!("{ENTRIES}/{}", entry["id"].as_str().unwrap());
        let reply = send(app, bound, Request::put(&path).json(&change)).await;
        assert_eq!(reply.status, status, "{}", reply.text());
    }
    for (mut body, status) in [(logging.body(), 403), (in_fabrikam, 201)] {
        body["usuario_id"] = json!(eva.id);
        let reply = logging.post_as(bound, &body).await;
        assert_eq!(reply.status, status, "{}", reply.text());
    }
    for (nome, project, is_admin) in [
        ("contoso", tenants.projeto, false),
        ("fabrikam", tenants.foreign, true),
    ] {
        let path = format!("/api/v1/teams?organization_name={nome}&project_id={project}");
        let teams = app.get_as(bound, &path).await.expect(200);
        assert_eq!(
            (&teams["is_admin"], &teams["mine_only"]),
            (&json!(is_admin), &json!(!is_admin)),
            "{nome}"
        );
    }
}

#[tokio::test]
async fn write_back_of_others_is_not_a_bound_administrators() {
    let tenants = Tenants::new().await;
    let (app, bound) = (&tenants.app, &tenants.bound_elsewhere);
    for (nome, status) in [("contoso", 403), ("fabrikam", 200)] {
        let body = json!({"organization_name": nome});
        let retry = Request::post("/api/v1/integracao/sincronizacao/repetir").json(&body);
        assert_eq!(send(app, bound, retry).await.status, status, "{nome}");
        let body = json!({"organization_name": nome, "work_item_id": 1});
        let reconcile = Request::post("/api/v1/integracao/reconciliar").json(&body);
        assert_eq!(send(app, bound, reconcile).await.status, status, "{nome}");
    }
    for (nome, item) in [("contoso", 1), ("fabrikam", 2)] {
        sqlx::query(
            "INSERT INTO write_back (organizacao, work_item_id, id_projeto, estado)
             SELECT $1, $2, id, 'falhou' FROM projetos WHERE organizacao = $1",
        )
        .bind(nome)
        .bind(item)
        .execute(&app.pool)
        .await
        .unwrap();
    }
    let retry = Request::post("/api/v1/integracao/sincronizacao/repetir").json(&json!({}));
    send(app, bound, retry).await.expect(200);
    let failed: Vec<String> =
        sqlx::query_scalar("SELECT organizacao FROM write_back WHERE estado = 'falhou'")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(failed, ["contoso"]);
}

#[tokio::test]
async fn activities_of_others_are_not_a_bound_administrators() {
    let tenants = Tenants::with(&[("ACTIVITY_WRITE_ROLE", "admin")]).await;
    let (app, bound) = (&tenants.app, &tenants.bound_elsewhere);
    let (theirs, own) = (tenants.projeto, tenants.foreign);
    let create = async |projetos: &[Uuid]| {
        let body = json!({"nome": "A", "ids_projetos": projetos});
        send(app, bound, Request::post(ATIVIDADES).json(&body)).await
    };
    create(&[theirs]).await.problem(403);
    create(&[own, theirs]).await.problem(403);
    let mine = create(&[own]).await.expect(201);
    let path = |id: &str| format!("{ATIVIDADES}/{id}");
    let mine = path(mine["id"].as_str().unwrap());
    let renamed = Request::put(&mine).json(&json!({"nome": "B"}));
    send(app, bound, renamed).await.expect(200);
    let moved = Request::put(&mine).json(&json!({"nome": "C", "ids_projetos": [own, theirs]}));
    send(app, bound, moved).await.problem(403);
    let left = app.get_as(bound, &mine).await.expect(200);
    assert_eq!(left["nome"], "B", "nothing of it was stored");

    let other = tenants.atividade(&tenants.admin, "contoso's", &[theirs]).await;
    let other = path(&other.to_string());
    app.get_as(bound, &other).await.expect(200);
    let change = json!({"nome": "D"});
    send(app, bound, Request::put(&other).json(&change))
        .await
        .problem(403);
    send(app, bound, Request::delete(&other)).await.problem(403);
    send(app, bound, Request::delete(&mine)).await.expect(204);
}

/// A bound entry counts as its organisation tells it, and nowhere else.
#[tokio::test]
async fn bound_entry_is_matched_by_its_organisation_only() {
    let azure = both().await;
    let carla = azure.person("Carla", &["fabrikam"]);
    let namesake = edited(&azure, azure.person("Namesake", &["contoso"]), |person| {
        person.email = "carla@contoso.example".to_owned();
    });
    let guest = azure.person("Guest", &["contoso"]);
    let admins = format!("Fabrikam/CARLA@contoso.example,fabrikam/{}", guest.id);
    let app = over(&azure, &admins, &[]).await;
    assert_eq!(papel(&app, &azure.pat(&carla)).await, "admin");
    assert_eq!(papel(&app, &azure.pat(&namesake)).await, "membro");
    assert_eq!(papel(&app, &azure.pat(&guest)).await, "membro");
}

#[tokio::test]
async fn every_address_of_an_identity_counts() {
    let azure = both().await;
    let ada = edited(&azure, azure.person("Ada Example", &["contoso"]), |person| {
        person.mail = Some("Ada.Example@mail.example".to_owned());
        person.mail_at_sign_in = true;
    });
    for admins in ["ada@contoso.example", "ada.example@MAIL.example"] {
        let app = over(&azure, admins, &app_token::VARIABLES).await;
        for token in [azure.pat(&ada), app_token(ada.id)] {
            let shown = app.get_as(&token, "/api/v1/user").await.expect(200);
            assert_eq!(
                (&shown["papel"], &shown["emailAddress"]),
                (&json!("admin"), &json!("ada@contoso.example"))
            );
        }
    }
}

#[tokio::test]
async fn own_entry_with_either_address_is_accepted() {
    let logging = Logging::new().await;
    let azure = logging.azure();
    let eva = edited(azure, azure.person("Eva", &["contoso"]), |person| {
        person.mail = Some("Eva.Silva@mail.example".to_owned());
    });
    let token = azure.pat(&eva);
    let ids = [
        eva.id.to_string(),
        format!("{{{}}}", eva.id),
        eva.id.simple().to_string(),
    ];
    for email in ["EVA@contoso.example", "eva.silva@mail.example"] {
        for id in &ids {
            let said = json!({"usuario_id": id, "usuario_email": email, "duracao": "00:05"});
            let entry = logging.post_as(&token, &logging.body_with(&said)).await;
            assert_eq!(entry.expect(201)["usuario_id"], json!(eva.id), "{id} {email}");
        }
    }
    let other = json!({"usuario_email": "silva@mail.example"});
    logging
        .post_as(&token, &logging.body_with(&other))
        .await
        .problem(403);
    azure.fault("contoso", "read_identity", Fault::Status(503, None));
    logging
        .post_as(&token, &logging.body_with(&other))
        .await
        .problem(503);
}

/// To Unicode, the Kelvin sign is a capital `k`: another person's address must not become an administrator's.
#[tokio::test]
async fn look_alike_address_makes_no_administrator() {
    let azure = both().await;
    let app = over(&azure, "kim@contoso.example", &[]).await;
    for (email, expected) in [
        ("KIM@contoso.example", "admin"),
        ("\u{212a}im@contoso.example", "membro"),
        ("kım@contoso.example", "membro"),
        ("kim@contoso.example.org", "membro"),
        ("a.kim@contoso.example", "membro"),
    ] {
        let person = edited(&azure, azure.person("Kim", &["contoso"]), |person| {
            person.email = email.to_owned();
        });
        assert_eq!(papel(&app, &azure.pat(&person)).await, expected, "{email}");
    }
}

/// Accounts of a server of one's own have no `@`.
#[tokio::test]
async fn account_name_names_an_administrator_of_an_own_server() {
    let azure = both().await;
    let app = over(&azure, r"CONTOSO\carla,bruno,fabrikam/CONTOSO\dora", &[]).await;
    for (account, domain, organizacao, expected) in [
        (r"contoso\CARLA", None, "contoso", "admin"),
        ("carla", Some("CONTOSO"), "contoso", "admin"),
        ("carla", Some("OTHER"), "contoso", "membro"),
        ("carla", None, "contoso", "membro"),
        (r"CONTOSO\carla", None, "fabrikam", "membro"),
        ("bruno", None, "contoso", "admin"),
        (r"CONTOSO\bruno", None, "contoso", "membro"),
        (r"CONTOSO\dora", None, "fabrikam", "admin"),
        (r"CONTOSO\dora", None, "contoso", "membro"),
    ] {
        let person = edited(&azure, azure.person("P", &[organizacao]), |person| {
            person.email = account.to_owned();
            person.domain = domain.map(str::to_owned);
        });
        assert_eq!(
            papel(&app, &azure.pat(&person)).await,
            expected,
            "{account} {domain:?} in {organizacao}"
        );
    }
}

/// While the organisation that knows an administrator's e-mail gives no answer, "no" cannot be told.
#[tokio::test]
async fn administrator_of_a_hanging_organisation_gets_503() {
    for (fault, status) in [(Fault::Status(503, None), 503), (Fault::Hang, 504)] {
        let logging = Logging::with(&[
            (
                "ADMIN_USERS",
                "carla@contoso.example,fabrikam/eva@contoso.example",
            ),
            ("ACTIVITY_WRITE_ROLE", "membro"),
        ])
        .await;
        let (azure, app) = (logging.azure(), &logging.tenants.app);
        let carla = azure.pat(&azure.person("Carla", &["contoso", "fabrikam"]));
        let eva = azure.pat(&azure.person("Eva", &["fabrikam"]));
        let bob = azure.person("Bea", &["fabrikam"]);
        azure.fault("contoso", "*", fault);
        assert_eq!(papel(app, &carla).await, "membro", "as far as can be told");
        for path in [VAULT, AUDITORIA] {
            app.get_as(&carla, path).await.problem(status);
        }
        let others = format!("{ENTRIES}?usuario_id={}", bob.id);
        app.get_as(&carla, &others).await.problem(status);
        let foreign = azure.work_item("fabrikam", NewWorkItem::task("P000"));
        let body = logging.body_with(&json!({
            "organization_name": "fabrikam", "project_id": logging.tenants.foreign, "work_item_id": foreign,
            "usuario_id": bob.id
        }));
        logging.post_as(&carla, &body).await.problem(status);
        let retry = Request::post("/api/v1/integracao/sincronizacao/repetir")
            .json(&json!({"organization_name": "fabrikam"}));
        send(app, &carla, retry).await.problem(status);
        // What fabrikam alone decides is told.
        app.get_as(&eva, AUDITORIA).await.expect(200);
        let body = json!({"organization_name": "contoso", "pat": "0123456789"});
        send(app, &eva, Request::post(VAULT).json(&body))
            .await
            .problem(status);
    }
}

/// Nothing is in doubt when no entry could match: a refusal stays one.
#[tokio::test]
async fn outage_without_matching_entry_still_refuses() {
    let azure = both().await;
    let bea = azure.pat(&azure.person("Bea", &["contoso"]));
    let app = over(&azure, "root@contoso.example,contoso/ada@contoso.example", &[]).await;
    azure.fault("fabrikam", "*", Fault::Status(503, None));
    app.get_as(&bea, VAULT).await.problem(403);
}

#[tokio::test]
async fn start_logs_how_administrators_match() {
    let folder = tempfile::tempdir().unwrap();
    let start = |admins: &str| {
        let mut serve = aponta(folder.path(), &["serve"]);
        serve
            .env("DATABASE_URL", "postgres://u@127.0.0.1:1/d")
            .env("API_HOST", "127.0.0.1")
            .env("API_PORT", "0")
            .env("METRICS_ADDR", "off")
            .env("AZURE_DEVOPS_ORG_URL", "http://127.0.0.1:1/contoso")
            .env("AZURE_DEVOPS_ORG_PATS", "fabrikam=x")
            .env("ADMIN_USERS", admins);
        Running::start(serve)
    };
    let mut running = start(r"ana@x.example,fabrikam/ana@x.example,CONTOSO\ana");
    let line = running.line_with("administrators configured").await;
    for figure in ["emails=2", "accounts=1", "ids=0", "bound=1"] {
        assert!(line.contains(figure), "{figure}: {line}");
    }
    let warning = running.line_with("ADMIN_USERS has unbound entries").await;
    assert!(warning.contains("unbound=2"), "{warning}");
    running.signal("KILL").await;
}
