//! Detectors that a user brings in an ONNX file: what is told of their description, and a run of the job.

#![cfg(feature = "onnx")]

use std::path::Path;

use engine::plan::Plan;
use jobs::catalogue::Traffic;
use schemas::{Class, Observation};

use crate::program::{giaolo, out, recording, records};

/// A network of random weights, see `onnx_fixture.py` there.
const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../operators/tests/vision/small.onnx");

#[test]
fn descriptions() {
    datadriven::walk("tests/vision/scripts", |file| {
        file.run(|case| match Plan::read(&Traffic, "job.yaml", &case.input) {
            Ok(_) => "valid\n".to_owned(),
            Err(problems) => problems.to_string(),
        });
    });
}

/// A job with this detector in a folder.
fn job(folder: &Path, detector: &str) -> String {
    let path = folder.join("perceive.yaml");
    let text = format!(
        "version: 1\njob: perceive\nsources:\n  frames: {{kind: frames, format: bincode}}\nsteps:\n  \
         seen: {{step: perceive, from: frames, detector: {{onnx: {detector}}}}}\noutputs:\n  observations: {{from: seen}}\n"
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_job_looks_through_a_network_that_was_brought_and_refuses_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let text = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (film, store) = (folder.path().join("film.avi"), folder.path().join("city.db"));
    let Some(()) = recording(&film, "160x120", 2, &["-c:v", "mjpeg", "-q:v", "4"]) else { return };
    let cameras = format!("version: 1\ncameras: {{c1: {{file: {}, pace: fast, begins: 2026-01-01T07:00:00Z}}}}\n", film.display());
    std::fs::write(folder.path().join("cameras.yaml"), cameras).unwrap();
    std::fs::copy(SMALL, folder.path().join("small.onnx")).unwrap();
    std::fs::write(folder.path().join("page.onnx"), "<html>Not Found</html>").unwrap();
    out(&["capture", &text("cameras.yaml"), "--local", &text("city.db")]);

    for (detector, told) in [
        ("{weights: none.onnx}", "could not be read"),
        ("{weights: page.onnx}", "not an ONNX file"),
        (
            "{weights: small.onnx}",
            "tensor values_first has the shape [pictures, 7, 24], but layout yolov8 with 80 categories is [pictures, 84, boxes]",
        ),
    ] {
        let output = giaolo(&["run", &job(folder.path(), detector), "--local", &text("city.db"), "--bounded"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(told), "{error}");
    }

    let detector = "{weights: small.onnx, output: {categories: 3, classes: {car: [0], bus: [2]}}}";
    out(&["run", &job(folder.path(), detector), "--local", &text("city.db"), "--bounded"]);
    let observations: Vec<Observation> = records(&store, "observations");
    assert_eq!(observations.len(), 10, "five pictures a second are looked at");
    let objects: Vec<_> = observations.iter().flat_map(|observation| observation.objects.iter()).collect();
    assert!(objects.iter().all(|object| [Class::Car, Class::Bus].contains(&object.class) && object.confidence >= 300));
    assert!(objects.len() >= 20, "{} boxes are seen", objects.len());
}
