//! People as text, XML processes, and collections whose names are not plain letters.

use azure_devops_fake::{FakeAzure, Fault};
use serde_json::json;

use super::{Member, ids};
use crate::support::TestApp;

#[tokio::test]
async fn sheet_people_as_text_shows_own_items() {
    let member = Member::new().await;
    let item = member.add(member.task());
    let other = member.add(
        member
            .task()
            .of(&member.logging.azure().person("Bia", &["contoso"])),
    );
    let azure = member.logging.azure();
    let iteration = azure.iteration("contoso", "Sprint 1", "current", &[item, other]);
    azure.edit_work_items("contoso", |items| items.people_as_text = true);
    let sheet = member.sheet(&format!("&iteration_id={iteration}")).await;
    assert_eq!(ids(&sheet), [i64::from(item)]);
    assert_eq!(sheet["work_items"][0]["assigned_to"], "Eva Silva");
}

#[tokio::test]
async fn process_states_of_an_xml_process_are_those_of_the_type() {
    for refusal in [404, 400] {
        let member = Member::new().await;
        let azure = member.logging.azure();
        azure.fault("contoso", "list_process_states", Fault::Status(refusal, None));
        for more in [
            "&work_item_type=Custom.Task",
            "&process_id=agile-id&work_item_type=Custom.Task",
        ] {
            let told = member.get("/process-states", more).await.expect(200);
            assert_eq!(told["state_map"]["Doing"], "InProgress", "{refusal}");
        }
        member
            .get("/process-states", "&work_item_type=Custom.Nothing")
            .await
            .problem(404);
    }
}

#[tokio::test]
async fn organization_name_accents_and_brackets_are_read() {
    let azure = FakeAzure::contoso().await;
    azure.organization("coleção (br)");
    let ada = azure.person("Ada", &["coleção (br)"]);
    azure.project("coleção (br)", "Portal");
    let token = azure.pat(&ada);
    let variables = azure.variables("Cole%C3%A7%C3%A3o%20(BR)");
    let url = variables["AZURE_DEVOPS_ORG_URL"].clone();
    let app = TestApp::over(
        &azure,
        [
            ("AZURE_DEVOPS_ORG_URL", url.as_str()),
            ("AZURE_DEVOPS_PAT", &token),
        ],
    )
    .await;
    let sync = crate::support::Request::post("/api/v1/integracao/sincronizar").bearer(&token);
    app.send(sync).await.expect(200);
    let path = "/api/v1/iterations?organization_name=COLE%C3%87%C3%83O%20(br)&project_id=Portal";
    let told = app.get_as(&token, path).await.expect(200);
    assert_eq!(told["count"], json!(0));
}
