//! Tables for people: no borders, two blanks between columns, numbers to the right.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row, Table};

use super::printable::printable;

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
    let mut table = built(headers, rows, alignments);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

/// Renders a table with every row on one line: the first column is cut to fit the terminal, and what
/// was cut stands in full on the lines below its row, before the row's note.
#[must_use]
pub fn render_with_notes(
    headers: &[&str],
    rows: &[Vec<String>],
    alignments: &[Align],
    notes: &[&str],
    width: u16,
) -> String {
    let mut table = built(headers, rows, alignments);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_truncation_indicator(CUT);
    for column in table.column_iter_mut().skip(1) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    let mut header = Row::from(headers.to_vec());
    header.max_height(1);
    table.set_header(header);
    for row in table.row_iter_mut() {
        row.max_height(1);
    }
    let mut text = String::new();
    // The header has neither name nor note.
    let names = rows.iter().map(|row| row.first().map_or("", String::as_str));
    let names = std::iter::once("").chain(names);
    let notes = std::iter::once("").chain(notes.iter().copied());
    for (line, (name, note)) in table.lines().zip(names.zip(notes)) {
        text.push_str(line.trim_end());
        text.push('\n');
        let name = printable(name);
        let in_full = if line.contains(&*name) { None } else { Some(name) };
        let note = Some(printable(note)).filter(|note| !note.is_empty());
        for paragraph in in_full.into_iter().chain(note) {
            text.push_str(&wrapped(&paragraph, INDENT, width));
        }
    }
    text
}

/// Columns of the terminal that [`render_with_notes`] leaves to the first column.
#[must_use]
pub fn room_for_first(headers: &[&str], rows: &[Vec<String>], width: u16) -> usize {
    let column = |nth: usize| {
        let cells =
            rows.iter().filter_map(move |row| row.get(nth)).map(|cell| cell.chars().count());
        cells.chain([headers[nth].chars().count()]).max().unwrap_or(0)
    };
    let rest: usize = (1..headers.len()).map(|nth| usize::from(GAP) + column(nth)).sum();
    usize::from(width).saturating_sub(rest)
}

/// Where a name was cut.
const CUT: &str = "…";
/// Blanks before a note.
const INDENT: usize = 4;

/// A blank at which no line is broken; shown as any other.
pub(super) const UNBROKEN: char = '\u{a0}';

/// A text as lines behind so many blanks, broken between words to fit the terminal.
pub(super) fn wrapped(text: &str, indent: usize, width: u16) -> String {
    broken(text, indent, indent, width)
}

/// The same, with another number of blanks on the first line.
fn broken(text: &str, first: usize, indent: usize, width: u16) -> String {
    let (width, blanks) = (usize::from(width), " ".repeat(indent));
    let mut lines = String::new();
    let mut n_chars = 0;
    let words = text.split(|c: char| c.is_whitespace() && c != UNBROKEN);
    for word in words.filter(|word| !word.is_empty()) {
        let n_word = word.chars().count();
        if n_chars > 0 && n_chars + 1 + n_word <= width {
            lines.push(' ');
            n_chars += 1 + n_word;
        } else {
            if n_chars > 0 {
                lines.push('\n');
                lines.push_str(&blanks);
                n_chars = indent + n_word;
            } else {
                lines.push_str(&" ".repeat(first));
                n_chars = first + n_word;
            }
        }
        lines.push_str(&word.replace(UNBROKEN, " "));
    }
    lines.push('\n');
    lines
}

/// Lines that end in a newline each; on a terminal those that do not fit are broken between words, and
/// go on behind a few blanks.
pub(super) fn paragraph(text: &str, width: Option<u16>) -> String {
    let line = |line: &str| match width {
        Some(width) if line.chars().count() > usize::from(width) => broken(line, 0, INDENT, width),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Columns of the terminal before the text of a [`field`].
const LABEL: usize = 10;

/// `label     text`, ending in a newline. On a terminal the text is broken between words to fit, and
/// goes on below its beginning.
pub(super) fn field(label: &str, text: &str, width: Option<u16>) -> String {
    let text = printable(text);
    match width {
        None => format!("{label:<LABEL$}{text}\n"),
        Some(width) => {
            let lines = wrapped(&text, LABEL, width);
            format!("{label:<LABEL$}{}", lines.get(LABEL..).unwrap_or_default())
        }
    }
}

fn built(headers: &[&str], rows: &[Vec<String>], alignments: &[Align]) -> Table {
    let mut table = Table::new();
    // What stdout is, the caller knows; the table is not to look for itself.
    table.load_style(NOTHING).force_no_tty().set_header(headers);
    table.add_rows(rows.iter().map(|row| row.iter().map(|text| Cell::new(printable(text)))));
    table.set_content_arrangement(ContentArrangement::Disabled);
    let last = headers.len().saturating_sub(1);
    for (nth, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if nth == last { 0 } else { GAP }));
        if alignments.get(nth) == Some(&Align::Right) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
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
