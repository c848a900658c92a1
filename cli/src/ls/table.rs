//! Columns that fit the terminal.

use terminal_size::{Height, Width, terminal_size_of};

use super::row::Row;
use crate::look::{columns_of, fit};

const HEADS: [&str; 6] = ["NAME", "WHAT", "MAKER", "OPEN", "RATE", "DROPPED"];
/// Columns of text can be cut so far; numbers are not cut.
const NARROWEST: [Option<usize>; 6] = [Some(8), Some(10), Some(10), None, None, None];
const GAP: usize = 2;

/// Columns and rows of the terminal that standard output is, if it is one.
pub(super) fn terminal() -> Option<(usize, usize)> {
    let (Width(columns), Height(rows)) = terminal_size_of(std::io::stdout())?;
    Some((columns.into(), rows.into()))
}

/// Columns of the terminal; None for a file or pipe, which takes any.
pub(super) fn columns() -> Option<usize> {
    terminal().map(|(columns, _)| columns).filter(|columns| *columns > 0)
}

/// The whole table, or nothing where there is nothing to list.
pub(super) fn text(rows: &[Row], columns: Option<usize>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let cells = rows.iter().map(Row::cells);
    let table: Vec<_> = [HEADS.map(String::from)].into_iter().chain(cells).collect();
    lay_out(&table, columns)
}

fn lay_out(table: &[[String; 6]], columns: Option<usize>) -> String {
    let mut widths = [0; 6];
    for line in table {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = columns_of(cell).max(*width);
        }
    }
    if let Some(columns) = columns {
        shrink(&mut widths, columns);
    }
    let mut text = String::new();
    for cells in table {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let cell = fit(cell, width);
            line += &cell;
            line.extend(std::iter::repeat_n(' ', width - columns_of(&cell) + GAP));
        }
        let line = line.trim_end();
        text += &columns.map_or(line.into(), |columns| fit(line, columns));
        text.push('\n');
    }
    text
}

/// Takes columns from the widest text until all fit, or nothing is left to take.
fn shrink(widths: &mut [usize; 6], columns: usize) {
    let gaps = GAP * (HEADS.len() - 1);
    while widths.iter().sum::<usize>() + gaps > columns {
        let wide = widths.iter_mut().zip(NARROWEST);
        let wide = wide.filter_map(|(width, least)| (*width > least?).then_some(width));
        let Some(widest) = wide.max() else { break };
        *widest -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(columns: Option<usize>, expected: &[&str]) {
        let row = ["Global\\wall", "stream  1920x1080 BGRA8", "resolved[901] *", "3", "-", "0"];
        let text = lay_out(&[HEADS, row].map(|line| line.map(String::from)), columns);
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_file_gets_everything() {
        check(
            None,
            &[
                "NAME         WHAT                     MAKER            OPEN  RATE  DROPPED",
                "Global\\wall  stream  1920x1080 BGRA8  resolved[901] *  3     -     0",
            ],
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_the_longest_text_first() {
        check(
            Some(64),
            &[
                "NAME         WHAT            MAKER           OPEN  RATE  DROPPED",
                "Global\\wall  stream  1920x…  resolved[901]…  3     -     0",
            ],
        );
        check(Some(20), &["NAME      WHAT     …", "Global\\…  stream  1…"]);
        check(Some(1), &["…", "…"]);
    }
}
