//! Lists that are read in pages by `$top` and `$skip`. Lists with a continuation token (projects) are read
//! elsewhere.

use serde::de::DeserializeOwned;

use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::operation::{Host, Operation};
use super::organizacao::Organizacao;

/// Number of rows per page.
const PAGE: usize = 200;

/// First pages of a list.
pub(super) struct FirstPages<T> {
    pub(super) rows: Vec<T>,
    /// `true` if the last page was full, so that more rows may follow.
    pub(super) more: bool,
}

impl Organizacao {
    /// Returns all rows that can be parsed of a list with at most `most` pages, in its order. There is no
    /// token: a page with fewer rows than requested is the last.
    ///
    /// # Errors
    /// Returns an error if a page fails, because half a list looks like a complete one. [`Error::Nonsense`]
    /// if the list has more than `most` pages.
    pub(super) async fn every_page<T: DeserializeOwned>(
        &self,
        operation: &'static Operation,
        segments: &[&str],
        query: &[(&str, &str)],
        most: usize,
        credential: &Credential,
    ) -> Result<Vec<T>, Error> {
        let first = self
            .first_pages(operation, segments, query, most, credential)
            .await?;
        if first.more {
            return Err(Error::Nonsense("there is no end to the pages"));
        }
        Ok(first.rows)
    }

    /// Returns the rows of the first `most` pages.
    ///
    /// # Errors
    /// Returns an error if a page fails.
    pub(super) async fn first_pages<T: DeserializeOwned>(
        &self,
        operation: &'static Operation,
        segments: &[&str],
        query: &[(&str, &str)],
        most: usize,
        credential: &Credential,
    ) -> Result<FirstPages<T>, Error> {
        let top = PAGE.to_string();
        let mut rows = Vec::new();
        for page in 0..most {
            let skip = (page * PAGE).to_string();
            let query = [&[("$top", &*top), ("$skip", &*skip)], query].concat();
            let answer = self
                .get(operation, Host::Api, segments, &query, credential)
                .await?;
            let found: List<T> = answer.json()?;
            rows.extend(found.value.good);
            if found.value.rows < PAGE {
                return Ok(FirstPages { rows, more: false });
            }
        }
        Ok(FirstPages { rows, more: true })
    }
}
