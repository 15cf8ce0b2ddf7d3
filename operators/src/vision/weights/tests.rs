//! Model files that are none, or lie.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_no_model_is_told_so() {
    for bytes in [&b""[..], b"GIF89a", b"<html>Not Found</html>", &[0; 100]] {
        assert_eq!(Weights::read(bytes).unwrap_err(), WeightsError::NoModel);
    }
}

/// A safetensors file: the length of its header, the header, the values.
fn safetensors_file(header: &str, values: &[f32]) -> Vec<u8> {
    let values = values.iter().flat_map(|value| value.to_le_bytes());
    (header.len() as u64).to_le_bytes().into_iter().chain(header.bytes()).chain(values).collect()
}

#[test]
fn a_tensor_that_does_not_fit_is_named_with_its_shapes() {
    let header = r#"{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#;
    let weights = Weights::read(&safetensors_file(header, &[1.0, 2.0, f32::NAN])).unwrap();
    let told = |name: &str, shape: &[usize]| weights.tensor(name, shape).map(<[f32]>::to_vec).map_err(|error| error.to_string());
    assert_eq!(told("a", &[2, 1]), Ok(vec![1.0, 2.0]));
    assert_eq!(told("a", &[1, 2]), Err("tensor a has the shape [2, 1], but [1, 2] is wanted".into()));
    assert_eq!(told("b", &[1]), Err("tensor b with the shape [1] holds values that are not finite".into()));
    let missing = "tensor c with the shape [3] is missing: the file holds 2 tensors and is perhaps of another network";
    assert_eq!(told("c", &[3]), Err(missing.into()));
}

#[test]
fn what_a_file_claims_and_does_not_have_is_refused() {
    let claims_two_gigabytes = [&(2_u64 << 30).to_le_bytes()[..], b"{\"a\":"].concat();
    let beyond_its_end = safetensors_file(r#"{"a":{"dtype":"F32","shape":[536870912],"data_offsets":[0,2147483648]}}"#, &[1.0]);
    let shape_beyond_its_values = safetensors_file(r#"{"a":{"dtype":"F32","shape":[4000000000,4000000000],"data_offsets":[0,4]}}"#, &[1.0]);
    // A number of 255 bytes, a text of 2 GiB, a class without an end.
    let pickles = [&b"\x8a\xff"[..], b"X\x00\x00\x00\x80", b"ctorch"].map(|rest| [&legacy::BEGINNING[..], &[0; 10], rest].concat());
    for bytes in [claims_two_gigabytes, beyond_its_end, shape_beyond_its_values].iter().chain(&pickles) {
        assert!(matches!(Weights::read(bytes), Err(WeightsError::Unreadable { .. })), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(kind in 0..4usize, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let beginning = [&b""[..], b"PK\x03\x04", &legacy::BEGINNING, b"\xff\0\0\0\0\0\0\0{"][kind];
        let _ = Weights::read(&[beginning, &bytes].concat());
    }
}
