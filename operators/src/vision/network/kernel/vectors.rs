//! `Vectors`: which vector instructions the processor has, and which of them suit how many channels.

use pulp::{Arch, Simd, WithSimd};

/// The processor's vectors: the widest there are, and half as wide ones for numbers of channels that would leave the
/// widest half empty.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Vectors {
    wide: Set,
    narrow: Set,
}

/// A set of vector instructions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    instructions: Arch,
    /// Numbers in a vector.
    pub(super) lanes: usize,
    /// How many vectors the processor holds at once.
    pub(super) registers: usize,
}

impl Vectors {
    /// What this processor has.
    pub(in super::super) fn detect() -> Self {
        let wide = Set::of(Arch::default());
        Self { wide, narrow: half(wide) }
    }

    /// All that a processor of this kind may have, for tests: the results must not depend on it.
    #[cfg(test)]
    pub(in super::super) fn all() -> Vec<Self> {
        let alone = |set| Self { wide: set, narrow: set };
        let detected = Self::detect();
        vec![detected, alone(detected.wide), alone(detected.narrow), alone(Set::of(Arch::Scalar))]
    }

    /// The set that suits so many channels: the narrow one where it needs no more than half as many vectors again, for many processors
    /// do two narrow ones in the time of a wide one, and others as many of either.
    pub(super) fn suiting(&self, channels: usize) -> Set {
        let vectors = |set: Set| channels.div_ceil(set.lanes);
        if channels > 8 && 2 * vectors(self.narrow) <= 3 * vectors(self.wide) { self.narrow } else { self.wide }
    }

    /// Does work with the widest.
    pub(super) fn run<W: WithSimd>(&self, work: W) -> W::Output {
        self.wide.run(work)
    }
}

impl Set {
    fn of(instructions: Arch) -> Self {
        let (lanes, registers) = instructions.dispatch(Measure);
        Self { instructions, lanes, registers }
    }

    pub(super) fn run<W: WithSimd>(&self, work: W) -> W::Output {
        self.instructions.dispatch(work)
    }
}

#[cfg(target_arch = "x86_64")]
fn half(wide: Set) -> Set {
    match wide.instructions {
        Arch::V4(simd) => Set::of(Arch::V3(*simd)),
        _ => wide,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn half(wide: Set) -> Set {
    wide
}

/// Asks a set how wide and how many its vectors are.
struct Measure;

impl WithSimd for Measure {
    type Output = (usize, usize);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (usize, usize) {
        (S::F32_LANES, S::REGISTER_COUNT)
    }
}
