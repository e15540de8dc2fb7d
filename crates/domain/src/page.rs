//! The part of a list that a caller asked for.

/// Rows to skip and rows to return. Its limits are checked where requests are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// Rows left out before the first one; never negative.
    pub skip: i64,
    /// Rows returned at the most.
    pub limit: i64,
}

/// A page of rows and how many there are in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// The rows of the page, in the list's total order.
    pub items: Vec<T>,
    /// All rows that match the filter, on whatever page.
    pub total: i64,
}
