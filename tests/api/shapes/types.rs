//! Types that are told with gaps.

use azure_devops_fake::Gaps;
use serde_json::json;

use super::{Member, hints};

fn leave_out(member: &Member, gaps: Gaps) {
    member
        .logging
        .azure()
        .edit_work_items("contoso", |items| items.leave_out("Task", gaps));
}

#[tokio::test]
async fn create_type_list_without_fields_writes_hours() {
    let member = Member::new().await;
    let item = member.add(member.task());
    leave_out(
        &member,
        Gaps {
            fields: true,
            ..Gaps::default()
        },
    );
    let entry = member.post(item).await.expect(201);
    assert_eq!(entry["sincronizacao"]["estado"], "sincronizado", "{entry}");
    assert_eq!(member.logging.azure().hours(item).0, Some(1.0));
}

#[tokio::test]
async fn create_type_without_known_fields_is_not_synchronised() {
    let member = Member::new().await;
    let item = member.add(member.task());
    leave_out(
        &member,
        Gaps {
            fields: true,
            also_by_name: true,
            ..Gaps::default()
        },
    );
    let entry = member.post(item).await.expect(201);
    assert_ne!(entry["sincronizacao"]["estado"], "sincronizado", "{entry}");
    assert_eq!(member.logging.azure().hours(item).0, None);
}

#[tokio::test]
async fn create_category_null_costs_that_state_alone() {
    let member = Member::new().await;
    let gaps = Gaps {
        category_of: Some("Testing"),
        ..Gaps::default()
    };
    leave_out(&member, gaps);
    let doing = member.add(member.task());
    let testing = member.add(member.task().state("Testing"));
    member.post(doing).await.expect(201);
    member.post(testing).await.expect(201);
}

#[tokio::test]
async fn create_states_missing_in_list_are_read_by_type() {
    for also_by_name in [false, true] {
        let member = Member::new().await;
        leave_out(
            &member,
            Gaps {
                states: true,
                also_by_name,
                ..Gaps::default()
            },
        );
        let item = member.add(member.task());
        let closed = member.add(member.task().state("Done").changed("2020-01-01"));
        member.post(item).await.expect(201);
        assert_eq!(
            member.post(closed).await.problem(422)["code"],
            "work_item_fechado"
        );
        let sheet = member.sheet("").await;
        assert_eq!(super::ids(&sheet), [i64::from(item)]);
        assert_eq!(hints(&sheet), [] as [&str; 0]);
        let asked = member.logging.azure().count("list_type_states");
        assert_eq!(asked > 0, also_by_name);
    }
}

#[tokio::test]
async fn create_one_type_with_gaps_leaves_others_alone() {
    let member = Member::new().await;
    leave_out(
        &member,
        Gaps {
            fields: true,
            states: true,
            also_by_name: true,
            category_of: None,
        },
    );
    let bug = member.add(member.task().of_type("Bug"));
    let entry = member.post(bug).await.expect(201);
    assert_eq!(entry["sincronizacao"]["estado"], json!("sincronizado"));
}
