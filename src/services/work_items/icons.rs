//! Icons of types as `data:` URIs. Icons are decoration: no request waits long for one, and none fails
//! without one.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::time::timeout;

use super::{Types, WorkItemService};
use crate::auth::Membership;
use crate::models::organizacao::NomeOrganizacao;
use crate::telemetry::request;

/// Cache key: organisation, icon, colour.
pub(super) type IconKey = (NomeOrganizacao, String, String);

/// Maximum number of cached icons; `TTL` is their lifetime.
pub(super) const MOST: u64 = 2_000;
pub(super) const TTL: Duration = Duration::from_hours(24);
/// Maximum wait of the first request; the icon is fetched even after that.
const PATIENCE: Duration = Duration::from_millis(150);
/// Maximum size of an icon in bytes; a larger response is not the icon of a type.
const LARGEST: usize = 64 << 10;

/// Default icons and colours of types for which Azure DevOps reports none.
const KNOWN: [(&str, &str, &str); 10] = [
    ("Task", "icon_clipboard", "F2CB1D"),
    ("Bug", "icon_insect", "CC293D"),
    ("Epic", "icon_crown", "FF7B00"),
    ("Feature", "icon_trophy", "773B93"),
    ("User Story", "icon_book", "009CCC"),
    ("Product Backlog Item", "icon_list", "009CCC"),
    ("Issue", "icon_traffic_cone", "B4009E"),
    ("Test Case", "icon_test_case", "004B50"),
    ("Test Plan", "icon_test_plan", "004B50"),
    ("Test Suite", "icon_test_suite", "004B50"),
];
const OTHER: (&str, &str) = ("icon_clipboard", "888888");

impl WorkItemService {
    /// Returns the icon of a type, fetched if it is not cached; a drawn one while the icon is not available.
    pub(super) async fn icon(&self, membership: &Membership, types: Option<&Types>, tipo: &str) -> Arc<str> {
        let (icon, color) = icon_and_color(types, tipo);
        // Azure DevOps may delay the call; the request does not wait for it.
        let organizacao = membership.organizacao().patient();
        let key = (organizacao.nome().clone(), icon.clone(), color.clone());
        if let Some(known) = self.caches.icons.get(&key).await {
            return known;
        }
        let Ok(credential) = membership.service_credential().cloned() else {
            return drawn(&color);
        };
        let cache = self.caches.icons.clone();
        let (own_icon, own_color) = (icon, color.clone());
        let fetch = async move {
            let ask = async {
                match organizacao.icon(&credential, &own_icon, &own_color).await {
                    Ok(svg) if svg.len() <= LARGEST => as_uri(&svg),
                    // The drawn icon is cached for a day as well: icons are decoration.
                    _ => drawn(&own_color),
                }
            };
            cache.get_with(key, ask).await
        };
        // Spawned as a separate task: the icon is cached even if no request waits for it.
        let fetched = timeout(PATIENCE, tokio::spawn(request::inherit(fetch))).await;
        fetched.ok().and_then(Result::ok).unwrap_or_else(|| drawn(&color))
    }

    /// Returns the icon of a type if it is cached, or else a drawn one, without a call.
    pub async fn known_icon(&self, nome: &NomeOrganizacao, types: &Types, tipo: &str) -> Arc<str> {
        let (icon, color) = icon_and_color(Some(types), tipo);
        let key = (nome.clone(), icon, color);
        match self.caches.icons.get(&key).await {
            Some(known) => known,
            None => drawn(&key.2),
        }
    }
}

/// Returns icon and colour of a type: its own, else those that such types usually have.
fn icon_and_color(types: Option<&Types>, tipo: &str) -> (String, String) {
    let declared = types.and_then(|types| types.find(tipo));
    let known = KNOWN.iter().find(|(nome, _, _)| *nome == tipo);
    let (icon, color) = known.map_or(OTHER, |(_, icon, color)| (icon, color));
    (
        declared
            .and_then(|declared| declared.icon.clone())
            .unwrap_or_else(|| icon.to_owned()),
        declared
            .and_then(|declared| declared.color.clone())
            .unwrap_or_else(|| color.to_owned()),
    )
}

/// Returns a square in the type's colour, as a `data:` URI.
fn drawn(color: &str) -> Arc<str> {
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"16\" height=\"16\">\
     <rect x=\"1\" y=\"1\" width=\"14\" height=\"14\" \
         rx=\"2\" fill=\"#{color}\"/></svg>"
    );
    as_uri(svg.as_bytes())
}

/// Encodes an SVG as a `data:` URI. Browsers show it as an image, so that no script in it runs.
fn as_uri(svg: &[u8]) -> Arc<str> {
    format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg)).into()
}
