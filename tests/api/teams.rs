//! `/teams`: one's own, or all for administrators.

use azure_devops_fake::Fault;
use serde_json::{Value, json};

use crate::support::app_token::{self, app_token};
use crate::support::logging::PROJECT;
use crate::support::{Logging, Request};

fn names(found: &Value) -> Vec<&str> {
    let teams = found["teams"].as_array().unwrap();
    assert_eq!(found["count"], teams.len());
    teams.iter().map(|team| team["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn members_see_their_teams_and_administrators_all() {
    let logging = Logging::with(&app_token::VARIABLES).await;
    let azure = logging.azure();
    let eva = azure.person("Eva", &["contoso"]);
    let caio = azure.person("Caio", &["contoso"]);
    let mut project = None;
    azure.edit_projects("contoso", |projects| project = Some(projects[0].clone()));
    let project = project.unwrap();
    let default = azure.team("contoso", &project, "Zeta", &[eva.id]);
    azure.team("contoso", &project, "alfa", &[]);
    azure.team("contoso", &project, "Beta", &[eva.id, caio.id]);
    for n in 0..210 {
        azure.team("contoso", &project, &format!("t{n:03}"), &[]);
    }
    let path = format!("/api/v1/teams?organization_name=contoso&project_id={PROJECT}");
    let app = &logging.tenants.app;
    let token = azure.pat(&eva);
    let mine = app.get_as(&token, &path).await.expect(200);
    assert_eq!(names(&mine), ["Beta", "Zeta"]);
    assert_eq!(
        (&mine["mine_only"], &mine["is_admin"], &mine["default_team_id"]),
        (&json!(true), &json!(false), &json!(default))
    );
    let team = &mine["teams"][1];
    assert_eq!(
        team,
        &json!({
            "id": default, "name": "Zeta", "description": "", "url": "u", "identity_url": "i",
            "project_id": project.id, "project_name": PROJECT
        })
    );
    let asked = azure.count("list_teams");
    app.get_as(&token, &path).await.expect(200);
    assert_eq!(azure.count("list_teams"), asked);

    // Every page of them.
    let all = app.get_as(&logging.tenants.admin, &path).await.expect(200);
    assert_eq!(names(&all).len(), 213);
    assert_eq!(names(&all)[..2], ["alfa", "Beta"]);
    assert_eq!(
        (&all["mine_only"], &all["is_admin"]),
        (&json!(false), &json!(true))
    );

    // No teams, and no default one that could be chosen.
    let none = logging.get(&path).await.expect(200);
    assert_eq!((names(&none), &none["default_team_id"]), (vec![], &Value::Null));
    // An app token has no credential of its own: the members of each team are read, once for all callers.
    let token = app_token(caio.id);
    let by_app = app.send(Request::get(&path).bearer(&token)).await.expect(200);
    assert_eq!(names(&by_app), ["Beta"]);
    assert_eq!(azure.count("list_team_members"), 213);
    let other = app_token(azure.person("Bia", &["contoso"]).id);
    let none = app.send(Request::get(&path).bearer(&other)).await.expect(200);
    assert_eq!(names(&none), Vec::<&str>::new());
    assert_eq!(azure.count("list_team_members"), 213);
}

#[tokio::test]
async fn list_teams_errors_are_403_400_and_502() {
    let logging = Logging::new().await;
    let path = format!("/api/v1/teams?organization_name=contoso&project_id={PROJECT}");
    logging
        .tenants
        .app
        .get_as(&logging.tenants.other, &path)
        .await
        .problem(403);
    logging.get(&path.replace(PROJECT, "Nenhum")).await.problem(400);
    logging
        .azure()
        .fault("contoso", "list_teams", Fault::Status(500, None));
    logging.get(&path).await.problem(502);
}
