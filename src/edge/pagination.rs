//! `skip` and `limit`, with the limits that every list shares.

use crate::edge::fields::{Int, Number, Optional, fields};
use crate::models::page::Page;

fields! {
    /// Selects a part of a list.
    pub struct PageParams {
        /// Number of items to skip.
        skip: Number<0, { i64::MAX }, 0> = 0,
        /// Maximum number of items to return.
        limit: Number<1, 1_000, 100> = 100,
    }
}

impl From<PageParams> for Page {
    fn from(params: PageParams) -> Self {
        Self {
            skip: params.skip,
            limit: params.limit,
        }
    }
}

fields! {
    /// As [`PageParams`], for lists that old clients expect whole: without any parameter, everything.
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
