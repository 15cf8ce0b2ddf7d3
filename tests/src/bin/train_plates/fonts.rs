//! Fonts that are installed, as letterings: read while training, never part of this project.

use std::path::Path;

use ab_glyph::{Font, FontVec, Glyph, GlyphId, PxScale, point};
use city::plates::{Lettering, MASK, SYMBOLS};

/// Where Debian keeps its fonts.
pub(crate) const FOLDER: &str = "/usr/share/fonts/truetype";
/// What is trained with: OpenDIN, Roboto, Liberation, Routed Gothic, Lato, JetBrains Mono (each under a free licence).
pub(crate) const TRAINING: [&str; 7] = [
    "opendin/OSP-DIN.ttf",
    "roboto/unhinted/RobotoCondensed-Bold.ttf",
    "roboto/unhinted/RobotoTTF/Roboto-Bold.ttf",
    "liberation/LiberationSansNarrow-Bold.ttf",
    "routed-gothic/routed-gothic.ttf",
    "lato/Lato-Bold.ttf",
    "jetbrains-mono/JetBrainsMono-Bold.ttf",
];
/// What is held out: DejaVu, Play, Open Sans.
pub(crate) const HELD_OUT: [&str; 3] = ["dejavu/DejaVuSansCondensed-Bold.ttf", "play/Play-Bold.ttf", "open-sans/OpenSans-CondBold.ttf"];

/// The lettering of a font file, all capitals as high as plates have them.
///
/// # Errors
/// The file cannot be read, is no font, or lacks a symbol.
pub(crate) fn read(path: &Path) -> Result<Lettering, String> {
    let fault = |what: String| format!("{}: {what}", path.display());
    let bytes = std::fs::read(path).map_err(|e| fault(e.to_string()))?;
    let font = FontVec::try_from_vec(bytes).map_err(|e| fault(e.to_string()))?;
    let bounds = |symbol: char, scale: PxScale| {
        let glyph: Glyph = font.glyph_id(symbol).with_scale(scale);
        font.outline_glyph(glyph).map(|outline| outline.px_bounds()).ok_or_else(|| fault(format!("no symbol {symbol}")))
    };
    // Scaled so that H is 80 pixels high and 0 is 38 wide: the grid of our own letters.
    let (high, wide) = (bounds('H', PxScale::from(1_000.0))?.height(), bounds('0', PxScale::from(1_000.0))?.width());
    let scale = PxScale { x: 38_000.0 / wide, y: 80_000.0 / high };
    let one = |symbol: &char| match font.glyph_id(*symbol) {
        GlyphId(0) if *symbol == 'Đ' => mask(&font, font.glyph_id('D'), scale).map(with_bar),
        id => mask(&font, id, scale),
    };
    let masks = SYMBOLS.iter().map(one).collect::<Option<_>>();
    Ok(Lettering { masks: masks.ok_or_else(|| fault("lacks a symbol".into()))? })
}

/// Đ where a font has only D: a bar through its stem.
fn with_bar(mut ink: Vec<u8>) -> Vec<u8> {
    for y in 43..52 {
        ink[y * MASK.0 + 4..y * MASK.0 + 28].fill(255);
    }
    ink
}

fn mask(font: &FontVec, id: GlyphId, mut scale: PxScale) -> Option<Vec<u8>> {
    let width = font.outline_glyph(id.with_scale(scale))?.px_bounds().width();
    scale.x *= (46.0 / width).min(1.0);
    let outline = font.outline_glyph(id.with_scale_and_position(scale, point(0.0, 88.0)))?;
    let bounds = outline.px_bounds();
    let (left, top) = (31.0 - bounds.width() / 2.0, bounds.min.y);
    let mut ink = vec![0; MASK.0 * MASK.1];
    outline.draw(|x, y, covered| {
        let (x, y) = (x as f32 + left, y as f32 + top);
        if (0.0..MASK.0 as f32).contains(&x) && (0.0..MASK.1 as f32).contains(&y) {
            ink[y as usize * MASK.0 + x as usize] = (covered * 255.0) as u8;
        }
    });
    Some(ink)
}
