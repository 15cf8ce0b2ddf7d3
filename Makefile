# Giaolo's commands. Each installs what it lacks first (Debian packages; Kafka's jars and two programs of PyPI for the live tests).
#
#   make demo      the main job over a recorded rush hour, on the embedded store
#   make demo-video  the same from the films of four cameras on: pictures, vehicles, plates, alerts, and a sheet of their pictures
#   make test      all tests, the live ones against a real Apache Kafka
#   make soak      thousands of seeds through the simulation of the engine, five minutes of them; then a job on a Kafka that is shut
#                  down and started twenty times; then processes of a cluster that are killed or stand still, a quarter of an hour;
#                  then broken frames, model files, records, definitions, requests, answers, introductions and packages, five
#                  minutes each.
#                  SOAK_MINUTES=60 and SOAK_ROUNDS=100 for longer
#   make fuzz      looks for bytes that bring down what reads frames, records, definitions, model files and packages, guided by what
#                  of the program they reach (cargo-fuzz, which it installs); FUZZ_MINUTES=60 for longer than ten minutes each
#   make bench     one benchmark for each promise in the README, FastestDet beside onnxruntime from PyPI
#   make peers     the plate join from Kafka to Kafka, exactly once, here and on Apache Flink; PEERS="--help" tells of its options
#   make train     trains the network that reads plates, on drawn plates, and measures it; TRAIN="--resume" goes on
#   make lint      format, clippy, documentation, shell scripts
#   make install   only installs what is missing

# Whether there is what records pictures and plays a camera on the network.
CAMERAS = command -v ffmpeg >/dev/null && /usr/bin/python3 -c "import gi; gi.require_version('GstRtspServer', '1.0')" 2>/dev/null

.PHONY: demo demo-video test soak fuzz bench peers train lint install kafka python

demo: install
	cargo run --locked --release -p giaolo-jobs --bin giaolo -- demo

# Films a synthetic city for a minute and a half, then looks at the films as at any camera's.
demo-video: install
	cargo build --locked --release -p giaolo-jobs -p giaolo-city --bin giaolo --bin make_film
	target/release/make_film --seed 2 --cameras 4 --seconds 90 --out target/demo-video
	cargo run --locked --release -p giaolo-jobs --bin giaolo -- demo --film target/demo-video --local results/demo-video.db

# Where Debian puts the databases that live tests start.
DATABASE = ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1

# With Kafka's jars and the programs of PyPI in place, what plays cameras, and PostgreSQL, a live test that cannot run is a failure; without them it is skipped. In one
# command, so that all crates agree on the features of what they build on and it is compiled once.
test: install kafka python
	REQUIRE_LIVE=$$(test -e target/kafka/fetched && test -e target/python/ready && $(CAMERAS) && $(DATABASE) && echo 1) cargo test --locked --workspace --features giaolo-city/train

soak: install kafka
	cargo test --locked -p giaolo-engine --lib simulation::soak -- --ignored --nocapture
	cargo test --locked -p giaolo-engine --test transport shut_down_again -- --ignored --nocapture
	cargo test --locked -p giaolo-jobs --test cluster many_ -- --ignored --nocapture --test-threads 1
	MUTATE_S=$$((60 * $${SOAK_MINUTES:-5})) cargo test --locked --workspace --features giaolo-city/train brings -- --nocapture --test-threads 1

bench: install target/peers/onnxruntime/ready
	cargo bench --locked -p giaolo-benches

# What is found anew is kept in target/fuzz; what the targets begin with lies with them, or is what other tests have. Without a
# sanitizer, which the stable compiler does not have: what is looked for are panics, overflows, endless loops and memory without
# bound.
FUZZ_SEEDS = frames=tests/fuzz/corpus/frames records=schemas/tests/golden definitions=jobs/definitions \
	models=operators/tests/vision packages=tests/fuzz/corpus/packages

fuzz: install
	command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	@set -e; for pair in $(FUZZ_SEEDS); do \
		target=$${pair%%=*}; mkdir -p target/fuzz/$$target; \
		cargo fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz-build --features libfuzzer --sanitizer none --dev $$target \
			target/fuzz/$$target $${pair#*=} -- -max_total_time=$$((60 * $${FUZZ_MINUTES:-10})) -rss_limit_mb=4096 -timeout=20 \
			-max_len=65536 -print_final_stats=1; \
	done

# Built first, so that nothing else runs while they do.
peers: install kafka target/peers/flink/built
	cargo build --locked --release -p giaolo-benches --features peers --bins
	target/release/peers $(PEERS)

# Learns, sets how sure it is, and measures; with --resume it goes on where it was stopped. The fonts of `fonts.rs` are read
# here alone and are no part of what is built.
train: install
	@.ci/install $(FONTS)
	cargo build --locked --release -p giaolo-city --features train --bin train_plates
	nice target/release/train_plates reader $(TRAIN)
	nice target/release/train_plates calibrate
	nice target/release/train_plates measure --seed 2

FONTS = fonts-opendin fonts-roboto-unhinted fonts-liberation fonts-routed-gothic fonts-lato fonts-jetbrains-mono \
	fonts-dejavu-extra fonts-play fonts-open-sans

lint: install
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --features giaolo-benches/peers,giaolo-city/train,giaolo-fuzz/libfuzzer -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --features giaolo-city/train --no-deps
	@if command -v shellcheck >/dev/null; then shellcheck .ci/install .ci/run; fi

install:
	@.ci/install

# Apache Kafka from Maven Central, in target/kafka/libs; fetched again when its version changes.
kafka: target/kafka/fetched

target/kafka/fetched: tests/kafka/pom.xml | install
	rm -rf target/kafka
	@mvn -q -B -f tests/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/target/kafka/libs \
		&& touch $@ || echo "could not fetch Kafka: live tests are skipped"

# Programs from PyPI that judge what other systems are told, in target/python; fetched again when their versions change.
python: target/python/ready

target/python/ready: tests/python/requirements.txt | install
	rm -rf target/python
	@python3 -m venv target/python && target/python/bin/pip -q --disable-pip-version-check install -r $< \
		&& touch $@ || echo "could not fetch $<: tests that need it are skipped"

# onnxruntime from PyPI, that FastestDet is raced against.
target/peers/onnxruntime/ready: benches/peers/onnxruntime/requirements.txt | install
	rm -rf $(@D)
	@python3 -m venv $(@D) && $(@D)/bin/pip -q --disable-pip-version-check install -r $< \
		&& touch $@ || echo "could not fetch $<: FastestDet is raced against nobody"

# Apache Flink from Maven Central and the jobs for it, in target/peers/flink; built again when they change.
FLINK = benches/peers/flink

target/peers/flink/built: $(FLINK)/pom.xml $(wildcard $(FLINK)/src/main/java/peers/*.java) | install
	rm -rf $(@D)
	mvn -q -B -f $(FLINK)/pom.xml compile dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(@D)/libs
	touch $@
