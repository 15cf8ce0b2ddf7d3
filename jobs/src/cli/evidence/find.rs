//! Which job told an alert: its definition and its map, as they were.

use std::path::Path;

use anyhow::bail;
use engine::plan::Plan;
use engine::server;
use engine::transport::TopicStore;
use schemas::City;

use super::super::job::{self, Text};
use super::super::run::read_city;
use super::super::store::explain;
use crate::catalogue::Step;
use crate::evidence::{Origin, origins};
use crate::ready::READY;
use crate::shared::identity;

/// A job that committed to a store.
pub(super) struct Found {
    pub(super) text: Text,
    pub(super) plan: Plan<Step>,
    origin: Origin,
}

/// The job that writes a topic: the one that is named, if its progress says that it did; else the only one whose definition is
/// known, from the server's catalogue or as a ready job.
pub(super) fn job(store: &dyn TopicStore, topic: &str, named: Option<&str>, catalogue: &Path) -> anyhow::Result<Found> {
    let origins = origins(&store.progress().map_err(explain)?, topic);
    let ran: Vec<String> = origins.iter().map(|origin| format!("{:?} ({})", origin.job, origin.definition)).collect();
    let ran = if ran.is_empty() { "none".to_owned() } else { ran.join(", ") };
    if let Some(named) = named {
        let (text, plan) = job::plan(named)?;
        let Some(origin) = origins.into_iter().find(|origin| origin.job == plan.job && origin.definition == plan.hash) else {
            bail!(
                "this is not the definition by which the alerts here were told: it is job {:?} ({}), and these ran: {ran} \
                 (hint: name the definition as it was when it ran)",
                plan.job,
                plan.hash
            );
        };
        return checked(topic, Found { text, plan, origin });
    }
    let mut found = Vec::new();
    for origin in origins {
        let text = match &origin.map {
            Some(_) if catalogue.exists() => server::definition(catalogue, &origin.job, &origin.definition)?.map(submitted),
            _ => None,
        };
        let ready = READY.iter().map(|ready| Text { file: format!("{}.yaml", ready.name), text: ready.text.to_owned(), directory: None });
        let known = text.into_iter().chain(ready).find_map(|text| {
            let plan = job::read(&text).ok().filter(|plan| plan.job == origin.job && plan.hash == origin.definition)?;
            writes(&plan, topic).then_some((text, plan))
        });
        found.extend(known.map(|(text, plan)| Found { text, plan, origin }));
    }
    match (found.pop(), found.is_empty()) {
        (Some(found), true) => Ok(found),
        (None, _) => bail!("the definition of the job that told it is not known; these ran: {ran} (hint: name it with --job)"),
        (Some(_), false) => bail!("several jobs write the topic {topic:?}: {ran} (hint: name the one that told it with --job)"),
    }
}

fn submitted(definition: server::Definition) -> Text {
    Text { file: definition.file, text: definition.text, directory: None }
}

fn writes(plan: &Plan<Step>, topic: &str) -> bool {
    plan.outputs.iter().any(|output| output.topic == topic && output.kind == "alerts")
}

fn checked(topic: &str, found: Found) -> anyhow::Result<Found> {
    if !writes(&found.plan, topic) {
        bail!("job {:?} writes no alerts to the topic {topic:?} (hint: name the topic with --alerts)", found.plan.job);
    }
    Ok(found)
}

impl Found {
    /// The map it ran on: the one that is named, else what the definition says. A server's progress tells whether it is the one.
    pub(super) fn city(&self, named: Option<&Path>) -> anyhow::Result<City> {
        let inline = || self.plan.resources.iter().any(|field| field.key == "city" && field.value.to_json().is_object());
        if let (Some(map), false) = (&self.origin.map, inline()) {
            let Some(named) = named else { bail!("the map that the server ran on must be named (hint: --city FILE)") };
            let city = read_city(named)?;
            if identity(Some(&city)).to_string() != *map {
                bail!("the map {named:?} is not the one that the server ran on (hint: name it as it was then)");
            }
            return Ok(city);
        }
        match named {
            Some(named) if !inline() => read_city(named),
            _ => job::city(&self.plan, self.text.directory.as_deref()),
        }
    }
}
