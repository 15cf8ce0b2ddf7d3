//! Who reads whom: names to wires, an order without cycles, and the kinds that flow.

use std::collections::BTreeMap;

use super::{Catalogue, Entry, PlannedOutput, REJECTED, Wire, repeated};
use crate::definition::{Definition, Input, Problems, Step, Word, did_you_mean};

/// The wires of a definition. Sources and steps are numbered as the definition lists them, until [`Wiring::of`] ends: then as the
/// plan orders them.
pub(super) struct Wiring {
    /// Steps in an order in which each stands after those it reads, by their number in the definition.
    pub(super) order: Vec<usize>,
    /// By step of the definition, by input port.
    pub(super) inputs: Vec<Vec<Vec<Wire>>>,
    /// By step of the definition, by output port; `None` where an error keeps us from knowing.
    pub(super) kinds: Vec<Vec<Option<&'static str>>>,
    /// By step of the definition: the kind that flows into its first input, where that is known.
    pub(super) first_kinds: Vec<Option<&'static str>>,
    /// The outputs.
    pub(super) outputs: Vec<PlannedOutput>,
}

/// Names and what they stand for.
struct Names<'a, S> {
    definition: &'a Definition,
    entries: &'a [Option<&'a Entry<S>>],
    wires: BTreeMap<&'a str, Wire>,
}

impl Wiring {
    pub(super) fn of<C: Catalogue>(
        definition: &Definition,
        entries: &[Option<&Entry<C::Step>>],
        source_kinds: &[Option<&'static str>],
        catalogue: &C,
        problems: &mut Problems,
    ) -> Self {
        let names = Names::of(definition, entries, problems);
        let inputs: Vec<_> = (definition.steps.iter().zip(entries)).map(|(step, entry)| names.inputs(step, *entry, problems)).collect();
        let order = order(definition, &inputs, problems);
        let mut wiring =
            Self { order, inputs, kinds: vec![Vec::new(); entries.len()], first_kinds: vec![None; entries.len()], outputs: Vec::new() };
        for step in wiring.order.clone() {
            wiring.first_kinds[step] =
                wiring.inputs[step].first().and_then(|wires| wires.first()).and_then(|wire| wiring.kind(*wire, source_kinds));
            let kinds = wiring.check_kinds(step, &definition.steps[step], entries[step], source_kinds, problems);
            wiring.kinds[step] = kinds;
        }
        for output in &definition.outputs {
            let from: Vec<_> = output.from.iter().filter_map(|word| Some((word, names.wire(word, problems)?))).collect();
            wiring.add_output(&output.topic, &from, source_kinds, catalogue, problems);
        }
        if !problems.any_error() {
            wiring.warn_unused(definition, problems);
        }
        wiring.renumber();
        wiring
    }

    /// The kind a wire carries, numbered as in the definition.
    fn kind(&self, wire: Wire, sources: &[Option<&'static str>]) -> Option<&'static str> {
        match wire {
            Wire::Source(source) => sources[source],
            Wire::Step { step, port } => self.kinds[step].get(port).copied().flatten(),
        }
    }

    /// Checks what flows into a step and says what flows out of it.
    fn check_kinds<S>(
        &self,
        number: usize,
        step: &Step,
        entry: Option<&Entry<S>>,
        sources: &[Option<&'static str>],
        problems: &mut Problems,
    ) -> Vec<Option<&'static str>> {
        let Some(entry) = entry else { return Vec::new() };
        for (port, wires) in entry.inputs.iter().zip(&self.inputs[number]) {
            let at = place_of(step, port.name, entry.inputs.len());
            let given: Vec<&str> = wires.iter().filter_map(|wire| self.kind(*wire, sources)).collect();
            for kind in given.iter().filter(|kind| !port.kinds.contains(*kind)) {
                let message = format!("input {:?} of step {:?} takes {}, not {kind}", port.name, step.name.text, port.kinds.join(" or "));
                problems.error(at, message, None);
            }
            if given.windows(2).any(|pair| pair[0] != pair[1]) {
                problems.error(at, format!("input {:?} of step {:?} mixes {}", port.name, step.name.text, given.join(" and ")), None);
            }
        }
        entry.outputs.iter().map(|port| port.kind.or(self.first_kinds[number])).collect()
    }

    fn add_output<C: Catalogue>(
        &mut self,
        topic: &Word,
        from: &[(&Word, Wire)],
        sources: &[Option<&'static str>],
        catalogue: &C,
        problems: &mut Problems,
    ) {
        if topic.text == REJECTED {
            let hint = Some("remove it here; nothing is dropped silently".to_owned());
            problems.error(topic.at, format!("output {REJECTED:?} is written by every job without being named"), hint);
        }
        let kinds: Vec<(&Word, &'static str)> = from.iter().filter_map(|(word, wire)| Some((*word, self.kind(*wire, sources)?))).collect();
        let Some((_, kind)) = kinds.first().copied() else {
            if from.is_empty() {
                problems.error(topic.at, format!("nothing flows into output {:?}", topic.text), None);
            }
            return;
        };
        for (word, other) in kinds.iter().filter(|(_, other)| *other != kind) {
            problems.error(word.at, format!("output {:?} mixes {kind} and {other}", topic.text), Some("use one topic for each".to_owned()));
        }
        if !catalogue.kind(kind).is_some_and(|kind| kind.writable) {
            let writable: Vec<_> = catalogue.kinds().iter().filter(|kind| kind.writable).map(|kind| kind.name).collect();
            let hint = Some(format!("outputs can be of kind {}", writable.join(", ")));
            problems.error(kinds[0].0.at, format!("{kind} cannot be written to a topic, in output {:?}", topic.text), hint);
        }
        self.outputs.push(PlannedOutput { topic: topic.text.clone(), kind, from: from.iter().map(|(_, wire)| *wire).collect() });
    }

    fn warn_unused(&self, definition: &Definition, problems: &mut Problems) {
        let used: Vec<Wire> =
            self.inputs.iter().flatten().flatten().chain(self.outputs.iter().flat_map(|output| &output.from)).copied().collect();
        for (_, source) in definition.sources.iter().enumerate().filter(|(number, _)| !used.contains(&Wire::Source(*number))) {
            problems.warning(
                source.name.at,
                format!("source {:?} is not used", source.name.text),
                Some("remove it, or name it in a step".to_owned()),
            );
        }
        let read = |number: usize| used.iter().any(|wire| matches!(wire, Wire::Step { step, .. } if *step == number));
        for (_, step) in definition.steps.iter().enumerate().filter(|(number, _)| !read(*number)) {
            let hint = Some("name it in an output or in another step, or remove it".to_owned());
            problems.warning(step.name.at, format!("nothing uses the results of step {:?}", step.name.text), hint);
        }
    }

    /// From numbers of the definition to numbers of the plan.
    fn renumber(&mut self) {
        let place: BTreeMap<usize, usize> = self.order.iter().enumerate().map(|(place, step)| (*step, place)).collect();
        let wires = self.inputs.iter_mut().flatten().flatten().chain(self.outputs.iter_mut().flat_map(|output| &mut output.from));
        for wire in wires {
            if let Wire::Step { step, .. } = wire {
                *step = place.get(step).copied().unwrap_or(*step);
            }
        }
    }

    /// By step of the definition: the sum of windows along the longest path up to and with it, plus the lateness.
    pub(super) fn memories(&self, windows: &[u64], lateness_ms: u64) -> Vec<u64> {
        let mut memories = vec![lateness_ms; windows.len()];
        for step in &self.order {
            let before = self.inputs[*step].iter().flatten().map(|wire| match wire {
                Wire::Source(_) => lateness_ms,
                Wire::Step { step, .. } => self.order.get(*step).map_or(lateness_ms, |step| memories[*step]),
            });
            memories[*step] = before.max().unwrap_or(lateness_ms).saturating_add(windows[*step]);
        }
        memories
    }
}

impl<'a, S> Names<'a, S> {
    fn of(definition: &'a Definition, entries: &'a [Option<&'a Entry<S>>], problems: &mut Problems) -> Self {
        let sources = definition.sources.iter().enumerate().map(|(number, source)| (&source.name, Wire::Source(number)));
        let steps = definition.steps.iter().enumerate().map(|(step, it)| (&it.name, Wire::Step { step, port: 0 }));
        let all: Vec<(&Word, Wire)> = sources.chain(steps).collect();
        for (name, at) in repeated(all.iter().map(|(name, _)| (name.text.as_str(), name.at))) {
            problems.error(at, format!("{name:?} is both a source and a step"), Some("give one of them another name".to_owned()));
        }
        Self { definition, entries, wires: all.into_iter().rev().map(|(name, wire)| (name.text.as_str(), wire)).collect() }
    }

    /// What a word such as `step`, `step.port` or `source` stands for.
    fn wire(&self, word: &Word, problems: &mut Problems) -> Option<Wire> {
        let (name, port) = word.text.split_once('.').map_or((word.text.as_str(), None), |(name, port)| (name, Some(port)));
        let Some(wire) = self.wires.get(name) else {
            let hint = did_you_mean(name, self.wires.keys().copied());
            problems.error(word.at, format!("there is no source or step {name:?}"), hint);
            return None;
        };
        let Some(port) = port else { return Some(*wire) };
        let outputs = match wire {
            Wire::Source(_) => &[],
            Wire::Step { step, .. } => self.entries[*step]?.outputs,
        };
        match (outputs.iter().position(|output| output.name == port), wire) {
            (Some(port), Wire::Step { step, .. }) => Some(Wire::Step { step: *step, port }),
            _ => {
                let what = if outputs.is_empty() { "source" } else { "step" };
                let hint = did_you_mean(port, outputs.iter().map(|output| output.name));
                problems.error(word.at, format!("{what} {name:?} has no output {port:?}"), hint);
                None
            }
        }
    }

    /// Tells unknown names where we cannot know which port they are meant for.
    fn check_names<'w>(&self, words: impl IntoIterator<Item = &'w Word>, problems: &mut Problems) {
        words.into_iter().for_each(|word| _ = self.wire(word, problems));
    }

    /// The wires into each input port of a step.
    fn inputs(&self, step: &Step, entry: Option<&Entry<S>>, problems: &mut Problems) -> Vec<Vec<Wire>> {
        let Some(entry) = entry else {
            self.check_names(step.inputs.iter().flat_map(|input| &input.from), problems);
            return Vec::new();
        };
        let required: Vec<_> = entry.inputs.iter().filter(|port| !port.optional).collect();
        let mut wires = vec![Vec::new(); entry.inputs.len()];
        let mut given = vec![false; entry.inputs.len()];
        for Input { port, from } in &step.inputs {
            let place = match port {
                Some(word) => entry.inputs.iter().position(|known| known.name == word.text),
                None if required.len() > 1 => None,
                None => Some(0),
            };
            match (place, port) {
                (Some(place), _) => {
                    given[place] = true;
                    wires[place].extend(from.iter().filter_map(|word| self.wire(word, problems)));
                }
                (None, Some(word)) => {
                    let message = format!("step {:?} ({}) has no input {:?}", step.name.text, entry.name, word.text);
                    problems.error(word.at, message, did_you_mean(&word.text, entry.inputs.iter().map(|port| port.name)));
                }
                (None, None) => {
                    given.fill(true);
                    let ports: Vec<_> = entry.inputs.iter().map(|port| format!("{}: …", port.name)).collect();
                    let message = format!("step {:?} ({}) has several inputs", step.name.text, entry.name);
                    let at = from.first().map_or(step.name.at, |word| word.at);
                    problems.error(at, message, Some(format!("write from: {{{}}}", ports.join(", "))));
                    self.check_names(from, problems);
                }
            }
        }
        for (port, _) in entry.inputs.iter().zip(&given).filter(|(port, given)| !port.optional && !**given) {
            let hint = self.candidate(port.kinds).map(|name| format!("write from: {{{}: {name}}}", port.name));
            let message = format!("step {:?} ({}) needs input {:?} ({})", step.name.text, entry.name, port.name, port.kinds.join(" or "));
            problems.error(step.name.at, message, hint);
        }
        wires
    }

    /// A source or step that gives one of these kinds.
    fn candidate(&self, kinds: &[&str]) -> Option<&str> {
        let steps = self.definition.steps.iter().zip(self.entries).filter(|(_, entry)| {
            entry.and_then(|entry| entry.outputs.first()).and_then(|port| port.kind).is_some_and(|kind| kinds.contains(&kind))
        });
        let sources = self.definition.sources.iter().filter(|source| kinds.contains(&source.kind.text.as_str()));
        steps.map(|(step, _)| &step.name).chain(sources.map(|source| &source.name)).map(|name| name.text.as_str()).next()
    }
}

/// Where a step says what flows into a port.
fn place_of(step: &Step, port: &str, ports: usize) -> crate::definition::Position {
    let named = step.inputs.iter().find(|input| match &input.port {
        Some(word) => word.text == port,
        None => ports >= 1,
    });
    named.and_then(|input| input.from.first()).map_or(step.name.at, |word| word.at)
}

/// Each step after those it reads, otherwise as listed; steps on a cycle are left out and told.
fn order(definition: &Definition, inputs: &[Vec<Vec<Wire>>], problems: &mut Problems) -> Vec<usize> {
    let reads: Vec<Vec<usize>> = (inputs.iter())
        .map(|ports| {
            ports.iter().flatten().filter_map(|wire| if let Wire::Step { step, .. } = wire { Some(*step) } else { None }).collect()
        })
        .collect();
    let mut done = vec![false; reads.len()];
    let mut order = Vec::new();
    while let Some(next) = (0..reads.len()).find(|step| !done[*step] && reads[*step].iter().all(|before| done[*before])) {
        done[next] = true;
        order.push(next);
    }
    let mut told = done.clone();
    for start in 0..reads.len() {
        if told[start] {
            continue;
        }
        let mut path = vec![start];
        while let Some(next) = reads[path[path.len() - 1]].iter().copied().find(|before| !done[*before]) {
            let seen = path.iter().position(|step| *step == next);
            path.push(next);
            if let Some(from) = seen {
                tell_cycle(definition, &path[from..], &told, problems);
                break;
            }
        }
        path.iter().for_each(|step| told[*step] = true);
    }
    order
}

fn tell_cycle(definition: &Definition, cycle: &[usize], told: &[bool], problems: &mut Problems) {
    if cycle.iter().any(|step| told[*step]) {
        return;
    }
    let first = cycle.iter().copied().min().unwrap_or(cycle[0]);
    let turn = cycle.iter().position(|step| *step == first).unwrap_or(0);
    let ring = cycle[..cycle.len() - 1].iter().cycle().skip(turn).take(cycle.len());
    let names: Vec<&str> = ring.map(|step| definition.steps[*step].name.text.as_str()).collect();
    let step = &definition.steps[first];
    let at = step.inputs.first().and_then(|input| input.from.first()).map_or(step.name.at, |word| word.at);
    problems.error(at, format!("step {:?} reads its own results: {}", step.name.text, names.join(" ← ")), None);
}
