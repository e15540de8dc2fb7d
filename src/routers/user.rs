//! `/user`: the caller, for display.

use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::CurrentUser;
use crate::edge::extract::ApiJson;
use crate::edge::openapi::USER;
use crate::edge::openapi::problems::{InvalidInput, Problems, Protected};
use crate::error::Result;
use crate::services::user::UserService;
use crate::state::AppState;

/// Header with the frontend's data of the user: base64 of a JSON object.
const HINTS: &str = "x-custom-header";

/// Returns the routes of the caller.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_user))
}

/// Get the caller
///
/// Returns the caller as Azure DevOps knows them. Gaps are filled from `x-custom-header` (Base64 of a JSON
/// object with `User-Name` and `User-Email`), for display only; no other operation uses the header.
#[utoipa::path(get, path = "/user", tag = USER,
    params(("x-custom-header" = Option<String>, Header, description = "Fills gaps of the answer, for display only",
        example = "eyJVc2VyLU5hbWUiOiJBZGEgRXhhbXBsZSJ9")),
    responses((status = 200, body = UserResponse, description = "The caller"),
        Problems<(InvalidInput, Protected)>))]
async fn get_user(
    user: CurrentUser,
    State(service): State<UserService>,
    headers: HeaderMap,
) -> Result<ApiJson<UserResponse>> {
    let avatar = service.avatar(&user).await;
    let organizacoes = user.memberships().iter();
    let organizacoes = organizacoes.map(|m| user.nome_of(m).to_string()).collect();
    let hints = hints(&headers).unwrap_or_default();
    let shown_name = (!user.nome_known).then(|| hint(&hints, "User-Name")).flatten();
    Ok(ApiJson(UserResponse {
        papel: user.papel().as_str(),
        id: user.id,
        display_name: shown_name.unwrap_or(user.nome),
        email_address: user.email.or_else(|| hint(&hints, "User-Email")),
        avatar_url: avatar.map(|uri| uri.to_string()),
        organizacoes,
    }))
}

/// Returns the header's object. Any other content counts as absent (D-08).
fn hints(headers: &HeaderMap) -> Option<Value> {
    let decoded = STANDARD.decode(headers.get(HINTS)?.as_bytes()).ok()?;
    serde_json::from_slice(&decoded).ok()
}

/// Returns the text under a key. Returns `None` if it is blank or missing.
fn hint(hints: &Value, key: &str) -> Option<String> {
    let text = hints.get(key)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UserResponse {
    /// Identity GUID in Azure DevOps.
    #[schema(example = "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d")]
    id: String,
    /// Name to show.
    #[schema(example = "Ada Example")]
    display_name: String,
    /// E-mail address.
    #[schema(required = true, example = "ada@contoso.example")]
    email_address: Option<String>,
    /// Picture as a `data:` URI.
    #[schema(required = true, example = "data:image/png;base64,iVBORw0KGgo=")]
    avatar_url: Option<String>,
    /// Role: `admin` (of all organisations or of one) or `membro`.
    #[schema(example = "membro")]
    papel: &'static str,
    /// Organisations of this service that the caller belongs to.
    #[schema(example = json!(["contoso"]))]
    organizacoes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::arbitrary;

    fn name(header: &[u8]) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(HINTS, HeaderValue::from_bytes(header).unwrap());
        hint(&hints(&headers).unwrap_or_default(), "User-Name")
    }

    proptest! {
        #[test]
        fn d_08_no_header_is_an_error(header in arbitrary::header_bytes()) {
            // Arbitrary bytes are hardly ever base64 of an object.
            prop_assert!(name(&header).is_none_or(|name| !name.is_empty()));
        }

        #[test]
        fn d_08_only_a_text_in_an_object_is_a_name(body in arbitrary::body(&json!({"User-Name": "Ada", "x": [1]}))) {
            let payload = serde_json::from_slice::<Value>(&body).ok();
            let payload = payload.and_then(|payload| Some(payload.get("User-Name")?.as_str()?.trim().to_owned()));
            let found = name(STANDARD.encode(&body).as_bytes());
            prop_assert_eq!(found, payload.filter(|name| !name.is_empty()));
        }
    }
}
