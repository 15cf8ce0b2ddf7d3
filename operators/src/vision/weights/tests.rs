//! Model files that are none, or lie.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_no_model_is_told_so() {
    for bytes in [&b""[..], b"GIF89a", b"<html>Not Found</html>", &[0; 100]] {
        assert_eq!(Weights::read(bytes).unwrap_err(), WeightsError::NoModel);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(kind in 0..4usize, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let beginning = [&b""[..], b"PK\x03\x04", &legacy::BEGINNING, b"\xff\0\0\0\0\0\0\0{"][kind];
        let _ = Weights::read(&[beginning, &bytes].concat());
    }
}
