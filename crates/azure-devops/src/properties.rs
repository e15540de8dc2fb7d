//! Property tests of the whole client with responses of any shape. The result must be a valid value or an
//! error of a known kind, never a panic. Statuses, headers and addresses are tested where they are parsed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::work_items::HoursPatch;
use super::*;
use crate::config::Hosts;
use aponta_domain::arbitrary;
use aponta_domain::horas::Horas;

const ADA: &str = "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d";

/// Response of the test server: status, media type, body.
type CannedResponse = (u16, &'static str, Vec<u8>);

/// Server on loopback that returns the same response to every request, and the organisation at its address.
struct Upstream {
    runtime: Runtime,
    answer: Arc<Mutex<CannedResponse>>,
    organizacao: Organizacao,
}

impl Upstream {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let answer = Arc::new(Mutex::new((200, "application/json", Vec::new())));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&answer);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        let config = config(&url);
        let azure = AzureDevOps::with_hook(&config, &(Arc::new(|_: &CallRecord<'_>| {}) as Hook)).unwrap();
        let organizacao = azure.tenants()[0].organizacao.clone();
        Self {
            runtime,
            answer,
            organizacao,
        }
    }

    /// Returns the result of a call with a response: a value as JSON, or an error.
    fn ask(&self, operation: usize, status: u16, body: &[u8]) -> Result<Value, Error> {
        let media_type = if OPERATIONS[operation].0 == "icon" {
            "image/svg+xml"
        } else {
            "application/json"
        };
        *self.answer.lock().unwrap() = (status, media_type, body.to_vec());
        self.runtime
            .block_on(call(&self.organizacao, OPERATIONS[operation].0))
    }
}

/// Returns the configuration of the organisation `contoso` below an address, with the limits of the service.
fn config(url: &str) -> ClientConfig {
    let hosts = Hosts {
        api: Url::parse(url).unwrap(),
        identity: None,
    };
    let contoso = NomeOrganizacao::parse("contoso").unwrap();
    ClientConfig {
        organizacoes: vec![hosts.organizacao(contoso, None)],
        hosts,
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(10),
        background_timeout: Duration::from_secs(35),
        max_answer_bytes: 8 << 20,
        concurrency: 8,
        breaker_open: Duration::from_secs(5),
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Mutex<CannedResponse>>) {
    let mut received = Vec::new();
    loop {
        let end = received.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end.map(|end| end + 4) else {
            match stream.read_buf(&mut received).await {
                Ok(read) if read > 0 => continue,
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&received[..end]).to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while received.len() < end + length {
            if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                return;
            }
        }
        received.drain(..end + length);
        let (status, media_type, body) = answer.lock().unwrap().clone();
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} x\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n");
        if stream
            .write_all(&[head.into_bytes(), body].concat())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// All calls, each with a valid response.
static OPERATIONS: std::sync::LazyLock<Vec<(&'static str, Value)>> = std::sync::LazyLock::new(|| {
    let list = |element: Value| json!({"count": 1, "value": [element]});
    let project = json!({"id": ADA, "name": "Portal", "url": "https://x/", "state": "wellFormed", "revision": 7,
        "defaultTeam": {"id": "t"}, "capabilities": {"processTemplate": {"templateTypeId": "p"}}});
    let state = json!({"name": "Active", "category": "InProgress", "color": "007acc"});
    let fields = json!({
        "System.TeamProject": "Portal", "System.WorkItemType": "Task", "System.State": "Active", "System.Title": "Ação",
        "System.AssignedTo": {"id": ADA, "displayName": "Ada", "uniqueName": "ada@contoso.example"}, "System.Parent": 1,
        "System.ChangedBy": {"id": ADA}, "System.ChangedDate": "2026-01-12T16:00:00Z",
        "Microsoft.VSTS.Scheduling.OriginalEstimate": 8.0, "Microsoft.VSTS.Scheduling.RemainingWork": 3.5,
        "Microsoft.VSTS.Scheduling.CompletedWork": 4.5
    });
    let item = json!({"id": 4711, "rev": 3, "fields": fields, "url": "https://x/"});
    let person = json!({"id": ADA, "isActive": true, "isContainer": false, "providerDisplayName": "Ada",
        "subjectDescriptor": "aad.x", "properties": {"Mail": {"$value": "ada@contoso.example"}}});
    let relations =
        json!({"workItems": [{"id": 1}], "workItemRelations": [{"source": null, "target": {"id": 2}}]});
    let identity = json!({"authenticatedUser": person, "authorizedUser": {"id": ADA},
        "instanceId": "2ad38d1e-3eaf-4769-931c-3a2da67bbb01"});
    vec![
        ("authenticated_user", identity),
        ("identity", list(person)),
        ("avatar", json!({"value": "iVBORw0KGgo="})),
        ("projects", list(project.clone())),
        ("project", project.clone()),
        ("project_settings", project),
        (
            "teams",
            list(json!({"id": "t", "name": "Time", "description": "x", "projectId": ADA})),
        ),
        ("team_members", list(json!({"identity": {"id": ADA}}))),
        (
            "iterations",
            list(json!({"id": "i", "name": "Sprint", "path": "P\\S",
                    "attributes": {"startDate": "2026-01-05T00:00:00Z"}})),
        ),
        ("iteration_work_items", relations.clone()),
        (
            "team_areas",
            json!({"values": [{"value": "Portal\\A", "includeChildren": true}]}),
        ),
        ("query_work_items", relations),
        (
            "types",
            list(
                json!({"name": "Task", "states": [state], "fields": [{"referenceName": "System.Id"}],
            "icon": {"id": "icon_clipboard"}, "color": "fff2cb1d"}),
            ),
        ),
        (
            "process_states",
            list(json!({"name": "Active", "stateCategory": "InProgress"})),
        ),
        ("icon", json!("<svg/>")),
        ("work_item", item.clone()),
        ("work_items", list(item.clone())),
        ("revisions", list(item.clone())),
        ("revision", item.clone()),
        ("update_hours", item),
    ]
});

async fn call(azure: &Organizacao, operation: &str) -> Result<Value, Error> {
    let mine = &Credential::pat("pat".into());
    let id = ADA.parse().unwrap();
    let ids = |ids: Vec<i32>| json!(ids);
    let person =
        |person: &identities::Identity| json!({"id": person.id, "nome": person.nome, "email": person.email});
    let item = |item: &work_items::WorkItem| {
        json!({"id": item.id, "rev": item.rev, "project": item.project, "tipo": item.tipo, "state": item.state,
            "completed": item.scheduling.completed_work.map(Horas::to_f64)})
    };
    let patch = HoursPatch {
        rev: 3,
        completed: Horas::from_f64(1.5),
        remaining: None,
    };
    Ok(match operation {
        "authenticated_user" => person(&azure.authenticated_user(mine).await?.identity),
        "identity" => json!(azure.identity(mine, id).await?.as_ref().map(person)),
        "avatar" => json!(azure.avatar(mine, "aad.x").await?),
        "projects" => json!(azure.projects(mine).await?.projects),
        "project" => json!(azure.project(mine, "Portal").await?),
        "project_settings" => json!(azure.project_settings(mine, "Portal").await?.default_team),
        "teams" => json!(
            azure
                .teams(mine, "p", true)
                .await?
                .iter()
                .map(|team| &team.name)
                .collect::<Vec<_>>()
        ),
        "team_members" => json!(azure.team_members(mine, "p", "t").await?),
        "iterations" => json!(
            azure
                .iterations(mine, "p", None)
                .await?
                .iter()
                .map(|i| &i.name)
                .collect::<Vec<_>>()
        ),
        "iteration_work_items" => ids(azure.iteration_work_items(mine, "p", Some("t"), "i").await?),
        "team_areas" => json!(
            azure
                .team_areas(mine, "p", "t")
                .await?
                .areas
                .iter()
                .map(|a| &a.value)
                .collect::<Vec<_>>()
        ),
        "query_work_items" => ids(azure.query_work_items(mine, None, "SELECT", Some(5)).await?),
        "types" => azure
            .types(mine, "p")
            .await?
            .iter()
            .map(|t| json!([t.nome, t.icon, t.color]))
            .collect(),
        "process_states" => json!(azure.process_states(mine, "p", "t").await?.len()),
        "icon" => json!(azure.icon(mine, "icon_x", "FFFFFF").await?.len()),
        "work_item" => item(&azure.work_item(mine, 4711).await?),
        "work_items" => azure.work_items(mine, &[4711]).await?.iter().map(item).collect(),
        "revisions" => azure
            .revisions(mine, 4711)
            .await?
            .revisions
            .iter()
            .map(|r| json!(r.rev))
            .collect(),
        "revision" => item(&azure.revision(mine, 4711, 3).await?),
        "update_hours" => item(&azure.update_hours(mine, 4711, &patch).await?),
        other => unreachable!("{other}"),
    })
}

/// Asserts the properties that every value must have, whatever its response was.
fn check(operation: &str, value: &Value) -> Result<(), TestCaseError> {
    let distinct = |list: &[Value]| (1..list.len()).all(|n| !list[..n].contains(&list[n]));
    match operation {
        "authenticated_user" => {
            let id = value["id"].as_str().unwrap().parse().unwrap();
            prop_assert!(!identities::is_placeholder_id(id));
            prop_assert!(value["email"].as_str().is_none_or(|email| email.contains('@')));
        }
        "identity" => prop_assert!(value.is_null() || value["id"] == ADA, "{}", value),
        "avatar" => prop_assert!(
            value.as_str().is_none_or(|uri| uri.starts_with("data:image/")),
            "{}",
            value
        ),
        "iteration_work_items" | "query_work_items" => {
            prop_assert!(distinct(value.as_array().unwrap()), "{}", value);
        }
        "types" => {
            for tipo in value.as_array().unwrap() {
                let color = tipo[2].as_str().unwrap_or("FFFFFF");
                prop_assert!(
                    color.len() == 6
                        && color
                            .bytes()
                            .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
                );
                let icon = tipo[1].as_str().unwrap_or("icon_");
                prop_assert!(
                    icon.starts_with("icon_") && icon.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                );
            }
        }
        "work_item" | "revision" | "update_hours" => {
            prop_assert!(
                ["project", "tipo", "state"]
                    .iter()
                    .all(|name| value[*name].is_string())
            );
            prop_assert!(value["completed"].as_f64().is_none_or(|hours| hours.abs() <= 1e9));
        }
        _ => {}
    }
    Ok(())
}

#[test]
fn any_valid_response_is_a_value() {
    let upstream = Upstream::start();
    for (n, (name, right)) in OPERATIONS.iter().enumerate() {
        let found = upstream.ask(n, 200, right.to_string().as_bytes());
        let empty = [json!(null), json!([]), json!(0)];
        assert!(
            found.as_ref().is_ok_and(|value| !empty.contains(value)),
            "{name}: {found:?}"
        );
        check(name, &found.unwrap()).unwrap();
    }
}

#[test]
fn any_response_never_panics() {
    let upstream = Upstream::start();
    let cases = (0..OPERATIONS.len()).prop_flat_map(|n| (Just(n), arbitrary::body(&OPERATIONS[n].1)));
    proptest!(|((n, body) in cases)| {
        let (name, _) = OPERATIONS[n];
        match upstream.ask(n, 200, &body) {
            Ok(value) => check(name, &value)?,
            Err(error) => {
                let refused = name == "authenticated_user" && error.kind() == "invalid_credential";
                prop_assert!(refused || error.kind() == "nonsense", "{}: {:?}", name, error);
            }
        }
        prop_assert!(upstream.organizacao.is_healthy(), "an answer is no outage");
    });
}

#[test]
fn any_refusal_never_panics_nor_is_quoted() {
    let upstream = Upstream::start();
    let right = json!({"typeKey": "RuleValidationException", "message": "c4n4ry",
        "customProperties": {"RuleValidationErrors": [{"fieldReferenceName": "Custom.Area",
        "errorMessage": "c4n4ry"}]}});
    let cases = (
        0..OPERATIONS.len(),
        prop::sample::select(&[400_u16, 401, 403, 404, 409, 412][..]),
        arbitrary::body(&right),
    );
    proptest!(|((n, status, body) in cases)| {
        let (name, _) = OPERATIONS[n];
        // A 404 without an error of Azure DevOps is an outage, and outages open the circuit breaker.
        let body = if status == 404 { right.to_string().into_bytes() } else { body };
        match upstream.ask(n, status, &body) {
            Ok(value) => prop_assert!(name == "avatar" && status == 404 && value.is_null(), "{} {}", name, value),
            Err(error) => {
                let expected = match status {
                    401 => "invalid_credential",
                    403 => "forbidden",
                    404 => "not_found",
                    _ => "rejected",
                };
                prop_assert_eq!(error.kind(), expected);
                let printed = format!("{error} {error:?}");
                prop_assert!(!printed.contains("c4n4ry"), "{}", printed);
            }
        }
    });
}
