//! `giaolo evidence ALERT`: makes a package.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{anyhow, bail, ensure};
use clap::Args;
use engine::audit::Deed;
use engine::transport::TopicStore;
use indicatif::ProgressBar;
use schemas::{City, Id};
use serde_json::{Value, json};

use super::super::store::{Store, explain};
use super::super::{Outcome, job, say};
use super::Trail;
use super::find::{self, Found};
use super::key::{private, write_new};
use super::replay::Rerun;
use crate::evidence::{
    Basis, Content, DEFINITION, Device, Excerpt, File, Gathered, Inputs, Job, MAP, Manifest, Part, Read, Recorded, Subject, Verdict,
    differences, excerpt, gather, measure, pack, read, sha256,
};

type Files = BTreeMap<String, Vec<u8>>;

/// What is packed, and where it comes from.
#[derive(Debug, Args)]
pub(super) struct Pack {
    /// The alert's id
    // What is required here is so only where no subcommand is named.
    #[arg(value_name = "ALERT", required = true)]
    alert: Option<String>,
    #[command(flatten)]
    store: Store,
    /// The job that told it: a definition as it was when it ran, or the name of a ready job [default: what the server's catalogue
    /// or the program knows of it]
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// The city file it ran on, instead of the one that the job names
    #[arg(long, value_name = "FILE")]
    city: Option<PathBuf>,
    /// The private key to sign with (giaolo evidence key)
    #[arg(long, value_name = "FILE", required = true)]
    key: Option<PathBuf>,
    /// Why it is packed, for the audit log
    #[arg(long, value_name = "TEXT", required = true)]
    reason: Option<String>,
    /// For which case
    #[arg(long, value_name = "NUMBER", required = true)]
    case: Option<String>,
    /// The package; it must not exist [default: ALERT.zip]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The topic of alerts
    #[arg(long, value_name = "TOPIC", default_value = "alerts")]
    alerts: String,
    /// The topic of frames
    #[arg(long, value_name = "TOPIC", default_value = "frames")]
    frames: String,
    /// Without pictures: others are on them too
    #[arg(long)]
    no_stills: bool,
    #[command(flatten)]
    trail: Trail,
    /// Print what was packed as JSON
    #[arg(long)]
    json: bool,
}

impl Pack {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let (Some(alert), Some(key), Some(reason), Some(case)) = (&self.alert, &self.key, &self.reason, &self.case) else {
            bail!("an alert, a key, a reason and a case are needed");
        };
        ensure!(!reason.trim().is_empty() && !case.trim().is_empty(), "a reason and a case are needed, in words");
        let none = || anyhow!("there is no alert {alert:?} in the topic {:?} (hint: giaolo tail alerts shows the ids)", self.alerts);
        let id: Id = alert.parse().map_err(|_| none())?;
        let output = self.output.clone().unwrap_or_else(|| PathBuf::from(format!("{id}.zip")));
        ensure!(!output.exists(), "{output:?} exists (hint: --output FILE)");
        let key = private(key)?;
        let store = self.store.require()?;
        let found = find::job(store.as_ref(), &self.alerts, self.job.as_deref(), &self.store.beside("jobs"))?;
        let city = found.city(self.city.as_deref())?;
        let gathered = gather(store.as_ref(), &found.plan, &self.alerts, id).map_err(explain)?.ok_or_else(none)?;
        let (manifest, files) = self.packed(&store, &found, &city, gathered)?;
        let package = pack(&manifest, &files, &key)?;
        let digest = sha256(&package);
        let outcome = format!("packed, {} bytes, SHA-256 {digest}", package.len());
        let subject = id.to_string();
        let deed =
            Deed { what: "evidence", subject: &subject, reason: Some(reason), case: Some(case), outcome: &outcome, ..Deed::default() };
        self.trail.append(Some(&self.store.beside("jobs")), deed)?;
        write_new(&output, &package)?;
        if self.json {
            let file = output.display().to_string();
            say(&format!("{}\n", json!({"file": file, "sha256": digest, "signed_by": key.public().to_string(), "manifest": manifest})))?;
        } else {
            say(&told(&manifest, &format!("{}: {} bytes, SHA-256 {digest}", output.display(), package.len())))?;
        }
        let well = manifest.differences.is_empty() && manifest.stills.iter().all(|still| still["error"].is_null());
        Ok(if well { Outcome::Well } else { Outcome::NotWell })
    }

    /// The manifest, and the files it names.
    fn packed(&self, store: &Arc<dyn TopicStore>, found: &Found, city: &City, gathered: Gathered) -> anyhow::Result<(Manifest, Files)> {
        let alert = gathered.last.row.clone();
        let verdict = Verdict::of(&gathered.last);
        let basis = Basis::of(&found.plan, &self.alerts, &gathered);
        let stop = job::stop_on_signals()?;
        let reads = measured(store.as_ref(), read(store.as_ref(), &found.plan, &basis).map_err(explain)?, &stop)?;
        let rerun = Rerun { text: &found.text, city, topic: &self.alerts, alert: alert.id, stop };
        let whole = reads.iter().map(|read| (read.clone(), Content::Store(Arc::clone(store)))).collect();
        let again = rerun.on(&Recorded::of(whole), "all records that it rests on")?;
        let mut files = Files::new();
        let excerpt = excerpted(store.as_ref(), &reads, &gathered, &rerun, verdict.as_ref(), &mut files)?;
        files.insert(DEFINITION.to_owned(), found.text.text.clone().into_bytes());
        files.insert(MAP.to_owned(), serde_json::to_vec(city)?);
        let stills = self.stills(store.as_ref(), found, city, &gathered, &mut files)?;
        let mut named: Vec<_> = alert.evidence.iter().map(|evidence| evidence.camera).collect();
        named.sort_unstable();
        named.dedup();
        let cameras: Vec<Device> = named.into_iter().map(|camera| Device::of(camera, city)).collect();
        let errors: Option<Vec<u32>> = cameras.iter().map(|camera| Some(camera.mounted.as_ref()?.clock_error_ms)).collect();
        let manifest = Manifest {
            format: Manifest::FORMAT.to_owned(),
            version: Manifest::VERSION,
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            job: Job { name: found.plan.job.clone(), definition: found.plan.hash.clone(), topic: self.alerts.clone() },
            alert: alert.id,
            revision: gathered.last.revision,
            status: gathered.last.status,
            rule: alert.rule,
            text: alert.text,
            at_ms: alert.at_ms,
            error_ms: errors.and_then(|errors| errors.into_iter().max()),
            cameras,
            differences: differences(verdict.as_ref(), again.as_ref()),
            verdict,
            revisions: gathered.revisions,
            sightings: gathered.sightings,
            journey: gathered.journey,
            inputs: Inputs { from_ms: basis.from_ms, until_ms: basis.until_ms, partitions: reads },
            excerpt,
            stills,
            files: files.iter().map(|(name, bytes)| File::of(name, bytes)).collect(),
        };
        Ok((manifest, files))
    }

    #[cfg(not(feature = "vision"))]
    fn stills(&self, _: &dyn TopicStore, _: &Found, _: &City, _: &Gathered, _: &mut Files) -> anyhow::Result<Vec<Value>> {
        ensure!(self.no_stills, "this build cannot decode frames (hint: --no-stills)");
        Ok(Vec::new())
    }

    /// The pictures, if frames were captured at all.
    #[cfg(feature = "vision")]
    fn stills(
        &self,
        store: &dyn TopicStore,
        found: &Found,
        city: &City,
        gathered: &Gathered,
        files: &mut Files,
    ) -> anyhow::Result<Vec<Value>> {
        let captured = store.topics().map_err(explain)?.iter().any(|topic| topic.name == self.frames);
        if self.no_stills || !captured {
            return Ok(Vec::new());
        }
        let read = found.plan.sources.iter().find(|source| source.kind == "observations").map(|source| &*source.topic);
        let written = found.plan.outputs.iter().find(|output| output.kind == "sightings").map(|output| &*output.topic);
        let source = crate::still::Source {
            store,
            alerts: &self.alerts,
            frames: &self.frames,
            observations: read.unwrap_or("observations"),
            sightings: written.unwrap_or("sightings"),
            city: Some(city),
        };
        let mut keep = |name: &str, bytes: &[u8]| {
            files.insert(format!("stills/{name}"), bytes.to_vec());
            Ok(())
        };
        super::super::still::pictures(&source, &gathered.last.row, &mut keep).map(|(stills, _)| stills)
    }
}

/// Reads what a replay reads, to say what it is.
fn measured(store: &dyn TopicStore, mut reads: Vec<Read>, stop: &AtomicBool) -> anyhow::Result<Vec<Read>> {
    let bar = ProgressBar::new_spinner();
    for read in &mut reads {
        ensure!(!stop.load(Ordering::Relaxed), "stopped before all records were read");
        bar.set_message(format!("reads {}/{}: offsets {} to {}", read.topic, read.partition, read.from, read.to));
        measure(store, read).map_err(explain)?;
    }
    bar.finish_and_clear();
    Ok(reads)
}

/// What is packed of the inputs, and whether it suffices for the verdict.
fn excerpted(
    store: &dyn TopicStore,
    reads: &[Read],
    gathered: &Gathered,
    rerun: &Rerun<'_>,
    verdict: Option<&Verdict>,
    files: &mut Files,
) -> anyhow::Result<Excerpt> {
    let subject = Subject::of(gathered);
    let mut all = Excerpt { rule: Subject::RULE.to_owned(), ..Excerpt::default() };
    let mut parts = Vec::new();
    for read in reads {
        let (lines, withheld) = excerpt(store, read, &subject).map_err(explain)?;
        let file = format!("inputs/{}-{}.ndjson", read.topic, read.partition);
        all.withheld += withheld;
        all.parts.push(Part { topic: read.topic.clone(), partition: read.partition, file: file.clone() });
        parts.push((read.clone(), Content::File(Arc::new(lines.clone()))));
        files.insert(file, lines);
    }
    all.differences = differences(verdict, rerun.on(&Recorded::of(parts), "what is packed")?.as_ref());
    Ok(all)
}

/// A manifest for a person.
pub(super) fn told(manifest: &Manifest, first: &str) -> String {
    let Manifest { alert, revision, rule, job, inputs, excerpt, .. } = manifest;
    let at = super::super::deliveries::time(manifest.at_ms);
    let error = manifest.error_ms.map_or_else(|| "by how much that may be wrong is not known".to_owned(), |error| format!("± {error} ms"));
    let status = serde_json::to_value(manifest.status).ok().and_then(|status| Some(status.as_str()?.to_owned())).unwrap_or_default();
    let mut out = format!(
        "{first}\n  alert      {alert}, revision {revision}, {status}\n  what       {rule}: {}\n  when       {at}, {error}\n",
        manifest.text
    );
    let records: u64 = inputs.partitions.iter().map(|read| read.records).sum();
    _ = writeln!(out, "  job        {:?}, definition {}, engine {}", job.name, job.definition, manifest.engine);
    _ = writeln!(
        out,
        "  rests on   {records} records of {} partitions; {} plates of others are left out",
        inputs.partitions.len(),
        excerpt.withheld
    );
    for read in inputs.partitions.iter().filter(|read| read.cut) {
        _ = writeln!(out, "  gone       {}/{}: what came before offset {} is not kept any more", read.topic, read.partition, read.from);
    }
    for (what, told) in [("store", &manifest.differences), ("package", &excerpt.differences)] {
        let verdict = if told.is_empty() { same(manifest).to_owned() } else { format!("NOT the same: {}", told.join("; ")) };
        _ = writeln!(out, "  replay     from the {what}, when it was packed: {verdict}");
    }
    let (stills, lacking): (Vec<_>, Vec<_>) = manifest.stills.iter().partition(|still| still["error"].is_null());
    _ = writeln!(out, "  pictures   {}", stills.len());
    lacking.iter().for_each(|still| _ = writeln!(out, "  pictures   {}", still["error"].as_str().unwrap_or_default()));
    out
}

/// What a replay is that differs in nothing.
pub(super) fn same(manifest: &Manifest) -> &'static str {
    if manifest.verdict.is_some() { "the same verdict" } else { "nothing stands, as it was" }
}
