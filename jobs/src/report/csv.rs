//! A report as comma-separated values (RFC 4180): one line a group, counts and figures as integers.

use serde_json::Value;

use super::gather::Report;
use super::group::Group;

/// A report as comma-separated values, with a line of headings.
#[must_use]
pub fn csv(report: &Report) -> String {
    let groups = [
        ("rule", &report.rules),
        ("centre", &report.centres),
        ("camera", &report.cameras),
        ("hour_of_day", &report.hours),
        ("day_of_week", &report.weekdays),
    ];
    let all = report.total.iter().map(|total| ("all", total));
    let lines: Vec<Vec<(String, String)>> =
        all.chain(groups.into_iter().flat_map(|(by, groups)| groups.iter().map(move |group| (by, group)))).map(line).collect();
    let headings = lines.first().map(|line| line.iter().map(|(heading, _)| heading.clone()).collect::<Vec<_>>().join(","));
    let cells = lines.iter().map(|line| line.iter().map(|(_, cell)| quoted(cell)).collect::<Vec<_>>().join(","));
    headings.into_iter().chain(cells).map(|line| line + "\r\n").collect()
}

/// The cells of a group, each with its heading.
fn line((by, group): (&str, &Group)) -> Vec<(String, String)> {
    let mut cells = vec![("by".to_owned(), by.to_owned()), ("name".to_owned(), group.name.clone())];
    cells.push(("centre".to_owned(), group.centre.clone().unwrap_or_default()));
    cells.extend(integers(&serde_json::to_value(group.counts).unwrap_or_default()));
    cells.push(("violations".to_owned(), group.violations.to_string()));
    cells.extend(integers(&serde_json::to_value(group.figures).unwrap_or_default()));
    cells
}

/// The integers of an object; an interval becomes two.
fn integers(fields: &Value) -> Vec<(String, String)> {
    let shown = |value: &Value| if value.is_null() { String::new() } else { value.to_string() };
    let cells = |(name, value): (&String, &Value)| match name.as_str() {
        "precision_between_permille" => {
            ["from", "to"].iter().enumerate().map(|(n, end)| (format!("precision_{end}_permille"), shown(&value[n]))).collect()
        }
        _ => vec![(name.clone(), shown(value))],
    };
    fields.as_object().into_iter().flatten().flat_map(cells).collect()
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
