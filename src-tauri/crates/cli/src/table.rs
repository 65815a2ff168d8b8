//! Text in columns.

use crate::output::harmless;

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows of cells, two blanks between columns, none at the ends of lines. Widths are counted in characters, which is
/// wrong only for scripts that terminals set wider.
pub(crate) fn table<const N: usize>(columns: [Column; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| one_line(cell)))
        .collect();
    let width = |index: usize| {
        rows.iter()
            .map(|row| row[index].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells =
            row.iter()
                .zip(columns)
                .zip(widths)
                .map(|((cell, column), width)| match column {
                    Column::Left => format!("{cell:<width$}"),
                    Column::Right => format!("{cell:>width$}"),
                });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn one_line(cell: &str) -> String {
    harmless(cell).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_one_another() {
        let rows =
            [["size", "1.0"], ["größe", "12.5"], ["a\nb", ""]].map(|row| row.map(String::from));
        let text = table([Column::Left, Column::Right], &rows);
        assert_eq!(text, "size    1.0\ngröße  12.5\na b\n");
        assert_eq!(table([Column::Left], &[]), "");
    }
}
