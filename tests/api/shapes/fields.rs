//! Collections that lack fields of hours or of the hierarchy.

use azure_devops_fake::Fault;
use serde_json::{Value, json};

use super::{Member, hints, ids};
use crate::support::Request;
use crate::support::logging::path;

const ORIGINAL: &str = "Microsoft.VSTS.Scheduling.OriginalEstimate";
const COMPLETED: &str = "Microsoft.VSTS.Scheduling.CompletedWork";

#[tokio::test]
async fn reads_absent_fields_are_left_out() {
    let member = Member::new().await;
    let azure = member.logging.azure();
    let item = member.add(member.task().remaining(2.0));
    for field in [ORIGINAL, COMPLETED, "System.Parent"] {
        azure.edit_work_items("contoso", |items| items.remove_field(field));
    }
    let sheet = member.sheet("").await;
    assert_eq!(ids(&sheet), [i64::from(item)]);
    assert_eq!(
        (
            &sheet["work_items"][0]["remaining_work"],
            &sheet["work_items"][0]["completed_work"]
        ),
        (&json!(2.0), &Value::Null)
    );
    assert_eq!(hints(&sheet), ["campo_ausente"; 3]);
    let detail = sheet["avisos"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("System.Parent"), "{detail}");
    let entry = member.post(item).await.expect(201);
    assert_eq!(member.send(Request::delete(&path(&entry))).await.status, 204);
}

#[tokio::test]
async fn reads_absent_fields_are_remembered() {
    let member = Member::new().await;
    let azure = member.logging.azure();
    let (first, second) = (member.add(member.task()), member.add(member.task()));
    azure.edit_work_items("contoso", |items| items.remove_field(ORIGINAL));
    member.post(first).await.expect(201);
    azure.forget_requests();
    member.post(second).await.expect(201);
    let reads = azure
        .seen()
        .into_iter()
        .filter(|seen| seen.operation == "read_work_item");
    let refused = reads
        .filter(|seen| seen.query.contains("OriginalEstimate"))
        .count();
    assert_eq!(refused, 0, "the second read does not ask for the field again");
}

#[tokio::test]
async fn reads_other_refusal_stays_a_refusal() {
    let member = Member::new().await;
    let item = member.add(member.task());
    let azure = member.logging.azure();
    azure.fault("contoso", "read_work_item", Fault::Status(400, None));
    member.post(item).await.problem(502);
}

#[tokio::test]
async fn reads_refused_for_any_field_mark_none() {
    let member = Member::new().await;
    let item = member.add(member.task());
    let azure = member.logging.azure();
    azure.fault("contoso", "read_work_item", Fault::NoSuchField);
    member.post(item).await.problem(502);
    azure.heal();
    assert_eq!(hints(&member.sheet("").await), [] as [&str; 0]);
}
