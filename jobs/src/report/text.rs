//! A report as text.

use std::fmt::Write as _;

use super::columns::{summary, tables};
use super::gather::Report;

/// A report as tables for a terminal.
#[must_use]
pub fn text(report: &Report) -> String {
    let of = report.centre.as_ref().map_or_else(String::new, |centre| format!(", centre {centre}"));
    let mut text = format!("{} ({}){of}\n\n", report.period, report.zone);
    let Some(total) = &report.total else {
        text.push_str("Fewer than five vehicles passed, or none: nothing is told of them.\n");
        return text;
    };
    for (name, value) in summary(total) {
        _ = writeln!(text, "{name:<31} {value}");
    }
    for table in tables(report) {
        let lines = table.groups.iter().filter(|group| !group.is_empty());
        let cells = lines.map(|group| [group.name.clone()].into_iter().chain(table.columns.iter().map(|c| (c.shows)(group))).collect());
        let heading = [table.by.to_owned()].into_iter().chain(table.columns.iter().map(|column| column.heading.to_owned())).collect();
        let lines: Vec<Vec<String>> = [heading].into_iter().chain(cells).collect();
        text.push('\n');
        lines.iter().for_each(|line| text.push_str(&aligned(line, &widths(&lines))));
    }
    text
}

fn widths(lines: &[Vec<String>]) -> Vec<usize> {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    (0..lines[0].len()).map(width).collect()
}

/// The name to the left, everything else to the right.
fn aligned(line: &[String], widths: &[usize]) -> String {
    let cells = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
        0 => format!("{cell:<width$}"),
        _ => format!("  {cell:>width$}"),
    });
    format!("{}\n", cells.collect::<String>().trim_end())
}
