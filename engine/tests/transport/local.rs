//! The contract on the embedded store.

use engine::transport::local::LocalTransport;

use crate::contract::Place;

crate::the_contract!();

fn with_place(test: fn(&Place)) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let store = LocalTransport::open(folder.path().join("store.db")).expect("a new store");
    test(&Place { store: Box::new(store), suffix: String::new() });
}
