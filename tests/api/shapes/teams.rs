//! Teams without areas, with very many areas, or with another field than the area.

use super::{Member, hints, ids};
use crate::support::logging::PROJECT;

#[tokio::test]
async fn sheet_team_without_areas_is_empty_with_a_notice() {
    let member = Member::new().await;
    member.add(member.task());
    let team = member.team("System.AreaPath", &[]);
    let sheet = member.sheet(&format!("&team_id={team}")).await;
    assert_eq!(ids(&sheet), [] as [i64; 0]);
    assert_eq!(hints(&sheet), ["time_sem_areas"]);
    assert_eq!(member.logging.azure().count("query_work_items"), 0);
}

#[tokio::test]
async fn sheet_team_without_areas_keeps_logged_items() {
    let member = Member::new().await;
    let item = member.add(member.task());
    member.post(item).await.expect(201);
    let team = member.team("System.AreaPath", &[]);
    let sheet = member.sheet(&format!("&team_id={team}")).await;
    assert_eq!(ids(&sheet), [i64::from(item)]);
}

#[tokio::test]
async fn sheet_team_of_another_field_uses_that_field() {
    let member = Member::new().await;
    let mine = member.add(member.task().with("Custom.Equipe", "Time A".into()));
    member.add(member.task().with("Custom.Equipe", "Time B".into()));
    let team = member.team("Custom.Equipe", &["Time A".to_owned()]);
    let sheet = member.sheet(&format!("&team_id={team}")).await;
    assert_eq!(ids(&sheet), [i64::from(mine)]);
    assert_eq!(hints(&sheet), [] as [&str; 0]);
}

#[tokio::test]
async fn sheet_team_of_a_malformed_field_is_refused() {
    let member = Member::new().await;
    let team = member.team("x] OR [System.Id", &["1".to_owned()]);
    member.get("", &format!("&team_id={team}")).await.problem(502);
}

#[tokio::test]
async fn sheet_team_of_300_areas_is_complete() {
    let member = Member::new().await;
    let area = |n: usize| format!("{PROJECT}\\{}\\{n:03}", "Área de nome comprido ".repeat(8).trim());
    let areas: Vec<String> = (0..300).map(area).collect();
    let team = member.team("System.AreaPath", &areas);
    let expected: Vec<i64> = [0, 150, 299]
        .map(|n| i64::from(member.add(member.task().area(&area(n)))))
        .to_vec();
    member.add(member.task().area(&area(300)));
    let sheet = member.sheet(&format!("&team_id={team}")).await;
    assert_eq!(ids(&sheet), expected);
    assert!(member.logging.azure().count("query_work_items") > 1);
}

#[tokio::test]
async fn sheet_area_longer_than_a_query_is_422() {
    let member = Member::new().await;
    let team = member.team("System.AreaPath", &[format!("{PROJECT}\\{}", "x".repeat(33_000))]);
    let refused = member.get("", &format!("&team_id={team}")).await;
    assert_eq!(refused.problem(422)["code"], "consulta_grande_demais");
}
