//! Plates as they are issued: what kind of vehicle, what colour, what stands on which line.
//!
//! Written down from the law a second time: nothing here is shared with the grammar of the product.

use crate::Random;

/// The twenty letters of civil series.
const CIVIL: &[u8] = b"ABCDEFGHKLMNPSTUVXYZ";
/// The letters of the state's own series.
const STATE: &[u8] = b"ABCDEFGHKLM";
/// Series of two letters that cars may have.
const SPECIAL: &[&str] = &["LD", "DA", "MK", "HC", "CD", "KT", "TD", "RM"];

/// What a plate was issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Cars, lorries, buses.
    Car,
    /// Motorbikes.
    Bike,
    /// Electric bikes.
    Ebike,
    /// The army.
    Army,
    /// Diplomatic and foreign.
    Diplomatic,
    /// Nothing that the law knows: a reader that has only seen the law would read the law into everything.
    Lawless,
}

/// The background of a plate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Colour {
    /// Private.
    White,
    /// Transport business.
    Yellow,
    /// State.
    Blue,
    /// Army.
    Red,
}

/// A plate: what it is and what stands on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// What it was issued for.
    pub kind: Kind,
    /// Its background.
    pub colour: Colour,
    /// One or two lines, with the marks that part its groups.
    pub lines: Vec<String>,
}

impl Issue {
    /// A plate for learning: one in sixteen is lawless.
    #[must_use]
    pub fn any(random: &mut Random) -> Self {
        if random.chance(1.0 / 16.0) { Self::lawless(random) } else { Self::lawful(random) }
    }

    /// A plate as issued, about as common as on the road but for the rare ones, which are commoner here so that they are learnt.
    #[must_use]
    pub fn lawful(random: &mut Random) -> Self {
        match random.range(0, 100) {
            0..58 => Self::car(random),
            58..85 => Self::bike(random),
            85..90 => Self::ebike(random),
            90..96 => Self::army(random),
            _ => Self::diplomatic(random),
        }
    }

    /// A car's, on one line or on two.
    #[must_use]
    pub fn car(random: &mut Random) -> Self {
        let colour = random.pick(&[Colour::White, Colour::White, Colour::White, Colour::Yellow, Colour::Blue]);
        let series = match random.range(0, 100) {
            0..84 => letter(if colour == Colour::Blue { STATE } else { CIVIL }, random).to_string(),
            84..88 => "R".to_owned(),
            _ => random.pick(SPECIAL).to_owned(),
        };
        let first = format!("{}{series}", province(random));
        let lines = if random.chance(0.55) { vec![format!("{first}-{}", serial(random))] } else { vec![first, serial(random)] };
        Self { kind: Kind::Car, colour, lines }
    }

    /// A motorbike's: always two lines.
    #[must_use]
    pub fn bike(random: &mut Random) -> Self {
        let colour =
            random.pick(&[Colour::White, Colour::White, Colour::White, Colour::White, Colour::White, Colour::Blue, Colour::Yellow]);
        let second = if random.chance(0.65) { char::from(random.range(49, 58) as u8) } else { letter(CIVIL, random) };
        let dash = if random.chance(0.7) { "-" } else { "" };
        let first = format!("{}{dash}{}{second}", province(random), letter(CIVIL, random));
        Self { kind: Kind::Bike, colour, lines: vec![first, serial(random)] }
    }

    /// An electric bike's.
    #[must_use]
    pub fn ebike(random: &mut Random) -> Self {
        let first = format!("{}-MĐ{}", province(random), random.range(1, 10));
        Self { kind: Kind::Ebike, colour: Colour::White, lines: vec![first, five(random)] }
    }

    /// The army's: two letters and four digits on red.
    #[must_use]
    pub fn army(random: &mut Random) -> Self {
        let first: String = [letter(b"ABHKPQT", random), letter(b"ABCDEFGHKLMNPQRSTVX", random)].iter().collect();
        let number = format!("{:02}-{:02}", random.range(0, 100), random.range(0, 100));
        let lines = if random.chance(0.5) { vec![format!("{first}-{number}")] } else { vec![first, number] };
        Self { kind: Kind::Army, colour: Colour::Red, lines }
    }

    /// A mission's or a foreigner's.
    #[must_use]
    pub fn diplomatic(random: &mut Random) -> Self {
        let office = random.pick(&["NG", "NN", "QT", "CV"]);
        let first = format!("{}-{office}", province(random));
        let number = format!("{:03}-{:02}", random.range(0, 1_000), random.range(1, 100));
        let lines = if random.chance(0.5) { vec![format!("{first}-{number}")] } else { vec![first, number] };
        Self { kind: Kind::Diplomatic, colour: Colour::White, lines }
    }

    /// Digits and letters in any order.
    #[must_use]
    pub fn lawless(random: &mut Random) -> Self {
        // Without I and O: nobody could tell them from 1 and 0.
        let all = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
        let mut some = |least, most| -> String {
            let count = random.range(least, most);
            (0..count).map(|_| letter(all, random)).collect()
        };
        let lines = [vec![some(5, 10)], vec![some(2, 6), some(3, 7)]];
        let colour = random.pick(&[Colour::White, Colour::Yellow, Colour::Blue, Colour::Red]);
        Self { kind: Kind::Lawless, colour, lines: lines[usize::from(random.chance(0.5))].clone() }
    }

    /// The symbols of a line, without the marks between them; empty for a line that is not there.
    #[must_use]
    pub fn symbols(&self, line: usize) -> String {
        self.lines.get(line).map_or(String::new(), |line| line.chars().filter(|c| c.is_alphanumeric()).collect())
    }

    /// All symbols in the order of reading.
    #[must_use]
    pub fn text(&self) -> String {
        self.symbols(0) + &self.symbols(1)
    }
}

fn letter(of: &[u8], random: &mut Random) -> char {
    char::from(random.pick(of))
}

/// Any two digits that a province has or had.
fn province(random: &mut Random) -> String {
    format!("{:02}", random.range(11, 100))
}

/// A serial of five digits, or an old one of four.
fn serial(random: &mut Random) -> String {
    if random.chance(0.78) { five(random) } else { format!("{:04}", random.range(0, 10_000)) }
}

fn five(random: &mut Random) -> String {
    format!("{:03}.{:02}", random.range(0, 1_000), random.range(0, 100))
}

#[cfg(test)]
mod tests {
    use super::{Issue, Kind};
    use crate::Random;

    #[test]
    fn every_kind_is_issued_and_no_line_is_empty() {
        let mut random = Random::of(3, 0);
        let issued: Vec<Issue> = (0..2_000).map(|_| Issue::any(&mut random)).collect();
        for kind in [Kind::Car, Kind::Bike, Kind::Ebike, Kind::Army, Kind::Diplomatic, Kind::Lawless] {
            assert!(issued.iter().any(|i| i.kind == kind), "{kind:?}");
        }
        assert!(issued.iter().all(|i| (1..=2).contains(&i.lines.len()) && (0..i.lines.len()).all(|l| !i.symbols(l).is_empty())));
        assert!(issued.iter().all(|i| (5..=11).contains(&i.text().chars().count())));
    }
}
