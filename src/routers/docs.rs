//! `/openapi.json`, Swagger UI at `/docs`, ReDoc at `/redoc`: everything from the binary, nothing from a CDN.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::OpenApi;

use crate::app::AppState;
use crate::http::problem::Problem;

/// Scripts only from here, nothing from elsewhere; both tools write styles inline, ReDoc searches in a worker.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The pages and the document change with the binary.
const FRESH: &str = "no-cache";
/// The vendored files change only when somebody vendors others.
const VENDORED: &str = "public, max-age=3600";

/// Routes that show `document`.
///
/// # Errors
/// When the document cannot be written as JSON.
pub fn router(document: &OpenApi) -> Result<Router<AppState>, serde_json::Error> {
    let json = Bytes::from(serde_json::to_vec(document)?);
    let swagger = Arc::new(utoipa_swagger_ui::Config::from("/openapi.json"));
    Ok(Router::new()
        .route(
            "/openapi.json",
            get(async move || file("application/json", json, FRESH)),
        )
        .route("/docs", get(async || page(include_bytes!("docs/swagger.html"))))
        .route(
            "/docs/init.js",
            get(async || script(include_bytes!("docs/swagger-init.js"))),
        )
        .route(
            "/docs/{*file}",
            get(async move |request: Request| swagger_file(&request, swagger)),
        )
        .route("/redoc", get(async || page(include_bytes!("docs/redoc.html"))))
        .route(
            "/redoc/init.js",
            get(async || script(include_bytes!("docs/redoc-init.js"))),
        )
        .route("/redoc/redoc.standalone.js", get(async || redoc_bundle())))
}

fn page(html: &'static [u8]) -> Response<Body> {
    let mut response = file("text/html; charset=utf-8", Bytes::from_static(html), FRESH);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

fn script(source: &'static [u8]) -> Response<Body> {
    file(
        "text/javascript; charset=utf-8",
        Bytes::from_static(source),
        FRESH,
    )
}

fn redoc_bundle() -> Response<Body> {
    let bundle = Bytes::from_static(include_bytes!("docs/redoc.standalone.js.gz"));
    gzipped(file("text/javascript; charset=utf-8", bundle, VENDORED))
}

fn swagger_file(request: &Request, config: Arc<utoipa_swagger_ui::Config<'static>>) -> Response<Body> {
    let name = request.uri().path().strip_prefix("/docs/").unwrap_or_default();
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(found)) => {
            let response = file(
                &found.content_type,
                Bytes::from(found.bytes.into_owned()),
                VENDORED,
            );
            if found.gzpipped {
                gzipped(response)
            } else {
                response
            }
        }
        _ => Problem::of_status(StatusCode::NOT_FOUND).into_response(),
    }
}

fn file(content_type: &str, bytes: Bytes, cache: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

/// Marks a file that is stored compressed. Every browser understands it; who does not, has no use for the file.
fn gzipped(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}
