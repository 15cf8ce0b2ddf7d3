//! Which values share a buffer.
//!
//! A value that is picked or joined from others is never computed: it is a list of their channels. For a kernel to see all
//! channels of such a value in one buffer, those that it is made of share one, side by side in each pixel. Where that
//! cannot be, because a layer would write the buffer it reads or the value takes in the network's input, the value is copied together.

use super::super::{Layer, Network, Value};

/// A channel of a value that is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Channel {
    /// The value, or a copy, by number.
    pub(super) owner: usize,
    /// Its channel.
    pub(super) channel: usize,
}

/// What every value is made of, and which values share a buffer.
pub(super) struct Shares {
    /// For each value of the network its channels, in order.
    pub(super) channels: Vec<Vec<Channel>>,
    /// Values that are copied together from others, by number; these come after the network's own.
    pub(super) copies: Vec<Copy>,
    /// For each owner the number of one that stands for all that share its buffer.
    standing: Vec<usize>,
    /// For each owner the owners that are read when it is written.
    reads: Vec<Vec<usize>>,
}

/// A value that is copied together before a layer takes it.
pub(super) struct Copy {
    /// The value that it is a copy of.
    pub(super) of: Value,
    /// Where its channels are copied from.
    pub(super) from: Vec<Channel>,
}

impl Shares {
    pub(super) fn of(network: &Network, output: Value) -> Self {
        let count = network.layers.len();
        let mut shares = Self {
            channels: Vec::with_capacity(count),
            copies: Vec::new(),
            standing: (0..count).collect(),
            reads: vec![Vec::new(); count],
        };
        for (number, layer) in network.layers.iter().enumerate() {
            let own = || (0..network.shapes[number].channels).map(|channel| Channel { owner: number, channel }).collect();
            let channels = match layer {
                Layer::Pick { of, channels } => channels.iter().map(|channel| shares.channels[of.0][*channel]).collect(),
                Layer::Join { of } => of.iter().flat_map(|of| shares.channels[of.0].clone()).collect(),
                _ => {
                    layer.inputs().iter().for_each(|input| shares.together(*input));
                    shares.reads[number] = layer.inputs().iter().flat_map(|input| owners(&shares.channels[input.0])).collect();
                    own()
                }
            };
            shares.channels.push(channels);
        }
        shares.together(output);
        shares
    }

    /// Which buffer an owner lies in: the least of the owners that share it.
    pub(super) fn buffer(&self, owner: usize) -> usize {
        let mut standing = owner;
        while self.standing[standing] != standing {
            standing = self.standing[standing];
        }
        standing
    }

    /// Sees to it that all channels of a value lie in one buffer.
    fn together(&mut self, value: Value) {
        let owners = owners(&self.channels[value.0]);
        let before = self.standing.clone();
        for owner in &owners {
            let [one, other] = [self.buffer(owners[0]), self.buffer(*owner)];
            self.standing[one.max(other)] = one.min(other);
        }
        if self.joins_the_input() || self.writes_what_it_reads(owners[0]) {
            self.standing = before;
            self.copy(value);
        }
    }

    /// Whether anything shares the input's buffer, into which whoever has the picture writes whole rows.
    fn joins_the_input(&self) -> bool {
        (1..self.standing.len()).any(|owner| self.buffer(owner) == 0)
    }

    /// Whether any value in the buffer of this owner is computed from another one there.
    fn writes_what_it_reads(&self, owner: usize) -> bool {
        let buffer = self.buffer(owner);
        let inside = |owner: &usize| self.buffer(*owner) == buffer;
        (0..self.standing.len()).filter(inside).any(|owner| self.reads[owner].iter().any(inside))
    }

    fn copy(&mut self, value: Value) {
        let owner = self.standing.len();
        self.standing.push(owner);
        let own = (0..self.channels[value.0].len()).map(|channel| Channel { owner, channel }).collect();
        let from = std::mem::replace(&mut self.channels[value.0], own);
        self.reads.push(owners(&from));
        self.copies.push(Copy { of: value, from });
    }
}

fn owners(channels: &[Channel]) -> Vec<usize> {
    let mut owners: Vec<_> = channels.iter().map(|channel| channel.owner).collect();
    owners.sort_unstable();
    owners.dedup();
    owners
}
