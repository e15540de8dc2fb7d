//! Pagination of lists.

/// Number of rows to skip and to return. The limits are checked where requests are parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// Number of rows before the first one; never negative.
    pub skip: i64,
    /// Maximum number of rows.
    pub limit: i64,
}

/// Page of rows with the total number of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// Rows of the page, in the total order of the list.
    pub items: Vec<T>,
    /// Number of rows on all pages that match the filter.
    pub total: i64,
}
