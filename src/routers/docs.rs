//! `/openapi.json`, the same as `/openapi-3.0.json`, Swagger UI at `/docs`, ReDoc at `/redoc`: all files are
//! embedded in the binary, none is loaded from a CDN.

mod stored;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use utoipa::openapi::OpenApi;

use crate::edge::conditional::IfNoneMatch;
use crate::edge::problem::Problem;
use crate::state::AppState;
use stored::{About, Stored};

/// Content security policy: scripts only from this origin. Both tools use inline styles, and ReDoc searches
/// in a worker.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Cache policy of the pages and the document, which change with the binary.
const FRESH: &str = "no-cache";
/// Cache policy of the vendored files, which change only with a release that vendors other versions.
const VENDORED: &str = "public, max-age=3600";

const PAGE: About<'_> = About {
    content_type: "text/html; charset=utf-8",
    cache: FRESH,
    policy: Some(POLICY),
};
const SCRIPT: About<'_> = About {
    content_type: "text/javascript; charset=utf-8",
    cache: FRESH,
    policy: None,
};
const DOCUMENT: About<'_> = About {
    content_type: "application/json",
    cache: FRESH,
    policy: None,
};

/// Files of `utoipa-swagger-ui`, which does not export a list.
const SWAGGER_FILES: [&str; 13] = [
    "favicon-16x16.png",
    "favicon-32x32.png",
    "index.css",
    "index.html",
    "oauth2-redirect.html",
    "oauth2-redirect.js",
    "swagger-initializer.js",
    "swagger-ui-bundle.js",
    "swagger-ui-es-bundle-core.js",
    "swagger-ui-es-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-ui.css",
    "swagger-ui.js",
];

/// Returns the routes of the documentation of `document`. All responses are compressed here, once.
///
/// # Errors
/// When the document cannot be serialized, or a file cannot be compressed.
pub fn router(document: &OpenApi) -> io::Result<Router<AppState>> {
    let document = serde_json::to_value(document)?;
    let of_3_0 = serde_json::to_vec(&openapi_downgrade::to_3_0(&document))?;
    let json = serde_json::to_vec(&document)?;
    let bundle = include_bytes!("docs/redoc.standalone.js.gz");
    let bundle = Stored::compressed(
        About {
            cache: VENDORED,
            ..SCRIPT
        },
        Bytes::from_static(bundle),
    );
    Ok(Router::new()
        .route("/openapi.json", file(Stored::compress(DOCUMENT, json.into())?))
        .route(
            "/openapi-3.0.json",
            file(Stored::compress(DOCUMENT, of_3_0.into())?),
        )
        .route("/docs", text(PAGE, include_bytes!("docs/swagger.html"))?)
        .route(
            "/docs/init.js",
            text(SCRIPT, include_bytes!("docs/swagger-init.js"))?,
        )
        .route("/docs/{*file}", files(swagger_files()?))
        .route("/redoc", text(PAGE, include_bytes!("docs/redoc.html"))?)
        .route(
            "/redoc/init.js",
            text(SCRIPT, include_bytes!("docs/redoc-init.js"))?,
        )
        .route("/redoc/redoc.standalone.js", file(bundle)))
}

fn text(about: About<'_>, source: &'static [u8]) -> io::Result<MethodRouter<AppState>> {
    Ok(file(Stored::compress(about, Bytes::from_static(source))?))
}

fn file(stored: Stored) -> MethodRouter<AppState> {
    let stored = Arc::new(stored);
    get(async move |headers: HeaderMap, known: IfNoneMatch| stored.answer(&headers, &known))
}

fn files(stored: HashMap<&'static str, Stored>) -> MethodRouter<AppState> {
    let stored = Arc::new(stored);
    get(async move |uri: Uri, headers: HeaderMap, known: IfNoneMatch| {
        let name = uri.path().strip_prefix("/docs/").unwrap_or_default();
        match stored.get(name) {
            Some(file) => file.answer(&headers, &known),
            None => Problem::of_status(StatusCode::NOT_FOUND).into_response(),
        }
    })
}

/// Returns Swagger UI's files by name, as embedded in the binary.
fn swagger_files() -> io::Result<HashMap<&'static str, Stored>> {
    let config = Arc::new(utoipa_swagger_ui::Config::from("/openapi.json"));
    let mut stored = HashMap::new();
    for name in SWAGGER_FILES {
        let found = utoipa_swagger_ui::serve(name, Arc::clone(&config));
        let found = found.map_err(|error| io::Error::other(error.to_string()))?;
        let Some(found) = found else { continue };
        let about = About {
            content_type: &found.content_type,
            cache: VENDORED,
            policy: None,
        };
        let bytes = match found.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        let file = if found.gzpipped {
            Stored::compressed(about, bytes)
        } else {
            Stored::compress(about, bytes)?
        };
        stored.insert(name, file);
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_swagger_ui_is_found_by_its_name() {
        let stored = swagger_files().unwrap();
        let lacking = SWAGGER_FILES.iter().filter(|name| !stored.contains_key(*name));
        assert_eq!(lacking.collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}
