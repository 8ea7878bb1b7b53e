//! Words for counts, as labels, targets and charts have them.

/// As in `2 threads`.
pub(crate) fn threads(count: usize) -> String {
    format!("{count} thread{}", if count == 1 { "" } else { "s" })
}

/// As in `4.0`, of bytes.
pub(crate) fn mebibytes(bytes: f64) -> String {
    format!("{:.1}", bytes / f64::from(1 << 20))
}
