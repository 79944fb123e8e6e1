//! Tables for people, in one look for all binaries.

use crate::output::plain_text;
use comfy_table::{ContentArrangement, presets};
use std::fmt;

/// A table without lines: heads in capitals, columns two blanks apart.
///
/// Rows are never broken to fit a terminal, so that `grep` sees what a person sees. `Display` ends with a newline.
#[derive(Clone, Debug)]
pub struct Table(comfy_table::Table);

impl Table {
    /// An empty table with these heads.
    #[must_use]
    pub fn new<S: AsRef<str>>(heads: impl IntoIterator<Item = S>) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(heads.into_iter().map(|head| head.as_ref().to_uppercase()));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self(table)
    }

    /// Adds a row; control characters in a cell are dropped.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.0.add_row(cells.into_iter().map(|cell| plain_text(cell.as_ref())));
    }

    /// The number of rows, without the heads.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.0.row_count()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.0.trim_fmt())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn has_heads_and_unbroken_rows() {
        let long = "x".repeat(300);
        let mut table = Table::new(["id", "state"]);
        table.row(["17", &long]);
        table.row(["2", "done\u{7}"]);
        assert_eq!(table.to_string(), format!("ID  STATE\n17  {long}\n2   done\n"));
        assert_eq!(table.n_rows(), 2);
    }
}
