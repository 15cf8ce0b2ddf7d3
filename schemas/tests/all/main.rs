//! What the nouns promise: their bytes, their published shapes, and what is refused.

mod bad_input;
mod generate;
mod golden;
mod plate;
mod published;
mod quick;
mod round_trip;

/// Compares with a committed file, or writes it when `REWRITE=1` accepts the change.
fn hold_against(path: &str, actual: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("REWRITE").is_some_and(|v| v == "1") {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == actual, "{} differs; see the difference with REWRITE=1 and git diff\n{actual}", path.display());
}
