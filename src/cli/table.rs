//! Tables for people: no borders, two blanks between columns, numbers to the right.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

/// Where the cells of a column stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Blanks between columns.
const GAP: u16 = 2;

/// Renders a table, ending in a newline. `width` is that of the terminal: cells wrap to fit; without
/// it every row is one line, so that other programs can read it. Missing alignments are left.
#[must_use]
pub fn render(
    headers: &[&str],
    rows: &[Vec<String>],
    alignments: &[Align],
    width: Option<u16>,
) -> String {
    let mut table = Table::new();
    // What stdout is, the caller knows; the table is not to look for itself.
    table.load_style(NOTHING).force_no_tty().set_header(headers);
    table.add_rows(rows.iter().map(|row| row.iter().map(|text| Cell::new(printable(text)))));
    table.set_content_arrangement(ContentArrangement::Disabled);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    let last = headers.len().saturating_sub(1);
    for (nth, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if nth == last { 0 } else { GAP }));
        if alignments.get(nth) == Some(&Align::Right) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

/// Names come from the client's data: nothing in them may steer the terminal or break a row.
fn printable(text: &str) -> String {
    let visible = |c: char| {
        if c.is_control() { c.escape_default().to_string() } else { c.into() }
    };
    text.chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: [&str; 5] = ["region", "n", "cruise km/h", "outcome", "message"];
    const ALIGNMENTS: [Align; 5] =
        [Align::Left, Align::Right, Align::Right, Align::Left, Align::Left];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
        vec![
            row(["Upper East Side South", "12034", "31.4", "fitted", ""]),
            row(["Nørrebro", "7", "", "failed", "7 records, while `judge.min_records` is 40"]),
            row(["\u{1b}[31mred\n", "140", "101.5", "pooled", ""]),
        ]
    }

    #[test]
    fn a_terminal_gets_80_columns() {
        let shown = render(&HEADERS, &rows(), &ALIGNMENTS, Some(80));
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        insta::assert_snapshot!(shown, @r"
        region                     n  cruise km/h  outcome  message
        Upper East Side South  12034         31.4  fitted
        Nørrebro                   7               failed   7 records, while
                                                            `judge.min_records` is 40
        \u{1b}[31mred\n          140        101.5  pooled
        ");
    }

    #[test]
    fn a_pipe_gets_a_row_per_line() {
        insta::assert_snapshot!(render(&HEADERS, &rows(), &ALIGNMENTS, None), @r"
        region                     n  cruise km/h  outcome  message
        Upper East Side South  12034         31.4  fitted
        Nørrebro                   7               failed   7 records, while `judge.min_records` is 40
        \u{1b}[31mred\n          140        101.5  pooled
        ");
    }
}
