//! From layers to steps: every value gets its place in a buffer, every buffer its layout and its memory.

use std::collections::HashMap;

use super::super::kernel::convolve::Convolution;
use super::super::kernel::{Layout, Region, Vectors};
use super::super::{Activation, Filter, Layer, Network, Shape, Value, Window};
use super::shares::{Channel, Shares};
use super::{Place, Plan, Step, Work};

/// A plan that computes one value of a network.
pub(super) fn lower(network: &Network, output: Value, vectors: Vectors) -> Plan {
    let shares = Shares::of(network, output);
    let mut draft = Draft::new(network, &shares);
    (0..network.layers.len()).for_each(|number| draft.add(network, &shares, number));
    let input = draft.places[0].clone();
    let output = draft.neighbouring(&shares.channels[output.0]);
    draft.finish(input, output, vectors)
}

/// Some channels of a buffer, by their place in a pixel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Channels {
    buffer: usize,
    places: Vec<usize>,
}

/// A step before buffers have their layout.
struct Operation<'a> {
    task: Task<'a>,
    sources: Vec<Channels>,
    target: Channels,
}

enum Task<'a> {
    Convolution(std::borrow::Cow<'a, Filter>, Window, Activation),
    MaxPool(Window),
    Enlarge(usize),
    Gather,
    Add(Activation),
}

/// A plan in the making. Buffers are numbered; `places` tells where the channels of each owner lie.
struct Draft<'a> {
    layouts: Vec<Layout>,
    places: Vec<Channels>,
    operations: Vec<Operation<'a>>,
    /// Channels that do not lie side by side, and where a copy does.
    gathered: HashMap<Channels, Channels>,
}

impl<'a> Draft<'a> {
    fn new(network: &Network, shares: &Shares) -> Self {
        let copied = shares.copies.iter().map(|copy| network.shape(copy.of));
        let mut draft = Self { layouts: Vec::new(), places: Vec::new(), operations: Vec::new(), gathered: HashMap::new() };
        let mut numbers = HashMap::new();
        for (owner, shape) in network.shapes.iter().copied().chain(copied).enumerate() {
            let empty = Shape { channels: 0, ..shape };
            let buffer = *numbers.entry(shares.buffer(owner)).or_insert_with(|| draft.add_buffer(empty));
            // A pick or join is never written itself.
            let computed = network.layers.get(owner).is_none_or(|layer| !matches!(layer, Layer::Pick { .. } | Layer::Join { .. }));
            let layout = &mut draft.layouts[buffer];
            let first = layout.channels;
            layout.channels += if computed { shape.channels } else { 0 };
            draft.places.push(Channels { buffer, places: (first..first + shape.channels).collect() });
        }
        draft
    }

    fn add_buffer(&mut self, shape: Shape) -> usize {
        let Shape { channels, height, width } = shape;
        self.layouts.push(Layout { height, width, channels, margin: 0 });
        self.layouts.len() - 1
    }

    fn add(&mut self, network: &'a Network, shares: &Shares, number: usize) {
        for (copy, owner) in shares.copies.iter().zip(network.layers.len()..) {
            if copy.of.0 == number {
                let target = self.places[owner].clone();
                self.copy(&copy.from, &target);
            }
        }
        let target = self.places[number].clone();
        let operation = |draft: &mut Self, task, sources| draft.operations.push(Operation { task, sources, target: target.clone() });
        let channels = |of: &Value| shares.channels[of.0].as_slice();
        match &network.layers[number] {
            Layer::Input | Layer::Pick { .. } | Layer::Join { .. } => {}
            Layer::Convolution { of, filter, window, activation } => {
                let source = if filter.depthwise() { self.neighbouring(channels(of)) } else { self.located(channels(of)) };
                operation(self, Task::Convolution(std::borrow::Cow::Borrowed(filter), *window, *activation), vec![source]);
            }
            Layer::AveragePool { of, window } => {
                let source = self.neighbouring(channels(of));
                let mean = Filter::mean(source.places.len(), window.size);
                operation(self, Task::Convolution(std::borrow::Cow::Owned(mean), *window, Activation::Linear), vec![source]);
            }
            Layer::MaxPool { of, window } => {
                let source = self.neighbouring(channels(of));
                operation(self, Task::MaxPool(*window), vec![source]);
            }
            Layer::Enlarge { of, times } => {
                let source = self.neighbouring(channels(of));
                operation(self, Task::Enlarge(*times), vec![source]);
            }
            Layer::Add { of, activation } => {
                let sources = of.iter().map(|of| self.neighbouring(channels(of))).collect();
                operation(self, Task::Add(*activation), sources);
            }
        }
    }

    /// Where channels lie that share a buffer.
    fn located(&self, channels: &[Channel]) -> Channels {
        let place = |channel: &Channel| self.places[channel.owner].places[channel.channel];
        Channels { buffer: self.places[channels[0].owner].buffer, places: channels.iter().map(place).collect() }
    }

    /// Where channels lie side by side; a copy, made once, where they do not.
    fn neighbouring(&mut self, channels: &[Channel]) -> Channels {
        let located = self.located(channels);
        if located.places.windows(2).all(|pair| pair[0] + 1 == pair[1]) {
            return located;
        }
        if let Some(copy) = self.gathered.get(&located) {
            return copy.clone();
        }
        let Layout { height, width, .. } = self.layouts[located.buffer];
        let buffer = self.add_buffer(Shape { channels: channels.len(), height, width });
        let target = Channels { buffer, places: (0..channels.len()).collect() };
        self.operations.push(Operation { task: Task::Gather, sources: vec![located.clone()], target: target.clone() });
        self.gathered.insert(located, target.clone());
        target
    }

    /// Copies channels out of several buffers, those that follow one another in the same one at once.
    fn copy(&mut self, from: &[Channel], target: &Channels) {
        let mut places = target.places.as_slice();
        for run in from.chunk_by(|one, next| self.places[one.owner].buffer == self.places[next.owner].buffer) {
            let (these, rest) = places.split_at(run.len());
            let target = Channels { buffer: target.buffer, places: these.to_vec() };
            self.operations.push(Operation { task: Task::Gather, sources: vec![self.located(run)], target });
            places = rest;
        }
    }

    fn finish(mut self, input: Channels, output: Channels, vectors: Vectors) -> Plan {
        for operation in &self.operations {
            if let Task::Convolution(_, window, _) = &operation.task {
                let margin = &mut self.layouts[operation.sources[0].buffer].margin;
                *margin = window.padding.into_iter().fold(*margin, usize::max);
            }
        }
        let (memory, memories) = self.memory(&input, &output);
        let place = |channels: &Channels| {
            let region = Region { layout: self.layouts[channels.buffer], first: channels.places[0], channels: channels.places.len() };
            Place { buffer: memory[channels.buffer], region }
        };
        let step = |operation: &Operation| {
            let [source, target] = [&operation.sources[0], &operation.target];
            let work = match &operation.task {
                Task::Convolution(filter, window, activation) => {
                    let from = (self.layouts[source.buffer], source.places.as_slice());
                    Work::Convolution(Box::new(Convolution::new(&vectors, filter, (*window, *activation), from, place(target).region)))
                }
                Task::MaxPool(window) => Work::MaxPool(*window),
                Task::Enlarge(times) => Work::Enlarge(*times),
                Task::Gather => Work::Gather(source.places.clone()),
                Task::Add(activation) => Work::Add(*activation),
            };
            Step { work, sources: operation.sources.iter().map(place).collect(), target: place(target) }
        };
        let steps = self.operations.iter().map(step).collect();
        Plan { vectors, steps, buffers: memories, input: place(&input), output: place(&output) }
    }

    /// Which memory each buffer gets. Those of the same layout share one where the first is done with before the second
    /// begins: its margins are zeros already, and it is still in the cache.
    fn memory(&self, input: &Channels, output: &Channels) -> (Vec<usize>, Vec<Vec<f32>>) {
        let mut lives = vec![(usize::MAX, 0); self.layouts.len()];
        let mut alive = |buffer: usize, at: usize| lives[buffer] = (lives[buffer].0.min(at), lives[buffer].1.max(at));
        alive(input.buffer, 0);
        for (operation, at) in self.operations.iter().zip(1..) {
            operation.sources.iter().chain([&operation.target]).for_each(|channels| alive(channels.buffer, at));
        }
        alive(output.buffer, usize::MAX);
        let mut order: Vec<_> = (0..lives.len()).filter(|buffer| lives[*buffer].0 != usize::MAX).collect();
        order.sort_by_key(|buffer| lives[*buffer].0);
        let (mut memory, mut memories) = (vec![usize::MAX; lives.len()], Vec::<(Layout, usize)>::new());
        for buffer in order {
            let layout = self.layouts[buffer];
            let free = memories.iter().position(|(of, until)| *of == layout && *until < lives[buffer].0);
            memory[buffer] = free.unwrap_or(memories.len());
            match free {
                Some(number) => memories[number].1 = lives[buffer].1,
                None => memories.push((layout, lives[buffer].1)),
            }
        }
        (memory, memories.iter().map(|(layout, _)| vec![0.0; layout.len()]).collect())
    }
}
