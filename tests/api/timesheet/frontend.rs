//! The frontend's pages, call for call, with the fields that they read: `tests/data/frontend.json`.

use serde_json::{Value, json};

use super::Sheet;
use crate::support::Request;
use crate::support::app_token;
use crate::support::logging::day;

const CALLS: &str = include_str!("../../data/frontend.json");

/// Whether a value has a path: `work_items[].dias[].data`. A question mark at the end allows null.
fn has(value: &Value, path: &str) -> bool {
    let Some((first, rest)) = path.split_once('.').map_or(Some((path, "")), Some) else {
        return false;
    };
    let (name, list) = first
        .strip_suffix("[]")
        .map_or((first, false), |name| (name, true));
    let (name, nullable) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
    let found = if name.is_empty() {
        Some(value)
    } else {
        value.get(name)
    };
    let found = found.filter(|found| nullable || !found.is_null());
    match (found, list) {
        (None, _) => false,
        (Some(found), true) => {
            let elements = found.as_array().expect(path);
            assert!(!elements.is_empty(), "{path} is empty");
            rest.is_empty() || elements.iter().all(|element| has(element, rest))
        }
        (Some(found), false) => rest.is_empty() || has(found, rest),
    }
}

#[tokio::test]
async fn frontend_flow_with_a_pat_works_call_for_call() {
    let sheet = Sheet::new().await;
    let token = sheet.token.clone();
    flow(&sheet, &token).await;
}

/// What `SDK.getAccessToken()` gives to the extension's pages.
#[tokio::test]
async fn frontend_flow_with_an_access_token_works() {
    let sheet = Sheet::with(&app_token::VARIABLES).await;
    let token = sheet.logging.azure().azure_devops_token(&sheet.me);
    flow(&sheet, &token).await;
}

/// What `SDK.getAppToken()` gives them.
#[tokio::test]
async fn frontend_flow_with_an_app_token_works() {
    let sheet = Sheet::with(&app_token::VARIABLES).await;
    flow(&sheet, &app_token::app_token(sheet.me.id)).await;
}

/// The pages of one frontend, whose every request has this Bearer token.
async fn flow(sheet: &Sheet, token: &str) {
    let logging = &sheet.logging;
    let azure = logging.azure();
    let mut project = None;
    azure.edit_projects("contoso", |projects| project = Some(projects[0].clone()));
    let team = azure.team("contoso", &project.unwrap(), "Time A", &[sheet.me.id]);
    let item = sheet.add(sheet.task().titled("Tela de apontamento").estimate(8.0));
    let iteration = azure.iteration("contoso", "Sprint 1", "current", &[item]);
    sheet.log(item, &day(0), "01:00").await;
    let app = &logging.tenants.app;
    let user = app.get_as(token, "/api/v1/user").await.expect(200);
    let names = [
        ("{project}", logging.tenants.projeto.to_string()),
        ("{team}", team.to_string()),
        ("{iteration}", iteration.to_string()),
        ("{item}", item.to_string()),
        ("{activity}", logging.atividade.to_string()),
        ("{today}", day(0)),
        ("{process}", "agile-id".to_owned()),
        ("{state}", "Doing".to_owned()),
    ];
    replay(&names, &user, async |call| {
        let method = call.method.parse().unwrap();
        let mut request = Request::new(method, &format!("/api/v1{}", call.path))
            .bearer(token)
            .header("x-custom-header", "eyJVc2VyLU5hbWUiOiJFdmEifQ==");
        if let Some(body) = call.body {
            request = request.json(&body);
        }
        let reply = app.send(request).await;
        let body = if reply.bytes.is_empty() {
            Value::Null
        } else {
            reply.json()
        };
        (reply.status.as_u16(), body)
    })
    .await;
}

/// Holds a recorded call with its placeholders filled in.
pub(crate) struct Call {
    pub(crate) method: String,
    /// Path below `/api/v1`, with its query.
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

/// Sends the recorded calls in their order as `user`; each must answer with its status and the fields that
/// the pages read. `names` are placeholders and their values.
pub(crate) async fn replay(names: &[(&str, String)], user: &Value, send: impl AsyncFn(Call) -> (u16, Value)) {
    let calls: Vec<Value> = serde_json::from_str(CALLS).unwrap();
    let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut entry = Value::Null;
    for call in calls {
        let mut all = names.to_vec();
        all.extend([
            ("{user.id}", text_of(&user["id"])),
            ("{user.name}", text_of(&user["displayName"])),
            ("{user.email}", text_of(&user["emailAddress"])),
            ("{entry}", text_of(&entry["id"])),
        ]);
        let fill = |text: &str| {
            all.iter()
                .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
        };
        let name = format!("{} {}", call["method"], call["path"]);
        let item = names
            .iter()
            .find(|(name, _)| *name == "{item}")
            .unwrap()
            .1
            .clone();
        let (status, answer) = send(Call {
            method: text_of(&call["method"]),
            path: fill(&text_of(&call["path"])),
            body: call.get("body").map(|body| {
                // Numbers stay numbers: the frontend sends ids of work items as such.
                let text = fill(&body.to_string()).replace(&format!("\"{item}\""), &item);
                serde_json::from_str(&text).unwrap()
            }),
        })
        .await;
        assert_eq!(json!(status), call["status"], "{name}: {answer}");
        for field in call["reads"].as_array().unwrap() {
            let field = fill(field.as_str().unwrap());
            assert!(has(&answer, &field), "{name} lacks {field}: {answer}");
        }
        if call["path"] == "/apontamentos" {
            entry = answer;
        }
    }
    assert_ne!(entry, Value::Null);
}
