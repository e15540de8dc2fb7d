//! Work items with very many revisions.

use serde_json::json;

use super::Member;

#[tokio::test]
async fn revisions_above_12000_are_truncated_and_marked() {
    let member = Member::new().await;
    let item = member.add(member.task());
    let azure = member.logging.azure();
    azure.edit_work_items("contoso", |items| items.repeat_revision(item, 12_100));
    let told = member
        .get(&format!("/work-item/{item}/revisions"), "")
        .await
        .expect(200);
    assert_eq!(told["truncado"], json!(true));
    assert_eq!(told["revisions"].as_array().unwrap().len(), 12_000);
    assert_eq!(told["revisions"][0]["rev"], 1);
}

#[tokio::test]
async fn revisions_few_are_whole() {
    let member = Member::new().await;
    let item = member.add(member.task());
    let told = member
        .get(&format!("/work-item/{item}/revisions"), "")
        .await
        .expect(200);
    assert_eq!(told["truncado"], json!(false));
    assert_eq!(told["revisions"].as_array().unwrap().len(), 1);
}
