//! Plots of a report, drawn as Scalable Vector Graphics that stand in the page themselves: no scripts, no files beside it.

use std::fmt::Write as _;

/// A column of a bar chart: what stands below it, its height, and what is shown of it. Without a height there is a gap.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) height: Option<u64>,
    pub(super) shown: String,
}

/// A line of a chart of stacked bars: its name, and the parts in the order of the classes.
pub(super) struct Stack {
    pub(super) label: String,
    pub(super) parts: Vec<u64>,
}

/// A line of a chart of intervals: its name, and from where to where, with the value in between; permille.
pub(super) struct Interval {
    pub(super) label: String,
    pub(super) from: u32,
    pub(super) value: u32,
    pub(super) to: u32,
    pub(super) shown: String,
}

/// Colours of the parts of a stack, as the page's style names them, and what they stand for.
pub(super) const PARTS: [(&str, &str); 4] =
    [("confirmed", "confirmed"), ("rejected", "rejected"), ("open", "not reviewed"), ("withdrawn", "withdrawn")];

const WIDTH: u64 = 640;
/// Room for the names of lines.
const NAMES: u64 = 170;
/// Room for what is shown at their ends.
const ENDS: u64 = 110;
const LINE: u64 = 24;
const TALL: u64 = 180;
const FOOT: u64 = 22;
const HEAD: u64 = 16;

/// Columns side by side, from zero up.
pub(super) fn bars(title: &str, bars: &[Bar]) -> String {
    let most = bars.iter().filter_map(|bar| bar.height).max().unwrap_or(0).max(1);
    let wide = WIDTH / (bars.len() as u64).max(1);
    let mut body = format!("<path class=\"axis\" d=\"M0 {0}H{WIDTH}\"/>\n", HEAD + TALL);
    for (place, bar) in (0..).zip(bars) {
        let (left, middle) = (place * wide, place * wide + wide / 2);
        if let Some(height) = bar.height {
            let tall = scaled(height, most, TALL);
            let (x, y, width) = (left + 2, HEAD + TALL - tall, wide.saturating_sub(4));
            let told = escaped(&format!("{}: {}", bar.label, bar.shown));
            _ = writeln!(body, "<rect class=\"bar\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{tall}\"><title>{told}</title></rect>");
            if height == most {
                let y = y.saturating_sub(4);
                _ = writeln!(body, "<text x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", escaped(&bar.shown));
            }
        }
        // Where there is no room for all names, every third is written.
        if bars.len() <= 8 || place % 3 == 0 {
            let y = HEAD + TALL + 15;
            _ = writeln!(body, "<text x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", escaped(&bar.label));
        }
    }
    figure(title, HEAD + TALL + FOOT, &body)
}

/// Lines below each other, each of several parts.
pub(super) fn stacks(title: &str, stacks: &[Stack]) -> String {
    let most = stacks.iter().map(|stack| stack.parts.iter().sum()).max().unwrap_or(0).max(1);
    let mut body = String::new();
    for (place, stack) in (0..).zip(stacks) {
        let (top, mut left) = (place * LINE, NAMES);
        named(&mut body, &stack.label, top);
        for (part, (class, name)) in stack.parts.iter().zip(PARTS) {
            let width = scaled(*part, most, WIDTH - NAMES - ENDS);
            let told = escaped(&format!("{}: {part} {name}", stack.label));
            let (y, tall) = (top + 3, LINE - 6);
            _ = writeln!(
                body,
                "<rect class=\"{class}\" x=\"{left}\" y=\"{y}\" width=\"{width}\" height=\"{tall}\"><title>{told}</title></rect>"
            );
            left += width;
        }
        let sum: u64 = stack.parts.iter().sum();
        _ = writeln!(body, "<text x=\"{}\" y=\"{}\">{sum}</text>", left + 6, top + 16);
    }
    let top = stacks.len() as u64 * LINE + 4;
    for (place, (class, name)) in (0..).zip(PARTS) {
        let x = NAMES + place * 112;
        _ = writeln!(body, "<rect class=\"{class}\" x=\"{x}\" y=\"{top}\" width=\"10\" height=\"10\"/>");
        _ = writeln!(body, "<text x=\"{}\" y=\"{}\">{name}</text>", x + 15, top + 10);
    }
    figure(title, top + 16, &body)
}

/// Lines below each other, each a value and between what it lies, from 0 to 100 %; without any, nothing.
pub(super) fn intervals(title: &str, intervals: &[Interval]) -> String {
    if intervals.is_empty() {
        return String::new();
    }
    let at = |permille: u32| NAMES + scaled(permille.into(), 1_000, WIDTH - NAMES - ENDS);
    let bottom = intervals.len() as u64 * LINE;
    let mut body = String::new();
    for mark in [0, 250, 500, 750, 1_000] {
        let x = at(mark);
        _ = writeln!(body, "<path class=\"grid\" d=\"M{x} 0V{bottom}\"/>");
        _ = writeln!(body, "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{} %</text>", bottom + 15, mark / 10);
    }
    for (place, interval) in (0..).zip(intervals) {
        let (top, middle) = (place * LINE, place * LINE + LINE / 2);
        named(&mut body, &interval.label, top);
        _ = writeln!(body, "<path class=\"range\" d=\"M{} {middle}H{}\"/>", at(interval.from), at(interval.to));
        let told = escaped(&format!("{}: {}", interval.label, interval.shown));
        _ = writeln!(body, "<circle class=\"bar\" cx=\"{}\" cy=\"{middle}\" r=\"5\"><title>{told}</title></circle>", at(interval.value));
        _ = writeln!(body, "<text x=\"{}\" y=\"{}\">{}</text>", WIDTH - ENDS + 12, top + 16, escaped(&interval.shown));
    }
    figure(title, bottom + FOOT, &body)
}

fn named(body: &mut String, label: &str, top: u64) {
    _ = writeln!(body, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", NAMES - 8, top + 16, escaped(label));
}

fn figure(title: &str, tall: u64, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<figure>\n<figcaption>{title}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {tall}\" role=\"img\" aria-label=\"{title}\">\n{body}</svg>\n</figure>\n"
    )
}

/// A part of the most as a part of so much room.
fn scaled(part: u64, most: u64, room: u64) -> u64 {
    u64::try_from(u128::from(part) * u128::from(room) / u128::from(most.max(1))).unwrap_or(room)
}

/// Text as a page holds it.
pub(super) fn escaped(text: &str) -> String {
    let one = |symbol: char| match symbol {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        // What XML 1.0 has no place for.
        symbol if symbol.is_control() => " ".to_owned(),
        symbol => symbol.to_string(),
    };
    text.chars().map(one).collect()
}
