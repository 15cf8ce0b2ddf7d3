//! A report as one page: style and plots are in it, and it asks for nothing from elsewhere.

use std::fmt::Write as _;

use super::columns::{Table, percent, summary, tables, thousandths};
use super::gather::Report;
use super::group::Group;
use super::plot::{Bar, Interval, Stack, bars, escaped, intervals, stacks};

const STYLE: &str = include_str!("report.css");

/// A report as a page of HTML that is well-formed XML too.
#[must_use]
pub fn html(report: &Report) -> String {
    let of = report.centre.as_ref().map_or_else(String::new, |centre| format!(", centre {centre}"));
    let title = escaped(&format!("Traffic enforcement, {}{of}", report.period));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>Times of day: {}.</p>\n",
        escaped(&report.zone)
    );
    match &report.total {
        None => page.push_str("<p>Fewer than five vehicles passed, or none: nothing is told of them.</p>\n"),
        Some(total) => {
            page.push_str("<dl>\n");
            for (name, value) in summary(total) {
                _ = writeln!(page, "<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), escaped(&value));
            }
            page.push_str("</dl>\n");
            page.push_str(&plots(report));
            tables(report).iter().for_each(|shown| page.push_str(&table(shown)));
            page.push_str(NOTES);
        }
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

const NOTES: &str = "<section>\n<h2>How it is counted</h2>\n<ul>\n\
    <li>A passage is one vehicle through one camera's view. Groups of fewer than five are told together with others.</li>\n\
    <li>An alert counts in the hour in which it happened. What was withdrawn is among the alerts, and nowhere else.</li>\n\
    <li>Violations are alerts that stand, but for those of the hotlist and of silent cameras.</li>\n\
    <li>Precision is the share of reviewed alerts that were confirmed; between: with 95 % certainty, if those reviewed were taken at random.</li>\n\
    <li>Told after: from when it happened until the alert was written, of those told within a day.</li>\n\
    </ul>\n</section>\n";

fn plots(report: &Report) -> String {
    let columns = |title: &str, groups: &[Group], height: fn(&Group) -> Option<u64>, shown: fn(&Group) -> String| {
        let of_time = groups.iter().filter(|group| !group.name.starts_with("other "));
        let bar = |group: &Group| Bar { label: group.name.clone(), height: height(group), shown: shown(group) };
        bars(title, &of_time.map(bar).collect::<Vec<_>>())
    };
    let passages = |group: &Group| u64::try_from(group.counts.passages).ok();
    let per = |group: &Group| group.figures.violations_per_million;
    let shown_per = |group: &Group| thousandths(group.figures.violations_per_million);
    let read = |group: &Group| group.figures.read_permille.map(u64::from);
    [
        stacks("Alerts by rule, and what officers decided", &report.rules.iter().map(stack).collect::<Vec<_>>()),
        intervals("Precision by review", &report.rules.iter().filter_map(precision).collect::<Vec<_>>()),
        columns("Passages by hour of day", &report.hours, passages, |group| group.counts.passages.to_string()),
        columns("Violations per 1,000 passages, by hour of day", &report.hours, per, shown_per),
        columns("Plates read, by hour of day", &report.hours, read, |group| percent(group.figures.read_permille)),
        columns("Passages by day of week", &report.weekdays, passages, |group| group.counts.passages.to_string()),
        columns("Violations per 1,000 passages, by day of week", &report.weekdays, per, shown_per),
    ]
    .concat()
}

fn stack(rule: &Group) -> Stack {
    let counts = &rule.counts;
    let open = counts.alerts - counts.withdrawn - counts.confirmed - counts.rejected;
    let parts = [counts.confirmed, counts.rejected, open, counts.withdrawn];
    Stack { label: rule.name.clone(), parts: parts.map(|part| u64::try_from(part).unwrap_or(0)).to_vec() }
}

fn precision(rule: &Group) -> Option<Interval> {
    let [from, to] = rule.figures.precision_between_permille?;
    let reviewed = rule.counts.confirmed + rule.counts.rejected;
    let shown = format!("{} of {reviewed}", percent(rule.figures.precision_permille));
    Some(Interval { label: rule.name.clone(), from, value: rule.figures.precision_permille?, to, shown })
}

fn table(table: &Table<'_>) -> String {
    let mut text = format!("<section>\n<h2>By {}</h2>\n<div class=\"wide\">\n<table>\n<thead><tr><th>{0}</th>", escaped(table.by));
    table.columns.iter().for_each(|column| text.push_str(&format!("<th>{}</th>", escaped(column.heading))));
    text.push_str("</tr></thead>\n<tbody>\n");
    for group in table.groups.iter().filter(|group| !group.is_empty()) {
        _ = write!(text, "<tr><th>{}</th>", escaped(&group.name));
        table.columns.iter().for_each(|column| text.push_str(&format!("<td>{}</td>", escaped(&(column.shows)(group)))));
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody>\n</table>\n</div>\n</section>\n");
    text
}
