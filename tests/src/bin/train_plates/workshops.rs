//! Where samples come from: one workshop for training, one for what is held out. They share no lettering, no backdrop of walls
//! and no degradation but the common ones.

use std::path::Path;

use city::Random;
use city::plates::{Corner, Issue, Lettering, Set, Workshop};

use crate::fonts;

/// What training draws from: sixty styles of our own strokes, and each font of the training list five times.
pub(crate) fn training(seed: u64) -> Workshop {
    let mut random = Random::of(seed, 1);
    let mut letterings: Vec<Lettering> =
        (0..60).map(|i| Lettering::drawn(if i % 3 == 0 { Corner::Full } else { Corner::Round }, &mut random)).collect();
    for font in installed(&fonts::TRAINING) {
        letterings.extend((0..5).map(|_| font.clone()));
    }
    Workshop { letterings, issue: Issue::any, set: Set::Usual, letter_px: [9.0, 44.0] }
}

/// What is held out: strokes with cut corners and some of the held-out fonts, before walls, in fog and rain.
pub(crate) fn held_out(seed: u64, fonts: &[&str]) -> Workshop {
    let mut random = Random::of(seed, 2);
    let fonts = installed(fonts);
    let mut letterings: Vec<Lettering> = (0..fonts.len().max(3)).map(|_| Lettering::drawn(Corner::Cut, &mut random)).collect();
    letterings.extend(fonts);
    Workshop { letterings, issue: Issue::lawful, set: Set::Unseen, letter_px: [12.0, 40.0] }
}

/// The fonts of a list that are there; says which are not.
fn installed(names: &[&str]) -> Vec<Lettering> {
    let read = |name: &&str| match fonts::read(&Path::new(fonts::FOLDER).join(name)) {
        Ok(lettering) => Some(lettering),
        Err(fault) => {
            println!("goes without a font: {fault}");
            None
        }
    };
    names.iter().filter_map(read).collect()
}
