//! Tables in Markdown that are legible as they are.

use crate::statistics::Summary;

/// A table with aligned columns; the first line is its head.
pub(crate) fn markdown(lines: &[Vec<String>]) -> String {
    let Some(head) = lines.first() else { return String::new() };
    let width = |column: usize| {
        let widths =
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let row = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    let rule: String = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2))).collect();
    let body: String = lines.iter().skip(1).map(|line| row(line)).collect();
    format!("{}|{rule}\n{body}", row(head))
}

/// Median and spread, as in `1.38 (1.33-1.53)`.
pub(crate) fn spread(summary: Option<Summary>, digits: usize) -> String {
    summary.map_or("-".to_owned(), |Summary { median, least, most }| {
        format!("{median:.digits$} ({least:.digits$}-{most:.digits$})")
    })
}
