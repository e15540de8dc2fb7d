//! `/iterations`.

use azure_devops_fake::Fault;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::Logging;
use crate::support::logging::PROJECT;

#[tokio::test]
async fn iterations_come_in_both_spellings_and_are_remembered() {
    let logging = Logging::new().await;
    let azure = logging.azure();
    azure.iteration("contoso", "Sprint 1", "past", &[]);
    let current = azure.iteration("contoso", "Sprint 2", "current", &[30, 10, 20, 10]);
    let path = format!("/api/v1/iterations?organization_name=CONTOSO&project_id={PROJECT}");
    let found = logging.get(&path).await.expect(200);
    assert_eq!(
        (&found["count"], &found["current_iteration_id"]),
        (&json!(2), &json!(current))
    );
    let second = &found["iterations"][1];
    assert_eq!(second["path"], "P000\\Sprint 2");
    let attributes = &second["attributes"];
    assert_eq!(
        attributes,
        &json!({
            "startDate": "2026-01-19T00:00:00Z", "finishDate": "2026-01-30T00:00:00Z", "timeFrame": "current",
            "start_date": "2026-01-19T00:00:00", "finish_date": "2026-01-30T00:00:00", "time_frame": "current"
        })
    );
    logging.get(&path).await.expect(200);
    assert_eq!(azure.count("list_iterations"), 1);

    let planned = format!(
        "/api/v1/iterations/{}/work-items?organization_name=contoso&project_id={PROJECT}",
        current.simple()
    );
    assert_eq!(
        logging.get(&planned).await.expect(200),
        json!({"iteration_id": current, "iteration_name": "Sprint 2", "work_item_ids": [10, 20, 30], "count": 3})
    );
    let unknown = planned.replace(&current.simple().to_string(), &Uuid::new_v4().to_string());
    logging.get(&unknown).await.problem(404);
    let malformed = planned.replace(&current.simple().to_string(), "..%2F..");
    assert_eq!(
        logging.get(&malformed).await.failures(),
        ["path.iteration_id uuid_parsing"]
    );
}

#[tokio::test]
async fn team_is_named_in_the_address_and_must_exist() {
    let logging = Logging::new().await;
    let azure = logging.azure();
    let mut project = None;
    azure.edit_projects("contoso", |projects| project = Some(projects[0].clone()));
    let team = azure.team("contoso", &project.unwrap(), "Time A/B", &[]);
    let path = format!("/api/v1/iterations?organization_name=contoso&project_id={PROJECT}&team_id=");
    logging.get(&format!("{path}{team}")).await.expect(200);
    logging.get(&path).await.expect(200);
    logging.get(&format!("{path}X%2F..%2Fz")).await.problem(404);
    let seen = azure.seen();
    let asked = seen.iter().find(|seen| seen.path.contains("X%2F..%2Fz"));
    assert!(asked.is_some(), "the name stays in its segment");
}

#[tokio::test]
async fn d_27_outage_is_never_an_empty_list() {
    for (fault, status) in [
        (Fault::Status(500, None), 502),
        (Fault::SignIn, 502),
        (Fault::Status(403, None), 403),
        (Fault::Hang, 504),
    ] {
        let logging = Logging::new().await;
        let id = logging.azure().iteration("contoso", "S", "current", &[]);
        logging.azure().fault("contoso", "list_iterations", fault);
        let place = format!("organization_name=contoso&project_id={PROJECT}");
        for path in [
            format!("/api/v1/iterations?{place}"),
            format!("/api/v1/iterations/{id}/work-items?{place}"),
        ] {
            let problem: Value = logging.get(&path).await.problem(status);
            assert_ne!(problem["code"], "erro_interno");
        }
    }
}
