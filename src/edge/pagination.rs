//! Pages of lists: `skip`, `limit` and `cursor`, and the `Link` to the next page (RFC 8288).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::LINK;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::edge::fields::{Int, Number, Optional, Text, fields};
use crate::error::{Error, FieldError, Result};
use crate::models::page::{KeysetPage, Page, Position};

/// Name of the header with the number of all rows.
pub const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
/// Maximum length of a cursor, in characters: that of an activity contains its name.
const CURSOR_MAX: usize = 2_000;
/// Maximum length of a link, in bytes: proxies refuse responses with larger headers (nginx: 8 kB in total).
const LINK_MAX: usize = 4_000;

fields! {
    /// Selects a part of a list.
    pub struct CursorPageParams {
        /// Number of items to skip.
        skip: Number<0, { i64::MAX }, 0> = 0,
        /// Maximum number of items to return.
        limit: Number<1, 1_000, 100> = 100,
        /// `next_cursor` of the previous page. Items that are created or deleted between two pages then make
        /// no other item appear twice or not at all. It does not go together with `skip`.
        cursor: Optional<Text<CURSOR_MAX>>,
    }
}

impl CursorPageParams {
    /// Returns the page.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list, and for one beside `skip`.
    pub fn keyset<P: Position>(self) -> Result<KeysetPage<P>> {
        let after = match &self.cursor {
            Some(_) if self.skip > 0 => return Err(invalid_cursor("não pode acompanhar skip")),
            Some(cursor) => {
                Some(decode(cursor).ok_or_else(|| invalid_cursor("não é um next_cursor desta lista"))?)
            }
            None => None,
        };
        Ok(KeysetPage {
            after,
            skip: self.skip,
            limit: self.limit,
        })
    }
}

/// Returns the error for a refused cursor.
#[must_use]
pub fn invalid_cursor(message: &str) -> Error {
    Error::Invalid(vec![FieldError {
        loc: vec!["query".into(), "cursor".into()],
        kind: "value_error",
        message: message.to_owned(),
    }])
}

/// Returns the cursor of a position: opaque to clients, and not secret.
pub fn encode(position: &impl Position) -> String {
    URL_SAFE_NO_PAD.encode(position.to_text())
}

fn decode<P: Position>(cursor: &str) -> Option<P> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    P::parse(std::str::from_utf8(&bytes).ok()?)
}

fields! {
    /// Selects a part of a list that old clients expect whole: without any parameter, everything.
    pub struct OptionalPageParams {
        /// Number of items to skip; none without it.
        skip: Optional<Int<0, { i64::MAX }>> = 0,
        /// Maximum number of items to return; all without it.
        limit: Optional<Int<1, 1_000>> = 100,
    }
}

impl OptionalPageParams {
    /// Returns the requested page. Returns `None` if the request has neither parameter.
    #[must_use]
    pub fn page(self) -> Option<Page> {
        match (self.skip, self.limit) {
            (None, None) => None,
            (skip, limit) => Some(Page {
                skip: skip.unwrap_or(0),
                limit: limit.unwrap_or(i64::MAX),
            }),
        }
    }
}

/// Header of a page that another page follows.
pub type NextLink = Option<[(HeaderName, HeaderValue); 1]>;

/// Header with the number of rows of a whole list whose body is a bare array.
pub type TotalCount = [(HeaderName, HeaderValue); 1];

/// Returns the header with the number of rows of a whole list.
#[must_use]
pub fn total_count(total: i64) -> TotalCount {
    [(TOTAL_COUNT, total.into())]
}

/// Query of a request for a page. The link to the next page has the same filters.
#[derive(Debug)]
pub struct PageQuery(String);

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Infallible> {
        Ok(Self(parts.uri.query().unwrap_or_default().to_owned()))
    }
}

impl PageQuery {
    /// Returns the link to the page after `cursor`.
    #[must_use]
    pub fn after(&self, cursor: Option<&str>) -> NextLink {
        self.next("cursor", cursor?)
    }

    /// Returns the link to the page after the `length` items of `page`, if the list has more than those.
    #[must_use]
    pub fn beyond(&self, page: Page, length: usize, total: i64) -> NextLink {
        let skip = page.skip.checked_add(i64::try_from(length).ok()?)?;
        if length == 0 || skip >= total {
            return None;
        }
        self.next("skip", &skip.to_string())
    }

    /// Returns a reference relative to the request (RFC 3986, 4.2), so that it holds behind proxies that
    /// change the path. Returns `None` for a query that is too long for a header.
    fn next(&self, name: &str, value: &str) -> NextLink {
        let pairs = form_urlencoded::parse(self.0.as_bytes());
        let others = pairs.filter(|(name, _)| name != "skip" && name != "cursor");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(others).append_pair(name, value);
        let link = format!("<?{}>; rel=\"next\"", query.finish());
        if link.len() > LINK_MAX {
            return None;
        }
        Some([(LINK, HeaderValue::try_from(link).ok()?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::page::AtividadePosition;

    fn link(query: &str, page: Page, length: usize, total: i64) -> Option<String> {
        let [(_, value)] = PageQuery(query.to_owned()).beyond(page, length, total)?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn link_keeps_the_filters() {
        let page = Page { skip: 10, limit: 5 };
        let next = link("skip=10&limit=5&nome=a%26b%20ç", page, 5, 16).unwrap();
        assert_eq!(next, "<?limit=5&nome=a%26b+%C3%A7&skip=15>; rel=\"next\"");
        let cursor = PageQuery("cursor=old&ativo=true".to_owned()).after(Some("new"));
        assert_eq!(cursor.unwrap()[0].1, "<?ativo=true&cursor=new>; rel=\"next\"");
    }

    #[test]
    fn last_page_has_no_link() {
        let page = |skip| Page { skip, limit: 5 };
        assert_eq!(link("", page(0), 5, 5), None);
        assert_eq!(link("", page(5), 0, 5), None);
        assert_eq!(link("", page(i64::MAX), 5, i64::MAX), None);
        assert!(PageQuery(String::new()).after(None).is_none());
    }

    #[test]
    fn link_that_no_proxy_would_pass_is_left_out() {
        let query = |length| PageQuery(format!("x={}", "!".repeat(length)));
        assert!(query(1_000).after(Some("cursor")).is_some());
        assert!(query(2_000).after(Some("cursor")).is_none());
    }

    #[test]
    fn longest_cursor_fits() {
        let position = AtividadePosition {
            order: i64::MAX,
            id: crate::models::ids::AtividadeId(uuid::Uuid::nil()),
            nome: "\u{10ffff}".repeat(255),
        };
        assert!(encode(&position).len() <= CURSOR_MAX);
    }
}
