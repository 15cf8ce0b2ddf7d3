//! From a network's numbers to candidates: where boxes and scores lie is what the job says.

use schemas::Class;

use super::input::Placed;
use super::parameters::{Layout, OnnxOutput};
use super::table::{Activation, BoxForm, BoxUnit, Order, Table};
use crate::vision::candle::cell;
use crate::vision::detect::Candidate;

/// How a network's numbers are read.
#[derive(Debug)]
pub(super) struct Boxes {
    layout: Layout,
    table: Option<Table>,
    /// The class of each category.
    vehicles: Vec<Option<Class>>,
    /// The input's width and height, pixels.
    size: [f32; 2],
    /// The least confidence that counts.
    least: f32,
}

impl Boxes {
    pub(super) fn new(output: &OnnxOutput, size: [u32; 2], confidence_permille: u16) -> Self {
        let least = f32::from(confidence_permille) / 1_000.0;
        let (layout, table) = (output.layout.clone(), output.layout.table());
        Self { layout, table, vehicles: output.vehicles(), size: size.map(|side| side as f32), least }
    }

    /// The sides that the tensor must have after the pictures; `None` where any will do.
    fn described(&self) -> Vec<Option<usize>> {
        let categories = self.vehicles.len();
        match &self.table {
            Some(table) => {
                let values = Some(table.values(categories as u32) as usize);
                if table.order == Order::BoxesFirst { vec![None, values] } else { vec![values, None] }
            }
            None => vec![Some(5 + categories), None, None],
        }
    }

    /// What is wrong with a tensor of this shape after the pictures, `None` being a side that is not known; nothing if it fits.
    pub(super) fn mismatch(&self, found: &[Option<usize>]) -> Option<String> {
        let described = self.described();
        let fits = |found: &[Option<usize>]| {
            let sides = |(found, wanted): (&Option<usize>, &Option<usize>)| found.is_none() || wanted.is_none() || found == wanted;
            found.len() == described.len() && found.iter().zip(&described).all(sides)
        };
        if fits(found) {
            return None;
        }
        let any = match self.table {
            Some(_) => ["boxes", "boxes"],
            None => ["rows", "columns"],
        };
        let mut any = any.into_iter();
        let sides = described.iter().map(|side| side.map_or_else(|| any.next().unwrap_or("any").to_owned(), |side| side.to_string()));
        let sides = std::iter::once("pictures".to_owned()).chain(sides).collect::<Vec<_>>().join(", ");
        let turned: Vec<_> = found.iter().rev().copied().collect();
        let hint = match &self.table {
            Some(table) if fits(&turned) && table.order == Order::ValuesFirst => " (hint: it has the boxes first)",
            Some(_) if fits(&turned) => " (hint: it has the values first)",
            _ => "",
        };
        let categories = self.vehicles.len();
        Some(format!("but layout {} with {categories} categories is [{sides}]{hint}", self.layout.word()))
    }

    /// The vehicles that are sure enough, in the numbers of one picture that lies so on the input. The shape fits.
    pub(super) fn candidates(&self, numbers: &[f32], shape: &[usize], placed: Placed) -> Vec<Candidate> {
        match (&self.table, shape) {
            (Some(table), [one, other]) => {
                let (boxes, values) = if table.order == Order::BoxesFirst { (*one, *other) } else { (*other, *one) };
                self.of_table(&Rows { table, numbers, boxes, values }, placed)
            }
            (None, [_, rows, columns]) => self.of_cells(numbers, [*columns, *rows], placed),
            _ => Vec::new(),
        }
    }

    fn of_table(&self, rows: &Rows<'_>, placed: Placed) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (number, (category, score)) in rows.surest(self.vehicles.len()).into_iter().enumerate() {
            let confidence = rows.share(score) * rows.table.objectness_at.map_or(1.0, |at| rows.share(rows.value(number, at)));
            if let Some(class) = self.vehicles[category].filter(|_| confidence >= self.least) {
                candidates.push(Candidate { class, confidence, edges: placed.on_picture(rows.edges(number, self.size)) });
            }
        }
        candidates
    }

    fn of_cells(&self, numbers: &[f32], [columns, rows]: [usize; 2], placed: Placed) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        let cells = columns * rows;
        for place in 0..cells {
            let value = |value: usize| numbers[value * cells + place];
            let probabilities = (0..self.vehicles.len()).map(|category| value(5 + category));
            let Some((category, probability)) = probabilities.enumerate().max_by(|one, other| one.1.total_cmp(&other.1)) else { continue };
            let confidence = cell::confidence(value(0), probability);
            let Some(class) = self.vehicles[category].filter(|_| confidence >= self.least) else { continue };
            let shares = cell::edges([1, 2, 3, 4].map(value), [place % columns, place / columns], [columns, rows]);
            let edges = [0, 1, 2, 3].map(|edge| shares[edge] * self.size[edge % 2]);
            candidates.push(Candidate { class, confidence, edges: placed.on_picture(edges) });
        }
        candidates
    }
}

/// The numbers of one picture as a table.
struct Rows<'a> {
    table: &'a Table,
    numbers: &'a [f32],
    boxes: usize,
    values: usize,
}

impl Rows<'_> {
    fn value(&self, number: usize, value: u32) -> f32 {
        let value = value as usize;
        match self.table.order {
            Order::BoxesFirst => self.numbers[number * self.values + value],
            Order::ValuesFirst => self.numbers[value * self.boxes + number],
        }
    }

    /// For each box its surest category and that one's score, read in the order in which they lie.
    fn surest(&self, categories: usize) -> Vec<(usize, f32)> {
        let mut surest = vec![(0, f32::NEG_INFINITY); self.boxes];
        let mut take = |number: usize, category: usize| {
            let score = self.value(number, self.table.scores_at + category as u32);
            if score > surest[number].1 {
                surest[number] = (category, score);
            }
        };
        match self.table.order {
            Order::BoxesFirst => (0..self.boxes).for_each(|number| (0..categories).for_each(|category| take(number, category))),
            Order::ValuesFirst => (0..categories).for_each(|category| (0..self.boxes).for_each(|number| take(number, category))),
        }
        surest
    }

    fn share(&self, number: f32) -> f32 {
        match self.table.activation {
            Activation::None => number,
            Activation::Sigmoid => 1.0 / (1.0 + (-number).exp()),
        }
    }

    /// Left, top, right and bottom in pixels of an input of this size.
    fn edges(&self, number: usize, size: [f32; 2]) -> [f32; 4] {
        let [a, b, c, d] = [0, 1, 2, 3].map(|part| self.value(number, self.table.box_at + part));
        let edges = match self.table.form {
            BoxForm::Cxcywh => [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0],
            BoxForm::Xyxy => [a, b, c, d],
            BoxForm::Xywh => [a, b, a + c, b + d],
        };
        match self.table.unit {
            BoxUnit::Pixels => edges,
            BoxUnit::Unit => [0, 1, 2, 3].map(|edge| edges[edge] * size[edge % 2]),
        }
    }
}
