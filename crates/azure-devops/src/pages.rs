//! Lists that are read in pages by `$top` and `$skip`, to their end. Those that go on by a token (projects)
//! do not come here.

use serde::de::DeserializeOwned;

use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::operation::{Host, Operation};
use super::organizacao::Organizacao;

/// Rows a page.
const PAGE: usize = 200;

/// The beginning of a list.
pub(super) struct FirstPages<T> {
    pub(super) rows: Vec<T>,
    /// Whether the last page was full, so that more may follow.
    pub(super) more: bool,
}

impl Organizacao {
    /// All that can be read of a list that has no more than `most` pages, in its order. There is no token: a
    /// short page is the last.
    ///
    /// # Errors
    /// When one page fails: half a list looks like a whole one. [`Error::Nonsense`] when there is no end to
    /// them.
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

    /// The rows of the first `most` pages, and whether there may be more.
    ///
    /// # Errors
    /// When one page fails.
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
